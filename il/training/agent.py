"""One agent in training: made from knobs, trained in rounds, stored and restored exactly."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from il.envs.base import VectorEnv
from il.errors import ConfigError, nearest
from il.experts.neutral import Arrays, find, read
from il.randomness import Purpose, integer
from il.state import Once
from il.training import export
from il.training.base import Library
from il.training.vecenv import as_vec_env

ALGORITHMS = {"ppo": "any", "a2c": "any", **dict.fromkeys(("sac", "td3", "ddpg"), "continuous"), "dqn": "discrete"}
"""The actions that each takes."""
COUNTERS = (
    "num_timesteps _n_updates _n_calls _episode_num _current_progress_remaining exploration_rate reset_idx"
).split()
"""Plain numbers that the algorithms keep; each has some of them."""
COLUMNS = "observations next_observations actions rewards dones timeouts".split()
"""Arrays of a replay buffer, [rows, slots, …]."""


def check_algorithm(name: str, discrete: bool, env_id: str) -> None:
    """Refuse what is no algorithm, or none for these actions.

    Raises:
        ConfigError: naming those that are.
    """
    takes = ("any", "discrete" if discrete else "continuous")
    fitting = ", ".join(k for k, actions in ALGORITHMS.items() if actions in takes)
    if name not in ALGORITHMS:
        raise ConfigError(f"trainer.algo={name}: no such algorithm{nearest(name, ALGORITHMS)}; there are {fitting}")
    if ALGORITHMS[name] not in takes:
        raise ConfigError(f"trainer.algo={name} takes {ALGORITHMS[name]} actions, {env_id} has {takes[1]} ones: "
                          f"choose one of {fitting}")  # fmt: skip


class Agent:
    """A model, its normaliser and its slots.

    All random numbers of a round follow from the run's seed and the round: the libraries draw from global generators
    and keys of the model, so these are seeded anew at the start of each.

    Args:
        library: whose algorithms.
        algo: one of `ALGORITHMS`.
        env: where it trains; all slots are used.
        seed: the run's.
        steps: environment steps of the whole training, which schedules refer to.
        normalize_obs, normalize_reward: standardise by running statistics, and clip to ±10.
        anneal: let the learning rate fall to zero linearly.
        kwargs: arguments of the algorithm's class.
        device: cpu, cuda or cuda:N.
        start: an expert in the package's own format to go on from, or None.

    Raises:
        ConfigError: for arguments that the class does not take, or a start that does not fit.
    """

    def __init__(
        self,
        library: Library,
        algo: str,
        env: VectorEnv,
        seed: int,
        steps: int,
        normalize_obs: bool,
        normalize_reward: bool,
        anneal: bool,
        kwargs: dict[str, Any],
        device: str,
        start: str | None,
    ):
        from stable_baselines3.common.logger import Logger
        from stable_baselines3.common.vec_env import VecNormalize

        self.library, self.algo, self.seed, self.steps = library, algo, seed, steps
        kwargs = _arguments(library, algo, kwargs, env.spec.act_dim)
        if anneal:
            kwargs["learning_rate"] = _annealed(kwargs["learning_rate"])
        self.slots = as_vec_env(env, seed)
        self.normalizer: Any = None
        venv = self.slots
        if normalize_obs or normalize_reward:
            venv = self.normalizer = VecNormalize(venv, True, normalize_obs, normalize_reward, gamma=kwargs["gamma"])
        self.model: Any = library.make(algo, venv, integer(seed, Purpose.INIT), device, kwargs)
        self.model.set_logger(Logger(None, []))
        # it is told to learn a part at a time; schedules are about the whole
        self.model._update_current_progress_remaining = self._progress
        self._rows = _Rows(self.model)
        if start is not None:
            expert = read(find(start, "trainer.start"))
            export.adopt(library, algo, self.model, self.normalizer, *expert, start)

    def _progress(self, done: int, total: int) -> None:
        self.model._current_progress_remaining = max(0.0, 1.0 - done / self.steps)

    @property
    def env_steps(self) -> int:
        """Steps taken so far."""
        return int(self.model.num_timesteps)

    def learn(self, n: int, until: int, watch: Callable[[int], None]) -> dict[str, float]:
        """Train round n, up to so many steps in all; return the library's own figures.

        Args:
            n: the round, which decides every random number of it.
            until: steps since the start of the training; rounded up to what the algorithm takes at once.
            watch: told the steps taken, after each.
        """
        model = self.model
        self.slots.finished.clear()
        self.library.seed(model, integer(self.seed, Purpose.ALGORITHM, n))
        model.logger.name_to_value.clear()

        def heard(_: dict[str, Any], __: dict[str, Any]) -> bool:
            watch(model.num_timesteps)
            return True

        model.learn(until - model.num_timesteps, heard, log_interval=None, reset_num_timesteps=False)
        return {k: float(v) for k, v in model.logger.name_to_value.items() if k.startswith("train/")}

    def episodes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the returns and lengths of the episodes that ended in the last round."""
        returns, lengths = zip(*self.slots.finished, strict=True) if self.slots.finished else ((), ())
        return np.array(returns), np.array(lengths)

    def export(self) -> tuple[Arrays, dict[str, Any]]:
        """Return the agent in the package's own format; see `il.experts.neutral`."""
        return export.neutral(self.library, self.algo, self.model, self.normalizer, self.slots.env.spec)

    # -- going on later ---------------------------------------------------------------------------------------

    def state(self, n: int) -> dict[str, Any]:
        """Return everything that training follows from, after round n."""
        model, normalizer = self.model, self.normalizer
        out = {
            "counters": {k: _plain(getattr(model, k)) for k in COUNTERS if hasattr(model, k)},
            "networks": self.library.state(model),
            "last": {"obs": model._last_obs, "starts": model._last_episode_starts},
            "raw": self.slots.env.expert_obs.copy(),
            "slots": self.slots.state(),
            "replay": self._rows.store(n),
        }
        if normalizer is not None:
            out["normalizer"] = {"returns": normalizer.returns, **_statistics(normalizer)}
        return out

    def load(self, state: dict[str, Any]) -> bool:
        """Undo `state`.

        Returns:
            Whether the environment came back to where it was; if not, it does not repeat itself.
        """
        model, normalizer = self.model, self.normalizer
        for key, value in state["counters"].items():
            setattr(model, key, value)
        self.library.load(model, state["networks"])
        last = state["last"]
        model._last_obs, model._last_episode_starts = last["obs"], last["starts"]
        self.slots.restore(state["slots"])
        self._rows.restore(state["replay"])
        if normalizer is not None:
            stored = state["normalizer"]
            normalizer.returns, normalizer.old_obs = stored["returns"], state["raw"]
            model._last_original_obs = state["raw"]
            for name in ("obs_rms", "ret_rms"):
                if f"{name}.mean" in stored:
                    rms = getattr(normalizer, name)
                    rms.mean, rms.var, rms.count = (stored[f"{name}.{k}"] for k in ("mean", "var", "count"))
        return bool((self.slots.env.expert_obs == state["raw"]).all())


class _Rows:
    """The replay buffer as write-once files, one for each round's new rows; algorithms without one have none."""

    def __init__(self, model: Any):
        self.buffer: Any = getattr(model, "replay_buffer", None)
        self.model = model
        self._stored = 0
        self._files: list[tuple[int, int, Once]] = []

    def store(self, n: int) -> list[Any]:
        """Return first row, last row and file of all that is in the buffer."""
        buffer = self.buffer
        if buffer is None:
            return []
        added = self.model.num_timesteps // self.model.n_envs
        first = max(self._stored, added - buffer.buffer_size)
        rows = np.arange(first, added) % buffer.buffer_size
        arrays = {k: getattr(buffer, k)[rows] for k in COLUMNS}
        self._files.append((first, added, Once(f"data/round_{n:04d}.npz", arrays)))
        self._files = [file for file in self._files if file[1] > added - buffer.buffer_size]
        self._stored = added
        return list(self._files)

    def restore(self, files: Sequence[Sequence[Any]]) -> None:
        """Put the rows back."""
        buffer = self.buffer
        self._files = [(first, last, once) for first, last, once in files]
        for first, last, once in self._files:
            rows = np.arange(first, last) % buffer.buffer_size
            for key, values in once.load().items():
                getattr(buffer, key)[rows] = values
            self._stored = last
        if buffer is not None:
            buffer.pos, buffer.full = self._stored % buffer.buffer_size, self._stored >= buffer.buffer_size


def _arguments(library: Library, algo: str, kwargs: dict[str, Any], act_dim: int) -> dict[str, Any]:
    """Turn what YAML can say into what an algorithm's class wants; what is read here gets the class's default.

    Raises:
        ConfigError: for an argument that it does not have.
    """
    kind = library.kind(algo)
    known = inspect.signature(kind).parameters
    for key in kwargs:
        if key not in known:
            whose = f"{kind.__module__.partition('.')[0]}.{kind.__name__}"
            raise ConfigError(f"trainer.kwargs.{key}: {whose} has no such argument{nearest(key, known)}")
    if kwargs.get("use_sde") and algo == "sac":
        raise ConfigError("trainer.kwargs.use_sde=true: SAC's means are then clipped, which an export cannot hold")
    out = {key: known[key].default for key in ("gamma", "learning_rate")} | kwargs
    if isinstance(out.get("train_freq"), list):
        out["train_freq"] = tuple(out["train_freq"])
    if out.get("action_noise") is not None:
        from stable_baselines3.common.noise import NormalActionNoise

        out["action_noise"] = NormalActionNoise(np.zeros(act_dim), np.full(act_dim, float(out["action_noise"])))
    policy = dict(out.get("policy_kwargs") or {})
    if isinstance(name := policy.get("activation_fn"), str):
        if name not in library.activations:
            raise ConfigError(f"…policy_kwargs.activation_fn={name}: one of {', '.join(library.activations)}")
        policy["activation_fn"] = library.activations[name]
    return {**out, "policy_kwargs": policy}


def _annealed(start: float) -> Callable[[float], float]:
    return lambda remaining: start * remaining


def _statistics(normalizer: Any) -> dict[str, Any]:
    names = ["ret_rms", *(["obs_rms"] if normalizer.norm_obs else [])]
    out = {f"{n}.{k}": np.asarray(getattr(getattr(normalizer, n), k)) for n in names for k in ("mean", "var")}
    return out | {f"{n}.count": float(getattr(normalizer, n).count) for n in names}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
