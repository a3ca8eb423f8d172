"""The package's own format for experts: a .safetensors of plain MLPs and a .json card.

Arrays (float32, weights as (in, out)): ``actor.K.weight/bias``; ``obs.mean``, ``obs.std``, ``obs.clip`` where inputs
are standardised; ``act.low``, ``act.high`` where actions have other bounds than ±1; ``value.K.…`` for V(s) times
``value.scale``; ``critics.K.…`` with a leading axis for twins, of which the smaller Q(s, a) counts, times
``critics.scale``. The card says what they mean: see bundled/README.md.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save

from il.envs.base import EnvSpec
from il.errors import ConfigError
from il.experts.base import Expert, Provenance
from il.policies.mlp import run_layers

Arrays = dict[str, np.ndarray]
TRAINED = "expert"
"""Name, without suffix, of what `trainer=sb3` leaves in its run."""


def write(path: Path, arrays: Arrays, card: dict[str, Any]) -> None:
    """Write `path`.safetensors and `path`.json, each atomically; the card gets the digest."""
    content = save({k: np.asarray(v, np.float32, order="C") for k, v in arrays.items()})
    card = {**card, "sha256": hashlib.sha256(content).hexdigest()}
    for suffix, data in ((".safetensors", content), (".json", (json.dumps(card, indent=1) + "\n").encode())):
        partial = path.with_name(f".{path.name}{suffix}.partial")
        partial.write_bytes(data)
        os.replace(partial, path.with_suffix(suffix))


def read(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Read what `write` wrote.

    Raises:
        ConfigError: when the arrays are not those the card was written for.
    """
    card: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
    file = path.with_suffix(".safetensors")
    if hashlib.sha256(file.read_bytes()).hexdigest() != card["sha256"]:
        raise ConfigError(f"{file} is damaged: its sha256 is not that of its card")
    return load_file(file), card


def find(path: str, knob: str) -> Path:
    """Return the file that a knob names, itself or by the directory of a run of ``trainer=sb3``.

    Raises:
        ConfigError: when there is none, or no card beside it.
    """
    place = Path(path).expanduser()
    file = place / TRAINED if place.is_dir() else place
    for suffix in (".safetensors", ".json"):
        if not file.with_suffix(suffix).exists():
            raise ConfigError(f"{knob}={path}: there is no {file.with_suffix(suffix).name}; give an expert's "
                              ".safetensors with its .json beside it, or a run directory of trainer=sb3")  # fmt: skip
    return file


def layers(arrays: Arrays, part: str, index: int | None = None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the (weight, bias) pairs of one MLP, or of one of stacked twins."""
    count = len({k.split(".")[1] for k in arrays if k.startswith(part + ".") and k.endswith(".weight")
                 and k.split(".")[1].isdigit()})  # fmt: skip
    pairs = [(arrays[f"{part}.{k}.weight"], arrays[f"{part}.{k}.bias"]) for k in range(count)]
    return pairs if index is None else [(w[index], b[index]) for w, b in pairs]


class MLPExpert(Expert):
    """An MLP actor with its critics.

    Args:
        spec: the environment; sizes must match exactly.
        arrays: see the module.
        card: ``activation`` (tanh, relu) of all parts, ``output`` (none, clip, tanh, argmax), optional
            ``critic_activation``, ``env_id``, ``returns``.
        source: one line naming the origin, for messages.

    Raises:
        ConfigError: when sizes do not match.
    """

    def __init__(self, spec: EnvSpec, arrays: Arrays, card: dict[str, Any], source: str):
        self.arrays, self.card, self.discrete = arrays, card, spec.discrete
        self._actor = layers(arrays, "actor")
        low, high = arrays.get("act.low", np.float32(-1)), arrays.get("act.high", np.float32(1))
        self._low, self._high, self._middle, self._half = low, high, (high + low) / 2, (high - low) / 2
        inputs, outputs = len(self._actor[0][0]), self._actor[-1][0].shape[1]
        require_sizes(spec, inputs, outputs, source)
        returns = card.get("returns", {})
        self.provenance = Provenance(
            source, card.get("env_id"), returns.get("mean"), returns.get("std"), card.get("sha256"), card
        )
        self._value = layers(arrays, "value")
        twins = arrays["critics.0.weight"].shape[0] if "critics.0.weight" in arrays else 0
        self._critics = [layers(arrays, "critics", k) for k in range(twins)]
        self.can = frozenset(name for name, there in (("q", self._critics), ("value", self._value)) if there)

    def _normalized(self, obs: np.ndarray) -> np.ndarray:
        obs = obs.reshape(len(obs), -1)
        if "obs.mean" not in self.arrays:
            return obs
        obs = (obs - self.arrays["obs.mean"]) / self.arrays["obs.std"]
        return np.clip(obs, -self.arrays["obs.clip"], self.arrays["obs.clip"]) if "obs.clip" in self.arrays else obs

    def act(self, obs: np.ndarray, snapshot: Any = None) -> np.ndarray:
        """See `Expert.act`."""
        out = run_layers(self._normalized(obs), self._actor, self.card["activation"])
        match self.card["output"]:
            case "clip":
                return np.clip(out, self._low, self._high)
            case "tanh":
                return np.tanh(out) * self._half + self._middle
            case "argmax":
                return out.argmax(-1)
        return out

    def value(self, obs: np.ndarray) -> np.ndarray:
        """See `Expert.value`."""
        activation = self.card.get("critic_activation", self.card["activation"])
        return run_layers(self._normalized(obs), self._value, activation)[:, 0] * self.arrays["value.scale"]

    def q(self, obs: np.ndarray, act: np.ndarray | None) -> np.ndarray:
        """See `Expert.q`; the smaller of the twins. SAC's is the soft Q of its last entropy coefficient."""
        obs = self._normalized(obs)
        if not self.discrete and act is not None:
            inputs = np.concatenate([obs, (act - self._middle) / self._half], 1)
        else:
            inputs = obs
        activation = self.card.get("critic_activation", self.card["activation"])
        values = np.min([run_layers(inputs, critic, activation) for critic in self._critics], 0)
        values = values * self.arrays.get("critics.scale", np.float32(1))
        if not self.discrete:
            return values[:, 0]
        return values if act is None else np.take_along_axis(values, act[:, None], 1)[:, 0]


def require_sizes(spec: EnvSpec, inputs: int, outputs: int, source: str) -> None:
    """Refuse an expert made for other sizes; nothing is padded or cut silently.

    Raises:
        ConfigError: naming both sizes and the ways out.
    """
    size = int(np.prod(spec.expert_obs_shape))
    if inputs != size:
        hint = ""
        if inputs < size:
            hint = f"; if it knows the first {inputs} of them, env.expert_view=[0,{inputs}] shows it just these"
            if spec.id.startswith("Ant"):
                hint += ", and so does +env.kwargs.include_cfrc_ext_in_observation=false"
        raise ConfigError(f"{source} takes {inputs} observations, but {spec.id} gives {size}{hint}")
    if outputs != spec.act_dim:
        raise ConfigError(f"{source} gives {outputs} action values, but {spec.id} has {spec.act_dim}: "
                          "it was made for another environment")  # fmt: skip
