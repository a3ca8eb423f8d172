"""Any gymnasium environment as slots: exact for all, fast for none."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control.pendulum import PendulumEnv

from il.envs import gym_snapshots, gym_wrappers
from il.envs.base import EnvSpec, SlotError, VectorEnv, View
from il.envs.pendulum import PendulumVectorEnv
from il.errors import ConfigError

BOX2D = "gymnasium.envs.box2d."


class GymVectorEnv(VectorEnv):
    """One gymnasium environment per slot, made when the slot is first used.

    Box2D's tasks are made anew for every episode: BipedalWalker keeps its world, in which the order of contacts
    depends on the episodes before, so that the same seed and actions would give other numbers.

    Args:
        id: gymnasium id; wrappers registered under it are kept.
        n: number of slots.
        kwargs: passed to ``gymnasium.make``.
        horizon: time limit in steps; None takes the registered one.
        expert_view: maps learner observations [m, …] to the expert's.
        wrappers: put around each slot's environment, see `gym_wrappers.read`.

    Raises:
        ConfigError: unknown id, missing simulator, no time limit, spaces that are neither Box nor Discrete, or what
            `gym_wrappers.check` refuses.
    """

    def __init__(
        self,
        id: str,
        n: int,
        kwargs: dict[str, Any],
        horizon: int | None,
        expert_view: View | None,
        wrappers: Sequence[gym_wrappers.WrapperKnob],
    ):
        self.id, self.n, self.kwargs, self.horizon = id, n, kwargs, horizon
        self._wrappers = gym_wrappers.read(wrappers)
        self._view = expert_view
        self._envs: list[gymnasium.Env[Any, Any] | None] = [None] * n
        first = self._envs[0] = self._make()
        self._anew = type(first.unwrapped).__module__.startswith(BOX2D)
        gym_wrappers.check(first, id, self._anew)
        possible = gym_snapshots.possible(first)
        self.spec = replace(
            read_spec(first, id, expert_view), snapshots=possible, simulate=self._simulate if possible else None
        )
        self._discrete_start = int(getattr(first.action_space, "start", 0))
        self.obs = np.zeros((n, *self.spec.obs_shape), np.float32)
        self.expert_obs = self.obs if expert_view is None else np.zeros((n, *self.spec.expert_obs_shape), np.float32)

    def _make(self) -> "gymnasium.Env[Any, Any]":
        try:
            env = gymnasium.make(self.id, max_episode_steps=self.horizon, disable_env_checker=True, **self.kwargs)
        except gymnasium.error.DependencyNotInstalled as error:
            fix = "pip install 'il[box2d]'" if "box2d" in str(error).lower() else str(error)
            raise ConfigError(f"env {self.id} needs a simulator that is not installed: {fix}") from error
        except gymnasium.error.Error as error:
            raise ConfigError(f"env.id={self.id}: {error}") from error
        except TypeError as error:
            if "raised from the environment creator" in str(error):
                raise ConfigError(f"env.kwargs={self.kwargs} do not fit {self.id}: {error}") from error
            raise ConfigError(f"env.id={self.id}: {error}") from error
        return gym_wrappers.wrap(env, self._wrappers)

    def reset(self, ids: np.ndarray, seeds: Sequence[int]) -> None:
        """See `VectorEnv.reset`."""
        for i, seed in zip(ids, seeds, strict=True):
            env = self._envs[i]
            if env is None or self._anew:
                if env is not None:
                    env.close()
                env = self._envs[i] = self._make()
            try:
                self.obs[i] = env.reset(seed=int(seed))[0]
            except Exception as error:
                raise SlotError(int(i), error) from error
        self._look(ids)

    def step(self, actions: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See `VectorEnv.step`."""
        m = len(ids)
        reward, terminated, truncated = np.empty(m), np.empty(m, bool), np.empty(m, bool)
        if self.spec.discrete:
            chosen: Any = (np.asarray(actions) + self._discrete_start).tolist()
        else:
            chosen = np.clip(actions, self.spec.low, self.spec.high)
        for k, i in enumerate(ids):
            env = self._envs[i]
            assert env is not None, "reset comes first"
            try:
                self.obs[i], reward[k], terminated[k], truncated[k], _ = env.step(chosen[k])
            except Exception as error:
                raise SlotError(int(i), error) from error
        self._look(ids)
        return reward, terminated, truncated

    def snapshot(self, ids: np.ndarray) -> list[tuple[gym_snapshots.State, np.ndarray]]:
        """See `VectorEnv.snapshot`."""
        return [(gym_snapshots.take(self._started(i)), self.obs[i].copy()) for i in ids]

    def restore(self, ids: np.ndarray, state: list[tuple[gym_snapshots.State, np.ndarray]]) -> None:
        """See `VectorEnv.restore`."""
        for i, (inside, obs) in zip(ids, state, strict=True):
            gym_snapshots.put(self._started(i), inside)
            self.obs[i] = obs
        self._look(ids)

    def coordinates(self, state: list[tuple[gym_snapshots.State, np.ndarray]]) -> np.ndarray:
        """See `VectorEnv.coordinates`."""
        return np.stack([gym_snapshots.coordinates(inside) for inside, _ in state])

    def moved(
        self, state: list[tuple[gym_snapshots.State, np.ndarray]], coordinates: np.ndarray
    ) -> list[tuple[gym_snapshots.State, np.ndarray]]:
        """See `VectorEnv.moved`."""
        return [(gym_snapshots.moved(inside, x), obs) for (inside, obs), x in zip(state, coordinates, strict=True)]

    def _simulate(self, n: int) -> VectorEnv:
        """See `EnvSpec.simulate`."""
        if type(self.gym(0).unwrapped) is PendulumEnv:
            return PendulumVectorEnv(n, self.spec)
        return GymVectorEnv(self.id, n, self.kwargs, self.horizon, None, [])

    def _started(self, i: int) -> "gymnasium.Env[Any, Any]":
        """Return a slot's environment; one never used is made and reset, as gymnasium demands before a step."""
        env = self._envs[i]
        if env is None:
            env = self._envs[i] = self._make()
            env.reset(seed=0)
        return env

    def _look(self, ids: np.ndarray) -> None:
        if self._view is not None:
            self.expert_obs[ids] = self._view(self.obs[ids])

    def gym(self, slot: int) -> "gymnasium.Env[Any, Any]":
        """Return the environment behind a slot that was used already, for drawing."""
        env = self._envs[slot]
        assert env is not None, "reset comes first"
        return env

    def close(self) -> None:
        """Close every environment that was made."""
        for env in self._envs:
            if env is not None:
                env.close()


def read_spec(env: "gymnasium.Env[Any, Any]", id: str, expert_view: View | None) -> EnvSpec:
    """Return the facts about a gymnasium environment.

    Raises:
        ConfigError: for spaces or time limits that a run cannot use.
    """
    obs_space, act_space = env.observation_space, env.action_space
    if isinstance(obs_space, spaces.Discrete) or not isinstance(obs_space, spaces.Box):
        raise ConfigError(
            f"env {id} observes {obs_space}; only Box observations are supported: wrap it, e.g. with FlattenObservation"
        )
    horizon = env.spec.max_episode_steps if env.spec is not None else None
    if horizon is None:
        raise ConfigError(f"env {id} has no time limit; set env.horizon to the number of steps of an episode")
    box = act_space if isinstance(act_space, spaces.Box) and len(act_space.shape) == 1 else None
    if box is None and not isinstance(act_space, spaces.Discrete):
        raise ConfigError(f"env {id} takes {act_space}; only Discrete and flat Box actions are supported")
    shape = obs_space.shape
    expert_shape = shape if expert_view is None else expert_view(np.zeros((1, *shape), np.float32)).shape[1:]
    return EnvSpec(
        id=id,
        obs_shape=shape,
        expert_obs_shape=expert_shape,
        discrete=box is None,
        act_dim=int(act_space.n) if isinstance(act_space, spaces.Discrete) else int(np.prod(act_space.shape or ())),
        low=None if box is None else box.low.astype(np.float32),
        high=None if box is None else box.high.astype(np.float32),
        horizon=int(horizon),
    )
