"""Agents saved by versions of long ago score here what they scored there."""

import subprocess
import sys
from pathlib import Path

import pytest

from il.actors import ExpertActor
from il.envs import make
from il.evaluate import evaluate
from il.experts.sb3 import Sb3Expert
from il.randomness import Purpose

SCORES = {
    ("ppo/CartPole-v1", "CartPole-v1"): (10, 500, 500),
    ("dqn/CartPole-v1", "CartPole-v1"): (10, 500, 500),
    ("sac/Pendulum-v1", "Pendulum-v1"): (20, -250, -100),
    ("ppo/LunarLander-v2", "LunarLander-v3"): (20, 200, 280),
    ("ddpg/LunarLanderContinuous-v2", "LunarLanderContinuous-v3"): (20, 200, 300),
    ("tqc/Hopper-v3", "Hopper-v4"): (20, 3200, 3800),
    ("sac/Hopper-v3", "Hopper-v4"): (10, 1000, 1250),
    ("sac/Walker2d-v3", "Walker2d-v4"): (10, 3500, 4100),
    ("sac/HalfCheetah-v3", "HalfCheetah-v4"): (5, 9200, 9700),
    ("ppo/BipedalWalker-v3", "BipedalWalker-v3"): (20, 150, 300),
    ("ppo/BipedalWalkerHardcore-v3", "BipedalWalkerHardcore-v3"): (10, 30, 250),
    ("a2c/BipedalWalkerHardcore-v3", "BipedalWalkerHardcore-v3"): (10, 20, 250),
}
"""Folder and environment of today: episodes, and the mean return's range."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is out of date")
@pytest.mark.parametrize(("name", "env_id"), SCORES)
def test_zoo_agents_score_what_they_are_known_for(shared, name, env_id):
    if "Lunar" in name or "Bipedal" in name:
        pytest.importorskip("Box2D")
    episodes, low, high = SCORES[name, env_id]
    env = make(env_id, min(episodes, 20), {}, None, "auto", 1, None, [])
    path = shared / "data/zoo" / name / f"{name.split('/')[1]}.zip"
    expert = Sb3Expert(str(path), None, False, "auto", None, spec=env.spec)
    returns = evaluate(env, ExpertActor(expert), episodes, 0, Purpose.EVAL).returns
    env.close()
    assert low <= returns.mean() <= high


def test_a_run_without_such_an_expert_imports_none_of_their_packages(tmp_path):
    root = Path(__file__).parents[2]
    small = "eval.episodes=1 test.episodes=1 eval.stochastic=false policy.fit.steps=20 logger=none".split()
    code = f"""
import runpy, sys
sys.argv[1:] = ["algo=bc", "env=ant", "env.n_envs=2", "out={tmp_path}/run", *{small}]
try:
    runpy.run_path("launch.py", run_name="__main__")
except SystemExit as end:
    code = end.code
print(code, sorted({{"stable_baselines3", "sb3_contrib", "jax", "huggingface_hub"}} & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == "0 []", result.stderr
