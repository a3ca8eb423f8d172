"""What the benchmarks share: taking turns, ratios, processes that say what they cost, tables."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from il.envs.base import VectorEnv

ROOT = Path(__file__).resolve().parents[1]


class Row(NamedTuple):
    """One line of a table: a ratio, larger is better for us."""

    what: str
    ratio: float
    spread: tuple[float, float]
    """Smallest and largest of the repeats."""
    at_least: float | None
    detail: str = ""


class Cost(NamedTuple):
    """Seconds of one run."""

    wall: float
    cpu: float


def environment(id: str, slots: int, threads: int) -> "VectorEnv":
    """Return a task on the batched stepper, with gymnasium's own settings."""
    from il.envs import make

    return make(id, slots, {}, None, "batched", threads, expert_view=None, wrappers=[])


def turns(runs: Mapping[str, Callable[[], Any]], repeats: int, warm: bool = True) -> dict[str, list[Cost]]:
    """Run everything in turn, so that what else the machine does hits all; the first turn only warms up.

    Returns:
        Costs by name, one for each repeat; CPU-seconds are this process's.
    """
    out: dict[str, list[Cost]] = {name: [] for name in runs}
    for k in range(repeats + warm):
        for name, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            cost = Cost(time.perf_counter() - wall, time.process_time() - cpu)
            if k >= warm:
                out[name].append(cost)
    return out


def row(what: str, theirs: Sequence[float], ours: Sequence[float], at_least: float | None, unit: str = "s") -> Row:
    """Return the median of paired ratios theirs / ours."""
    ratios = [t / o for t, o in zip(theirs, ours, strict=True)]
    detail = f"{statistics.median(theirs):.3g} {unit} / {statistics.median(ours):.3g} {unit}"
    return Row(what, statistics.median(ratios), (min(ratios), max(ratios)), at_least, detail)


class Spent(NamedTuple):
    """What a process cost, its children included, and the JSON of its last line of output."""

    wall: float
    cpu: float
    said: dict[str, Any]


def spend(command: Sequence[str | Path], timeout: float = 1800) -> Spent:
    """Run a command with pinned threads and measure it.

    Raises:
        RuntimeError: when it fails, with the end of what it wrote.
    """
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, timeout=timeout,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout)[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    last = done.stdout.strip().rsplit("\n", 1)[-1]
    return Spent(wall, cpu, json.loads(last) if last.startswith("{") else {})


def show(rows: Sequence[Row]) -> None:
    """Print a table of ratios."""
    print("| what | ratio | smallest to largest | at least | medians |\n|---|---|---|---|---|")
    for r in rows:
        low, high = r.spread
        goal = "" if r.at_least is None else f"{r.at_least:g}"
        print(f"| {r.what} | {r.ratio:.3g} | {low:.3g} to {high:.3g} | {goal} | {r.detail} |", flush=True)


def repeats(default: int) -> int:
    """Return how often to repeat: the number after ``--repeats``, or the part's own."""
    return int(sys.argv[sys.argv.index("--repeats") + 1]) if "--repeats" in sys.argv else default
