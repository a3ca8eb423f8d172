"""Every algorithm goes on after a stop as if there had been none, though data were collected ahead of it."""

import json

import numpy as np
import pytest

from il.state import load_tree
from tests.conftest import rows

SMALL = (
    "env.n_envs=16 env.horizon=60 trainer.expert_tolerance=0 eval.episodes=2 test.episodes=2 policy.fit.steps=30 "
    "algo.steps=100 algo.first_steps=100"
).split()
CRITIC = ["algo.critic.fit.steps=20", "algo.critic.passes=2"]
ALGOS = {
    "bc": ["algo.rounds=1"],
    "dagger": ["algo.beta=linear"],
    "switch_dagger": [],
    "switch_dagger aggregate": ["algo.aggregate=true", "algo.fresh=false", "algo.sample=true"],
    "smile": ["algo.alpha=0.4"],
    "smile continuous": ["env=pendulum", "algo.alpha=0.4"],
    "forward": ["algo.block=15"],
    "searn": ["algo.states=20"],
    "aggrevate": ["algo.latest=10"],
    "aggrevated exact": ["expert.critic=fit", "algo.critic.steps=300", "algo.critic.prefix=20", *CRITIC],
    "aggrevated executed adam cold": [
        *["expert.critic=fit", "algo.critic.steps=300", "algo.critic.prefix=20", *CRITIC],
        *["algo.estimator=executed", "algo.alpha=0.3", "algo.natural=false", "algo.warm=false"],
        "policy.normalize=false",
    ],
    "aggrevated score": ["env=hopper", "expert.name=hopper_v5_half", "algo.alpha=linear"],
    "aggrevated reparam adam": [
        *["env=hopper", "expert.name=hopper_v5_half", "algo.estimator=reparam", "algo.natural=false"],
    ],
}


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
def test_stopping_and_going_on_changes_nothing(run, case):
    knobs = [f"algo={case.split()[0]}", "algo.rounds=4", *SMALL, *ALGOS[case]]
    straight = run(*knobs, out="straight")
    stopped = run(*knobs, "budget.rounds=2", out="stopped")
    written = {p: p.stat().st_mtime_ns for p in stopped.glob("policies/*")}
    run(*knobs, out="stopped")
    assert len(rows(straight)) == (1 if case == "bc" else 4)
    assert rows(stopped) == rows(straight)
    assert final_state(stopped) == final_state(straight)
    results = [json.loads((path / "summary.json").read_text()) for path in (stopped, straight)]
    assert results[0] == results[1]
    assert written == {p: p.stat().st_mtime_ns for p in written}, "what will not change is written once"
