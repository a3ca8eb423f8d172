"""Sweeps and start-up: ``python -m benchmarks.sweeps [--repeats N]``.

Jobs are the homework's DAgger on HalfCheetah, as in `benchmarks.jobs`. What a sweep adds to its jobs is measured with
jobs that do next to nothing, as the cost of twenty more of them.
"""

import sys
import tempfile

from benchmarks.jobs import SAME
from benchmarks.measure import ROOT, repeats, spend

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
    """Print how many jobs an hour of one core does."""
    for workers in (1, 2):
        wall, cpu = sweep(["env=halfcheetah", *SAME], count, workers)
        what = f"HalfCheetah DAgger jobs per core-hour, {workers} at a time, {count} jobs"
        if workers == 1:  # a pool's workers are no children of the process that is measured
            print(f"| {what}, by CPU-seconds | {3600 * count / cpu:.0f} | at least 1000 |")
        print(f"| {what}, by the clock | {3600 * count / (wall * workers):.0f} | |", flush=True)


def overhead(often: int) -> None:
    """Print what one more job adds to a sweep."""
    for workers in (1, 2):
        extra = []
        for _ in range(often):
            small, large = sweep(TINY, 2, workers), sweep(TINY, 22, workers)
            extra.append([(b - a) / 20 * 1e3 for a, b in zip(small, large, strict=True)])
        wall, cpu = (_median(list(figures)) for figures in zip(*extra, strict=True))
        if workers == 1:
            print(f"| one more job that does next to nothing, in one process: ms CPU | {cpu:.0f} | at most 100 |")
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
