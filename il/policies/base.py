"""What every policy offers, and what all of them share: normaliser, flat parameters, acting on the CPU."""

import copy
import importlib
import pkgutil
import re
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import il.policies
from il.envs.base import EnvSpec
from il.errors import ConfigError, nearest
from il.policies.mlp import MLP, run_layers

STD_FLOOR = 1e-2
"""Least standard deviation that the normaliser divides by: constant inputs stay constant."""
CHUNK = 65_536
"""Rows that are copied at a time."""


@dataclass(frozen=True)
class FitSettings:
    """How a policy is fitted by gradients."""

    optimizer: str
    """adam (weight decay as L2) or adamw (decoupled)."""
    lr: float
    """Learning rate."""
    weight_decay: float
    """Weight decay."""
    batch: int
    """Rows in a gradient step."""
    steps: int
    """Gradient steps in a round."""
    backend: str
    """auto (gradients written out where the policy has them) or autograd."""

    def __post_init__(self) -> None:
        for name, valid in (("optimizer", ["adam", "adamw"]), ("backend", ["auto", "autograd"])):
            value = getattr(self, name)
            if value not in valid:
                raise ConfigError(f"policy.fit.{name}={value}{nearest(value, valid)}: {' or '.join(valid)}")
        for name, least in (("lr", 0.0), ("batch", 1), ("steps", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"policy.fit.{name}={getattr(self, name)}: at least {least}")


class Policy(nn.Module):
    """A distribution over actions given an observation, batched over rows.

    Subclasses build on `net`, an MLP over normalised observations, and implement `head`, `loss` and, where they
    have a density or reparametrised samples, `log_prob` and `rsample`.

    Args:
        spec: the environment.
        outputs: size of the network's output.
        generator: draws the initial weights.
        depth, width, activation: see `MLP`.
        normalize: standardise observations by the mean and std of the first data fitted to.
        fit: knobs of `FitSettings`.
    """

    has_density = False
    """Whether `log_prob` and `entropy` work."""
    has_rsample = False
    """Whether `rsample` works."""

    def __init__(
        self,
        spec: EnvSpec,
        outputs: int,
        generator: np.random.Generator,
        depth: int,
        width: int,
        activation: str,
        normalize: bool,
        fit: dict[str, Any],
    ):
        super().__init__()
        self.spec = spec
        self.fit = FitSettings(**fit)
        self.normalize = normalize
        self.net = MLP(int(np.prod(spec.obs_shape)), outputs, depth, width, activation, generator)
        self.obs_mean: Tensor
        self.obs_std: Tensor
        self.normalizer_fitted: Tensor
        self.register_buffer("obs_mean", torch.zeros(spec.obs_shape))
        self.register_buffer("obs_std", torch.ones(spec.obs_shape))
        self.register_buffer("normalizer_fitted", torch.tensor(not normalize))

    # -- parameters -------------------------------------------------------------------------------------------

    def flatten(self) -> "Policy":
        """Lay all parameters and their gradients out in one vector each; call after moving to a device."""
        parameters = list(self.parameters())
        self.flat = torch.cat([p.data.reshape(-1) for p in parameters])
        self.flat_grad = torch.zeros_like(self.flat)
        start = 0
        for p in parameters:
            end = start + p.numel()
            p.data = self.flat[start:end].view_as(p)
            p.grad = self.flat_grad[start:end].view_as(p)
            start = end
        self._layers = self.net.views() if self.on_cpu else None
        self._normalizer = (self.obs_mean.numpy(), self.obs_std.numpy()) if self.on_cpu else None
        return self

    @property
    def on_cpu(self) -> bool:
        """Whether acting can go through numpy."""
        return self.obs_mean.device.type == "cpu"

    def clone(self) -> "Policy":
        """Return an independent copy."""
        return copy.deepcopy(self).flatten()

    def arrays(self) -> dict[str, np.ndarray]:
        """Return parameters and buffers as numpy copies, for storing."""
        return {k: v.detach().cpu().numpy().copy() for k, v in self.state_dict().items()}

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Undo `arrays`, in place."""
        self.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in arrays.items()})

    def fit_normalizer(self, obs: np.ndarray) -> None:
        """Take mean and std from data [N, …], unless that was done before or is not wanted."""
        if bool(self.normalizer_fitted):
            return
        mean = obs.mean(0, dtype=np.float64)
        parts = (obs[k : k + CHUNK] for k in range(0, len(obs), CHUNK))  # the data may be most of the memory
        variance = sum(np.square(part - mean).sum(0) for part in parts) / len(obs)
        self.obs_mean.copy_(torch.from_numpy(mean))
        self.obs_std.copy_(torch.from_numpy(np.maximum(np.sqrt(variance), STD_FLOOR)))
        self.normalizer_fitted.fill_(True)

    # -- the network ------------------------------------------------------------------------------------------

    def forward(self, obs: Tensor) -> Tensor:
        """Map observations [B, …] to the head's input [B, outputs]."""
        if self.normalize:
            obs = (obs - self.obs_mean) / self.obs_std
        out: Tensor = self.net(obs)
        return out

    def outputs(self, obs: np.ndarray) -> np.ndarray:
        """Do the same in numpy: on the live parameters on the CPU, through torch elsewhere."""
        if self._layers is None:
            with torch.no_grad():
                device = self.obs_mean.device
                return self(torch.from_numpy(obs).to(device)).cpu().numpy()
        if self.normalize and self._normalizer is not None:
            obs = obs - self._normalizer[0]
            obs /= self._normalizer[1]
        return run_layers(obs, self._layers, self.net.activation)

    # -- acting -----------------------------------------------------------------------------------------------

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the noise that one sampled action takes."""
        return self.spec.act_shape

    def noise(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Draw the noise of `count` actions, float32 [count, *noise_shape]."""
        return generator.standard_normal((count, *self.noise_shape), np.float32)

    @abstractmethod
    def act(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """Choose actions: the mode without noise, samples with it.

        Args:
            obs: float32 [B, …].
            noise: from `noise`, [B, *noise_shape], or None.

        Returns:
            float32 [B, act_dim] or int64 [B].
        """

    # -- learning ---------------------------------------------------------------------------------------------

    @abstractmethod
    def loss(self, obs: Tensor, act: Tensor) -> Tensor:
        """Return the imitation loss of each row, [B]."""

    def loss_gradient(
        self, out: np.ndarray, act: np.ndarray, weight: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray | None]:
        """Return the weighted sum of `loss` and its gradients without autograd.

        Optional: fits on the CPU are faster with it. A class that changes `loss` or what it rests on gets autograd
        until it has a `loss_gradient` of its own.

        Args:
            out: the network's output, [B, outputs].
            act: labels, [B, act_dim] or int64 [B].
            weight: factor of each row's loss, [B, 1].

        Returns:
            The sum, its gradient with respect to `out`, and with respect to the policy's parameters beside the
            network (flat, in their order), None where there are none.
        """
        raise NotImplementedError(f"{type(self).__name__} leaves gradients to autograd")

    def log_prob(self, obs: Tensor, act: Tensor) -> Tensor:
        """Return log π(a|s) of each row, [B]."""
        raise NotImplementedError(f"{type(self).__name__} has no density")

    def entropy(self, obs: Tensor) -> Tensor:
        """Return the entropy of each row's distribution (of its base where squashed), [B]."""
        raise NotImplementedError(f"{type(self).__name__} has no density")

    def rsample(self, obs: Tensor, noise: Tensor) -> Tensor:
        """Return samples as a differentiable function of the parameters, [B, act_dim]."""
        raise NotImplementedError(f"{type(self).__name__} has no reparametrised samples")

    def label_metrics(self, labels: np.ndarray) -> dict[str, float]:
        """Return what is worth logging about the labels this policy is fitted to."""
        return {}


def require_continuous(name: str, spec: EnvSpec) -> int:
    """Return the action size, or refuse a discrete space."""
    if spec.discrete:
        raise ConfigError(f"policy={name} needs continuous actions, but {spec.id} has {spec.act_dim} discrete ones: "
                          "use policy=categorical or policy=auto")  # fmt: skip
    return spec.act_dim


def those_with(ability: str) -> list[str]:
    """Return the policies with ``has_density`` or ``has_rsample``, by the names that ``policy=`` takes."""
    modules = [importlib.import_module(m.name) for m in pkgutil.iter_modules(il.policies.__path__, "il.policies.")]
    classes = [c for module in modules for c in vars(module).values() if isinstance(c, type) and issubclass(c, Policy)]
    able = {c.__name__.removesuffix("Policy") for c in classes if getattr(c, ability)}
    return sorted(re.sub("(?<!^)(?=[A-Z])", "_", name).lower() for name in able)
