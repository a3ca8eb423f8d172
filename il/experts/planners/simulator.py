"""Looking ahead in the run's own environment: what would these actions lead to?"""

from typing import Any

import numpy as np

from il.envs.base import EnvSpec, VectorEnv
from il.errors import ConfigError

SLOTS = 4096
"""Simulations side by side at most; more are done one such batch after the other."""


class Simulator:
    """Copies of the run's environment, which take its snapshots: rewards and ends are the task's own.

    Args:
        spec: the run's environment.
        what: who plans, for the message.

    Raises:
        ConfigError: when the environment has no snapshots.
    """

    def __init__(self, spec: EnvSpec, what: str):
        if spec.simulate is None:
            raise ConfigError(
                f"{what} plans in the simulator, but {spec.id} has no snapshots; MuJoCo's tasks (env.backend=auto) and "
                "classic control have"
            )
        self._make = spec.simulate
        self._env: VectorEnv | None = None

    def env(self, n: int) -> VectorEnv:
        """Return an environment with at least n slots."""
        if self._env is None or self._env.n < n:
            self._env = self._make(n)
        return self._env

    def play(self, state: Any, rows: np.ndarray, plans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Carry out plans from states.

        Args:
            state: a snapshot.
            rows: which slot of it each plan starts from, int [m].
            plans: actions, [m, H, …].

        Returns:
            Rewards, float64 [m, H], 0 after an episode's end; and whether it ended by itself, bool [m]. Time limits
            are looked beyond.
        """
        rewards, fell = np.zeros(plans.shape[:2]), np.zeros(len(plans), bool)
        for start in range(0, len(plans), SLOTS):
            part = slice(start, start + SLOTS)
            rewards[part], fell[part] = self._play(pick(state, rows[part]), plans[part])
        return rewards, fell

    def _play(self, state: Any, plans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        m, horizon = plans.shape[:2]
        env, live = self.env(m), np.arange(m)
        env.restore(live, state)
        rewards, fell = np.zeros((m, horizon)), np.zeros(m, bool)
        for h in range(horizon):
            reward, terminated, _ = env.step(plans[live, h] if fell.any() else plans[:, h], live)
            rewards[live, h] = reward
            if terminated.any():
                fell[live] = terminated
                live = live[~terminated]
                if not len(live):
                    break
        return rewards, fell


def pick(state: Any, rows: np.ndarray) -> Any:
    """Return some slots of a snapshot, repeats included."""
    return [state[i] for i in rows.tolist()] if isinstance(state, list) else state[rows]
