"""What every expert offers, whatever it was loaded from."""

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


class Expert:
    """Something that knows good actions.

    Subclasses set `provenance` and override `act` (when `queryable`) or `demonstrations`.
    """

    provenance: Provenance
    queryable: bool = True
    """Whether it can be asked about any state; a data set cannot."""
    needs_snapshot: bool = False
    """Whether `act` wants simulator states: a planner."""
    can: frozenset[str] = frozenset()
    """Critics it offers: a subset of {"q", "value"}."""
    driver: "Actor | None" = None
    """Plays its episodes where an action follows from more than the state: for a mixture. None: `act` does."""

    def act(self, obs: np.ndarray, snapshot: Any = None) -> np.ndarray:
        """Return its deterministic actions for a batch.

        Args:
            obs: the expert's view, float32 [B, …].
            snapshot: B simulator states where `needs_snapshot`, else None.

        Returns:
            float32 [B, act_dim], unclipped, or int64 [B].
        """
        raise NotImplementedError

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
