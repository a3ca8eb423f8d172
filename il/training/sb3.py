"""Models of Stable-Baselines3, in PyTorch."""

from typing import Any

import numpy as np
import torch
from torch import nn

from il.experts.neutral import Arrays
from il.training.base import Library


class StableBaselines3(Library):
    """See `Library`.

    Raises:
        ImportError: when it is not installed.
    """

    packages = ("stable-baselines3",)
    activations = {"tanh": nn.Tanh, "relu": nn.ReLU}  # noqa: RUF012

    def __init__(self) -> None:
        import stable_baselines3

        self._module = stable_baselines3

    def kind(self, algo: str) -> type:
        """See `Library.kind`."""
        kind: type = getattr(self._module, algo.upper())
        return kind

    def make(self, algo: str, venv: Any, seed: int, device: str, kwargs: dict[str, Any]) -> Any:
        """See `Library.make`."""
        return self.kind(algo)("MlpPolicy", venv, seed=seed, device=device, **kwargs)

    def seed(self, model: Any, seed: int) -> None:
        """See `Library.seed`."""
        model.set_random_seed(seed)

    def read(self, algo: str, model: Any) -> Arrays:
        """See `Library.read`."""
        return {key: np.stack([_array(p) for p in alike]) if key.startswith("critics") else _array(alike[0])
                for key, alike in _parameters(algo, model.policy).items()}  # fmt: skip

    def write(self, algo: str, model: Any, arrays: Arrays) -> None:
        """See `Library.write`."""
        for key, alike in _parameters(algo, model.policy).items():
            if key in arrays:
                each = arrays[key] if key.startswith("critics") else arrays[key][None]
                for parameter, values in zip(alike, each, strict=True):
                    parameter.data.copy_(torch.from_numpy(values.T.copy()))
        for name in ("actor", "critic", "q_net"):
            if hasattr(model.policy, f"{name}_target"):
                getattr(model.policy, f"{name}_target").load_state_dict(getattr(model.policy, name).state_dict())

    def entropy_coefficient(self, model: Any) -> float:
        """See `Library.entropy_coefficient`."""
        learnt = model.ent_coef_optimizer is not None
        return float(model.log_ent_coef.detach().exp() if learnt else model.ent_coef_tensor)

    def state(self, model: Any) -> dict[str, Any]:
        """See `Library.state`."""
        variables = {k: _numpy(getattr(model, k)) for k in model._get_torch_save_params()[1]}
        return {"parameters": _numpy(model.get_parameters()), "variables": variables}

    def load(self, model: Any, state: dict[str, Any]) -> None:
        """See `Library.load`."""
        model.set_parameters(_torch(state["parameters"]), exact_match=True, device=model.device)
        for key, value in state["variables"].items():
            getattr(model, key).data.copy_(torch.from_numpy(value))


def _parameters(algo: str, policy: Any) -> dict[str, list[nn.Parameter]]:
    """Return the parameters behind each of the format's arrays; those of `critics` may be several."""
    out: dict[str, list[nn.Parameter]] = {}
    for name, alike in _networks(algo, policy).items():
        for k, layers in enumerate(zip(*alike, strict=True)):
            out[f"{name}.{k}.weight"] = [layer.weight for layer in layers]
            out[f"{name}.{k}.bias"] = [layer.bias for layer in layers]
    return out


def _networks(algo: str, policy: Any) -> dict[str, list[list[nn.Linear]]]:
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


def _array(parameter: nn.Parameter) -> np.ndarray:
    """Return a copy; PyTorch has weights as (out, in), the format as (in, out)."""
    return parameter.detach().cpu().numpy().T.copy()


def _numpy(tree: Any) -> Any:
    """Turn tensors into arrays, and the numbers that optimisers use as keys into text."""
    if isinstance(tree, torch.Tensor):
        return tree.detach().cpu().numpy().copy()
    if isinstance(tree, dict):
        return {str(k): _numpy(v) for k, v in tree.items()}
    return [_numpy(v) for v in tree] if isinstance(tree, list | tuple) else tree


def _torch(tree: Any) -> Any:
    """Undo `_numpy`."""
    if isinstance(tree, np.ndarray):
        return torch.from_numpy(tree.copy())
    if isinstance(tree, dict):
        return {int(k) if k.isdigit() else k: _torch(v) for k, v in tree.items()}
    return [_torch(v) for v in tree] if isinstance(tree, list) else tree
