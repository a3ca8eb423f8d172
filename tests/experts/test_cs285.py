"""The course's Ant expert, which knows 27 of Ant-v5's 105 observations."""

import re

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from il.actors import ExpertActor
from il.config import build, register
from il.errors import ConfigError
from il.evaluate import evaluate
from il.randomness import Purpose
from tests.conftest import ROOT


def parts(shared, *overrides):
    register()
    path = shared / "data/cs285/experts/Ant.pkl"
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("config", ["env=ant", "env.n_envs=6", "expert=cs285", f"expert.path={path}", *overrides])
    env = build(cfg.env, "env")
    return env, build(cfg.expert, "expert")(spec=env.spec)


def test_it_is_refused_with_a_hint_and_both_ways_of_the_hint_work_as_typed(shared):
    with pytest.raises(ConfigError, match="takes 27 observations, but Ant-v5 gives 105") as refused:
        parts(shared)
    hints = re.findall(r"\+?env\.[^ ,]*=(?:\[[^\]]*\]|\w+)", str(refused.value))
    assert [hint.partition("=")[0] for hint in hints] == [
        "env.expert_view",
        "+env.kwargs.include_cfrc_ext_in_observation",
    ]
    returns = []
    for hint in hints:
        env, expert = parts(shared, hint)
        returns.append(evaluate(env, ExpertActor(expert), 6, 0, Purpose.EVAL).returns)
    assert returns[0].mean() >= 4500
    assert returns[0].tolist() == returns[1].tolist()  # it sees the same 27 numbers


def test_the_humanoid_that_falls_at_once_is_refused_for_its_measured_return(shared, run):
    path = shared / "data/cs285/experts/Humanoid.pkl"
    with pytest.raises(ConfigError, match=r"Humanoid\.pkl measures \d+ on Humanoid-v4, .* it is no expert here"):
        run("env=gym", "env.id=Humanoid-v4", "algo=bc", "expert=cs285", f"expert.path={path}", "eval.episodes=10")


def test_it_labels_what_the_learner_sees_more_of(shared, run):
    """Two rounds of DAgger: the learner's policy reads 105 numbers, the labels come from 27."""
    path = run(
        "env=ant", "env.expert_view=[0,27]", "expert=cs285", f"expert.path={shared / 'data/cs285/experts/Ant.pkl'}",
        "algo=dagger", "algo.rounds=2", "env.horizon=60", "algo.first_steps=120", "algo.steps=120",
        "trainer.expert_tolerance=0",
    )  # fmt: skip
    _, expert = parts(shared, "env.expert_view=[0,27]")
    with np.load(path / "data" / "round_0001.npz") as stored:
        obs, label = stored["obs"], stored["label"]
    assert obs.shape[1] == 105
    np.testing.assert_allclose(expert.act(obs[:, :27]), label, rtol=1e-4, atol=1e-4)
