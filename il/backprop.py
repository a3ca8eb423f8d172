"""Loss and gradient of an MLP policy without autograd, in numpy on the live parameters: for the CPU."""

import numpy as np

from il.policies.base import Policy
from il.policies.mlp import ACTIVATIONS


def supports(policy: Policy) -> bool:
    """Return whether a policy's own class writes its gradient out; a subclass may change the loss, so it must too."""
    return policy.on_cpu and "loss_gradient" in vars(type(policy))


class Backprop:
    """The gradient of a policy's imitation loss on batches of a fixed size; all work arrays are made once.

    Args:
        policy: one that is supported; its parameters and gradients are read and written in place.
        batch: rows in a batch, B.
        obs, label: the data, [N, …].
        weight: factor of each row's loss, [N].
    """

    def __init__(
        self, policy: Policy, batch: int, obs: np.ndarray, label: np.ndarray, weight: np.ndarray | None = None
    ):
        self._obs, self._label, self._weight = obs.reshape(len(obs), -1), label, weight
        self.policy = policy
        net, dtype = policy.net, policy.flat.numpy().dtype
        self._layers, self._grads = net.views(), net.gradient_views()
        self._own = policy.flat_grad.numpy()[: policy.flat.numel() - sum(w.size + b.size for w, b in self._layers)]
        self._mean, self._std = policy.obs_mean.numpy().ravel(), policy.obs_std.numpy().ravel()
        self._activation, self._chain = ACTIVATIONS[net.activation].numpy, ACTIVATIONS[net.activation].chain
        self._inputs = [np.empty((batch, len(w)), dtype) for w, _ in self._layers]
        self._deltas = [np.empty_like(x) for x in self._inputs]
        self._work = np.empty_like(self._inputs[-1])
        self._ones, self._even = np.ones(batch, dtype), np.full((batch, 1), 1 / batch, dtype)

    def __call__(self, rows: np.ndarray) -> float:
        """Put the gradient of the mean loss over some rows, int64 [B], into ``policy.flat_grad``; return that loss."""
        out = self._forward(rows)
        scale = self._even if self._weight is None else self._even * self._weight[rows, None]
        loss, delta, own = self.policy.loss_gradient(out, self._label.take(rows, 0), scale)
        if own is not None:
            self._own[:] = own
        for k in reversed(range(len(self._layers))):
            inputs, (to_weight, to_bias) = self._inputs[k], self._grads[k]
            np.dot(delta.T, inputs, out=to_weight.T)
            np.dot(self._ones, delta, out=to_bias)
            if k > 0:
                delta = np.dot(delta, self._layers[k][0].T, out=self._deltas[k])
                self._chain(inputs, delta, self._work)
        return loss

    def _forward(self, rows: np.ndarray) -> np.ndarray:
        x = self._obs.take(rows, 0, self._inputs[0], "clip")  # with "raise", numpy would fill a copy first
        if self.policy.normalize:
            x -= self._mean
            x /= self._std
        for (weight, bias), hidden in zip(self._layers, self._inputs[1:], strict=False):
            x = np.dot(x, weight, out=hidden)
            x += bias
            self._activation(x)
        weight, bias = self._layers[-1]
        out = np.dot(x, weight)
        out += bias
        return out
