"""What SLURM says about jobs, asked with its own commands so that clusters without accounting are served too."""

import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from il.sweep.record import Entry

ACTIVE = {
    "PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "PREEMPTED", "REQUEUED", "REQUEUE_FED",
    "REQUEUE_HOLD", "RESIZING", "SIGNALING", "SPECIAL_EXIT", "STAGE_OUT", "STOPPED",
}  # fmt: skip
SIGNALS = {"Killed": "SIGKILL", "Segmentation fault": "SIGSEGV", "Terminated": "SIGTERM", "Aborted": "SIGABRT"}
"""What srun writes about a task that died."""
GONE = "GONE"
"""State of a job that neither the queue nor the accounting knows any more."""


class ClusterError(Exception):
    """SLURM did not answer, or refused; its own words are the text."""


@dataclass(frozen=True)
class Seen:
    """What the cluster says about one job."""

    state: str
    node: str = ""
    exit_code: str = ""
    """As SLURM writes it, ``status:signal``; empty where there is no accounting."""

    @property
    def active(self) -> bool:
        """Return whether the job may still do something."""
        return self.state in ACTIVE


def look(ids: Iterable[str]) -> dict[str, Seen]:
    """Return what the cluster says about each of these jobs.

    Raises:
        ClusterError: when the controller does not answer.
    """
    wanted = set(ids)
    if not wanted:
        return {}
    queue = _call("squeue", "-h", "-r", "-a", "-u", str(os.getuid()), "-t", "all", "-o", "%i|%T|%N")
    seen = {i: s for i, s in parse_queue(queue).items() if i in wanted}
    lost = sorted({i.split("_")[0] for i in wanted if i not in seen or not seen[i].active})
    if lost:
        try:
            command = ("sacct", "-n", "-X", "-P", "-o", "JobID,State,NodeList,ExitCode", "-j", ",".join(lost))
            ended = {i: s for i, s in parse_accounting(_call(*command)).items() if i in wanted and not s.active}
        except ClusterError:  # no accounting here
            ended = {}
        seen |= {i: s for i, s in ended.items() if i not in seen or not seen[i].active}
    return {i: seen.get(i, Seen(GONE)) for i in wanted}


def parse_queue(text: str) -> dict[str, Seen]:
    """Return the jobs of ``squeue -h -r -o '%i|%T|%N'``, one line per array element."""
    rows = [line.split("|") for line in text.splitlines() if line.count("|") == 2]
    return {i: Seen(state, node) for i, state, node in rows}


def parse_accounting(text: str) -> dict[str, Seen]:
    """Return the jobs of ``sacct -n -X -P -o JobID,State,NodeList,ExitCode``; pending ranges are left out."""
    rows = [line.split("|") for line in text.splitlines() if line.count("|") == 3]
    return {i: Seen(state.split()[0], node, code) for i, state, node, code in rows if "[" not in i and state}


def cancel(ids: Iterable[str]) -> None:
    """Cancel these jobs; ones that have ended are no error."""
    wanted = sorted(ids)
    for k in range(0, len(wanted), 200):
        _call("scancel", "-Q", *wanted[k : k + 200])


def largest_array() -> int:
    """Return how many jobs one array may have on this cluster."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _call("scontrol", "show", "config"), re.M)
    return max(1, int(found[1])) if found else 1000


def requeue(id: str) -> None:
    """Put a running job back into the queue, under the same id."""
    _call("scontrol", "requeue", id)


def explain(entry: Entry, seen: Seen, log: Path) -> str:
    """Say in a few words why a job has not ended well, from the cluster's word and the job's own output."""
    text = _last_attempt(log)
    if seen.state == "OUT_OF_MEMORY" or re.search(r"oom.kill|Out Of Memory|exceeded memory limit", text, re.I):
        return "out of memory"
    if seen.state == "TIMEOUT" or "DUE TO TIME LIMIT" in text:
        return "time limit reached before a checkpoint"
    if seen.state == "CANCELLED" or re.search(r"CANCELLED AT [-:T\d]+ \*\*\*", text):
        return "cancelled"
    if seen.state == "NODE_FAIL":
        return f"node {seen.node} failed"
    if killed := re.search(rf"task 0: ({'|'.join(SIGNALS)})", text):
        return f"killed by {SIGNALS[killed[1]]}"
    status, _, number = seen.exit_code.partition(":")
    if number not in ("", "0"):
        return f"killed by signal {number}"
    if error := _last_error(text):
        return error
    if seen.state == GONE:
        return "gone from the queue without a result"
    return f"{seen.state.lower()}, exit code {status or 'unknown'}"


def _last_attempt(log: Path) -> str:
    """Return the end of a job's output, since it was last started."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - (1 << 16)))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return text.rsplit("Starting with JobEnvironment", 1)[-1]


def _last_error(text: str) -> str:
    """Return the last line that names an exception."""
    found = re.findall(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning)\b:? ?.*$", text, re.M)
    return found[-1].strip() if found else ""


def _call(*command: str) -> str:
    """Return what a SLURM command prints. A silent controller would keep it waiting for minutes."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except FileNotFoundError:
        raise ClusterError(f"{command[0]} is not on this machine") from None
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{command[0]} got no answer from the cluster in 30 s") from None
    if done.returncode:
        raise ClusterError((done.stderr.strip().splitlines() or [f"{command[0]} failed"])[-1])
    return done.stdout
