"""Whole DAgger jobs, as the homework sets them: ``python -m benchmarks.jobs [--repeats N]``.

Ours against benchmarks/homework.py and against `imitation` 1.0.1 (benchmarks/peer_imitation.py, installed into its
own environment below the user's cache on first use). All start from the same two expert episodes' worth of data, do
9 rounds of 1000 environment steps, 10 000 gradient steps on a 2×64 network in batches of 100, and evaluate 5 episodes
after each round. Ours does more than that: it measures expert and random policy, collects the first data itself, keeps
every record and a checkpoint each round, and scores last and best policy on separate episodes at the end. Ratios are
of CPU-seconds, which company on the machine distorts least.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.measure import Row, Spent, environment, repeats, row, show, spend

SAME = """preset=hw1 logger=none algo.first_steps=2000 eval.episodes=5 eval.stochastic=false test.episodes=1
env.num_threads=1""".split()
"""What makes our job the homework's."""
PEER = """imitation==1.0.1 gymnasium==0.29.1 stable-baselines3==2.2.1 mujoco==3.3.7 numpy<2 datasets==3.6.0
pyarrow==20.0.0 imageio""".split()
OLD = {"HalfCheetah-v5": "HalfCheetah-v4"}
"""What the peer's gymnasium calls the same task."""


def hand_out(env: str, folder: Path) -> None:
    """Write the bundled expert and two of its episodes where the others read them."""
    from il.actors import ExpertActor
    from il.experts.bundled import pretrained
    from il.experts.neutral import MLPExpert, layers
    from il.rollout import Collect, collect

    slots = environment(env, 2, 1)
    expert = pretrained(slots.spec, None)
    assert isinstance(expert, MLPExpert), f"{env}: the programs to compare with take an MLP"
    assert expert.card["activation"] == "tanh" and expert.card["output"] == "clip" and expert.arrays["obs.clip"] == 10
    arrays = {"mean": expert.arrays["obs.mean"], "std": expert.arrays["obs.std"]}
    for k, (weight, bias) in enumerate(layers(expert.arrays, "actor")):
        arrays |= {f"weight{k}": weight, f"bias{k}": bias}
    np.savez(folder / "expert.npz", **arrays)
    data = collect(slots, Collect(ExpertActor(expert), steps=2000), expert, 0, 0)
    np.savez(
        folder / "demonstrations.npz",
        obs=data.obs, act=data.act, reward=data.reward, episode=data.episode, final=data.final_obs,
    )  # fmt: skip


def peer_python() -> Path:
    """Return the interpreter that has `imitation`, installed on first use.

    Raises:
        RuntimeError: when it cannot be installed.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    home = cache / "il" / "benchmarks" / "imitation-1.0.1"
    python = home / "bin" / "python"
    if not (home / "complete").exists():
        print(f"installing imitation 1.0.1 into {home}, some minutes", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        torch = subprocess.run([sys.executable, "-c", "import torch; print(torch.__version__.split('+')[0])"],
                               capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
        done = subprocess.run([python, "-m", "pip", "install", "--quiet", *PEER, f"torch=={torch}"],
                              capture_output=True, text=True)  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"imitation 1.0.1 could not be installed: {done.stderr.strip()[-300:]}")
        (home / "complete").touch()
    return python


def programs(env: str, folder: Path) -> dict[str, Callable[[], Spent]]:
    """Return the runs to compare, by name."""
    hand_out(env, folder)
    name = env.removesuffix("-v5").lower()
    count = iter(range(10_000))
    ours = [sys.executable, "-m", "benchmarks.ours", f"env={name}", *SAME, f"outputs_dir={folder}"]
    found = {
        "ours": lambda: spend([*ours, f"out={next(count)}"]),
        "homework": lambda: spend([sys.executable, "benchmarks/homework.py", env, folder]),
    }
    if env in OLD:
        try:
            python = peer_python()
            found["imitation"] = lambda: spend([python, "benchmarks/peer_imitation.py", OLD[env], folder])
        except (RuntimeError, subprocess.CalledProcessError, OSError) as error:
            print(f"no figures of imitation: {error}\n")
    return found


def compare(env: str, count: int, goals: dict[tuple[str, str], float]) -> list[Row]:
    """Run every program in turn and return the ratios."""
    with tempfile.TemporaryDirectory() as folder:
        runs = programs(env, Path(folder))
        spent: dict[str, list[Spent]] = {name: [] for name in runs}
        for _ in range(count):
            for name, run in runs.items():
                spent[name].append(run())
    for name, all_of_it in spent.items():
        figures = (f"loop {s.said['cpu']:.1f}, process {s.cpu:.1f}, return {s.said['return']:.0f}" for s in all_of_it)
        print(f"- {env}, {name}: CPU-seconds {'; '.join(figures)}")
    print(flush=True)
    out = []
    for peer in [name for name in runs if name != "ours"]:
        for part in ("loop", "process"):
            for clock in ("cpu", "wall"):
                theirs, ours = ([_of(s, part, clock) for s in spent[name]] for name in (peer, "ours"))
                what = f"{env}, {part}, {'CPU-seconds' if clock == 'cpu' else 'wall'}: {peer} / ours"
                out.append(row(what, theirs, ours, goals.get((peer, part)) if clock == "cpu" else None))
    return out


def _of(spent: Spent, part: str, clock: str) -> float:
    return float(spent.said[clock] if part == "loop" else getattr(spent, clock))


def rows(count: int) -> list[Row]:
    """Measure everything."""
    cheetah = {("imitation", "loop"): 12.0, ("homework", "loop"): 4.0, ("homework", "process"): 3.5}
    return compare("HalfCheetah-v5", count, cheetah) + compare("Ant-v5", count, {("homework", "loop"): 1.9})


if __name__ == "__main__":
    show(rows(repeats(5)))
