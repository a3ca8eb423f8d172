"""Exact snapshots of gymnasium's classic-control tasks, whose whole state is plain attributes."""

import copy
from typing import Any

import gymnasium
import numpy as np
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

CLASSIC = "gymnasium.envs.classic_control."
FIXED = {
    "_np_random",
    "_np_random_seed",
    "spec",
    "observation_space",
    "action_space",
    "screen",
    "clock",
    "surf",
    "isopen",
    "viewer",
}
"""Attributes that no step changes (these tasks draw at their reset only), or that only drawing uses."""

State = tuple[dict[str, Any], list[int]]


def possible(env: "gymnasium.Env[Any, Any]") -> bool:
    """Tell whether `take` and `put` catch everything: a classic-control task under wrappers known here."""
    known = all(isinstance(w, TimeLimit | OrderEnforcing | PassiveEnvChecker) for w in _wrappers(env))
    return known and type(env.unwrapped).__module__.startswith(CLASSIC)


def take(env: "gymnasium.Env[Any, Any]") -> State:
    """Return the task's attributes and the time limits' counts."""
    task = {k: copy.deepcopy(v) for k, v in vars(env.unwrapped).items() if k not in FIXED}
    return task, [w._elapsed_steps for w in _limits(env)]


def put(env: "gymnasium.Env[Any, Any]", state: State) -> None:
    """Undo `take`, in this or another environment of the same id and arguments that was reset before."""
    task, elapsed = state
    vars(env.unwrapped).update(copy.deepcopy(task))
    for wrapper, steps in zip(_limits(env), elapsed, strict=True):
        wrapper._elapsed_steps = steps


def coordinates(state: State) -> np.ndarray:
    """Return a task's own state vector, float64 [k]."""
    return np.asarray(state[0]["state"], float)


def moved(state: State, coordinates: np.ndarray) -> State:
    """Return the state with another vector."""
    return {**state[0], "state": coordinates}, state[1]


def _wrappers(env: "gymnasium.Env[Any, Any]") -> list[Any]:
    found: list[Any] = []
    while isinstance(env, gymnasium.Wrapper):
        found.append(env)
        env = env.env
    return found


def _limits(env: "gymnasium.Env[Any, Any]") -> list[Any]:
    return [w for w in _wrappers(env) if isinstance(w, TimeLimit)]
