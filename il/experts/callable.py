"""Any function as an expert."""

from collections.abc import Callable
from typing import Any

import numpy as np

from il.config import locate
from il.envs.base import EnvSpec
from il.errors import ConfigError
from il.experts.base import Expert, Provenance


class CallableExpert(Expert):
    """A function from observations [B, …] to actions [B, act_dim] or [B].

    Args:
        spec: the environment.
        path: dotted path of the function.
        card: what is recorded about it, as in `il.experts.neutral`; None when nothing is.

    Raises:
        ConfigError: when the path leads nowhere, or the function does not return a batch of actions.
    """

    def __init__(self, spec: EnvSpec, path: str, card: dict[str, Any] | None = None):
        self.function: Callable[[np.ndarray], np.ndarray] = locate(path, "expert.path")
        if not callable(self.function):
            raise ConfigError(f"expert.path={path} is a {type(self.function).__name__}, not a function")
        self._dtype = spec.act_dtype
        returns = (card or {}).get("returns", {})
        self.provenance = Provenance(
            f"the function {path}",
            (card or {}).get("env_id"),
            returns.get("mean"),
            returns.get("std"),
            extra=card or {},
        )
        shape = np.shape(self.act(np.zeros((2, *spec.expert_obs_shape), np.float32)))
        if shape != (2, *spec.act_shape):
            raise ConfigError(f"expert.path={path}: for 2 observations of {spec.id} it returned the shape {shape}, "
                              f"not {(2, *spec.act_shape)}")  # fmt: skip

    def act(self, obs: np.ndarray, snapshot: Any = None) -> np.ndarray:
        """See `Expert.act`."""
        return np.asarray(self.function(obs)).astype(self._dtype)
