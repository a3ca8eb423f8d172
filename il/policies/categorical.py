"""A policy over finitely many actions."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from il.envs.base import EnvSpec
from il.errors import ConfigError
from il.policies.base import Policy


class CategoricalPolicy(Policy):
    """Softmax over the network's outputs; fitted by cross-entropy.

    Args:
        spec, generator, depth, width, activation, normalize, fit: see `Policy`.

    Raises:
        ConfigError: on a continuous space.
    """

    has_density = True

    def __init__(
        self,
        spec: EnvSpec,
        generator: np.random.Generator,
        depth: int,
        width: int,
        activation: str,
        normalize: bool,
        fit: dict[str, Any],
    ):
        if not spec.discrete:
            raise ConfigError(f"policy=categorical needs discrete actions, but {spec.id} takes {spec.act_dim} numbers: "
                              "use policy=gaussian or policy=auto")  # fmt: skip
        super().__init__(spec, spec.act_dim, generator, depth, width, activation, normalize, fit)

    def noise(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Draw uniform numbers in [0, 1), float32 [count]."""
        return generator.random(count, np.float32)

    def act(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """See `Policy.act`; samples invert the cumulative distribution."""
        logits = self.outputs(obs)
        if noise is None:
            return logits.argmax(-1)
        weights = np.exp(logits - logits.max(-1, keepdims=True)).cumsum(-1)
        return (weights[:, :-1] <= noise[:, None] * weights[:, -1:]).sum(-1)

    def log_probs(self, obs: Tensor) -> Tensor:
        """Return log π(·|s) for all actions, [B, act_dim]."""
        return torch.log_softmax(self(obs), -1)

    def loss(self, obs: Tensor, act: Tensor) -> Tensor:
        """Return the cross-entropy of each row, [B]."""
        return -self.log_prob(obs, act)

    def loss_gradient(
        self, out: np.ndarray, act: np.ndarray, weight: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray | None]:
        """See `Policy.loss_gradient`."""
        rows = np.arange(len(out))
        shifted = out - out.max(1, keepdims=True)
        p = np.exp(shifted)
        total = p.sum(1, keepdims=True)
        losses = np.log(total[:, 0]) - shifted[rows, act]
        p *= weight / total
        p[rows, act] -= weight[:, 0]
        return float(np.vdot(weight, losses)), p, None

    def log_prob(self, obs: Tensor, act: Tensor) -> Tensor:
        """See `Policy.log_prob`."""
        return self.log_probs(obs).gather(-1, act[:, None])[:, 0]

    def entropy(self, obs: Tensor) -> Tensor:
        """See `Policy.entropy`."""
        log_p = self.log_probs(obs)
        return -(log_p.exp() * log_p).sum(-1)
