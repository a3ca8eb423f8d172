"""Any gymnasium environment as slots."""

import gymnasium
import numpy as np
import pytest

from il.envs import make
from il.errors import ConfigError


def test_slots_equal_gymnasium_and_step_alone():
    env = make("Pendulum-v1", 3, {"g": 5.0}, 50, "gymnasium", 1, None, [])
    twin = gymnasium.make("Pendulum-v1", g=5.0)
    env.reset(np.arange(3), [7, 8, 9])
    obs, _ = twin.reset(seed=8)
    assert np.array_equal(env.obs[1], obs)
    before = env.obs[[0, 2]].copy()
    for _ in range(5):
        reward, terminated, truncated = env.step(np.array([[9.0]], np.float32), np.array([1]))
        obs, expected, *_ = twin.step(np.array([2.0], np.float32))  # 9 is clipped to the bound
    assert np.array_equal(env.obs[1], obs) and reward[0] == expected
    assert np.array_equal(env.obs[[0, 2]], before)


def test_the_time_limit_can_be_set():
    env = make("CartPole-v1", 1, {}, 3, "gymnasium", 1, None, [])
    env.reset(np.array([0]), [0])
    flags = [env.step(np.array([k % 2]), np.array([0]))[2][0] for k in range(3)]
    assert flags == [False, False, True] and env.spec.horizon == 3


def test_the_experts_view_is_a_slice_or_a_function():
    env = make("Pendulum-v1", 1, {}, None, "gymnasium", 1, [0, 2], [])
    env.reset(np.array([0]), [1])
    assert env.spec.expert_obs_shape == (2,) and np.array_equal(env.expert_obs, env.obs[:, :2])
    env = make("Pendulum-v1", 1, {}, None, "gymnasium", 1, "numpy.negative", [])
    env.reset(np.array([0]), [1])
    assert np.array_equal(env.expert_obs, -env.obs)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("Pendullum-v1", 1, {}, None, "auto", 1, None, []), "Pendullum"),
        (("Pendulum-v1", 1, {"h": 1}, None, "auto", 1, None, []), "env.kwargs"),
        (("Pendulum-v1", 0, {}, None, "auto", 1, None, []), "env.n_envs=0"),
        (("Pendulum-v1", 1, {}, 0, "auto", 1, None, []), "env.horizon=0"),
        (("Pendulum-v1", 1, {}, None, "batch", 1, None, []), "did you mean 'batched'"),
        (("Pendulum-v1", 1, {}, None, "batched", 1, None, []), "env.backend=batched"),
        (("FrozenLake-v1", 1, {}, None, "auto", 1, None, []), "Discrete"),
    ],
)
def test_errors_name_the_value(args, message):
    with pytest.raises(ConfigError, match=message):
        make(*args)
