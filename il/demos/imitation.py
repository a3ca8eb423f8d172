"""The ``.npz`` of the package `imitation`: episodes laid end to end, T + 1 observations each."""

import itertools
from pathlib import Path

import numpy as np

from il.demos.npz import arrays
from il.demos.trajectory import Trajectory, split, stack
from il.errors import ConfigError
from il.rollout import Rollout


def read(path: Path, horizon: int | None) -> Rollout:
    """Read trajectories; `infos` (pickled Python objects) stay unread, missing rewards become 0.

    The format merges termination and truncation: an episode that reaches `horizon` counts as truncated.

    Raises:
        ConfigError: when arrays are missing or lengths disagree.
    """
    found = arrays(path)
    missing = [key for key in ("obs", "acts", "terminal", "indices") if key not in found]
    if missing:
        raise ConfigError(f"{path} is no file of imitation's: it lacks {', '.join(missing)}")
    inner = found["indices"].astype(np.int64)
    steps, episodes = len(found["acts"]), len(inner) + 1
    edges = [0, *inner.tolist(), steps]
    reward = found.get("rews", np.zeros(steps))
    if len(found["obs"]) != steps + episodes or len(found["terminal"]) != episodes or len(reward) != steps:
        raise ConfigError(
            f"{path}: {episodes} episodes with {steps} actions need {steps + episodes} observations, not "
            f"{len(found['obs'])} (with {len(found['terminal'])} terminal flags and {len(reward)} rewards)"
        )
    if (np.diff(edges) <= 0).any():
        raise ConfigError(f"{path}: indices do not ascend within {steps} steps")
    out = []
    for k, (start, stop) in enumerate(itertools.pairwise(edges)):
        ended, at_limit = bool(found["terminal"][k]), horizon is not None and stop - start >= horizon
        obs = found["obs"][start + k : stop + k + 1]
        ends = ended and not at_limit, ended and at_limit
        out.append(Trajectory(obs, found["acts"][start:stop], reward[start:stop], *ends))
    return stack(out, str(path))


def write(path: Path, rollout: Rollout) -> None:
    """Write trajectories for `imitation`; actions are those taken, infos are empty."""
    episodes = split(rollout, "imitation's format")
    np.savez_compressed(
        path,
        obs=np.concatenate([one.obs for one in episodes]),
        acts=np.concatenate([one.act for one in episodes]),
        rews=np.concatenate([one.reward for one in episodes]),
        infos=np.full(len(rollout), {}),
        terminal=np.array([one.terminated or one.truncated for one in episodes]),
        indices=np.cumsum([len(one.act) for one in episodes])[:-1],
    )
