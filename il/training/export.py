"""From a model of Stable-Baselines3 to the package's own format for experts."""

from typing import Any

import numpy as np
from torch import nn

from il.envs.base import EnvSpec
from il.experts.neutral import Arrays

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}
"""Those that the format knows."""


def neutral(algo: str, model: Any, normalizer: Any, spec: EnvSpec) -> tuple[Arrays, dict[str, Any]]:
    """Return arrays and card of a model; see `il.experts.neutral`."""
    policy, names = model.policy, {kind: name for name, kind in ACTIVATIONS.items()}
    arrays: Arrays = {}
    match algo:
        case "ppo" | "a2c":
            parts = policy.mlp_extractor
            arrays |= _mlp("actor", [parts.policy_net, policy.action_net])
            arrays |= _mlp("value", [parts.value_net, policy.value_net])
            arrays["value.scale"] = np.array(_reward_scale(normalizer))
            output = "argmax" if spec.discrete else "clip"
        case "sac":
            arrays |= _mlp("actor", [policy.actor.latent_pi, policy.actor.mu])
            arrays |= _twins(list(policy.critic.q_networks))
            output = "tanh"
        case "td3" | "ddpg":
            arrays |= _mlp("actor", [policy.actor.mu])
            arrays |= _twins(list(policy.critic.q_networks))
            output = "tanh"
        case _:
            arrays |= _mlp("actor", [policy.q_net.q_net])
            arrays |= _twins([policy.q_net.q_net])
            output = "argmax"
    if "critics.0.weight" in arrays:
        arrays["critics.scale"] = np.array(_reward_scale(normalizer))
    if normalizer is not None and normalizer.norm_obs:
        rms = normalizer.obs_rms
        arrays["obs.mean"] = rms.mean.reshape(-1)
        arrays["obs.std"] = np.sqrt(rms.var + normalizer.epsilon).reshape(-1)
        arrays["obs.clip"] = np.array(normalizer.clip_obs)
    if not spec.discrete:
        arrays["act.low"], arrays["act.high"] = spec.low, spec.high  # type: ignore[assignment]
    card = {"format": 1, "env_id": spec.id, "algorithm": algo.upper(), "activation": names[policy.activation_fn],
            "output": output, "gamma": float(model.gamma)}  # fmt: skip
    if algo == "sac":
        coefficient = model.ent_coef_tensor if model.ent_coef_optimizer is None else model.log_ent_coef.detach().exp()
        card["entropy_coefficient"] = float(coefficient)
    return {k: np.asarray(v, np.float32) for k, v in arrays.items()}, card


def _reward_scale(normalizer: Any) -> float:
    """Return how many units of reward are one of the normalised ones."""
    if normalizer is None or not normalizer.norm_reward:
        return 1.0
    return float(np.sqrt(normalizer.ret_rms.var + normalizer.epsilon))


def _mlp(name: str, modules: list[nn.Module]) -> Arrays:
    linear = [m for module in modules for m in module.modules() if isinstance(m, nn.Linear)]
    return {f"{name}.{k}.{part}": value for k, layer in enumerate(linear) for part, value in _arrays(layer).items()}


def _twins(critics: list[nn.Module]) -> Arrays:
    each = [_mlp("critics", [critic]) for critic in critics]
    return {k: np.stack([arrays[k] for arrays in each]) for k in each[0]}


def _arrays(layer: nn.Linear) -> Arrays:
    return {"weight": layer.weight.detach().cpu().numpy().T.copy(), "bias": layer.bias.detach().cpu().numpy().copy()}
