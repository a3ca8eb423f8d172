"""`python -m il eval RUN… key=value…`: measure the policies of finished runs on fresh episodes."""

import json
import time
from pathlib import Path
from typing import Any

from il.actors import Actor, ExpertActor
from il.config import plain
from il.errors import ConfigError, nearest
from il.evaluation.loading import Loaded, load
from il.evaluation.measure import evaluate_run
from il.evaluation.options import Options, parse
from il.play import episode_of
from il.randomness import Purpose
from il.run_dir import write_text
from il.video.record import Studio, check_packages, record


def main(overrides: list[str]) -> None:
    """Evaluate the runs among the arguments; print a table and write eval.json for each.

    Args:
        overrides: run directories, options of `options.yaml`, and changes to env and expert, as ``key=value``.

    Raises:
        ConfigError: for anything that cannot be done.
    """
    dirs = [argument for argument in overrides if "=" not in argument or Path(argument).is_dir()]
    options, changes = parse([argument for argument in overrides if argument not in dirs])
    if not dirs:
        raise ConfigError("name a run: python -m il eval outputs/ant/dagger/2026-…")
    if options.out is not None and len(dirs) > 1:
        raise ConfigError(f"out={options.out} is one file, but there are {len(dirs)} runs: leave it out")
    if options.video:
        check_packages("video=true")
    for name in dirs:
        run = load(Path(name), changes)
        actors = chosen(run, options)
        rows = evaluate_run(run, actors, options)
        print(f"{name}: {run.env.spec.id}, {options.episodes} episodes of seed {options.seed}", *table(rows), sep="\n")
        out = Path(options.out) if options.out else run.path / "eval.json"
        settings = {"episodes": options.episodes, "seed": options.seed, "sample": options.sample, "changes": changes}
        write_text(out, json.dumps({"time": time.time(), **settings, "rows": rows}, indent=1) + "\n")
        print(out, *film(run, actors, options), sep="\n")


def chosen(run: Loaded, options: Options) -> dict[str, Actor]:
    """Return the outputs to evaluate.

    Raises:
        ConfigError: for one that the run does not have.
    """
    outputs = run.algo.outputs(sample=options.sample)
    if options.outputs == ["all"]:
        return outputs
    for name in options.outputs:
        if name not in outputs:
            raise ConfigError(f"the run has no output '{name}'{nearest(name, outputs)}; it has {', '.join(outputs)}")
    return {name: outputs[name] for name in options.outputs}


def film(run: Loaded, actors: dict[str, Actor], options: Options) -> list[Path]:
    """Film and show the first episode as far as asked for; return the files."""
    if not (options.video or options.show):
        return []
    studio = Studio(plain(run.cfg)["env"])
    episode = episode_of(options.seed, Purpose.TEST, 0, 0, run.env.spec.horizon)
    panes = {name: record(run.env, actor, episode, name, options.steps) for name, actor in actors.items()}
    if options.show:
        studio.show(next(iter(panes.values())))
    if not options.video:
        return []
    beside = []
    if run.expert.queryable:
        beside.append(record(run.env, ExpertActor(run.expert), episode, "expert", options.steps))
    title = f"{run.env.spec.id}   {run.path.name}   seed {episode.seed}"
    drawn = (
        studio.draw([pane, *beside], title, run.path / "media" / f"eval_{name}.mp4") for name, pane in panes.items()
    )
    return [path for path in drawn if path is not None]


COLUMNS = {
    "output": "output",
    "obs_noise": "obs. noise",
    "act_noise": "act. noise",
    "return_mean": "return",
    "return_std": "std",
    "return_median": "median",
    "normalized": "normalised",
    "length_mean": "length",
    "disagreement": "disagreement",
}
"""Of the table, and their heads."""


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the figures as lines; columns without any are left out."""
    kept = [key for key in COLUMNS if any(row[key] not in (None, 0.0) for row in rows)]
    cells = [[COLUMNS[key] for key in kept], *([_cell(row[key]) for key in kept] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(c.ljust(w) if k == 0 else c.rjust(w) for k, (c, w) in enumerate(zip(line, widths, strict=True)))
        for line in cells
    ]


def _cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:.4g}"
