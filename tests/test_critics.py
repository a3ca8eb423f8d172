import json

import numpy as np
import pytest

from il.actors import ExpertActor, PolicyActor, RandomActor
from il.critics import CriticSettings, FittedCritic, to_go
from il.errors import ConfigError
from il.fit import Progress
from il.rollout import Collect, collect
from tests.algos.tabular import FIT, Tabular, TabularExpert, World, corridor

STATES, GAMMA = 5, 0.8
SETTINGS = {
    "steps": 3000, "prefix": 8, "random": 0.5, "passes": 8, "members": 2, "depth": 0, "width": 1,
    "activation": "tanh", "normalize": False, "fit": {**FIT, "lr": 0.03, "batch": 500, "steps": 500},
}  # fmt: skip


@pytest.fixture
def line():
    """Five states in a line with random rewards, walls, and no end but the time limit."""
    states, rng = np.arange(STATES), np.random.default_rng(3)
    moves = np.stack([np.maximum(states - 1, 0), np.minimum(states + 1, STATES - 1)], 1)
    return World(Tabular(moves, rng.normal(size=(STATES, 2)), states, 12), TabularExpert(rng.integers(0, 2, STATES)))


def exact(world):
    """Return V [S] and Q [S, A] of the expert, discounted, without end."""
    env, states, chosen = world.env, np.arange(STATES), world.expert.actions
    move = np.zeros((STATES, STATES))
    move[states, env.moves[states, chosen]] = 1
    v = np.linalg.solve(np.eye(STATES) - GAMMA * move, env.reward[states, chosen])
    return v, env.reward + GAMMA * v[env.moves]


def view(t=0.0):
    return np.concatenate([np.eye(STATES), np.full((STATES, 1), t)], 1).astype(np.float32)


def fitted(world, **knobs):
    critic = FittedCritic(world.env.spec, CriticSettings(**{**SETTINGS, **knobs}), GAMMA, 0)
    rollout = collect(world.env, critic.request(world.expert, None), world.expert, 0, 0)
    return critic, rollout, critic.fit(rollout, (0,), Progress())


def test_recovers_the_values_of_a_tiny_world(line):
    """Though every episode is cut off by the time limit: the tail is bootstrapped."""
    critic, _, metrics = fitted(line)
    v, q = exact(line)
    spread = q.std()
    np.testing.assert_allclose(critic.value(view(6)), v, atol=0.05 * spread)
    np.testing.assert_allclose(critic.q(view(6), None), q, atol=0.1 * spread)
    np.testing.assert_allclose(critic.q(view(6), np.ones(STATES, int)), critic.q(view(6), None)[:, 1])
    assert metrics["critic/value_corr"] > 0.99 and metrics["critic/advantage_corr"] > 0.95
    assert metrics["critic/value_rmse"] < 0.1


def test_episodes_start_off_the_experts_path_and_end_with_it(line):
    critic = FittedCritic(line.env.spec, CriticSettings(**SETTINGS), GAMMA, 0)
    learner = PolicyActor(line.setup.new_policy(np.random.default_rng(0)), 1)
    rollout = collect(line.env, critic.request(line.expert, learner), line.expert, 0, 0)
    who = rollout.who.reshape(-1, 12)
    takes_over = (who == 0).argmax(1)
    assert set(takes_over) == set(range(1, 9))
    for row, t in zip(who, takes_over, strict=True):
        assert (row[t:] == 0).all() and row[t - 1] == -1 and (row[: t - 1] != 0).all()
    assert rollout.expert_labels == len(rollout)


def test_stored_and_read_back_it_says_the_same(line):
    critic, _, _ = fitted(line, passes=1, fit={**SETTINGS["fit"], "steps": 10})
    again = FittedCritic(line.env.spec, CriticSettings(**SETTINGS), GAMMA, 5)
    again.load_arrays(critic.arrays())
    np.testing.assert_array_equal(again.value(view()), critic.value(view()))
    np.testing.assert_array_equal(again.q(view(), None), critic.q(view(), None))


def test_slope_of_q_is_its_derivative_by_the_action():
    from il.envs import make
    from il.experts.bundled import pretrained

    env = make("Pendulum-v1", 4, {}, 30, "auto", 1, None, [])
    expert = pretrained(env.spec, None)
    settings = CriticSettings(**{**SETTINGS, "depth": 1, "width": 16, "steps": 200, "fit": {**FIT, "steps": 20}})
    critic = FittedCritic(env.spec, settings, GAMMA, 0)
    rollout = collect(env, critic.request(expert, None), expert, 0, 0)
    critic.fit(rollout, (0,), Progress())
    obs, act = rollout.obs[:20], rollout.act[:20]
    q, slope = critic.q_gradient(obs, act)
    np.testing.assert_allclose(q, critic.q(obs, act), rtol=1e-4)
    up, down = critic.q(obs, act + 0.05), critic.q(obs, act - 0.05)
    np.testing.assert_allclose(slope[:, 0], (up - down) / 0.1, rtol=0.05, atol=0.05)


def test_any_expert_with_q_has_a_slope():
    from il.envs import make
    from il.experts.bundled import pretrained

    env = make("Hopper-v5", 1, {}, 5, "auto", 1, None, [])
    expert = pretrained(env.spec, "hopper_v5_half")
    rng = np.random.default_rng(0)
    obs, act = rng.normal(size=(50, 11)).astype(np.float32), rng.uniform(-0.9, 0.9, (50, 3)).astype(np.float32)
    q, slope = expert.q_gradient(obs, act)
    np.testing.assert_array_equal(q, expert.q(obs, act))
    direction = rng.normal(size=(50, 3)).astype(np.float32) * 0.01
    change = (expert.q(obs, act + direction) - expert.q(obs, act - direction)) / 2
    assert np.corrcoef(change, (slope * direction).sum(1))[0, 1] > 0.99


def test_sums_to_go_by_hand():
    env = corridor(4, 3)
    env.reward = np.arange(8.0).reshape(4, 2)
    rollout = collect(env, Collect(RandomActor(env.spec), episodes=30, label="none"), None, 0, 0)
    tail = np.random.default_rng(0).normal(size=30)
    sums = to_go(rollout, 0.5, tail)
    for k in range(30):
        rows = np.flatnonzero(rollout.episode == k)
        rest = 0.0 if rollout.terminated[rows[-1]] else tail[k]
        for row in rows[::-1]:
            rest = rollout.reward[row] + 0.5 * rest
            assert sums[row] == pytest.approx(rest)


def test_what_the_expert_sees_next(line):
    rollout = collect(line.env, Collect(ExpertActor(line.expert), steps=30), line.expert, 0, 0, limit=30)
    rows = np.arange(30)
    np.testing.assert_array_equal(rollout.next_obs(rows, expert=True)[:, -1], rollout.t + 1)
    np.testing.assert_array_equal(rollout.next_obs(rows, expert=True)[:, :-1], rollout.next_obs(rows))


def test_errors(line):
    for knob, value in (("random", 1.5), ("steps", 0), ("prefix", 0), ("passes", 0), ("members", 0)):
        with pytest.raises(ConfigError, match=f"algo.critic.{knob}"):
            CriticSettings(**{**SETTINGS, knob: value})
    world = World(corridor(3, 3), TabularExpert([0, 0, 0]))
    with pytest.raises(ConfigError, match=r"nothing to be fitted to.*algo\.critic\.prefix"):
        critic = FittedCritic(world.env.spec, CriticSettings(**SETTINGS), GAMMA, 0)
        request = Collect(RandomActor(world.env.spec), episodes=5, label="none")
        critic.fit(collect(world.env, request, None, 0, 0), (0,), Progress())


def test_an_experts_own_action_is_worth_nothing_more_than_its_value(line):
    critic, rollout, metrics = fitted(line)
    obs, chosen = view(6), line.expert.actions
    _, q = exact(line)
    np.testing.assert_allclose(critic.q(obs, chosen), critic.value(obs), atol=0.03 * q.std())
    held = rollout.episode % 10 == 9
    others = held & (rollout.who != 0) & (rollout.act != rollout.label)
    states = rollout.obs[others].argmax(1)
    truly = q[states, chosen[states]] > q[states, rollout.act[others]]
    assert metrics["critic/expert_preferred"] == pytest.approx(truly.mean(), abs=0.02)


def test_asked_for_by_the_experts_knob(run):
    small = [
        *[
            "algo=aggrevated",
            "env.horizon=60",
            "algo.critic.steps=1000",
            "algo.critic.prefix=20",
            "algo.critic.fit.steps=9",
        ],
        *["expert.critic=fit", "expert.name=cartpole_v1_half", "trainer.expert_tolerance=0"],
    ]
    path = run(*small)
    with open(path / "metrics.jsonl") as lines:
        rows = [json.loads(line) for line in lines]
    assert "critic/value_rmse" in rows[1] and "expert_queries" in rows[2]
    assert (path / "policies/critic.safetensors").exists()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["algo=aggrevated", "expert.critic=guess"], r"expert\.critic=guess: own or fit"),
        (["algo=aggrevated"], r"brings none: expert\.critic=fit"),
        (["algo=dagger", "expert.critic=fit"], "DAgger asks no critic"),
    ],
)
def test_knobs_that_do_not_fit(run, tmp_path, overrides, says):
    with pytest.raises(ConfigError, match=says):
        run(*overrides)
    assert not list(tmp_path.iterdir())
