"""An environment seen and acted on through noise."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from il.envs.base import VectorEnv


class NoisyEnv(VectorEnv):
    """Adds noise to what the learner sees and to what it does; the expert's view stays true.

    All draws of an episode follow from its seed, so it is the same whatever the number of slots.

    Args:
        env: the true one.
        obs_std: standard deviations added to observations, of their shape.
        act_noise: continuous actions: standard deviation, as a share of half the action's range (of 1 where it has no
            bounds); discrete ones: probability of a uniformly random action instead.
    """

    def __init__(self, env: VectorEnv, obs_std: np.ndarray, act_noise: float):
        self.env, self.n, self.spec = env, env.n, env.spec
        self.obs_std, self.act_noise = np.broadcast_to(obs_std, env.spec.obs_shape), act_noise
        self.obs = env.obs.copy()
        self.expert_obs = env.expert_obs
        self._streams = [np.random.default_rng(0)] * env.n
        spec = env.spec
        if spec.low is not None and spec.high is not None:
            half = (spec.high - spec.low) / 2
            self._act_std = act_noise * np.where(np.isfinite(half), half, 1.0)

    def reset(self, ids: np.ndarray, seeds: Sequence[int]) -> None:
        """See `VectorEnv.reset`."""
        self.env.reset(ids, seeds)
        for slot, seed in zip(ids, seeds, strict=True):
            self._streams[slot] = np.random.default_rng([int(seed), 1])
        self._look(ids)

    def step(self, actions: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See `VectorEnv.step`."""
        pairs = zip(actions, ids, strict=True)
        taken = np.array([self._disturb(action, self._streams[slot]) for action, slot in pairs])
        out = self.env.step(taken.astype(actions.dtype), ids)
        self._look(ids)
        return out

    def _disturb(self, action: Any, rng: np.random.Generator) -> Any:
        if self.spec.discrete:
            chance, other = rng.random(), rng.integers(self.spec.act_dim)
            return other if chance < self.act_noise else action
        bounded = np.clip(action, self.spec.low, self.spec.high)
        return bounded + self._act_std * rng.standard_normal(bounded.shape)

    def _look(self, ids: np.ndarray) -> None:
        for slot in ids:
            noise = self._streams[slot].standard_normal(self.spec.obs_shape)
            self.obs[slot] = self.env.obs[slot] + self.obs_std * noise

    def snapshot(self, ids: np.ndarray) -> Any:
        """Return the true state."""
        return self.env.snapshot(ids)
