"""Loss and gradient of an MLP policy without autograd: numpy on the live parameters, several times faster on the CPU."""

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
    """

    def __init__(self, policy: Policy, batch: int):
        self.policy = policy
        net, dtype = policy.net, policy.flat.numpy().dtype
        self._layers = [(w, b) for w, b in net.views()]  # weights [in, out]
        self._grads = [(p.weight.grad.numpy(), p.bias.grad.numpy()) for p in net.layers]  # weights [out, in]
        self._own = policy.flat_grad.numpy()[: policy.flat.numel() - sum(w.size + b.size for w, b in self._layers)]
        self._mean, self._std = policy.obs_mean.numpy().ravel(), policy.obs_std.numpy().ravel()
        self._activation, self._chain = ACTIVATIONS[net.activation].numpy, ACTIVATIONS[net.activation].chain
        self._inputs = [np.empty((batch, len(w)), dtype) for w, _ in self._layers]
        self._deltas = [np.empty_like(x) for x in self._inputs]
        self._work = np.empty_like(self._inputs[-1])
        self._ones, self._even = np.ones(batch, dtype), np.full((batch, 1), 1 / batch, dtype)
        self._weight = np.empty_like(self._even)

    def __call__(self, obs: np.ndarray, label: np.ndarray, weight: np.ndarray | None, rows: np.ndarray) -> float:
        """Put the gradient of the mean loss into ``policy.flat_grad``; return that loss.

        Args:
            obs, label: columns of the data, [N, …].
            weight: factor of each row's loss, [N], or None.
            rows: the batch, int64 [B].
        """
        out = self._forward(obs.reshape(len(obs), -1), rows)
        scale = self._even
        if weight is not None:
            scale = np.multiply(weight[rows, None], self._even, out=self._weight)
        loss, delta, own = self.policy.loss_gradient(out, label.take(rows, 0), scale)
        if own is not None:
            self._own[:] = own
        for k in reversed(range(len(self._layers))):
            inputs, (to_weight, to_bias) = self._inputs[k], self._grads[k]
            np.dot(delta.T, inputs, out=to_weight)
            np.dot(self._ones, delta, out=to_bias)
            if k > 0:
                delta = np.dot(delta, self._layers[k][0].T, out=self._deltas[k])
                self._chain(inputs, delta, self._work)
        return loss

    def _forward(self, obs: np.ndarray, rows: np.ndarray) -> np.ndarray:
        x = obs.take(rows, 0, self._inputs[0], "clip")  # with "raise", numpy would fill a copy first
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
