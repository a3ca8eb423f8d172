"""The project's own format: a rollout's columns in one ``.npz``, with a JSON header."""

import json
import zipfile
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from il.demos.trajectory import PER_EPISODE, check_finite
from il.errors import ConfigError
from il.rollout import Rollout


def arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an ``.npz``, except those that hold Python objects, which stay unread.

    Raises:
        ConfigError: when the file is missing or damaged.
    """
    if not Path(path).is_file():
        raise ConfigError(f"there is no file {path}; give the path of an .npz")
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {}
            for name in file.files:
                try:
                    found[name] = file[name]
                except ValueError:  # an object array, such as the infos of other packages
                    continue
            return found
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ConfigError(f"{path} is truncated or is not an .npz ({error}); get the file again") from None


def read(path: Path) -> tuple[Rollout, dict[str, Any]]:
    """Read a rollout and its header.

    Raises:
        ConfigError: when columns are missing, disagree in length or are not finite.
    """
    found = arrays(path)
    meta = json.loads(bytes(found.pop("meta"))) if "meta" in found else {}
    names = {f.name for f in fields(Rollout)}
    missing = sorted(names - {"expert_obs", "final_expert_obs", "second"} - found.keys())
    if missing:
        raise ConfigError(f"{path} is no rollout of this project: it lacks {', '.join(missing)}")
    found = {name: values for name, values in found.items() if name in names}
    for name, values in found.items():
        length = len(found["seed"]) if name in PER_EPISODE else len(found["obs"])
        if name != "expert_steps" and len(values) != length:
            raise ConfigError(f"{path}: {name} has {len(values)} rows where there should be {length}")
    if not len(found["obs"]):
        raise ConfigError(f"{path} holds no steps")
    rollout = Rollout.from_arrays(found)
    check_finite(rollout, str(path))
    return rollout, meta


def write(path: Path, rollout: Rollout, meta: dict[str, Any]) -> None:
    """Write a rollout; `meta` is JSON-able (the environment's id, where the data come from)."""
    header = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    columns: dict[str, Any] = {**rollout.arrays(), "meta": header}
    np.savez_compressed(path, **columns)
