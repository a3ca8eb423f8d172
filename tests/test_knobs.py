"""Every knob does something, and every file of the configuration can be built."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

import il.assemble
from il.config import READ_BY_THE_RUN, build, locate, register
from il.errors import ConfigError
from tests.knobs import is_read, loaded_attributes

ROOT = Path(__file__).parents[1]
TINY = (
    "logger=none env.n_envs=2 env.horizon=20 eval.episodes=1 test.episodes=1 budget.rounds=1 policy.fit.steps=2 "
    "trainer.expert_tolerance=0 algo.steps=40"
).split()
PARTS = ("env", "expert", "algo", "policy", "trainer", "logger")
GIVEN = {"spec", "generator", "setup", "cfg"}
"""What a run adds to the knobs of its parts."""
CONDITIONAL = {"video.steps"}
"""Read only where another knob asks for it: here video.every."""
BESIDE = {key for keys in READ_BY_THE_RUN.values() for key in keys}
FILES = sorted(path.relative_to(ROOT / "conf") for path in (ROOT / "conf").rglob("*.yaml") if path.stem != "config")


def composed(*overrides: str, **kwargs: Any) -> DictConfig:
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("config", overrides=[f"hydra.searchpath=[file://{ROOT}]", *overrides], **kwargs)


def leaves(node: Any, path: str = "") -> Iterator[str]:
    """Return the dotted paths of all values; an empty mapping is a value."""
    if not isinstance(node, dict) or not node:
        yield path
        return
    for key, value in node.items():
        yield from leaves(value, f"{path}.{key}" if path else str(key))


def unread_of_part(node: dict[str, Any]) -> list[str]:
    """Return the knobs of a part that its constructor does nothing with, or that nothing reads below it."""
    target = locate(node["_target_"], "test")
    unread = [key for key in node if not key.startswith("_") and not is_read(target, key)]
    nested = {k: v for k, v in node.items() if isinstance(v, dict) and k != "recipes"}  # handed on: tests/training
    unread = [key for key in unread if key not in BESIDE]
    return unread + [
        leaf for leaf in leaves(nested) if "." in leaf and leaf.rpartition(".")[2] not in loaded_attributes()
    ]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Record which values are looked up, except by what looks all of them up."""
    seen: set[str] = set()
    deaf: list[None] = []
    for name in ("__getattr__", "__getitem__"):
        original = getattr(DictConfig, name)

        def look(self: DictConfig, key: Any, original: Any = original) -> Any:
            value = original(self, key)
            if not deaf and not isinstance(value, DictConfig):
                seen.add(str(self._get_full_key(key)))
            return value

        monkeypatch.setattr(DictConfig, name, look)
    for name in ("build", "check", "plain"):
        whole = getattr(il.assemble, name)

        def quiet(*args: Any, whole: Any = whole, **kwargs: Any) -> Any:
            deaf.append(None)
            try:
                return whole(*args, **kwargs)
            finally:
                deaf.pop()

        monkeypatch.setattr(il.assemble, name, quiet)
    return seen


def run_once(algo: str, reads: set[str], tmp_path: Path) -> DictConfig:
    """Run a round on cartpole, or where the algorithm cannot, on hopper."""
    for env in ("cartpole", "hopper"):
        cfg = composed(*TINY, f"env={env}", f"algo={algo}", f"outputs_dir={tmp_path}", "out=run")
        trainer = build(cfg.trainer, "trainer")
        reads.clear()
        try:
            trainer(cfg).run()
        except ConfigError as error:
            refused = error
            continue
        return cfg
    raise refused


@pytest.mark.parametrize("algo", [path.stem for path in FILES if path.parts[0] == "algo"])
def test_a_round_reads_every_knob(algo: str, reads: set[str], tmp_path: Path) -> None:
    cfg = run_once(algo, reads, tmp_path)
    assert list(tmp_path.glob("run/summary.json"))
    plain = OmegaConf.to_container(cfg, resolve=True)
    own = {leaf for leaf in leaves(plain) if leaf.partition(".")[0] not in PARTS}
    own |= {f"{part}.{key}" for part, keys in READ_BY_THE_RUN.items() for key in keys}
    unread = sorted(own - reads - CONDITIONAL)
    assert not unread, f"nobody reads {unread}"
    assert isinstance(plain, dict)
    for part in ("env", "expert", "algo", "policy", "trainer"):
        assert not unread_of_part(plain[part]), f"of {part}"


def test_an_unread_knob_would_be_noticed(reads: set[str], tmp_path: Path) -> None:
    class Base:
        def __init__(self, handed: int):
            if handed < 0:
                raise ValueError

    def checked_only(a: int, b: int) -> int:
        for value in (a, b):
            if value < 0:
                raise ValueError(value)
        return a

    class Kept:
        def __init__(self, kept_for_nobody: int, obs_shape: int):
            self.kept_for_nobody, self.obs_shape = kept_for_nobody, obs_shape

    assert is_read(checked_only, "a") and not is_read(checked_only, "b")
    assert is_read(Kept, "obs_shape") and not is_read(Kept, "kept_for_nobody")
    assert not is_read(Base, "handed")
    run_once("bc", reads, tmp_path)
    assert "eval.episodes" in reads and "eval.epochs" not in reads


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_file_builds(file: Path) -> None:
    """Parts that need nothing but the run are made up to what the run gives; all knobs fit and do something."""
    group, name = "/".join(file.parts[:-1]), file.stem
    cfg = composed(f"{group}={name}", return_hydra_config=group.startswith("hydra"))
    if group not in PARTS:
        return
    nodes = dict(cfg.logger or {}) if group == "logger" else {group: cfg[group]}
    for knob, node in nodes.items():
        keys = OmegaConf.to_container(node, resolve=True, throw_on_missing=False)
        assert isinstance(keys, dict)
        for key in [k for k, v in keys.items() if v == "???"]:
            node[key] = "CartPole-v1" if group == "env" else "some/path"
        if "needs il[box2d]" in (ROOT / "conf" / file).read_text().splitlines()[0]:
            pytest.importorskip("Box2D")
        build(node, knob)
        required = {
            p.name
            for p in inspect.signature(locate(keys["_target_"], knob)).parameters.values()
            if p.default is p.empty
        }
        assert required <= set(keys) | GIVEN
        assert not unread_of_part(keys)


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "sweeps").glob("*.yaml")))
def test_every_sweep_composes(name: str) -> None:
    assert composed(f"sweeps@_global_={name}")
