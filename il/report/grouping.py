"""Which runs are repetitions of one another, and which do not count."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from il.report.keys import ABSENT, check, differing, matching, order, shortest, telling, text, value_of
from il.report.reading import Run


@dataclass(frozen=True)
class Group:
    """Runs that are equal in every grouping key."""

    letter: str
    """A, B, …: identifies it in every figure and table."""
    label: str
    values: dict[str, Any]
    """Its grouping keys and their values; keys that it does not have are left out."""


@dataclass
class Table:
    """Runs in groups (compared) and facets (shown apart)."""

    keys: list[str]
    """Grouping keys."""
    groups: list[Group]
    facets: list[str]
    cells: dict[tuple[str, str], list[Run]]
    """Runs that count, by facet and letter; seeds ascending."""
    left_out: list[tuple[Run, str]]
    """Runs that do not count, and why."""
    planned: dict[tuple[str, str], int]
    """How many runs a cell would have if all of them counted, duplicates aside."""
    notes: list[str] = field(default_factory=list)
    """What a reader must know before believing a comparison."""
    differences: dict[str, Counter[str]] = field(default_factory=dict)
    """Every key with several values, and how many counted runs have each."""

    @property
    def runs(self) -> list[Run]:
        """Every run that counts."""
        return [run for runs in self.cells.values() for run in runs]


def tabulate(
    runs: Sequence[Run], group: Sequence[str], facet: Sequence[str], statuses: Sequence[str], ignored: Sequence[str]
) -> Table:
    """Sort runs into groups and facets.

    Args:
        runs: all runs of interest.
        group: keys, or ``["auto"]`` for whatever tells runs of a facet apart, besides the seed.
        facet: keys.
        statuses: those that count, or ``["any"]``.
        ignored: patterns of keys that never set runs apart.

    Raises:
        ConfigError: for a key that no run has.
    """
    left_out = [(run, "; ".join(run.problems) or reason(run)) for run in runs if not run.config]
    runs = [run for run in runs if run.config]
    auto = list(group) == ["auto"]
    if runs:
        check(runs, [*facet, *([] if auto else group)])
    where = {id(run): ", ".join(text(value_of(run, key)) for key in facet) for run in runs}
    skip = matching(runs, ignored)
    apart = {*skip, "seed", *facet}
    keys = telling(runs, list(where.values()), apart) if auto else list(group)
    kinds = {id(run): tuple(value_of(run, key) for key in keys) for run in runs}
    groups = _groups(sorted(set(kinds.values()), key=lambda kind: [order(v) for v in kind]), keys, runs)
    unique, doubles = _without_doubles(runs, skip)
    cells: dict[tuple[str, str], list[Run]] = defaultdict(list)
    planned: Counter[tuple[str, str]] = Counter()
    for run in sorted(unique, key=lambda run: order(run.seed)):
        place = (where[id(run)], groups[kinds[id(run)]].letter)
        planned[place] += 1
        if list(statuses) == ["any"] or run.status in statuses:
            cells[place].append(run)
        else:
            left_out.append((run, reason(run)))
    facets = sorted({facet for facet, _ in planned}, key=order)
    table = Table(keys, list(groups.values()), facets, dict(cells), [*left_out, *doubles], dict(planned))
    _explain(table, apart)
    return table


def reason(run: Run) -> str:
    """Say in a line why a run did not finish."""
    error = str(run.record.get("error") or run.job.get("reason") or "").strip()
    if run.status != "failed" and run.job.get("state") in ("failed", "cancelled", "stopped"):
        return f"{run.job['state']}: {error or 'no reason recorded'}"
    rounds = len(run.rows.get("round", ()))
    said = {
        "failed": error or "no reason recorded",
        "running": f"has not finished; {rounds} rounds so far",
        "preempted": f"waits for its restart; {rounds} rounds so far",
        "missing": "never started, or was stopped before its first round",
    }
    if not run.config and run.status == "ok":
        return "has no config.yaml"
    return said.get(run.status, f"has the status '{run.status}'")


def _groups(kinds: Sequence[tuple[Any, ...]], keys: Sequence[str], runs: Sequence[Run]) -> dict[tuple[Any, ...], Group]:
    short = shortest(keys)
    nodes = {name for run in runs for name in run.names}
    groups = {}
    for number, kind in enumerate(kinds):
        values = {key: value for key, value in zip(keys, kind, strict=True) if value is not ABSENT}
        telling_ones = {key: value for key, value in values.items() if _tells(key, keys, kind, kinds)}
        parts = (
            text(v) if key in nodes and v != "null" else f"{short[key]}={text(v)}" for key, v in telling_ones.items()
        )
        label = ", ".join(parts) or ", ".join(sorted({run.names.get("algo", "all runs") for run in runs}))
        groups[kind] = Group(_letter(number), label, values)
    return groups


def _tells(key: str, keys: Sequence[str], kind: tuple[Any, ...], kinds: Sequence[tuple[Any, ...]]) -> bool:
    """Return whether a key of algo.… differs among the groups of the same algo: cloning's unused β does not."""
    top = key.partition(".")[0]
    if top == key or top not in keys:
        return True
    at, group = keys.index(key), keys.index(top)
    return len({other[at] for other in kinds if other[group] == kind[group]}) > 1


def _letter(number: int) -> str:
    """Count A, B, …, Z, AA, AB and so on."""
    letters = ""
    while number >= 0:
        number, rest = divmod(number, 26)
        letters, number = chr(65 + rest) + letters, number - 1
    return letters


def _without_doubles(runs: Sequence[Run], skip: set[str]) -> tuple[list[Run], list[tuple[Run, str]]]:
    """Keep one run of each configuration and seed: the same run twice is not two samples."""
    same = defaultdict(list)
    for run in runs:
        pairs = ((k, v) for k, v in run.config.items() if k not in skip)
        same[hash(frozenset(pairs))].append(run)
    kept, doubles = [], []
    for copies in same.values():
        best = max(copies, key=lambda r: (r.status == "ok", len(r.rows.get("round", ())), r.record.get("start") or 0))
        kept.append(best)
        doubles += [
            (run, f"has the configuration and seed of {Path(*best.path.parts[-2:])}")
            for run in copies
            if run is not best
        ]
    return kept, doubles


def _explain(table: Table, apart: set[str]) -> None:
    """Fill in notes and differences."""
    for key in differing(table.runs, apart):
        values = (value_of(run, key) for run in table.runs)
        table.differences[key] = Counter("(absent)" if v is ABSENT else text(v) for v in values)
    for facet in table.facets:
        table.notes += _facet_notes(table, facet, {*apart, *table.keys})
    codes = {str((run.record.get("git") or {}).get("sha")) for run in table.runs} - {"None"}
    if len(codes) > 1:
        table.notes.append(f"The runs come from {len(codes)} versions of the code; see how to reproduce each group.")


def _facet_notes(table: Table, facet: str, apart: set[str]) -> list[str]:
    cells = {group.letter: table.cells.get((facet, group.letter), []) for group in table.groups}
    seeds = {run.seed for runs in cells.values() for run in runs}
    lacking: list[str] = []
    empty: list[str] = []
    pooled: list[str] = []
    for letter, runs in cells.items():
        if missing := sorted(seeds - {run.seed for run in runs}, key=order):
            (lacking if runs else empty).append(f"{letter} {_spans(missing)}" if runs else letter)
        if keys := differing(runs, apart):
            pooled.append(f"{letter} ({', '.join(keys)})")
    notes = {
        "without a run that counts": empty,
        "seeds that others have are missing": lacking,
        "runs are pooled although they differ, so that intervals are not about seeds alone": pooled,
    }
    where = f"{facet}: " if facet else ""
    return [
        f"{where}{what}: {'; '.join(who[:20])}{'; …' if len(who) > 20 else ''}." for what, who in notes.items() if who
    ]


def _spans(values: Sequence[Any]) -> str:
    """Write 1, 2, 3, 7 as 1–3, 7."""
    parts: list[list[Any]] = []
    for value in values:
        if parts and isinstance(value, int) and value - 1 == parts[-1][-1]:
            parts[-1].append(value)
        else:
            parts.append([value])
    return ", ".join(text(p[0]) if len(p) == 1 else f"{text(p[0])}–{text(p[-1])}" for p in parts)
