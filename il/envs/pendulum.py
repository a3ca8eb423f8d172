"""Gymnasium's Pendulum-v1, many slots at once: to plan in, which takes a thousand steps for each real one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from il.envs.base import EnvSpec, VectorEnv, side_by_side

CONSTANTS = ("g", "m", "l", "dt", "max_speed", "max_torque")


class PendulumVectorEnv(VectorEnv):
    """n pendulums that go on from gymnasium's; numbers are equal up to rounding.

    Args:
        n: number of slots.
        spec: the environment whose snapshots are taken.
    """

    def __init__(self, n: int, spec: EnvSpec):
        self.n, self.spec = n, replace(spec, snapshots=False, simulate=None)
        self._state, self._t = np.zeros((3, n)), np.zeros(n, np.int64)
        self._constants = np.ones(len(CONSTANTS)).tolist()
        self.obs = self.expert_obs = np.zeros((n, 3), np.float32)

    def reset(self, ids: np.ndarray, seeds: Sequence[int]) -> None:
        """Refuse: a task's constants come with a snapshot."""
        raise NotImplementedError("this copy only goes on from snapshots")

    def step(self, actions: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See `VectorEnv.step`."""
        rows = side_by_side(ids)
        angle, rate, sine = self._state[:, rows]
        g, m, length, dt, max_speed, most = self._constants
        torque = np.minimum(np.maximum(actions[:, 0].astype(np.float32, copy=False), -most), most)
        off = (angle + np.pi) % (2 * np.pi) - np.pi
        cost = off**2 + 0.1 * rate**2 + 0.001 * torque**2  # the torque's part in float32, as there
        rate = rate + (3 * g / (2 * length) * sine + 3.0 / (m * length**2) * torque) * dt
        rate = np.minimum(np.maximum(rate, -max_speed), max_speed)
        self._put(rows, angle + rate * dt, rate)
        self._t[rows] += 1
        return -cost, np.zeros(len(ids), bool), self._t[rows] >= self.spec.horizon

    def restore(self, ids: np.ndarray, state: Any) -> None:
        """See `VectorEnv.restore`; takes snapshots of `GymVectorEnv`."""
        task = state[0][0][0]  # one environment's slots share the constants
        self._constants = [task[name] for name in CONSTANTS]
        rows = side_by_side(ids)
        self._put(rows, *np.array([task["state"] for (task, _), _ in state]).T)
        self._t[rows] = [elapsed[0] for (_, elapsed), _ in state]

    def _put(self, rows: np.ndarray | slice, angle: np.ndarray, rate: np.ndarray) -> None:
        sine = np.sin(angle)
        self._state[0, rows], self._state[1, rows], self._state[2, rows] = angle, rate, sine
        self.obs[rows, 0], self.obs[rows, 1], self.obs[rows, 2] = np.cos(angle), sine, rate
