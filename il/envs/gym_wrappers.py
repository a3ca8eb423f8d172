"""Wrappers by dotted path, and the refusal of environments that a run cannot repeat."""

import copy
import sys
from collections.abc import Sequence
from typing import Any

import gymnasium
from gymnasium.utils.env_checker import data_equivalence

from il.errors import ConfigError

WrapperKnob = str | dict[str, dict[str, Any] | None]
"""A dotted path, or a dotted path with the wrapper's keyword arguments."""
Env = gymnasium.Env[Any, Any]
PROBED = 3
"""Steps that are played twice to find state that outlives a reset."""


def read(wrappers: Sequence[WrapperKnob]) -> list[tuple[str, type, dict[str, Any]]]:
    """Look the wrappers of `env.wrappers` up: dotted path, class and keyword arguments of each.

    Raises:
        ConfigError: for an entry of another shape, a path that leads nowhere, or what is no gymnasium wrapper.
    """
    from il.config import locate

    found = []
    for entry in wrappers:
        match entry:
            case str():
                path, kwargs = entry, {}
            case dict() if len(entry) == 1 and isinstance(next(iter(entry.values())), dict | None):
                ((path, given),) = entry.items()
                kwargs = given or {}
            case _:
                raise ConfigError(f"env.wrappers: {entry} is no wrapper; give dotted paths, with arguments as "
                                  "{module.Wrapper:{name:value}}")  # fmt: skip
        kind = locate(path, "env.wrappers")
        if not (isinstance(kind, type) and issubclass(kind, gymnasium.Wrapper)):
            raise ConfigError(f"env.wrappers: {path} is no subclass of gymnasium.Wrapper")
        found.append((path, kind, kwargs))
    return found


def wrap(env: Env, wrappers: Sequence[tuple[str, type, dict[str, Any]]]) -> Env:
    """Put wrappers around an environment, the first innermost.

    Raises:
        ConfigError: when one does not take its arguments or this environment.
    """
    for path, kind, kwargs in wrappers:
        try:
            env = kind(env, **kwargs)
        except (TypeError, ValueError, AssertionError, gymnasium.error.Error) as error:
            raise ConfigError(f"env.wrappers: {path} with {kwargs} does not fit: {error}") from error
    return env


def check(env: Env, id: str, anew: bool) -> None:
    """Refuse an environment with the old interface, or with a wrapper that remembers past episodes.

    Evaluation on fixed seeds, resumed runs and any number of slots rest on an episode being decided by its seed and
    its actions. So a few steps are played twice: where that differs although the environment inside repeats itself,
    a wrapper such as NormalizeObservation carries state over.

    Args:
        env: just made.
        id: its name, for messages.
        anew: it is made anew for every episode, so that nothing can carry over.

    Raises:
        ConfigError: naming the environment or the wrapper.
    """
    layers = [env]
    while isinstance(layers[-1], gymnasium.Wrapper):
        layers.append(layers[-1].env)
    _require_five(layers[-1], id)
    if anew or _repeats(env):
        return
    broken = next((layer for layer in reversed(layers) if not _repeats(layer)), layers[-1])
    if broken is layers[-1]:
        print(f"note: {id} does not repeat itself after reset(seed=…), so runs on it cannot either", file=sys.stderr)
        return
    raise ConfigError(
        f"the wrapper {type(broken).__name__} around {id} carries state from one episode into the next, so that the "
        "same seed and actions give other numbers: leave it out (policy.normalize=true standardises observations)"
    )


def _require_five(env: Env, id: str) -> None:
    """Refuse the interface before gymnasium 0.26: reset() -> obs, step() -> 4 values."""
    try:
        start: Any = env.reset(seed=0)
        values: Sequence[Any] = env.step(_actions(env, 1)[0])
    except TypeError as error:
        if "seed" not in str(error):
            return  # breaks in the run, which then names episode and step
        start, values = None, ()
    except Exception:
        return
    if not (isinstance(start, tuple) and len(start) == 2) or len(values) != 5:
        raise ConfigError(
            f"env {id} ({type(env).__name__}) has the interface from before gymnasium 0.26, where step returned 4 "
            "values: port it (reset(seed) -> obs, info; step -> obs, reward, terminated, truncated, info)"
        )


def _repeats(env: Env) -> bool:
    """Tell whether the same seed and actions give the same twice."""
    return data_equivalence(_play(env), _play(env), exact=True)


def _play(env: Env) -> list[Any]:
    """Return what a few steps give; an environment that breaks is left to the run, which says where."""
    seen: list[Any] = []
    try:
        seen.append(copy.deepcopy(env.reset(seed=0)[0]))
        for action in _actions(env, PROBED):
            obs, reward, terminated, truncated, _ = env.step(action)
            seen.append((copy.deepcopy(obs), float(reward), terminated, truncated))
            if terminated or truncated:
                break
    except Exception:
        return []
    return seen


def _actions(env: Env, count: int) -> list[Any]:
    space = copy.deepcopy(env.action_space)  # the environment's own is left unseeded
    space.seed(0)
    return [space.sample() for _ in range(count)]
