"""`python -m il report DIR… key=value…`: look at runs and compare them."""

import importlib.util
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from il.errors import ConfigError, nearest
from il.report import figures
from il.report.analysis import Analysis, analyse
from il.report.finals import column
from il.report.grouping import tabulate
from il.report.keys import keep
from il.report.reading import find_runs, read_run

STATUSES = ("ok", "running", "failed", "preempted", "missing", "any")


@dataclass(frozen=True)
class Options:
    """What a report is asked for; `options.yaml` says what each means and has the defaults."""

    group: list[str]
    facet: list[str]
    metric: str
    output: str
    status: list[str]
    ignore: list[str]
    curves: int
    rows: int
    out: str | None
    figures: list[str]
    wandb: bool
    filters: dict[str, str]


def main(overrides: list[str]) -> None:
    """Write a report on the directories among the arguments and say where it is.

    Args:
        overrides: directories, options of `options.yaml`, and filters on configuration keys, as ``key=value``.

    Raises:
        ConfigError: for anything that cannot be done.
    """
    if importlib.util.find_spec("scipy") is None:
        raise ConfigError('the report needs scipy: pip install "il[report]"')
    dirs = [argument for argument in overrides if _is_dir(argument)]
    options = parse([argument for argument in overrides if argument not in dirs])
    if not dirs:
        raise ConfigError("name a run, a sweep or a folder of them: python -m il report outputs/sweeps/beta")
    analysis = load(dirs, options)
    out = Path(options.out or dirs[0])
    for path in write(analysis, dirs, out, options):
        print(path)


def _is_dir(argument: str) -> bool:
    return "=" not in argument or Path(argument).is_dir()  # job folders are named like overrides


def parse(pairs: Sequence[str]) -> Options:
    """Read ``key=value`` pairs into options and filters.

    Raises:
        ConfigError: for a value that an option cannot have.
    """
    values: dict[str, Any] = yaml.safe_load(files("il.report").joinpath("options.yaml").read_text(encoding="utf-8"))
    known = {f.name: f.type for f in fields(Options)}
    filters = {}
    for pair in pairs:
        key, _, value = pair.lstrip("+").partition("=")
        if key in values:
            values[key] = yaml.safe_load(value) if value else ""
        else:
            filters[key] = value
    for key, kind in known.items():
        if kind == list[str]:
            values[key] = _listed(values[key])
        elif kind is int and (not isinstance(values[key], int) or values[key] < 1):
            raise ConfigError(f"{key}={values[key]} is no positive number")
        elif kind is bool and not isinstance(values[key], bool):
            raise ConfigError(f"{key}={values[key]} is neither true nor false")
    for status in values["status"]:
        if status not in STATUSES:
            raise ConfigError(f"no status '{status}'{nearest(status, STATUSES)}; there are {', '.join(STATUSES)}")
    values["curves"] = min(values["curves"], figures.STYLES)
    return Options(**values, filters=filters)


def _listed(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(v) for v in value]
    return [part.strip() for part in str("" if value is None else value).split(",") if part.strip()]


def load(dirs: Sequence[str], options: Options) -> Analysis:
    """Read runs and compute everything a report says."""
    runs = [read_run(path, [column(options.metric)]) for path in find_runs(dirs)]
    runs = keep(runs, options.filters)
    table = tabulate(runs, options.group, options.facet, options.status, options.ignore)
    return analyse(table, options.metric, options.output, options.curves)


def charts(analysis: Analysis) -> list[figures.Chart]:
    """Return every figure of a report."""
    found = []
    for facet in analysis.facets:
        found += [*figures.learning(analysis, facet), figures.finals(analysis, facet)]
        found += figures.parameters(analysis, facet)
    if analysis.overall:
        found += [figures.finals(analysis, analysis.overall), figures.profiles(analysis, analysis.overall)]
    return [chart for chart in found if not chart.empty]


def write(analysis: Analysis, dirs: Sequence[str], out: Path, options: Options) -> list[Path | str]:
    """Write the page, the tables, the figures and what else is asked for; return where they are."""
    from il.report import page, tables

    out.mkdir(parents=True, exist_ok=True)
    contents = {
        "report.html": page.render(analysis, dirs, out.resolve(), options.rows, time.time()),
        "summary.csv": tables.summary_csv(analysis),
        "summary.md": tables.summary_md(analysis),
        "runs.csv": tables.runs_csv(analysis),
    }
    for name, content in contents.items():
        (out / name).write_text(content, encoding="utf-8")
    written: list[Path | str] = [out / name for name in contents]
    if options.figures:
        try:
            from il.report import plots

            plots.write(charts(analysis), out / "figures", options.figures)
            written.append(out / "figures")
        except ImportError:
            print('No figure files: matplotlib is missing (pip install "il[report]"); the page has all figures.')
    if options.wandb:
        from il.report import wandb_views

        written += wandb_views.publish(analysis, ", ".join(Path(d).resolve().name for d in dirs), out)
    return written
