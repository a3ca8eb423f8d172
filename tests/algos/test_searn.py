from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from il.algos.searn import Searn, weights
from il.errors import ConfigError
from tests.algos.tabular import Tabular, TabularExpert, World, corridor

KNOBS = {"rounds": 3, "steps": 40, "first_steps": None, "beta": 0.4, "states": 1000, "completion": "current"}
KNOBS |= {"fresh": True, "sample": False}
HORIZON = 7


@pytest.fixture
def line():
    """Six states in a line with random rewards, left or right, walls; the expert's action depends on the time."""
    states, rng = np.arange(6), np.random.default_rng(0)
    moves = np.stack([np.maximum(states - 1, 0), np.minimum(states + 1, 5)], 1)
    env = Tabular(moves, rng.normal(size=(6, 2)), starts=[0, 2, 5], horizon=HORIZON)
    return World(env, TabularExpert(rng.integers(0, 2, (HORIZON, 6))))


def to_go(world, state, t, action):
    """Return the sum of rewards of one action, the expert acting after it."""
    total = 0.0
    while t < HORIZON:
        total += world.env.reward[state, action]
        state, t = world.env.moves[state, action], t + 1
        action = world.expert.actions[min(t, HORIZON - 1), state]
    return total


def regrets(world, obs, t):
    returns = np.array([[to_go(world, s, k, a) for a in (0, 1)] for s, k in zip(obs.argmax(1), t, strict=True)])
    return returns - returns.min(1, keepdims=True)


def test_costs_are_those_of_enumeration(line):
    """In round 0 the current policy is the expert."""
    algo = Searn(line.setup, **KNOBS)
    line.play_round(algo, 0)
    expected = regrets(line, algo.data["obs"], algo.data["t"])
    np.testing.assert_allclose(algo.data["label"], expected / expected[expected.max(1) > 0].mean(), rtol=1e-5)
    again = Searn(line.setup, **{**KNOBS, "completion": "expert"})
    line.play_round(again, 0)
    np.testing.assert_array_equal(again.data["label"], algo.data["label"])


def test_classifier_prefers_the_cheaper_action(line):
    algo = Searn(line.setup, **KNOBS)
    line.play_round(algo, 0)
    chosen = algo.policies[0].act(np.eye(6, dtype=np.float32), None)
    for state in np.unique(algo.data["obs"].argmax(1)):
        saved = algo.data["label"][algo.data["obs"].argmax(1) == state].sum(0)
        if abs(saved[0] - saved[1]) > 0.1 * saved.sum():
            assert chosen[state] == saved.argmax()


def test_branches_only_as_many_states_as_asked_and_counts_queries(line):
    algo = Searn(line.setup, **{**KNOBS, "states": 11})
    queries = 0
    for n in range(3):
        _, metrics = line.play_round(algo, n)
        assert len(algo.data) == 11
        assert metrics["expert_queries"] >= queries
        queries = metrics["expert_queries"]
    assert queries > 0


@pytest.mark.parametrize("beta", [0.01, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("n", [1, 20])
def test_weights_of_policies_and_expert_sum_to_one(beta, n):
    assert weights(beta, n).sum() + (1 - beta) ** n == pytest.approx(1, abs=1e-12)


def test_weights_are_those_of_the_recursive_definition():
    beta, n = 0.3, 5
    mixture = np.eye(n + 1)[0]
    for k in range(1, n + 1):
        mixture = beta * np.eye(n + 1)[k] + (1 - beta) * mixture
    np.testing.assert_allclose(mixture, [(1 - beta) ** n, *weights(beta, n)])


def test_draws_match_the_weights(line):
    algo = Searn(line.setup, **{**KNOBS, "rounds": 4, "states": 5})
    for n in range(4):
        line.play_round(algo, n)
    for actor, expected in (
        (algo.roll_in(4), [0.6**4, *weights(0.4, 4)]),
        (algo.result(4, False), weights(0.4, 4) / (1 - 0.6**4)),
    ):
        counts = np.bincount(actor.choose(np.random.default_rng(0), 100_000), minlength=len(expected))
        assert stats.chisquare(counts, 100_000 * np.asarray(expected)).pvalue > 0.001


def test_errors(line):
    spec = line.env.spec
    for wrong, match in (
        ({"beta": 0.0}, "beta"),
        ({"beta": 1.1}, "beta"),
        ({"states": 0}, "states"),
        ({"completion": "oracle"}, "completion"),
    ):
        with pytest.raises(ConfigError, match=match):
            Searn(line.setup, **{**KNOBS, **wrong})
    line.env.spec = replace(spec, discrete=False)
    with pytest.raises(ConfigError, match="aggrevated"):
        Searn(line.setup, **KNOBS)
    line.env.spec = replace(spec, snapshots=False)
    with pytest.raises(ConfigError, match="no snapshots"):
        Searn(line.setup, **KNOBS)


def test_without_consequences_it_says_that_nothing_can_be_learned():
    world = World(corridor(4, 4), TabularExpert(np.zeros(4, int)), steps=1)
    algo = Searn(world.setup, **KNOBS)
    _, metrics = world.play_round(algo, 0)
    assert metrics["searn/informative"] == 0 and np.isfinite(metrics["train/loss"])
