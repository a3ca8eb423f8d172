"""Playing whole episodes in lockstep, for whoever wants to watch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from il.actors import Actor, Episode, View
from il.envs.base import SlotError, VectorEnv
from il.errors import EpisodeError
from il.randomness import Purpose, generator, integer


def episode_of(seed: int, purpose: Purpose, round: int, index: int, horizon: int) -> Episode:
    """Return episode `index` of a round: its seeds depend on these numbers only."""
    return Episode(
        index,
        integer(seed, purpose, round, index),
        generator(seed, purpose, round, index, 1),
        horizon,
    )


@dataclass(frozen=True)
class Step:
    """One lockstep of m live slots, as `play` reports it."""

    index: np.ndarray
    """Which episode each row belongs to."""
    seed: np.ndarray
    """That episode's reset seed."""
    t: np.ndarray
    obs: np.ndarray
    expert_obs: np.ndarray | None
    act: np.ndarray
    who: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    ended: np.ndarray
    final_obs: np.ndarray
    """Observations after the step, [m, …]: final where `ended`."""


def play(
    env: VectorEnv,
    actor: Actor,
    episode: Callable[[int], Episode],
    wanted: Callable[[int, int], int],
    on_step: Callable[[Step, View], None],
    stop_at: int | None = None,
    before_step: Callable[[View], None] | None = None,
) -> None:
    """Play whole episodes in lockstep until no more are wanted.

    Args:
        env: its slots are reset here; what they held before does not matter.
        actor: drives every slot.
        episode: gives episode k; asked for 0, 1, 2, … in order.
        wanted: from the number of finished episodes and of their steps, how many should be running.
        on_step: hears about every lockstep, after it.
        stop_at: ends every episode after so many steps.
        before_step: called with the live slots after the actor has chosen and before they step.

    Raises:
        EpisodeError: when the environment raises or returns a value that is not finite; names seed, episode, step.
    """
    index, t, seeds = np.full(env.n, -1), np.zeros(env.n, np.int64), np.zeros(env.n, np.int64)
    started = finished = steps = 0
    separate_view = env.expert_obs is not env.obs
    while True:
        free = np.flatnonzero(index < 0)
        lacking = wanted(finished, steps) - (env.n - len(free))
        if lacking > 0 and len(free):
            slots = free[:lacking]
            fresh = [episode(started + k) for k in range(len(slots))]
            started += len(fresh)
            index[slots], t[slots], seeds[slots] = [e.index for e in fresh], 0, [e.seed for e in fresh]
            try:
                env.reset(slots, [e.seed for e in fresh])
            except SlotError as error:
                raise _failure(env, int(seeds[error.slot]), int(index[error.slot]), 0, str(error)) from error
            actor.reset(slots.tolist(), fresh)
        ids = np.flatnonzero(index >= 0)
        if not len(ids):
            return
        view, now = View(env, ids), t[ids]
        obs = view.obs
        expert_obs = view.expert_obs if separate_view else None
        act, who = actor.act(view, now)
        if before_step is not None:
            before_step(view)
        try:
            reward, terminated, truncated = env.step(act, ids)
        except SlotError as error:
            slot = error.slot
            raise _failure(env, int(seeds[slot]), int(index[slot]), int(t[slot]), str(error)) from error
        after = env.obs[ids]
        if not np.isfinite(reward.sum() + after.sum(dtype=np.float64)):
            bad = ~np.isfinite(reward) | ~np.isfinite(after.reshape(len(ids), -1)).all(1)
            if bad.any():
                slot = ids[np.argmax(bad)]
                what = "the observation or reward is not finite"
                raise _failure(env, int(seeds[slot]), int(index[slot]), int(t[slot]), what)
        ended = terminated | truncated
        if stop_at is not None:
            ended = ended | (now + 1 >= stop_at)
        on_step(
            Step(index[ids], seeds[ids], now, obs, expert_obs, act, who, reward, terminated, truncated, ended, after),
            view,
        )
        t[ids] += 1
        if ended.any():
            over = ids[ended]
            finished += len(over)
            steps += int(t[over].sum())
            index[over] = -1


def _failure(env: VectorEnv, seed: int, episode: int, step: int, what: str) -> EpisodeError:
    return EpisodeError(f"{env.spec.id} failed in episode {episode} (reset seed {seed}) at step {step}: {what}")
