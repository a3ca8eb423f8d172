"""The iterative linear-quadratic regulator: a plan improved by linearising along itself."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from il.envs.base import EnvSpec
from il.envs.mujoco import Snapshot
from il.errors import ConfigError
from il.experts.checks import task_name
from il.experts.planners.base import Planner
from il.experts.planners.simulator import pick

STEP = 1e-3
"""Width of the finite differences; observations are float32, so not too small."""
SIZES = np.array([1.0, 0.3])
"""Sizes of a correction that are tried."""
SMOOTH = 1e-3
"""Distance, in metres, below which the cost of a distance is rounded off to a parabola."""
REGULARISER = 1e-6
MOVING = [0, 1, 4, 5]
"""Which coordinates are the joints' angles and rates; the others are the target's."""
OFFSET = slice(8, 10)
"""Where an observation has the tip's offset from the target."""


class ILQR(Planner):
    """Plan by iterative linear-quadratic regulation (Li & Todorov 2004) for Reacher.

    Joint angles and rates [4] follow from differences through the environment itself, so do the moves of the tip's
    offset from the target [2], of which the cost is the distance. Corrections count only when the environment's own
    rewards rise by them.

    Args:
        spec: the environment, Reacher-v4 or -v5.
        horizon: steps looked ahead.
        iterations: corrections a step.

    Raises:
        ConfigError: for other tasks, environments without snapshots, and knobs out of range.
    """

    def __init__(self, spec: EnvSpec, horizon: int, iterations: int):
        if task_name(spec.id) != "Reacher":
            raise ConfigError(
                f"expert=ilqr knows the cost of reaching only: it is for reacher, not for {spec.id}; use expert=cem, "
                "which needs rewards alone, or expert=pretrained"
            )
        for name, value in (("horizon", horizon), ("iterations", iterations)):
            if value < 1:
                raise ConfigError(f"expert.{name}={value}: at least 1")
        super().__init__(spec, "ilqr")
        self.horizon, self.iterations = horizon, iterations
        self._weights = self._read_off()

    def _read_off(self) -> tuple[float, float]:
        """Return what the environment charges for distance and for squared actions, by trying."""
        n = 64
        env, ids, rng = self.simulator.env(n), np.arange(n), np.random.default_rng(0)
        env.reset(ids, ids.tolist())
        actions = rng.uniform(-1, 1, (n, 2)).astype(np.float32)
        rewards, _, _ = env.step(actions, ids)
        charged = np.stack([np.linalg.norm(env.obs[:n, OFFSET], axis=1), (actions**2).sum(1)], 1)
        distance, action = np.linalg.lstsq(charged, -rewards, rcond=None)[0]
        return float(distance), float(action)

    def plan(
        self, state: Any, previous: list[Any], streams: list[np.random.Generator]
    ) -> tuple[np.ndarray, Sequence[Any]]:
        """See `Planner.plan`; a plan leaves its actions, shifted by a step: [H, 2]."""
        m = len(previous)
        plans = np.stack([np.zeros((self.horizon, 2)) if p is None else p for p in previous])
        path = self._follow(state, plans, None, None)
        for _ in range(self.iterations):
            correction, gains = self._correct(path)
            again, sizes = np.tile(np.arange(m), len(SIZES)), np.repeat(SIZES, m)
            to = path.actions[again] + sizes[:, None, None] * correction[again]
            tried = self._follow(pick(state, again), to, gains[again], path.x[again])
            values = np.concatenate([path.value, tried.value]).reshape(-1, m)
            path = path.with_others(tried, values.argmax(0) * m + np.arange(m))
        return path.actions[:, 0], list(np.concatenate([path.actions[:, 1:], path.actions[:, -1:]], 1))

    def _follow(self, state: Snapshot, plans: np.ndarray, gains: np.ndarray | None, x: np.ndarray | None) -> "Path":
        """Carry out plans [n, H, 2]; where gains [n, H, 2, 4] are given, correcting departures from x [n, H, 4]."""
        n = len(plans)
        env, ids = self.simulator.env(n), np.arange(n)
        env.restore(ids, state)
        states, actions, value = [state], np.empty(plans.shape), np.zeros(n)
        for h in range(self.horizon):
            action = plans[:, h]
            if gains is not None and x is not None:
                away = env.coordinates(states[h])[:, MOVING] - x[:, h]
                action = action + np.einsum("nij,nj->ni", gains[:, h], away)
            actions[:, h] = np.clip(action, self.spec.low, self.spec.high)
            value += env.step(actions[:, h], ids)[0]
            states.append(env.snapshot(ids))
        coordinates = [env.coordinates(state)[:, MOVING] for state in states[:-1]]
        return Path(states, np.stack(coordinates, 1), actions, value)

    def _correct(self, path: "Path") -> tuple[np.ndarray, np.ndarray]:
        """Return the corrections [m, H, 2] and gains [m, H, 2, 4] that are optimal for the dynamics along a path."""
        a, b, cx, cu = self._differentiate(path)
        offset = np.stack([state.obs[:, OFFSET].astype(float) for state in path.states[1:]], 1)
        distance = np.sqrt((offset**2).sum(2) + SMOOTH**2)[:, :, None]
        slope = self._weights[0] * offset / distance
        away = offset / distance
        bend = self._weights[0] * (np.eye(2) - away[..., :, None] * away[..., None, :]) / distance[..., None]
        correction, gains = np.empty(path.actions.shape), np.empty((*path.actions.shape, 4))
        vx, vxx = np.zeros((len(a), 4)), np.zeros((len(a), 4, 4))
        for h in reversed(range(self.horizon)):
            # derivatives of this step's cost and of what follows, by state and action together
            j = np.concatenate([np.concatenate([a[:, h], b[:, h]], 2), np.concatenate([cx[:, h], cu[:, h]], 2)], 1)
            jt = np.swapaxes(j, 1, 2)
            later = np.zeros((len(a), 6, 6))
            later[:, :4, :4], later[:, 4:, 4:] = vxx, bend[:, h]
            q = (jt @ np.concatenate([vx, slope[:, h]], 1)[:, :, None])[:, :, 0]
            qq = jt @ later @ j
            q[:, 4:] += 2 * self._weights[1] * path.actions[:, h]
            qq[:, [4, 5], [4, 5]] += 2 * self._weights[1] + REGULARISER
            solved = -np.linalg.solve(qq[:, 4:, 4:], np.concatenate([q[:, 4:, None], qq[:, 4:, :4]], 2))
            correction[:, h], gains[:, h] = solved[:, :, 0], solved[:, :, 1:]
            qux = np.swapaxes(qq[:, 4:, :4], 1, 2)
            vx = q[:, :4] + (qux @ solved[:, :, :1])[:, :, 0]
            vxx = qq[:, :4, :4] + qux @ gains[:, h]
        return correction, gains

    def _differentiate(self, path: "Path") -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the derivatives of the next state [m, H, 4, 4 + 2] and of the next offset [m, H, 2, 4 + 2]."""
        m, horizon = path.actions.shape[:2]
        before = join(path.states[:-1])
        n = len(before)
        env, ids = self.simulator.env(6 * n), np.arange(6 * n)
        x = np.tile(env.coordinates(before), (6, 1)).reshape(6, n, -1)
        u = np.tile(np.swapaxes(path.actions, 0, 1).reshape(n, 2), (6, 1)).reshape(6, n, 2)
        for k, at in enumerate(MOVING):
            x[k, :, at] += STEP
        inward = np.where(u[0] > 0, -STEP, STEP)  # or the environment would clip it
        u[4, :, 0] += inward[:, 0]
        u[5, :, 1] += inward[:, 1]
        env.restore(ids, env.moved(pick(before, np.tile(np.arange(n), 6)), x.reshape(6 * n, -1)))
        env.step(u.reshape(6 * n, 2), ids)
        after = env.snapshot(ids)
        still = join(path.states[1:])

        def by(moved: np.ndarray, there: np.ndarray) -> np.ndarray:
            width = np.full((6, n, 1), STEP)
            width[4:] = inward.T[:, :, None]
            slopes = (moved.reshape(6, n, -1) - there) / width
            return slopes.reshape(6, horizon, m, -1).transpose(2, 1, 3, 0)

        a = by(env.coordinates(after)[:, MOVING], env.coordinates(still)[:, MOVING])
        c = by(after.obs[:, OFFSET].astype(float), still.obs[:, OFFSET].astype(float))
        return a[..., :4], a[..., 4:], c[..., :4], c[..., 4:]


@dataclass(frozen=True)
class Path:
    """What n plans led to."""

    states: list[Snapshot]
    """Snapshots of n slots, before each step and after the last."""
    x: np.ndarray
    """Joint angles and rates before each step, [n, H, 4]."""
    actions: np.ndarray
    """[n, H, 2], within bounds."""
    value: np.ndarray
    """Sum of the environment's rewards, [n]."""

    def with_others(self, others: "Path", rows: np.ndarray) -> "Path":
        """Return the named rows of both together."""
        states = [join(pair)[rows] for pair in zip(self.states, others.states, strict=True)]
        arrays = [np.concatenate([getattr(self, k), getattr(others, k)])[rows] for k in ("x", "actions", "value")]
        return Path(states, *arrays)


def join(snapshots: Sequence[Snapshot]) -> Snapshot:
    """Return the slots of several snapshots one after the other."""
    return Snapshot(**{f.name: np.concatenate([getattr(s, f.name) for s in snapshots]) for f in fields(Snapshot)})
