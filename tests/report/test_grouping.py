"""What counts as a repetition, and what is left out and said."""

import shutil

import pytest

from il.errors import ConfigError
from il.report.grouping import tabulate
from il.report.keys import keep, shortest
from il.report.reading import find_runs, read_run
from il.sweep.record import Entry, Sweep

IGNORED = ["out", "logger", "logger.*"]


def table_of(folder, group=("auto",), facet=("env",), statuses=("ok",)):
    runs = [read_run(path, ["eval/return_mean"]) for path in find_runs([folder])]
    return tabulate(runs, group, facet, statuses, IGNORED)


def labels(table):
    return [group.label for group in table.groups]


def test_groups_by_what_differs(sweep):
    table = table_of(sweep)
    assert labels(table) == ["bc", "dagger, beta=0.0", "dagger, beta=0.5", "dagger, beta=1.0"]
    assert table.facets == ["Ant-v5", "Hopper-v5"] and table.keys == ["algo", "algo.beta"]
    assert {len(runs) for runs in table.cells.values()} == {5}
    assert table.left_out == [] and table.notes == []
    assert table.differences["algo.beta"]["0.5"] == 10


def test_labels_leave_out_what_an_algorithm_does_not_use(make_run, tmp_path):
    for algo, beta in (("bc", 0.5), ("dagger", 0.5), ("dagger", 0.7)):
        for seed in (1, 2):
            make_run(tmp_path / f"{algo}{beta}{seed}", [1.0], seed=seed, algo=algo, config={"algo": {"beta": beta}})
    assert labels(table_of(tmp_path)) == ["bc", "dagger, beta=0.5", "dagger, beta=0.7"]


def test_named_keys_group_and_pooling_is_said(sweep):
    table = table_of(sweep, group=["algo"], facet=[])
    assert labels(table) == ["bc", "dagger"]
    assert any("pooled" in note and "env, algo.beta" in note for note in table.notes)


def test_settings_that_go_with_the_environment_make_no_groups(make_run, tmp_path):
    for env, rate in (("Ant-v5", 0.1), ("Hopper-v5", 0.2)):
        for seed in (1, 2):
            name = f"{env}{seed}"
            make_run(tmp_path / name, [1.0], env=env, seed=seed, config={"policy": {"rate": rate, "width": rate * 10}})
    assert labels(table_of(tmp_path)) == ["dagger"]


def test_a_preset_is_one_key_not_all_that_it_sets(make_run, tmp_path):
    for seed in (1, 2):
        make_run(tmp_path / f"a{seed}", [1.0], seed=seed)
        make_run(tmp_path / f"b{seed}", [1.0], seed=seed, config={"policy": {"depth": 3}, "algo": {"steps": 5}})
    assert len(table_of(tmp_path).keys) == 1


def test_duplicates_failures_and_gaps_are_listed(make_run, tmp_path):
    for seed in (1, 2, 3, 4):
        make_run(tmp_path / f"a{seed}", [1.0, 2.0], seed=seed, algo="bc")
    make_run(tmp_path / "b1", [1.0], seed=1)
    make_run(tmp_path / "b2", [1.0], seed=2, status="failed", error="ValueError: no")
    make_run(tmp_path / "b3", [1.0], seed=3, status="running")
    shutil.copytree(tmp_path / "a1", tmp_path / "a1_again")
    (tmp_path / "never").mkdir()
    (tmp_path / "never/overrides.yaml").write_text("- seed=9\n")
    table = table_of(tmp_path)
    why = {run.path.name: reason for run, reason in table.left_out}
    assert why["b2"] == "ValueError: no" and "has not finished; 1 rounds" in why["b3"]
    assert "never started" in why["never"]
    assert len(why) == 4 and "configuration and seed of" in (why.get("a1") or why["a1_again"])
    assert table.planned["Ant-v5", "B"] == 3 and len(table.cells["Ant-v5", "B"]) == 1
    assert any("B 2–4" in note for note in table.notes)
    assert len(table_of(tmp_path, statuses=["any"]).cells["Ant-v5", "B"]) == 3


def test_other_code_is_said(make_run, tmp_path):
    for seed, sha in ((1, "aaaa"), (2, "bbbb")):
        path = make_run(tmp_path / str(seed), [1.0], seed=seed)
        text = (path / "run.json").read_text().replace("0123456789abcdef", sha)
        (path / "run.json").write_text(text)
    assert any("2 versions of the code" in note for note in table_of(tmp_path).notes)


def test_filters(sweep):
    runs = [read_run(path, []) for path in find_runs([sweep])]
    assert len(keep(runs, {"algo.beta": "0.5,1"})) == 20 - 10 and len(keep(runs, {"algo.beta": "0.5,1.0"})) == 20
    assert len(keep(runs, {"env": "Ant-v5", "seed": "1,2"})) == 8
    with pytest.raises(ConfigError, match=r"algo.bata.*did you mean 'algo.beta'"):
        keep(runs, {"algo.bata": "1"})
    with pytest.raises(ConfigError, match="there are Ant-v5, Hopper-v5"):
        keep(runs, {"env": "Walker2d-v5"})
    with pytest.raises(ConfigError, match=r"did you mean 'policy\.depth'"):
        tabulate(runs, ["policy.dept"], ["env"], ["ok"], IGNORED)


def test_short_names_stay_unique():
    assert shortest(["algo.beta", "policy.fit.lr", "critic.fit.lr", "algo"]) == {
        "algo.beta": "beta",
        "policy.fit.lr": "policy.fit.lr",
        "critic.fit.lr": "critic.fit.lr",
        "algo": "algo",
    }


def test_a_sweeps_job_table_names_the_missing_and_the_killed(make_run, tmp_path):
    sweep = Sweep(tmp_path)
    make_run(tmp_path / "seed=1", [1.0, 2.0], seed=1)
    make_run(tmp_path / "seed=2", [1.0], seed=2, status="running")
    jobs = ("1", "ok", ""), ("2", "failed", "out of memory"), ("3", "cancelled", "cancelled")
    sweep.add(*(Entry(f"seed={k}", id=f"43_{k}", state=state, reason=reason) for k, state, reason in jobs))
    table = table_of(tmp_path)
    assert {run.path.name: why for run, why in table.left_out} == {
        "seed=2": "failed: out of memory",
        "seed=3": "cancelled: cancelled",
    }
    assert [run.path.name for run in table.runs] == ["seed=1"]
