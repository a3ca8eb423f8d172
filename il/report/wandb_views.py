"""A Weights & Biases workspace and report that show the same runs, grouped the same way.

W&B has no 95 % bands, so its curves show the standard error; intervals are in our table, which the report quotes.
"""

import itertools
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from il.errors import ConfigError
from il.loggers.reach import reachable
from il.report.analysis import Analysis
from il.report.figures import AXIS_LABELS, label, swept
from il.report.finals import column
from il.report.page import verdict
from il.report.tables import summary_md

CONNECT_TIMEOUT = 3.0
"""Seconds until an unreachable service counts as such."""
MOST_RUNS = 500
"""Above this, the views show the whole project instead of naming each run."""


def publish(analysis: Analysis, title: str, out: Path) -> list[Path | str]:
    """Write the views' specifications, and save them on W&B where there is a key.

    Args:
        analysis: what to show.
        title: name of both views.
        out: folder for ``wandb/workspace.json`` and ``wandb/report.json``.

    Returns:
        The files, and the addresses of what was saved.

    Raises:
        ConfigError: without the package, or when W&B refuses.
    """
    try:
        import wandb_workspaces.workspaces  # noqa: F401
    except ImportError:
        raise ConfigError('wandb=true needs wandb-workspaces: pip install "il[views]"') from None
    obstacle = _obstacle()
    entity, project = _place(analysis)
    space = workspace(analysis, title, entity, project)
    views = [("workspace", space), ("report", report(analysis, title, entity, project, live=not obstacle))]
    folder = out / "wandb"
    folder.mkdir(parents=True, exist_ok=True)
    done: list[Path | str] = []
    for name, view in views:
        path = folder / f"{name}.json"
        path.write_text(view._to_model().model_dump_json(by_alias=True, indent=1), encoding="utf-8")
        done.append(path)
    if obstacle:
        return [*done, f"not uploaded to W&B: {obstacle}"]
    for name, view in views:
        try:
            view.save()
        except Exception as error:  # the client raises a dozen kinds
            raise ConfigError(f"W&B did not take the {name}: {' '.join(str(error).split())[:300]}") from error
        done.append(view.url)
    return done


def _obstacle() -> str:
    """Say why nothing can be uploaded, empty where it can."""
    import wandb

    if os.environ.get("WANDB_MODE") in ("offline", "disabled"):
        return f"WANDB_MODE={os.environ['WANDB_MODE']}"
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    if not wandb.login(prompt=False, verify=False):
        return "no API key here (`wandb login` stores one)"
    url = wandb.setup().settings.base_url
    return "" if reachable(url, CONNECT_TIMEOUT) else f"{url} cannot be reached"


def _place(analysis: Analysis) -> tuple[str, str]:
    """Return entity and project of most runs."""
    pairs = Counter(
        (run.config.get("logger.wandb.entity"), run.config.get("logger.wandb.project")) for run in analysis.table.runs
    )
    entity, project = max(pairs, key=lambda pair: (pair[1] is not None, pairs[pair])) if pairs else (None, None)
    return str(entity or os.environ.get("WANDB_ENTITY") or ""), str(project or os.environ.get("WANDB_PROJECT") or "il")


def _filter(analysis: Analysis) -> str:
    ids = [str(run.record["wandb_id"]) for run in analysis.table.runs if run.record.get("wandb_id")]
    return f"ID in {json.dumps(ids)}" if 0 < len(ids) <= MOST_RUNS else ""


def _panels(analysis: Analysis) -> dict[str, list[Any]]:
    """Return panels by section."""
    import wandb_workspaces.reports.v2 as wr

    name, final = column(analysis.metric), f"test/{analysis.output}/{analysis.metric}"
    curves = [
        wr.LinePlot(
            title=f"{label(analysis.metric)} over {words}",
            x=axis,
            y=[name, "expert/return_mean", "random/return_mean"],
            groupby="Group",
            groupby_aggfunc="mean",
            groupby_rangefunc="stderr",
            max_runs_to_show=100,
        )
        for axis, words in AXIS_LABELS.items()
    ]
    finals = [
        wr.BarPlot(title=f"{label(analysis.metric)}, {analysis.output} policy", metrics=[final], groupby="Group"),
        wr.RunComparer(diff_only="split"),
    ]
    keys = swept([group.values for group in analysis.table.groups], analysis.table.keys)
    parameters = [wr.ScatterPlot(title=f"against {key}", x=wr.Config(key), y=wr.SummaryMetric(final)) for key in keys]
    sections: dict[str, list[Any]] = {"Learning": curves, "Final figures": finals, "Parameters": parameters}
    sections["Videos"] = [wr.MediaBrowser(media_keys=["video"])]
    for panel, k in zip((p for section in sections.values() for p in section), itertools.count()):
        panel.layout = wr.Layout(x=8 * (k % 3), y=8 * (k // 3), w=8, h=8)  # three in a row of 24 columns
    return {name: panels for name, panels in sections.items() if panels}


def workspace(analysis: Analysis, title: str, entity: str, project: str) -> Any:
    """Return the workspace, built and not saved."""
    import wandb_workspaces.workspaces as ws

    return ws.Workspace(
        entity=entity,
        project=project,
        name=title[:128],
        sections=[ws.Section(name=name, panels=panels, is_open=True) for name, panels in _panels(analysis).items()],
        settings=ws.WorkspaceSettings(x_axis="env_steps", max_runs=100),
        runset_settings=ws.RunsetSettings(
            filters=_filter(analysis),
            groupby=[ws.Metric("Group")],
            pinned_columns=_columns(analysis),
        ),
    )


def _columns(analysis: Analysis) -> list[str]:
    final = f"summary:test/{analysis.output}/{analysis.metric}"
    return ["run:displayName", final, *(f"config:{key}" for key in analysis.table.keys if "." in key)]


def report(analysis: Analysis, title: str, entity: str, project: str, live: bool) -> Any:
    """Return the report, built and not saved; live panels need W&B even to be built, so offline it has none."""
    import wandb_workspaces.reports.v2 as wr

    blocks: list[Any] = [wr.MarkdownBlock(summary_md(analysis))]
    blocks += [wr.P(f"{facet.name}: {said}") for facet in analysis.facets if (said := verdict(facet))]
    blocks += [wr.P(note) for note in analysis.notes[:10]]
    if live:
        blocks.append(wr.PanelGrid(runsets=[_runset(analysis, entity, project)], panels=_flat(_panels(analysis))))
    return wr.Report(
        entity=entity,
        project=project,
        title=title[:128],
        description="Intervals are 95 % over seeds; bands in live panels are standard errors.",
        blocks=blocks,
    )


def _runset(analysis: Analysis, entity: str, project: str) -> Any:
    import wandb_workspaces.reports.v2 as wr

    filters = _filter(analysis)
    return wr.Runset(entity=entity, project=project, name="compared runs", filters=filters, groupby=["group"])


def _flat(panels: dict[str, list[Any]]) -> list[Any]:
    return [panel for section in panels.values() for panel in section]
