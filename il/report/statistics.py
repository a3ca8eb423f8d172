"""Honest numbers from few seeds.

Intervals are Student's t around the estimate with the bootstrap's standard error (resampling runs within
each environment), both corrected for n - 1 degrees of freedom. For the mean this is the classical
t-interval, the limit of infinitely many resamples. The usual percentile bootstrap covers 83 % instead of
95 % at five seeds. `coverage.json` holds what was measured on simulated runs (`benchmarks/report.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Statistic = Callable[[np.ndarray], np.ndarray]
"""Reduces the last axis."""

LEVEL = 0.95
Z = 1.959964
RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """An estimate with a 95 % interval where there is one."""

    value: float
    low: float | None
    """None with fewer than two runs, and where all are equal: neither says anything about the spread."""
    high: float | None
    n: int
    """Runs behind it."""


def iqm(x: np.ndarray) -> np.ndarray:
    """Return the interquartile mean along the last axis: a quarter of the values, rounded down, is cut on each side."""
    cut = x.shape[-1] // 4
    return np.sort(x, axis=-1)[..., cut : x.shape[-1] - cut].mean(-1)


def mean(x: np.ndarray) -> np.ndarray:
    """Return the mean along the last axis."""
    return x.mean(-1)


def median(x: np.ndarray) -> np.ndarray:
    """Return the median along the last axis."""
    return np.median(x, axis=-1)


def interval(strata: Sequence[np.ndarray], statistic: Statistic = mean) -> Interval:
    """Estimate a statistic of all runs together, with an interval that respects where they come from.

    Args:
        strata: scores of the runs, [n_k] for each environment k; one array where there is one environment. `iqm` pools
            the runs of all environments, as is usual; `mean` and `median` are averaged over environments.
        statistic: what to estimate.
    """
    n = sum(len(x) for x in strata)
    if n == 0:
        return Interval(np.nan, None, None, 0)
    value = float(_combined(strata, statistic))
    if min(len(x) for x in strata) < 2:
        return Interval(value, None, None, n)
    error, freedom = _mean_error(strata)
    if error == 0:
        return Interval(value, None, None, n)
    if statistic is not mean:
        error = _bootstrap_error(strata, statistic)
    half = float(_t(freedom)) * error
    return Interval(value, value - half, value + half, n)


def _combined(strata: Sequence[np.ndarray], statistic: Statistic) -> np.ndarray:
    """Reduce the last axes of all strata to one estimate."""
    if statistic is iqm:
        return iqm(np.concatenate(strata, axis=-1))
    return np.mean([statistic(x) for x in strata], axis=0)


def _mean_error(strata: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the standard error of the mean of means and its degrees of freedom (Welch, Satterthwaite)."""
    parts = np.array([x.var(ddof=1) / len(x) for x in strata])
    if parts.sum() == 0:
        return 0.0, np.inf
    freedom = parts.sum() ** 2 / sum(p**2 / (len(x) - 1) for p, x in zip(parts, strata, strict=True))
    return float(np.sqrt(parts.sum()) / len(strata)), float(freedom)


def _bootstrap_error(strata: Sequence[np.ndarray], statistic: Statistic) -> float:
    """Return the stratified bootstrap's standard error, scaled up as the mean's would have to be."""
    rng = np.random.default_rng(0)
    samples = [x[rng.integers(len(x), size=(RESAMPLES, len(x)))] for x in strata]
    plain = float(_combined(samples, statistic).std())
    biased, unbiased = (sum(x.var(ddof=d) / len(x) for x in strata) for d in (0, 1))
    return plain * float(np.sqrt(unbiased / biased))


def mean_band(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Average curves over runs, point by point.

    Args:
        values: [n, T], NaN where a run has no value.

    Returns:
        mean, low, high [T], NaN where no run (no two different runs) has a value, and the number of runs, int [T].
    """
    count = np.isfinite(values).sum(0)
    filled = np.where(np.isfinite(values), values, 0.0)
    total = np.maximum(count, 1)
    centre = np.where(count > 0, filled.sum(0) / total, np.nan)
    squares = np.where(np.isfinite(values), (values - centre) ** 2, 0.0).sum(0)
    error = np.sqrt(squares / np.maximum(count - 1, 1) / total)
    half = np.where((count > 1) & (error > 0), _t(np.maximum(count - 1, 1)) * error, np.nan)
    return centre, centre - half, centre + half, count


def _t(freedom: float | np.ndarray) -> np.ndarray:
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    return stdtrit(freedom, 0.5 + LEVEL / 2)


def improvement(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> Interval:
    """Return the probability that a run of the first kind beats one of the second, ties counting half.

    This is the Mann-Whitney statistic, averaged over environments. Its interval inverts the score test with
    Newcombe's variance (Statistics in Medicine 25, 2006, method 5), so it does not collapse at 0 and 1.

    Args:
        first: scores [n_k] for each environment k.
        second: scores [m_k] for the same environments.
    """
    sizes = [(len(x), len(y)) for x, y in zip(first, second, strict=True)]
    n = sum(min(pair) for pair in sizes)
    if not sizes or min(min(pair) for pair in sizes) < 1:
        return Interval(np.nan, None, None, 0)
    value = float(np.mean([_beats(x, y) for x, y in zip(first, second, strict=True)]))
    if min(min(pair) for pair in sizes) < 2:
        return Interval(value, None, None, n)
    p = np.linspace(0, 1, 2001)
    spread = (1 - p) / (2 - p) + p / (1 + p)
    variance = sum(p * (1 - p) * (1 + ((a + b) / 2 - 1) * spread) / (a * b) for a, b in sizes) / len(sizes) ** 2
    inside = p[(value - p) ** 2 <= Z**2 * variance + 1e-12]
    return Interval(value, float(inside[0]), float(inside[-1]), n)


def _beats(x: np.ndarray, y: np.ndarray) -> float:
    difference = x[:, None] - y[None, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def profile(scores: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the share of runs above each threshold, with Wilson's 95 % limits.

    Args:
        scores: [n], pooled over environments.
        thresholds: [T].

    Returns:
        share, low, high [T]; the limits are NaN with fewer than two runs.
    """
    n = len(scores)
    share = (scores[:, None] > thresholds).mean(0) if n else np.full(len(thresholds), np.nan)
    if n < 2:
        return share, np.full(len(thresholds), np.nan), np.full(len(thresholds), np.nan)
    z2 = Z**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return share, centre - half, centre + half
