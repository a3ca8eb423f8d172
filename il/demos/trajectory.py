"""From episodes of any format to a `Rollout`, and back."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from il.actors import EXPERT
from il.errors import ConfigError
from il.rollout import Rollout

UNKNOWN_SEED = -1
PER_EPISODE = ("seed", "final_obs", "final_expert_obs", "returns", "lengths")


@dataclass(frozen=True)
class Trajectory:
    """One demonstrated episode of T steps."""

    obs: np.ndarray
    """[T + 1, …]: the last one is the observation after the last action."""
    act: np.ndarray
    """[T, act_dim] floats, or [T] integers."""
    reward: np.ndarray
    """[T]."""
    terminated: bool
    """The task ended with the last step."""
    truncated: bool
    """The time limit was reached with the last step. Neither flag: the record stops before the episode's end."""
    seed: int = UNKNOWN_SEED


def stack(trajectories: Sequence[Trajectory], where: str) -> Rollout:
    """Turn demonstrated episodes into a rollout in which the expert acted throughout.

    Args:
        trajectories: the episodes.
        where: file or name for messages.

    Raises:
        ConfigError: when shapes disagree or a value is not finite; names the episode and the key.
    """
    if not trajectories:
        raise ConfigError(f"{where} holds no episodes")
    for k, one in enumerate(trajectories):
        _check_shapes(one, trajectories[0], f"{where}: episode {k}")
    lengths = np.array([len(one.act) for one in trajectories])
    reward = np.concatenate([np.asarray(one.reward, np.float64) for one in trajectories])
    act = np.concatenate([_actions(one.act) for one in trajectories])
    episode = np.repeat(np.arange(len(lengths)), lengths)
    last = np.cumsum(lengths) - 1
    ends = {name: np.zeros(len(act), bool) for name in ("terminated", "truncated", "cut")}
    ends["terminated"][last] = [one.terminated for one in trajectories]
    ends["truncated"][last] = [one.truncated for one in trajectories]
    ends["cut"][last] = ~(ends["terminated"][last] | ends["truncated"][last])
    rollout = Rollout(
        obs=np.concatenate([np.asarray(one.obs[:-1], np.float32) for one in trajectories]),
        act=act,
        label=act.copy(),
        labelled=np.ones(len(act), bool),
        reward=reward,
        **ends,
        who=np.full(len(act), EXPERT),
        episode=episode,
        t=np.concatenate([np.arange(n) for n in lengths]),
        seed=np.array([one.seed for one in trajectories]),
        final_obs=np.stack([np.asarray(one.obs[-1], np.float32) for one in trajectories]),
        returns=np.bincount(episode, weights=reward),
        lengths=lengths,
        expert_steps=len(act),
    )
    check_finite(rollout, where)
    return rollout


def _actions(act: np.ndarray) -> np.ndarray:
    if np.issubdtype(act.dtype, np.integer):
        return act.reshape(len(act)).astype(np.int64)
    return act.reshape(len(act), -1).astype(np.float32)


def _check_shapes(one: Trajectory, first: Trajectory, where: str) -> None:
    steps = len(one.act)
    if steps == 0:
        raise ConfigError(f"{where}: action is empty")
    for key, values, length in [("observation", one.obs, steps + 1), ("reward", one.reward, steps)]:
        if len(values) != length:
            raise ConfigError(f"{where}: {key} has {len(values)} rows where {steps} actions need {length}")
    if np.ndim(one.reward) != 1:
        raise ConfigError(f"{where}: reward has shape {np.shape(one.reward)} instead of ({steps},)")
    for key, values, model in [("observation", one.obs, first.obs), ("action", one.act, first.act)]:
        if values.shape[1:] != model.shape[1:] or values.dtype.kind not in "biuf":
            raise ConfigError(
                f"{where}: {key} has rows of shape {values.shape[1:]} and type {values.dtype} "
                f"where those of the first episode are {model.shape[1:]}"
            )
    if np.issubdtype(one.act.dtype, np.integer) and one.act.size != steps:
        raise ConfigError(f"{where}: action holds {one.act.shape[1:]} integers per step; one is supported")


def check_finite(rollout: Rollout, where: str) -> None:
    """Raise a `ConfigError` that names episode and key when a demonstration holds NaN or an infinity."""
    for key, values in [("observation", rollout.obs), ("action", rollout.act), ("reward", rollout.reward)]:
        bad = ~np.isfinite(values.reshape(len(values), -1)).all(1)
        if bad.any():
            row = int(np.argmax(bad))
            at = f"episode {rollout.episode[row]}: {key} is not finite at step {rollout.t[row]}"
            raise ConfigError(f"{where}: {at} ({int(bad.sum())} such rows in all); remove that episode")
    bad = ~np.isfinite(rollout.final_obs.reshape(len(rollout.final_obs), -1)).all(1)
    if bad.any():
        raise ConfigError(f"{where}: episode {int(np.argmax(bad))}: the final observation is not finite")


def split(rollout: Rollout, what: str) -> list[Trajectory]:
    """Undo `stack`: return the episodes of a rollout, with the actions that were taken.

    Args:
        rollout: whole episodes.
        what: the format that wants them, for the message.

    Raises:
        ConfigError: when rows were left out, since then no row is followed by its successor.
    """
    starts = np.searchsorted(rollout.episode, np.arange(len(rollout.seed) + 1))
    out = []
    for k, (start, stop) in enumerate(itertools.pairwise(starts)):
        if not np.array_equal(rollout.t[start:stop], np.arange(stop - start)) or start == stop:
            raise ConfigError(
                f"episode {k} is sub-sampled, and {what} wants successive steps; "
                "write format=npz, or collect again with subsample=1"
            )
        rows = slice(int(start), int(stop))
        obs = np.concatenate([rollout.obs[rows], rollout.final_obs[k : k + 1]])
        ends = bool(rollout.terminated[stop - 1]), bool(rollout.truncated[stop - 1])
        out.append(Trajectory(obs, rollout.act[rows], rollout.reward[rows], *ends, seed=int(rollout.seed[k])))
    return out


def select(rollout: Rollout, episodes: np.ndarray) -> Rollout:
    """Return the named episodes, renumbered; `episodes` ascends."""
    rows = np.isin(rollout.episode, episodes)
    columns = {name: values[episodes if name in PER_EPISODE else rows] for name, values in _columns(rollout)}
    columns["episode"] = np.searchsorted(episodes, columns["episode"])
    return Rollout(**columns, expert_steps=int((columns["who"] == EXPERT).sum()))


def concatenate(rollouts: Sequence[Rollout], where: Sequence[str]) -> Rollout:
    """Put rollouts one after the other.

    Args:
        rollouts: at least one.
        where: a name for each, for messages.

    Raises:
        ConfigError: when they do not hold the same kind of observations and actions.
    """
    first = rollouts[0]
    offset = 0
    numbered: list[np.ndarray] = []
    for one, name in zip(rollouts, where, strict=True):
        for key in ("obs", "act"):
            mine, theirs = getattr(one, key), getattr(first, key)
            if mine.shape[1:] != theirs.shape[1:] or mine.dtype != theirs.dtype:
                raise ConfigError(
                    f"{name} has {key} {mine.dtype}{list(mine.shape[1:])}, "
                    f"{where[0]} has {theirs.dtype}{list(theirs.shape[1:])}; they cannot be merged"
                )
        if (one.expert_obs is None) != (first.expert_obs is None):
            raise ConfigError(f"only one of {name} and {where[0]} holds expert views; they cannot be merged")
        numbered.append(one.episode + offset)
        offset += len(one.seed)
    names = [name for name, _ in _columns(first) if name != "second"]  # measures one expert's chance, not the data
    columns = {name: np.concatenate([getattr(r, name) for r in rollouts]) for name in names}
    columns["episode"] = np.concatenate(numbered)
    return Rollout(**columns, expert_steps=sum(r.expert_steps for r in rollouts))


def _columns(rollout: Rollout) -> list[tuple[str, np.ndarray]]:
    values = [(f.name, getattr(rollout, f.name)) for f in fields(rollout) if f.name != "expert_steps"]
    return [(name, value) for name, value in values if value is not None]
