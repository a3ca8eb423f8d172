"""Which file is in which format."""

import os
from dataclasses import dataclass
from pathlib import Path

from il.demos import course, imitation, minari, npz
from il.errors import ConfigError, nearest
from il.rollout import Rollout

FORMATS = ("npz", "course", "imitation", "minari")


@dataclass(frozen=True)
class Demonstrations:
    """Recorded episodes and where they come from."""

    rollout: Rollout
    env_id: str | None
    """The environment, where the file says so."""
    source: str
    """One line for people."""


def detect(path: str) -> str:
    """Return the format of what lies at `path`, or of a name that `write` could write.

    Raises:
        ConfigError: when it is none of the formats.
    """
    if path.startswith(minari.PREFIX) or (Path(path) / "data").is_dir():
        return "minari"
    suffix = Path(path).suffix
    if suffix == ".npz":
        return "imitation" if Path(path).is_file() and "indices" in npz.arrays(Path(path)) else "npz"
    if suffix in (".pkl", ".pickle"):
        return "course"
    raise ConfigError(
        f"{path} is no data set: known are .npz (this project's and imitation's), .pkl (the course's), "
        f"a directory of Minari's, and minari:ID"
    )


def read(path: str, format: str | None, horizon: int | None) -> Demonstrations:
    """Read demonstrations of any format.

    Args:
        path: file, directory, or ``minari:ID``.
        format: one of `FORMATS`; None looks at the file.
        horizon: time limit of the environment, for formats that do not tell truncation from termination.

    Raises:
        ConfigError: see the formats' readers.
    """
    path = os.path.expanduser(path)
    format = _known(format) if format else detect(path)
    file = Path(path)
    if format == "minari":
        rollout, env_id = minari.read(path)
        return Demonstrations(rollout, env_id, f"Minari data set {path.removeprefix(minari.PREFIX)}")
    if format == "npz":
        rollout, meta = npz.read(file)
        return Demonstrations(rollout, meta.get("env_id"), meta.get("source", f"rollout {path}"))
    if format == "course":
        return Demonstrations(course.read(file, horizon), course.named_env(file), f"course demonstrations {path}")
    return Demonstrations(imitation.read(file, horizon), course.named_env(file), f"imitation's trajectories {path}")


def write(path: str, format: str | None, demos: Demonstrations) -> None:
    """Write demonstrations; parents are made, an existing file is not replaced.

    Args:
        path: file, or ``minari:ID``.
        format: one of `FORMATS`; None goes by the name.
        demos: what to write.

    Raises:
        ConfigError: when `path` exists, or the format cannot hold the data.
    """
    path = os.path.expanduser(path)
    require_free(path)
    format = _known(format) if format else detect(path)
    if format == "minari":
        return minari.write(path, demos.rollout, demos.env_id)
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    if format == "npz":
        return npz.write(file, demos.rollout, {"env_id": demos.env_id, "source": demos.source})
    return (course if format == "course" else imitation).write(file, demos.rollout)


def require_free(path: str) -> None:
    """Raise a `ConfigError` when there is a file at `path` already."""
    if not path.startswith(minari.PREFIX) and Path(path).exists():
        raise ConfigError(f"to={path} exists and is not replaced; name another file")


def _known(format: str) -> str:
    if format not in FORMATS:
        raise ConfigError(f"format={format} is unknown{nearest(format, FORMATS)}; known are {', '.join(FORMATS)}")
    return format
