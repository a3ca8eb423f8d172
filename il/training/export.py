"""Between a model of Stable-Baselines3 and the package's own format for experts."""

from typing import Any

import numpy as np
import torch
from torch import nn

from il.envs.base import EnvSpec
from il.errors import ConfigError
from il.experts.neutral import Arrays

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}
"""Those that the format knows."""
Networks = dict[str, list[list[nn.Linear]]]
"""The linear layers of each network, by the format's names; `critics` may be several."""


def neutral(algo: str, model: Any, normalizer: Any, spec: EnvSpec) -> tuple[Arrays, dict[str, Any]]:
    """Return arrays and card of a model; see `il.experts.neutral`."""
    arrays: Arrays = {}
    networks = _networks(algo, model.policy)
    for name, alike in networks.items():
        each = [_read(name, layers) for layers in alike]
        arrays |= {k: np.stack([one[k] for one in each]) for k in each[0]} if name == "critics" else each[0]
    for name in {"value", "critics"} & networks.keys():
        arrays[f"{name}.scale"] = np.array(_reward_scale(normalizer))
    if normalizer is not None and normalizer.norm_obs:
        rms = normalizer.obs_rms
        arrays["obs.mean"] = rms.mean.reshape(-1)
        arrays["obs.std"] = np.sqrt(rms.var + normalizer.epsilon).reshape(-1)
        arrays["obs.clip"] = np.array(normalizer.clip_obs)
    if not spec.discrete:
        arrays["act.low"], arrays["act.high"] = spec.low, spec.high  # type: ignore[assignment]
    output = "argmax" if spec.discrete else "clip" if "value" in networks else "tanh"
    card = {"format": 1, "env_id": spec.id, "algorithm": algo.upper(), "activation": _activation(model.policy),
            "output": output, "gamma": float(model.gamma)}  # fmt: skip
    if algo == "sac":
        coefficient = model.ent_coef_tensor if model.ent_coef_optimizer is None else model.log_ent_coef.detach().exp()
        card["entropy_coefficient"] = float(coefficient)
    return {k: np.asarray(v, np.float32) for k, v in arrays.items()}, card


def adopt(algo: str, model: Any, normalizer: Any, arrays: Arrays, card: dict[str, Any], path: str) -> None:
    """Put an expert's networks and statistics into a new model, as far as it has them; undoes `neutral`.

    Raises:
        ConfigError: when its networks are others.
    """
    activation = _activation(model.policy)
    if card["activation"] != activation:
        raise ConfigError(f"trainer.start={path} has {card['activation']} networks, this training {activation} ones: "
                          f"+trainer.kwargs.policy_kwargs.activation_fn={card['activation']}")  # fmt: skip
    for name, alike in _networks(algo, model.policy).items():
        if name == "actor" or f"{name}.0.weight" in arrays:
            for k, layers in enumerate(alike):
                _write(name, layers, arrays, k if name == "critics" else None, path)
    for name in ("actor", "critic", "q_net"):
        if hasattr(model.policy, f"{name}_target"):
            getattr(model.policy, f"{name}_target").load_state_dict(getattr(model.policy, name).state_dict())
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


def _networks(algo: str, policy: Any) -> Networks:
    match algo:
        case "ppo" | "a2c":
            parts = policy.mlp_extractor
            actor, value = [parts.policy_net, policy.action_net], [parts.value_net, policy.value_net]
            return {"actor": [_linear(*actor)], "value": [_linear(*value)]}
        case "sac":
            return {"actor": [_linear(policy.actor.latent_pi, policy.actor.mu)], "critics": _critics(policy)}
        case "td3" | "ddpg":
            return {"actor": [_linear(policy.actor.mu)], "critics": _critics(policy)}
    return {"actor": [_linear(policy.q_net)], "critics": [_linear(policy.q_net)]}


def _critics(policy: Any) -> list[list[nn.Linear]]:
    return [_linear(critic) for critic in policy.critic.q_networks]


def _linear(*modules: nn.Module) -> list[nn.Linear]:
    return [m for module in modules for m in module.modules() if isinstance(m, nn.Linear)]


def _read(name: str, layers: list[nn.Linear]) -> Arrays:
    out: Arrays = {}
    for k, layer in enumerate(layers):
        out[f"{name}.{k}.weight"] = layer.weight.detach().cpu().numpy().T.copy()
        out[f"{name}.{k}.bias"] = layer.bias.detach().cpu().numpy().copy()
    return out


def _write(name: str, layers: list[nn.Linear], arrays: Arrays, index: int | None, path: str) -> None:
    for k, layer in enumerate(layers):
        for part, parameter in (("weight", layer.weight), ("bias", layer.bias)):
            values = arrays.get(f"{name}.{k}.{part}", np.zeros(0, np.float32))
            values = (values if index is None else values[index]).T
            if values.shape != parameter.shape:
                raise ConfigError(
                    f"trainer.start={path}: layer {k} of its {name} has a {part} of shape {values.shape}, here it has "
                    f"{tuple(parameter.shape)}: see trainer.kwargs.policy_kwargs.net_arch"
                )
            parameter.data.copy_(torch.from_numpy(values.copy()))


def _activation(policy: Any) -> str:
    return {kind: name for name, kind in ACTIVATIONS.items()}[policy.activation_fn]


def _reward_scale(normalizer: Any) -> float:
    """Return how many units of reward are one of the normalised ones."""
    if normalizer is None or not normalizer.norm_reward:
        return 1.0
    return float(np.sqrt(normalizer.ret_rms.var + normalizer.epsilon))
