"""What a library of algorithms owes: Stable-Baselines3, or sbx, its twin in JAX."""

from abc import ABC, abstractmethod
from typing import Any

from il.experts.neutral import Arrays


class Library(ABC):
    """What differs between them: networks, their state, random numbers. All else a model of sbx inherits.

    Models are theirs: ``stable_baselines3.common.base_class.BaseAlgorithm``.
    """

    packages: tuple[str, ...]
    """Distributions whose versions decide results."""
    activations: dict[str, Any]
    """What the format for experts knows, as the library has it."""

    @abstractmethod
    def kind(self, algo: str) -> type:
        """Return an algorithm's class."""

    @abstractmethod
    def make(self, algo: str, venv: Any, seed: int, device: str, kwargs: dict[str, Any]) -> Any:
        """Return a new model.

        Raises:
            ConfigError: for a device that the library lacks, or networks that an export cannot hold.
        """

    @abstractmethod
    def seed(self, model: Any, seed: int) -> None:
        """Decide all random numbers that a model draws from here on."""

    @abstractmethod
    def read(self, algo: str, model: Any) -> Arrays:
        """Return a model's networks, ``actor``, ``value`` and ``critics``, as `il.experts.neutral` has them."""

    @abstractmethod
    def write(self, algo: str, model: Any, arrays: Arrays) -> None:
        """Undo `read`, for the networks that are given; targets become copies."""

    @abstractmethod
    def entropy_coefficient(self, model: Any) -> float:
        """Return SAC's."""

    @abstractmethod
    def state(self, model: Any) -> dict[str, Any]:
        """Return all parameters, with the optimisers', as a tree of arrays and plain values."""

    @abstractmethod
    def load(self, model: Any, state: dict[str, Any]) -> None:
        """Undo `state`."""

    def activation(self, model: Any) -> str:
        """Return the name of a model's activation function."""
        return next(name for name, kind in self.activations.items() if kind is model.policy.activation_fn)
