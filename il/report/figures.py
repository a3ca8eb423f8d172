"""What is drawn, independent of how: the page draws it as inline SVG, `plots` as files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from il.report.analysis import Analysis, Facet, Row
from il.report.keys import order, shortest, text
from il.report.statistics import Interval

STYLES = 12
"""Different looks of a line; more than so many are never drawn."""
AXIS_LABELS = {"round": "round", "env_steps": "environment steps", "expert_labels": "expert labels"}


@dataclass(frozen=True)
class Line:
    """A curve with a band; NaN leaves gaps."""

    letter: str
    style: int
    """Which colour, dash pattern and marker."""
    title: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    whole: np.ndarray
    """Whether all runs are behind a point, bool [T]; elsewhere the line is faint."""
    points: tuple[np.ndarray, np.ndarray] | None = None
    """x and y of single runs."""


@dataclass(frozen=True)
class Level:
    """A horizontal line; what has a letter also has an interval."""

    label: str
    y: float
    letter: str = ""
    style: int = 0
    low: float = np.nan
    high: float = np.nan


@dataclass(frozen=True)
class Dots:
    """One row of an interval plot: an estimate and the single runs behind it."""

    letter: str
    style: int
    title: str
    estimate: Interval
    values: np.ndarray


@dataclass
class Chart:
    """Curves and levels over an x axis, or rows of dots along it."""

    name: str
    """For file names."""
    title: str
    x_label: str
    y_label: str
    lines: list[Line] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    falling: bool = False
    """Whether its lines fall from 1 to 0, so that they must be named on the way."""
    own_legend: bool = False
    """Whether its lines are no groups, so that the page must say what they are."""
    dots: list[Dots] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not (self.lines or self.dots or any(level.letter for level in self.levels))


def label(metric: str) -> str:
    """Say what a metric is in words."""
    return {"return_mean": "return", "normalized": "normalised score", "length_mean": "episode length"}.get(
        metric, metric.replace("_", " ")
    )


def learning(analysis: Analysis, facet: Facet) -> list[Chart]:
    """Return the learning curves of a facet over every axis; a group with one point is a level."""
    charts = []
    for axis, curves in facet.curves.items():
        name = "_".join(p for p in ("learning", axis, facet.name) if p)
        what = "best so far, " if analysis.output == "best" else ""
        chart = Chart(name, f"{what}over {AXIS_LABELS[axis]}", AXIS_LABELS[axis], label(analysis.metric))
        chart.levels = [Level(who, y) for who, y in facet.levels.items()]
        for row in facet.rows:
            letter = row.group.letter
            curve = curves.get(letter)
            if curve is None:
                continue
            title = f"{row.group.label} (n = {curve.n})"
            rounds = facet.curves["round"].get(letter, curve)
            if len(rounds.x) == 1:
                limits = (float(rounds.low[0]), float(rounds.high[0]))
                chart.levels.append(Level(title, float(rounds.mean[0]), letter, _style(analysis, letter), *limits))
            else:
                whole = curve.reach == curve.n
                chart.lines.append(
                    Line(letter, _style(analysis, letter), title, curve.x, curve.mean, curve.low, curve.high, whole)
                )
        charts.append(chart)
    return [chart for chart in charts if not chart.empty]


def finals(analysis: Analysis, facet: Facet) -> Chart:
    """Return the final figure of every drawn group with its interval and its runs."""
    name = "_".join(p for p in ("final", facet.name) if p)
    what = "normalised score" if facet is analysis.overall else label(analysis.metric)
    chart = Chart(name, f"{analysis.output} policy, mean over runs", what, "")
    chart.levels = [Level(who, y) for who, y in facet.levels.items()]
    if facet is analysis.overall:
        chart.levels = [Level("expert", 1.0), Level("random", 0.0)]
    for row in facet.rows:
        if row.group.letter in analysis.drawn and len(row.values):
            style = _style(analysis, row.group.letter)
            chart.dots.append(Dots(row.group.letter, style, row.group.label, row.mean, row.values))
    return chart


def profiles(analysis: Analysis, facet: Facet) -> Chart:
    """Return the share of runs above every normalised score."""
    name = "_".join(p for p in ("profile", facet.name) if p)
    chart = Chart(name, "performance profile", "normalised score τ", "share of runs above τ", falling=True)
    for row in facet.rows:
        letter = row.group.letter
        if letter in facet.profiles:
            x, share, low, high = facet.profiles[letter]
            title = f"{letter}: {row.group.label}"
            whole = np.ones(len(x), bool)
            inner = (share > 0) & (share < 1)  # outside, the bands of all groups would lie on one another
            low, high = np.where(inner, low, np.nan), np.where(inner, high, np.nan)
            chart.lines.append(Line(letter, _style(analysis, letter), title, x, share, low, high, whole))
    return chart


def parameters(analysis: Analysis, facet: Facet) -> list[Chart]:
    """Return the final figure against every swept number, one line for each setting of the other keys."""
    keys = analysis.table.keys
    short = shortest(keys)
    charts = []
    for key in swept([row.group.values for row in facet.rows], keys):
        series: dict[str, list[Row]] = {}
        for row in facet.rows:
            if is_number(row.group.values.get(key)) and len(row.values):
                others = ", ".join(f"{short[k]}={text(v)}" for k, v in row.group.values.items() if k != key)
                series.setdefault(others, []).append(row)
        several = [(others, rows) for others, rows in series.items() if len(rows) > 1][:STYLES]
        name = "_".join(p for p in ("parameter", key, facet.name) if p)
        chart = Chart(name, f"{label(analysis.metric)} against {short[key]}", key, label(analysis.metric))
        chart.levels = [Level(who, y) for who, y in facet.levels.items() if who == "expert"]
        chart.own_legend = len(several) > 1
        for style, (others, rows) in enumerate(several):
            letter = str(style + 1) if chart.own_legend else ""
            chart.lines.append(_parameter_line(key, letter, style, others or short[key], rows))
        if chart.lines:
            charts.append(chart)
    return charts


def _parameter_line(key: str, letter: str, style: int, title: str, rows: Sequence[Row]) -> Line:
    rows = sorted(rows, key=lambda row: order(row.group.values[key]))
    x = np.array([float(row.group.values[key]) for row in rows])
    y, low, high = (
        np.array([np.nan if (v := getattr(row.mean, f)) is None else v for row in rows])
        for f in ("value", "low", "high")
    )
    points = np.repeat(x, [len(row.values) for row in rows]), np.concatenate([row.values for row in rows])
    return Line(letter, style, title, x, y, low, high, np.ones(len(x), bool), points)


def swept(values: Sequence[dict[str, Any]], keys: Sequence[str]) -> list[str]:
    """Return the keys with at least two numbers as values."""
    numbers = {key: {v.get(key) for v in values if is_number(v.get(key))} for key in keys}
    return [key for key, found in numbers.items() if len(found) > 1]


def is_number(value: Any) -> bool:
    """Tell whether a value is a number, which a truth value is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _style(analysis: Analysis, letter: str) -> int:
    return analysis.drawn.index(letter)
