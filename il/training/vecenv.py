"""Our slots as a VecEnv of Stable-Baselines3."""

from typing import Any

import numpy as np
from gymnasium import spaces

from il.envs.base import SlotError, VectorEnv, not_finite
from il.errors import EpisodeError
from il.randomness import Purpose, integer


class Slots:
    """What a VecEnv does, over a `VectorEnv` of ours; `as_vec_env` makes it one.

    A slot whose episode ends starts the next one at once, as Stable-Baselines3 expects; the info of that step holds
    the true final observation (``terminal_observation``) and whether only the time limit ended it
    (``TimeLimit.truncated``). Episode k of a slot is seeded by (seed, slot, k) and decided by its seed and its
    actions, so the state of the slots is just these: see `state`.

    Args:
        env: the slots.
        seed: the run's.
    """

    num_envs: int

    def __init__(self, env: VectorEnv, seed: int):
        spec, n = env.spec, env.n
        self.env, self._seed = env, seed
        self._all = np.arange(n)
        self._count, self._t = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self._past: np.ndarray = np.zeros((n, spec.horizon, *spec.act_shape), spec.act_dtype)
        self._returns = np.zeros(n)
        self.finished: list[tuple[float, int]] = []
        act = spaces.Discrete(spec.act_dim) if spec.discrete else spaces.Box(spec.low, spec.high)  # type: ignore[arg-type]
        super().__init__(n, spaces.Box(-np.inf, np.inf, spec.expert_obs_shape), act)  # type: ignore[call-arg]

    # -- VecEnv -----------------------------------------------------------------------------------------------

    def reset(self) -> np.ndarray:
        """Start an episode in every slot; return observations, float32 [n, …]."""
        self._start(self._all)
        return self.env.expert_obs.copy()

    def step_async(self, actions: np.ndarray) -> None:
        """Take actions, [n, act_dim] or [n]."""
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Step every slot.

        Returns:
            observations float32 [n, …] (of the next episode where one ended), rewards float32 [n], ended bool [n],
            infos.

        Raises:
            EpisodeError: when the environment raises or gives a value that is not finite.
        """
        actions, env = self._actions, self.env
        self._past[self._all, self._t] = actions
        try:
            reward, terminated, truncated = env.step(actions, self._all)
        except SlotError as error:
            raise self._failure(error.slot, str(error)) from error
        if (slot := not_finite(reward, env.expert_obs)) is not None:
            raise self._failure(slot, "the observation or reward is not finite")
        self._t += 1
        self._returns += reward
        ended = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(env.n)]
        if ended.any():
            over = np.flatnonzero(ended)
            for i in over:
                infos[i] = {
                    "terminal_observation": env.expert_obs[i].copy(),
                    "TimeLimit.truncated": bool(truncated[i] and not terminated[i]),
                }
                self.finished.append((float(self._returns[i]), int(self._t[i])))
            self._count[over] += 1
            self._start(over)
        return env.expert_obs.copy(), reward.astype(np.float32), ended, infos

    def close(self) -> None:
        """Free the simulators."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return nothing but that there is no rendering."""
        if attr_name != "render_mode":
            raise AttributeError(attr_name)
        return [None] * self.env.n

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refuse: slots have no attributes of their own."""
        raise AttributeError(attr_name)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Refuse: slots have no methods of their own."""
        raise AttributeError(method_name)

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Return False for each slot."""
        return [False] * self.env.n

    # -- going on later ---------------------------------------------------------------------------------------

    def state(self) -> dict[str, np.ndarray]:
        """Return what the running episodes follow from: how many came before in each slot, and their actions."""
        return {
            "count": self._count.copy(),
            "t": self._t.copy(),
            "past": np.concatenate([past[:t] for past, t in zip(self._past, self._t, strict=True)]),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Play the running episodes of a `state` again, which works in any simulator."""
        self._count[:], lengths = state["count"], state["t"]
        self._start(self._all)
        for past, actions in zip(self._past, np.split(state["past"], np.cumsum(lengths)[:-1]), strict=True):
            past[: len(actions)] = actions
        for t in range(int(lengths.max())):
            ids = np.flatnonzero(lengths > t)
            self._returns[ids] += self.env.step(self._past[ids, t], ids)[0]
        self._t[:] = lengths

    def _start(self, ids: np.ndarray) -> None:
        self._t[ids], self._returns[ids] = 0, 0.0
        try:
            self.env.reset(ids, [self._seed_of(i) for i in ids])
        except SlotError as error:
            raise self._failure(error.slot, str(error)) from error

    def _seed_of(self, slot: int) -> int:
        return integer(self._seed, Purpose.COLLECT, int(slot), int(self._count[slot]))

    def _failure(self, slot: int, what: str) -> EpisodeError:
        where = f"episode {self._count[slot]} of slot {slot} (reset seed {self._seed_of(slot)}) at step {self._t[slot]}"
        return EpisodeError(f"{self.env.spec.id} failed in {where}: {what}")


def as_vec_env(env: VectorEnv, seed: int) -> Any:
    """Return slots of ours as a ``stable_baselines3.common.vec_env.VecEnv``; see `Slots`."""
    from stable_baselines3.common.vec_env import VecEnv  # heavy, and an extra: so the class is made here

    kind: Any = type("SlotVecEnv", (Slots, VecEnv), {})
    return kind(env, seed)
