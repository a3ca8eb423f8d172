"""Names, numbers, configurations and files in the form that W&B takes."""

import csv
import hashlib
import math
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any


def legal(name: str) -> str:
    """Cut a name to the service's 128 characters; different names stay different."""
    if len(name) <= 128:
        return name
    return f"{name[:119]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is missing or not finite."""
    return {
        key: value
        for key, value in values.items()
        if value is not None and not (isinstance(value, Real) and not math.isfinite(value))
    }


def plain(node: Any) -> Any:
    """Return the config with keys as strings: W&B takes no others."""
    if isinstance(node, Mapping):
        return {str(key): plain(value) for key, value in node.items()}
    return [plain(value) for value in node] if isinstance(node, list | tuple) else node


def show(wandb: Any, path: Path) -> Any:
    """Return W&B's view of a video, picture, page or table (csv with a header line).

    Raises:
        ValueError: for another kind of file.
    """
    kind = path.suffix.lower().lstrip(".")
    if kind in ("mp4", "webm", "gif"):
        return wandb.Video(str(path), format=kind)
    if kind in ("png", "jpg", "jpeg"):
        return wandb.Image(str(path))
    if kind == "html":
        return wandb.Html(path.read_text())
    if kind == "csv":
        with open(path, newline="") as file:
            header, *rows = csv.reader(file)
        return wandb.Table(columns=header, data=[[_cell(text) for text in row] for row in rows])
    raise ValueError(f"{path.name}: W&B is shown mp4, webm, gif, png, jpg, html and csv")


def _cell(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
