"""Sweeps on a real SLURM whose jobs misbehave, are preempted and killed."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, rows, weights
from tests.sweep.commands import Commands
from tests.sweep.test_local import states, wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("cluster")]  # one cluster, not one for each worker
SLOW = ("rounds=20", "sleep=0.25")


def rounds(commands, name, dir="out"):
    path = commands.cwd / dir / name / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def running_again(commands, name, dir, attempt):
    """Return whether this attempt runs and has brought a new round."""
    row = commands.rows(dir)[name]
    return row.state == "running" and row.attempts == attempt and (row.round or 0) >= 2 * attempt


def undisturbed(commands, seeds, *overrides):
    """Return the records of the same runs on this machine."""
    Commands(commands.cwd).sweep(f"seed={seeds}", *overrides, "sleep=0", dir="undisturbed")
    return {f"seed={s}": commands.metrics(f"seed={s}", "undisturbed") for s in seeds.split(",")}


@pytest.fixture(scope="module")
def short_of_time(tmp_path_factory, slurm):
    """A sweep whose job needs more than its time limit; it runs beside the other tests."""
    from tests.cluster.conftest import Cluster

    commands = Cluster(tmp_path_factory.mktemp("limit"))
    knobs = ["hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=40"]
    process = commands.start("hydra.sweep.dir=out", *knobs, "seed=1", "rounds=45", "sleep=1", "-m")
    yield commands, process
    process.kill()


def test_six_fates(commands, short_of_time):
    """One job raises, one is killed, one needs too much memory, one is requeued twice, one is cancelled, one ends."""
    commands.env["HOME"] = "/proc/nobody"
    dir, acts = "my sweeps/six fates", ["none", "raise", "kill", "memory", "twice", "never"]
    knobs = [f"act={','.join(acts)}", "seed=1", "rounds=25", "sleep=0.25"]
    process = commands.start(f"hydra.sweep.dir='{dir}'", *knobs, "-m")
    name = {act: f"act={act},seed=1" for act in acts}
    wait_for(lambda: rounds(commands, name["never"], dir) > 0)
    commands.slurm("scancel", commands.id(name["never"], dir))
    for attempt in (1, 2):
        wait_for(lambda n=attempt: running_again(commands, name["twice"], dir, n))
        commands.slurm("scancel", "--signal", "USR2", commands.id(name["twice"], dir))
        wait_for(lambda: states(commands, dir)[name["twice"]] == "preempted")
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 1, output
    now = {act: commands.rows(dir)[name[act]] for act in acts}
    assert {act: row.state for act, row in now.items()} == {
        "none": "ok", "raise": "failed", "kill": "failed", "memory": "failed", "twice": "ok", "never": "cancelled",
    }  # fmt: skip
    assert now["raise"].reason == "ValueError: boom"
    assert now["kill"].reason == "killed by SIGKILL"
    assert now["memory"].reason == "out of memory"
    assert now["twice"].attempts == 3
    assert "FAILED" in commands.slurm("sacct", "-n", "-X", "-o", "State", "-j", now["raise"].id)
    commands.resume(dir, "hydra.launcher.mem_gb=1")
    assert set(states(commands, dir).values()) == {"ok"}
    assert all(commands.metrics(name[act], dir) == commands.metrics(name["none"], dir) for act in acts)


def test_preempted_or_requeued_the_record_is_the_same(commands):
    process = commands.start("hydra.sweep.dir=out", "seed=1,2,3,4", "rounds=30", "sleep=0.25", "-m")
    wait_for(lambda: all(rounds(commands, f"seed={s}") > 1 for s in range(1, 5)))
    node = commands.rows()["seed=2"].node
    commands.slurm("scontrol", "requeue", commands.id("seed=1"))  # SIGTERM only, then SIGKILL
    commands.slurm("sbatch", "-p", "high", "-w", node, "--exclusive", "-o", "/dev/null", "--wrap", "sleep 1")
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    records = undisturbed(commands, "1,2,3,4", "rounds=30")
    assert {name: commands.metrics(name) for name in records} == records
    assert commands.rows()["seed=1"].attempts > 1 and commands.rows()["seed=2"].attempts > 1


def test_when_a_node_dies_its_job_goes_on_elsewhere_to_the_same_record(commands, slurm):
    process = commands.start("hydra.sweep.dir=out", "+hydra.launcher.sbatch.exclude=n1", "seed=1", *SLOW, "-m")
    wait_for(lambda: rounds(commands, "seed=1") > 1)
    node = commands.rows()["seed=1"].node
    slurm.kill_node(node)
    output = process.communicate(timeout=300)[0]
    slurm.start_node(node)
    assert process.returncode == 0, output
    assert commands.rows()["seed=1"].attempts == 2 and commands.rows()["seed=1"].node != node
    assert commands.metrics("seed=1") == undisturbed(commands, "1", *SLOW)["seed=1"]


def test_without_waiting_it_returns_and_status_sees_the_end(commands):
    start = time.monotonic()
    knobs = ["hydra.launcher.wait=false", "hydra.launcher.snapshot=true"]
    output = commands.sweep("seed=1,2", "rounds=8", "sleep=0.5", *knobs)
    assert "watch: python -m il sweep status" in output
    assert set(states(commands).values()) <= {"pending", "running"} and time.monotonic() - start < 30
    assert "0 jobs to run (2 are done or under way)" in commands.resume("out", "hydra.launcher.wait=true")
    assert "2 jobs: 2 ok" in commands.table("status")
    log = next((commands.cwd / "out" / ".jobs").glob("*_0/*_log.out")).read_text()
    assert f"code {commands.cwd}/out/code/il/__init__.py" in log


def test_a_killed_launcher_leaves_jobs_and_truth(commands):
    process = commands.start("hydra.sweep.dir=out", "seed=1,2", "rounds=8", "sleep=0.5", "act=none,kill", "-m")
    wait_for(lambda: rounds(commands, "act=none,seed=2") > 0)
    process.kill()
    process.wait()
    wait_for(lambda: states(commands)["act=none,seed=2"] == "ok")
    wait_for(lambda: commands.rows()["act=kill,seed=2"].reason == "killed by SIGKILL")
    assert "4 jobs: 2 failed, 2 ok" in commands.table("status")


@pytest.mark.parametrize("cancel", ["true", "false"])
def test_ctrl_c_detaches_or_cancels(commands, cancel):
    knobs = ["seed=1", "rounds=8", "sleep=0.5", f"hydra.launcher.cancel_on_interrupt={cancel}"]
    process = commands.start("hydra.sweep.dir=out", *knobs, "-m")
    wait_for(lambda: rounds(commands, "seed=1") > 0)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 130 and "interrupted" in output
    wait_for(lambda: not commands.rows()["seed=1"].active)
    assert states(commands)["seed=1"] == ("cancelled" if cancel == "true" else "ok")


def test_cancel(commands):
    commands.sweep("seed=1,2", "rounds=50", "sleep=0.5", "hydra.launcher.wait=false")
    wait_for(lambda: rounds(commands, "seed=1") > 0)
    assert "2 cluster jobs cancelled" in commands.table("cancel")
    wait_for(lambda: set(states(commands).values()) == {"cancelled"})


def test_200_jobs_in_arrays_of_81(commands):
    output = commands.sweep("seed=range(200)", "rounds=1")
    assert re.findall(r"submitted \d+: (\d+) jobs", output) == ["81", "81", "38"]
    assert list(states(commands).values()) == ["ok"] * 200


def test_beyond_a_limit_of_submitted_jobs_the_rest_follows(commands):
    modify = ["sacctmgr", "-i", "modify", "user", "root", "set"]
    commands.slurm(*modify, "MaxSubmitJobs=5")
    try:
        output = commands.sweep("seed=range(12)", "rounds=1")
    finally:
        commands.slurm(*modify, "MaxSubmitJobs=-1")
    assert "12 jobs: 12 ok" in output
    assert sum(map(int, re.findall(r"submitted \d+: (\d+) jobs", output))) == 12


def test_what_the_cluster_refuses_is_one_line(commands):
    output = commands.sweep("seed=1,2", "hydra.launcher.partition=nowhere", code=1)
    assert (
        "error: the cluster refused the jobs: sbatch: error: Batch job submission failed: Invalid partition"
        in output.splitlines()[-1]
    )


def test_a_time_limit_is_gone_on_from(short_of_time):
    commands, process = short_of_time
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    assert commands.rows()["seed=1"].attempts > 1
    assert commands.metrics("seed=1") == undisturbed(commands, "1", "rounds=45")["seed=1"]


SMALL = (
    "env=cartpole logger=none env.n_envs=4 eval.episodes=3 test.episodes=3 algo.rounds=3 algo.first_steps=200 "
    "algo.steps=200 policy.fit.steps=2500 policy.depth=1 policy.width=8 policy.fit.batch=16"
).split()


def test_dagger_with_three_seeds_is_what_each_would_be_alone(commands):
    script, place = ROOT / "launch.py", "my runs/sweep"
    knobs = [*commands.knobs, "hydra.launcher.mem_gb=1", f"hydra.sweep.dir='{place}'"]
    process = commands.start(*knobs, *SMALL, "seed=1,2,3", "-m", script=script)
    wait_for(lambda: (commands.cwd / place / "seed=2" / "checkpoints" / "unfinished_0000").exists(), 60)
    commands.slurm("scancel", "--signal", "USR2", commands.id("seed=2", place))
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    now = commands.rows(place)
    assert [row.state for row in now.values()] == ["ok"] * 3
    assert [row.attempts for row in now.values()] == [1, 2, 1]
    command = [sys.executable, script, *SMALL, "seed=2", f"outputs_dir={commands.cwd}", "out=alone"]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": ""}, check=True, capture_output=True)
    alone = commands.cwd / "alone"
    assert rows(commands.cwd / place / "seed=2") == rows(alone)
    assert weights(commands.cwd / place / "seed=2") == weights(alone)
