"""The table of a sweep as text."""

from collections import Counter
from pathlib import Path

from il.sweep.status import ENDED_BADLY, Row

ORDER = ("running", "preempted", "pending", "failed", "cancelled", "stopped", "missing", "ok")
HEAD = ("job", "state", "round", "return", "node", "time", "attempts", "reason")


def cells(row: Row) -> list[str]:
    """Return the cells of a row, under `HEAD`."""
    return [
        row.name,
        row.state,
        "" if row.round is None else str(row.round),
        "" if row.value is None else f"{row.value:.1f}",
        row.node,
        "" if row.seconds is None else duration(row.seconds),
        str(row.attempts or ""),
        row.reason,
    ]


def duration(seconds: float) -> str:
    """Return a short length of time: ``12 s``, ``3:05``, ``2:03:05``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def table(rows: list[Row]) -> str:
    """Return the whole table in aligned columns, and a line that counts."""
    lines = [list(HEAD), *(cells(row) for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(HEAD))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*text, counts(rows)])


def counts(rows: list[Row]) -> str:
    """Return how many jobs are in which state."""
    found = Counter(row.state for row in rows)
    return f"{len(rows)} jobs: " + ", ".join(f"{found[state]} {state}" for state in ORDER if found[state])


def closing(directory: Path, rows: list[Row]) -> str:
    """Return what a launcher says last: what did not end well, the counts, what to do next."""
    bad = [row for row in rows if row.state in ENDED_BADLY]
    lines = [f"{row.state:<9}  {row.name}  {row.reason}  {row.log}".rstrip() for row in bad]
    lines.append(counts(rows))
    if bad:
        lines.append(f"run these again: python -m il sweep resume {str(directory)!r}")
    elif any(row.active for row in rows):
        lines.append(f"watch: python -m il sweep status {str(directory)!r} watch=true")
    return "\n".join(lines)
