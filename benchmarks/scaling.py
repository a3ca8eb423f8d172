"""How cost grows with rounds, rows, slots and the size of observations: ``python -m benchmarks.scaling``.

Straight lines are what one wants: the last column is the cost per unit against that of the smallest size. Everything
in CPU-seconds of one thread.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from benchmarks.fits import ours as fitting
from benchmarks.measure import environment, repeats, spend, turns

JOB = """env=halfcheetah preset=hw1 logger=none algo.first_steps=null eval.episodes=1 eval.stochastic=false
test.episodes=1 env.num_threads=1 policy.fit.steps=200 trainer.expert_tolerance=0""".split()


def table(what: str, unit: str, sizes: Iterable[int], cost: Callable[[int], float]) -> None:
    """Print the cost of each size and how it compares with a straight line."""
    print(f"\n| {what} | CPU {unit} | per unit, against the smallest |\n|---|---|---|")
    first = None
    for size in sizes:
        spent = cost(size)
        first = first or spent / size
        print(f"| {size:,} | {spent:.4g} | {spent / size / first:.2f} |", flush=True)


def rounds(often: int) -> Callable[[int], float]:
    """Return the cost of a run's rounds, 1000 steps and 200 gradient steps each."""

    def cost(number: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "benchmarks.ours", *JOB, f"algo.rounds={number}", f"outputs_dir={folder}"]
            return min(spend([*command, f"out={k}"]).said["cpu"] for k in range(often))

    return cost


def checkpoint(rows: int) -> float:
    """Return the milliseconds of a checkpoint after 1000 new rows, where so many are there already."""
    from il.dataset import Dataset
    from il.run_dir import RunDir

    columns = {"obs": ((105,), np.float32), "label": ((8,), np.float32)}
    chunk = {k: np.zeros((1000, *shape), dtype) for k, (shape, dtype) in columns.items()}
    with tempfile.TemporaryDirectory() as folder:
        run = RunDir(Path(folder) / "run", {"seed": 0, "budget": {}}, [])
        data, costs = Dataset(columns, rows + 10_000, None), []
        many = {k: np.zeros((rows, *shape), dtype) for k, (shape, dtype) in columns.items()}
        data.append("before", many, np.zeros(rows, bool))
        run.checkpoint(0, {"data": data.state_dict()})
        for k in range(1, 10):
            data.append(f"round_{k:04d}", chunk, np.zeros(1000, bool))
            start = time.process_time()
            run.checkpoint(k, {"data": data.state_dict()})
            costs.append((time.process_time() - start) * 1e3)
    return sorted(costs)[len(costs) // 2]


def lockstep(env: str, often: int) -> Callable[[int], float]:
    """Return the milliseconds of one lockstep of n slots, the learner acting and everything recorded."""
    from il.actors import PolicyActor
    from il.policies.gaussian import GaussianPolicy
    from il.rollout import Collect, collect

    def cost(slots: int) -> float:
        envs = environment(env, slots, 1)
        knobs = {"optimizer": "adam", "lr": 1e-3, "weight_decay": 0.0, "batch": 1, "steps": 1, "backend": "auto"}
        policy = GaussianPolicy(envs.spec, np.random.default_rng(0), 2, 64, "tanh", False, "nll", 0.0, knobs).flatten()
        steps = max(20, 2000 // slots)
        request = Collect(PolicyActor(policy), episodes=slots, stop_at=steps, label="none")
        costs = turns({"play": lambda: collect(envs, request, None, 0, 0)}, often)["play"]
        return sorted(c.cpu for c in costs)[len(costs) // 2] / steps * 1e3

    return cost


def fit_size(often: int) -> Callable[[int], float]:
    """Return the microseconds of a gradient step by the size of observations."""

    def cost(size: int) -> float:
        costs = turns({"fit": fitting(64, 100, 300, "auto", obs_dim=size)}, often)["fit"]
        return sorted(c.cpu for c in costs)[len(costs) // 2] / 300 * 1e6

    return cost


def main() -> None:
    """Print every table."""
    often = repeats(5)
    table("rounds of a run", "s", (5, 10, 20, 40, 80), rounds(min(2, often)))
    print("\nA checkpoint writes the new rows only, so its cost should not grow at all:")
    print("\n| rows there already | CPU ms of a checkpoint after 1000 more |\n|---|---|")
    for rows in (1000, 10_000, 100_000, 1_000_000):
        print(f"| {rows:,} | {checkpoint(rows):.2f} |", flush=True)
    for env in ("HalfCheetah-v5", "Ant-v5"):
        table(f"slots of {env}", "ms a lockstep", (1, 2, 4, 8, 16, 32, 64, 128), lockstep(env, often))
    table("size of observations", "µs a gradient step, 2×64, batch 100", (10, 30, 100, 300, 1000), fit_size(often))


if __name__ == "__main__":
    main()
