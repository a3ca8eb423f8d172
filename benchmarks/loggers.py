"""Measure what a logged row costs: the run's own record, W&B offline and TensorBoard, in turns.

python -m benchmarks.loggers [rows]
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from il.config import build
from il.loggers.base import Logger, RunInfo
from il.run_dir import RunDir

ROOT = Path(__file__).resolve().parents[1]
BLOCK = 500
METRICS = (
    "eval/return_mean eval/return_std eval/return_min eval/return_max eval/length_mean eval/normalized train/loss "
    "eval_stochastic/return_mean eval_stochastic/return_std eval_stochastic/normalized expert/return_mean data/size "
    "random/return_mean collect/return_mean collect/return_std collect/length_mean collect/expert_share time/collect "
    "time/label time/fit time/eval time/total rate/env_steps_per_s rate/grad_steps_per_s expert_labels expert_steps"
).split()
"""What a round of DAgger logs, besides round and env_steps."""


@dataclass
class Sink:
    """Something that takes rows, and what that cost."""

    take: Callable[[dict[str, float]], None]
    close: Callable[[], None] = lambda: None
    wall: list[float] = field(default_factory=list)
    cpu: float = 0.0

    def block(self, rows: list[dict[str, float]]) -> None:
        """Take some rows and time each."""
        start = time.process_time()
        for row in rows:
            before = time.perf_counter()
            self.take(row)
            self.wall.append(time.perf_counter() - before)
        self.cpu += time.process_time() - start


def shown(name: str, folder: Path) -> tuple[Sink, float]:
    """Start a logger of conf/logger; return it and the seconds that took."""
    logger: Logger = build(OmegaConf.load(ROOT / "conf" / "logger" / f"{name}.yaml")[name], f"logger.{name}")
    folder.mkdir()
    before = time.perf_counter()
    logger.start(RunInfo(folder, "benchmark", "benchmark", "benchmark", "train", {"seed": 0}))
    return Sink(logger.log, lambda: logger.finish("ok")), time.perf_counter() - before


def main(n: int) -> None:
    """Log n rows everywhere and print the table."""
    os.environ["WANDB_MODE"] = "offline"
    rng = np.random.default_rng(0)
    rows = [
        {"round": k, "env_steps": 1000 * k, **dict(zip(METRICS, rng.normal(size=len(METRICS)).tolist(), strict=True))}
        for k in range(n)
    ]
    with tempfile.TemporaryDirectory(dir=ROOT / "outputs") as folder:
        record = RunDir(Path(folder) / "record", {"seed": 0, "budget": {}}, []).record
        sinks = {"metrics.jsonl": (Sink(record), 0.0)}
        sinks |= {name: shown(name, Path(folder) / name) for name in ("wandb", "tensorboard")}
        for start in range(0, n, BLOCK):
            for sink, _ in sinks.values():
                sink.block(rows[start : start + BLOCK])
        print(f"{n} rows of {len(rows[0])} numbers, microseconds a row unless said otherwise\n")
        print("| logger | CPU | median | p99 | longest, ms | start, s | finish, s |\n|---|---|---|---|---|---|---|")
        for name, (sink, started) in sinks.items():
            before = time.perf_counter()
            sink.close()
            finished, wall = time.perf_counter() - before, 1e6 * np.array(sink.wall)
            figures = [1e6 * sink.cpu / n, *np.percentile(wall, [50, 99]), 1e-3 * wall.max()]
            print(f"| {name} | {' | '.join(f'{x:.0f}' for x in figures)} | {started:.2f} | {finished:.2f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
