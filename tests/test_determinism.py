"""The same configuration gives the same run, wherever and beside whatever it runs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import rows, weights

HOPPER = ("env=hopper", "algo.rounds=2", "algo.first_steps=300", "algo.beta=exponential:0.5", "eval.episodes=2")


def test_twice_the_same_and_another_seed_another(run: Callable[..., Path]) -> None:
    one, two, other = run(*HOPPER, out="1"), run(*HOPPER, out="2"), run(*HOPPER, "seed=1", out="3")
    assert rows(one) == rows(two) and weights(one) == weights(two)
    assert rows(one) != rows(other) and weights(one) != weights(other)
    expert = [
        {k: row[k] for k in ("expert/return_mean", "random/return_mean")} for row in (rows(one)[0], rows(other)[0])
    ]
    assert expert[0] == expert[1]  # baselines do not depend on the run's seed


@pytest.mark.parametrize("knob", ["env.backend=gymnasium", "env.num_threads=2"])
def test_backends_and_threads_change_nothing(run: Callable[..., Path], knob: str) -> None:
    assert rows(run(*HOPPER, out="1")) == rows(run(*HOPPER, knob, out="2"))


def test_the_number_of_slots_changes_only_rounding(run: Callable[..., Path]) -> None:
    stored = []
    for n in (1, 8):
        with np.load(run(*HOPPER, f"env.n_envs={n}", out=f"{n}") / "data" / "round_0000.npz") as data:
            stored.append(data["obs"])
    assert np.abs(stored[0][:20] - stored[1][:20]).max() < 1e-5
