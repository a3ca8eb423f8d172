"""Gymnasium's MuJoCo tasks, many slots at once, equal to gymnasium bit for bit."""

import importlib.util
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import Any

import numpy as np

from il.envs.base import EnvSpec, VectorEnv, View
from il.envs.mujoco_tasks import TASKS, Frame, Task

ALL = slice(None)


@dataclass(frozen=True)
class Snapshot:
    """Complete states of m slots; indexing picks some of them, repeats included."""

    state: np.ndarray
    """MuJoCo's ``mjSTATE_INTEGRATION`` (time, positions, velocities, warm start, …), float64 [m, k]."""
    carry: np.ndarray
    """What the next reward needs of the past, float64 [m]."""
    t: np.ndarray
    """Steps since the reset, int64 [m]."""
    obs: np.ndarray
    """float32 [m, obs_dim]."""

    def __len__(self) -> int:
        return len(self.t)

    def __getitem__(self, rows: np.ndarray | slice) -> "Snapshot":
        return Snapshot(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


class MujocoVectorEnv(VectorEnv):
    """n slots of one task; simulators are allocated when a slot is first used.

    Args:
        id: gymnasium id, such as ``Ant-v5``, for which `supports` returns None.
        n: number of slots.
        kwargs: arguments of gymnasium's environment class.
        horizon: steps after which an episode is truncated; None for gymnasium's number.
        num_threads: threads that step the slots, the caller's included.
        expert_view: from observations [m, …] to the expert's; None when it sees the same.
    """

    def __init__(
        self,
        id: str,
        n: int,
        kwargs: dict[str, Any],
        horizon: int | None,
        num_threads: int,
        expert_view: View | None,
    ):
        import gymnasium
        import mujoco
        from gymnasium.envs.mujoco.mujoco_env import expand_model_path

        from il.envs.mujoco_physics import BatchPhysics, LoopPhysics

        task, p = _facts(id, kwargs)
        self.model = mujoco.MjModel.from_xml_path(expand_model_path(p.xml_file))
        self.frame_skip = p.frame_skip
        self._rules = task.rules(self.model, mujoco.MjData(self.model), p, task)
        batch = not self._rules.contact_forces and "xml_file" not in kwargs
        engine = BatchPhysics if batch else LoopPhysics
        self._physics = engine(self.model, n, p.frame_skip, self._rules.fields, num_threads)
        low, high = self.model.actuator_ctrlrange.astype(np.float32).T.copy()
        self.n = n
        self.obs = np.zeros((n, self._rules.observed), np.float32)
        self._view = expert_view
        self.expert_obs = self.obs if expert_view is None else expert_view(self.obs).astype(np.float32)
        self.spec = EnvSpec(
            id,
            self.obs.shape[1:],
            self.expert_obs.shape[1:],
            discrete=False,
            act_dim=self.model.nu,
            low=low,
            high=high,
            horizon=horizon or gymnasium.spec(id).max_episode_steps,
            snapshots=True,
        )
        self._low, self._high, self._horizon = low, high, self.spec.horizon
        self._t, self._carry = np.zeros(n, np.int64), np.zeros(n)

    def reset(self, ids: np.ndarray, seeds: Sequence[int]) -> None:
        starts = [self._rules.draw(np.random.default_rng(seed)) for seed in seeds]
        rows = self._rows(ids)
        self._physics.reset(rows, np.stack([qpos for qpos, _ in starts]), np.stack([qvel for _, qvel in starts]))
        frame = self._frame(rows)
        self._t[rows], self._carry[rows] = 0, self._rules.carry(frame)
        self._observe(rows, frame, len(ids))

    def step(self, actions: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows, rules = self._rows(ids), self._rules
        actions = np.minimum(np.maximum(np.asarray(actions, np.float32), self._low), self._high)
        self._physics.step(rows, actions)
        frame = self._frame(rows)
        after = rules.carry(frame)
        reward, terminated = rules.score(frame, actions, self._carry[rows], after)
        self._carry[rows] = after
        self._t[rows] += 1
        self._observe(rows, frame, len(ids))
        return reward, terminated, self._t[rows] >= self._horizon

    def snapshot(self, ids: np.ndarray) -> Snapshot:
        return Snapshot(self._physics.state[ids], self._carry[ids], self._t[ids], self.obs[ids])

    def restore(self, ids: np.ndarray, state: Snapshot) -> None:
        self._physics.state[ids] = state.state
        self._carry[ids], self._t[ids], self.obs[ids] = state.carry, state.t, state.obs
        if self._view is not None:
            self.expert_obs[ids] = self._view(state.obs)

    def _rows(self, ids: np.ndarray) -> np.ndarray | slice:
        return ALL if len(ids) == self.n else ids

    def _frame(self, rows: np.ndarray | slice) -> Frame:
        frame = self._physics.read(rows)
        self._rules.tidy(frame)
        return frame

    def _observe(self, rows: np.ndarray | slice, frame: Frame, m: int) -> None:
        if rows is ALL:
            self._rules.observe(frame, self.obs)
        else:
            out = np.empty((m, self.obs.shape[1]), np.float32)
            self._rules.observe(frame, out)
            self.obs[rows] = out
        if self._view is not None:
            self.expert_obs[rows] = self._view(self.obs[rows])


def supports(id: str, kwargs: dict[str, Any]) -> str | None:
    """Return None when `MujocoVectorEnv` equals gymnasium on this task, else why it does not."""
    name, _, version = id.rpartition("-")
    if name not in TASKS or version not in ("v4", "v5"):
        return f"there is no batched stepper for {id}"
    if not all(importlib.util.find_spec(module) for module in ("mujoco", "mujoco.batch")):
        return "the batched stepper needs mujoco 4"
    if version == "v4" and TASKS[name].v4 is None:
        return f"gymnasium refuses {id} on this MuJoCo"
    unknown = sorted(set(kwargs) - set(_defaults(id)))
    return f"the batched stepper does not know {', '.join(unknown)}" if unknown else None


def _facts(id: str, kwargs: dict[str, Any]) -> tuple[Task, SimpleNamespace]:
    name, _, version = id.rpartition("-")
    task, v4 = TASKS[name], version == "v4"
    return task, SimpleNamespace(**{**(task.v4 or {} if v4 else {}), **_defaults(id), **kwargs, "v4": v4})


def _defaults(id: str) -> dict[str, Any]:
    """Return the named arguments of gymnasium's class with their defaults."""
    import gymnasium
    from gymnasium.envs.registration import load_env_creator

    spec = gymnasium.spec(id)
    signature = inspect.signature(load_env_creator(spec.entry_point))
    named = {p.name: p.default for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD}
    return {**named, **spec.kwargs}
