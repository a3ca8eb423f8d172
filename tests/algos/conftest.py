"""Whole runs in this process, on CartPole."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from il.config import build, register

ROOT = Path(__file__).parents[2]
SMALL = (
    "env=cartpole", "env.n_envs=4", "env.horizon=60", "trainer.expert_tolerance=0", "logger=none", "eval.episodes=2",
    "test.episodes=2", "policy.fit.steps=30",
)  # fmt: skip


@pytest.fixture
def launch(tmp_path):
    """Return a function that runs some overrides and returns the run's directory; `out` goes on with that one."""

    def run(out: str, *overrides: str) -> Path:
        register()
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            cfg = compose("config", overrides=[*SMALL, f"outputs_dir={tmp_path}", f"out={out}", *overrides])
        build(cfg.trainer, "trainer")(cfg).run()
        return tmp_path / out

    return run
