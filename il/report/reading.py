"""Run directories into `Run`s, whatever state they are in."""

import functools
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from il.errors import ConfigError
from il.sweep.record import Entry, Sweep

AXES = ("round", "env_steps", "expert_labels")
"""What learning can be drawn against."""
LEVELS = ("expert/return_mean", "random/return_mean")
"""What it is measured by."""
CHOOSER = "eval/return_mean"
"""What chooses the best round."""
_OPAQUE = {"checkpoints", "policies", "data", "media", "wandb", "wandb-data", "tensorboard"}
_BLOCK = re.compile(r"(?<=\n)(?=[A-Za-z_])")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class Run:
    """What a run directory says."""

    path: Path
    status: str = "missing"
    """``ok``, ``running``, ``failed``, ``preempted`` as recorded, or ``missing`` where nothing was."""
    config: dict[str, Any] = field(default_factory=dict)
    """The resolved configuration, flat: ``{"algo.beta": 0.5}``."""
    names: dict[str, str] = field(default_factory=dict)
    """What each top-level group of the configuration calls itself: its name, id, file or class; ``null`` for none."""
    rows: dict[str, np.ndarray] = field(default_factory=dict)
    """Columns of metrics.jsonl, float64 [rounds], rounds ascending and unique, NaN where there is no number."""
    summary: dict[str, Any] = field(default_factory=dict)
    """Final figures; of lists only their length under ``<key>#``."""
    record: dict[str, Any] = field(default_factory=dict)
    """run.json."""
    job: dict[str, str] = field(default_factory=dict)
    """What its sweep's launcher saw: state, reason and log."""
    problems: list[str] = field(default_factory=list)
    """What was unreadable or odd."""

    @property
    def seed(self) -> Any:
        """The seed it ran with, None where unknown."""
        return self.config.get("seed")


def find_runs(dirs: Sequence[str | Path]) -> list[Path]:
    """Return every run directory in or below the given ones, in order and once.

    Raises:
        ConfigError: when a directory does not exist, or none holds a run.
    """
    _entries.cache_clear()
    found: dict[Path, None] = {}
    for name in dirs:
        root = Path(name)
        if not root.is_dir():
            raise ConfigError(f"{name} is not a directory; name a run, a sweep or a folder of them")
        found.update(dict.fromkeys(_below(root.resolve())))
    if not found:
        raise ConfigError(f"no run below {', '.join(map(str, dirs))}: a run directory has a run.json or overrides.yaml")
    return list(found)


def _below(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda e: _natural(e.name))
    names = {e.name for e in listed}
    if "jobs.jsonl" in names:  # a sweep knows its jobs, also those without a directory
        yield from (folder / name for name in _entries(folder))
        return
    if names & {"run.json", "overrides.yaml", "metrics.jsonl"}:
        yield folder
        return
    for entry in listed:
        if not entry.name.startswith(".") and entry.name not in _OPAQUE and entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path))


def _natural(name: str) -> list[tuple[int, int | str]]:
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name)]


def read_run(path: Path, columns: Sequence[str]) -> Run:
    """Read a run directory; what cannot be read is named in `problems`, never raised.

    Args:
        path: the directory.
        columns: names in metrics.jsonl to keep, besides `AXES`, `LEVELS` and `CHOOSER`.
    """
    run = Run(path)
    run.record = _read(run, "run.json", json.loads, {})
    run.status = str(run.record.get("status", "missing"))
    if run.status != "ok" and (path.parent / "jobs.jsonl").exists():
        entry = _entries(path.parent).get(path.name)
        run.job = {} if entry is None else {"state": entry.state, "reason": entry.reason, "log": entry.log}
    run.config = _read(run, "config.yaml", _config, {})
    run.names = _names(run.config, run.record.get("choices"))
    run.summary = _flat_summary(_read(run, "summary.json", json.loads, {}))
    run.rows = _rows(run, (*AXES, *LEVELS, CHOOSER, *columns))
    if run.status == "ok" and not run.summary:
        run.problems.append("finished without summary.json")
    return run


@functools.lru_cache(maxsize=64)
def _entries(sweep: Path) -> dict[str, Entry]:
    return Sweep(sweep).entries()


def _read(run: Run, name: str, parse: Any, absent: Any) -> Any:
    try:
        value = parse((run.path / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return absent
    except (ValueError, OSError, yaml.YAMLError) as error:
        run.problems.append(f"{name} is unreadable ({type(error).__name__})")
        return absent
    if not isinstance(value, type(absent)):
        run.problems.append(f"{name} holds no {type(absent).__name__}")
        return absent
    return value


def _config(text: str) -> dict[str, Any]:
    """Parse by top-level blocks: those of a sweep are nearly all alike, and parsing them once is 30 times faster."""
    if "&" in text or "\n---" in text:  # anchors reach over blocks
        return dict(_flatten("", yaml.load(text, Loader=_Loader) or {}))
    flat: dict[str, Any] = {}
    for block in _BLOCK.split(text):
        flat.update(_parse_block(block))
    return flat


@functools.lru_cache(maxsize=50_000)
def _parse_block(text: str) -> dict[str, Any]:
    return dict(_flatten("", yaml.load(text, Loader=_Loader) or {}))


def _flatten(prefix: str, node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict) and (node or not prefix):
        for key, value in node.items():
            yield from _flatten(f"{prefix}.{key}" if prefix else str(key), value)
    else:
        yield prefix, json.dumps(node, default=str) if isinstance(node, (list, dict)) else node


def _names(config: dict[str, Any], choices: Any) -> dict[str, str]:
    chosen = choices if isinstance(choices, dict) else {}
    tops = dict.fromkeys([*chosen, *(key.partition(".")[0] for key in config if "." in key)])
    found = {}
    for top in tops:
        own = config.get(f"{top}.name") or config.get(f"{top}.id") or chosen.get(top)
        target = str(config.get(f"{top}._target_", "null")).rpartition(".")[2]
        found[top] = str(own or target)
    return found


def _flat_summary(summary: dict[str, Any]) -> dict[str, Any]:
    return {f"{k}#" if isinstance(v, list) else k: len(v) if isinstance(v, list) else v for k, v in summary.items()}


def _rows(run: Run, names: Sequence[str]) -> dict[str, np.ndarray]:
    try:
        lines = [line for line in (run.path / "metrics.jsonl").read_bytes().splitlines() if line.strip()]
    except OSError:
        lines = []
    try:
        rows = json.loads(b"[" + b",".join(lines) + b"]")
    except ValueError:
        rows = [row for row in map(_row, lines) if row is not None]
        run.problems.append(f"{len(lines) - len(rows)} of {len(lines)} lines of metrics.jsonl are unreadable")
    by_round = {}
    for position, row in enumerate(rows):
        if isinstance(row, dict):
            by_round[row.get("round", position)] = row  # the later row of a round is the one that counts
    expected = int(max(by_round, default=-1)) + 1
    if len(by_round) < expected:
        run.problems.append(f"{expected - len(by_round)} of {expected} rounds are missing in metrics.jsonl")
    if len(by_round) < len(rows):
        run.problems.append(f"{len(rows) - len(by_round)} rows of metrics.jsonl repeat a round")
    kept = [by_round[r] for r in sorted(by_round, key=float)]
    table = np.array([[number(row.get(name)) for name in names] for row in kept], np.float64).reshape(-1, len(names))
    return {name: table[:, i] for i, name in enumerate(names)}


def _row(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def number(value: Any) -> float:
    """Return a value as a float, NaN where it is none."""
    try:
        return float(value) if value is not None else np.nan
    except (TypeError, ValueError):
        return np.nan
