"""Which library trains, as far as it can be told without sbx."""

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

pytest.importorskip("stable_baselines3")

from il.errors import ConfigError
from il.training import library, trainer
from tests.training.test_resume import CASES

SAC = ["trainer=sb3", "trainer.algo=sac", *CASES["sac"], "trainer.library=auto", "budget.rounds=1"]


@pytest.fixture
def without_sbx(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sbx", None)


def test_auto_takes_stable_baselines3_where_sbx_is_missing_and_stores_it(run: Callable[..., Path], without_sbx):
    stored = yaml.safe_load((run(*SAC) / "config.yaml").read_text())
    assert stored["trainer"]["library"] == "sb3"


def test_sbx_asked_for_and_missing(run: Callable[..., Path], tmp_path: Path, without_sbx):
    with pytest.raises(ConfigError, match=r"^trainer=sb3 trainer.library=sbx needs an extra: pip install 'il\[sbx\]'$"):
        run(*SAC, "trainer.library=sbx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("algo", ["ppo", "a2c", "dqn"])
def test_what_sbx_does_not_do_here(run: Callable[..., Path], algo: str):
    assert library.choose("auto", algo) == "sb3"
    with pytest.raises(ConfigError, match=f"library=sbx trains sac, td3, ddpg here; for trainer.algo={algo} leave"):
        run("trainer=sb3", f"trainer.algo={algo}", "trainer.library=sbx")
    with pytest.raises(ConfigError, match=r"library=sb2 .*did you mean 'sbx'\?\): auto, sb3 or sbx"):
        run("trainer=sb3", f"trainer.algo={algo}", "trainer.library=sb2")


def test_no_other_library_goes_on_with_a_run(run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    """What auto takes changes once sbx is installed, or is so no longer; what the run was started with does not."""
    monkeypatch.setitem(sys.modules, "sbx", None)
    path = run(*SAC)
    with monkeypatch.context() as seems_installed:
        seems_installed.setattr(library, "find_spec", lambda name: find_spec("json"))
        seems_installed.setattr(trainer, "load", lambda name: library.load("sb3"))
        with pytest.raises(ConfigError, match=r"another configuration \(trainer.library: sb3 there, sbx here\)"):
            run(*SAC)
    run(f"resume={path}", "budget.rounds=2", "out=null")
    config = path / "config.yaml"
    config.write_text(config.read_text().replace("library: sb3", "library: sbx"))
    with pytest.raises(ConfigError, match=r"library=sbx needs an extra: pip install 'il\[sbx\]'"):
        run(f"resume={path}", "budget.rounds=3", "out=null")
