"""Between a model in training and the package's own format for experts."""

from typing import Any

import numpy as np

from il.envs.base import EnvSpec
from il.errors import ConfigError
from il.experts.neutral import Arrays
from il.training.base import Library


def neutral(library: Library, algo: str, model: Any, normalizer: Any, spec: EnvSpec) -> tuple[Arrays, dict[str, Any]]:
    """Return arrays and card of a model; see `il.experts.neutral`."""
    arrays = library.read(algo, model)
    networks = {key.partition(".")[0] for key in arrays}
    for name in {"value", "critics"} & networks:
        arrays[f"{name}.scale"] = np.array(_reward_scale(normalizer))
    if normalizer is not None and normalizer.norm_obs:
        rms = normalizer.obs_rms
        arrays["obs.mean"] = rms.mean.reshape(-1)
        arrays["obs.std"] = np.sqrt(rms.var + normalizer.epsilon).reshape(-1)
        arrays["obs.clip"] = np.array(normalizer.clip_obs)
    if not spec.discrete:
        arrays["act.low"], arrays["act.high"] = spec.low, spec.high  # type: ignore[assignment]
    output = "argmax" if spec.discrete else "clip" if "value" in networks else "tanh"
    card = {"format": 1, "env_id": spec.id, "algorithm": algo.upper(), "activation": library.activation(model),
            "output": output, "gamma": float(model.gamma)}  # fmt: skip
    if algo == "sac":
        card["entropy_coefficient"] = library.entropy_coefficient(model)
    return {k: np.asarray(v, np.float32) for k, v in arrays.items()}, card


def adopt(
    library: Library, algo: str, model: Any, normalizer: Any, arrays: Arrays, card: dict[str, Any], path: str
) -> None:
    """Put an expert's networks and statistics into a new model, as far as it has them; undoes `neutral`.

    Raises:
        ConfigError: when its networks are others.
    """
    activation = library.activation(model)
    if card["activation"] != activation:
        raise ConfigError(f"trainer.start={path} has {card['activation']} networks, this training {activation} ones: "
                          f"+trainer.kwargs.policy_kwargs.activation_fn={card['activation']}")  # fmt: skip
    taken: Arrays = {}
    for key, here in library.read(algo, model).items():
        name, layer, part = key.split(".")
        if name == "actor" or f"{name}.0.weight" in arrays:
            taken[key] = arrays.get(key, np.zeros(0, np.float32))
            if taken[key].shape != here.shape:
                raise ConfigError(f"trainer.start={path}: layer {layer} of its {name} has a {part} of shape "
                                  f"{taken[key].shape}, here it has {here.shape}: see "
                                  "trainer.kwargs.policy_kwargs.net_arch")  # fmt: skip
    library.write(algo, model, taken)
    if normalizer is None:
        return
    if normalizer.norm_obs and "obs.mean" in arrays:
        shape = normalizer.obs_rms.mean.shape
        normalizer.obs_rms.mean = arrays["obs.mean"].astype(float).reshape(shape)
        normalizer.obs_rms.var = (arrays["obs.std"].astype(float) ** 2).reshape(shape)
        normalizer.obs_rms.count = float(card["steps"])
    scale = arrays.get("value.scale", arrays.get("critics.scale"))
    if normalizer.norm_reward and scale is not None:
        normalizer.ret_rms.var, normalizer.ret_rms.count = np.float64(scale.item() ** 2), float(card["steps"])


def _reward_scale(normalizer: Any) -> float:
    """Return how many units of reward are one of the normalised ones."""
    if normalizer is None or not normalizer.norm_reward:
        return 1.0
    return float(np.sqrt(normalizer.ret_rms.var + normalizer.epsilon))
