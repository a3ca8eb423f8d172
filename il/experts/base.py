"""What every expert offers, whatever it was loaded from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from il.actors import Actor
    from il.rollout import Rollout


@dataclass(frozen=True)
class Provenance:
    """Where an expert comes from and what it is said to score."""

    source: str
    """One line for people: kind and file or name."""
    env_id: str | None = None
    """The environment it was made for, where known."""
    return_mean: float | None = None
    """Recorded mean return of its deterministic actions, where known."""
    return_std: float | None = None
    """Spread over episodes of the recorded return."""
    sha256: str | None = None
    """Digest of the file it was read from."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Anything else worth recording, JSON-able."""


@dataclass(frozen=True)
class Moment:
    """Where m episodes stand: what a planner needs beside their observations."""

    state: Any
    """The simulators' states, from `VectorEnv.snapshot`."""
    ids: np.ndarray
    """The episodes' slots, int [m]; within an episode each step is asked about after the one before."""
    t: np.ndarray
    """Step within each episode, int [m]."""


class Expert:
    """Something that knows good actions.

    Subclasses set `provenance` and override `act` (when `queryable`) or `demonstrations`.
    """

    provenance: Provenance
    queryable: bool = True
    """Whether it can be asked about any state; a data set cannot."""
    needs_snapshot: bool = False
    """Whether `act` wants simulator states: a planner."""
    stochastic: bool = False
    """Whether it draws random numbers; then `second` tells how much of a label is chance."""
    agreement: int = 0
    """Where `stochastic`: over how many steps of each collected episode that is measured."""
    can: frozenset[str] = frozenset()
    """Critics it offers: a subset of {"q", "value"}."""
    driver: "Actor | None" = None
    """Plays its episodes where an action follows from more than the state: for a mixture. None: `act` does."""

    def act(self, obs: np.ndarray, snapshot: Moment | None = None) -> np.ndarray:
        """Return its deterministic actions for a batch.

        Args:
            obs: the expert's view, float32 [B, …].
            snapshot: where the B rows stand, if `needs_snapshot`, else None.

        Returns:
            float32 [B, act_dim], unclipped, or int64 [B].
        """
        raise NotImplementedError

    def second(self, obs: np.ndarray, snapshot: Moment | None = None) -> np.ndarray:
        """Return what `act` would, had it drawn other numbers since each episode's start; where `stochastic`."""
        raise NotImplementedError

    def forget(self, ids: Sequence[int]) -> None:
        """Drop what is remembered of the named slots' episodes: others start there."""

    def act_at(self, obs: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Return what `act` does for rows that are steps `t` [B] of episodes, which matters to a mixture only."""
        return self.act(obs)

    def demonstrations(self) -> "Rollout | None":
        """Return recorded episodes that serve as the first round's data, or None."""
        return None

    def q(self, obs: np.ndarray, act: np.ndarray | None) -> np.ndarray:
        """Return Q(s, a), float32 [B]; for discrete actions with ``act=None`` all of them, [B, act_dim]."""
        raise NotImplementedError

    def q_gradient(self, obs: np.ndarray, act: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return Q(s, a), float32 [B], and its derivative by the action, float32 [B, act_dim].

        Here by central differences of width 0.02, so that any `q` over continuous actions will do.
        """
        slope = np.empty_like(act)
        for k in range(act.shape[1]):
            step = np.zeros_like(act)
            step[:, k] = 0.01
            slope[:, k] = (self.q(obs, act + step) - self.q(obs, act - step)) / 0.02
        return self.q(obs, act), slope

    def value(self, obs: np.ndarray) -> np.ndarray:
        """Return V(s), float32 [B], in units of the environment's reward."""
        raise NotImplementedError
