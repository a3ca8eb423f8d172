"""One self-contained page: no script, no network, styles and figures inline."""

import json
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from il import __version__
from il.report import figures, svg
from il.report.analysis import Analysis, Facet
from il.report.grouping import Group
from il.report.keys import shortest, text
from il.report.reading import Run
from il.report.statistics import Interval

SHOWN = 20
"""Commands of a group on the page; runs.csv leads to the others."""


def render(analysis: Analysis, dirs: Sequence[str], out: Path, rows: int, now: float) -> str:
    """Return the page as HTML.

    Args:
        analysis: all numbers.
        dirs: what was asked for.
        out: folder of the page; links are relative to it.
        rows: lines of a table at most.
        now: time of the report, seconds since 1970.
    """
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(number=number, interval=describe, brief=brief, svg=_inline, share=_share)
    table = analysis.table
    return environment.from_string(files("il.report").joinpath("page.html").read_text(encoding="utf-8")).render(
        analysis=analysis,
        table=table,
        title=", ".join(Path(d).resolve().name for d in dirs),
        dirs=dirs,
        when=time.strftime("%Y-%m-%d %H:%M", time.localtime(now)),
        version=__version__,
        counted=len(table.runs),
        sizes=_sizes(analysis),
        style={letter: k for k, letter in enumerate(analysis.drawn)},
        swatch=_swatch,
        swept=[(key, shortest(table.keys)[key]) for key in table.keys],
        sections=[_section(analysis, facet) for facet in ([analysis.overall] if analysis.overall else [])]
        + [_section(analysis, facet) for facet in analysis.facets],
        recipes=[_recipe(analysis, group, out) for group in table.groups[:rows]],
        link=lambda path: os.path.relpath(path, out),
        rows=rows,
        metric=figures.label(analysis.metric),
        coverage=json.loads(files("il.report").joinpath("coverage.json").read_text()),
        css=_inline(files("il.report").joinpath("page.css").read_text(encoding="utf-8")),
    )


def _sizes(analysis: Analysis) -> dict[str, str]:
    """Return the number of runs behind each group's figures, over facets from the least to the most."""
    counts: dict[str, list[int]] = {}
    for row in (row for facet in analysis.facets for row in facet.rows):
        counts.setdefault(row.group.letter, []).append(len(row.values))
    return {k: f"{min(v)}" if min(v) == max(v) else f"{min(v)}–{max(v)}" for k, v in counts.items()}


def _inline(markup: str) -> Any:
    from markupsafe import Markup

    return Markup(markup)  # our own style sheet and drawings, whose texts are escaped there


def _swatch(style: int) -> Any:
    return _inline(svg.swatch(style))


def _section(analysis: Analysis, facet: Facet) -> dict[str, Any]:
    overall = facet is analysis.overall
    charts = [] if overall else figures.learning(analysis, facet)
    more = [] if overall else figures.parameters(analysis, facet)
    more.append(figures.profiles(analysis, facet))
    final = figures.finals(analysis, facet)
    shown = [row.group.letter for row in facet.rows if row.group.letter in analysis.drawn]
    return {
        "facet": facet,
        "overall": overall,
        "name": "All environments together" if overall else facet.name,
        "verdict": verdict(facet),
        "curves": [(chart, svg.draw(chart)) for chart in charts],
        "final": None if final.empty else (final, svg.draw(final)),
        "charts": [(chart, svg.draw(chart)) for chart in more if not chart.empty],
        "letters": shown if len(shown) > 1 else [],
    }


def verdict(facet: Facet) -> str:
    """Say which group leads and which cannot be told from it, as far as the runs allow."""
    known = {row.group.letter: row.mean for row in facet.rows if np.isfinite(row.mean.value)}
    sampled = {letter: estimate for letter, estimate in known.items() if estimate.n > 1}
    if len(known) < 2 or not sampled:
        return "" if len(known) < 2 else "One run in each group: nothing can be said about which is better."
    lead = max(sampled, key=lambda letter: sampled[letter].value)
    pairs = {b: p for (a, b), p in facet.pairs.items() if a == lead and b in sampled}
    open_ = [b for b, p in pairs.items() if p.low is None or p.low <= 0.5]
    beaten = [b for b in pairs if b not in open_]
    lone = [letter for letter in known if letter not in sampled]
    parts = [f"{lead} has the highest mean, {describe(sampled[lead])}."]
    if beaten:
        parts.append(f"Its runs beat those of {', '.join(beaten)} more often than not.")
    if open_:
        parts.append(f"Not told apart from {', '.join(open_)}.")
    if lone:
        parts.append(f"One run says nothing about {', '.join(lone)}.")
    return " ".join(parts)


def _recipe(analysis: Analysis, group: Group, out: Path) -> dict[str, Any]:
    """Collect what reproduces a group: commands, code and versions."""
    runs = [run for (_, letter), runs in analysis.table.cells.items() if letter == group.letter for run in runs]
    return {
        "group": group,
        "runs": [(os.path.relpath(run.path, out), text(run.seed), _alone(run)) for run in runs[:SHOWN]],
        "count": len(runs),
        "launched": _distinct(_command(run) for run in runs),
        "code": _distinct(_code(run) for run in runs),
        "versions": _distinct(_versions(run) for run in runs),
        "hosts": _distinct(str(run.record.get("host", "")) for run in runs),
        "videos": [
            os.path.relpath(v, out) for run in runs[:3] for v in sorted((run.path / "media").glob("*.mp4"))[-2:]
        ],
    }


def _distinct(values: Any) -> list[str]:
    return sorted({v for v in values if v})


def _alone(run: Run) -> str:
    """Return the command that does this run by itself."""
    try:
        overrides = yaml.safe_load((run.path / "overrides.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return _command(run)
    return shlex.join(["python", "launch.py", *map(str, overrides)]) if isinstance(overrides, list) else _command(run)


def _command(run: Run) -> str:
    command = run.record.get("command")
    return shlex.join(map(str, command)) if isinstance(command, list) else str(command or "")


def _code(run: Run) -> str:
    git = run.record.get("git")
    if not isinstance(git, dict) or not git.get("sha"):
        return "unknown"
    return f"{str(git['sha'])[:12]}{' with uncommitted changes' if git.get('dirty') else ''}"


def _versions(run: Run) -> str:
    versions = run.record.get("versions")
    return ", ".join(f"{k} {v}" for k, v in versions.items()) if isinstance(versions, Mapping) else ""


def number(value: float | None, decimals: int | None = None) -> str:
    """Write a number with so many decimals, or with four digits; a missing one as a dash."""
    if value is None or not np.isfinite(value):
        return "–"
    if decimals is None:
        decimals = max(0, 3 - int(np.floor(np.log10(abs(value))))) if value else 0
        written = f"{value:,.{decimals}f}"
        written = written.rstrip("0").rstrip(".") if "." in written else written
    else:
        written = f"{value:,.{decimals}f}"
    return written.replace(",", "\N{NARROW NO-BREAK SPACE}").replace("-", "−")


def describe(estimate: Interval) -> str:
    """Write an estimate with its interval, as precisely as that allows, or why there is none."""
    if estimate.low is not None and estimate.high is not None:
        half = (estimate.high - estimate.low) / 2
        decimals = int(np.clip(1 - np.floor(np.log10(half)), 0, 12))
        return "{} [{},\u00a0{}]".format(*(number(v, decimals) for v in (estimate.value, estimate.low, estimate.high)))
    if estimate.n < 2:
        return number(estimate.value) if estimate.n == 0 else f"{number(estimate.value)} (one\u00a0run)"
    return f"{number(estimate.value)} (no\u00a0spread)"


def _share(estimate: Interval) -> str:
    return f"{estimate.value:.2f}"


def brief(value: str, length: int = 60) -> str:
    """Shorten a text in the middle."""
    return value if len(value) <= length else f"{value[: length // 2]}…{value[-length // 2 + 1 :]}"
