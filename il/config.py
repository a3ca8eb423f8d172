"""The run's configuration: its schema, and turning parts of it into objects."""

import copy
import hashlib
import importlib
import inspect
import json
import pkgutil
from dataclasses import dataclass, fields
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import MISSING, DictConfig, OmegaConf

from il.errors import ConfigError, nearest


@dataclass
class Eval:
    """Episodes that choose the best policy, or that give the final figures."""

    episodes: int = MISSING
    seed: int = MISSING
    every: int = MISSING
    stochastic: bool = MISSING


@dataclass
class Test:
    """Episodes of the final figures."""

    episodes: int = MISSING
    seed: int = MISSING


@dataclass
class Budget:
    """Whatever is reached first ends the run."""

    rounds: int | None = MISSING
    labels: int | None = MISSING
    env_steps: int | None = MISSING


@dataclass
class Video:
    """When the learner is filmed."""

    every: int | None = MISSING
    steps: int | None = MISSING


@dataclass
class Root:
    """Every key at the top of conf/config.yaml, which holds the values; groups check their own keys when built."""

    env: Any = MISSING
    expert: Any = MISSING
    algo: Any = MISSING
    policy: Any = MISSING
    logger: Any = MISSING
    trainer: Any = MISSING
    seed: int = MISSING
    device: str = MISSING
    threads: int = MISSING
    eval: Eval = MISSING
    test: Test = MISSING
    budget: Budget = MISSING
    video: Video = MISSING
    outputs_dir: str = MISSING
    out: str | None = MISSING
    resume: str | None = MISSING


RESUME_MAY_CHANGE = ("budget", "logger", "device", "video", "out", "resume", "outputs_dir", "threads")
"""Top-level keys that are no part of a run's identity."""


def register() -> None:
    """Make the schema known to Hydra as ``root_schema``."""
    ConfigStore.instance().store(name="root_schema", node=Root)


def check(cfg: DictConfig) -> None:
    """Check what concerns no single part.

    Raises:
        ConfigError: naming the value and the fix.
    """
    if missing := sorted(OmegaConf.missing_keys(cfg)):
        raise ConfigError(f"{missing[0]} has no default: give {missing[0]}=…")
    for key, least in (("eval.episodes", 1), ("test.episodes", 1), ("eval.every", 1), ("seed", 0), ("threads", 1)):
        value = OmegaConf.select(cfg, key)
        if value < least:
            raise ConfigError(f"{key}={value}: must be at least {least}")
    for key in (f"{part}.{f.name}" for part, kind in (("budget", Budget), ("video", Video)) for f in fields(kind)):
        value = OmegaConf.select(cfg, key)
        if value is not None and value < 1:
            raise ConfigError(f"{key}={value}: must be at least 1, or null for no limit")


def device(name: str) -> str:
    """Return the torch device a knob names; ``auto`` is cuda where there is one.

    Raises:
        ConfigError: for a device that torch does not know or this machine does not have.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(name).type
    except RuntimeError:
        raise ConfigError(f"device={name}{nearest(name, ['cpu', 'cuda', 'auto'])}: cpu, cuda, cuda:N or auto") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device={name}, but torch {torch.__version__} finds no CUDA device here: use device=cpu")
    return name


def plain(cfg: DictConfig) -> dict[str, Any]:
    """Return a configuration as nested plain dicts, everything resolved."""
    out: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    return out


def config_hash(config: dict[str, Any]) -> str:
    """Return a digest of what identifies a run's results."""
    kept = {k: v for k, v in config.items() if k not in RESUME_MAY_CHANGE}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:16]


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return up to three keys in which what identifies a run differs, each with both values."""
    flat_old, flat_new = _flatten(old), _flatten(new)
    keys = [k for k in {**flat_old, **flat_new} if k.split(".")[0] not in RESUME_MAY_CHANGE]
    found = [
        f"{k}: {flat_old.get(k)} there, {flat_new.get(k)} here" for k in keys if flat_old.get(k) != flat_new.get(k)
    ]
    return found[:3] + (["…"] if len(found) > 3 else [])


def _flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {prefix[:-1]: tree}
    return {k: v for key, value in tree.items() for k, v in _flatten(value, f"{prefix}{key}.").items()}


READ_BY_THE_RUN = {"expert": {"critic"}}
"""Knobs beside a part's own, which the part does not take."""


def build(node: Any, knob: str, **known: Any) -> Any:
    """Make the object that a part of the configuration describes.

    Args:
        node: has ``_target_``.
        knob: name of the part, for messages.
        known: what the run adds to the knobs.

    Raises:
        ConfigError: when the target cannot be imported (with the real cause) or does not take a knob.
    """
    if beside := READ_BY_THE_RUN.get(knob, set()) & set(node):
        node = copy.deepcopy(node)
        OmegaConf.set_struct(node, False)
        for key in beside:
            del node[key]
    target = node.get("_target_")
    if target is None:
        raise ConfigError(f"{knob} has no _target_: choose one with {knob}=NAME")
    taken = inspect.signature(locate(target, f"{knob}._target_")).parameters
    for key in node:
        if not str(key).startswith("_") and key not in taken:
            valid = [k for k in node if k in taken]
            raise ConfigError(
                f"{knob}.{key}: {target} has no such knob{nearest(str(key), valid)}; it has {', '.join(valid)}"
            )
    try:
        return instantiate(node, _convert_="all", **known)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, ConfigError):
            raise cause from None
        if isinstance(cause, TypeError) and "argument" in str(cause):
            raise ConfigError(f"{knob}: {cause}") from cause
        if cause is not None:
            raise cause from error
        raise


def locate(path: str, knob: str) -> Any:
    """Return the object at a dotted path.

    Raises:
        ConfigError: that shows why a module does not import, or which part of the path is missing.
    """
    try:
        return pkgutil.resolve_name(path)
    except ImportError as error:
        raise ConfigError(f"{knob}={path} cannot be imported: {type(error).__name__}: {error}") from error
    except AttributeError:
        module_path, _, name = path.rpartition(".")
        module = importlib.import_module(module_path)
        raise ConfigError(f"{knob}={path}: {module_path} has no '{name}'{nearest(name, dir(module))}") from None
    except ValueError as error:
        raise ConfigError(f"{knob}={path} is no dotted path: {error}") from None
