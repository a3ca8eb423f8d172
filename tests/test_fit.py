"""Fitting by gradients."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from il.dataset import Dataset
from il.fit import Adam, Progress, fit
from il.policies.gaussian import GaussianPolicy
from tests.conftest import ROOT
from tests.policies.test_policies import BOX, FIT, GAUSS, NET  # noqa: F401


def problem(steps=400, **knobs):
    policy = GaussianPolicy(
        BOX, np.random.default_rng(0), **{**GAUSS, "fit": {**FIT, "lr": 5e-3, "steps": steps, **knobs}}
    )
    obs = np.random.default_rng(1).normal(size=(500, 3)).astype(np.float32)
    data = Dataset({"obs": ((3,), np.float32), "label": ((2,), np.float32)}, 500, None)
    data.append("a", {"obs": obs, "label": np.tanh(obs[:, :2])}, np.zeros(500, bool))
    return policy.flatten(), data


def test_a_policy_learns_what_it_is_shown():
    policy, data = problem(2000)
    metrics = fit(policy, Adam(policy), data, 0, (0,), Progress())
    assert np.abs(policy.act(data["obs"], None) - data["label"]).mean() < 0.03
    assert metrics["train/loss"] < -3 and metrics["train/grad_steps"] == 2000


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_the_optimiser_is_torchs(optimizer):
    policy, _ = problem(optimizer=optimizer, weight_decay=0.1)
    twin = policy.clone()
    cls = torch.optim.AdamW if optimizer == "adamw" else torch.optim.Adam
    reference = cls(twin.parameters(), lr=5e-3, weight_decay=0.1)
    adam = Adam(policy)
    obs, act = torch.randn(10, 3), torch.randn(10, 2)
    for _ in range(20):
        for p in (policy, twin):
            p.flat_grad.zero_()
            p.loss(obs, act).mean().backward()
        adam.step()
        reference.step()
    assert torch.allclose(policy.flat, torch.cat([p.reshape(-1) for p in twin.parameters()]), atol=1e-6)


class Kept(Progress):
    """Keeps blocks in memory, and can stop a fit after some of them."""

    def __init__(self, stop_after=None):
        self.blocks, self.stop_after = {}, stop_after

    def load(self, name):
        return self.blocks.get(name)

    def save(self, name, arrays):
        self.blocks[name] = arrays
        if self.stop_after == int(arrays["done"]):
            self.stop_after = None
            raise InterruptedError


def test_a_fit_goes_on_bit_for_bit_between_blocks():
    policy, data = problem(2500)
    fit(policy, Adam(policy), data, 0, (4,), Progress())
    again, _ = problem(2500)
    kept = Kept(stop_after=2000)
    with pytest.raises(InterruptedError):
        fit(again, Adam(again), data, 0, (4,), kept)
    resumed, _ = problem(2500)
    fit(resumed, Adam(resumed), data, 0, (4,), kept)
    assert torch.equal(policy.flat, resumed.flat)


def test_weights_choose_what_counts():
    policy, _ = problem(800)
    rows = {
        "obs": np.zeros((2, 3), np.float32),
        "label": np.float32([[1, 1], [-1, -1]]),
        "weight": np.float32([3, 1]),
    }
    columns = {"obs": ((3,), np.float32), "label": ((2,), np.float32), "weight": ((), np.float32)}
    data = Dataset(columns, 2, None)
    data.append("a", rows, np.zeros(2, bool))
    fit(policy, Adam(policy), data, 0, (0,), Progress())
    assert np.allclose(policy.act(np.zeros((1, 3), np.float32), None), 0.5, atol=0.1)  # (3·1 - 1·1) / 4


def test_moments_of_dead_units_do_not_linger_as_denormals():
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor keeps denormals")
    torch.set_flush_denormal(False)
    policy, data = problem(100)
    adam = Adam(policy)
    policy.log_std.data.fill_(50)  # no gradient worth the name
    adam.moments.fill_(1e-37)
    fit(policy, adam, data, 0, (0,), Progress())
    tiny = np.finfo(np.float32).tiny
    assert not ((adam.moments != 0) & (adam.moments.abs() < tiny)).any()
    assert np.array([tiny], np.float32) / 2 != 0, "what comes after a fit has denormals again"


def test_a_loss_that_explodes_is_an_error():
    policy, data = problem(50, lr=1e30)
    with pytest.raises(FloatingPointError, match=r"policy\.fit\.lr"):
        fit(policy, Adam(policy), data, 0, (0,), Progress())


def test_a_fit_imports_none_of_what_torch_loads_for_its_own_optimisers():
    program = (
        "import sys; from tests.test_fit import problem; from il.fit import Adam, Progress, fit\n"
        "for backend in ('auto', 'autograd'):\n"
        "    policy, data = problem(20, backend=backend)\n"
        "    fit(policy, Adam(policy), data, 0, (0,), Progress())\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
