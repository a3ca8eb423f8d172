"""Who acts when, seen through whole rollouts."""

import numpy as np
import pytest
from scipy import stats

from il.actors import ExpertActor, Mixture, RandomActor
from il.rollout import Collect, collect
from tests.algos.tabular import TabularExpert, corridor


@pytest.fixture
def world():
    return corridor(6, 6), TabularExpert(np.zeros(6, int))


def drivers(env, expert):
    return [ExpertActor(expert), RandomActor(env.spec)]


def test_a_mixture_per_episode_never_changes_hands(world):
    env, expert = world
    actor = Mixture(drivers(env, expert), [0.3, 0.7], "episode")
    rollout = collect(env, Collect(actor, episodes=2000), expert, 0, 0)
    same = np.diff(rollout.episode) == 0
    assert (np.diff(rollout.who)[same] == 0).all()
    first = rollout.who[rollout.t == 0]
    assert stats.binomtest(int((first == 0).sum()), 2000, 0.3).pvalue > 0.001


def test_a_mixture_per_step_draws_anew(world):
    env, expert = world
    rollout = collect(env, Collect(Mixture(drivers(env, expert), [0.3, 0.7]), episodes=2000), expert, 0, 0)
    assert stats.binomtest(int((rollout.who == 0).sum()), len(rollout), 0.3).pvalue > 0.001
    long = rollout.lengths[rollout.episode] == 6
    runs = rollout.who[long].reshape(-1, 6)
    assert (runs.min(1) != runs.max(1)).any()


@pytest.mark.parametrize("slots", [1, 3])
def test_the_number_of_slots_changes_no_draw(world, slots):
    env, expert = world
    fewer = corridor(6, 6, slots)
    rollouts = [
        collect(e, Collect(Mixture(drivers(e, expert), [0.5, 0.5]), steps=200), expert, 0, 0) for e in (env, fewer)
    ]
    for column in ("who", "act", "obs", "label", "seed", "t"):
        np.testing.assert_array_equal(*(getattr(r, column) for r in rollouts))
