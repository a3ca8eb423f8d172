"""Model-predictive control by the cross-entropy method."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from il.envs.base import EnvSpec
from il.errors import ConfigError
from il.experts.planners.base import Planner


class CEM(Planner):
    """Sample plans, refit a Gaussian to the best, repeat; then act by the outcome and plan anew a step later.

    With coloured noise, kept elites and a shifted start as in iCEM (Pinneri et al., CoRL 2020).

    Args:
        spec: the run's environment: continuous bounded actions, snapshots.
        horizon: steps looked ahead.
        samples: plans an iteration.
        iterations: refits a step.
        elites: the best so many plans are refitted to.
        keep: share of the elites that compete again in the next iteration, and, shifted, in the next step.
        sigma: standard deviation of a plan's actions at first, in half action ranges.
        beta: colour of the noise: power falls with frequency to this power; 0 is white, 2 a random walk.
        momentum: share of mean and deviation that a refit leaves as they were.
        fall: what a plan that ends the episode loses, beside the rewards it misses.
        answer: ``best`` plan seen, or ``mean`` of the last refit.
        agreement: over the first how many steps of each episode it labels a second planner with other random numbers is
            asked too, to measure how much of the labels is chance; 0 is never.
        seed: of its random numbers.

    Raises:
        ConfigError: for environments that it cannot plan in, and knobs out of range.
    """

    stochastic = True

    def __init__(
        self,
        spec: EnvSpec,
        horizon: int,
        samples: int,
        iterations: int,
        elites: int,
        keep: float,
        sigma: float,
        beta: float,
        momentum: float,
        fall: float,
        answer: Literal["best", "mean"],
        agreement: int,
        seed: int,
    ):
        super().__init__(spec, "cem", seed)
        if spec.low is None or spec.high is None or not np.isfinite([spec.low, spec.high]).all():
            raise ConfigError(f"expert=cem samples continuous actions between bounds; {spec.id} has none: "
                              "use expert=lqr where it fits, or expert=pretrained")  # fmt: skip
        _check(horizon=horizon, samples=samples, iterations=iterations, elites=elites, sigma=sigma)
        if elites > samples:
            raise ConfigError(
                f"expert.elites={elites} are to be chosen from expert.samples={samples}: fewer are needed"
            )
        for name, share in (("keep", keep), ("momentum", momentum)):
            if not 0 <= share <= 1:
                raise ConfigError(f"expert.{name}={share}: must lie in [0, 1]")
        if answer not in ("best", "mean"):
            raise ConfigError(f"expert.answer={answer}: best or mean")
        self.horizon, self.samples, self.iterations, self.elites = horizon, samples, iterations, elites
        self.kept, self.momentum, self.fall, self.answer = int(keep * elites), momentum, fall, answer
        self.agreement = agreement
        self._low, self._high = spec.low, spec.high
        self._middle, self._sigma = (spec.high + spec.low) / 2, sigma * (spec.high - spec.low) / 2
        self._colour = colouring(horizon, beta).astype(np.float32)

    def plan(
        self, state: Any, previous: list[Any], streams: list[np.random.Generator]
    ) -> tuple[np.ndarray, Sequence[Any]]:
        """See `Planner.plan`; a plan leaves its mean and the kept elites, shifted by a step: [1 + kept, H, nu]."""
        cold = np.broadcast_to(self._middle, (1 + self.kept, self.horizon, len(self._middle)))
        start = np.stack([cold if p is None else p for p in previous])
        mean, sigma = start[:, 0], np.broadcast_to(self._sigma, start[:, 0].shape)
        best, worth = start[:, :0], np.empty((len(start), 0))
        noise = np.stack([self._noise(stream) for stream in streams], 1)
        for k in range(self.iterations):
            plans = np.clip(mean[:, None] + sigma[:, None] * noise[k], self._low, self._high)
            if k == 0:
                plans[:, : start.shape[1]] = start[:, : self.samples]
            elif k == self.iterations - 1:
                plans[:, 0] = mean
            values = self._values(state, plans)
            plans = np.concatenate([plans, best[:, : self.kept]], 1)  # elites compete again, without being tried again
            values = np.concatenate([values, worth[:, : self.kept]], 1)
            order = np.argsort(-values, 1, kind="stable")[:, : self.elites]
            best, worth = np.take_along_axis(plans, order[:, :, None, None], 1), np.take_along_axis(values, order, 1)
            mean = self.momentum * mean + (1 - self.momentum) * best.mean(1)
            sigma = self.momentum * sigma + (1 - self.momentum) * best.std(1)
        actions = mean[:, 0] if self.answer == "mean" else best[:, 0, 0]
        left = np.concatenate([mean[:, None], best[:, : self.kept]], 1)
        return actions, list(np.concatenate([left[:, :, 1:], left[:, :, -1:]], 2))

    def _noise(self, stream: np.random.Generator) -> np.ndarray:
        """Draw noise of unit variance for one state, [iterations, samples, H, nu]."""
        shape = (self.iterations, self.samples, len(self._middle), self.horizon)
        return np.swapaxes(stream.standard_normal(shape, np.float32) @ self._colour, 2, 3)

    def _values(self, state: Any, plans: np.ndarray) -> np.ndarray:
        """Return the return of each plan, [m, samples]."""
        m, samples, *shape = plans.shape
        rewards, fell = self.simulator.play(state, np.repeat(np.arange(m), samples), plans.reshape(-1, *shape))
        return (rewards.sum(1) - self.fall * fell).reshape(m, samples)


def colouring(steps: int, beta: float) -> np.ndarray:
    """Return the matrix [steps, steps] that turns rows of white noise into noise with a 1 / f^beta spectrum."""
    frequency = np.fft.rfftfreq(steps)
    frequency[0] = frequency[1] if steps > 1 else 1.0
    scale = frequency ** (-beta / 2)
    matrix = np.fft.irfft(scale[:, None] * np.fft.rfft(np.eye(steps), axis=0), steps, axis=0)
    return matrix / np.linalg.norm(matrix, axis=0)


def _check(**knobs: float) -> None:
    for name, value in knobs.items():
        if value <= 0:
            raise ConfigError(f"expert.{name}={value}: must be more than 0")
