"""Gradient steps, sampling and aggregation: ``python -m benchmarks.fits [--repeats N]``.

Ours is `il.fit.fit` and `il.dataset.Dataset` as runs use them; beside it what a plain program does: torch modules with
autograd and torch's default Adam, a permutation of all rows for every batch, and np.concatenate for every append.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.measure import ROOT, Row, repeats, row, show, turns

OBS, ACT, ROWS = 27, 8, 100_000


def ours(width: int, batch: int, steps: int, backend: str, depth: int = 2, obs_dim: int = OBS) -> Callable[[], None]:
    """Return a function that takes so many gradient steps on a Gaussian policy."""
    from il.dataset import Dataset
    from il.envs.base import EnvSpec
    from il.fit import Adam, Progress, fit
    from il.policies.gaussian import GaussianPolicy

    rng = np.random.default_rng(0)
    bound = np.ones(ACT, np.float32)
    spec = EnvSpec("benchmark", (obs_dim,), (obs_dim,), False, ACT, -bound, bound, 1000)
    knobs = {"optimizer": "adam", "lr": 1e-3, "weight_decay": 0.0, "batch": batch, "steps": steps, "backend": backend}
    policy = GaussianPolicy(spec, rng, depth, width, "tanh", False, "nll", 0.0, knobs).flatten()
    data = Dataset({"obs": ((obs_dim,), np.float32), "label": ((ACT,), np.float32)}, ROWS, None)
    drawn = {"obs": (ROWS, obs_dim), "label": (ROWS, ACT)}
    data.append("all", {k: rng.standard_normal(s, np.float32) for k, s in drawn.items()}, np.zeros(ROWS, bool))
    adam, count = Adam(policy), iter(range(10**9))
    return lambda: fit(policy, adam, data, 0, (next(count),), Progress()) and None


def eager(width: int, batch: int, steps: int) -> Callable[[], None]:
    """Return a function that does the same with torch's modules and its default Adam."""
    import torch
    from torch import nn

    net = nn.Sequential(
        nn.Linear(OBS, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, ACT)
    )  # fmt: skip
    log_std = nn.Parameter(torch.zeros(ACT))
    optimizer = torch.optim.Adam([*net.parameters(), log_std], lr=1e-3)
    obs, label = torch.randn(ROWS, OBS), torch.randn(ROWS, ACT)

    def run() -> None:
        for _ in range(steps):
            rows = torch.randint(ROWS, (batch,))
            z = (label[rows] - net(obs[rows])) * torch.exp(-log_std)
            loss = (0.5 * z.square().sum(-1) + log_std.sum()).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def gradient_steps(count: int) -> list[Row]:
    """Compare at the sizes of the homework and at larger ones."""
    import torch

    torch.set_num_threads(1)
    out = []
    for width, batch, steps, goal in ((64, 100, 1000, 4.0), (64, 256, 500, None), (256, 256, 200, 1.5)):
        what = f"gradient steps, 2×{width}, batch {batch}"
        runs = {"theirs": eager(width, batch, steps), "auto": ours(width, batch, steps, "auto")}
        runs["autograd"] = ours(width, batch, steps, "autograd")
        spent = {name: [c.cpu / steps * 1e6 for c in costs] for name, costs in turns(runs, count).items()}
        out.append(row(f"{what}: eager with default Adam / ours", spent["theirs"], spent["auto"], goal, "µs"))
        out.append(row(f"{what}: eager / ours by autograd", spent["theirs"], spent["autograd"], None, "µs"))
    return out


def sampling(count: int) -> Row:
    """Pick batches of 100 from a million rows."""
    from il.dataset import Dataset

    size, batches = 1_000_000, 1000
    data = Dataset({"x": ((), np.float32)}, size, None)
    data.append("all", {"x": np.zeros(size, np.float32)}, np.zeros(size, bool))
    rng = np.random.default_rng(0)
    runs = {"permutation": lambda: np.random.permutation(size)[:100], "ours": lambda: data.sample(rng, batches, 100)}
    spent = turns(runs, count)
    theirs, mine = [c.cpu * 1e6 for c in spent["permutation"]], [c.cpu / batches * 1e6 for c in spent["ours"]]
    return row("picking a batch of 100 from 1M rows: permutation / ours", theirs, mine, 300, "µs")


def append(kind: str, total: int, adds: int) -> None:
    """Aggregate Ant rows in this process and print seconds, the worst append and the memory over the payload."""
    from il.dataset import Dataset

    columns = {"obs": ((105,), np.float32), "label": ((8,), np.float32)}
    data, size = Dataset(columns, total, None), total // adds
    rows = {k: np.ones((size, *shape), dtype) for k, (shape, dtype) in columns.items()}
    plain = {k: np.empty((0, *shape), dtype) for k, (shape, dtype) in columns.items()}
    before, took, busy, cpu = _memory("VmRSS"), [], [], time.process_time()
    for k in range(adds):
        start, used = time.perf_counter(), time.process_time()
        if kind == "ours":
            data.append(f"{k}", rows, np.zeros(size, bool))
            data.chunks.clear()  # as the checkpoint of each round does to their content
        else:
            plain = {name: np.concatenate([column, rows[name]]) for name, column in plain.items()}
        took.append(time.perf_counter() - start)
        busy.append(time.process_time() - used)
    cpu = time.process_time() - cpu
    print(sum(took), cpu, max(took), max(busy), (_memory("VmHWM") - before) / (total * 452))


def _memory(what: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(what))


def aggregation(count: int) -> list[Row]:
    """Compare appends, each in a process of its own: a million rows, then ten million of ours alone."""
    figures = {kind: [_appended(kind, 1_000_000, 200) for _ in range(count)] for kind in ("concatenate", "ours")}
    theirs, mine = ([f[1] for f in figures[kind]] for kind in ("concatenate", "ours"))
    out = [row("1M Ant rows in 200 appends, CPU: concatenate / ours", theirs, mine, 8)]
    theirs, mine = ([f[0] for f in figures[kind]] for kind in ("concatenate", "ours"))
    out.append(row("the same, wall", theirs, mine, None))
    for total, adds, all_of_it in ((1, 200, figures["ours"]), (10, 100, [_appended("ours", 10_000_000, 100)])):
        wall, cpu, memory = (max(f[k] for f in all_of_it) for k in (2, 3, 4))
        print(
            f"- {total}M rows, {adds} appends: slowest {wall * 1e3:.0f} ms (at most 200), {cpu * 1e3:.0f} ms of CPU; "
            f"memory {memory:.2f} of the payload (at most 1.3)"
        )
    print(flush=True)
    return out


def _appended(kind: str, total: int, adds: int) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.fits", "append", kind, str(total), str(adds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [float(figure) for figure in done.stdout.split()]


if __name__ == "__main__":
    if sys.argv[1:2] == ["append"]:
        append(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        often = repeats(5)
        show([*gradient_steps(often), sampling(often), *aggregation(min(3, often))])
