"""Gradient fitting of a policy on a data set, in blocks that a checkpoint can fall between."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from il.backprop import Backprop, supports
from il.dataset import Dataset
from il.policies.base import Policy
from il.randomness import Purpose, generator

BLOCK = 1000
"""Gradient steps between two points at which a long fit can be stopped and gone on with."""

Objective = Callable[[Policy, Tensor, Tensor], Tensor]


class Progress:
    """Where a fit stands, for those who keep it safe; this one keeps nothing."""

    def load(self, name: str) -> dict[str, np.ndarray] | None:
        """Return what `save` last got under this name in this round, if the run was stopped since."""
        return None

    def save(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep the state after a block; may raise `Preempted` once it is safe."""

    def report(self, done: int, total: int, what: str) -> None:
        """Hear about progress, for a person watching."""


class Adam:
    """Adam or AdamW on a policy's flat parameter vector, by torch's fused kernel.

    Used directly because constructing any ``torch.optim`` class imports a second's worth of modules.
    """

    def __init__(self, policy: Policy):
        self.policy = policy
        self.moments = torch.zeros_like(policy.flat).repeat(2, 1)
        self.count = torch.zeros((), device=policy.flat.device)
        self._first, self._second = [self.moments[0]], [self.moments[1]]
        self._step = torch._fused_adamw_ if policy.fit.optimizer == "adamw" else torch._fused_adam_

    def step(self) -> None:
        """Apply the gradient in ``policy.flat_grad`` and clear it."""
        policy, knobs = self.policy, self.policy.fit
        self.count += 1
        self._step(
            [policy.flat], [policy.flat_grad], self._first, self._second, [], [self.count],
            lr=knobs.lr, beta1=0.9, beta2=0.999, weight_decay=knobs.weight_decay, eps=1e-8,
            amsgrad=False, maximize=False,
        )  # fmt: skip
        policy.flat_grad.zero_()

    def arrays(self) -> dict[str, np.ndarray]:
        """Return moments and step count, for storing."""
        return {"moments": self.moments.cpu().numpy().copy(), "count": self.count.cpu().numpy().copy()}

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Undo `arrays`."""
        self.moments.copy_(torch.from_numpy(arrays["moments"]))
        self.count.copy_(torch.from_numpy(np.asarray(arrays["count"])))


def imitation(policy: Policy, obs: Tensor, act: Tensor) -> Tensor:
    """Return the policy's own imitation loss of each row, [B]."""
    return policy.loss(obs, act)


def fit(
    policy: Policy,
    adam: Adam,
    data: Dataset,
    seed: int,
    key: tuple[int, ...],
    progress: Progress,
    objective: Objective = imitation,
) -> dict[str, float]:
    """Fit a policy to the columns ``obs`` and ``label`` of a data set, weighted by ``weight`` where there is one.

    Args:
        policy: trained in place; its normaliser is taken from the data if it has none yet.
        adam: its optimiser, whose moments go on.
        data: at least one row.
        seed: the run's seed.
        key: names this fit within the run (round, …); every block draws from its own stream.
        progress: keeps the state after every block of a long fit.
        objective: loss of each row, [B].

    Returns:
        ``train/loss`` (mean over the last block), ``train/grad_steps``, and the policy's remarks on the labels.

    Raises:
        FloatingPointError: when the loss is no longer finite.
    """
    policy.fit_normalizer(data["obs"])
    total = policy.fit.steps
    name = "-".join(map(str, key))
    done, loss = _resume(progress.load(name), policy, adam)
    start = time.perf_counter()
    while done < total:
        count = min(BLOCK, total - done)
        rng = generator(seed, Purpose.FIT, *key, done // BLOCK)
        loss = _block(policy, adam, data, data.sample(rng, count, policy.fit.batch), objective)
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"the loss became {loss} within gradient steps {done}-{done + count} of fit {name}: lower policy.fit.lr"
            )
        done += count
        progress.report(done, total, "fit")
        if total > BLOCK:
            progress.save(name, _state(policy, adam, done, loss))
    elapsed = time.perf_counter() - start
    return {
        "train/loss": loss,
        "train/grad_steps": total,
        "rate/grad_steps_per_s": total / elapsed if elapsed > 0 else 0.0,
        **policy.label_metrics(data["label"]),
    }


def _block(policy: Policy, adam: Adam, data: Dataset, rows: np.ndarray, objective: Objective) -> float:
    """Take one gradient step per line of `rows` [steps, B]; return the mean loss."""
    columns = [data[k] for k in ("obs", "label", "weight") if k in data.names]
    if objective is imitation and policy.fit.backend == "auto" and supports(policy):
        gradient: Callable[[np.ndarray], float | Tensor] = Backprop(policy, rows.shape[1], *columns)
    else:
        gradient = partial(_autograd, policy, objective, [torch.from_numpy(c) for c in columns])
    policy.flat_grad.zero_()
    total: float | Tensor = 0.0
    torch.set_flush_denormal(True)  # moments of units that died fade through numbers that slow every step down
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # `fit` says more about a loss that explodes
            for line in rows:
                total += gradient(line)
                adam.step()
    finally:
        torch.set_flush_denormal(False)  # simulations are exact with them
    return float(total) / len(rows)


def _autograd(policy: Policy, objective: Objective, columns: list[Tensor], rows: np.ndarray) -> Tensor:
    """Do what `Backprop` does for any policy, device and objective."""
    obs, label, *weight = (column[torch.from_numpy(rows)].to(policy.flat.device) for column in columns)
    losses = objective(policy, obs, label)
    loss = (losses * weight[0] if weight else losses).mean()
    torch.autograd.backward(loss)
    return loss.detach()


def _state(policy: Policy, adam: Adam, done: int, loss: float) -> dict[str, np.ndarray]:
    parts = {f"policy/{k}": v for k, v in policy.arrays().items()} | {f"adam/{k}": v for k, v in adam.arrays().items()}
    return {**parts, "done": np.array(done), "loss": np.array(loss)}


def _resume(stored: dict[str, np.ndarray] | None, policy: Policy, adam: Adam) -> tuple[int, float]:
    if stored is None:
        return 0, float("nan")
    parts: dict[str, dict[str, np.ndarray]] = {"policy": {}, "adam": {}}
    for k, v in stored.items():
        owner, _, rest = k.partition("/")
        if owner in parts:
            parts[owner][rest] = v
    policy.load_arrays(parts["policy"])
    adam.load_arrays(parts["adam"])
    return int(stored["done"]), float(stored["loss"])
