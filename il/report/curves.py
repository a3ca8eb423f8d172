"""Learning curves of several runs as one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from il.report.reading import Run
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
    count: np.ndarray
    """Runs behind each point."""
    n: int
    """Runs in all."""


def average(runs: Sequence[Run], axis: str, name: str) -> Curve | None:
    """Average a column over runs along an axis; None where nothing is to be drawn.

    Rounds are matched; steps and labels differ between runs, so there each run is read off between its own
    points, from where all have begun to where each ends.
    """
    points = [p for run in runs if len((p := _points(run, axis, name))[0])]
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
        values = np.array([np.interp(grid, x, y, right=np.nan) for x, y in points])
    return Curve(grid, *mean_band(values), n=len(points))


def _points(run: Run, axis: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = run.rows.get(axis, np.empty(0)), run.rows.get(name, np.empty(0))
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    ascending = np.append(np.diff(x) > 0, True) if len(x) else good[:0]  # of equal x the last counts
    return x[ascending], y[ascending]
