"""SwitchDAgger: the newest policy starts an episode, older ones take over one by one, the expert ends it."""

import sys

import numpy as np

from il.actors import Actor, ExpertActor, Switching
from il.algos.base import Setup
from il.algos.sequence import PolicySequence
from il.errors import ConfigError
from il.schedules import schedule


class SwitchDAgger(PolicySequence):
    """Imitation by switching (CS285 homework 1, fall 2023, section 5).

    Write S^X(π, π') for running π for X steps and π' from there to the end, and X_k + 1 ~ Geom(1 - α), that is
    P(X_k = x) = αˣ(1 - α), drawn afresh for every episode. With π̃⁰ the expert,

        π̃ⁿ = S^{X_n}(π̂ⁿ, π̃ⁿ⁻¹),      πⁿ = S^{X_n}(π̂ⁿ, πⁿ⁻¹),   π⁰ = π̂¹.

    Round n rolls in π̃ⁿ, the expert labels every visited state, and π̂ⁿ⁺¹ is fitted to that roll-in alone. The
    results are π^N, which never asks the expert (``last``), and π̂^N on its own (``current``); ``best`` is the πⁿ
    that scored best.

    With C(π̃ⁿ) the expected disagreements in T steps and ε the fitted policies' error, the recursion
    A(t,n) = αεt + α(1-ε)A(t-1,n) + (1-α)A(t,n-1) gives C ≤ Tnε·α/(1-α); the homework's Tnαε does not follow from it.

    Args:
        setup, rounds, steps, first_steps, aggregate, fresh, sample: see `PolicySequence`. ``aggregate`` is a variant:
            the definition fits to one roll-in only.
        alpha: a number, or a list with one value for each of π̂¹, π̂², …; 0 ≤ α < 1.

    Raises:
        ConfigError: see `PolicySequence`, or α out of range.
    """

    def __init__(
        self,
        setup: Setup,
        rounds: int,
        steps: int,
        first_steps: int | None,
        alpha: float | list[float],
        aggregate: bool,
        fresh: bool,
        sample: bool,
    ):
        super().__init__(setup, "SwitchDAgger", rounds, steps, first_steps, aggregate, fresh, sample)
        alphas = schedule(alpha, rounds, "algo.alpha")
        self.alphas = np.array([alphas(k) for k in range(rounds)])
        if (self.alphas >= 1).any():
            raise ConfigError(f"algo.alpha={alpha}: must lie in [0, 1); with 1 a policy would never hand over")
        self._warn(alpha)

    def _warn(self, alpha: float | list[float]) -> None:
        """Tell when the learner would hardly ever drive: that is cloning with more data of the expert."""
        horizon, policies = self.setup.spec.horizon, self.rounds - 1
        expected = float(np.sum(self.alphas[:-1] / (1 - self.alphas[:-1])))
        if policies and expected < horizon / 5:
            whole = horizon / (horizon + policies)
            print(
                f"warning: algo.alpha={alpha}: even in the last of {self.rounds} rounds the learner is expected to "
                f"drive only {expected:.3g} of {horizon} steps; for whole episodes take alpha={whole:.4g} or more",
                file=sys.stderr,
            )

    def _chain(self, count: int, sample: bool, last: list[Actor]) -> Switching:
        """Return π̂^count, …, π̂¹, then `last`; without one, π̂¹ goes on to the end."""
        actors: list[Actor] = [self.actor(k, sample) for k in range(count, 0, -1)]
        stops = 1 - self.alphas[:count][::-1][: len(actors) + len(last) - 1]
        return Switching(actors + last, lambda rng, horizon: rng.geometric(stops) - 1)

    def roll_in(self, n: int) -> Actor:
        """Return π̃ⁿ."""
        return self._chain(n, self.sample, [ExpertActor(self.setup.expert)])

    def result(self, count: int, sample: bool) -> Actor:
        """Return π^count."""
        return self._chain(count, sample, [])

    def outputs(self, sample: bool) -> dict[str, Actor]:
        """Return π^N, π̂^N and the best πⁿ."""
        last, *best = super().outputs(sample).items()
        return dict([last, ("current", self.actor(len(self.policies), sample)), *best])
