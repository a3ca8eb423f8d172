"""The Gaussian MLP experts of CS285 homework 1 (fall 2023)."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from il.envs.base import EnvSpec
from il.errors import ConfigError
from il.experts.base import Expert, Provenance
from il.experts.demos import DemosExpert
from il.experts.neutral import require_sizes
from il.policies.mlp import run_layers
from il.restricted_pickle import load
from il.rollout import Rollout

ANT_WITH_AND_WITHOUT_FORCES = (111, 27)
"""Observations of Ant with contact forces, as the expert was made, and without them."""


class CS285Expert(Expert):
    """A course expert; nothing in its pickle is executed.

    The course's loader pads or cuts observations to the expert's size without a word, which loses 64 % on Ant-v5.
    Here sizes must match, with one exception that is known and was measured: Ant's 84 contact forces, which come last
    and which Ant-v4 leaves out, are taken as zeros, as in the course (return 4644 ± 53).

    Args:
        spec: the environment.
        path: the pickle.
        demonstrations: a file of recorded episodes to start from (see expert=demos); None starts from new ones.

    Raises:
        ConfigError: when the file is missing, damaged, not a course expert, or made for other sizes.
    """

    def __init__(self, spec: EnvSpec, path: str, demonstrations: str | None):
        file = Path(path).expanduser()
        source = f"the course expert {file.name}"
        content = load(file)
        try:
            policy = content["GaussianPolicy"]
            hidden = policy["hidden"]["FeedforwardNet"]
            names = sorted(hidden, key=lambda k: int(k.split("_")[1]))
            pairs = [hidden[k]["AffineLayer"] for k in names] + [policy["out"]["AffineLayer"]]
            norm = policy["obsnorm"]["Standardizer"]
            mean, square = (np.asarray(norm[k], float).reshape(-1) for k in ("mean_1_D", "meansq_1_D"))
            self.activation = {"tanh": "tanh", "lrelu": "leaky_relu"}[content["nonlin_type"]]
        except (KeyError, TypeError, IndexError) as error:
            raise ConfigError(
                f"expert.path={path} is no expert of the course: {type(error).__name__} {error}"
            ) from None
        self._layers = [(np.asarray(p["W"], np.float32), np.asarray(p["b"], np.float32).reshape(-1)) for p in pairs]
        std = np.sqrt(np.maximum(square - mean**2, 0))
        size = int(np.prod(spec.expert_obs_shape))
        full, bare = ANT_WITH_AND_WITHOUT_FORCES
        self._absent = full - bare if len(mean) == full != size else 0
        require_sizes(spec, len(mean) - self._absent, self._layers[-1][0].shape[1], source)
        self._mean, self._std = mean.astype(np.float32), (std + 1e-6).astype(np.float32)
        self._start = (
            None
            if demonstrations is None
            else DemosExpert(demonstrations, None, None, None, spec=spec).demonstrations()
        )
        self.provenance = Provenance(source, sha256=hashlib.sha256(file.read_bytes()).hexdigest())

    def act(self, obs: np.ndarray, snapshot: Any = None) -> np.ndarray:
        """See `Expert.act`; the Gaussian's mean."""
        obs = np.pad(obs, ((0, 0), (0, self._absent)))
        return run_layers((obs - self._mean) / self._std, self._layers, self.activation)

    def demonstrations(self) -> Rollout | None:
        """See `Expert.demonstrations`."""
        return self._start
