"""The aggregated data of a run: columns allocated once, written to disk one round at a time."""

import mmap
import os
import tempfile
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from il.state import Once

MEMORY_SHARE = 1 / 3
"""Data that may grow beyond this share of the memory lie in a file below TMPDIR, mapped into memory."""

Rows = slice | np.ndarray


class Dataset:
    """Named columns that grow by appending, up to `max_rows`.

    Args:
        columns: name -> (shape of one row, dtype).
        capacity: rows to allocate; memory is touched only as rows arrive. Growing beyond it costs a copy.
        max_rows: the most rows kept; then the oldest unprotected ones make room. None keeps all.

    Raises:
        OSError: when the data need a file and there is no room for it.
    """

    def __init__(self, columns: Mapping[str, tuple[tuple[int, ...], type]], capacity: int, max_rows: int | None):
        self.max_rows = max_rows
        self.size = 0
        self.chunks: list[Once] = []
        self._kinds = {k: (shape, np.dtype(dtype)) for k, (shape, dtype) in columns.items()}
        self._queues: tuple[deque[np.ndarray], deque[np.ndarray]] = (deque(), deque())
        """Where the unprotected and the protected rows are, the oldest first; kept for `max_rows` only."""
        self._columns: dict[str, np.ndarray] = {
            k: np.empty((0, *shape), dtype) for k, (shape, dtype) in self._kinds.items()
        }
        self._allocate(capacity if max_rows is None else min(capacity, max_rows))

    def __len__(self) -> int:
        return self.size

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self._kinds)

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a column's rows, a view [N, …]; in the order of their arrival until rows had to make room."""
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
        kept = slice(None if self.max_rows is None else max(0, len(protected) - self.max_rows), None)
        protected = protected[kept]
        for where, part in self._places(len(protected)):
            for key, column in self._columns.items():
                column[where] = rows[key][kept][part]
            if self.max_rows is not None:
                numbers = np.arange(where.start, where.stop) if isinstance(where, slice) else where
                for queue, mine in zip(self._queues, (~protected[part], protected[part]), strict=True):
                    queue.append(numbers[mine])

    def _places(self, count: int) -> list[tuple[Rows, slice]]:
        """Find room: pairs of where in the columns, and which part of the `count` new rows belongs there."""
        free = count if self.max_rows is None else min(count, self.max_rows - self.size)
        start, self.size = self.size, self.size + free
        if self.size > self.capacity:
            wanted = max(self.size, 2 * self.capacity)
            self._allocate(wanted if self.max_rows is None else min(wanted, self.max_rows))
        places: list[tuple[Rows, slice]] = [(slice(start, self.size), slice(0, free))]
        return places if free == count else [*places, (self._oldest(count - free), slice(free, count))]

    def _oldest(self, count: int) -> np.ndarray:
        """Give up the oldest rows, unprotected ones first; return where they are."""
        out = []
        for queue in self._queues:
            while queue and count:
                rows = queue.popleft()
                if len(rows) > count:
                    queue.appendleft(rows[count:])
                out.append(rows[:count])
                count -= len(out[-1])
        return np.concatenate(out)

    def _allocate(self, capacity: int) -> None:
        """Make room for so many rows, taking along those that are there."""
        size = capacity * sum(dtype.itemsize * int(np.prod(shape)) for shape, dtype in self._kinds.values())
        self.in_file = size > MEMORY_SHARE * memory()
        columns = {k: _room((capacity, *shape), dtype, self.in_file) for k, (shape, dtype) in self._kinds.items()}
        for key, column in columns.items():
            old = self._columns[key]
            column[: len(old)] = old
        self.capacity, self._columns = capacity, columns

    def sample(self, generator: np.random.Generator, steps: int, batch: int) -> np.ndarray:
        """Draw row numbers uniformly with replacement for many steps at once, int64 [steps, batch]."""
        return generator.integers(0, self.size, (steps, min(batch, self.size)))

    def clear(self) -> None:
        """Forget all rows."""
        self.size = 0
        self.chunks = []
        self._queues = (deque(), deque())

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


def memory() -> int:
    """Return the bytes of memory that this process may use: the machine's, or what its control groups leave it."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    groups = Path("/proc/self/cgroup")
    for line in groups.read_text().splitlines() if groups.exists() else []:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = Path("/sys/fs/cgroup") / ("memory" if controllers else "")
        folder = root / path.lstrip("/")
        for level in (folder, *folder.parents[: len(folder.relative_to(root).parts)]):
            file = level / ("memory.limit_in_bytes" if controllers else "memory.max")
            text = file.read_text().strip() if file.exists() else "max"
            limits += [int(text)] if text.isdigit() else []
    return min(limits)


def _room(shape: tuple[int, ...], dtype: np.dtype, in_file: bool) -> np.ndarray:
    """Return an array that takes memory only as it is filled; one in a file, which has no name, goes away with it."""
    size = max(1, dtype.itemsize * int(np.prod(shape)))
    if not in_file:  # faster at the first touch than what np.empty gives
        return np.ndarray(shape, dtype, mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    with tempfile.TemporaryFile() as file:
        if hasattr(os, "posix_fallocate"):  # a disk that fills up later would kill the process without a word
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
        return np.ndarray(shape, dtype, mmap.mmap(file.fileno(), size))
