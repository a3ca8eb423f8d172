"""Gaussian policies: unbounded, and squashed into the action bounds."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from il.envs.base import EnvSpec
from il.errors import ConfigError, nearest
from il.policies.base import Policy, require_continuous

LOG_2PI = math.log(2 * math.pi)
EDGE = 1e-4
"""Squashed labels are kept this far (of a half range) inside the bounds, where the density is finite."""


class GaussianPolicy(Policy):
    """Normal distribution whose mean is the network and whose log-std does not depend on the state.

    Args:
        loss: ``nll``, or ``mse`` on the mean (which leaves the log-std where it started).
        log_std: initial log standard deviation of every action dimension.
        spec, generator, depth, width, activation, normalize, fit: see `Policy`.
    """

    has_density = True
    has_rsample = True

    def __init__(
        self,
        spec: EnvSpec,
        generator: np.random.Generator,
        depth: int,
        width: int,
        activation: str,
        normalize: bool,
        loss: str,
        log_std: float,
        fit: dict[str, Any],
    ):
        act_dim = require_continuous("gaussian", spec)
        super().__init__(spec, act_dim, generator, depth, width, activation, normalize, fit)
        if loss not in ("nll", "mse"):
            raise ConfigError(f"policy.loss={loss}{nearest(loss, ['nll', 'mse'])}: nll or mse")
        self.kind = loss
        self.log_std = nn.Parameter(torch.full((act_dim,), float(log_std)))

    def flatten(self) -> "GaussianPolicy":
        """See `Policy.flatten`."""
        super().flatten()
        self._log_std = self.log_std.detach().numpy() if self.on_cpu else None  # a view, always current
        return self

    def act(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """See `Policy.act`; the mode is the mean."""
        mean = self.outputs(obs)
        if noise is None:
            return mean
        log_std = self.log_std.detach().cpu().numpy() if self._log_std is None else self._log_std
        return mean + np.exp(log_std) * noise

    def loss(self, obs: Tensor, act: Tensor) -> Tensor:
        """Return the negative log-likelihood, or half the squared error of the mean, summed over dimensions, [B]."""
        if self.kind == "mse":
            return 0.5 * (self(obs) - act).square().sum(-1)
        return -self.log_prob(obs, act)

    def loss_gradient(
        self, out: np.ndarray, act: np.ndarray, weight: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray | None]:
        """See `Policy.loss_gradient`."""
        if self.kind == "mse":
            error = out - act
            delta = weight * error
            return 0.5 * float(np.vdot(delta, error)), delta, np.zeros(self.spec.act_dim, out.dtype)
        log_std = self._log_std
        assert log_std is not None, "only on the CPU"
        rate, total = np.exp(-log_std), weight.sum()
        z = (out - act) * rate
        scaled = weight * z
        loss = 0.5 * np.vdot(scaled, z) + total * (log_std.sum() + 0.5 * LOG_2PI * self.spec.act_dim)
        return float(loss), scaled * rate, total - np.einsum("ij,ij->j", scaled, z)

    def log_prob(self, obs: Tensor, act: Tensor) -> Tensor:
        """See `Policy.log_prob`."""
        z = (act - self(obs)) * torch.exp(-self.log_std)
        return -0.5 * z.square().sum(-1) - self.log_std.sum() - 0.5 * LOG_2PI * self.spec.act_dim

    def entropy(self, obs: Tensor) -> Tensor:
        """See `Policy.entropy`; the same in every state."""
        return (self.log_std + 0.5 * (1 + LOG_2PI)).sum().expand(len(obs))

    def rsample(self, obs: Tensor, noise: Tensor) -> Tensor:
        """See `Policy.rsample`."""
        return self(obs) + torch.exp(self.log_std) * noise


class SquashedGaussianPolicy(GaussianPolicy):
    """A Gaussian pressed by tanh into [low, high]; its density counts the squashing and the scale.

    Labels are clipped into the open interval; the share clipped is logged.

    Raises:
        ConfigError: where a bound is infinite.
    """

    def __init__(
        self,
        spec: EnvSpec,
        generator: np.random.Generator,
        depth: int,
        width: int,
        activation: str,
        normalize: bool,
        loss: str,
        log_std: float,
        fit: dict[str, Any],
    ):
        require_continuous("squashed_gaussian", spec)
        super().__init__(spec, generator, depth, width, activation, normalize, loss, log_std, fit)
        assert spec.low is not None and spec.high is not None
        if not (np.isfinite(spec.low).all() and np.isfinite(spec.high).all()):
            raise ConfigError(f"policy=squashed_gaussian needs finite action bounds, but {spec.id} has "
                              f"[{spec.low}, {spec.high}]: use policy=gaussian")  # fmt: skip
        self.center: Tensor
        self.half_range: Tensor
        self.register_buffer("center", torch.from_numpy((spec.high + spec.low) / 2))
        self.register_buffer("half_range", torch.from_numpy((spec.high - spec.low) / 2))

    def act(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """See `Policy.act`; the mode is that of the Gaussian before squashing."""
        squashed = np.tanh(super().act(obs, noise))
        return self.center.cpu().numpy() + self.half_range.cpu().numpy() * squashed

    def _unsquash(self, act: Tensor) -> Tensor:
        return torch.atanh(((act - self.center) / self.half_range).clamp(-1 + EDGE, 1 - EDGE))

    def loss(self, obs: Tensor, act: Tensor) -> Tensor:
        """Return the negative log-likelihood, or half the squared error of the squashed mean, [B]."""
        if self.kind == "mse":
            mode = self.center + self.half_range * torch.tanh(self(obs))
            return 0.5 * (mode - act).square().sum(-1)
        return -self.log_prob(obs, act)

    def loss_gradient(
        self, out: np.ndarray, act: np.ndarray, weight: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray | None]:
        """See `Policy.loss_gradient`."""
        center, half_range = self.center.numpy(), self.half_range.numpy()
        if self.kind == "mse":
            squashed = np.tanh(out)
            loss, delta, own = super().loss_gradient(center + half_range * squashed, act, weight)
            return loss, delta * half_range * (1 - squashed * squashed), own
        u = np.arctanh(np.clip((act - center) / half_range, -1 + EDGE, 1 - EDGE))
        loss, delta, own = super().loss_gradient(out, u, weight)
        # what the squashing adds to the density does not depend on the parameters
        log_slope = 2 * (math.log(2) - u - np.logaddexp(0, -2 * u))
        return loss + float(np.vdot(weight, (log_slope + np.log(half_range)).sum(1))), delta, own

    def log_prob(self, obs: Tensor, act: Tensor) -> Tensor:
        """See `Policy.log_prob`; actions on or beyond the bounds count as just inside."""
        u = self._unsquash(act)
        # log(1 - tanh²u) in a form that stays finite for large |u|
        log_slope = 2 * (math.log(2) - u - nn.functional.softplus(-2 * u))
        return super().log_prob(obs, u) - (log_slope + torch.log(self.half_range)).sum(-1)

    def rsample(self, obs: Tensor, noise: Tensor) -> Tensor:
        """See `Policy.rsample`."""
        return self.center + self.half_range * torch.tanh(super().rsample(obs, noise))

    def label_metrics(self, labels: np.ndarray) -> dict[str, float]:
        """Return the share of label components that had to be clipped."""
        scaled = (labels - self.center.cpu().numpy()) / self.half_range.cpu().numpy()
        return {"train/labels_clipped": float((np.abs(scaled) > 1 - EDGE).mean())}
