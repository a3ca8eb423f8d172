"""Models of sbx, which is Stable-Baselines3 with networks and updates in JAX."""

import os
from typing import Any

import numpy as np
import torch

from il.errors import ConfigError
from il.experts.neutral import Arrays
from il.training.base import Library


class Sbx(Library):
    """See `Library`.

    Raises:
        ImportError: when it is not installed.
    """

    packages = ("stable-baselines3", "sbx-rl", "jax", "jaxlib", "flax", "optax")

    def __init__(self) -> None:
        os.environ.setdefault("NPROC", str(torch.get_num_threads()))  # so JAX takes no more threads than `threads`
        import jax
        import sbx
        from flax import linen, serialization

        self._jax, self._sbx, self._serialization = jax, sbx, serialization
        self.activations = {"tanh": linen.tanh, "relu": linen.relu}

    def kind(self, algo: str) -> type:
        """See `Library.kind`."""
        kind: type = getattr(self._sbx, algo.upper())
        return kind

    def make(self, algo: str, venv: Any, seed: int, device: str, kwargs: dict[str, Any]) -> Any:
        """See `Library.make`."""
        policy = kwargs["policy_kwargs"]
        for key in ("layer_norm", "dropout_rate"):
            if policy.get(key):
                raise ConfigError(f"trainer.kwargs.policy_kwargs.{key}={policy[key]}: an export cannot hold it")
        self._place(device)
        stuck = callable(kwargs.get("learning_rate")) and algo != "sac"
        if stuck:
            import optax

            kwargs = {**kwargs, "policy_kwargs": {"optimizer_class": optax.inject_hyperparams(optax.adam), **policy}}
        model = self.kind(algo)("MlpPolicy", venv, seed=seed, **kwargs)
        return _annealed(model) if stuck else model

    def _place(self, device: str) -> None:
        kind, _, number = device.partition(":")
        try:
            found = self._jax.devices(kind)[int(number or 0)]
        except (RuntimeError, IndexError):
            raise ConfigError(f"device={device}, but JAX finds none here: pip install 'jax[cuda12]', "
                              "or take device=cpu or trainer.library=sb3") from None  # fmt: skip
        self._jax.config.update("jax_default_device", found)

    def seed(self, model: Any, seed: int) -> None:
        """See `Library.seed`."""
        model.set_random_seed(seed)
        model.key, model.policy.key = self._jax.random.split(model.key)  # SAC's policy draws from a key of its own

    def read(self, algo: str, model: Any) -> Arrays:
        """See `Library.read`."""
        places = _places(model.policy)
        return {f"{name}.{k}.{part}": np.array(layer[theirs]) for name, layers in places.items()
                for k, layer in enumerate(layers) for part, theirs in PARTS}  # fmt: skip

    def write(self, algo: str, model: Any, arrays: Arrays) -> None:
        """See `Library.write`."""
        policy = model.policy
        for name, layers in _places(policy).items():
            for k, layer in enumerate(layers):
                for part, theirs in PARTS:
                    if (key := f"{name}.{k}.{part}") in arrays:
                        layer[theirs] = self._jax.numpy.array(arrays[key])
        for attribute in ("actor_state", "qf_state"):
            state = getattr(policy, attribute)
            if hasattr(state, "target_params"):
                copies = self._jax.tree.map(self._jax.numpy.array, state.params)
                setattr(policy, attribute, state.replace(target_params=copies))

    def entropy_coefficient(self, model: Any) -> float:
        """See `Library.entropy_coefficient`."""
        state = model.ent_coef_state
        return float(state.apply_fn({"params": state.params}))

    def state(self, model: Any) -> dict[str, Any]:
        """See `Library.state`."""
        numpy = self._jax.numpy
        trees = {name: self._serialization.to_state_dict(getattr(owner, name)) for name, owner in _owners(model)}
        return {k: self._jax.tree.map(lambda leaf: np.array(numpy.asarray(leaf)), tree) for k, tree in trees.items()}

    def load(self, model: Any, state: dict[str, Any]) -> None:
        """See `Library.load`."""
        for name, owner in _owners(model):
            arrays = self._jax.tree.map(self._jax.numpy.array, state[name])
            setattr(owner, name, self._serialization.from_state_dict(getattr(owner, name), arrays))


PARTS = (("weight", "kernel"), ("bias", "bias"))
"""The format's names and flax's; both have weights as (in, out), and twins stacked."""


def _places(policy: Any) -> dict[str, list[Any]]:
    """Return the parameters of each layer, in place; behind those of the actor's output SAC has its spread's."""
    actor, critics = policy.actor_state.params["params"], policy.qf_state.params["params"]["VmapContinuousCritic_0"]
    sizes = {"actor": len(policy.net_arch_pi) + 1, "critics": len(policy.net_arch_qf) + 1}
    return {name: [network[f"Dense_{k}"] for k in range(sizes[name])]
            for name, network in (("actor", actor), ("critics", critics))}  # fmt: skip


def _owners(model: Any) -> list[tuple[str, Any]]:
    """Return the name and the owner of each training state: parameters, targets, optimiser."""
    owners = [("actor_state", model.policy), ("qf_state", model.policy)]
    return owners + ([("ent_coef_state", model)] if hasattr(model, "ent_coef_state") else [])


def _annealed(model: Any) -> Any:
    """Make a model's learning rates follow its schedule, which TD3 of sbx reads but once, at the start."""
    train = model.train

    def annealed(**kwargs: Any) -> None:
        left = model.lr_schedule(model._current_progress_remaining) / model.lr_schedule(1)
        for state, rate in ((model.policy.actor_state, model.lr_schedule(1)),
                            (model.policy.qf_state, model.qf_learning_rate)):  # fmt: skip
            model._update_learning_rate(state.opt_state, rate * left)
        train(**kwargs)

    model.train = annealed
    return model
