"""SMILe: a mixture that moves from the expert to fitted policies by ever smaller shares."""

import numpy as np

from il.actors import Actor, ExpertActor, Mixture
from il.algos.base import Setup
from il.algos.sequence import PolicySequence
from il.errors import ConfigError


class SMILe(PolicySequence):
    """Stochastic mixing iterative learning (Ross & Bagnell 2010, algorithm 4.1).

    π⁰ is the expert. Round n rolls in πⁿ, the expert labels every visited state, π̂ⁿ⁺¹ is fitted to these states
    alone, and

        πⁿ = πⁿ⁻¹ + α(1-α)ⁿ⁻¹(π̂ⁿ - π⁰),

    that is, each step is driven by π̂ʲ with probability α(1-α)ʲ⁻¹ and by the expert with (1-α)ⁿ. The result removes
    the expert: π̃^N = [π^N - (1-α)^N π⁰] / [1 - (1-α)^N]. Earlier policies weigh more.

    Args:
        setup, rounds, steps, first_steps, fresh, sample: see `PolicySequence`.
        alpha: share that the first policy takes over, 0 < α < 1.

    Raises:
        ConfigError: see `PolicySequence`, or α out of range.
    """

    def __init__(
        self,
        setup: Setup,
        rounds: int,
        steps: int,
        first_steps: int | None,
        alpha: float,
        fresh: bool,
        sample: bool,
    ):
        super().__init__(setup, "SMILe", rounds, steps, first_steps, False, fresh, sample)
        if not 0 < alpha < 1:
            raise ConfigError(f"algo.alpha={alpha}: must lie in (0, 1); with 1 only the first policy would ever act")
        self.alpha = alpha

    def roll_in(self, n: int) -> Actor:
        """Return πⁿ."""
        expert = ExpertActor(self.setup.expert)
        policies = [self.actor(k, self.sample) for k in range(1, n + 1)]
        return Mixture([expert, *policies], [(1 - self.alpha) ** n, *weights(self.alpha, n)])

    def result(self, count: int, sample: bool) -> Actor:
        """Return π̃^count."""
        shares = weights(self.alpha, count)
        return Mixture([self.actor(k, sample) for k in range(1, count + 1)], shares / shares.sum())


def weights(alpha: float, count: int) -> np.ndarray:
    """Return the shares α(1-α)ʲ⁻¹ of π̂¹ … π̂^count in π^count, float64 [count]."""
    return alpha * (1 - alpha) ** np.arange(count)
