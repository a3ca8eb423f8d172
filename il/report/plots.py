"""Charts as PNG and SVG files for papers, drawn with matplotlib."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from il.report.figures import Chart
from il.report.svg import DASHES, y_range

COLOURS = ("#0072b2 #c44e00 #00805c #a83e80 #7a5f00 #5b4bb7 #b3261e #2f6f8f #4d7a00 #8a4f2d #3d4d5c #c2185b").split()
MARKERS = "os^Dvp"


def write(charts: Sequence[Chart], folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write every chart in every format.

    Args:
        charts: what to draw.
        folder: made if need be.
        formats: such as ``png`` and ``svg``.

    Returns:
        The files.

    Raises:
        ImportError: without matplotlib.
    """
    from matplotlib.figure import Figure  # not pyplot: no display, no global state

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, chart in enumerate(charts):
        figure = Figure(figsize=(5.2, 3.6 if not chart.dots else 1.2 + 0.28 * len(chart.dots)), layout="constrained")
        axes = figure.add_subplot()
        (_rows if chart.dots else _curves)(axes, chart)
        axes.set_xlabel(chart.x_label)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25, linewidth=0.6)
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", chart.name)[:80] or "figure"
        for kind in formats:
            path = folder / f"{number:02d}_{stem}.{kind}"
            figure.savefig(path, dpi=200, metadata={"Date": None} if kind == "svg" else None)
            written.append(path)
    return written


def _curves(axes: Any, chart: Chart) -> None:
    for line in chart.lines:
        colour, dash = COLOURS[line.style], _dash(line.style)
        axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.13, linewidth=0)
        if not line.whole.all():
            axes.plot(line.x, line.y, color=colour, linestyle=dash, alpha=0.35)
        whole = np.where(line.whole, line.y, np.nan)
        name = _plain(f"{line.letter} {line.title}")
        every = max(1, len(line.x) // 8)
        axes.plot(
            line.x,
            whole,
            color=colour,
            linestyle=dash,
            marker=MARKERS[line.style % 6],
            ms=4,
            markevery=every,
            label=name,
        )
        if line.points is not None:
            axes.scatter(*line.points, color=colour, s=8, alpha=0.45)
    for level in chart.levels:
        colour, dash = (COLOURS[level.style], _dash(level.style)) if level.letter else ("#666666", ":")
        axes.axhline(
            level.y, color=colour, linestyle=dash, linewidth=1.2, label=_plain(f"{level.letter} {level.label}")
        )
        if np.isfinite(level.low):
            axes.axhspan(level.low, level.high, color=colour, alpha=0.1, linewidth=0)
    axes.set_ylim(*y_range(chart))
    axes.set_ylabel(chart.y_label)
    axes.legend(fontsize=7, frameon=False)


def _rows(axes: Any, chart: Chart) -> None:
    for k, row in enumerate(chart.dots):
        colour = COLOURS[row.style]
        axes.scatter(row.values, np.full(len(row.values), k), color=colour, s=8, alpha=0.45)
        if row.estimate.low is not None:
            axes.plot([row.estimate.low, row.estimate.high], [k, k], color=colour, linewidth=1.5)
        axes.plot(row.estimate.value, k, color=colour, marker=MARKERS[row.style % 6], ms=5)
    axes.set_yticks(range(len(chart.dots)), [_plain(f"{row.letter} {row.title}") for row in chart.dots], fontsize=7)
    axes.invert_yaxis()
    for level in chart.levels:
        axes.axvline(level.y, color="#666666", linestyle=":", linewidth=1.2)
        axes.text(level.y, 1.01, level.label, transform=axes.get_xaxis_transform(), ha="center", fontsize=7)


def _dash(style: int) -> Any:
    pattern = [float(v) / 1.8 for v in DASHES[style].split()]
    return (0, pattern) if pattern else "-"


def _plain(name: str) -> str:
    """Shorten, and keep matplotlib from reading mathematics into it."""
    name = " ".join(name.split())
    return (name if len(name) <= 44 else f"{name[:42]}…").replace("$", r"\$")
