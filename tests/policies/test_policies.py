"""Densities, samples, bounds and storage of every policy."""

import numpy as np
import pytest
import torch

from il.envs.base import EnvSpec
from il.errors import ConfigError
from il.policies.auto import auto
from il.policies.categorical import CategoricalPolicy
from il.policies.deterministic import DeterministicPolicy
from il.policies.gaussian import GaussianPolicy, SquashedGaussianPolicy

BOX = EnvSpec("Box", (3,), (3,), False, 2, np.float32([-1, -2]), np.float32([1, 4]), 10)
DISCRETE = EnvSpec("Discrete", (3,), (3,), True, 4, None, None, 10)
FIT = {"optimizer": "adam", "lr": 1e-3, "weight_decay": 0.0, "batch": 10, "steps": 10, "backend": "auto"}
NET = {"depth": 2, "width": 16, "activation": "tanh", "normalize": False, "fit": FIT}
GAUSS = {**NET, "loss": "nll", "log_std": -0.5}


def rng():
    return np.random.default_rng(0)


def every_policy():
    return [
        GaussianPolicy(BOX, rng(), **GAUSS).flatten(),
        SquashedGaussianPolicy(BOX, rng(), **GAUSS).flatten(),
        DeterministicPolicy(BOX, rng(), **NET).flatten(),
        CategoricalPolicy(DISCRETE, rng(), **NET).flatten(),
    ]


@pytest.mark.parametrize("policy", every_policy(), ids=lambda p: type(p).__name__)
def test_saved_and_loaded_a_policy_acts_the_same(policy):
    obs = rng().normal(size=(100, 3)).astype(np.float32)
    other = type(policy)(
        policy.spec,
        np.random.default_rng(1),
        **(NET if type(policy) in (DeterministicPolicy, CategoricalPolicy) else GAUSS),
    ).flatten()
    noise = policy.noise(rng(), 100)
    assert policy.act(obs, noise).dtype == policy.spec.act_dtype
    other.load_arrays(policy.arrays())
    assert np.array_equal(policy.act(obs, None), other.act(obs, None))
    assert np.array_equal(policy.act(obs, noise), other.act(obs, noise))
    assert np.array_equal(policy.clone().act(obs, noise), other.act(obs, noise))


@pytest.mark.parametrize("policy", every_policy(), ids=lambda p: type(p).__name__)
def test_numpy_and_torch_agree(policy):
    obs = rng().normal(size=(50, 3)).astype(np.float32)
    policy.normalize = True
    policy.normalizer_fitted.fill_(False)
    policy.fit_normalizer(obs * 3 + 1)
    with torch.no_grad():
        assert np.allclose(policy.outputs(obs), policy(torch.from_numpy(obs)).numpy(), atol=1e-6)


@pytest.mark.parametrize("kind", [GaussianPolicy, SquashedGaussianPolicy])
def test_densities_integrate_to_one(kind):
    spec = EnvSpec("Line", (3,), (3,), False, 1, np.float32([-2]), np.float32([5]), 10)
    policy = kind(spec, rng(), **GAUSS).flatten()
    a = (
        torch.linspace(-1.999, 4.999, 4001)[:, None]
        if kind is SquashedGaussianPolicy
        else torch.linspace(-9, 9, 4001)[:, None]
    )
    with torch.no_grad():
        p = policy.log_prob(torch.ones(len(a), 3), a).exp()
    assert abs(float(torch.trapezoid(p, a[:, 0])) - 1) < 2e-3


def test_a_squashed_policy_stays_in_bounds_and_survives_labels_beyond_them():
    policy = SquashedGaussianPolicy(BOX, rng(), **GAUSS).flatten()
    obs = rng().normal(size=(500, 3)).astype(np.float32)
    actions = policy.act(obs, 50 * policy.noise(rng(), 500))
    assert (actions >= BOX.low).all() and (actions <= BOX.high).all()
    labels = np.tile(np.float32([5.13, -9]), (500, 1))
    loss = policy.loss(torch.from_numpy(obs), torch.from_numpy(labels))
    assert torch.isfinite(loss).all()
    loss.mean().backward()
    assert torch.isfinite(policy.flat_grad).all()
    assert policy.label_metrics(labels) == {"train/labels_clipped": 1.0}


def test_categorical_samples_follow_the_softmax():
    policy = CategoricalPolicy(DISCRETE, rng(), **NET).flatten()
    obs = np.repeat(rng().normal(size=(1, 3)).astype(np.float32), 20_000, 0)
    counts = np.bincount(policy.act(obs, policy.noise(rng(), 20_000)), minlength=4)
    with torch.no_grad():
        p = policy.log_probs(torch.from_numpy(obs[:1])).exp().numpy()[0]
    assert ((counts - 20_000 * p) ** 2 / (20_000 * p)).sum() < 16.3  # χ², 3 degrees of freedom, p = .001


def test_mse_concerns_the_mean():
    policy = GaussianPolicy(BOX, rng(), **{**GAUSS, "loss": "mse"}).flatten()
    obs = torch.zeros(4, 3)
    assert torch.allclose(policy.loss(obs, policy(obs).detach() + 1), torch.full((4,), 1.0))


def test_the_normaliser_is_taken_once_and_has_a_floor():
    policy = GaussianPolicy(BOX, rng(), **{**GAUSS, "normalize": True}).flatten()
    data = np.float32([[1, 5, 0], [3, 5, 0]])
    policy.fit_normalizer(data)
    assert policy.obs_mean.tolist() == [2, 5, 0] and np.allclose(policy.obs_std, [1, 0.01, 0.01])
    policy.fit_normalizer(data * 9)
    assert policy.obs_mean.tolist() == [2, 5, 0]


def test_depth_zero_is_linear():
    policy = DeterministicPolicy(BOX, rng(), **{**NET, "depth": 0}).flatten()
    obs = rng().normal(size=(2, 3)).astype(np.float32)
    zero = policy.act(np.zeros((1, 3), np.float32), None)
    total = policy.act(obs.sum(0, keepdims=True), None) - zero
    assert np.allclose(total, (policy.act(obs, None) - zero).sum(0), atol=1e-6)


def test_auto_follows_the_space():
    assert isinstance(auto(BOX, rng(), **GAUSS), GaussianPolicy)
    assert isinstance(auto(DISCRETE, rng(), **GAUSS), CategoricalPolicy)


INFINITE = EnvSpec("Free", (3,), (3,), False, 1, np.float32([-np.inf]), np.float32([np.inf]), 10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianPolicy(DISCRETE, rng(), **GAUSS), "policy=categorical"),
        (lambda: CategoricalPolicy(BOX, rng(), **NET), "policy=gaussian"),
        (lambda: SquashedGaussianPolicy(INFINITE, rng(), **GAUSS), "finite"),
        (lambda: GaussianPolicy(BOX, rng(), **{**GAUSS, "activation": "tan"}), "did you mean 'tanh'"),
        (lambda: GaussianPolicy(BOX, rng(), **{**GAUSS, "loss": "mle"}), "nll or mse"),
        (lambda: GaussianPolicy(BOX, rng(), **{**GAUSS, "depth": -1}), "depth"),
        (lambda: GaussianPolicy(BOX, rng(), **{**GAUSS, "fit": {**FIT, "optimizer": "adm"}}), "did you mean 'adam'"),
        (lambda: GaussianPolicy(BOX, rng(), **{**GAUSS, "fit": {**FIT, "batch": 0}}), "policy.fit.batch=0"),
    ],
)
def test_errors_name_the_value(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
