"""The aggregated data of a run: columns allocated once, written to disk one round at a time."""

from collections.abc import Mapping

import numpy as np

from il.state import Once


class Dataset:
    """Named columns that grow by appending, up to `max_rows`.

    Args:
        columns: name -> (shape of one row, dtype).
        capacity: rows to allocate; memory is touched only as rows arrive. Growing beyond it costs a copy.
        max_rows: the most rows kept; then the oldest unprotected ones make room. None keeps all.
    """

    def __init__(self, columns: Mapping[str, tuple[tuple[int, ...], type]], capacity: int, max_rows: int | None):
        capacity = min(capacity, max_rows) if max_rows is not None else capacity
        self.max_rows = max_rows
        self.size = 0
        self.chunks: list[Once] = []
        self._columns: dict[str, np.ndarray] = {
            k: np.empty((capacity, *shape), dtype) for k, (shape, dtype) in columns.items()
        }
        self._protected = np.zeros(capacity, bool)

    def __len__(self) -> int:
        return self.size

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self._columns)

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a column's rows, a view [N, …]."""
        return self._columns[name][: self.size]

    def append(self, name: str, rows: dict[str, np.ndarray], protected: np.ndarray) -> None:
        """Add rows, and remember them as the chunk `name` for the next checkpoint.

        Args:
            name: unique in the run, such as ``round_0003``.
            rows: all columns, [T, …].
            protected: rows that `max_rows` never drops while others are left, bool [T].
        """
        self.chunks.append(Once(f"data/{name}.npz", {**rows, "protected": protected}))
        self._add(rows, protected)

    def _add(self, rows: dict[str, np.ndarray], protected: np.ndarray) -> None:
        count = len(protected)
        if self.max_rows is not None and self.size + count > self.max_rows:
            self._make_room(self.size + count - self.max_rows)
            if count > self.max_rows:
                rows, protected = {k: v[-self.max_rows :] for k, v in rows.items()}, protected[-self.max_rows :]
                count = self.max_rows
        end = self.size + count
        if end > len(self._protected):
            self._grow(max(end, 2 * len(self._protected)))
        for key, column in self._columns.items():
            column[self.size : end] = rows[key]
        self._protected[self.size : end] = protected
        self.size = end

    def _make_room(self, surplus: int) -> None:
        """Drop the oldest rows, unprotected ones first."""
        order = np.argsort(self._protected[: self.size], kind="stable")
        kept = np.sort(order[min(surplus, self.size) :])
        for column in (*self._columns.values(), self._protected):
            column[: len(kept)] = column[kept]
        self.size = len(kept)

    def _grow(self, capacity: int) -> None:
        self._columns = {k: _enlarged(v, capacity, self.size) for k, v in self._columns.items()}
        self._protected = _enlarged(self._protected, capacity, self.size)

    def sample(self, generator: np.random.Generator, steps: int, batch: int) -> np.ndarray:
        """Draw row numbers uniformly with replacement for many steps at once, int64 [steps, batch]."""
        return generator.integers(0, self.size, (steps, min(batch, self.size)))

    def clear(self) -> None:
        """Forget all rows."""
        self.size = 0
        self.chunks = []

    def state_dict(self) -> list[Once]:
        """Return the chunks; each is written once."""
        return self.chunks

    def load_state_dict(self, chunks: list[Once]) -> None:
        """Replay the stored chunks in order."""
        self.clear()
        for chunk in chunks:
            rows = chunk.load()
            self._add({k: v for k, v in rows.items() if k != "protected"}, rows["protected"])
            self.chunks.append(Once(chunk.name, None))


def _enlarged(column: np.ndarray, capacity: int, size: int) -> np.ndarray:
    out = np.empty((capacity, *column.shape[1:]), column.dtype)
    out[:size] = column[:size]
    return out
