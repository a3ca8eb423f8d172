import numpy as np
import pytest
from scipy import stats

from il.algos.smile import SMILe, weights
from il.errors import ConfigError
from il.rollout import Collect, collect
from tests.algos.tabular import TabularExpert, World, corridor

KNOBS = {"steps": 20, "first_steps": None, "fresh": True, "sample": False}


def trained(world, rounds, alpha):
    algo = SMILe(world.setup, rounds, alpha=alpha, **KNOBS)
    for n in range(rounds):
        world.play_round(algo, n)
    return algo


@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("n", [1, 20])
def test_weights_of_policies_and_expert_sum_to_one(alpha, n):
    assert weights(alpha, n).sum() + (1 - alpha) ** n == pytest.approx(1, abs=1e-12)


def test_weights_are_those_of_the_recursive_definition():
    """πⁿ = πⁿ⁻¹ + α(1-α)ⁿ⁻¹(π̂ⁿ - π⁰), written out as vectors over (π⁰, π̂¹, …)."""
    alpha, n = 0.3, 5
    mixture = np.eye(n + 1)[0]
    for k in range(1, n + 1):
        mixture = mixture + alpha * (1 - alpha) ** (k - 1) * (np.eye(n + 1)[k] - np.eye(n + 1)[0])
    np.testing.assert_allclose(mixture[1:], weights(alpha, n))
    assert mixture[0] == pytest.approx((1 - alpha) ** n)


@pytest.mark.parametrize("alpha", [0.1, 0.5])
def test_draws_match_the_weights(alpha):
    world = World(corridor(4, 4), TabularExpert(np.zeros(4, int)), steps=1)
    algo = trained(world, 4, alpha)
    for actor, expected in (
        (algo.roll_in(4), [(1 - alpha) ** 4, *weights(alpha, 4)]),
        (algo.result(4, False), weights(alpha, 4) / (1 - (1 - alpha) ** 4)),
    ):
        drawn = actor.choose(np.random.default_rng(0), 100_000)
        counts = np.bincount(drawn, minlength=len(expected))
        assert stats.chisquare(counts, 100_000 * np.asarray(expected)).pvalue > 0.001
        rows = collect(world.env, Collect(actor, episodes=300), world.expert, 0, 0)
        assert set(rows.who) == set(range(0 if len(expected) == 5 else 1, 5))


def test_one_round_is_cloning():
    world = World(corridor(4, 4), TabularExpert([0, 1, 1, 0]), steps=100)
    algo = trained(world, 1, 0.1)
    obs = np.eye(4, dtype=np.float32)
    assert algo.result(1, False).actors[0].policy.act(obs, None).tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, 2.0])
def test_alpha_out_of_range(alpha):
    with pytest.raises(ConfigError, match="alpha"):
        SMILe(World(corridor(3, 3), TabularExpert([0, 0, 0])).setup, 3, alpha=alpha, **KNOBS)
