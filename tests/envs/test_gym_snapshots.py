import numpy as np
import pytest

from il.envs.gym import GymVectorEnv

TASKS = ["CartPole-v1", "Pendulum-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0"]


def actions(env, rng, count):
    spec = env.spec
    return rng.integers(spec.act_dim, size=count) if spec.discrete else rng.uniform(-1, 1, (count, spec.act_dim))


def play(env, slot, plan):
    """Return observations, rewards and ends of some actions in one slot."""
    ids, out = np.array([slot]), []
    for action in plan:
        out.append((*(x[0] for x in env.step(np.array([action]), ids)), env.obs[slot].tobytes()))
    return out


@pytest.mark.parametrize("id", TASKS)
def test_what_follows_a_restore_equals_the_original(id):
    """Also in a slot, or another vector, that has played something else or nothing; the time limit counts on."""
    rng = np.random.default_rng(0)
    env = GymVectorEnv(id, 3, {}, 25, None, [])
    assert env.spec.snapshots
    env.reset(np.array([0, 1]), [3, 4])
    plan = actions(env, rng, 18)
    play(env, 0, plan[:6]), play(env, 1, plan[:3])
    state = env.snapshot(np.array([0]))
    seen = env.obs[0].copy()
    original = play(env, 0, plan[6:])
    other = GymVectorEnv(id, 2, {}, 25, None, [])
    for where, slot in ((env, 0), (env, 1), (env, 2), (other, 1)):
        where.restore(np.array([slot]), state)
        np.testing.assert_array_equal(where.obs[slot], seen)
        assert play(where, slot, plan[6:]) == original


def test_time_limit_is_part_of_the_state():
    env = GymVectorEnv("Pendulum-v1", 2, {}, 10, None, [])
    env.reset(np.array([0]), [0])
    play(env, 0, np.zeros((7, 1)))
    env.restore(np.array([1]), env.snapshot(np.array([0])))
    assert [end[2] for end in play(env, 1, np.zeros((3, 1)))] == [False, False, True]


def test_others_say_that_they_cannot():
    env = GymVectorEnv("Hopper-v5", 1, {}, None, None, [])
    assert not env.spec.snapshots
