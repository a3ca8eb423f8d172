"""AggreVaTeD's gradients and steps, against enumeration on a chain."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from il.actors import ExpertActor, Mixture, PolicyActor
from il.algos.aggrevated import AggreVaTeD
from il.algos.base import Setup
from il.algos.estimators import ESTIMATES, Judge, Terms, weigh
from il.algos.natural import Samples, Trust, fisher, kl, natural_step
from il.errors import ConfigError
from il.fit import Progress
from il.policies.categorical import CategoricalPolicy
from il.policies.deterministic import DeterministicPolicy
from il.policies.gaussian import GaussianPolicy
from il.rollout import Collect, collect
from tests.algos.tabular import FIT, Tabular, TabularExpert, World, corridor

STATES, HORIZON, GAMMA = 5, 6, 0.9
TERMS = Terms("advantage", actions=3, gamma=GAMMA)
EYE = np.eye(STATES, dtype=np.float32)


class Oracle(TabularExpert):
    """A stationary expert with its exact V and Q, discounted and without end."""

    def __init__(self, env, actions, can):
        super().__init__(actions)
        self.can = frozenset(can)
        states = np.arange(STATES)
        move = np.zeros((STATES, STATES))
        move[states, env.moves[states, self.actions]] = 1
        self.v = np.linalg.solve(np.eye(STATES) - GAMMA * move, env.reward[states, self.actions])
        self.table = env.reward + GAMMA * self.v[env.moves]

    def value(self, obs):
        return self.v[obs[:, :-1].argmax(1)]

    def q(self, obs, act):
        return self.table[obs[:, :-1].argmax(1), act]

    @property
    def advantage(self):
        return self.table - self.v[:, None]


def chain(can, seed=0):
    """Return five states in a line, moves left and right, random rewards, and an expert that is none too good."""
    states, rng = np.arange(STATES), np.random.default_rng(seed)
    moves = np.stack([np.maximum(states - 1, 0), np.minimum(states + 1, STATES - 1)], 1)
    env = Tabular(moves, rng.normal(size=(STATES, 2)), states, HORIZON)
    return World(env, Oracle(env, rng.integers(0, 2, STATES), can), seed)


def visits(world, policy, alpha):
    """Return how often the mixture is in each state, and its learner drives there, over an episode's steps."""
    learner = torch.softmax(policy(torch.from_numpy(EYE)), -1).detach().numpy()
    expert = np.eye(2)[world.expert.actions]
    mixture = alpha * expert + (1 - alpha) * learner
    now, total = np.full(STATES, 1 / STATES), np.zeros(STATES)
    for _ in range(HORIZON):
        total += now / HORIZON
        after = np.zeros(STATES)
        np.add.at(after, world.env.moves, now[:, None] * mixture)
        now = after
    return total


def enumerated(world, policy, states):
    """Return the gradient of Σ_s d(s) Σ_a π(a|s) A*(s, a), flat."""
    probabilities = torch.softmax(policy(torch.from_numpy(EYE)), -1)
    gain = (torch.from_numpy(states)[:, None] * probabilities * torch.from_numpy(world.expert.advantage)).sum()
    return flat(gain, policy)


def flat(gain, policy):
    return torch.cat([g.reshape(-1) for g in torch.autograd.grad(gain, list(policy.parameters()))]).numpy()


def sampled(world, policy, estimator, alpha, batches=150):
    """Return the estimator's gradients of independent batches, [batches, P], not scaled."""
    learner = PolicyActor(policy, 1, sample=True)
    actor = Mixture([ExpertActor(world.expert), learner], [alpha, 1 - alpha])
    rng, out = np.random.default_rng(1), []
    for k in range(batches):
        rollout = collect(world.env, Collect(actor, episodes=20), world.expert, world.seed, k)
        judge = Judge(world.expert, rollout, None, None)
        batch, metrics = ESTIMATES[estimator](policy, judge, TERMS, rng)
        out.append(flat(batch.gain(policy), policy) * metrics["train/advantage_std"])
    return np.array(out)


@pytest.mark.parametrize(
    ("estimator", "can", "alpha", "share"),
    [
        ("exact", "q", 0.0, 1.0),
        ("exact", "q", 0.4, 1.0),
        ("score", "q", 0.4, 1.0),
        ("executed", ("q",), 0.4, 0.6),  # A* is zero where the expert acted
        ("executed", ("value",), 0.0, 1.0),
        ("executed", ("value",), 0.4, 1.0),  # only the learner's rows count
    ],
)
def test_sampled_gradient_equals_the_enumerated_one(estimator, can, alpha, share):
    world = chain(can)
    policy = world.setup.new_policy(np.random.default_rng(5))
    exact = share * enumerated(world, policy, visits(world, policy, alpha))
    gradients = sampled(world, policy, estimator, alpha)
    error = gradients.std(0, ddof=1) / np.sqrt(len(gradients))
    assert (np.abs(gradients.mean(0) - exact) <= 3 * error + 1e-6).all()
    assert np.linalg.norm(exact) > 10 * np.linalg.norm(error), "the test can tell it from zero"


class Bowl(TabularExpert):
    """Continuous actions; Q falls with the squared distance from the expert's own."""

    can = frozenset({"q"})
    best = np.linspace(-1, 1, STATES)

    def act(self, obs, snapshot=None):
        return self.best[obs.argmax(1)][:, None].astype(np.float32)

    def q(self, obs, act):
        return 3 - (act[:, 0] - self.best[obs.argmax(1)]) ** 2


@pytest.mark.parametrize("estimator", ["reparam", "score"])
def test_sampled_gradient_equals_the_exact_one_for_continuous_actions(estimator):
    env = corridor(STATES, STATES)
    spec = replace(env.spec, discrete=False, act_dim=1, obs_shape=(STATES,), expert_obs_shape=(STATES,))
    policy = GaussianPolicy(spec, np.random.default_rng(0), 0, 1, "tanh", False, "nll", -0.7, FIT).flatten()
    rollout = collect(env, Collect(Mixture([_Any()], [1.0]), episodes=40, label="none"), None, 0, 0)
    rollout.expert_obs, expert = None, Bowl(np.zeros(STATES))
    rollout.label = expert.act(rollout.obs)
    state = rollout.obs.argmax(1)
    mean = policy(torch.from_numpy(EYE))[state, 0]
    expected_q = 3 - (mean - torch.from_numpy(expert.best)[state]) ** 2 - torch.exp(2 * policy.log_std)
    exact = flat(expected_q.mean(), policy)
    gradients = []
    for k in range(300):
        batch, metrics = ESTIMATES[estimator](
            policy, Judge(expert, rollout, None, None), TERMS, np.random.default_rng(k)
        )
        gradients.append(flat(batch.gain(policy), policy) * metrics["train/advantage_std"])
    gradients = np.array(gradients)
    error = gradients.std(0, ddof=1) / np.sqrt(len(gradients))
    assert (np.abs(gradients.mean(0) - exact) <= 3 * error + 1e-4).all()


class _Any(PolicyActor):
    """Moves on."""

    def __init__(self):
        self.sample = False

    def act(self, view, t):
        return np.zeros(len(t), np.int64), np.ones(len(t), np.int64)


# -- steps ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damping", [0.1, 0.001])
def test_a_natural_step_lowers_the_exact_cost_within_its_divergence(damping):
    """In 50 of 50 random starts."""
    for seed in range(50):
        world = chain("q", seed)
        world.seed = seed
        rng = np.random.default_rng(seed)
        policy = CategoricalPolicy(world.env.spec, rng, 1, 16, "tanh", False, FIT).flatten()
        with torch.no_grad():
            policy.flat.mul_(2.0)
        d, advantage = visits(world, policy, 0.0), world.expert.advantage
        before = torch.log_softmax(policy(torch.from_numpy(EYE)), -1).detach().numpy()
        rollout = collect(world.env, Collect(PolicyActor(policy, 1, True), episodes=100), world.expert, seed, 0)
        batch, _ = ESTIMATES["exact"](policy, Judge(world.expert, rollout, None, None), TERMS, rng)
        metrics = natural_step(policy, batch.gain, batch.samples, Trust(0.01, damping, 10, 10))
        after = torch.log_softmax(policy(torch.from_numpy(EYE)), -1).detach().numpy()
        assert metrics["train/step"] > 0
        assert (d @ (np.exp(after) * advantage)).sum() > (d @ (np.exp(before) * advantage)).sum()
        assert d @ (np.exp(before) * (before - after)).sum(1) <= 0.015


def test_fisher_product_is_the_fisher_matrix():
    world = chain("q")
    policy = world.setup.new_policy(np.random.default_rng(0))
    obs = torch.from_numpy(np.repeat(EYE, 2, 0))
    act = torch.arange(2).repeat(STATES)
    log_p = policy.log_prob(obs, act)
    rows = torch.stack(
        [
            torch.cat([g.reshape(-1) for g in torch.autograd.grad(one, list(policy.parameters()), retain_graph=True)])
            for one in log_p
        ]
    )
    weight = log_p.exp().detach()
    matrix = (rows.T * (weight / weight.sum())) @ rows
    v = torch.randn(rows.shape[1], generator=torch.Generator().manual_seed(0))
    product = fisher(policy, Samples(obs, act, weight), damping=0.1)
    torch.testing.assert_close(product(v), matrix @ v + 0.1 * v)


def test_divergence_of_listed_actions_is_exact():
    world = chain("q")
    old, new = (world.setup.new_policy(np.random.default_rng(k)) for k in (0, 1))
    p, q = (torch.log_softmax(x(torch.from_numpy(EYE)), -1) for x in (old, new))
    samples = Samples(torch.from_numpy(np.repeat(EYE, 2, 0)), torch.arange(2).repeat(STATES), p.exp().reshape(-1))
    torch.testing.assert_close(kl(new, samples, p.reshape(-1)), (p.exp() * (p - q)).sum(1).mean())


def test_a_step_that_cannot_gain_leaves_the_policy_alone():
    world = chain("q")
    policy = world.setup.new_policy(np.random.default_rng(0))
    obs = torch.from_numpy(np.repeat(EYE, 2, 0))
    samples = Samples(obs, torch.arange(2).repeat(STATES), torch.full((10,), 0.5))
    before = policy.flat.clone()
    metrics = natural_step(policy, weigh(policy, samples, np.zeros(10), 5).gain, samples, Trust(0.01, 0.1, 10, 3))
    assert metrics["train/step"] == 0 and torch.equal(policy.flat, before)


# -- whole rounds and knobs ----------------------------------------------------------------------------------------

KNOBS = {
    "rounds": 6, "steps": 120, "first_steps": None, "warm": True, "alpha": 0.0, "estimator": "auto",
    "signal": "advantage", "actions": 2, "gamma": GAMMA, "sample": True, "entropy": 0.0, "natural": True,
    "trust": {"kl": None, "damping": None, "iterations": 10, "backtracks": 10},
    "adam": {"lr": 0.05, "passes": 1, "minibatch": None, "clip": 0.2},
    "critic": {
        "steps": 400, "prefix": 5, "random": 0.3, "passes": 3, "members": 1, "depth": 0, "width": 1,
        "activation": "tanh", "normalize": False, "fit": FIT,
    },
}  # fmt: skip


def total(world, policy):
    """Return the exact expected advantage of a policy over its own states."""
    p = torch.softmax(policy(torch.from_numpy(EYE)), -1).detach().numpy()
    return (visits(world, policy, 0.0) @ (p * world.expert.advantage)).sum()


@pytest.mark.parametrize(
    "knobs", [{}, {"natural": False}, {"estimator": "score"}, {"estimator": "executed"}, {"entropy": 0.01}]
)
def test_does_better_than_the_expert_where_cloning_cannot(knobs):
    world = chain(("q", "value"))
    algo = AggreVaTeD(world.setup, **{**KNOBS, "rounds": 30, **knobs})
    world.play_round(algo, 0)
    cloned = total(world, algo.policy)
    assert abs(cloned) < 0.1
    for n in range(1, 30):
        _, metrics = world.play_round(algo, n)
        assert np.isfinite(list(metrics.values())).all()
    assert total(world, algo.policy) > cloned + 0.1


def test_labels_are_paid_for_only_where_there_is_no_value():
    for can, labels in ((("q",), 120), (("q", "value"), 0)):
        world = chain(can)
        algo = AggreVaTeD(world.setup, **KNOBS)
        world.play_round(algo, 0)
        rollout, metrics = world.play_round(algo, 1)
        assert rollout.expert_labels == labels
        assert metrics["expert_queries"] == 3 * 120, "Q of two actions and one baseline a row"


def test_several_passes_log_how_many_weights_were_clipped():
    world = chain("q")
    adam = {"lr": 0.1, "passes": 5, "minibatch": 50, "clip": 0.05}
    algo = AggreVaTeD(world.setup, **{**KNOBS, "natural": False, "adam": adam})
    world.play_round(algo, 0)
    _, metrics = world.play_round(algo, 1)
    assert 0 < metrics["train/ratios_clipped"] < 1 and metrics["train/kl"] > 0


def test_scaled_signal_lies_in_0_to_1():
    world = chain("q")
    policy = world.setup.new_policy(np.random.default_rng(5))
    rollout = collect(world.env, Collect(PolicyActor(policy, 1, True), episodes=20), world.expert, 0, 0)
    batch, _ = ESTIMATES["executed"](
        policy, Judge(world.expert, rollout, None, None), Terms("scaled", 1, GAMMA), np.random.default_rng(0)
    )
    assert float(batch.worth.min()) == 0 and float(batch.worth.max()) == 1


@pytest.mark.parametrize(
    ("can", "knobs", "match"),
    [
        ((), {}, "expert.critic=fit"),
        (("value",), {"estimator": "exact"}, "needs a Q.*here executed will do"),
        (("q",), {"estimator": "reparam"}, "needs continuous actions"),
        (("q",), {"estimator": "exakt"}, "did you mean 'exact'"),
        (("value",), {"alpha": 1.0}, "gives no gradient"),
        (("value",), {"sample": False}, "algo.sample=true"),
        (("value",), {"signal": "scaled"}, "with Q"),
        (("q",), {"signal": "sealed"}, "did you mean 'scaled'"),
        (("q",), {"rounds": 1}, "take more"),
        (("q",), {"alpha": 1.5}, "alpha"),
        (("q",), {"trust": {**KNOBS["trust"], "kl": 0.0}}, "algo.trust.kl"),
        (("q",), {"adam": {**KNOBS["adam"], "passes": 0}}, "algo.adam.passes"),
        (("q",), {"critic": {**KNOBS["critic"], "members": 0}}, "algo.critic.members"),
    ],
)
def test_errors(can, knobs, match):
    with pytest.raises(ConfigError, match=match):
        AggreVaTeD(chain(can).setup, **{**KNOBS, **knobs})


def test_a_policy_without_a_density_is_refused_with_those_that_have_one():
    env = corridor(STATES, STATES)
    env.spec = replace(env.spec, discrete=False, act_dim=1)
    setup = Setup(
        env, Bowl(np.zeros(STATES)), "own",
        lambda rng: DeterministicPolicy(env.spec, rng, 0, 1, "tanh", False, FIT).flatten(), 0, Progress(),
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"DeterministicPolicy.*no density.*gaussian or squashed_gaussian"):
        AggreVaTeD(setup, **KNOBS)
