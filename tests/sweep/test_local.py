import os
import re
import signal
import time
from pathlib import Path

import pytest

TWO = "hydra.launcher.workers=2"


def wait_for(condition, seconds=90):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, "waited in vain"
        time.sleep(0.2)


def states(commands, dir="out"):
    return {name: row.state for name, row in commands.rows(dir).items()}


def test_a_job_that_dies_is_a_row_and_the_others_are_kept(commands):
    output = commands.sweep("act=none,raise,kill,exit", "seed=1,2", TWO, code=1)
    rows = commands.rows()
    assert {name for name, row in rows.items() if row.state == "ok"} == {"act=none,seed=1", "act=none,seed=2"}
    reasons = {name: row.reason for name, row in rows.items() if row.state == "failed"}
    assert len(reasons) == 6
    assert reasons["act=raise,seed=1"] == "ValueError: boom"
    assert reasons["act=kill,seed=2"] == "killed by SIGKILL"
    assert reasons["act=exit,seed=1"] == "left with sys.exit(3)"
    assert "8 jobs: 6 failed, 2 ok" in output and "il sweep resume" in output


def test_resume_runs_what_is_not_done_and_leaves_the_rest_alone(commands):
    commands.sweep("act=none,raise,kill", "seed=1", TWO, code=1)
    done = commands.json("out/act=none,seed=1/run.json", dir="")
    output = commands.resume()
    assert "2 jobs to run (1 are done or under way)" in output
    assert {row.state for row in commands.rows().values()} == {"ok"}
    assert commands.json("out/act=none,seed=1/run.json", dir="") == done
    assert commands.metrics("act=kill,seed=1") == commands.metrics("act=none,seed=1")
    assert "0 jobs to run" in commands.resume()


def test_more_seeds_rename_nothing(commands):
    commands.sweep("beta=0,1", "seed=1", TWO)
    before = {name: commands.metrics(name) for name in commands.rows()}
    assert "4 jobs to run (2 are done" in commands.resume("out", "seed=1,2,3")
    assert len(commands.rows()) == 6
    assert all(commands.metrics(name) == record for name, record in before.items())


def test_another_configuration_in_the_same_place_is_refused(commands):
    commands.sweep("seed=1,2", TWO)
    output = commands.sweep("seed=1,2,3", "rounds=3", TWO, code=1)
    assert len(output.strip().splitlines()) == 1
    assert "out/seed=1 was started with another configuration" in output
    assert set(commands.rows()) == {"seed=1", "seed=2"}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stopped_sweep_goes_on_to_the_same_record(commands, workers):
    overrides = ["seed=1,2,3", "rounds=6", f"hydra.launcher.workers={workers}"]
    commands.sweep(*overrides, dir="whole")
    process = commands.start("hydra.sweep.dir=out", *overrides, "sleep=0.3", "-m")
    wait_for(lambda: (commands.cwd / "out" / "seed=1" / "state.json").exists())
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == 143
    now = states(commands)
    assert now["seed=1"] == "stopped" and now["seed=3"] == "missing"
    commands.resume()
    assert set(states(commands).values()) == {"ok"}
    for name in now:
        assert commands.metrics(name) == commands.metrics(name, dir="whole")


def test_ctrl_c_saves_the_running_jobs_too(commands):
    process = commands.start("hydra.sweep.dir=out", "seed=1,2", "rounds=20", "sleep=0.1", TWO, "-m")
    wait_for(lambda: (commands.cwd / "out" / "seed=1" / "state.json").exists())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 143
    assert states(commands)["seed=1"] == "stopped"


def test_a_worker_asked_to_stop_takes_its_job_up_again(commands):
    process = commands.start("hydra.sweep.dir=out", "seed=1,2", "rounds=10", "sleep=0.1", TWO, "-m")
    log = commands.cwd / "out" / ".jobs" / "seed=2.log"
    wait_for(lambda: log.exists() and "round 1" in log.read_text())
    os.kill(int(re.search(r"pid (\d+)", log.read_text())[1]), signal.SIGUSR2)
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert [row.attempts for row in commands.rows().values()] == [1, 2]
    commands.sweep("seed=2", "rounds=10", dir="whole")
    assert commands.metrics("seed=2") == commands.metrics("seed=2", dir="whole")


@pytest.mark.skipif(not Path("/proc").exists(), reason="asks /proc whose child a worker is")
def test_a_new_worker_starts_though_what_workers_start_from_was_killed(commands):
    process = commands.start("hydra.sweep.dir=out", "seed=1,2,3,4", "rounds=10", "sleep=0.1", TWO, "-m")
    log = commands.cwd / "out" / ".jobs" / "seed=1.log"
    wait_for(lambda: log.exists() and "round 1" in log.read_text())
    worker = int(re.search(r"pid (\d+)", log.read_text())[1])
    server = int(re.search(r"PPid:\s+(\d+)", Path(f"/proc/{worker}/status").read_text())[1])
    assert server not in (process.pid, os.getpid())
    os.kill(server, signal.SIGKILL), os.kill(worker, signal.SIGKILL)
    process.communicate(timeout=120)
    assert process.returncode == 1
    assert states(commands) == {"seed=1": "failed", "seed=2": "ok", "seed=3": "ok", "seed=4": "ok"}


def test_a_killed_launcher_leaves_its_running_jobs_and_the_truth_about_them(commands):
    process = commands.start("hydra.sweep.dir=out", "seed=1,2,3,4", "rounds=40", "sleep=0.3", TWO, "-m")
    wait_for(lambda: (commands.cwd / "out" / "seed=2" / "state.json").exists())
    assert "is being worked on by process" in commands.resume(code=1)
    assert "2 running, 2 pending" in commands.table("status")
    process.kill()
    process.wait()
    assert states(commands)["seed=1"] == "running" and states(commands)["seed=4"] == "missing"
    for row in commands.rows().values():
        if row.active:
            os.kill(int(row.id.split(":")[1]), signal.SIGTERM)
    wait_for(lambda: set(states(commands).values()) == {"stopped", "missing"})


def test_cancel_stops_the_launcher(commands):
    process = commands.start("hydra.sweep.dir=out", "seed=1,2,3", "rounds=50", "sleep=0.1", TWO, "-m")
    wait_for(lambda: (commands.cwd / "out" / "seed=2" / "state.json").exists())
    commands.table("cancel")
    process.communicate(timeout=120)
    assert process.returncode == 143
    assert states(commands) == {"seed=1": "stopped", "seed=2": "stopped", "seed=3": "missing"}


def test_200_jobs_none_lost_and_lines_stay_whole(commands):
    output = commands.sweep("seed=range(200)", "beta=0.5", "rounds=1", TWO)
    assert len(commands.rows()) == 200 and set(states(commands).values()) == {"ok"}
    lines = [line for line in output.splitlines() if line.startswith("[")]
    assert len(lines) == 200
    assert all(re.fullmatch(r"\[\d+/200\] ok      seed=\d+  \d+ s  objective [\d.]+", line) for line in lines)
    logs = [path.read_text() for path in (commands.cwd / "out" / ".jobs").iterdir()]
    assert all(log.count("round 0 of") == 1 for log in logs)


def test_paths_with_spaces_one_thread_and_no_home(commands):
    commands.env["HOME"] = "/proc/nobody"
    del commands.env["OMP_NUM_THREADS"]
    commands.sweep("seed=1,2", TWO, dir="my sweeps/first one")
    assert set(states(commands, "my sweeps/first one").values()) == {"ok"}
    assert "threads 1 " in (commands.cwd / "my sweeps/first one/.jobs/seed=1.log").read_text()
    assert "2 ok" in commands.table("status", "my sweeps/first one")


def test_a_dry_run_runs_nothing(commands):
    output = commands.sweep("seed=1,2", "hydra.launcher.dry_run=true")
    assert "seed=1  seed=1" in output and "nothing was run" in output
    assert not (commands.cwd / "out" / "jobs.jsonl").exists()


def test_a_snapshot_is_what_runs(commands):
    commands.sweep("seed=1,2", TWO, "hydra.launcher.snapshot=true")
    log = (commands.cwd / "out" / ".jobs" / "seed=1.log").read_text()
    assert f"code {commands.cwd}/out/code/il/__init__.py" in log
    first, second = commands.json("sweep.json")["launches"]
    assert first["snapshot"] and "sha" in first["code"]
    assert second["command"][0].startswith(f"{commands.cwd}/out/code/") and second["code"] == {"snapshot": "code"}
    assert "2 are done" in commands.resume()


def test_wrong_commands_are_one_line(commands, tmp_path):
    from il.errors import ConfigError
    from il.sweep.commands import main

    for arguments, word in [
        (["stauts", str(tmp_path)], "did you mean 'status'"),
        (["status"], "usage"),
        (["status", str(tmp_path)], "holds no sweep"),
    ]:
        with pytest.raises(ConfigError, match=re.escape(word)):
            main(arguments)
