"""Environments: one interface over several backends."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from il.envs.base import VectorEnv, View
from il.errors import ConfigError, nearest

if TYPE_CHECKING:
    from il.envs.gym_wrappers import WrapperKnob

BACKENDS = ("auto", "gymnasium", "batched")


def make(
    id: str,
    n_envs: int,
    kwargs: dict[str, Any],
    horizon: int | None,
    backend: Literal["auto", "gymnasium", "batched"],
    num_threads: int,
    expert_view: list[int] | str | None,
    wrappers: "Sequence[WrapperKnob]",
) -> VectorEnv:
    """Make n slots of an environment.

    Args:
        id: gymnasium id.
        n_envs: number of slots.
        kwargs: the environment's own keyword arguments.
        horizon: time limit in steps; None takes the registered one.
        backend: ``gymnasium`` steps one environment after the other; ``batched`` steps MuJoCo's standard tasks all
            at once, with the same results; ``auto`` takes the latter where it is exact.
        num_threads: threads that step one run's slots; 0 takes all cores.
        expert_view: what the expert sees of an observation: [start, stop] of a slice, or the dotted path of a
            function from [m, …] to [m, …]; None shows it everything.
        wrappers: dotted paths of gymnasium wrappers put around each slot, the first innermost; with keyword
            arguments as {path: {name: value}}. The batched backend has none.

    Raises:
        ConfigError: when the environment cannot be made as asked.
    """
    _check(n_envs, horizon, backend, num_threads)
    view = _view(expert_view)
    if backend != "gymnasium":
        from il.envs.mujoco import TASKS, MujocoVectorEnv, supports

        reason = "the batched stepper takes no env.wrappers" if wrappers else supports(id, kwargs)
        if reason is None:
            # fewer than four slots a thread do not pay
            threads = num_threads or min(len(os.sched_getaffinity(0)), max(1, n_envs // 4))
            return MujocoVectorEnv(id, n_envs, kwargs, horizon, threads, view)
        if backend == "batched":
            raise ConfigError(f"env.backend=batched: {reason}; use env.backend=auto")
        if id.rpartition("-")[0] in TASKS:
            print(f"note: {id} is stepped by gymnasium: {reason}", file=sys.stderr)
    from il.envs.gym import GymVectorEnv

    return GymVectorEnv(id, n_envs, kwargs, horizon, view, wrappers)


def _check(n_envs: int, horizon: int | None, backend: str, num_threads: int) -> None:
    """Refuse numbers and names out of range."""
    if n_envs < 1:
        raise ConfigError(f"env.n_envs={n_envs}: at least one slot is needed")
    if horizon is not None and horizon < 1:
        raise ConfigError(f"env.horizon={horizon}: an episode has at least one step")
    if backend not in BACKENDS:
        raise ConfigError(f"env.backend={backend}{nearest(backend, BACKENDS)}: one of {', '.join(BACKENDS)}")
    if num_threads < 0:
        raise ConfigError(f"env.num_threads={num_threads}: a number of threads, or 0 for all cores")


def _view(what: list[int] | str | None) -> View | None:
    """Turn the knob `expert_view` into a function."""
    if what is None:
        return None
    if isinstance(what, str):
        from il.config import locate

        found: Callable[[np.ndarray], np.ndarray] = locate(what, "env.expert_view")
        return found
    if len(what) != 2:
        raise ConfigError(f"env.expert_view={what}: give [start, stop] or the dotted path of a function")
    start, stop = what
    return lambda obs: obs[..., start:stop]
