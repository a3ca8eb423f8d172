"""Sweeps and start-up: ``python -m benchmarks.sweeps [--repeats N]``.

Jobs are the homework's DAgger on HalfCheetah, as in `benchmarks.jobs`; the homework itself, a process a job, takes its
turn in between, so that the goal of 1000 jobs, four times the homework's 250 on the machine it was set on, can be told
on any. What a sweep adds to its jobs is measured with an empty program, see `benchmarks.sweep_overhead`; then the
smallest job of ours, as the cost of twenty more of them.
"""

import sys
import tempfile
from pathlib import Path
from statistics import mean

from benchmarks.jobs import SAME, programs
from benchmarks.measure import ROOT, repeats, spend
from benchmarks.sweep_overhead import LAUNCHERS
from benchmarks.sweep_overhead import spend as trivial

TINY = """env=halfcheetah env.horizon=2 env.n_envs=2 env.num_threads=1 logger=none algo.rounds=1 algo.steps=2
algo.first_steps=2 eval.episodes=1 eval.stochastic=false test.episodes=1 policy.fit.steps=1
trainer.expert_tolerance=0""".split()


def sweep(job: list[str], count: int, workers: int) -> tuple[float, float]:
    """Run a local sweep over seeds; return its wall time and CPU-seconds."""
    seeds = ",".join(map(str, range(count)))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "launch.py", *job, "-m", f"seed={seeds}", f"hydra.sweep.dir={folder}"]
        spent = spend([*command, "hydra/launcher=local", f"hydra.launcher.workers={workers}"])
    return spent.wall, spent.cpu


def throughput(count: int) -> None:
    """Print how many jobs an hour of one core does, by us and by the homework."""
    job = ["env=halfcheetah", *SAME]
    with tempfile.TemporaryDirectory() as folder:
        homework = programs("HalfCheetah-v5", Path(folder))["homework"]
        theirs, ours = [homework().cpu], []
        for _ in range(2):  # one worker only: a pool's are no children of the process that is measured
            ours.append(sweep(job, count // 2, 1)[1] / (count // 2))
            theirs.append(homework().cpu)
    rates = [3600 / mean(seconds) for seconds in (ours, theirs)]
    what = "HalfCheetah DAgger jobs per core-hour"
    print(f"| {what}, by CPU-seconds: ours, in a sweep of {count // 2} | {rates[0]:.0f} | at least 1000 |")
    print(f"| {what}, by CPU-seconds: the homework | {rates[1]:.0f} | about 250 |")
    print(f"| ours / the homework | {rates[0] / rates[1]:.2f} | at least 4 |", flush=True)
    wall = sweep(job, count, 2)[0]
    print(f"| {what}, by the clock, two at a time, {count} jobs | {3600 * count / (wall * 2):.0f} | |", flush=True)


def overhead(often: int) -> None:
    """Print what a sweep adds to a job, and what one more job costs."""
    for name, goal in (("local, in one process", "at most 100"), ("Hydra's basic, in one process", "")):
        found = []
        for _ in range(often):
            few, many = (trivial(LAUNCHERS[name], jobs)[1] for jobs in (10, 60))
            found.append((many - few) / 50 * 1e3)
        print(f"| what the sweep adds to a job, {name}: ms CPU | {_median(found):.0f} | {goal} |", flush=True)
    for workers in (1, 2):
        extra = []
        for _ in range(often):
            small, large = sweep(TINY, 2, workers), sweep(TINY, 22, workers)
            extra.append([(b - a) / 20 * 1e3 for a, b in zip(small, large, strict=True)])
        wall, cpu = (_median(list(figures)) for figures in zip(*extra, strict=True))
        if workers == 1:
            print(f"| one more job that does next to nothing, itself included, in one process: ms CPU | {cpu:.0f} | |")
        print(f"| the same, {workers} at a time: ms by the clock | {wall:.0f} | |", flush=True)


def start_up(often: int) -> None:
    """Print how long the command line takes to answer."""
    floor = _median([spend([sys.executable, "-c", "pass"]).cpu for _ in range(often)])
    for flags in (["--help"], ["--cfg", "job"]):
        took = _median([spend([sys.executable, ROOT / "launch.py", *flags]).cpu for _ in range(often)])
        print(f"| launch.py {' '.join(flags)}: s CPU (bare Python {floor:.2f}) | {took:.2f} | |", flush=True)


def _median(figures: list[float]) -> float:
    return sorted(figures)[len(figures) // 2]


if __name__ == "__main__":
    number = repeats(3)
    print("| what | figure | goal |\n|---|---|---|")
    throughput(8 * number)
    overhead(number)
    start_up(number)
