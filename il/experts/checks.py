"""Does an expert fit the environment? Sizes alone do not tell: Walker2d and HalfCheetah have the same."""

import hashlib
import re
from pathlib import Path

from il.envs.base import EnvSpec
from il.errors import ConfigError


def task_name(env_id: str) -> str:
    """Return a gymnasium id without its namespace and version: ``Hopper`` for ``mujoco/Hopper-v5``."""
    return re.sub(r"-v\d+$", "", env_id.rsplit("/", 1)[-1])


def check_env(made_for: str | None, spec: EnvSpec, what: str, fix: str) -> None:
    """Refuse what was made for another task; another version of the same task passes.

    Args:
        made_for: environment id that comes with the expert, where known.
        spec: the environment of this run.
        what: the expert, for the message.
        fix: what to do when the names mislead.

    Raises:
        ConfigError: when the names differ.
    """
    if made_for and task_name(made_for).lower() != task_name(spec.id).lower():
        raise ConfigError(f"{what} was made for {made_for}, not for {spec.id}; choose that environment, or {fix}")


def check_sizes(
    obs_shape: tuple[int, ...], act: tuple[bool, int], expected: tuple[int, ...], spec: EnvSpec, what: str, fix: str
) -> None:
    """Refuse wrong sizes.

    Args:
        obs_shape: shape of one observation as the expert has it.
        act: whether its actions are discrete, and how many (dimensions or choices).
        expected: shape of one observation as the environment has it.
        spec: the environment.
        what: the expert, for the message.
        fix: what to do about observations of another shape.

    Raises:
        ConfigError: when anything differs.
    """
    if act[0] != spec.discrete:
        kinds = ("continuous", "discrete")
        raise ConfigError(f"{what} has {kinds[act[0]]} actions, {spec.id} takes {kinds[spec.discrete]} ones")
    if tuple(obs_shape) != tuple(expected):
        raise ConfigError(
            f"{what} has observations of shape {tuple(obs_shape)}, {spec.id} gives {tuple(expected)}: "
            f"another version of the environment, or other options; {fix}"
        )
    if act[1] != spec.act_dim:
        unit = "choices" if spec.discrete else "numbers"
        raise ConfigError(f"{what} has actions of {act[1]} {unit}, {spec.id} takes {spec.act_dim}")


def sha256(path: Path) -> str:
    """Return a file's digest in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
