"""Our slots behave as Stable-Baselines3 expects, and come back to where they were."""

import numpy as np
import pytest

import il.envs
from il.errors import EpisodeError

pytest.importorskip("stable_baselines3")

from stable_baselines3.common.vec_env import VecEnv

from il.training.vecenv import as_vec_env


def slots(id: str, n: int, seed: int = 0, horizon: int | None = None, **kwargs):
    return as_vec_env(il.envs.make(id, n, kwargs, horizon, "auto", 1, None, []), seed)


def test_an_episodes_end_brings_the_true_last_observation_and_the_next_start():
    env = slots("Counter-v0", 3, end=4)
    assert isinstance(env, VecEnv) and env.reset().tolist() == [[0], [0], [0]]
    for t in range(1, 4):
        obs, reward, done, infos = env.step(np.zeros((3, 1), np.float32))
        assert obs.tolist() == [[t]] * 3 and not done.any() and infos == [{}] * 3
    obs, reward, done, infos = env.step(np.zeros((3, 1), np.float32))
    assert obs.tolist() == [[0]] * 3 and done.all() and reward.dtype == np.float32
    assert all(i["terminal_observation"] == [4] and i["TimeLimit.truncated"] is False for i in infos)
    assert env.finished == [(4.0, 4)] * 3


@pytest.mark.parametrize(("end", "only_the_limit"), [(9, False), (6, False), (7, True)])
def test_a_time_limit_is_told_from_an_end(end: int, only_the_limit: bool):
    env = slots("Counter-v0", 1, horizon=6, end=end)
    env.reset()
    for _ in range(6):
        _, _, done, infos = env.step(np.zeros((1, 1), np.float32))
    assert done.all() and infos[0]["TimeLimit.truncated"] == (end > 6)
    assert infos[0]["terminal_observation"] == [6]


def test_episodes_differ_between_slots_and_in_time_and_follow_the_seed():
    def starts(seed):
        env = slots("Hopper-v5", 2, seed, horizon=2)
        out = [env.reset()]
        out += [env.step(np.zeros((2, 3), np.float32))[0] for _ in range(4)][1::2]
        return np.concatenate(out)

    first = starts(0)
    assert len(np.unique(first, axis=0)) == 6
    assert (starts(0) == first).all() and not (starts(1) == first).any()


@pytest.mark.parametrize("id", ["Ant-v5", "CartPole-v1", "BipedalWalker-v3"])
def test_slots_go_on_exactly_from_a_state(id: str):
    if id.startswith("Bipedal"):
        pytest.importorskip("Box2D")
    rng, env = np.random.default_rng(0), slots(id, 3, horizon=70)

    def action():
        if env.env.spec.discrete:
            return rng.integers(env.env.spec.act_dim, size=3)
        return rng.uniform(-1, 1, (3, env.env.spec.act_dim)).astype(np.float32)

    env.reset()
    for _ in range(100):
        env.step(action())
    state, actions = env.state(), [action() for _ in range(90)]
    went_on = [env.step(a) for a in actions]
    other = slots(id, 3, horizon=70)
    other.restore(state)
    finished = len(other.finished)
    for a, (obs, reward, done, infos) in zip(actions, went_on, strict=True):
        again = other.step(a)
        assert (again[0] == obs).all() and (again[1] == reward).all() and (again[2] == done).all()
        assert [i.keys() for i in again[3]] == [i.keys() for i in infos]
    assert finished == 0 and other.finished == env.finished[-len(other.finished) :]


def test_a_broken_slot_is_named():
    env = slots("Counter-v0", 2, fail_at=3)
    env.reset()
    with pytest.raises(
        EpisodeError, match=r"Counter-v0 failed in episode 0 of slot 0 \(reset seed \d+\) at step 3: .*fire"
    ):
        for _ in range(5):
            env.step(np.zeros((2, 1), np.float32))


def test_a_reward_that_is_not_finite_is_named():
    env = slots("Counter-v0", 2, nan_at=2)
    env.reset()
    with pytest.raises(EpisodeError, match=r"episode 0 of slot 0 .* at step 2: .*not finite"):
        for _ in range(5):
            env.step(np.zeros((2, 1), np.float32))
