"""Configuration keys: what runs have at them, and which of them set runs apart."""

import fnmatch
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from il.errors import ConfigError, nearest
from il.report.reading import Run

ABSENT: Any = object()
"""Value at a key that a run does not have."""


def value_of(run: Run, key: str) -> Any:
    """Return a run's value at a dotted key, at a whole group its name, or `ABSENT`."""
    if key in run.config:
        return run.config[key]
    return run.names.get(key, ABSENT)


def text(value: Any) -> str:
    """Write a value as YAML would; an absent one as nothing."""
    if value is ABSENT:
        return ""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def order(value: Any) -> tuple[Any, ...]:
    """Sort numbers by size, texts naturally, absent values first and null last."""
    if value is ABSENT:
        return (0,)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (1, value)
    if value is None:
        return (3,)
    return (2, [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"(\d+)", text(value))])


def check(runs: Sequence[Run], keys: Iterable[str]) -> None:
    """Raise a ConfigError for a key that no run has."""
    for key in keys:
        if all(value_of(run, key) is ABSENT for run in runs):
            every = {k for run in runs for k in (*run.config, *run.names)}
            raise ConfigError(f"no run has the key '{key}'{nearest(key, sorted(every))}")


def keep(runs: Sequence[Run], wanted: Mapping[str, str]) -> list[Run]:
    """Keep runs that have one of the wanted values (comma-separated) at each wanted key.

    Raises:
        ConfigError: for a key that no run has, or values that leave nothing.
    """
    kept = list(runs)
    for key, values in wanted.items():
        check(runs, [key])
        accepted = {*values.split(","), *(text(yaml.safe_load(v)) for v in values.split(","))}
        known = sorted({text(value_of(run, key)) for run in kept})
        kept = [run for run in kept if text(value_of(run, key)) in accepted]
        if not kept:
            raise ConfigError(f"no run has {key}={values}; there are {', '.join(known[:20])}")
    return kept


def matching(runs: Iterable[Run], patterns: Iterable[str]) -> set[str]:
    """Return the keys of the runs that match a pattern such as ``logger.*``."""
    every = {key for run in runs for key in (*run.config, *run.names)}
    return {key for pattern in patterns for key in fnmatch.filter(every, pattern)}


def differing(runs: Iterable[Run], ignored: Iterable[str]) -> list[str]:
    """Return the keys that set runs apart, groups first.

    A key inside a group counts where the group's name is the same: that DAgger has a β and cloning has none
    is said by their names.
    """
    skip = set(ignored)
    first: dict[Any, Any] = {}
    found: dict[str, None] = {}
    for run in runs:
        for key, value in (*run.names.items(), *run.config.items()):
            if key in skip:
                continue
            top, dot, _ = key.partition(".")
            if first.setdefault((key, run.names.get(top) if dot else None), value) != value:
                found[key] = None
    return sorted(found, key=lambda key: "." in key)


def telling(runs: Sequence[Run], facets: Sequence[str], ignored: Iterable[str]) -> list[str]:
    """Return as few keys as tell all kinds of runs within a facet apart.

    Args:
        runs: what is compared.
        facets: the facet of each run.
        ignored: keys that do not count.
    """
    by_facet = defaultdict(list)
    for run, facet in zip(runs, facets, strict=True):
        by_facet[facet].append(run)
    kept: dict[str, None] = {}
    for mine in by_facet.values():
        kinds = [tuple(text(value_of(run, key)) for key in kept) for run in mine]
        for key in differing(mine, ignored):
            refined = [(*kind, text(value_of(run, key))) for kind, run in zip(kinds, mine, strict=True)]
            if key not in kept and len(set(refined)) > len(set(kinds)):
                kept[key] = None
                kinds = refined
    return list(kept)


def shortest(keys: Sequence[str]) -> dict[str, str]:
    """Return for each key the shortest ending that no other key shares: ``{"algo.beta": "beta"}``."""
    short = {}
    for key in keys:
        parts = key.split(".")
        endings = [".".join(parts[-n:]) for n in range(1, len(parts) + 1)]
        others = [f".{other}" for other in keys if other != key]
        short[key] = next((e for e in endings if not any(o.endswith(f".{e}") for o in others)), key)
    return short
