"""Measure the report: coverage of its intervals, and time and memory for many runs.

python benchmarks/report.py coverage            # rewrites il/report/coverage.json
python benchmarks/report.py speed [runs] [rounds]
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from il.report.statistics import improvement, interval, iqm, mean, median

SEEDS = (3, 5, 10, 20)
REPEATS = 4000
KINDS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda rng, size: rng.normal(size=size),
    "skewed": lambda rng, size: np.exp(0.5 * rng.normal(size=size)),
    "failing": lambda rng, size: np.where(
        rng.random(size) < 0.2, rng.normal(0.3, 0.15, size), rng.normal(1, 0.05, size)
    ),
}


def coverage() -> None:
    """Count how often the intervals hold the truth, for runs of three kinds."""
    table = {}
    for kind, draw in KINDS.items():
        rng = np.random.default_rng(0)
        many = draw(rng, (4_000_000,))
        table[kind] = {f.__name__: {} for f in (mean, median, iqm)}
        table[kind]["improvement"] = {}
        for n in SEEDS:
            x, y = draw(rng, (REPEATS, n)), draw(rng, (REPEATS, n)) - many.std()
            for statistic in (mean, median, iqm):
                truth = float(statistic(many))
                hits = [_inside(interval([row], statistic), truth) for row in x]
                table[kind][statistic.__name__][str(n)] = round(float(np.mean(hits)), 3)
            truth = float((many[:2_000_000] > many[2_000_000:] - many.std()).mean())
            hits = [_inside(improvement([a], [b]), truth) for a, b in zip(x, y, strict=True)]
            table[kind]["improvement"][str(n)] = round(float(np.mean(hits)), 3)
        if kind == "normal":
            table[kind]["percentile"] = {str(n): _percentile(rng, n) for n in SEEDS}
        print(kind, table[kind], flush=True)
    table["4 environments"] = _environments()
    path = Path(__file__).resolve().parents[1] / "il/report/coverage.json"
    path.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _environments() -> dict[str, dict[str, float]]:
    """Do the same for scores of four environments put together, whose levels and spreads differ."""
    rng = np.random.default_rng(0)
    levels, spreads = np.array([1.0, 0.8, 0.5, 0.2]), np.array([0.02, 0.1, 0.2, 0.05])
    pooled = float(iqm(rng.normal(levels, spreads, (1_000_000, 4)).ravel()))
    truths = {mean: float(levels.mean()), median: float(levels.mean()), iqm: pooled}
    table: dict[str, dict[str, float]] = {f.__name__: {} for f in truths}
    for n in SEEDS:
        runs = rng.normal(levels[:, None], spreads[:, None], (REPEATS // 4, 4, n))
        for statistic, truth in truths.items():
            hits = [_inside(interval(list(strata), statistic), truth) for strata in runs]
            table[statistic.__name__][str(n)] = round(float(np.mean(hits)), 3)
    print("4 environments", table, flush=True)
    return table


def _inside(estimate: object, truth: float) -> bool:
    return estimate.low is not None and estimate.low <= truth <= estimate.high


def _percentile(rng: np.random.Generator, n: int) -> float:
    hits = []
    for x in rng.normal(size=(REPEATS, n)):
        low, high = np.quantile(x[rng.integers(n, size=(2000, n))].mean(1), [0.025, 0.975])
        hits.append(low <= 0 <= high)
    return round(float(np.mean(hits)), 3)


def speed(runs: int, rounds: int) -> None:
    """Write `runs` run directories of `rounds` rounds and report on them."""
    from il.report.commands import main

    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), runs, rounds)
        start, cpu = time.perf_counter(), time.process_time()
        main([folder, "figures=[]"])
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        page = (Path(folder) / "report.html").stat().st_size / 1e6
        print(f"{runs} runs x {rounds} rounds: {wall:.1f} s wall, {cpu:.1f} s CPU, {peak:.0f} MiB, page {page:.1f} MB")


def _write(folder: Path, runs: int, rounds: int) -> None:
    rng = np.random.default_rng(0)
    names = [f"filler/metric_{k}" for k in range(25)]
    settings = "".join(f"  knob_{k}: {k}\n" for k in range(20))
    for k in range(runs):
        seed, rate = k % 5, k // 5
        path = folder / f"rate={rate},seed={seed}"
        path.mkdir()
        groups = "".join(f"{g}:\n  name: {n}\n{settings}" for g, n in (("env", "ant"), ("policy", "gaussian")))
        (path / "config.yaml").write_text(f"seed: {seed}\nalgo:\n  name: dagger\n  rate: {rate}\n{settings}{groups}")
        record = {"id": str(k), "status": "ok", "command": ["python", "launch.py", f"algo.rate={rate}", f"seed={seed}"]}
        (path / "run.json").write_text(json.dumps(record))
        values = rng.normal(size=(rounds, len(names) + 1)).cumsum(0)
        with (path / "metrics.jsonl").open("w") as file:
            for n in range(rounds):
                row = {"round": n, "env_steps": 1000 * n, "expert_labels": 1000 * n, "eval/return_mean": values[n, -1]}
                row |= {"expert/return_mean": 100.0, "random/return_mean": 0.0}
                file.write(json.dumps(row | dict(zip(names, values[n, :-1].tolist(), strict=True))) + "\n")
        last = {"test/last/return_mean": values[-1, -1], "test/last/normalized": values[-1, -1] / 100}
        (path / "summary.json").write_text(json.dumps(last))


if __name__ == "__main__":
    if sys.argv[1:2] == ["coverage"]:
        coverage()
    else:
        given = [int(value) for value in sys.argv[2:]]
        speed(*given, *(10_000, 100)[len(given) :])
