"""The state of a run as a tree of plain values, arrays and write-once files."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file


class Once:
    """Arrays that never change again, kept in one file that is written once and referenced after.

    Args:
        name: path within the run directory; ends in ``.npz`` or ``.safetensors``.
        arrays: the content, or None when the file is there already.
        root: the run directory, when read back.
    """

    def __init__(self, name: str, arrays: dict[str, np.ndarray] | None, root: Path | None = None):
        self.name, self.arrays, self.root = name, arrays, root

    def load(self) -> dict[str, np.ndarray]:
        """Return the content, from memory or from its file."""
        if self.arrays is not None:
            return self.arrays
        assert self.root is not None, f"{self.name} was not read from a run directory"
        path = self.root / self.name
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as stored:
                return dict(stored)
        return load_file(path)

    def write(self, root: Path) -> None:
        """Put the content into its file, atomically, unless it is there; then forget it."""
        if self.arrays is None:
            return
        path = root / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name("." + path.name)
        if path.suffix == ".npz":
            with open(partial, "wb") as file:
                np.savez(file, **self.arrays)  # type: ignore[arg-type]  # columns named like savez's own flag do not occur
        else:
            save_file(contiguous(self.arrays), partial)
        sync(partial)
        os.replace(partial, path)
        self.arrays, self.root = None, root


def contiguous(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return arrays in the layout that safetensors stores correctly."""
    return {k: np.asarray(v, order="C") for k, v in arrays.items()}


def sync(path: Path) -> None:
    """Make sure that a file or directory has reached the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def save_tree(tree: Any, folder: Path, root: Path) -> set[str]:
    """Write a state tree into `folder` as state.json and tensors.safetensors.

    Args:
        tree: dicts, lists, numbers, strings, None, numpy arrays and `Once`.
        folder: an existing directory.
        root: the run directory, where write-once files go.

    Returns:
        The names of all write-once files the tree refers to.
    """
    arrays: dict[str, np.ndarray] = {}
    once: set[str] = set()

    def plain(node: Any, path: str) -> Any:
        if isinstance(node, dict):
            return {k: plain(v, f"{path}/{k}") for k, v in node.items()}
        if isinstance(node, list | tuple):
            return [plain(v, f"{path}/{i}") for i, v in enumerate(node)]
        if isinstance(node, np.ndarray):
            arrays[path] = node
            return {"__array__": path}
        if isinstance(node, Once):
            node.write(root)
            once.add(node.name)
            return {"__once__": node.name}
        return node

    text = json.dumps(plain(tree, ""), indent=1)
    save_file(contiguous(arrays), folder / "tensors.safetensors")
    (folder / "state.json").write_text(text)
    sync(folder / "tensors.safetensors")
    sync(folder / "state.json")
    return once


def load_tree(folder: Path, root: Path) -> Any:
    """Undo `save_tree`; arrays come back as numpy, write-once files as `Once` that load on demand."""
    arrays = load_file(folder / "tensors.safetensors")

    def rich(node: Any) -> Any:
        if isinstance(node, list):
            return [rich(v) for v in node]
        if isinstance(node, dict):
            if "__array__" in node:
                return arrays[node["__array__"]]
            if "__once__" in node:
                return Once(node["__once__"], None, root)
            return {k: rich(v) for k, v in node.items()}
        return node

    return rich(json.loads((folder / "state.json").read_text()))
