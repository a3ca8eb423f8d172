"""The linear-quadratic regulator: what balances a pole, derived from the simulator at the upright rest."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from il.envs.base import EnvSpec
from il.errors import ConfigError
from il.experts.base import Expert, Provenance
from il.experts.checks import task_name
from il.experts.planners.simulator import Simulator

STEP = 1e-4
"""Half the width of the finite differences, in metres, radians, their rates, and units of action."""


def _itself(obs: np.ndarray) -> np.ndarray:
    return obs


def _two_poles(obs: np.ndarray) -> np.ndarray:
    """Return position, angles and rates [B, 6] from position, two sines, two cosines, three rates, forces."""
    return np.column_stack([obs[:, 0], np.arctan2(obs[:, 1:3], obs[:, 3:5]), obs[:, 5:8]])


class Pole(NamedTuple):
    """What is known of a task."""

    state: Callable[[np.ndarray], np.ndarray]
    """From observations [B, …] to the simulator's coordinates [B, k], all 0 at the upright rest."""
    rates: tuple[bool, ...]
    """Which coordinates are rates of others."""


TASKS = {
    "CartPole": Pole(_itself, (False, True, False, True)),
    "InvertedPendulum": Pole(_itself, (False, False, True, True)),
    "InvertedDoublePendulum": Pole(_two_poles, (False, False, False, True, True, True)),
}


class LQR(Expert):
    """Feedback u = -K x that minimises the sum of x'Qx + u'Ru for the dynamics linearised about the upright rest.

    It acts from observations alone, which tell the state of these tasks. Derivatives are central differences through
    one step of the environment itself, integrator and repeats of a step included. Discrete actions, pushes to the left
    or to the right, follow the sign of u.

    Args:
        spec: the environment.
        position: cost of squared positions and angles.
        velocity: cost of their squared rates.
        action: cost of the squared action; pushes count as ±1.

    Raises:
        ConfigError: for other tasks, or costs that are not positive.
    """

    def __init__(self, spec: EnvSpec, position: float, velocity: float, action: float):
        task = task_name(spec.id)
        if task not in TASKS:
            raise ConfigError(
                f"expert=lqr holds poles upright: it is for cartpole, inverted_pendulum, inverted_double_pendulum, not "
                f"for {spec.id}; use expert=pretrained, or a planner that looks ahead: expert=cem"
            )
        for name, cost in (("position", position), ("velocity", velocity), ("action", action)):
            if cost <= 0:
                raise ConfigError(f"expert.{name}={cost}: must be more than 0")
        self._state, self._discrete = TASKS[task].state, spec.discrete
        q = np.diag(np.where(TASKS[task].rates, velocity, position))
        self.gain = riccati(*linearise(spec), q, np.array([[action]]))
        self.provenance = Provenance("expert=lqr", spec.id, extra={"gain": self.gain.tolist()})

    def act(self, obs: np.ndarray, snapshot: Any = None) -> np.ndarray:
        """See `Expert.act`."""
        u = -self._state(obs) @ self.gain.T
        return (u[:, 0] > 0).astype(np.int64) if self._discrete else u.astype(np.float32)


def linearise(spec: EnvSpec) -> tuple[np.ndarray, np.ndarray]:
    """Return A [k, k] and B [k, 1] of x' = Ax + Bu at the upright rest."""
    pushes = np.array([-1.0, 1.0]) if spec.discrete else np.array([-STEP, STEP])
    k = len(TASKS[task_name(spec.id)].rates)
    moved = STEP * np.concatenate([np.eye(k), -np.eye(k), np.zeros((1, k))])
    x, u = np.repeat(moved, 2, axis=0), np.tile(pushes, len(moved))
    ids = np.arange(len(x))
    env = Simulator(spec, "expert=lqr").env(len(x))
    env.reset(ids, [0] * len(x))
    env.restore(ids, env.moved(env.snapshot(ids), x))
    env.step((u > 0).astype(np.int64) if spec.discrete else u[:, None].astype(np.float32), ids)
    after = env.coordinates(env.snapshot(ids)).reshape(len(moved), 2, k)
    still = after.mean(1)  # the dynamics are affine in the push, so this is what none would have done
    a = (still[:k] - still[k : 2 * k]).T / (2 * STEP)
    b = (after[-1, 1] - after[-1, 0])[:, None] / (pushes[1] - pushes[0])
    return a, b


def riccati(a: np.ndarray, b: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Return the gain K [m, k] of the infinite horizon, by iterating the Riccati equation to its fixed point."""
    p = q
    while True:
        gain = np.linalg.solve(r + b.T @ p @ b, b.T @ p @ a)
        following = q + a.T @ p @ (a - b @ gain)
        if np.abs(following - p).max() <= 1e-10 * np.abs(following).max():
            return gain
        p = following
