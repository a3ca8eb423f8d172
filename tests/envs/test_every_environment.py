"""Every named environment runs cloning and DAgger for two rounds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT, rows

NAMES = sorted(path.stem for path in (ROOT / "conf" / "env").glob("*.yaml") if path.stem != "gym")
WITHOUT = {
    "humanoid",
    "bipedal_walker_hardcore",
    "ant_v4",
    "halfcheetah_v4",
    "hopper_v4",
    "walker2d_v4",
}
"""No expert ships for these; an idle one stands in."""
SIZES = {348: 17, 24: 4, 27: 8, 17: 6, 11: 3}
"""Their action sizes by observation size."""


def idle(obs: np.ndarray) -> np.ndarray:
    """Do nothing, with as many numbers as the environment takes."""
    return np.zeros((len(obs), SIZES[obs.shape[1]]), np.float32)


@pytest.mark.parametrize("algo", ["bc", "dagger"])
@pytest.mark.parametrize("name", NAMES)
def test_two_rounds(run: Callable[..., Path], name: str, algo: str) -> None:
    tiny = "env.n_envs=2 env.horizon=30 algo.first_steps=40 algo.steps=40 policy.fit.steps=20 eval.episodes=1".split()
    expert = ["expert=callable", f"expert.path={__name__}.idle"] if name in WITHOUT else []
    path = run(f"algo={algo}", f"env={name}", "algo.rounds=2", *tiny, *expert, "trainer.expert_tolerance=0")
    record = rows(path)
    assert len(record) == 2
    assert all(np.isfinite(row["eval/return_mean"]) for row in record)
