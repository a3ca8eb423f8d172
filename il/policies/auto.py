"""The usual policy for a space."""

from typing import Any

import numpy as np

from il.envs.base import EnvSpec
from il.policies.base import Policy
from il.policies.categorical import CategoricalPolicy
from il.policies.gaussian import GaussianPolicy


def auto(
    spec: EnvSpec,
    generator: np.random.Generator,
    depth: int,
    width: int,
    activation: str,
    normalize: bool,
    loss: str,
    log_std: float,
    fit: dict[str, Any],
) -> Policy:
    """Return a categorical policy for discrete actions and a Gaussian one for continuous actions.

    `loss` and `log_std` concern the Gaussian only.
    """
    if spec.discrete:
        return CategoricalPolicy(spec, generator, depth, width, activation, normalize, fit)
    return GaussianPolicy(spec, generator, depth, width, activation, normalize, loss, log_std, fit)
