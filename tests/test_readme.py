"""Every command of the README works as it stands there, only smaller."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

TINY = (
    "logger=none env.n_envs=4 env.horizon=40 eval.episodes=1 eval.stochastic=false test.episodes=2 budget.rounds=2 "
    "algo.first_steps=60 algo.steps=60 policy.fit.steps=20 trainer.expert_tolerance=0"
).split()
TINY_TRAINING = (
    "logger=none env.n_envs=4 env.horizon=40 trainer.n_envs=4 trainer.steps=400 trainer.eval_every=200 "
    "trainer.eval_episodes=2 test.episodes=2"
).split()
README = (ROOT / "README.md").read_text()


def commands(fence: str) -> list[str]:
    """Return the python commands of all blocks of a kind, without comments."""
    blocks = re.findall(rf"```{fence}\n(.*?)```", README, re.S)
    lines = [line.split(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return list(dict.fromkeys(line for line in lines if re.match(r"python (launch\.py|-m il)", line)))


def follow(command: str, cwd: Path, *more: str) -> None:
    """Run one command in another folder, where its outputs go too."""
    argv = [sys.executable, *shlex.split(command)[1:]]
    if argv[1] == "launch.py":
        argv[1] = str(ROOT / "launch.py")
    environment = {**os.environ, "IL_ROOT": str(cwd), "PYTHONPATH": str(ROOT), "WANDB_MODE": "disabled"}
    done = subprocess.run(
        [*argv, *more], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


@pytest.mark.slow
def test_the_commands_of_the_readme(tmp_path: Path) -> None:
    found = commands("bash")
    assert len(found) >= 13
    for command in found:
        whole = any(word in command for word in ("--help", "--cfg", "resume=", "sweeps=", "-m il"))
        follow(command, tmp_path, *([] if whole else TINY))
    assert (tmp_path / "outputs" / "mine" / "report.html").exists()


@pytest.mark.slow
def test_the_commands_with_own_files(tmp_path: Path, shared: Path) -> None:
    places = {
        "…/Hopper.pkl": shared / "data/cs285/experts/Hopper.pkl",
        "…/Ant.pkl": shared / "data/cs285/experts/Ant.pkl",
        "…/expert_data_Hopper-v4.pkl": shared / "data/cs285/expert_data/expert_data_Hopper-v4.pkl",
        "…/Hopper-v3.zip": shared / "data/zoo/tqc/Hopper-v3/Hopper-v3.zip",
        "my_module.controller": "tests.toys.still",
    }
    found = commands("text")
    assert len(found) >= 6
    for command in found:
        for there, here in places.items():
            command = command.replace(there, str(here))
        assert "…" not in command
        slurm = "slurm" in command
        follow(command, tmp_path, *(["hydra.launcher.dry_run=true"] if slurm else TINY))


@pytest.mark.slow
def test_the_commands_that_train_an_expert(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    found = commands("shell")
    assert len(found) == 3
    for command in found:
        follow(command, tmp_path, *(TINY_TRAINING if "trainer=sb3" in command else TINY))
