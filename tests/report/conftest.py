"""A generator of sweeps as the runner would have left them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

EXPERT, RANDOM = 100.0, 0.0


def write_run(
    path: Path,
    returns: list[float],
    final: float | None = None,
    status: str = "ok",
    seed: int = 1,
    env: str = "Ant-v5",
    algo: str = "dagger",
    config: dict[str, dict[str, Any]] | None = None,
    steps: int = 1000,
    error: str | None = None,
    rounds: list[int] | None = None,
) -> Path:
    """Write the directory of one run.

    Args:
        path: the directory.
        returns: `eval/return_mean` of each round.
        final: mean test return of the last policy, by default the last of `returns`.
        status: as in run.json.
        seed: the run's seed.
        env: id of the environment.
        algo: name of the algorithm.
        config: further keys of each group, such as ``{"algo": {"beta": 0.5}}``.
        steps: environment steps of each round.
        error: last line of a traceback.
        rounds: their numbers, by default 0, 1, 2, …
    """
    path.mkdir(parents=True)
    groups = {
        "env": {"_target_": "il.envs.make", "id": env, "kwargs": {}, "n_envs": 8},
        "expert": {"_target_": "il.experts.pretrained.load", "_partial_": True},
        "algo": {"_target_": "il.algos.dagger.DAgger", "_partial_": True, "rounds": 1 if algo == "bc" else 10},
        "policy": {"_target_": "il.policies.auto.auto", "_partial_": True, "depth": 2, "fit": {"lr": 0.005}},
        "logger": {"wandb": {"project": path.name}},
    }
    for name, more in (config or {}).items():
        groups[name] = {**groups.get(name, {}), **more}
    (path / "config.yaml").write_text(yaml.safe_dump({"seed": seed, "out": str(path), **groups}, sort_keys=False))
    overrides = [f"env={env}", f"algo={algo}", f"seed={seed}"]
    (path / "overrides.yaml").write_text(yaml.safe_dump(overrides))
    record = {
        "id": path.name, "name": path.name, "group": f"{env}-{algo}", "status": status, "error": error,
        "choices": {"env": env.lower(), "expert": "pretrained", "algo": algo, "policy": "auto", "preset": None},
        "git": {"sha": "0123456789abcdef", "dirty": False}, "versions": {"python": "3.11.7", "torch": "2.13.0"},
        "host": "node1", "command": ["python", "launch.py", *overrides], "start": 1.0 + seed, "end": 2.0 + seed,
        "config_hash": path.name, "attempts": 1,
    }  # fmt: skip
    (path / "run.json").write_text(json.dumps(record))
    numbers = rounds if rounds is not None else range(len(returns))
    rows = [
        {
            "round": n, "env_steps": (n + 1) * steps, "expert_labels": (n + 1) * steps, "eval/return_mean": value,
            "expert/return_mean": EXPERT, "random/return_mean": RANDOM,
        }
        for n, value in zip(numbers, returns, strict=True)
    ]  # fmt: skip
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if status == "ok":
        value = returns[-1] if final is None else final
        summary = {
            "test/last/return_mean": value, "test/last/normalized": (value - RANDOM) / (EXPERT - RANDOM),
            "test/best/return_mean": max([value, *returns]), "test/last/returns": [value] * 10,
            "test/expert/return_mean": EXPERT, "test/random/return_mean": RANDOM,
            "expert_labels": len(returns) * steps, "env_steps": len(returns) * steps,
        }  # fmt: skip
        (path / "summary.json").write_text(json.dumps(summary))
    if status == "failed":
        (path / "traceback.txt").write_text(f"Traceback (most recent call last):\n{error}\n")
    return path


@pytest.fixture
def make_run() -> Callable[..., Path]:
    """Give tests `write_run`."""
    return write_run


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two environments × (cloning, DAgger with three β) × five seeds, with made-up learning curves."""
    rng = np.random.default_rng(0)
    for env, hard in (("Ant-v5", 1.0), ("Hopper-v5", 2.0)):
        for algo, beta in (("bc", None), ("dagger", 0.0), ("dagger", 0.5), ("dagger", 1.0)):
            for seed in range(1, 6):
                gain = 40 - 25 * (beta or 0)
                curve = 100 - (40 * hard) * np.exp(-np.arange(1 if beta is None else 10) * gain / 100)
                curve = curve + rng.normal(0, 4, len(curve))
                write_run(
                    tmp_path / f"sweep/env={env},algo={algo},beta={beta},seed={seed}",
                    curve.tolist(),
                    final=float(curve[-1] + rng.normal(0, 1)),
                    seed=seed,
                    env=env,
                    algo=algo,
                    config={} if beta is None else {"algo": {"beta": beta}},
                )
    return tmp_path / "sweep"
