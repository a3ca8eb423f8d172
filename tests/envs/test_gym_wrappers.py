"""Wrappers by dotted path, and the environments that are refused."""

import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from il.envs import make
from il.envs.gym import GymVectorEnv
from il.errors import ConfigError

ROOT = Path(__file__).parents[2]
W = "gymnasium.wrappers."


class Old(gymnasium.Env):
    """The interface before gymnasium 0.26; `seeded` had its reset take a seed and return an info already."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self):
        return np.zeros(2, np.float32)

    def step(self, action):
        return np.zeros(2, np.float32), 0.0, False, {}


class HalfOld(Old):
    def reset(self, *, seed=None, options=None):
        return np.zeros(2, np.float32), {}


class Unseeded(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.random.default_rng().normal(size=1).astype(np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), 0.0, False, False, {}


class NoGym:
    pass


for kind in (Old, HalfOld, Unseeded, NoGym):
    gymnasium.register(f"{kind.__name__}-v0", kind, max_episode_steps=5)
gymnasium.register(
    "Normalized-v0", lambda: gymnasium.wrappers.NormalizeReward(gymnasium.make("CartPole-v1")), max_episode_steps=9
)


def wrapped(id, *wrappers, backend="auto", n=2):
    return make(id, n, {}, None, backend, 1, None, wrappers)


def test_every_slot_is_wrapped_the_first_innermost():
    frames = {W + "FrameStackObservation": {"stack_size": 3}}
    env = wrapped("Pendulum-v1", W + "TimeAwareObservation", frames, {W + "FlattenObservation": None})
    assert env.spec.obs_shape == (12,)
    env.reset(np.arange(2), [4, 5])
    env.step(np.zeros((2, 1), np.float32), np.arange(2))
    alone = gymnasium.make("Pendulum-v1")
    alone.reset(seed=5)
    expected = alone.step(np.zeros(1, np.float32))[0]
    assert np.array_equal(env.obs[1, -4:], [*expected, 1])


def test_the_action_bounds_are_the_wrapped_ones():
    env = wrapped("Pendulum-v1", {W + "RescaleAction": {"min_action": -0.5, "max_action": 0.5}})
    assert env.spec.low == -0.5 and env.spec.high == 0.5
    other = wrapped("Pendulum-v1")
    for e, act in ((env, 9), (other, 2)):  # clipped to the bound, which means the same torque
        e.reset(np.arange(2), [4, 5])
        e.step(np.full((2, 1), act, np.float32), np.arange(2))
    np.testing.assert_allclose(env.obs, other.obs, rtol=1e-6)


def test_the_batched_stepper_gives_way_or_says_so(capsys):
    assert isinstance(wrapped("Reacher-v5", W + "FlattenObservation"), GymVectorEnv)
    assert "stepped by gymnasium: the batched stepper takes no env.wrappers" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"env\.backend=batched: the batched stepper takes no env.wrappers"):
        wrapped("Reacher-v5", W + "FlattenObservation", backend="batched")


@pytest.mark.parametrize("name", ["NormalizeObservation", "NormalizeReward"])
def test_state_that_outlives_a_reset_is_refused(name):
    with pytest.raises(ConfigError, match=f"wrapper {name} around CartPole-v1 carries state"):
        wrapped("CartPole-v1", W + "RecordEpisodeStatistics", W + name, W + "FlattenObservation")


def test_that_holds_for_wrappers_registered_under_an_id():
    with pytest.raises(ConfigError, match="wrapper NormalizeReward around Normalized-v0 carries state"):
        wrapped("Normalized-v0")


@pytest.mark.parametrize("name", ["RecordEpisodeStatistics", "TimeAwareObservation", "ClipAction"])
def test_state_that_a_reset_clears_is_fine(name):
    wrapped("Pendulum-v1", W + name)


def test_an_environment_without_a_seed_is_only_remarked_upon(capsys):
    wrapped("Unseeded-v0")
    assert "Unseeded-v0 does not repeat itself" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("id", "wrappers", "message"),
    [
        ("Old-v0", [], r"Old-v0 \(Old\) has the interface from before gymnasium 0.26"),
        ("HalfOld-v0", [], r"HalfOld-v0 \(HalfOld\) has the interface from before gymnasium 0.26"),
        ("NoGym-v0", [], "env.id=NoGym-v0: .*must inherit from the gymnasium.Env"),
        ("CartPole-v1", [W + "FlattenObservations"], "did you mean 'FlattenObservation'"),
        ("CartPole-v1", ["no.such.Wrapper"], "cannot be imported"),
        ("CartPole-v1", ["gymnasium.spaces.Box"], "no subclass of gymnasium.Wrapper"),
        ("CartPole-v1", [{W + "FrameStackObservation": {"size": 3}}], "FrameStackObservation .* not fit: .*'size'"),
        ("CartPole-v1", [W + "ClipAction"], "ClipAction .* does not fit"),
        ("CartPole-v1", [3], "3 is no wrapper"),
        ("CartPole-v1", [{"a": {}, "b": {}}], "is no wrapper; give dotted paths"),
    ],
)
def test_errors_name_the_value(id, wrappers, message):
    with pytest.raises(ConfigError, match=message):
        wrapped(id, *wrappers)


@pytest.mark.parametrize("id", ["BipedalWalker-v3", "LunarLander-v3"])
def test_box2d_episodes_do_not_depend_on_those_before(id):
    """BipedalWalker's seeds 2 and 4 differ in gymnasium itself, after other episodes in the same world."""
    pytest.importorskip("Box2D")
    env, fresh = wrapped(id, n=1), wrapped(id, n=1)
    slot = np.array([0])

    def play(env, seed):
        rng, seen = np.random.default_rng(seed + 99), []
        env.reset(slot, [seed])
        for _ in range(300):
            act = rng.integers(4, size=1) if env.spec.discrete else rng.uniform(-1, 1, (1, 4)).astype(np.float32)
            _, terminated, _ = env.step(act, slot)
            seen.append(env.obs.copy())
            if terminated[0]:
                break
        return np.concatenate(seen)

    for seed in (0, 1, 3):
        play(env, seed)
    for seed in (2, 4):
        np.testing.assert_array_equal(play(env, seed), play(fresh, seed))


def test_without_box2d_one_line_says_what_to_install(tmp_path):
    code = f"""
import runpy, sys
sys.modules["Box2D"] = None
sys.argv[1:] = ["env=lunar_lander", "logger=none", "outputs_dir={tmp_path}/out"]
runpy.run_path("launch.py", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last == "error: env LunarLander-v3 needs a simulator that is not installed: pip install 'il[box2d]'"
    assert not list(tmp_path.iterdir())
