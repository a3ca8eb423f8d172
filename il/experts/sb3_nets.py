"""A Stable-Baselines3 policy as functions of tensors: rebuilt from its tensors, or by the library itself."""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from il.errors import ConfigError
from il.experts.sb3_reader import Archive

ACTIVATIONS = ("Tanh", "ReLU", "ELU", "SELU", "SiLU", "GELU", "LeakyReLU", "Softplus", "Sigmoid", "Mish")
HARMLESS = set(
    "net_arch activation_fn ortho_init log_std_init use_sde full_std use_expln squash_output n_critics n_quantiles "
    "clip_mean optimizer_class optimizer_kwargs device normalize_images share_features_extractor".split()
)
"""Arguments of a policy that leave it a plain MLP."""
STOCK = ("stable_baselines3.", "sb3_contrib.tqc.")


class CannotRebuildError(Exception):
    """The tensors are not those of a plain MLP; the text says what is in the way."""


@dataclass(frozen=True)
class Networks:
    """A policy's parts, on torch float32; continuous actions in [-1, 1] where `squashed`."""

    act: Callable[[Tensor], Tensor]
    """[B, …] to actions [B, act_dim] or choices [B]."""
    squashed: bool
    q: Callable[[Tensor, Tensor | None], Tensor] | None = None
    """Observations and actions (in [-1, 1]; None for discrete ones) to [B], or [B, act_dim] when discrete."""
    value: Callable[[Tensor], Tensor] | None = None
    """[B, …] to [B]."""


def rebuild(archive: Archive) -> Networks:
    """Build the policy from its tensors; nothing of the zip is unpickled.

    Raises:
        CannotRebuildError: for anything but a plain MLP of Stable-Baselines3's own classes.
    """
    kwargs, module = archive.policy_kwargs, str(archive.data.get("policy_class", {}).get("__module__"))
    odd = sorted(kwargs.keys() - HARMLESS)
    if odd and not (odd == ["features_extractor_class"] and "FlattenExtractor" in str(kwargs[odd[0]])):
        raise CannotRebuildError(f"its policy takes {odd[0]}={kwargs[odd[0]]}")
    if not module.startswith(STOCK):
        raise CannotRebuildError(f"its policy class comes from {module}")
    if len(archive.space("observation_space").shape) > 1:
        raise CannotRebuildError("it observes images")
    parts = _Parts(archive)
    networks = {
        "actor-critic": _actor_critic,
        "sac": _sac,
        "tqc": _sac,
        "td3": _td3,
        "dqn": _dqn,
    }[archive.family](parts)
    left = sorted(key for key in archive.state if key not in parts.used and "_target." not in key)
    if [key for key in left if not key.endswith("log_std")]:
        raise CannotRebuildError(f"it has further tensors such as {left[0]}")
    return networks


class _Parts:
    """Takes layers out of a state dict and remembers which."""

    def __init__(self, archive: Archive):
        self.state = archive.state
        self.used: set[str] = set()
        self.discrete = archive.space("action_space").kind == "Discrete"
        self.squash_output = bool(archive.policy_kwargs.get("squash_output", False))
        self.clip_mean = float(archive.policy_kwargs.get("clip_mean", 2.0))
        default = "Tanh" if archive.family == "actor-critic" else "ReLU"
        name = re.findall(r"\w+", str(archive.policy_kwargs.get("activation_fn", default)))[-1]
        if name not in ACTIVATIONS:
            raise CannotRebuildError(f"its activation is {name}")
        self.activation: type[nn.Module] = getattr(nn, name)

    def linear(self, prefix: str) -> nn.Module:
        weight, bias = self.state.get(f"{prefix}.weight"), self.state.get(f"{prefix}.bias")
        if weight is None or bias is None or weight.ndim != 2 or bias.shape != weight.shape[:1]:
            raise CannotRebuildError(f"{prefix} is no linear layer")
        self.used |= {f"{prefix}.weight", f"{prefix}.bias"}
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        layer.load_state_dict({"weight": weight, "bias": bias})
        return layer

    def chain(self, prefix: str, hidden_only: bool = False) -> nn.Module:
        """Return linear layers with activations between them, and after the last one where `hidden_only`."""
        found = {int(m[1]) for key in self.state if (m := re.fullmatch(rf"{re.escape(prefix)}\.(\d+)\.\w+", key))}
        if sorted(found) != list(range(0, 2 * len(found), 2)):
            raise CannotRebuildError(f"{prefix} has other layers than linear ones")
        layers: list[nn.Module] = []
        for k in sorted(found):
            layers += [self.linear(f"{prefix}.{k}"), self.activation()]
        return nn.Sequential(*(layers if hidden_only else layers[:-1]))

    def critics(self) -> Sequence[nn.Module]:
        names = sorted({m[0] for key in self.state if (m := re.match(r"critic\.qf\d+", key))})
        return [self.chain(name) for name in names]


def _actor_critic(parts: _Parts) -> Networks:
    shared = parts.chain("mlp_extractor.shared_net", hidden_only=True)
    actor = nn.Sequential(shared, parts.chain("mlp_extractor.policy_net", True), parts.linear("action_net"))
    critic = nn.Sequential(shared, parts.chain("mlp_extractor.value_net", True), parts.linear("value_net"))
    squash = parts.squash_output

    def act(x: Tensor) -> Tensor:
        out = actor(x)
        if parts.discrete:
            return out.argmax(1)
        return out.tanh() if squash else out

    return Networks(act, squash, value=lambda x: critic(x)[:, 0])


def _sac(parts: _Parts) -> Networks:
    hidden = parts.chain("actor.latent_pi", hidden_only=True)
    clipped = "actor.mu.0.weight" in parts.state
    mean = parts.linear("actor.mu.0" if clipped else "actor.mu")
    if "actor.log_std.weight" in parts.state:
        parts.linear("actor.log_std")
    limit = parts.clip_mean if clipped else torch.inf
    critics = parts.critics()
    return Networks(lambda x: mean(hidden(x)).clamp(-limit, limit).tanh(), True, _twins(critics))


def _td3(parts: _Parts) -> Networks:
    actor = parts.chain("actor.mu")
    critics = parts.critics()
    return Networks(lambda x: actor(x).tanh(), True, _twins(critics))


def _dqn(parts: _Parts) -> Networks:
    net = parts.chain("q_net.q_net")
    return Networks(lambda x: net(x).argmax(1), False, lambda x, act: _chosen(net(x), act))


def _chosen(q: Tensor, act: Tensor | None) -> Tensor:
    return q if act is None else q.gather(1, act.long()[:, None])[:, 0]


def _twins(critics: Sequence[nn.Module]) -> Callable[[Tensor, Tensor | None], Tensor] | None:
    """Return the smallest of the critics; of quantiles the mean."""

    def q(x: Tensor, act: Tensor | None) -> Tensor:
        assert act is not None, "continuous actions are needed"
        both = torch.cat([x, act], 1)
        return torch.stack([critic(both).mean(1) for critic in critics]).amin(0)

    return q if critics else None


def load_library(archive: Archive) -> Networks:
    """Build the policy with the library's classes, which **runs code from the zip**.

    The policy's class and arguments are unpickled and nothing else; spaces and schedules are ours.

    Raises:
        ConfigError: when the library is missing, or the class or arguments cannot be unpickled or do not fit.
    """
    try:
        import stable_baselines3
    except ImportError:
        raise ConfigError(f"{archive.path} needs an extra: pip install stable-baselines3 sb3-contrib") from None
    try:
        policy_class = _unpickle(archive.data["policy_class"])
        kwargs = _unpickle(archive.data["policy_kwargs"])
        kwargs.pop("device", None)
        if archive.family == "actor-critic":
            kwargs["use_sde"] = bool(archive.data.get("use_sde", False))
        spaces = _space(archive, "observation_space"), _space(archive, "action_space")
        policy = policy_class(*spaces, lambda _: 0.0, **kwargs)
        policy.load_state_dict(archive.state)
    except Exception as error:  # code of the zip's author can raise anything
        said = " ".join(f"{type(error).__name__}: {error}".split())[:150]
        raise ConfigError(
            f"{archive.path}, saved by {archive.saved_by}, does not load with Stable-Baselines3 "
            f"{stable_baselines3.__version__} ({said}); install what it was saved with, or save it again"
        ) from None
    policy.set_training_mode(False)
    return _library_networks(archive, policy)


def _library_networks(archive: Archive, policy: Any) -> Networks:
    def act(x: Tensor) -> Tensor:
        return policy._predict(x, deterministic=True)

    if archive.family == "actor-critic":
        return Networks(act, bool(policy.squash_output), value=lambda x: policy.predict_values(x)[:, 0])
    if archive.family == "dqn":
        return Networks(act, False, lambda x, chosen: _chosen(policy.q_net(x), chosen))

    def q(x: Tensor, chosen: Tensor | None) -> Tensor:
        out = policy.critic(x, chosen)
        each = out.mean(2) if isinstance(out, Tensor) else torch.cat(out, 1)
        return each.amin(1)

    return Networks(act, True, q)


def _unpickle(value: dict[str, Any]) -> Any:
    if ":serialized:" not in value:
        return dict(value)
    import cloudpickle

    return cloudpickle.loads(base64.b64decode(value[":serialized:"]))


def _space(archive: Archive, key: str) -> Any:
    from gymnasium import spaces

    space = archive.space(key)
    if space.n is not None:
        return spaces.Discrete(space.n)
    if len(space.shape) == 3 and space.dtype == "uint8":
        return spaces.Box(0, 255, space.shape, np.uint8)
    if space.low is None or space.high is None:
        return spaces.Box(-np.inf, np.inf, space.shape, np.float32)
    return spaces.Box(space.low, space.high, space.shape, np.float32)
