"""What distinguishes gymnasium's MuJoCo tasks, in one table.

Defaults of arguments are read from gymnasium itself; the table adds what version 4 fixes and version 5 leaves to
arguments.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from il.envs.mujoco_rules import DoublePendulum, Locomotion, Pendulum, Pushing, Reaching, Rules


@dataclass(frozen=True)
class Task:
    """The facts about one task."""

    rules: type[Rules]
    v4: dict[str, Any] | None
    """What version 4 fixes; None where gymnasium refuses version 4 on this MuJoCo."""
    skip: int = 0
    """Leading coordinates that the observation leaves out, unless asked not to."""
    clip: float | None = None
    """Bound on observed velocities."""
    normal: bool = False
    """Whether initial velocities are normal, not uniform."""
    position: str = "qpos"
    """What moves forward: ``qpos``, the ``main_body`` or the ``mass_center``."""
    healthy: Callable[[np.ndarray, SimpleNamespace], np.ndarray] | None = None
    """From state [m, nq + nv] and arguments to bool [m]; None for tasks that never end early."""
    extras: tuple[tuple[str, int], ...] = ()
    """Further observed fields and how many leading rows of each version 5 leaves out."""
    cost_dtype: type = np.float32
    """Precision in which gymnasium sums the squared actions."""


def _inside(x: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    return (bounds[0] < x) & (x < bounds[1])


def _standing_ant(state: np.ndarray, p: SimpleNamespace) -> np.ndarray:
    (low, high), height = p.healthy_z_range, state[:, 2]
    well = (low <= height) & (height <= high)
    if not math.isfinite(np.add.reduce(state, axis=None)):
        well &= np.isfinite(state).all(1)
    return well


def _standing_hopper(state: np.ndarray, p: SimpleNamespace) -> np.ndarray:
    return _standing_walker(state, p) & _inside(state[:, 2:], p.healthy_state_range).all(1)


def _standing_walker(state: np.ndarray, p: SimpleNamespace) -> np.ndarray:
    return _inside(state[:, 1], p.healthy_z_range) & _inside(state[:, 2], p.healthy_angle_range)


def _standing_humanoid(state: np.ndarray, p: SimpleNamespace) -> np.ndarray:
    return _inside(state[:, 2], p.healthy_z_range)


def _v4(xml_file: str, frame_skip: int, **fixed: Any) -> dict[str, Any]:
    return {"xml_file": xml_file, "frame_skip": frame_skip, **fixed}


_HUMANOID_FIELDS = (("cinert", 1), ("cvel", 1), ("qfrc_actuator", 6), ("cfrc_ext", 1))
TASKS = {
    "Ant": Task(
        Locomotion,
        _v4("ant.xml", 5, main_body="torso", forward_reward_weight=1, include_cfrc_ext_in_observation=True),
        skip=2,
        normal=True,
        position="main_body",
        healthy=_standing_ant,
        extras=(("cfrc_ext", 1),),
    ),
    "HalfCheetah": Task(Locomotion, _v4("half_cheetah.xml", 5), skip=1, normal=True),
    "Hopper": Task(Locomotion, _v4("hopper.xml", 4), skip=1, clip=10, healthy=_standing_hopper),
    "Walker2d": Task(Locomotion, _v4("walker2d.xml", 4), skip=1, clip=10, healthy=_standing_walker),
    "Humanoid": Task(
        Locomotion,
        _v4(
            "humanoid.xml",
            5,
            contact_cost_weight=0,
            **{f"include_{name}_in_observation": True for name, _ in _HUMANOID_FIELDS},
        ),
        skip=2,
        position="mass_center",
        healthy=_standing_humanoid,
        extras=_HUMANOID_FIELDS,
        cost_dtype=np.float64,
    ),
    "Swimmer": Task(Locomotion, _v4("swimmer.xml", 4), skip=2),
    "InvertedPendulum": Task(Pendulum, _v4("inverted_pendulum.xml", 2, reset_noise_scale=0.01)),
    "InvertedDoublePendulum": Task(
        DoublePendulum,
        _v4("inverted_double_pendulum.xml", 5, reset_noise_scale=0.1, healthy_reward=10),
        normal=True,
    ),
    "Reacher": Task(Reaching, _v4("reacher.xml", 2, reward_dist_weight=1, reward_control_weight=1)),
    "Pusher": Task(Pushing, None),
}
