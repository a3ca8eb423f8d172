"""A finished run's parts, without touching its directory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf

from il.algos.base import Algorithm
from il.assemble import build_parts
from il.envs.base import VectorEnv
from il.errors import ConfigError, nearest
from il.experts.base import Expert
from il.fit import Progress
from il.state import load_tree


@dataclass(frozen=True)
class Loaded:
    """A finished run's parts, as it left them."""

    path: Path
    cfg: DictConfig
    env: VectorEnv
    expert: Expert
    algo: Algorithm


def load(path: Path, changes: Sequence[str]) -> Loaded:
    """Build a run's parts and put its last checkpoint into them; nothing in its directory changes.

    Raises:
        ConfigError: where there is no checkpoint, or it does not fit the changed configuration.
    """
    latest = path / "checkpoints" / "latest"
    if not latest.exists() or not (path / "config.yaml").exists():
        raise ConfigError(f"{path} has no checkpoint to evaluate: name the directory of a run that finished a round")
    cfg = OmegaConf.create(yaml.safe_load((path / "config.yaml").read_text()))
    assert isinstance(cfg, DictConfig)
    for change in changes:
        key, _, value = change.partition("=")
        parent, _, name = key.rpartition(".")
        node = OmegaConf.select(cfg, parent)
        if not OmegaConf.is_dict(node) or (name not in node and not parent.endswith("kwargs")):
            valid = list(node) if OmegaConf.is_dict(node) else list(cfg)
            raise ConfigError(f"{path} has no {key}{nearest(name, map(str, valid))}; {parent} has {', '.join(valid)}")
        OmegaConf.update(cfg, key, yaml.safe_load(value))
    env, expert, algo = build_parts(cfg, Progress())
    state = load_tree(path / "checkpoints" / latest.read_text(), path)
    try:
        algo.load_state_dict(state["algo"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise ConfigError(f"{path}'s policies do not fit this configuration: {' '.join(str(error).split())}") from error
    return Loaded(path, cfg, env, expert, algo)
