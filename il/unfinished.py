"""A round that is not finished: kept so that a stop loses no more than the current block of a fit."""

import os
from pathlib import Path
from typing import IO, Any

import numpy as np

from il.fit import Progress
from il.preempt import Preempted, requested
from il.run_dir import RunDir


class RoundProgress(Progress):
    """Keeps a round that is not finished: its rollout and, after every block, the fit's state.

    Args:
        run: where; files go below checkpoints/, beside the complete rounds.
    """

    def __init__(self, run: RunDir):
        self.run = run
        self.round = 0
        self.rollout: dict[str, np.ndarray] | None = None
        self.watch: Any = None

    def begin(self, n: int) -> None:
        """Start round n."""
        self.round, self.rollout = n, None

    @property
    def _folder(self) -> Path:
        return self.run.path / "checkpoints" / f"unfinished_{self.round:04d}"

    def stored_rollout(self) -> dict[str, np.ndarray] | None:
        """Return this round's rollout, if it was stored before a stop."""
        return _read(self._folder / "rollout.npz")

    def load(self, name: str) -> dict[str, np.ndarray] | None:
        """See `Progress.load`."""
        return _read(self._folder / f"fit-{name}.npz")

    def save(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """See `Progress.save`.

        Raises:
            Preempted: when the run was asked to stop.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        rollout = self._folder / "rollout.npz"
        if not rollout.exists() and self.rollout is not None:
            _write(rollout, self.rollout)
        _write(self._folder / f"fit-{name}.npz", arrays)
        if requested():
            raise Preempted

    def report(self, done: int, total: int, what: str) -> None:
        """Pass on to whoever watches."""
        if self.watch is not None:
            self.watch(done, total, what)


def _read(path: Path) -> dict[str, np.ndarray] | None:
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    file: IO[bytes]
    with open(partial, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
