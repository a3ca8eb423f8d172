"""What a Stable-Baselines3 zip says in JSON and tensors: read without running any of its pickles."""

import io
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from il.envs.base import EnvSpec
from il.errors import ConfigError, nearest
from il.experts.checks import check_sizes

FAMILIES = {
    "actor-critic": ("ppo", "a2c", "trpo"),
    "sac": ("sac",),
    "tqc": ("tqc",),
    "td3": ("td3", "ddpg"),
    "dqn": ("dqn",),
}
"""Kinds of policy, and the algorithms that train them."""
ALGORITHMS = tuple(name for names in FAMILIES.values() for name in names)


@dataclass(frozen=True)
class Space:
    """A space as the zip's JSON describes it."""

    kind: str
    """``Box``, ``Discrete``, …"""
    shape: tuple[int, ...]
    dtype: str
    n: int | None
    low: np.ndarray | None
    """Bounds in float32, None where the JSON abbreviates them."""
    high: np.ndarray | None


@dataclass(frozen=True)
class Archive:
    """The readable content of a zip."""

    path: Path
    data: dict[str, Any]
    """The JSON part; pickled values stay base64 text in it."""
    state: dict[str, torch.Tensor]
    """The policy's tensors."""
    saved_by: str
    """Versions of the software that wrote it, for messages."""

    @property
    def policy_kwargs(self) -> dict[str, Any]:
        """Arguments of the policy; those that are no JSON are given by their text."""
        return {k: v for k, v in self.data["policy_kwargs"].items() if k not in (":type:", ":serialized:")}

    @property
    def family(self) -> str:
        """Which of `FAMILIES` the tensors belong to.

        Raises:
            ConfigError: when none.
        """
        names = " ".join(self.state)
        if "lstm" in names:
            raise ConfigError(f"{self.path} holds a recurrent policy; an expert must answer about single states")
        if "action_net." in names:
            return "actor-critic"
        if "q_net." in names:
            return "dqn"
        if "actor.latent_pi." in names:
            quantiles = isinstance(self.data.get("top_quantiles_to_drop_per_net"), int)
            return "tqc" if quantiles else "sac"
        if "actor.mu." in names:
            return "td3"
        raise ConfigError(f"{self.path} holds no policy of {', '.join(ALGORITHMS)}")

    def space(self, key: str) -> Space:
        """Return ``observation_space`` or ``action_space``.

        Raises:
            ConfigError: when the JSON does not describe it.
        """
        text = self.data.get(key)
        if not isinstance(text, dict):
            raise ConfigError(f"{self.path} does not say what its {key} is; save it again with a current version")
        kind = (re.findall(r"\w+", str(text.get(":type:"))) or ["?"])[-1]
        shape = tuple(int(n) for n in text.get("_shape", text.get("shape")) or ())
        low, high = (_numbers(text.get(side), shape) for side in ("low", "high"))
        n = int(text["n"]) if kind == "Discrete" else None
        return Space(kind, shape, str(text.get("dtype")), n, low, high)


def read(path: Path) -> Archive:
    """Read a zip's JSON and its policy's tensors.

    Raises:
        ConfigError: missing or truncated file, other software's zip.
    """
    if not path.is_file():
        hint = nearest(path.name, [p.name for p in path.parent.glob("*.zip")])
        raise ConfigError(f"there is no file {path}{hint}; set expert.path to a Stable-Baselines3 zip")
    try:
        with zipfile.ZipFile(path) as file:
            names = set(file.namelist())
            if "parameters" in names or not {"data", "policy.pth"} <= names:
                old = "parameters" in names
                what = "of Stable-Baselines 2 (TensorFlow)" if old else "truncated, or no zip of Stable-Baselines3"
                raise ConfigError(f"{path} is {what}: it holds {', '.join(sorted(names)[:4])}")
            data = json.loads(file.read("data"))
            state = torch.load(io.BytesIO(file.read("policy.pth")), map_location="cpu", weights_only=True)
            version = (
                file.read("_stable_baselines3_version").decode().strip()
                if "_stable_baselines3_version" in names
                else ""
            )
    except ConfigError:
        raise
    except Exception as error:  # damaged bytes can make zip, JSON and torch raise anything
        said = " ".join(f"{type(error).__name__}: {error}".split())[:150]
        raise ConfigError(f"{path} is truncated or damaged ({said}); get the file again") from None
    if not isinstance(data, dict) or not isinstance(data.get("policy_kwargs", {}), dict):
        raise ConfigError(f"{path} has no usable JSON part")
    data.setdefault("policy_kwargs", {})
    return Archive(path, data, state, f"Stable-Baselines3 {version}" if version else "an unknown version")


def algorithm(archive: Archive, asked: str | None, said: str | None) -> str:
    """Return the algorithm's name.

    Args:
        archive: the zip.
        asked: the user's ``expert.algo``; None reads it.
        said: what the zip's folder or file name says, if anything.

    Raises:
        ConfigError: when the user asks for one that cannot have written this zip.
    """
    possible = FAMILIES[archive.family]
    if asked is not None:
        if asked not in ALGORITHMS:
            raise ConfigError(
                f"expert.algo={asked} is unknown{nearest(asked, ALGORITHMS)}; known are {', '.join(ALGORITHMS)}"
            )
        if asked not in possible:
            raise ConfigError(
                f"expert.algo={asked}, but {archive.path} was trained by {' or '.join(possible)}; leave it out"
            )
        return asked
    if said in possible:
        return said
    if archive.family == "actor-critic":
        return "ppo" if "clip_range" in archive.data else "trpo" if "cg_max_steps" in archive.data else "a2c"
    if archive.family == "td3":
        return "ddpg" if archive.policy_kwargs.get("n_critics") == 1 else "td3"
    return possible[0]


def check_spaces(archive: Archive, spec: EnvSpec, what: str) -> None:
    """Refuse a zip whose spaces are not the environment's; `what` names it in messages.

    Raises:
        ConfigError: naming both sides.
    """
    obs, act = archive.space("observation_space"), archive.space("action_space")
    if obs.kind != "Box":
        raise ConfigError(f"{what} observes a {obs.kind} space; only arrays (Box) are supported")
    if act.kind not in ("Box", "Discrete"):
        raise ConfigError(f"{what} has a {act.kind} action space; only Box and Discrete are supported")
    discrete = act.kind == "Discrete"
    size = act.n if act.n is not None else int(np.prod(act.shape))
    shape = obs.shape if obs.shape != channels_first(spec.expert_obs_shape) else spec.expert_obs_shape
    fix = "choose env.id and env.kwargs as it was trained with, or show it a part with env.expert_view=[start,stop]"
    check_sizes(shape, (discrete, size), spec.expert_obs_shape, spec, what, fix)
    for side, mine, theirs in [("low", act.low, spec.low), ("high", act.high, spec.high)]:
        if mine is not None and theirs is not None and not np.allclose(mine.reshape(-1), theirs, rtol=1e-4):
            raise ConfigError(
                f"{what} has actions with {side} {mine.reshape(-1).tolist()}, {spec.id} has {theirs.tolist()}: "
                "the action space differs; choose the version of the environment it was trained on"
            )


def channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that Stable-Baselines3 gives to images [height, width, channels]."""
    return (shape[2], shape[0], shape[1]) if len(shape) == 3 else shape


def _numbers(text: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    found = [float(x) for x in re.findall(r"[-+]?(?:inf|\d+\.?\d*(?:e[-+]?\d+)?)", str(text))]
    return np.array(found, np.float32).reshape(shape) if len(found) == int(np.prod(shape)) else None
