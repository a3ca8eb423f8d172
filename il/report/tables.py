"""The tables as files: summary.csv and summary.md by group, runs.csv by run."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from il.report.analysis import Analysis, Row
from il.report.finals import Finals
from il.report.keys import text
from il.report.page import describe, number


def summary_csv(analysis: Analysis) -> str:
    """Return one line for each group and facet; empty cells where there is no number."""
    estimates = ("mean", "median", "iqm", "best", "normalized")
    header = ["facet", "group", "label", *analysis.table.keys, "n", "planned"]
    header += [f"{e}{part}" for e in estimates for part in ("", "_low", "_high")] + ["expert_labels", "env_steps"]
    lines: list[list[Any]] = [header]
    for facet in [*analysis.facets, *([analysis.overall] if analysis.overall else [])]:
        for row in facet.rows:
            keys = [text(row.group.values[k]) if k in row.group.values else "" for k in analysis.table.keys]
            line = [facet.name, row.group.letter, row.group.label, *keys, len(row.values), row.planned]
            for estimate in (getattr(row, e) for e in estimates):
                line += [_cell(v) for v in (estimate.value, estimate.low, estimate.high)]
            lines.append([*line, _cell(row.labels), _cell(row.env_steps)])
    return _csv(lines)


def runs_csv(analysis: Analysis) -> str:
    """Return one line for each run, counted or not, for anybody's own analysis."""
    table, read = analysis.table, Finals(analysis.metric, analysis.output)
    lines: list[list[Any]] = [
        ["facet", "group", "seed", "status", "value", "normalized", "why_not", "problems", "path"]
    ]
    for (facet, letter), runs in sorted(table.cells.items()):
        for run in runs:
            value, normalized = _cell(read.value(run)), _cell(read.normalized(run))
            problems = "; ".join(run.problems)
            lines.append([facet, letter, text(run.seed), run.status, value, normalized, "", problems, run.path])
    for run, why in table.left_out:
        lines.append(["", "", text(run.seed), run.status, "", "", why, "; ".join(run.problems), run.path])
    return _csv(lines)


def summary_md(analysis: Analysis) -> str:
    """Return the main table in Markdown."""
    parts = []
    for facet in [*([analysis.overall] if analysis.overall else []), *analysis.facets]:
        overall = facet is analysis.overall
        parts.append(f"### {'all, normalised' if overall else _plain(facet.name) or 'results'}\n")
        parts.append("| group | runs | mean [95 %] | median | interquartile mean | best policy | labels |")
        parts.append("|---|---|---|---|---|---|---|")
        parts += [_md_line(row) for row in facet.rows]
        parts.append("")
    if analysis.table.left_out:
        parts.append(f"Not counted: {len(analysis.table.left_out)} runs, named in runs.csv.\n")
    return "\n".join(parts)


def _md_line(row: Row) -> str:
    runs = f"{len(row.values)}" + (f" of {row.planned}" if row.planned != len(row.values) else "")
    estimates = " | ".join(describe(e) for e in (row.mean, row.median, row.iqm, row.best))
    return f"| {row.group.letter} {_plain(row.group.label)} | {runs} | {estimates} | {number(row.labels)} |"


def _plain(name: str) -> str:
    short = name if len(name) <= 80 else f"{name[:78]}…"
    return short.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _cell(value: float | None) -> str:
    return "" if value is None or not np.isfinite(value) else repr(float(value))


def _csv(lines: Sequence[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue()
