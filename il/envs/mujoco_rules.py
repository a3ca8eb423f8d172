"""How gymnasium's MuJoCo tasks draw, observe and score, for m slots at once.

The semantics are those of gymnasium 1.4, versions 4 and 5, to the last bit: the order of operations and their
precision (control costs in the actions' float32) are part of them.
"""

import math
from abc import ABC, abstractmethod
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from mujoco import MjData, MjModel

    from il.envs.mujoco_tasks import Task

Rows = np.ndarray | slice
"""The slots meant: ascending indices, or a slice where they lie side by side."""
Frame = list[np.ndarray]
"""State [m, nq + nv] (positions, then velocities) and one [m, k] per requested field; valid until the next call."""


class Field(NamedTuple):
    """Part of an ``MjData`` array, flattened per slot."""

    name: str
    rows: int | slice = slice(None)


class Rules(ABC):
    """A task's semantics.

    Args:
        model: the compiled model.
        data: any data of it, for sizes.
        p: the arguments of gymnasium's class, complete, and `v4`.
        task: its facts.
    """

    observed: int
    """Length of an observation."""

    def __init__(self, model: "MjModel", data: "MjData", p: SimpleNamespace, task: "Task"):
        self.p, self.task, self.nq, self.nv = p, task, model.nq, model.nv
        self.dt = model.opt.timestep * p.frame_skip
        self.fields: list[Field] = []
        self._qpos, self._qvel = data.qpos.copy(), data.qvel.copy()

    @property
    def contact_forces(self) -> bool:
        """Whether a field is computed from the contacts, after the step."""
        return any(field.name == "cfrc_ext" for field in self.fields)

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw initial positions [nq] and velocities [nv]."""
        scale = self.p.reset_noise_scale
        qpos = self._qpos + rng.uniform(-scale, scale, self.nq)
        noise = scale * rng.standard_normal(self.nv) if self.task.normal else rng.uniform(-scale, scale, self.nv)
        return qpos, self._qvel + noise

    def tidy(self, frame: Frame) -> None:  # noqa: B027 - most tasks take fields as they are
        """Replace fields by what gymnasium makes of them before any use."""

    def carry(self, frame: Frame) -> np.ndarray | float:
        """Return the number per slot, float64 [m], that the next step's score needs of this state."""
        return 0.0

    @abstractmethod
    def observe(self, frame: Frame, out: np.ndarray) -> None:
        """Write float32 observations [m, observed]."""

    @abstractmethod
    def score(self, frame: Frame, action: np.ndarray, before: np.ndarray, after: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return reward float64 [m] and terminated bool [m], given the carried numbers before and after the step."""


class Locomotion(Rules):
    """Progress and health, less the costs of control and contact."""

    def __init__(self, model: "MjModel", data: "MjData", p: SimpleNamespace, task: "Task"):
        super().__init__(model, data, p, task)
        self._skip = task.skip if p.exclude_current_positions_from_observation else 0
        self.observed = self.nq + self.nv - self._skip
        self._extras: list[tuple[int, slice, slice]] = []
        self._contacts = 0  # where they are in a frame, if there
        use_contacts = getattr(p, "use_contact_forces", True)
        for name, leading in task.extras:
            if getattr(p, f"include_{name}_in_observation") and (use_contacts or name != "cfrc_ext"):
                self._observe_field(getattr(data, name), name, 0 if p.v4 else leading)
        self._force_range = getattr(p, "contact_force_range", None)
        self._cost_range = getattr(p, "contact_cost_range", None)
        self._costly = use_contacts and bool(getattr(p, "contact_cost_weight", 0))
        if self._costly and not self._contacts:
            self._contacts = self._want("cfrc_ext")
        if task.position == "main_body":
            self._at = self._want("xpos", model.body(p.main_body).id)
        elif task.position == "mass_center":
            self._at = self._want("xipos")
            self._mass, self._total = model.body_mass.copy(), model.body_mass.sum()

    def _want(self, name: str, rows: int | slice = slice(None)) -> int:
        self.fields.append(Field(name, rows))
        return len(self.fields)

    def _observe_field(self, whole: np.ndarray, name: str, leading: int) -> None:
        at, size = self._want(name), whole[leading:].size
        self._extras.append((at, slice(whole.size - size, None), slice(self.observed, self.observed + size)))
        self.observed += size
        if name == "cfrc_ext":
            self._contacts = at

    def tidy(self, frame: Frame) -> None:
        """See `Rules.tidy`."""
        if self._contacts and self._force_range is not None:
            frame[self._contacts] = _clip(frame[self._contacts], *self._force_range)

    def carry(self, frame: Frame) -> np.ndarray:
        """See `Rules.carry`."""
        if self.task.position == "qpos":
            return frame[0][:, 0]
        if self.task.position == "main_body":
            return frame[self._at][:, 0]
        bodies = frame[self._at]
        return np.einsum("b,nbj->nj", self._mass, bodies.reshape(len(bodies), -1, 3))[:, 0] / self._total

    def observe(self, frame: Frame, out: np.ndarray) -> None:
        """See `Rules.observe`."""
        end = self.nq + self.nv - self._skip
        out[:, :end] = frame[0][:, self._skip :]
        if self.task.clip is not None:
            velocity = out[:, end - self.nv : end]
            velocity[:] = _clip(velocity, -self.task.clip, self.task.clip)
        for at, source, target in self._extras:
            out[:, target] = frame[at][:, source]

    def score(self, frame: Frame, action: np.ndarray, before: np.ndarray, after: Any) -> tuple[np.ndarray, np.ndarray]:
        """See `Rules.score`."""
        p, m = self.p, len(action)
        reward, terminated = (after - before) / self.dt, np.zeros(m, bool)
        if p.forward_reward_weight != 1:
            reward *= p.forward_reward_weight
        if self.task.healthy is not None:
            well = self.task.healthy(frame[0], p)
            all_well = np.count_nonzero(well) == m
            if p.terminate_when_unhealthy and not all_well:
                terminated = ~well
            all_paid = all_well or (p.v4 and p.terminate_when_unhealthy)
            reward += p.healthy_reward if all_paid else well * p.healthy_reward
        cost = p.ctrl_cost_weight * _sum_of_squares(action.astype(self.task.cost_dtype, copy=False))
        if self._costly:
            contact = p.contact_cost_weight * _sum_of_squares(frame[self._contacts])
            cost = cost + (contact if self._cost_range is None else _clip(contact, *self._cost_range))
        return reward - cost, terminated


class Pendulum(Rules):
    """Balance one pole on a cart."""

    def __init__(self, model: "MjModel", data: "MjData", p: SimpleNamespace, task: "Task"):
        super().__init__(model, data, p, task)
        self.observed = self.nq + self.nv

    def observe(self, frame: Frame, out: np.ndarray) -> None:
        """See `Rules.observe`."""
        out[:] = frame[0]

    def score(self, frame: Frame, action: np.ndarray, before: np.ndarray, after: Any) -> tuple[np.ndarray, np.ndarray]:
        """See `Rules.score`."""
        terminated = ~np.isfinite(frame[0]).all(1) | (np.abs(frame[0][:, 1]) > 0.2)
        return np.ones(len(terminated)) if self.p.v4 else (~terminated).astype(float), terminated


class DoublePendulum(Rules):
    """Balance two poles, one on the other, on a cart."""

    def __init__(self, model: "MjModel", data: "MjData", p: SimpleNamespace, task: "Task"):
        super().__init__(model, data, p, task)
        self.fields = [Field("site_xpos", 0), Field("qfrc_constraint", slice(None) if p.v4 else slice(1))]
        self.observed = 2 * self.nq - 1 + self.nv + (self.nv if p.v4 else 1)

    def observe(self, frame: Frame, out: np.ndarray) -> None:
        """See `Rules.observe`."""
        state, _, forces = frame
        angles = state[:, 1 : self.nq].copy()
        out[:, 0] = state[:, 0]
        out[:, 1 : self.nq], out[:, self.nq : 2 * self.nq - 1] = np.sin(angles), np.cos(angles)
        bounded = out[:, 2 * self.nq - 1 :]
        bounded[:, : self.nv], bounded[:, self.nv :] = state[:, self.nq :], forces
        bounded[:] = _clip(bounded, -10, 10)

    def score(self, frame: Frame, action: np.ndarray, before: np.ndarray, after: Any) -> tuple[np.ndarray, np.ndarray]:
        """See `Rules.score`."""
        state, tip, _ = frame
        x, y, v1, v2 = tip[:, 0], tip[:, 2], state[:, self.nq + 1], state[:, self.nq + 2]
        terminated = y <= 1
        distance = 0.01 * _square(x) + _square(y - 2)
        velocity = 1e-3 * _square(v1) + 5e-3 * _square(v2)
        alive = self.p.healthy_reward * (1 if self.p.v4 else ~terminated)
        return alive - distance - velocity, terminated


class Reaching(Rules):
    """Bring an arm's tip to a target; version 4 pays for the distance before the step."""

    def __init__(self, model: "MjModel", data: "MjData", p: SimpleNamespace, task: "Task"):
        super().__init__(model, data, p, task)
        self.fields = [Field("xpos", model.body(name).id) for name in ("fingertip", "target")]
        self._apart = 3 if p.v4 else 2
        self.observed = self.nq + 4 + self._apart

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """See `Rules.draw`."""
        qpos = rng.uniform(-0.1, 0.1, self.nq) + self._qpos
        while True:
            goal = rng.uniform(-0.2, 0.2, 2)
            if np.linalg.norm(goal) < 0.2:
                break
        qpos[-2:] = goal
        qvel = self._qvel + rng.uniform(-0.005, 0.005, self.nv)
        qvel[-2:] = 0
        return qpos, qvel

    def carry(self, frame: Frame) -> np.ndarray:
        """See `Rules.carry`."""
        return -_norm(frame[1] - frame[2])

    def observe(self, frame: Frame, out: np.ndarray) -> None:
        """See `Rules.observe`."""
        state, tip, target = frame
        angles, nq = state[:, :2].copy(), self.nq
        out[:, :2], out[:, 2:4] = np.cos(angles), np.sin(angles)
        out[:, 4 : nq + 2], out[:, nq + 2 : nq + 4] = state[:, 2:nq], state[:, nq : nq + 2]
        out[:, nq + 4 :] = (tip - target)[:, : self._apart]

    def score(self, frame: Frame, action: np.ndarray, before: np.ndarray, after: Any) -> tuple[np.ndarray, np.ndarray]:
        """See `Rules.score`."""
        near = (before if self.p.v4 else after) * self.p.reward_dist_weight
        control = -_sum_of_squares(action) * self.p.reward_control_weight
        return near + control, np.zeros(len(near), bool)


class Pushing(Rules):
    """Push an object to a goal."""

    def __init__(self, model: "MjModel", data: "MjData", p: SimpleNamespace, task: "Task"):
        super().__init__(model, data, p, task)
        self.fields = [Field("xpos", model.body(name).id) for name in ("tips_arm", "object", "goal")]
        self.observed = 7 + 7 + 9

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """See `Rules.draw`."""
        qpos = self._qpos.copy()
        while True:
            object_at = np.concatenate([rng.uniform(-0.3, 0, 1), rng.uniform(-0.2, 0.2, 1)])
            if np.linalg.norm(object_at) > 0.17:
                break
        qpos[-4:-2], qpos[-2:] = object_at, 0
        qvel = self._qvel + rng.uniform(-0.005, 0.005, self.nv)
        qvel[-4:] = 0
        return qpos, qvel

    def observe(self, frame: Frame, out: np.ndarray) -> None:
        """See `Rules.observe`."""
        state, *bodies = frame
        out[:, :7], out[:, 7:14] = state[:, :7], state[:, self.nq : self.nq + 7]
        for start, body in zip((14, 17, 20), bodies, strict=True):
            out[:, start : start + 3] = body

    def score(self, frame: Frame, action: np.ndarray, before: np.ndarray, after: Any) -> tuple[np.ndarray, np.ndarray]:
        """See `Rules.score`."""
        _, arm, thing, goal = frame
        near = -_norm(thing - arm) * self.p.reward_near_weight
        distance = -_norm(thing - goal) * self.p.reward_dist_weight
        control = -_sum_of_squares(action) * self.p.reward_control_weight
        return distance + control + near, np.zeros(len(near), bool)


def _sum_of_squares(x: np.ndarray) -> np.ndarray:
    return np.add.reduce(np.square(x), axis=1)


def _square(x: np.ndarray) -> np.ndarray:
    """Square as numpy does for single numbers: by libm's pow, which rounds one in a thousand otherwise than x * x."""
    return np.array([math.pow(value, 2) for value in x.tolist()])


def _clip(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Do what np.clip does without its Python, which shows when the caches are full of physics."""
    return np.minimum(np.maximum(x, low), high)


def _norm(x: np.ndarray) -> np.ndarray:
    return np.sqrt(np.vecdot(x, x))
