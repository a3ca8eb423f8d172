"""Minari data sets, through the package `minari` (an extra)."""

from pathlib import Path
from types import ModuleType

import numpy as np

from il.demos.trajectory import Trajectory, split, stack
from il.errors import ConfigError, nearest
from il.rollout import Rollout

PREFIX = "minari:"


def _library() -> ModuleType:
    try:
        import minari
        import minari.data_collector
    except ImportError as error:
        raise ConfigError(f"Minari data sets need an extra: pip install 'minari[hdf5]' ({error})") from None
    return minari


def read(name: str) -> tuple[Rollout, str | None]:
    """Read a data set by its id (``minari:mujoco/hopper/expert-v0``, already downloaded) or its directory.

    Returns:
        The rollout and the id of its environment, if recorded.

    Raises:
        ConfigError: unknown data set, observations or actions that are not plain arrays, wrong lengths.
    """
    minari = _library()
    if name.startswith(PREFIX):
        known = list(minari.list_local_datasets())
        if name[len(PREFIX) :] not in known:
            hint = nearest(name[len(PREFIX) :], known)
            raise ConfigError(f"no data set {name}{hint} is on this machine; get it with `minari download`")
        dataset = minari.load_dataset(name[len(PREFIX) :])
    else:
        dataset = minari.MinariDataset(Path(name) / "data")
    episodes = []
    for k, one in enumerate(dataset.iterate_episodes()):
        if not isinstance(one.observations, np.ndarray) or not isinstance(one.actions, np.ndarray):
            raise ConfigError(f"{name}: episode {k}: only plain array observations and actions are supported")
        ends = bool(one.terminations[-1]), bool(one.truncations[-1])
        episodes.append(Trajectory(one.observations, one.actions, one.rewards, *ends))
    env = dataset.spec.env_spec
    return stack(episodes, name), env.id if env is not None else None


def write(name: str, rollout: Rollout, env_id: str | None) -> None:
    """Write a new local data set; T + 1 observations per episode, ends as they were.

    Args:
        name: ``minari:`` and an id such as ``ant/expert-v0``.
        rollout: whole episodes; actions are those taken.
        env_id: the environment to record, when gymnasium knows it.

    Raises:
        ConfigError: a malformed id, or one that exists.
    """
    minari = _library()
    import gymnasium
    from gymnasium import spaces

    id = name[len(PREFIX) :]
    try:
        minari.dataset.minari_dataset.parse_dataset_id(id if name.startswith(PREFIX) else "")
    except (ValueError, TypeError):  # TypeError: no version
        raise ConfigError(f"to={name}: a Minari data set is named like minari:ant/expert-v0") from None
    if id in minari.list_local_datasets():
        raise ConfigError(f"to={name}: this data set exists; raise its version, or delete it with `minari delete`")
    discrete = rollout.act.ndim == 1
    shape = rollout.act.shape[1:]
    buffers = [
        minari.data_collector.EpisodeBuffer(
            id=k,
            seed=one.seed if one.seed >= 0 else None,
            observations=one.obs,
            actions=one.act,
            rewards=one.reward,
            terminations=_last(len(one.act), one.terminated),
            truncations=_last(len(one.act), one.truncated),
        )
        for k, one in enumerate(split(rollout, "Minari"))
    ]
    minari.create_dataset_from_buffers(
        id,
        buffers,
        env=gymnasium.registry.get(env_id or ""),
        observation_space=spaces.Box(-np.inf, np.inf, rollout.obs.shape[1:], np.float32),
        action_space=spaces.Discrete(int(rollout.act.max()) + 1) if discrete else spaces.Box(-np.inf, np.inf, shape),
    )


def _last(length: int, flag: bool) -> np.ndarray:
    out = np.zeros(length, bool)
    out[-1] = flag
    return out
