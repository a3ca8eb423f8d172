"""Planners as experts: what they score, how fast they label, and what their students learn.

    python -m results.planners

Writes results/planners.md after every row. What is finished is not done again.
"""

import json
import time
from typing import Any

import numpy as np
import yaml

from il.actors import ExpertActor, View
from il.config import locate
from il.envs import make
from il.evaluate import evaluate
from il.randomness import Purpose
from results.runs import ROOT, cell, finished

SCORES = (
    ("cartpole", "lqr", {}, 10, "500 in each"),
    ("inverted_pendulum", "lqr", {}, 10, "1000 in each"),
    ("inverted_double_pendulum", "lqr", {}, 10, "≥ 9350 in each"),
    ("reacher", "ilqr", {}, 20, "mean ≥ -3.6"),
    ("pendulum", "cem", {}, 32, "within 3 of the next line"),
    ("pendulum", "cem", {"horizon": 30, "samples": 50, "iterations": 3}, 32, ""),
    (
        "halfcheetah",
        "cem",
        {"horizon": 25, "iterations": 3, "beta": 0.25, "sigma": 0.5, "momentum": 0.0, "answer": "mean"},
        5,
        "median ≥ 4000",
    ),
)
"""Environment, planner, knobs that differ from its file's, episodes, what it should reach."""
BC, DAGGER = "algo=bc algo.first_steps={}", "algo=dagger algo.first_steps=1000 algo.rounds={} algo.beta=linear:4"
FEW = {"bc-1": BC.format(1000), "bc-4": BC.format(4000), "dagger-4": DAGGER.format(4)}
STUDENTS = {
    "reacher": ("ilqr", {**FEW, "dagger-8": DAGGER.format(8)}),
    "pendulum": ("cem", {**FEW, "bc-16": BC.format(16000), "dagger-16": DAGGER.format(16)}),
}
"""Environment: planner, and methods by the names that their runs get."""
KNOBS = "policy=deterministic policy.width=256 policy.activation=relu policy.fit.lr=3e-4 policy.fit.steps=8000"
SEEDS = (6, 7, 8, 9, 10)
"""The knobs were chosen on seeds 1 to 3."""
COMMAND = (
    "python launch.py env={env} expert={expert} {method} {knobs} seed={seed} eval.episodes=4 eval.every=4 "
    "eval.stochastic=false test.episodes=20 env.num_threads=1 logger=none out=results/planners/{env}-{name}-{seed}"
)


class TimedExpert(ExpertActor):
    """Counts its answers and the CPU time that they take, snapshots included."""

    labels, seconds = 0, 0.0

    def act(self, view: View, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Actor.act`."""
        start = time.process_time()
        out = super().act(view, t)
        self.seconds += time.process_time() - start
        self.labels += len(t)
        return out


def score(env: str, expert: str, knobs: dict[str, Any], episodes: int) -> dict[str, Any]:
    """Let a planner drive test episodes, unless that has been done; return what came out and what it took."""
    path = ROOT / "outputs/results/planners" / f"{'-'.join([env, expert, *(str(v) for v in knobs.values())])}.json"
    if not path.exists():
        chosen = {**yaml.safe_load((ROOT / f"conf/expert/{expert}.yaml").read_text()), **knobs}
        id = yaml.safe_load((ROOT / f"conf/env/{env}.yaml").read_text())["id"]
        playground = make(id, episodes, {}, None, "auto", 1, None, [])
        kind = locate(chosen["_target_"], "results")
        planner = kind(playground.spec, **{k: v for k, v in chosen.items() if not k.startswith("_")})
        driver = TimedExpert(planner)
        returns = evaluate(playground, driver, episodes, 0, Purpose.TEST).returns
        found = {"returns": returns.tolist(), "rate": driver.labels / driver.seconds, "step": step_time(id)}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found))
    figures: dict[str, Any] = json.loads(path.read_text())
    return figures


def step_time(id: str) -> float:
    """Return the CPU time of one environment step, of 128 at a time, in microseconds: how busy the machine is."""
    env, ids = make(id, 128, {}, None, "auto", 1, None, []), np.arange(128)
    env.reset(ids, ids.tolist())
    start, count = time.process_time(), 20
    for _ in range(count):
        spec = env.spec
        env.step(np.zeros((128, *spec.act_shape), spec.act_dtype), ids)
    return (time.process_time() - start) / count / 128 * 1e6


def scores() -> list[str]:
    """Return the first table's rows."""
    rows = []
    for env, expert, knobs, episodes, goal in SCORES:
        found = score(env, expert, knobs, episodes)
        r = np.array(found["returns"])
        name = " ".join([expert, *(f"{k}={v}" for k, v in knobs.items())])
        figures = " | ".join(f"{x:.2f}" for x in (r.mean(), np.median(r), r.min(), r.max()))
        rows.append(f"| {env} | {name} | {episodes} | {figures} | {goal} | {found['rate']:.0f} | {found['step']:.1f} |")
        write(rows, [])
    return rows


def students(before: list[str]) -> None:
    """Make the second table's rows."""
    rows: list[str] = []
    for env, (expert, methods) in STUDENTS.items():
        for name, method in methods.items():
            runs = [
                finished(COMMAND.format(env=env, expert=expert, method=method, knobs=KNOBS, seed=seed, name=name))
                for seed in SEEDS
            ]
            last, planner = ([run[f"test/{who}/return_mean"] for run in runs] for who in ("last", "expert"))
            apart = [np.subtract(run["test/last/returns"], run["test/expert/returns"]) for run in runs]
            labels = np.mean([run["expert_labels"] for run in runs])
            each = ", ".join(f"{x:.2f}" for x in last)
            what = f"{env} | {expert} | `{method}`"
            rows.append(
                f"| {what} | {labels:.0f} | {cell(last, 2)} | {each} | {planner[0]:.2f} | {np.median(apart):.2f} |"
            )
            write(before, rows)


def write(first: list[str], second: list[str]) -> None:
    """Write what there is."""
    example = COMMAND.format(env="ENV", expert="PLANNER", method="METHOD", knobs="KNOBS", seed="6|…|10", name="NAME")
    lines = [
        "# Planners as experts",
        "",
        "Made by `python -m results.planners`. Nobody trained these experts: they derive or search their actions in",
        "the run's own simulator, with its own rewards.",
        "",
        "## Driving",
        "",
        "Returns over test episodes, with the knobs of `conf/expert/PLANNER.yaml` but for those named. Labels per",
        "CPU-second of one core, on a machine that others shared; the last column tells how fast it was just then: CPU",
        "time of one step of the environment, 128 at a time. A HalfCheetah that tips over goes on on its back and does",
        "not get up again: hence two groups of returns.",
        "",
        "| environment | planner | episodes | mean | median | min | max | should be | labels/s | step, µs |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *first,
        "",
        "## Students",
        "",
        f"`{example}`",
        "",
        f"with METHOD as in the table and KNOBS `{KNOBS}`.",
        "",
        "Return of the last policy over 20 test episodes: mean of 5 seeds and its 95 % t-interval, each seed, the",
        "planner's own on the same episodes, and how far the student is ahead in the median episode of all seeds.",
        "KNOBS and β were chosen on seeds 1 to 3. Pendulum's students swing up like the planner in most episodes; in",
        "one or two of 20 they need one swing more, which costs 125.",
        "",
        "| environment | planner | method | labels | student | each seed | planner | median ahead |",
        "|---|---|---|---|---|---|---|---|",
        *second,
    ]
    (ROOT / "results" / "planners.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    students(scores())
