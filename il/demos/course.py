"""The CS285 course's demonstrations: a pickled list of dicts, one per trajectory, read without unpickling code."""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from il.demos.trajectory import Trajectory, split, stack
from il.errors import ConfigError
from il.restricted_pickle import load
from il.rollout import Rollout

KEYS = ("observation", "action", "reward", "next_observation", "terminal")


def read(path: Path, horizon: int | None = None) -> Rollout:
    """Read ``expert_data_*.pkl``.

    The course sets `terminal` when the task ends *and* at the time limit. Here an episode that reaches the limit
    was truncated.

    Args:
        path: the pickle.
        horizon: the environment's time limit in steps; None looks it up from the environment named in the file name,
            and where there is none, every `terminal` counts as the task's end.

    Raises:
        ConfigError: damaged or hostile file, wrong keys or shapes, values that are not finite.
    """
    path = Path(path)
    content = load(path)
    if not isinstance(content, list | tuple) or not all(isinstance(one, dict) for one in content):
        raise ConfigError(f"{path} holds a {type(content).__name__}, not the course's list of trajectories")
    limit = horizon or named_horizon(path)
    return stack([_trajectory(one, limit, f"{path}: episode {k}") for k, one in enumerate(content)], str(path))


def write(path: Path, rollout: Rollout) -> None:
    """Write `rollout` in the course's format; actions are those taken, `terminal` marks any end."""
    content = []
    for one in split(rollout, "the course's format"):
        terminal = np.zeros(len(one.act), bool)
        terminal[-1] = one.terminated or one.truncated
        values = one.obs[:-1], one.act, one.reward, one.obs[1:], terminal
        content.append(dict(zip(KEYS, values, strict=True)))
    path.write_bytes(pickle.dumps(content))


def named_env(path: Path) -> str | None:
    """Return the gymnasium id in a file name such as ``expert_data_Ant-v4.pkl``, if any."""
    import gymnasium

    ids = re.findall(r"[A-Z]\w*-v\d+", Path(path).name)
    return ids[-1] if ids and ids[-1] in gymnasium.registry else None


def named_horizon(path: Path) -> int | None:
    """Return the time limit of the environment that `named_env` finds."""
    import gymnasium

    name = named_env(path)
    return gymnasium.registry[name].max_episode_steps if name else None


def _trajectory(content: dict[str, Any], limit: int | None, where: str) -> Trajectory:
    missing = [key for key in KEYS if key not in content]
    if missing:
        raise ConfigError(f"{where} lacks {missing[0]}; it has {', '.join(map(str, content))}")
    obs, act, reward, following, terminal = (np.asarray(content[key]) for key in KEYS)
    for key, values in zip(KEYS, (obs, act, reward, following, terminal), strict=True):
        if values.ndim == 0 or len(values) != len(act) or not len(act):
            raise ConfigError(f"{where}: {key} has shape {values.shape} where there are {np.shape(act)[:1]} actions")
    if following.shape != obs.shape:
        raise ConfigError(f"{where}: next_observation has shape {following.shape}, observation {obs.shape}")
    if terminal[:-1].any():
        raise ConfigError(f"{where}: terminal is set at step {int(np.argmax(terminal))}, before the last")
    if not np.allclose(following[:-1], obs[1:], rtol=1e-4, atol=1e-5, equal_nan=True):
        raise ConfigError(f"{where}: next_observation is not the following row's observation")
    ended, at_limit = bool(terminal[-1]), limit is not None and len(act) >= limit
    return Trajectory(np.concatenate([obs, following[-1:]]), act, reward, ended and not at_limit, ended and at_limit)
