"""Gymnasium's MuJoCo tasks, many slots at once, equal to gymnasium bit for bit."""

import importlib.util
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import load_env_creator

from il.envs.base import EnvSpec, VectorEnv, View, side_by_side
from il.envs.mujoco_rules import Frame, Rows, Rules
from il.envs.mujoco_tasks import TASKS
from il.errors import ConfigError

if TYPE_CHECKING:
    from mujoco import MjModel

    from il.envs.mujoco_physics import Physics


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
        self.n = n
        self._rules, self._physics = _simulate(id, n, kwargs, num_threads)
        self.model, self.frame_skip = self._physics.model, self._physics.frame_skip
        self.obs = np.zeros((n, self._rules.observed), np.float32)
        self._view = expert_view
        self.expert_obs = self.obs if expert_view is None else expert_view(self.obs).astype(np.float32)
        self._low, self._high = self.model.actuator_ctrlrange.astype(np.float32).T.copy()
        registered = gymnasium.spec(id).max_episode_steps
        assert registered is not None, "all these tasks have a time limit"
        self._horizon = registered if horizon is None else horizon
        self.spec = EnvSpec(
            id,
            self.obs.shape[1:],
            self.expert_obs.shape[1:],
            discrete=False,
            act_dim=self.model.nu,
            low=self._low,
            high=self._high,
            horizon=self._horizon,
            snapshots=True,
            simulate=lambda n: MujocoVectorEnv(id, n, kwargs, horizon, num_threads, None),
        )
        self._t, self._carry = np.zeros(n, np.int64), np.zeros(n)

    def reset(self, ids: np.ndarray, seeds: Sequence[int]) -> None:
        """See `VectorEnv.reset`."""
        order = np.argsort(ids)
        ids = np.asarray(ids)[order]
        starts = [self._rules.draw(np.random.default_rng(seeds[k])) for k in order]
        rows = side_by_side(ids)
        self._physics.reset(rows, np.stack([qpos for qpos, _ in starts]), np.stack([qvel for _, qvel in starts]))
        frame = self._frame(rows)
        self._t[rows], self._carry[rows] = 0, self._rules.carry(frame)
        self._observe(rows, frame)

    def step(self, actions: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See `VectorEnv.step`."""
        rows, rules = side_by_side(ids), self._rules
        actions = np.minimum(np.maximum(np.asarray(actions, np.float32), self._low), self._high)
        self._physics.step(rows, actions)
        frame = self._frame(rows)
        after = rules.carry(frame)
        reward, terminated = rules.score(frame, actions, self._carry[rows], after)
        self._carry[rows] = after
        self._t[rows] += 1
        self._observe(rows, frame)
        return reward, terminated, self._t[rows] >= self._horizon

    def snapshot(self, ids: np.ndarray) -> Snapshot:
        """See `VectorEnv.snapshot`."""
        return Snapshot(self._physics.state[ids], self._carry[ids], self._t[ids], self.obs[ids])

    def restore(self, ids: np.ndarray, state: Snapshot) -> None:
        """See `VectorEnv.restore`; the state may come from other slots, or another environment of the same task."""
        self._physics.state[ids] = state.state
        self._carry[ids], self._t[ids], self.obs[ids] = state.carry, state.t, state.obs
        if self._view is not None:
            self.expert_obs[ids] = self._view(state.obs)

    def coordinates(self, state: Snapshot) -> np.ndarray:
        """See `VectorEnv.coordinates`."""
        return state.state[:, self._physics.observable].copy()

    def moved(self, state: Snapshot, coordinates: np.ndarray) -> Snapshot:
        """See `VectorEnv.moved`."""
        inside = state.state.copy()
        inside[:, self._physics.observable] = coordinates
        return replace(state, state=inside)

    def _frame(self, rows: Rows) -> Frame:
        frame = self._physics.read(rows)
        self._rules.tidy(frame)
        return frame

    def _observe(self, rows: Rows, frame: Frame) -> None:
        obs = self.obs[rows]
        self._rules.observe(frame, obs)
        if isinstance(rows, np.ndarray):
            self.obs[rows] = obs
        if self._view is not None:
            self.expert_obs[rows] = self._view(obs)


def supports(id: str, kwargs: dict[str, Any]) -> str | None:
    """Return None when `MujocoVectorEnv` equals gymnasium on this task, else why it does not."""
    name, _, version = id.rpartition("-")
    if name not in TASKS or version not in ("v4", "v5"):
        return f"there is no batched stepper for {id}"
    if importlib.util.find_spec("mujoco") is None:
        return "mujoco is not installed"
    if version == "v4" and TASKS[name].v4 is None:
        return f"gymnasium refuses {id} with this mujoco"
    if not str(gymnasium.spec(id).entry_point).startswith("gymnasium.envs.mujoco."):
        return f"{id} is registered as something else than gymnasium's own"
    unknown = sorted(set(kwargs) - set(_defaults(id)))
    if unknown:
        return f"the batched stepper does not know {', '.join(unknown)}"
    return _refusal(kwargs["xml_file"]) if "xml_file" in kwargs else None


def _refusal(xml_file: str) -> str | None:
    """Return why rows of numbers cannot hold the state of a user's own model, or None."""
    from il.envs.mujoco_physics import refusal

    try:
        return refusal(_compile(xml_file))
    except ConfigError:
        return None  # said again where the environment is made


def _compile(xml_file: str) -> "MjModel":
    import mujoco
    from gymnasium.envs.mujoco.mujoco_env import expand_model_path

    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda message: None)  # gymnasium's models name a deprecated attribute
    try:
        return mujoco.MjModel.from_xml_path(expand_model_path(xml_file))
    except (OSError, ValueError) as error:
        raise ConfigError(f"env.kwargs.xml_file={xml_file}: {error}") from error
    finally:
        mujoco.set_mju_user_warning(before)


def _simulate(id: str, n: int, kwargs: dict[str, Any], num_threads: int) -> "tuple[Rules, Physics]":
    """Compile the model and choose the engine.

    Raises:
        ConfigError: for a model that cannot be read, or lacks a body that the task names.
    """
    from mujoco import MjData

    from il.envs.mujoco_physics import Batch, BatchPhysics, LoopPhysics

    name, _, version = id.rpartition("-")
    task, v4 = TASKS[name], version == "v4"
    p = SimpleNamespace(**{**(task.v4 or {} if v4 else {}), **_defaults(id), **kwargs, "v4": v4})
    model = _compile(p.xml_file)
    try:
        rules = task.rules(model, MjData(model), p, task)
    except KeyError as error:
        raise ConfigError(f"env.kwargs={kwargs} do not fit {id}: {error}") from error
    # a model of the user's own may have sensors that see the contact forces
    loop = Batch is None or rules.contact_forces or "xml_file" in kwargs
    engine = LoopPhysics if loop else BatchPhysics
    return rules, engine(model, n, p.frame_skip, rules.fields, num_threads)


def _defaults(id: str) -> dict[str, Any]:
    """Return the named arguments of gymnasium's class with their defaults."""
    spec = gymnasium.spec(id)
    signature = inspect.signature(load_env_creator(str(spec.entry_point)))
    named = {p.name: p.default for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD}
    return {**named, **spec.kwargs}
