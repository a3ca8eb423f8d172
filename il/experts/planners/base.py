"""What planners have in common: they see the simulator's state and go on from the plan of the step before."""

import zlib
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from il.envs.base import EnvSpec
from il.errors import ConfigError
from il.experts.base import Expert, Moment, Provenance
from il.experts.planners.simulator import Simulator, pick


@dataclass(frozen=True)
class Memory:
    """What was answered last in one slot."""

    t: int
    obs: bytes
    action: np.ndarray
    plan: Any
    """What the next step may start from."""


class Planner(Expert):
    """Plans anew at every step, starting from its last plan where it was asked in the same episode one step before.

    Nothing of it needs a checkpoint: rounds start with new episodes, for which nothing is remembered, and random
    numbers follow from its seed and the state. So answers depend neither on the number of slots nor on what was asked
    elsewhere. Asked twice about the same step, as driver and for a label, it answers the same.

    Args:
        spec: the run's environment.
        name: of the expert, for messages.
        seed: its own, not the run's.

    Raises:
        ConfigError: when the environment has no snapshots.
    """

    needs_snapshot = True

    def __init__(self, spec: EnvSpec, name: str, seed: int = 0):
        self.spec, self.name, self.seed = spec, name, seed
        self.simulator = Simulator(spec, f"expert={name}")
        self.provenance = Provenance(f"expert={name}", spec.id)
        self._chains: tuple[dict[int, Memory], ...] = ({}, {})

    @abstractmethod
    def plan(
        self, state: Any, previous: list[Any], streams: list[np.random.Generator]
    ) -> tuple[np.ndarray, Sequence[Any]]:
        """Plan from m states.

        Args:
            state: a snapshot of m slots.
            previous: what the plan of the step before left for each, or None.
            streams: a source of random numbers for each.

        Returns:
            The first actions, [m, …], and what each plan leaves for the next step.
        """

    def act(self, obs: np.ndarray, snapshot: Moment | None = None) -> np.ndarray:
        """See `Expert.act`."""
        return self._ask(0, obs, snapshot)

    def second(self, obs: np.ndarray, snapshot: Moment | None = None) -> np.ndarray:
        """See `Expert.second`: a second planner with other random numbers, which has followed from the start."""
        return self._ask(1, obs, snapshot)

    def forget(self, ids: Sequence[int]) -> None:
        """See `Expert.forget`."""
        for chain in self._chains:
            for slot in ids:
                chain.pop(slot, None)

    def _ask(self, chain: int, obs: np.ndarray, moment: Moment | None) -> np.ndarray:
        if moment is None:
            raise ConfigError(
                f"expert={self.name} plans from the simulator's state, which observations alone, as in a data set, "
                "do not tell: let it label while playing, with algo=dagger or algo=bc"
            )
        memory, keys = self._chains[chain], [row.tobytes() for row in obs]
        before = [memory.get(slot) for slot in moment.ids.tolist()]
        now = moment.t.tolist()
        new = [k for k, b in enumerate(before) if b is None or (b.t, b.obs) != (now[k], keys[k])]
        if new:
            rows = np.array(new)
            previous = [b.plan if (b := before[k]) is not None and 0 < now[k] == b.t + 1 else None for k in new]
            streams = [np.random.default_rng([self.seed, chain, zlib.crc32(keys[k])]) for k in new]
            actions, plans = self.plan(pick(moment.state, rows), previous, streams)
            actions = actions.astype(self.spec.act_dtype)
            for k, action, plan in zip(new, actions, plans, strict=True):
                memory[int(moment.ids[k])] = Memory(now[k], keys[k], action, plan)
        return np.stack([memory[slot].action for slot in moment.ids.tolist()])
