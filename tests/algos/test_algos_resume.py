"""Every algorithm goes on after a stop as if there had been none."""

import json

import numpy as np
import pytest

from il.state import load_tree

ALGOS = {
    "bc": [],
    "dagger": ["algo.beta=linear"],
    "switch_dagger": [],
    "switch_dagger aggregate": ["algo.aggregate=true", "algo.fresh=false", "algo.sample=true"],
    "smile": ["algo.alpha=0.4"],
    "forward": ["algo.block=15"],
    "smile continuous": ["env=pendulum", "env.horizon=40", "algo.alpha=0.4"],
}


def record(path):
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if not k.startswith(("time/", "rate/"))} for row in rows]


def content(node):
    """Return a state tree with every array in memory."""
    if hasattr(node, "load"):
        return content(node.load())
    if isinstance(node, dict):
        return {k: content(v) for k, v in node.items()}
    if isinstance(node, list):
        return [content(v) for v in node]
    return node.tobytes() if isinstance(node, np.ndarray) else node


def final_state(path):
    folder = path / "checkpoints" / (path / "checkpoints/latest").read_text()
    return {k: v for k, v in content(load_tree(folder, path)).items() if k != "metrics_bytes"}


@pytest.mark.parametrize("case", ALGOS)
def test_stopping_and_going_on_changes_nothing(launch, case):
    rounds = 1 if case == "bc" else 4
    knobs = [f"algo={case.split()[0]}", "algo.steps=100", f"algo.rounds={rounds}", *ALGOS[case]]
    straight = launch("straight", *knobs)
    stopped = launch("stopped", *knobs, "budget.rounds=2")
    written = {p: p.stat().st_mtime_ns for p in stopped.glob("policies/*")}
    launch("stopped", *knobs)
    assert len(record(straight)) == rounds
    assert record(stopped) == record(straight)
    assert final_state(stopped) == final_state(straight)
    results = [json.loads((path / "summary.json").read_text()) for path in (stopped, straight)]
    assert results[0] == results[1]
    assert written == {p: p.stat().st_mtime_ns for p in written}
