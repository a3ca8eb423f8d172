"""What every algorithm offers the trainer, and what it gets to work with."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from il.actors import Actor
from il.envs.base import EnvSpec, VectorEnv
from il.errors import ConfigError
from il.experts.base import Expert
from il.fit import Progress
from il.policies.base import Policy
from il.rollout import Collect, Rollout


@dataclass(frozen=True)
class Setup:
    """What an algorithm is built with, beside its knobs."""

    env: VectorEnv
    """The run's environment; between a round's collection and its evaluation its slots are free for simulations."""
    expert: Expert
    critic: str
    """What judges actions, where an algorithm asks for that: ``own`` (the expert's) or ``fit`` (to its episodes)."""
    new_policy: Callable[[np.random.Generator], Policy]
    """Makes a policy, on its device, with weights drawn from the generator."""
    seed: int
    """The run's seed: the first argument of every stream."""
    progress: Progress
    """To be handed to `fit`."""

    @property
    def spec(self) -> EnvSpec:
        """The facts about the environment."""
        return self.env.spec


class Algorithm(ABC):
    """A round is plan → (the trainer collects) → learn → (the trainer evaluates outputs).

    Args:
        setup: see `Setup`.
        rounds: planned number of rounds, 1 or more.
    """

    uses_critic: bool = False
    """Whether it asks `Setup.critic` about actions."""

    def __init__(self, setup: Setup, rounds: int):
        if rounds < 1:
            raise ConfigError(f"algo.rounds={rounds}: at least 1 (round 0 is the first)")
        self.setup = setup
        self.rounds = rounds

    @abstractmethod
    def plan(self, n: int) -> Collect | Rollout:
        """Say what to collect in round n, or return data that are there already (demonstrations).

        Changes nothing: it may be asked before round n - 1 is recorded, and again.
        """

    @abstractmethod
    def learn(self, n: int, rollout: Rollout) -> dict[str, float]:
        """Learn from a round's data; return metrics for the record."""

    @abstractmethod
    def outputs(self, sample: bool) -> dict[str, Actor]:
        """Return what can be evaluated and shipped, ``last`` first; acting by mode, or by samples.

        ``best`` is among them once `keep_best` was called.
        """

    @abstractmethod
    def keep_best(self, n: int) -> None:
        """Remember what `outputs` calls ``last`` after round n as ``best``."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return everything that a restart after this round needs: a tree as in `il.state`."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo `state_dict`."""


def require_queryable(algo: str, expert: Expert) -> None:
    """Refuse an expert that cannot be asked about new states.

    Raises:
        ConfigError: with the way out.
    """
    if not expert.queryable:
        raise ConfigError(
            f"{algo} asks the expert about new states; {expert.provenance.source} cannot answer. "
            "Use algo=bc, or an expert that can be queried: pretrained, callable, cs285, sb3, lqr, …"
        )


def require_positive(where: str, knobs: dict[str, Any]) -> None:
    """Refuse knobs that are not more than zero; None passes.

    Raises:
        ConfigError: naming the first.
    """
    for name, value in knobs.items():
        if value is not None and value <= 0:
            raise ConfigError(f"{where}.{name}={value}: must be more than 0")
