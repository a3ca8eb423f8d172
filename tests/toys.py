"""Environments and experts whose every step is known."""

from typing import Any

import gymnasium as gym
import numpy as np


class Counter(gym.Env[np.ndarray, np.ndarray]):
    """Observes how many steps were taken and ends by itself at `end`; can be told to break at a step."""

    def __init__(self, end: int = 7, fail_at: int | None = None, nan_at: int | None = None):
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)
        self.action_space = gym.spaces.Box(-1, 1, (1,), np.float32)
        self.end, self.fail_at, self.nan_at = end, fail_at, nan_at

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.t = 0
        return np.array([0], np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        if self.t == self.fail_at:
            raise RuntimeError("the motor is on fire")
        self.t += 1
        reward = float("nan") if self.t - 1 == self.nan_at else 1.0
        return np.array([self.t], np.float32), reward, self.t >= self.end, False, {}


class Flaky(Counter):
    """Works for its first 60 resets, then breaks at step 3."""

    resets = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        self.resets += 1
        self.fail_at = 3 if self.resets > 60 else None
        return super().reset(seed=seed, options=options)


gym.register("Counter-v0", entry_point=Counter, max_episode_steps=10)
gym.register("Flaky-v0", entry_point=Flaky, max_episode_steps=10)


def constant(obs: np.ndarray) -> np.ndarray:
    """Act as an expert for Counter: half its observation."""
    return obs[:, :1] * 0.5


def still(obs: np.ndarray) -> np.ndarray:
    """Act as an expert for Swimmer: not at all."""
    return np.zeros((len(obs), 2), np.float32)
