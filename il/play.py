"""Playing whole episodes in lockstep, for whoever wants to watch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from il.actors import Actor, Episode, View
from il.envs.base import SlotError, VectorEnv, not_finite, side_by_side
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


@dataclass(frozen=True)
class Stream:
    """Whole episodes that one actor plays."""

    actor: Actor
    """Drives every slot of the stream."""
    episode: Callable[[int], Episode]
    """Gives episode k; asked for 0, 1, 2, … in order."""
    wanted: Callable[[int, int], int]
    """From the number of finished episodes and of their steps, how many should be running; never rises."""
    on_step: Callable[[Step, View], None]
    """Hears about every lockstep, after it."""
    stop_at: int | None = None
    """Ends every episode after so many steps."""
    before_step: Callable[[View, np.ndarray], None] | None = None
    """Called with the live slots and their steps, after the actor has chosen and before they step."""

    def slots(self, env: VectorEnv) -> int:
        """Return how many slots it will have, as many as if it were alone: rounding depends on that number."""
        return min(env.n, self.wanted(0, 0))


def play(env: VectorEnv, *streams: Stream) -> None:
    """Play whole episodes in lockstep until no stream wants more.

    Streams that fit into the slots side by side are played at the same time; what one of them plays does not depend
    on the others.

    Args:
        env: its slots are reset here; what they held before does not matter.
        streams: what is to be played.

    Raises:
        EpisodeError: when the environment raises or returns a value that is not finite; names seed, episode, step.
    """
    group: list[_Running] = []
    for stream in streams:
        first = group[-1].end if group else 0
        if first + stream.slots(env) > env.n:
            _play_together(env, group)
            group, first = [], 0
        group.append(_Running(env, stream, first))
    _play_together(env, group)


def _play_together(env: VectorEnv, streams: "list[_Running]") -> None:
    changed = True
    while True:
        if changed:
            live = [stream for stream in streams if stream.fill()]
            if not live:
                return
            ids = live[0].ids if len(live) == 1 else np.concatenate([stream.ids for stream in live])
            edges = np.cumsum([0, *(len(stream.ids) for stream in live)]).tolist()
            parts = [(stream, slice(a, b)) for stream, a, b in zip(live, edges[:-1], edges[1:], strict=True)]
        actions = [stream.act() for stream in live]
        try:
            reward, terminated, truncated = env.step(actions[0] if len(live) == 1 else np.concatenate(actions), ids)
        except SlotError as error:
            raise next(s for s in live if error.slot in s.ids).failure(error.slot, str(error)) from error
        changed = False
        for stream, rows in parts:
            changed |= stream.stepped(reward[rows], terminated[rows], truncated[rows])


class _Running:
    """A stream and which episode each of its slots plays; -1 marks a free one."""

    def __init__(self, env: VectorEnv, stream: Stream, first: int):
        self.env, self.stream, self.end = env, stream, first + stream.slots(env)
        self.mine = np.arange(first, self.end)
        self.ids = self.mine[:0]
        self._index, self._t, self._seed = np.full(env.n, -1), np.zeros(env.n, np.int64), np.zeros(env.n, np.int64)
        self._started = self._finished = self._steps = 0
        self._separate_view = env.expert_obs is not env.obs
        self._changed = True

    def fill(self) -> bool:
        """Start episodes in free slots until as many are running as are wanted; return whether any is."""
        if self._changed:
            free = self.mine[self._index[self.mine] < 0]
            slots = free[: max(0, self.stream.wanted(self._finished, self._steps) - (len(self.mine) - len(free)))]
            if len(slots):
                self._start(slots)
            self.ids = ids = self.mine[self._index[self.mine] >= 0]
            if len(ids):
                self._rows = side_by_side(ids)
                self._of_ids = self._index[ids], self._seed[ids]
                self._now, self._obs = self._t[ids], self._observed()
            self._changed = False
        return len(self.ids) > 0

    def _observed(self) -> np.ndarray:
        obs = self.env.obs[self._rows]
        return obs.copy() if isinstance(self._rows, slice) else obs

    def _start(self, slots: np.ndarray) -> None:
        fresh = [self.stream.episode(self._started + k) for k in range(len(slots))]
        seeds = [e.seed for e in fresh]
        self._started += len(fresh)
        self._index[slots], self._t[slots], self._seed[slots] = [e.index for e in fresh], 0, seeds
        try:
            self.env.reset(slots, seeds)
        except SlotError as error:
            raise self.failure(error.slot, str(error)) from error
        self.stream.actor.reset(slots.tolist(), fresh)

    def act(self) -> np.ndarray:
        """Return the actions of the live slots."""
        self._view = view = View(self.env, self.ids, self._obs)
        self._expert_obs = view.expert_obs if self._separate_view else None
        self._act, self._who = self.stream.actor.act(view, self._now)
        if self.stream.before_step is not None:
            self.stream.before_step(view, self._now)
        return self._act

    def stepped(self, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray) -> bool:
        """Hand the lockstep on and free the slots whose episodes have ended; return whether there were any."""
        now, after = self._now, self._observed()
        if (row := not_finite(reward, after)) is not None:
            raise self.failure(int(self.ids[row]), "the observation or reward is not finite")
        ended = terminated | truncated
        if self.stream.stop_at is not None:
            ended |= now + 1 >= self.stream.stop_at
        any_ended = bool(np.count_nonzero(ended))
        flags = (terminated, truncated, ended, any_ended)
        made = (*self._of_ids, now, self._obs, self._expert_obs, self._act, self._who)
        self.stream.on_step(Step(*made, reward, *flags, after), self._view)
        self._now, self._obs = now + 1, after
        if any_ended:
            self._t[self.ids] = self._now
            over = self.ids[ended]
            self._finished += len(over)
            self._steps += int(self._t[over].sum())
            self._index[over] = -1
            self._changed = True
        return any_ended

    def failure(self, slot: int, what: str) -> EpisodeError:
        """Return an error that names environment, episode and step."""
        if not self._changed:
            self._t[self.ids] = self._now
        where = f"episode {self._index[slot]} (reset seed {self._seed[slot]}) at step {self._t[slot]}"
        return EpisodeError(f"{self.env.spec.id} failed in {where}: {what}")
