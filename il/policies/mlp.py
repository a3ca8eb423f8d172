"""The network under every head: an MLP that torch trains and numpy runs, on the same memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from il.errors import ConfigError, nearest

LEAK = 0.01
"""Slope of leaky_relu below zero."""


class Tanh(torch.autograd.Function):
    """tanh by numpy on the CPU (several times faster than torch's there), by torch elsewhere; twice differentiable."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Return tanh(x)."""
        y = torch.from_numpy(np.tanh(x.numpy())) if x.device.type == "cpu" else torch.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Return the gradient, itself differentiable."""
        (y,) = ctx.saved_tensors
        return grads[0] * (1 - y * y)


def _tanh(x: Tensor) -> Tensor:
    out: Tensor = Tanh.apply(x)
    return out


@dataclass(frozen=True)
class Activation:
    """One function three times."""

    torch: Callable[[Tensor], Tensor]
    numpy: Callable[[np.ndarray], np.ndarray]
    """Works in place."""
    chain: Callable[[np.ndarray, np.ndarray, np.ndarray], Any]
    """``chain(y, delta, work)`` multiplies delta by the slope where the function's value is y, in place."""


def _chain_tanh(y: np.ndarray, delta: np.ndarray, work: np.ndarray) -> None:
    np.multiply(y, y, out=work)
    np.subtract(1, work, out=work)
    delta *= work


def _leak(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, x.dtype.type(LEAK) * x, out=x)


def _chain_leak(y: np.ndarray, delta: np.ndarray, work: np.ndarray) -> None:
    np.multiply(delta, delta.dtype.type(LEAK), out=delta, where=y <= 0)


ACTIVATIONS = {
    "tanh": Activation(_tanh, lambda x: np.tanh(x, out=x), _chain_tanh),
    "relu": Activation(torch.relu, lambda x: np.maximum(x, 0, out=x), lambda y, d, work: np.multiply(d, y > 0, out=d)),
    "leaky_relu": Activation(lambda x: nn.functional.leaky_relu(x, LEAK), _leak, _chain_leak),
}


class _Linear(nn.Linear):
    """Leaves its values to the MLP; ``nn.utils.skip_init`` would do, after half a second of imports."""

    def reset_parameters(self) -> None:
        """Draw nothing: torch's global generator is not ours."""


class MLP(nn.Module):
    """Linear layers with an activation between them.

    Args:
        inputs: size of a flattened input row.
        outputs: size of an output row.
        depth: number of hidden layers; 0 is a linear map.
        width: units in each hidden layer.
        activation: ``tanh``, ``relu`` or ``leaky_relu``.
        generator: draws the weights, uniform in ±1/sqrt(fan-in) as torch's own layers are.
    """

    def __init__(
        self, inputs: int, outputs: int, depth: int, width: int, activation: str, generator: np.random.Generator
    ):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ConfigError(
                f"policy.activation={activation}{nearest(activation, ACTIVATIONS)}: one of {', '.join(ACTIVATIONS)}"
            )
        if depth < 0 or width < 1:
            raise ConfigError(f"policy.depth={depth}, policy.width={width}: depth is 0 or more, width 1 or more")
        self.activation = activation
        sizes = [inputs, *[width] * depth, outputs]
        layers = []
        for fan_in, fan_out in pairwise(sizes):
            layer = _Linear(fan_in, fan_out)
            bound = 1 / np.sqrt(fan_in)
            for p in (layer.weight, layer.bias):
                draws = generator.uniform(-bound, bound, tuple(p.shape)).astype(np.float32)
                p.data.copy_(torch.from_numpy(draws))
            layers.append(layer)
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, …] to [B, outputs]."""
        act = ACTIVATIONS[self.activation].torch
        x = x.reshape(x.shape[0], -1)
        for layer in self.layers[:-1]:
            x = act(layer(x))
        *_, last = self.layers
        out: Tensor = last(x)
        return out

    def views(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return (weight [in, out], bias [out]) of each layer as numpy views of the live parameters."""
        return [(weight.detach().numpy().T, bias.detach().numpy()) for weight, bias in self._pairs()]

    def gradient_views(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return numpy views of the gradients, in the same way."""
        return [(_grad(weight).numpy().T, _grad(bias).numpy()) for weight, bias in self._pairs()]

    def _pairs(self) -> Iterator[tuple[nn.Parameter, nn.Parameter]]:
        parameters = iter(self.parameters())
        return zip(parameters, parameters, strict=True)


def _grad(p: nn.Parameter) -> Tensor:
    assert p.grad is not None, "Policy.flatten makes the gradients"
    return p.grad


def run_layers(x: np.ndarray, layers: list[tuple[np.ndarray, np.ndarray]], activation: str) -> np.ndarray:
    """Run an MLP given as numpy layers: float32 [B, …] to [B, out]."""
    act = ACTIVATIONS[activation].numpy
    x = x.reshape(len(x), -1)
    for weight, bias in layers[:-1]:
        x = np.dot(x, weight)  # quicker to call than x @ weight
        x += bias
        act(x)
    weight, bias = layers[-1]
    x = np.dot(x, weight)
    x += bias
    return x
