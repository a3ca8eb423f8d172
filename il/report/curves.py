"""Learning curves of several runs as one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from il.report.reading import CHOOSER, Run
from il.report.statistics import mean_band

GRID = 200
"""Points at which curves with differing x are averaged."""


@dataclass(frozen=True)
class Curve:
    """A group's average over runs, [T] each."""

    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    reach: np.ndarray
    """Runs that have a value of their own at each point or beyond, int [T]."""
    n: int
    """Runs in all."""


def average(runs: Sequence[Run], axis: str, name: str, best: bool = False) -> Curve | None:
    """Average a column over runs along an axis; None where nothing is to be drawn.

    Rounds are matched. Steps and labels differ between runs, so there each run is read off between its own points,
    from where all have begun; one that has ended keeps its last value, or the mean would jump whenever one ends.
    With `best` the value at each point is that of the best round so far, by the evaluation that chooses it.
    """
    points = [p for run in runs if len((p := _points(run, axis, name, best))[0])]
    if not points:
        return None
    grid = np.unique(np.concatenate([x for x, _ in points]))
    if axis == "round":
        values = np.full((len(points), len(grid)), np.nan)
        for k, (x, y) in enumerate(points):
            values[k, np.searchsorted(grid, x)] = y
    else:
        grid = grid[grid >= max(x[0] for x, _ in points)]
        if len(grid) > GRID:
            grid = np.linspace(grid[0], grid[-1], GRID)
        values = np.array([np.interp(grid, x, y) for x, y in points])
    centre, low, high, count = mean_band(values)
    ends = np.array([x[-1] for x, _ in points])
    reach = np.minimum(count, (ends[:, None] >= grid).sum(0))
    return Curve(grid, centre, low, high, reach, n=len(points))


def _points(run: Run, axis: str, name: str, best: bool) -> tuple[np.ndarray, np.ndarray]:
    x, y = run.rows.get(axis, np.empty(0)), run.rows.get(name, np.empty(0))
    if best and CHOOSER in run.rows:
        score = np.nan_to_num(run.rows[CHOOSER], nan=-np.inf)
        chosen = score >= np.maximum.accumulate(score)
        y = y[np.maximum.accumulate(np.where(chosen, np.arange(len(score)), 0))]
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    ascending = np.append(np.diff(x) > 0, True) if len(x) else good[:0]  # of equal x the last counts
    return x[ascending], y[ascending]
