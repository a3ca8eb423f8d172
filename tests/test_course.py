"""The homework's own result on one of its tasks; results/course.md has all of them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import rows


@pytest.mark.slow
def test_cloning_fails_on_hopper_and_dagger_equals_the_expert(run: Callable[..., Path], shared: Path) -> None:
    course = shared / "data/cs285"
    path = run(
        *"preset=hw1 policy=gaussian env=hopper_v4 env.n_envs=32 expert=cs285 algo.rounds=10 seed=1".split(),
        *"algo.steps=1000 policy.fit.steps=1000 eval.episodes=10 eval.stochastic=false test.episodes=10".split(),
        f"expert.path={course}/experts/Hopper.pkl",
        f"expert.demonstrations={course}/expert_data/expert_data_Hopper-v4.pkl",
    )
    cloned = rows(path)[0]
    summary = json.loads((path / "summary.json").read_text())
    assert cloned["expert_labels"] == 2000
    assert cloned["eval/return_mean"] < 0.5 * cloned["expert/return_mean"]
    expert = summary["test/expert/return_mean"]
    assert summary["test/best/return_mean"] >= 0.97 * expert
    assert summary["test/last/return_mean"] >= 0.9 * expert, "the last iterate of a constant step size is noisy"
    assert summary["expert_labels"] < 15_000
