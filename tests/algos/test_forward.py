import numpy as np
import pytest

from il.algos.forward import Forward
from il.errors import ConfigError
from il.rollout import Collect, collect
from tests.algos.tabular import Tabular, TabularExpert, World, corridor

KNOBS = {"rounds": None, "first_steps": None, "fresh": False, "sample": False}


@pytest.fixture
def ring():
    """Five states in a ring, left or right; the expert's action depends on the time, which the learner cannot see."""
    states, horizon = np.arange(5), 6
    env = Tabular(np.stack([(states - 1) % 5, (states + 1) % 5], 1), np.zeros((5, 2)), starts=[0, 2], horizon=horizon)
    return World(env, TabularExpert(np.random.default_rng(1).integers(0, 2, (horizon, 5))))


def trained(world, **knobs):
    algo = Forward(world.setup, **{**KNOBS, **knobs})
    return algo, [world.play_round(algo, n)[0] for n in range(algo.rounds)]


def test_recovers_a_time_dependent_expert_exactly(ring):
    algo, rollouts = trained(ring, steps=40, block=1)
    assert algo.rounds == 6
    for t, rollout in enumerate(rollouts):
        assert len(rollout) == 40 and (rollout.t == t).all(), "one row an episode, of step t alone"
        assert rollout.env_steps == 40 * (t + 1)
    played = collect(ring.env, Collect(algo.result(6, False), episodes=100), ring.expert, 9, 0)
    np.testing.assert_array_equal(played.act, played.label)
    assert (played.who == played.t + 1).all()


def test_one_stationary_policy_could_not(ring):
    algo, _ = trained(ring, steps=40, block=6)
    played = collect(ring.env, Collect(algo.result(1, False), episodes=100), ring.expert, 9, 0)
    assert (played.act != played.label).any()


def test_blocks_are_collected_behind_the_policies_before_them(ring):
    algo, rollouts = trained(ring, steps=40, block=4)
    assert [set(r.t) for r in rollouts] == [{0, 1, 2, 3}, {4, 5}]
    assert [len(r.seed) for r in rollouts] == [10, 10]
    assert rollouts[1].expert_steps == 20 and (rollouts[1].who == 0).all()
    played = collect(ring.env, Collect(algo.result(2, False), episodes=5), ring.expert, 9, 0)
    assert (played.who == 1 + played.t // 4).all()


def test_a_stage_that_nobody_reaches_takes_the_policy_before():
    world = World(corridor(2, 4), TabularExpert(np.zeros(2, int)), steps=2)
    algo, rollouts = trained(world, steps=10, block=1)
    assert [len(r) > 0 for r in rollouts] == [True, True, False, False]
    first, last = (algo.policies[k].arrays() for k in (1, 3))
    assert all((first[key] == last[key]).all() for key in first)


def test_errors():
    setup = World(corridor(3, 500), TabularExpert([0, 0, 0])).setup
    with pytest.raises(ConfigError, match=r"takes 500 rounds.*algo.block=3 or more.*env.horizon.*algo.rounds=500"):
        Forward(setup, steps=10, block=1, **KNOBS)
    assert Forward(setup, steps=10, block=3, **KNOBS).rounds == 167
    assert Forward(setup, steps=10, block=1, **{**KNOBS, "rounds": 500}).rounds == 500
    with pytest.raises(ConfigError, match="need only 5"):
        Forward(setup, steps=10, block=100, **{**KNOBS, "rounds": 6})
    with pytest.raises(ConfigError, match=r"algo\.block=0"):
        Forward(setup, steps=10, block=0, **KNOBS)
