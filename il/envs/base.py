"""What every environment backend offers: n slots that step in lockstep and never reset themselves."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

View = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class EnvSpec:
    """The facts about an environment that policies, experts and algorithms need."""

    id: str
    """Name for messages and records, usually the gymnasium id."""
    obs_shape: tuple[int, ...]
    """Shape of one observation of the learner."""
    expert_obs_shape: tuple[int, ...]
    """Shape of one observation of the expert; equal to `obs_shape` unless an `expert_view` is set."""
    discrete: bool
    """True for a finite action set."""
    act_dim: int
    """Numbers in a continuous action, or how many discrete actions there are."""
    low: np.ndarray | None
    """Lower action bounds, float32 [act_dim]; None when discrete."""
    high: np.ndarray | None
    """Upper action bounds, float32 [act_dim]; None when discrete."""
    horizon: int
    """Steps after which an episode is truncated."""
    snapshots: bool = False
    """Whether `snapshot` and `restore` work."""
    simulate: "Callable[[int], VectorEnv] | None" = None
    """Makes n slots of the same task for planning, which take this environment's snapshots; None where it cannot."""

    @property
    def act_shape(self) -> tuple[int, ...]:
        """Shape of one action: () when discrete."""
        return () if self.discrete else (self.act_dim,)

    @property
    def act_dtype(self) -> type:
        """Numpy type of actions: int64 when discrete, else float32."""
        return np.int64 if self.discrete else np.float32


def side_by_side(ids: np.ndarray) -> "np.ndarray | slice":
    """Return a slice where ascending slots lie side by side, else `ids`: then arrays are views, not copies."""
    first, last = int(ids[0]), int(ids[-1])
    return slice(first, last + 1) if last - first == len(ids) - 1 else ids


def not_finite(reward: np.ndarray, obs: np.ndarray) -> int | None:
    """Return the first row with a value that is not finite, which a sum tells fast unless it overflows."""
    if math.isfinite(np.add.reduce(reward) + np.add.reduce(obs, axis=None)):
        return None
    bad = ~np.isfinite(reward) | ~np.isfinite(obs.reshape(len(obs), -1)).all(1)
    return int(np.argmax(bad)) if bad.any() else None


class SlotError(Exception):
    """A backend failed in one slot; the cause is chained."""

    def __init__(self, slot: int, cause: BaseException):
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.slot = slot


class VectorEnv(ABC):
    """n slots, each an independent episode; the only place where actions are clipped to the space.

    `obs` and `expert_obs` are float32 [n, …], always those of the current state: after an episode's last
    step they are still its true final observation. Slots change only when named in `ids`.
    """

    n: int
    spec: EnvSpec
    obs: np.ndarray
    expert_obs: np.ndarray

    @abstractmethod
    def reset(self, ids: np.ndarray, seeds: Sequence[int]) -> None:
        """Start a new episode in each named slot, seeded like ``gymnasium.Env.reset(seed=…)``."""

    @abstractmethod
    def step(self, actions: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Advance the named slots by one step.

        Args:
            actions: [len(ids), act_dim] float32, or [len(ids)] int64; clipped to the space here.
            ids: slots to step, int [m], ascending and unique.

        Returns:
            reward float64 [m], terminated bool [m], truncated bool [m]; both flags may be true at once.

        Raises:
            SlotError: when one slot's environment raises.
        """

    def snapshot(self, ids: np.ndarray) -> Any:
        """Return the complete simulator state of the named slots, where `spec.snapshots`."""
        raise NotImplementedError(f"{self.spec.id} on this backend has no snapshots")

    def restore(self, ids: np.ndarray, state: Any) -> None:
        """Put a state from `snapshot` into the named slots; what follows equals the original."""
        raise NotImplementedError(f"{self.spec.id} on this backend has no snapshots")

    def coordinates(self, state: Any) -> np.ndarray:
        """Return positions, then velocities, of a snapshot's slots, float64 [m, k]."""
        raise NotImplementedError(f"{self.spec.id} on this backend has no coordinates")

    def moved(self, state: Any, coordinates: np.ndarray) -> Any:
        """Return a snapshot with other positions and velocities, [m, k]; its observations are those of the old ones."""
        raise NotImplementedError(f"{self.spec.id} on this backend has no coordinates")

    def close(self) -> None:  # noqa: B027 - most backends hold nothing
        """Free what the simulator holds."""
