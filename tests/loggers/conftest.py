"""What the tests of the loggers share."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from il.config import build
from il.loggers.base import RunInfo
from tests.loggers.wandb_service import WandbService

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home, no settings of the user's, and a W&B client that forgets after the test."""
    for name in [n for n in os.environ if n.startswith("WANDB_") or n.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    yield folder
    if "wandb" in sys.modules:
        sys.modules["wandb"].teardown()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbService]:
    """The service, with the client pointed at it and a key in its environment."""
    with WandbService() as service:
        monkeypatch.setenv("WANDB_BASE_URL", service.url)
        monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
        yield service
        assert service.unknown == []


@pytest.fixture
def info(tmp_path: Path) -> RunInfo:
    """A run whose directory exists."""
    (tmp_path / "run").mkdir()
    config = {"env": {"id": "Ant-v5"}, "algo": {"rounds": 3, "beta": [1.0, 0.5]}, "seed": 7}
    return RunInfo(tmp_path / "run", "abc123", "ant-dagger-s7", "ant-dagger", "train", config, ["dagger", "ant"])


@pytest.fixture
def another(info: RunInfo, tmp_path: Path) -> Callable[[int], RunInfo]:
    """Makes further runs, each with its own directory, id and seed."""

    def make(k: int) -> RunInfo:
        folder = tmp_path / f"run{k}"
        folder.mkdir()
        return replace(info, dir=folder, id=f"id{k}", name=f"ant-dagger-s{k}", config=info.config | {"seed": k})

    return make


@pytest.fixture
def make() -> Iterator[Callable[..., Any]]:
    """Builds a logger from its YAML with some knobs changed, as the trainer would."""

    def make(name: str, **knobs: Any) -> Any:
        node = OmegaConf.load(ROOT / "conf" / "logger" / f"{name}.yaml")[name]
        return build(OmegaConf.merge(node, knobs), f"logger.{name}")

    yield make


def rows(n: int, start: int = 0) -> list[dict[str, Any]]:
    """Return n rounds as the trainer logs them."""
    return [
        {"round": k, "env_steps": 1000 * (k + 1), "eval/return_mean": k + 0.5, "train/loss": 1 / (k + 1)}
        for k in range(start, start + n)
    ]
