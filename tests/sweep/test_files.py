"""The files of sweeps/."""

import re
from pathlib import Path

import pytest

from tests.sweep.commands import ROOT

SWEEPS = sorted((ROOT / "sweeps").glob("*.yaml"))


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_the_first_line_is_the_command_and_every_job_composes(path: Path, commands):
    command = path.read_text().splitlines()[0]
    found = re.match(rf"# python launch\.py (sweeps={path.stem}( hydra/sweeper=\w+)? -m)  +\S", command)
    assert found, command
    if "search" in found[1]:
        pytest.importorskip("optuna")
    commands.knobs = ()
    overrides = [*found[1].split(), "seed=7", f"hydra.sweep.dir={commands.cwd}/out", "hydra.launcher.dry_run=true"]
    output = commands.run(*overrides, script=ROOT / "launch.py")
    jobs = re.findall(r"^(\S+)  .*sweeps@_global_=", output, re.M)
    assert jobs and len(jobs) == len(set(jobs)) and all(re.fullmatch(r"[A-Za-z0-9._=,-]{1,100}", job) for job in jobs)
    assert f"{len(jobs)} jobs on" in output
    assert not list(commands.cwd.glob("out"))


def test_sweeps_started_in_the_same_second_have_places_of_their_own(commands):
    commands.knobs = ()
    overrides = ["sweeps=smoke", "seed=0", "algo=bc", "hydra.launcher.dry_run=true", "-m"]
    started = [commands.start(*overrides, script=ROOT / "launch.py") for _ in range(2)]
    places = [re.search(r"in (\S+);", process.communicate()[0])[1] for process in started]
    assert places[0] != places[1] and all("/outputs/sweeps/smoke/" in place for place in places)


def test_the_smoke_sweep_runs(commands):
    commands.knobs = ()
    overrides = ["sweeps=smoke", f"hydra.sweep.dir={commands.cwd}/out", "seed=0", "policy.fit.steps=20", "-m"]
    output = commands.run(*overrides, script=ROOT / "launch.py")
    assert "2 jobs: 2 ok" in output
    assert all(row.objective >= row.value > 0 for row in commands.rows().values())


def test_another_configuration_in_a_sweeps_place_is_refused_with_the_difference(commands):
    commands.knobs = ()
    place = f"hydra.sweep.dir={commands.cwd}/out"
    overrides = ["sweeps=smoke", place, "seed=0", "algo=bc", "policy.fit.steps=20", "-m"]
    commands.run(*overrides, script=ROOT / "launch.py")
    output = commands.run("policy.fit.lr=1e-4", *overrides, script=ROOT / "launch.py", code=2)
    assert "was started with another configuration (policy.fit.lr: " in output
