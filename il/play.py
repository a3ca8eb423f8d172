"""Playing whole episodes in lockstep, for whoever wants to watch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from il.actors import Actor, Episode, View
from il.envs.base import SlotError, VectorEnv, not_finite
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


@dataclass(slots=True)
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
    any_ended: bool
    final_obs: np.ndarray
    """Observations after the step, [m, …]: final where `ended`."""


def play(
    env: VectorEnv,
    actor: Actor,
    episode: Callable[[int], Episode],
    wanted: Callable[[int, int], int],
    on_step: Callable[[Step, View], None],
    stop_at: int | None = None,
    before_step: Callable[[View, np.ndarray], None] | None = None,
) -> None:
    """Play whole episodes in lockstep until no more are wanted.

    Args:
        env: its slots are reset here; what they held before does not matter.
        actor: drives every slot.
        episode: gives episode k; asked for 0, 1, 2, … in order.
        wanted: from the number of finished episodes and of their steps, how many should be running.
        on_step: hears about every lockstep, after it.
        stop_at: ends every episode after so many steps.
        before_step: called with the live slots and their steps, after the actor has chosen and before they step.

    Raises:
        EpisodeError: when the environment raises or returns a value that is not finite; names seed, episode, step.
    """
    slots = _Slots(env, actor, episode)
    separate_view, changed = env.expert_obs is not env.obs, True
    while True:
        if changed:
            ids = slots.fill(wanted(slots.finished, slots.steps))
            if not len(ids):
                return
            index, seed, now, obs = slots.index[ids], slots.seed[ids], slots.t[ids], env.obs[ids]
        view = View(env, ids, obs)
        expert_obs = view.expert_obs if separate_view else None
        act, who = actor.act(view, now)
        if before_step is not None:
            before_step(view, now)
        try:
            reward, terminated, truncated = env.step(act, ids)
        except SlotError as error:
            raise slots.failure(error.slot, str(error)) from error
        after = env.obs[ids]
        slots.check(ids, reward, after)
        ended = terminated | truncated if stop_at is None else terminated | truncated | (now + 1 >= stop_at)
        flags = (terminated, truncated, ended, changed := bool(np.count_nonzero(ended)))
        on_step(Step(index, seed, now, obs, expert_obs, act, who, reward, *flags, after), view)
        slots.t[ids] = now = now + 1
        if changed:
            slots.empty(ids[ended])
        obs = after


class _Slots:
    """Which episode each slot plays; -1 marks a free one."""

    def __init__(self, env: VectorEnv, actor: Actor, episode: Callable[[int], Episode]):
        self.env, self.actor, self.episode = env, actor, episode
        self.index, self.t, self.seed = np.full(env.n, -1), np.zeros(env.n, np.int64), np.zeros(env.n, np.int64)
        self.started = self.finished = self.steps = 0

    def fill(self, wanted: int) -> np.ndarray:
        """Start episodes in free slots until so many are running; return the running ones."""
        free = np.flatnonzero(self.index < 0)
        slots = free[: max(0, wanted - (self.env.n - len(free)))]
        if len(slots):
            self._start(slots)
        return np.flatnonzero(self.index >= 0)

    def _start(self, slots: np.ndarray) -> None:
        fresh = [self.episode(self.started + k) for k in range(len(slots))]
        seeds = [e.seed for e in fresh]
        self.started += len(fresh)
        self.index[slots], self.t[slots], self.seed[slots] = [e.index for e in fresh], 0, seeds
        try:
            self.env.reset(slots, seeds)
        except SlotError as error:
            raise self.failure(error.slot, str(error)) from error
        self.actor.reset(slots.tolist(), fresh)

    def empty(self, over: np.ndarray) -> None:
        """Free the named slots, whose episodes have ended."""
        self.finished += len(over)
        self.steps += int(self.t[over].sum())
        self.index[over] = -1

    def check(self, ids: np.ndarray, reward: np.ndarray, obs: np.ndarray) -> None:
        """Raise where a value is not finite."""
        if (row := not_finite(reward, obs)) is not None:
            raise self.failure(int(ids[row]), "the observation or reward is not finite")

    def failure(self, slot: int, what: str) -> EpisodeError:
        """Return an error that names environment, episode and step."""
        where = f"episode {self.index[slot]} (reset seed {self.seed[slot]}) at step {self.t[slot]}"
        return EpisodeError(f"{self.env.spec.id} failed in {where}: {what}")
