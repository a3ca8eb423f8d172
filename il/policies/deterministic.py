"""A policy without randomness."""

from typing import Any

import numpy as np
from torch import Tensor

from il.envs.base import EnvSpec
from il.policies.base import Policy, require_continuous


class DeterministicPolicy(Policy):
    """The network's output is the action; fitted by squared error.

    Args:
        spec, generator, depth, width, activation, normalize, fit: see `Policy`.
    """

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
        act_dim = require_continuous("deterministic", spec)
        super().__init__(spec, act_dim, generator, depth, width, activation, normalize, fit)

    def act(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """See `Policy.act`; a sample is the mode."""
        return self.outputs(obs)

    def loss(self, obs: Tensor, act: Tensor) -> Tensor:
        """Return half the squared error summed over dimensions, [B]."""
        return 0.5 * (self(obs) - act).square().sum(-1)

    def loss_gradient(
        self, out: np.ndarray, act: np.ndarray, weight: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray | None]:
        """See `Policy.loss_gradient`."""
        error = out - act
        delta = weight * error
        return 0.5 * float(np.vdot(delta, error)), delta, None
