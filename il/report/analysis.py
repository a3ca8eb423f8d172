"""Everything a report says, as numbers: `analyse` turns a table of runs into it."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from il.report.curves import Curve, average
from il.report.finals import Finals, column
from il.report.grouping import Group, Table
from il.report.reading import AXES, LEVELS, Run
from il.report.statistics import Interval, improvement, interval, iqm, mean, median, profile


@dataclass(frozen=True)
class Row:
    """A group's final figures, in one environment or over all of them."""

    group: Group
    runs: list[Run]
    planned: int
    values: np.ndarray
    """Finite final figures of the runs, [n]."""
    mean: Interval
    median: Interval
    iqm: Interval
    best: Interval
    normalized: Interval
    labels: float
    """Mean number of expert labels, NaN where unknown."""
    env_steps: float


@dataclass
class Facet:
    """What is shown apart from the rest, usually one environment."""

    name: str
    rows: list[Row]
    curves: dict[str, dict[str, Curve]] = field(default_factory=dict)
    """By axis, then by letter."""
    levels: dict[str, float] = field(default_factory=dict)
    """Returns to compare with: ``expert`` and ``random``."""
    pairs: dict[tuple[str, str], Interval] = field(default_factory=dict)
    """Probability that a run of the first letter beats one of the second."""
    profiles: dict[str, tuple[np.ndarray, ...]] = field(default_factory=dict)
    """Thresholds, share of runs above them, low, high: by letter."""


@dataclass
class Analysis:
    """A whole report."""

    table: Table
    metric: str
    output: str
    drawn: list[str]
    """Letters in figures and pair tables: all, or the best ones."""
    facets: list[Facet]
    overall: Facet | None
    """Normalised scores over all facets."""
    notes: list[str]


def analyse(table: Table, metric: str, output: str, limit: int) -> Analysis:
    """Compute every number of a report.

    Args:
        table: runs in groups and facets.
        metric: such as ``return_mean``; with a slash a column of metrics.jsonl, whose last value counts.
        output: which of an algorithm's policies: ``last``, ``best``, …
        limit: how many groups figures and pair tables may show.
    """
    reader = Finals(metric, output)
    rows = {facet: [_row(table, facet, group, reader) for group in table.groups] for facet in table.facets}
    drawn = _best(table, rows, limit)
    facets = [Facet(name, [row for row in rows[name] if row.planned]) for name in table.facets]
    for facet in facets:
        shown = [row for row in facet.rows if row.group.letter in drawn]
        for axis in AXES:
            curves = ((row.group.letter, average(row.runs, axis, column(metric), output == "best")) for row in shown)
            facet.curves[axis] = {letter: curve for letter, curve in curves if curve is not None}
        facet.levels = _levels([run for row in facet.rows for run in row.runs], metric)
        facet.pairs = _pairs({row.group.letter: [row.values] for row in shown})
        facet.profiles = _profiles({r.group.letter: reader.finite(r.runs, reader.normalized) for r in shown})
    notes = [*table.notes, *reader.notes(table.runs)]
    overall, more = _overall(table, reader, drawn)
    return Analysis(table, metric, output, drawn, facets, overall, [*notes, *more])


def _row(table: Table, facet: str, group: Group, reader: Finals) -> Row:
    runs = table.cells.get((facet, group.letter), [])
    values = reader.finite(runs, reader.value)
    labels, steps = (
        reader.finite(runs, functools.partial(reader.cost, key=key)) for key in ("expert_labels", "env_steps")
    )
    return Row(
        group,
        runs,
        table.planned.get((facet, group.letter), 0),
        values,
        interval([values], mean),
        interval([values], median),
        interval([values], iqm),
        interval([reader.finite(runs, reader.best)]),
        interval([reader.finite(runs, reader.normalized)]),
        float(labels.mean()) if len(labels) else np.nan,
        float(steps.mean()) if len(steps) else np.nan,
    )


def _best(table: Table, rows: dict[str, list[Row]], limit: int) -> list[str]:
    """Return the letters of the groups that rank best on average over facets."""
    letters = [group.letter for group in table.groups]
    if len(letters) <= limit:
        return letters
    means = np.array([[row.mean.value for row in of_facet] for of_facet in rows.values()])
    ranks = np.where(np.isfinite(means), means, -np.inf).argsort(1).argsort(1).mean(0)
    return [letters[i] for i in sorted(np.argsort(-ranks, kind="stable")[:limit])]


def _levels(runs: Sequence[Run], metric: str) -> dict[str, float]:
    if metric == "normalized":
        return {"expert": 1.0, "random": 0.0}
    if metric != "return_mean":
        return {}
    found = {}
    for name in LEVELS:
        values = np.concatenate([run.rows[name] for run in runs if name in run.rows] or [np.empty(0)])
        if np.isfinite(values).any():
            found[name.partition("/")[0]] = float(np.nanmedian(values[np.isfinite(values)]))
    return found


def _pairs(scores: dict[str, list[np.ndarray]]) -> dict[tuple[str, str], Interval]:
    return {(a, b): improvement(scores[a], scores[b]) for a in scores for b in scores if a != b}


def _profiles(scores: dict[str, np.ndarray]) -> dict[str, tuple[np.ndarray, ...]]:
    every = np.concatenate(list(scores.values()) or [np.empty(0)])
    if not len(every):
        return {}
    low, high = max(float(every.min()), -1.0), min(max(float(every.max()), 1.0), 2.0)
    thresholds = np.linspace(low - 0.05 * (high - low), high + 0.02 * (high - low), 101)
    return {letter: (thresholds, *profile(x, thresholds)) for letter, x in scores.items() if len(x)}


def _overall(table: Table, reader: Finals, drawn: Sequence[str]) -> tuple[Facet | None, list[str]]:
    """Put normalised scores of all facets together, for the groups that every facet has."""
    if len(table.facets) < 2:
        return None, []
    rows, lacking = [], []
    for group in table.groups:
        runs = [table.cells.get((facet, group.letter), []) for facet in table.facets]
        scores = [reader.finite(mine, reader.normalized) for mine in runs]
        if min(map(len, scores)) == 0:
            lacking.append(group.letter)
            continue
        best = [reader.finite(mine, reader.best_normalized) for mine in runs]
        rows.append(
            Row(
                group,
                [run for mine in runs for run in mine],
                sum(table.planned.get((facet, group.letter), 0) for facet in table.facets),
                np.concatenate(scores),
                normalized := interval(scores, mean),
                interval(scores, median),
                interval(scores, iqm),
                interval(best) if all(map(len, best)) else Interval(np.nan, None, None, 0),
                normalized,
                np.nan,
                np.nan,
            )
        )
    notes = []
    if lacking:
        notes.append(f"No normalised score in every facet, so not in the aggregate: {', '.join(lacking[:20])}.")
    if not rows:
        return None, notes
    shown = {row.group.letter: row for row in rows if row.group.letter in drawn}
    strata = {
        letter: [reader.finite(table.cells[facet, letter], reader.normalized) for facet in table.facets]
        for letter in shown
    }
    pooled = {letter: np.concatenate(x) for letter, x in strata.items()}
    return Facet("all", rows, pairs=_pairs(strata), profiles=_profiles(pooled)), notes
