from itertools import product

import numpy as np
import pytest
from scipy import stats

from il.actors import EXPERT, Actor, Switching
from il.algos.switch_dagger import SwitchDAgger
from il.errors import ConfigError
from il.rollout import Collect, collect
from tests.algos.tabular import Tabular, TabularExpert, World, corridor

KNOBS = {"rounds": 4, "steps": 50, "first_steps": None, "aggregate": False, "fresh": True, "sample": False}


def trained(world, **knobs):
    algo = SwitchDAgger(world.setup, **{**KNOBS, "alpha": 0.5, **knobs})
    rollouts = [world.play_round(algo, n)[0] for n in range(algo.rounds)]
    return algo, rollouts


@pytest.fixture(scope="module")
def quick():
    """Four policies that need not be good."""
    world = World(corridor(6, 6), TabularExpert(np.zeros(6, int)), steps=1)
    return world, trained(world)[0]


def test_switch_steps_follow_the_geometric_law_in_every_episode(quick):
    """The newest policy drives min(X, L) steps of an episode of length L, X = 0, 1, 2, …, whatever the slots."""
    world, algo = quick
    rollout = collect(world.env, Collect(algo.roll_in(3), episodes=4000), world.expert, 1, 0)
    lengths = rollout.lengths
    assert set(lengths) == set(range(1, 7)), "episodes end early, in different slots at different times"
    newest = np.bincount(rollout.episode, weights=rollout.who == 3, minlength=len(lengths)).astype(int)
    k = np.arange(7)
    uncensored = 0.5 ** (k + 1)
    expected = sum(np.where(k < n, uncensored, 0) + np.where(k == n, 0.5**n, 0) for n in lengths)
    assert stats.chisquare(np.bincount(newest, minlength=7), expected).pvalue > 0.001


@pytest.mark.parametrize("alpha", [0.5, [0.2, 0.9, 0.6, 0.4]])
def test_mean_of_learner_steps(alpha):
    """E X* = Σ α_k/(1-α_k), nα/(1-α) for constant α."""
    world = World(corridor(6, 6), TabularExpert(np.zeros(6, int)), steps=1)
    algo, _ = trained(world, alpha=alpha)
    roll_in = algo.roll_in(3)
    rng, long = np.random.default_rng(0), 1000
    drives = np.array([(roll_in.choose(rng, long) < 3).sum() for _ in range(4000)])
    alphas = np.broadcast_to(np.array(alpha)[:3] if isinstance(alpha, list) else alpha, 3)
    standard_error = drives.std() / np.sqrt(len(drives))
    assert abs(drives.mean() - (alphas / (1 - alphas)).sum()) < 3 * standard_error


def test_newest_policy_starts_and_the_expert_ends(quick):
    world, algo = quick
    rollout = collect(world.env, Collect(algo.roll_in(3), episodes=200), world.expert, 2, 0)
    assert set(rollout.who) == {0, 1, 2, 3}
    within = np.diff(rollout.episode) == 0
    assert (np.diff(rollout.who)[within] <= 0).all()


def test_result_never_asks_the_expert(quick):
    world, algo = quick
    world.expert.asked = 0
    rollout = collect(world.env, Collect(algo.result(4, False), episodes=500, label="none"), None, 3, 0)
    assert world.expert.asked == 0 and rollout.expert_steps == 0
    assert set(rollout.who) == {1, 2, 3, 4}
    assert set(rollout.who[rollout.lengths[rollout.episode] == 6][5::6]) >= {1}, "its last part is the first policy"


def test_fits_to_one_roll_in_unless_aggregating():
    world = World(corridor(6, 6), TabularExpert(np.zeros(6, int)), steps=1)
    algo, rollouts = trained(world)
    assert len(algo.data) == len(rollouts[-1])
    np.testing.assert_array_equal(algo.data["who"], rollouts[-1].who)
    algo, rollouts = trained(world, aggregate=True)
    assert len(algo.data) == sum(map(len, rollouts))


def test_round_0_is_cloning_and_outputs_are_named():
    algo, rollouts = trained(World(corridor(6, 6), TabularExpert(np.ones(6, int)), steps=50))
    assert (rollouts[0].who == EXPERT).all()
    assert list(algo.outputs(False)) == ["last", "current"]
    algo.keep_best(1)
    outputs = algo.outputs(False)
    assert list(outputs) == ["last", "current", "best"]
    assert len(outputs["best"].actors) == 2 and len(outputs["last"].actors) == 4
    assert outputs["current"].policy is algo.policies[-1]


# -- the recursion -------------------------------------------------------------------------------------------------


def recursion(t, n, alpha, error):
    """A(t, n) of the homework: expected disagreements when an error costs all remaining steps."""
    if t == 0 or n == 0:
        return 0.0
    goes_on = error * t + (1 - error) * recursion(t - 1, n, alpha, error)
    return alpha * goes_on + (1 - alpha) * recursion(t, n - 1, alpha, error)


def enumerated(t, n, alpha, error):
    """The same by going through all switching times and all places of the first error."""
    total = 0.0
    for xs in product(range(t + 1), repeat=n):  # X_k ≥ t are one case: this policy drives to the end
        probability = np.prod([alpha**x * (1 - alpha) if x < t else alpha**t for x in xs])
        drives = min(t, sum(xs))
        total += probability * sum((1 - error) ** k * error * (t - k) for k in range(drives))
    return total


@pytest.mark.parametrize(
    ("t", "n", "alpha", "error"), [(1, 1, 0.5, 0.1), (2, 1, 0.5, 0.1), (4, 3, 0.7, 0.2), (5, 2, 0.9, 0.5)]
)
def test_recursion_equals_enumeration(t, n, alpha, error):
    value = recursion(t, n, alpha, error)
    assert value == pytest.approx(enumerated(t, n, alpha, error), abs=1e-12)
    assert value <= t * n * error * alpha / (1 - alpha)


class Erring(Actor):
    """Leaves the track with a fixed probability, drawn per step."""

    def __init__(self, index, error):
        self.index, self.error, self.draws = index, error, {}

    def reset(self, ids, episodes):
        for slot, episode in zip(ids, episodes, strict=True):
            self.draws[slot] = episode.generator.random(episode.horizon) < self.error

    def act(self, view, t):
        errs = [self.draws[slot][k] for slot, k in zip(view.ids, t, strict=True)]
        return np.array(errs, np.int64), np.full(len(t), self.index)


def test_switching_on_a_chain_with_no_way_back_follows_the_recursion():
    """Off the track (state 1) nobody can do right; disagreements cost 1 a step."""
    horizon, n, alpha, error = 5, 3, 0.6, 0.2
    env = Tabular([[0, 1], [1, 1]], [[0, 1], [1, 1]], starts=[0], horizon=horizon)
    actors = [Erring(k, error) for k in range(n, 0, -1)] + [Erring(0, 0.0)]
    roll_in = Switching(actors, lambda rng, horizon: rng.geometric(np.full(n, 1 - alpha)) - 1)
    costs = collect(env, Collect(roll_in, episodes=8000, label="none"), None, 0, 0).returns
    assert abs(costs.mean() - recursion(horizon, n, alpha, error)) < 3 * costs.std() / np.sqrt(len(costs))


# -- knobs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [1.0, -0.1, 1.5, [0.5, 1.0], "linear"])
def test_alpha_out_of_range(alpha):
    with pytest.raises(ConfigError, match="alpha"):
        SwitchDAgger(World(corridor(3, 3), TabularExpert([0, 0, 0])).setup, **KNOBS, alpha=alpha)


def test_warns_where_the_learner_would_hardly_drive(capsys):
    setup = World(corridor(100, 1000), TabularExpert(np.zeros(100, int))).setup
    SwitchDAgger(setup, **{**KNOBS, "rounds": 11}, alpha=0.99)
    assert capsys.readouterr().err == ""
    SwitchDAgger(setup, **{**KNOBS, "rounds": 11}, alpha=0.5)
    assert "only 10 of 1000 steps" in capsys.readouterr().err
