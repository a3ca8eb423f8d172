"""What all tests share. Threads are bounded before numpy or torch can start theirs."""

import hashlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # so started by a shell in the background; children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest

import tests.toys  # noqa: F401 - registers its environments

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of course data and zoo agents beside the checkout; tests that need it are skipped without it."""
    path = Path(os.environ.get("IL_SHARED", ROOT.parent / "shared"))
    if not path.is_dir():
        pytest.skip(f"needs the test data in {path} (IL_SHARED names another place)")
    return path


@pytest.fixture
def run(tmp_path: Path) -> "Callable[..., Path]":
    """Run a configuration in this process, as launch.py would, and return its directory."""
    from hydra import compose, initialize_config_dir

    from il.config import build, register
    from il.start import resumed

    def run(*overrides: str, out: str = "run", outputs: Path = tmp_path) -> Path:
        register()
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            cfg = compose(
                "config",
                overrides=[*SMALL, f"outputs_dir={outputs}", f"out={out}", *overrides],
            )
        cfg = resumed(cfg)
        build(cfg.trainer, "trainer")(cfg).run()
        return outputs / out

    return run


SMALL = (
    "env=cartpole logger=none env.n_envs=4 eval.episodes=3 test.episodes=3 algo.rounds=3 algo.first_steps=200 "
    "algo.steps=200 policy.fit.steps=50"
).split()
"""Overrides that make a run small; later ones win."""


def rows(path: Path) -> list[dict[str, Any]]:
    """Return a run's record without what depends on the clock."""
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if not k.startswith(("time/", "rate/"))} for row in lines]


def weights(path: Path) -> str:
    """Return the digest of everything learned that the last checkpoint holds."""
    folder = path / "checkpoints" / (path / "checkpoints" / "latest").read_text()
    return hashlib.sha256((folder / "tensors.safetensors").read_bytes()).hexdigest()
