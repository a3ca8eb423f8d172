"""Following a sweep from outside its jobs."""

import time

from il.sweep.record import Sweep
from il.sweep.status import UNFINISHED, Row, rows
from il.sweep.table import cells

SETTLE_S = 60
"""How long a shared file system may take to show here what a node has written last."""


class Follower:
    """Prints how jobs end and notes it in the table; nothing is lost when it is killed."""

    def __init__(self, sweep: Sweep) -> None:
        """Start from what the table says already."""
        self.sweep = sweep
        self.told = {name: entry.state for name, entry in sweep.entries().items() if entry.state}
        self.doubted: dict[str, float] = {}

    def look(self) -> int:
        """Take one look and return how many jobs have not ended.

        Raises:
            ClusterError: when the cluster does not answer.
        """
        going = 0
        for row in rows(self.sweep):
            if row.active or self._may_settle(row):
                going += 1
            if row.state in ("missing", "pending", "running") or self.told.get(row.name) == row.state:
                continue
            if row.active or not self._may_settle(row):
                self._tell(row)
        return going

    def _may_settle(self, row: Row) -> bool:
        first = self.doubted.setdefault(row.name, time.time()) if row.reason == UNFINISHED else 0.0
        return time.time() - first < SETTLE_S

    def _tell(self, row: Row) -> None:
        self.told[row.name] = row.state
        if not row.active:
            self.sweep.end(row.name, row.state, row.reason, row.node)
        name, state, *rest = cells(row)
        print("  ".join([f"{state:<9}", name, *filter(None, rest)]), flush=True)
