"""Gradients written out against autograd."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from il.backprop import Backprop, supports
from il.dataset import Dataset
from il.envs.base import EnvSpec
from il.fit import Adam, Progress, fit, imitation
from il.policies.auto import auto
from il.policies.base import Policy
from il.policies.categorical import CategoricalPolicy
from il.policies.deterministic import DeterministicPolicy
from il.policies.gaussian import GaussianPolicy, SquashedGaussianPolicy

ROWS, OBS, ACT = 500, 11, 3
FIT = {"optimizer": "adam", "lr": 5e-3, "weight_decay": 0.0, "batch": 32, "steps": 100, "backend": "auto"}
HEADS: dict[str, tuple[type[Policy], dict[str, Any]]] = {
    "nll": (GaussianPolicy, {"loss": "nll", "log_std": -0.3}),
    "mse": (GaussianPolicy, {"loss": "mse", "log_std": 0.0}),
    "squashed nll": (SquashedGaussianPolicy, {"loss": "nll", "log_std": -0.3}),
    "squashed mse": (SquashedGaussianPolicy, {"loss": "mse", "log_std": 0.0}),
    "deterministic": (DeterministicPolicy, {}),
    "categorical": (CategoricalPolicy, {}),
}


def spec(discrete: bool = False) -> EnvSpec:
    low, high = np.array([-1, -2, 0], np.float32), np.array([1, 2, 3], np.float32)
    return EnvSpec("test", (OBS,), (OBS,), discrete, ACT, None if discrete else low, None if discrete else high, 100)


def make(head: str, depth: int = 2, activation: str = "tanh", normalize: bool = True, **fit: Any) -> Policy:
    kind, knobs = HEADS[head]
    policy = kind(
        spec(head == "categorical"), np.random.default_rng(0), depth=depth, width=16, activation=activation,
        normalize=normalize, fit={**FIT, **fit}, **knobs,
    )  # fmt: skip
    return policy.flatten()


def columns(head: str, dtype: type = np.float32) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    obs = rng.normal(0.5, 2, (ROWS, OBS)).astype(dtype)
    obs[:, 3] = 1  # a constant input
    score = np.tanh(obs @ rng.normal(0, 0.3, (OBS, ACT))) + rng.normal(0, 0.1, (ROWS, ACT))
    label = score.argmax(1) if head == "categorical" else score.astype(dtype)
    return {"obs": obs, "label": label, "weight": rng.random(ROWS).astype(dtype)}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("depth", "activation"), [(2, "tanh"), (2, "relu"), (3, "leaky_relu"), (0, "tanh")])
@pytest.mark.parametrize("head", HEADS)
def test_gradient_equals_autograd(head: str, depth: int, activation: str, weighted: bool) -> None:
    """In float64 to 1e-12 of the largest component, and every component to 1e-6 of itself."""
    policy = make(head, depth, activation).double().flatten()
    data = columns(head, np.float64)
    policy.fit_normalizer(data["obs"])
    rows = np.random.default_rng(2).integers(0, ROWS, 64)

    by_hand = Backprop(policy, len(rows), data["obs"], data["label"], data["weight"] if weighted else None)(rows)
    gradient = policy.flat_grad.clone()

    policy.flat_grad.zero_()
    losses = policy.loss(torch.from_numpy(data["obs"][rows]), torch.from_numpy(data["label"][rows]))
    loss = (losses * torch.from_numpy(data["weight"][rows]) if weighted else losses).mean()
    torch.autograd.backward(loss)

    assert by_hand == pytest.approx(loss.item(), rel=1e-12)
    expected = policy.flat_grad.numpy()
    np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-6, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("head", HEADS)
def test_float32_gradient_is_as_exact_as_autograd(head: str) -> None:
    """Against the float64 gradient, relative to its norm."""
    exact, policy, data = make(head).double().flatten(), make(head), columns(head)
    for p in (exact, policy):
        p.fit_normalizer(data["obs"])
    rows = np.arange(100)
    wide = {k: v.astype(np.float64) if v.dtype == np.float32 else v for k, v in data.items()}
    Backprop(exact, 100, wide["obs"], wide["label"])(rows)

    def error() -> float:
        return float((policy.flat_grad.double() - exact.flat_grad).norm() / exact.flat_grad.norm())

    Backprop(policy, 100, data["obs"], data["label"])(rows)
    by_hand = error()
    policy.flat_grad.zero_()
    losses = policy.loss(torch.from_numpy(data["obs"][rows]), torch.from_numpy(data["label"][rows]))
    torch.autograd.backward(losses.mean())
    assert by_hand < 1e-6 + error()


def fitted(head: str, weighted: bool, objective: Callable[..., torch.Tensor] = imitation, **knobs: Any) -> list[float]:
    """Return the losses of 100 single steps."""
    policy, rows = make(head, **{**knobs, "steps": 1}), columns(head)
    adam = Adam(policy)
    kept = {k: v for k, v in rows.items() if weighted or k != "weight"}
    data = Dataset({k: (v.shape[1:], v.dtype.type) for k, v in kept.items()}, capacity=ROWS, max_rows=None)
    data.append("data", kept, np.zeros(ROWS, bool))
    return [fit(policy, adam, data, 0, (k,), Progress(), objective)["train/loss"] for k in range(100)]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("head", HEADS)
def test_both_backends_learn_alike(head: str, weighted: bool) -> None:
    by_hand, autograd = (fitted(head, weighted, backend=backend) for backend in ("auto", "autograd"))
    assert by_hand != autograd, "two ways of computing it round differently"
    np.testing.assert_allclose(by_hand, autograd, rtol=1e-4, atol=1e-4)
    assert np.mean(by_hand[-10:]) < np.mean(by_hand[:10])


def test_other_objectives_go_through_autograd() -> None:
    calls = []

    def objective(policy: Policy, obs: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        calls.append(len(obs))
        return policy.loss(obs, label)

    losses = fitted("nll", False, objective)
    assert calls == [FIT["batch"]] * 100
    assert losses == fitted("nll", False, backend="autograd")


def test_a_subclass_with_another_loss_goes_through_autograd() -> None:
    class Heavier(GaussianPolicy):
        def loss(self, obs: torch.Tensor, act: torch.Tensor) -> torch.Tensor:
            return 2 * super().loss(obs, act)

    assert all(supports(make(head)) for head in HEADS)
    policy = Heavier(spec(), np.random.default_rng(0), 1, 8, "tanh", False, "nll", 0.0, FIT).flatten()
    assert not supports(policy)


def test_auto_policies_are_supported() -> None:
    for discrete in (False, True):
        knobs: dict[str, Any] = {"depth": 1, "width": 4, "activation": "tanh", "normalize": False}
        assert supports(
            auto(spec(discrete), np.random.default_rng(0), **knobs, loss="nll", log_std=0.0, fit=FIT).flatten()
        )
