import numpy as np
import pytest
from scipy import stats

from il.actors import EXPERT, EXPLORER
from il.algos.aggrevate import AggreVaTe
from il.errors import ConfigError
from il.rollout import collect
from tests.algos.tabular import Tabular, TabularExpert, World

KNOBS = {"rounds": 3, "steps": 600, "first_steps": None, "beta": "indicator", "latest": None, "gamma": 1.0}
KNOBS |= {"fresh": False, "max_rows": None, "sample": False}
HORIZON = 6


@pytest.fixture
def line():
    """Five states in a line with random rewards, left or right, walls; episodes last six steps."""
    states, rng = np.arange(5), np.random.default_rng(3)
    moves = np.stack([np.maximum(states - 1, 0), np.minimum(states + 1, 4)], 1)
    return World(
        Tabular(moves, rng.normal(size=(5, 2)), states, HORIZON), TabularExpert(rng.integers(0, 2, 5)), steps=400
    )


def to_go(world, state, action, steps, gamma=1.0):
    """Return the discounted sum of rewards of one action, the expert acting after it."""
    total = 0.0
    for k in range(steps):
        total += gamma**k * world.env.reward[state, action]
        state = world.env.moves[state, action]
        action = world.expert.actions[state]
    return total


def test_recovers_the_costs_to_go_of_the_first_step_and_picks_the_best_action(line):
    algo = AggreVaTe(line.setup, **{**KNOBS, "latest": 1})
    for n in range(3):
        line.play_round(algo, n)
    estimated = algo.policy.outputs(np.eye(5, dtype=np.float32)) * algo._scale[1] + algo._scale[0]
    exact = np.array([[to_go(line, s, a, HORIZON) for a in (0, 1)] for s in range(5)])
    np.testing.assert_allclose(estimated, exact, atol=0.05)
    chosen = algo.policy.act(np.eye(5, dtype=np.float32), None)
    np.testing.assert_array_equal(chosen, exact.argmax(1))


def test_every_sample_is_the_exact_rest_of_its_episode(line):
    algo = AggreVaTe(line.setup, **{**KNOBS, "gamma": 0.8})
    rollout, metrics = line.play_round(algo, 0)
    assert len(algo.data) == len(rollout.seed) == metrics["collect/samples"], "one sample an episode"
    explored = rollout.who == EXPLORER
    sums = algo.data["label"][:, 1] * algo._scale[1] + algo._scale[0]
    states, actions = algo.data["obs"].argmax(1), algo.data["label"][:, 0].astype(int)
    exact = [to_go(line, s, a, HORIZON - t, 0.8) for s, a, t in zip(states, actions, rollout.t[explored], strict=True)]
    np.testing.assert_allclose(sums, exact, rtol=1e-4, atol=1e-5)


def test_switches_once_uniformly_and_leaves_the_rest_to_the_expert(line):
    algo = AggreVaTe(line.setup, **KNOBS)
    line.play_round(algo, 0)
    request = algo.plan(1)
    rollout = collect(line.env, request, line.expert, 0, 1)
    who = rollout.who.reshape(-1, HORIZON)
    assert ((who == EXPLORER).sum(1) == 1).all()
    at = (who == EXPLORER).argmax(1)
    for row, t in zip(who, at, strict=True):
        assert (row[:t] == 1).all() and (row[t + 1 :] == EXPERT).all(), "the learner (β = 0), then the expert"
    big = collect(line.env, algo.plan(1).__class__(request.actor, episodes=6000, label="none"), None, 0, 2)
    counts = np.bincount(big.t[big.who == EXPLORER], minlength=HORIZON)
    assert stats.chisquare(counts).pvalue > 0.001
    actions = np.bincount(big.act[big.who == EXPLORER], minlength=2)
    assert stats.chisquare(actions).pvalue > 0.001


def test_an_episode_that_a_budget_cut_gives_no_sample(line):
    algo = AggreVaTe(line.setup, **KNOBS)
    rollout = collect(line.env, algo.plan(0), line.expert, 0, 0, limit=3)
    assert rollout.cut[-1]
    assert algo.learn(0, rollout)["data/size"] == 0


def test_errors(line):
    for wrong, match in (({"gamma": 0.0}, "gamma"), ({"latest": 0}, "latest"), ({"steps": -1}, "steps")):
        with pytest.raises(ConfigError, match=match):
            AggreVaTe(line.setup, **{**KNOBS, **wrong})


def test_continuous_actions_are_refused(run):
    with pytest.raises(ConfigError, match="aggrevated"):
        run("algo=aggrevate", "env=pendulum", "trainer.expert_tolerance=0")
