"""Whole runs, as W&B sees them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from il.config import build, register
from il.errors import EpisodeError
from tests.conftest import SMALL
from tests.loggers.conftest import ROOT
from tests.loggers.wandb_service import WandbService

LAUNCH = [sys.executable, str(ROOT / "launch.py"), *SMALL]
WANDB = "logger=wandb logger.wandb.system_metrics=false".split()


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of a launch whose outputs go to the test's folder."""
    return os.environ | {"IL_ROOT": str(tmp_path)}


def launch(env: dict[str, str], *overrides: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LAUNCH, *overrides], env=env, capture_output=True, text=True, timeout=120)


def record(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_a_sweep_in_one_process_gives_a_run_for_each_job(
    service: WandbService, env: dict[str, str], tmp_path: Path
) -> None:
    done = launch(env, *WANDB, "algo.rounds=2", "-m", "seed=1,2,3", "hydra.launcher.workers=1")
    assert done.returncode == 0, done.stderr
    seen = list(service.runs.values())
    assert [run.config["seed"]["value"] for run in seen] == [1, 2, 3]
    assert len({run.meta["groupName"] for run in seen}) == 1
    assert len({run.meta["displayName"] for run in seen}) == 3
    assert "${" not in json.dumps([run.config for run in seen])
    for path in tmp_path.glob("outputs/sweeps/**/run.json"):
        run = service.runs[json.loads(path.read_text())["wandb_id"]]
        for row, shown in zip(record(path.parent), run.rows, strict=True):
            assert {k: v for k, v in row.items() if v is not None}.items() <= shown.items()
        assert (
            run.summary["test/last/return_mean"]
            == json.loads((path.parent / "summary.json").read_text())["test/last/return_mean"]
        )
        assert run.exit_code == 0


def test_a_failed_run_is_shown_as_failed(service: WandbService, run: Callable[..., Path], tmp_path: Path) -> None:
    toy = "env=gym env.id=Flaky-v0 env.n_envs=1 expert=callable expert.path=tests.toys.constant algo.rounds=2"
    with pytest.raises(EpisodeError):
        run(*WANDB, *toy.split(), "trainer.expert_tolerance=0")
    (seen,) = service.runs.values()
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (about["status"], seen.exit_code) == ("failed", 1)
    assert "the motor is on fire" in (tmp_path / "run" / "traceback.txt").read_text()


@pytest.mark.slow
def test_a_job_that_is_stopped_goes_on_as_the_same_run(
    service: WandbService, env: dict[str, str], tmp_path: Path
) -> None:
    knobs = "algo.rounds=25 algo.steps=50 eval.every=25 eval.stochastic=false test.episodes=1 out=stopped".split()
    with subprocess.Popen(
        [*LAUNCH, *WANDB, *knobs], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while not (tmp_path / "outputs" / "stopped" / "metrics.jsonl").exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
        for pid in (process.pid, *map(int, children)):  # a scheduler signals every process of the job
            os.kill(pid, signal.SIGTERM)
        assert process.wait(60) != 0
    (seen,) = service.runs.values()
    before = len(record(tmp_path / "outputs" / "stopped"))
    assert before < 25
    assert sorted(set(seen.history("round"))) == list(range(before))
    assert (seen.preempting, seen.exit_code) == (True, 1)
    assert launch(env, *WANDB, *knobs).returncode == 0
    assert len(service.runs) == 1
    assert sorted(set(seen.history("round"))) == list(range(25))
    assert seen.exit_code == 0


def test_required_without_a_key_starts_nothing(env: dict[str, str], tmp_path: Path) -> None:
    done = launch(env, *WANDB, "logger.wandb.required=true")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: logger.wandb.required=true, but there is no API key")
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("choice", "names"),
    [("wandb", ["wandb"]), ("tensorboard", ["tensorboard"]), ("all", ["wandb", "tensorboard"]), ("none", [])],
)
def test_every_choice_builds(choice: str, names: list[str]) -> None:
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("config", overrides=["env=cartpole", f"logger={choice}"])
    assert list(cfg.logger) == names
    for name in names:
        build(cfg.logger[name], f"logger.{name}").check()
