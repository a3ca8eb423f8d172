"""How each job of a sweep stands, from its run directory, the cluster and this machine's processes."""

import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from il.sweep import cluster
from il.sweep.record import Entry, Sweep

UNFINISHED = "ended without finishing"
ENDED_BADLY = ("failed", "cancelled", "stopped", "missing")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    state: str
    """ok, failed, cancelled, running, pending, preempted (will go on by itself), stopped (will not), missing."""
    round: int | None
    value: float | None
    """Last mean return of the evaluation."""
    node: str
    seconds: float | None
    attempts: int
    reason: str
    objective: float | None
    id: str
    log: str
    """File with its output, relative to the sweep."""

    @property
    def active(self) -> bool:
        """Return whether the job runs or will run by itself."""
        return self.state in ("running", "pending", "preempted")


def rows(sweep: Sweep) -> list[Row]:
    """Return the table as it stands now.

    Raises:
        ClusterError: when the state of cluster jobs cannot be had.
    """
    entries = sweep.entries()
    runs = {name: sweep.read(name, "run.json") for name in entries}
    open_ids = [e.id for e in entries.values() if not e.state and runs[e.name].get("status") != "ok"]
    seen = cluster.look(i for i in open_ids if i and not i.startswith("local:"))
    return [_row(sweep, entry, runs[entry.name], seen.get(entry.id)) for entry in entries.values()]


def _row(sweep: Sweep, entry: Entry, run: dict[str, Any], seen: cluster.Seen | None) -> Row:
    last = _last_row(sweep.dir / entry.name / "metrics.jsonl")
    state, reason = _judge(sweep, entry, run, seen)
    start, end = run.get("start"), run.get("end") or entry.ended
    if state == "running":
        end = time.time()
    return Row(
        name=entry.name,
        state=state,
        round=last.get("round"),
        value=last.get("eval/return_mean"),
        node=(seen.node if seen else "") or entry.node or run.get("host", ""),
        seconds=end - start if start and end else None,
        attempts=int(run.get("attempts", 1 if run else 0)),
        reason=reason,
        objective=sweep.read(entry.name, "summary.json").get("objective"),
        id=entry.id,
        log=entry.log,
    )


def _judge(sweep: Sweep, entry: Entry, run: dict[str, Any], seen: cluster.Seen | None) -> tuple[str, str]:
    """Return state and reason: the run's word that it is done, then the launcher's, the cluster's, the run's again."""
    status = run.get("status")
    if status == "ok":
        return "ok", ""
    if not entry.id:
        return "missing", "never submitted"
    if entry.state:
        return entry.state, entry.reason
    if seen is not None and seen.active:
        waiting = "preempted" if sweep.written(entry.name, "run.json") > (entry.submitted or 0) else "pending"
        return ("running" if seen.state in ("RUNNING", "COMPLETING") else waiting), ""
    if seen is None and alive(entry):
        return "running", ""
    if status == "failed":
        return "failed", run.get("error") or "no reason recorded"
    if seen is None:
        return ("stopped", "asked to stop") if status == "preempted" else ("failed", "its process is gone")
    if seen.state == "COMPLETED":
        return ("failed", UNFINISHED) if run else ("ok", "")
    reason = cluster.explain(entry, seen, sweep.dir / entry.log)
    return ("cancelled" if reason == "cancelled" else "failed"), reason


def alive(entry: Entry) -> bool:
    """Return whether the process of a local job still runs; of another machine's, nobody can know: yes."""
    _, pid, started = entry.id.split(":")
    return entry.host != socket.gethostname() or process_start(int(pid)) == started


def process_start(pid: int) -> str:
    """Return when a process started, to tell it from a later one of the same number; empty if it has ended."""
    try:
        if not Path("/proc/self/stat").exists():
            os.kill(pid, 0)
            return "unknown"
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _last_row(path: Path) -> dict[str, Any]:
    """Return the last whole row of a metrics file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - (1 << 16)))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return {}
    for line in reversed(lines):
        try:
            return json.loads(line)
        except json.JSONDecodeError:
            continue
    return {}
