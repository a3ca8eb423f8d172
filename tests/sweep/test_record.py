from il.sweep.record import Entry, Sweep, with_overrides


def test_later_rows_replace_and_complete_earlier_ones(tmp_path):
    sweep = Sweep(tmp_path)
    sweep.add(Entry("a", ["x=1"]), Entry("b"))
    sweep.add(Entry("a", ["x=1"], id="7_0"))
    sweep.end("a", "failed", "boom", "n1")
    entries = sweep.entries()
    assert list(entries) == ["a", "b"]
    assert (entries["a"].id, entries["a"].state, entries["a"].reason) == ("7_0", "failed", "boom")
    sweep.add(Entry("a", ["x=1"], id="8_0"))
    assert sweep.entries()["a"].state == ""


def test_a_torn_line_loses_only_itself(tmp_path):
    sweep = Sweep(tmp_path)
    sweep.add(Entry("a"), Entry("b"))
    with (tmp_path / "jobs.jsonl").open("a") as file:
        file.write('{"name": "c", "over')
    sweep.add(Entry("d"))
    assert list(sweep.entries()) == ["a", "b", "d"]


def test_more_overrides_come_before_the_flags():
    assert with_overrides(["launch.py", "a=1", "-m"], ["b=2"]) == ["launch.py", "a=1", "b=2", "-m"]
    assert with_overrides(["launch.py", "a=1"], ["b=2"]) == ["launch.py", "a=1", "b=2"]
    assert with_overrides(["launch.py", "a=1", "b=3", "-m"], ["a=2"]) == ["launch.py", "b=3", "a=2", "-m"]


def test_another_launcher_leaves_the_knobs_of_the_first_behind():
    command = ["launch.py", "hydra/launcher=slurm", "hydra.launcher.mem_gb=4", "hydra.sweep.dir=x"]
    assert with_overrides(command, ["hydra/launcher=local"]) == [
        "launch.py",
        "hydra.sweep.dir=x",
        "hydra/launcher=local",
    ]
