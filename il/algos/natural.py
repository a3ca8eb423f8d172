"""The natural gradient step: as far as the policy's distributions may move, in the direction that gains most."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from il.algos.base import require_positive
from il.errors import ConfigError
from il.policies.base import Policy


@dataclass(frozen=True)
class Samples:
    """Actions in the learner's own distribution, M rows over N states."""

    obs: Tensor
    """[M, …]."""
    act: Tensor
    """[M] or [M, act_dim]."""
    weight: Tensor
    """Probability, or share of a state's samples; sums to 1 over a state's rows, [M]."""


@dataclass(frozen=True)
class Trust:
    """How far and how exactly a step goes."""

    kl: float
    """Mean KL divergence between old and new distributions that a step aims at."""
    damping: float
    """Multiple of the identity added to the Fisher matrix."""
    iterations: int
    """Of conjugate gradients."""
    backtracks: int
    """Halvings of a step that gains nothing or goes more than 1.5 times too far."""

    def __post_init__(self) -> None:
        require_positive("algo.trust", {"kl": self.kl, "iterations": self.iterations})
        if self.damping < 0 or self.backtracks < 0:
            raise ConfigError(f"algo.trust.damping={self.damping}, backtracks={self.backtracks}: at least 0")


def natural_step(policy: Policy, gain: Callable[[Policy], Tensor], samples: Samples, trust: Trust) -> dict[str, float]:
    """Move a policy by √(2 KL / xᵀFx) x, x ≈ F⁻¹g, halved until the gain rises and the divergence is kept.

    F = E_s E_{a~π}[∇log π ∇log πᵀ] + damping, taken over the samples, so any policy with a density will do.

    Args:
        policy: changed in place; unchanged when no step helps.
        gain: what is to grow; its gradient g at the current parameters is the direction of steepest ascent.
        samples: actions of the policy as it is, on the states that count.
        trust: see `Trust`.

    Returns:
        ``train/kl`` and ``train/step`` (1 for the whole step, 0 for none).
    """
    parameters = list(policy.parameters())
    before = gain(policy)
    g = _flat(torch.autograd.grad(before, parameters, allow_unused=True), parameters)
    if float(g.norm()) < 1e-10:
        return {"train/kl": 0.0, "train/step": 0.0}
    product = fisher(policy, samples, trust.damping)
    x = conjugate_gradients(product, g, trust.iterations)
    old, log_p = policy.flat.clone(), policy.log_prob(samples.obs, samples.act).detach()
    step = x * torch.sqrt(2 * trust.kl / torch.dot(x, product(x)))
    for k in range(trust.backtracks + 1):
        with torch.no_grad():
            policy.flat.copy_(old + step / 2**k)
            divergence = float(kl(policy, samples, log_p))
            if float(gain(policy)) > float(before) and divergence <= 1.5 * trust.kl:
                return {"train/kl": divergence, "train/step": 1 / 2**k}
    policy.flat.copy_(old)
    return {"train/kl": 0.0, "train/step": 0.0}


def kl(policy: Policy, samples: Samples, log_p: Tensor) -> Tensor:
    """Return the mean KL divergence of a policy from the one whose log-densities are `log_p` [M], a scalar.

    Each row contributes r - 1 - log r with r the ratio of new to old density: unbiased, never negative, and exact
    where the rows list all actions.
    """
    log_r = policy.log_prob(samples.obs, samples.act) - log_p
    return (samples.weight * (log_r.exp() - 1 - log_r)).sum() / samples.weight.sum()


def fisher(policy: Policy, samples: Samples, damping: float) -> Callable[[Tensor], Tensor]:
    """Return v ↦ (F + damping) v for flat vectors v."""
    parameters = list(policy.parameters())
    log_p = policy.log_prob(samples.obs, samples.act)
    weight = samples.weight / samples.weight.sum()
    u = torch.ones_like(log_p, requires_grad=True)
    # the derivative of Jᵀu by u is J: two backward passes make a forward one
    back = _flat(torch.autograd.grad(log_p, parameters, u, create_graph=True, allow_unused=True), parameters)

    def product(v: Tensor) -> Tensor:
        (forward,) = torch.autograd.grad(torch.dot(back, v), u, retain_graph=True)
        parts = torch.autograd.grad(log_p, parameters, weight * forward, retain_graph=True, allow_unused=True)
        return _flat(parts, parameters) + damping * v

    return product


def conjugate_gradients(product: Callable[[Tensor], Tensor], b: Tensor, iterations: int) -> Tensor:
    """Solve A x = b for a positive definite A given as a product, approximately."""
    x, residual, direction = torch.zeros_like(b), b.clone(), b.clone()
    size = torch.dot(residual, residual)
    for _ in range(iterations):
        along = product(direction)
        length = size / torch.dot(direction, along)
        x += length * direction
        residual -= length * along
        smaller = torch.dot(residual, residual)
        if float(smaller) < 1e-10 * float(torch.dot(b, b)):
            break
        direction, size = residual + smaller / size * direction, smaller
    return x


def _flat(parts: tuple[Tensor | None, ...], parameters: list[torch.nn.Parameter]) -> Tensor:
    pairs = zip(parts, parameters, strict=True)
    return torch.cat([torch.zeros_like(p).reshape(-1) if g is None else g.reshape(-1) for g, p in pairs])
