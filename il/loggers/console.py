"""The run on a terminal: one live line with the time left, or one plain line a round; a table at the end."""

import json
import math
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

from il.loggers.base import Logger, RunInfo, Status


class ConsoleLogger(Logger):
    """Writes to a stream; live only where it is a terminal.

    Args:
        stream: standard output by default.
    """

    def __init__(self, stream: TextIO | None = None):
        self.stream = stream or sys.stdout
        self.live = self.stream.isatty()
        self._shown = 0.0

    def start(self, run: RunInfo) -> None:
        """Say what runs where."""
        self.run, self._rounds, self._first = run, 0, None
        self._start = time.monotonic()
        if run.resumed:
            self._rounds = sum(1 for _ in _rows(run))
        going = f"goes on after round {self._rounds - 1}" if self._rounds else "starts"
        self._line(f"{run.name} {going} in {run.dir}")
        self._first = self._rounds

    def log(self, row: dict[str, Any]) -> None:
        """Print a finished round."""
        self._rounds = int(row["round"]) + 1
        parts = [f"[{self._rounds}/{self.run.total_rounds}] round {row['round']}", f"steps {row['env_steps']}"]
        parts.append(f"labels {row['expert_labels']}")
        if "eval/return_mean" in row:
            share = row.get("eval/normalized")
            parts.append(f"return {row['eval/return_mean']:.1f}" + (f" ({share:.2f})" if share is not None else ""))
        if "train/loss" in row:
            parts.append(f"loss {row['train/loss']:.3g}")
        parts.append(f"{row['time/total']:.1f} s")
        self._line("  ".join(parts) + self._left(time.monotonic()))

    def progress(self, done: int, total: int, what: str) -> None:
        """Redraw the live line, at most ten times a second."""
        now = time.monotonic()
        if not self.live or now - self._shown < 0.1:
            return
        self._shown = now
        text = f"[{self._rounds}/{self.run.total_rounds}] round {self._rounds}: {what} {done}/{total}{self._left(now)}"
        if self._rounds >= self.run.total_rounds:
            text = f"{what} {done + 1}/{total}"
        width = shutil.get_terminal_size().columns - 1
        self.stream.write("\r" + text[:width].ljust(width))
        self.stream.flush()

    def _left(self, now: float) -> str:
        played, rest = self._rounds - (self._first or 0), self.run.total_rounds - self._rounds
        if played < 1 or rest < 1:
            return ""
        left = (now - self._start) / played * rest
        return f"  {int(left) // 60}:{int(left) % 60:02d} left"

    def summary(self, values: dict[str, Any]) -> None:
        """Print the final table and where everything lies."""
        for line in table(list(_rows(self.run)), values, shutil.get_terminal_size().columns):
            self._line(line)

    def finish(self, status: Status) -> None:
        """Say how it ended."""
        self._line(f"{status}: {self.run.dir}")

    def _line(self, text: str) -> None:
        if self.live:
            self.stream.write("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r")
        encoding = self.stream.encoding or "utf-8"
        self.stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        self.stream.flush()


def _rows(run: RunInfo) -> list[dict[str, Any]]:
    path = run.dir / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(rows: list[dict[str, Any]], summary: dict[str, Any], width: int = 80) -> list[str]:
    """Return the lines of the final table: baselines, rounds on eval's episodes, outputs on the test episodes.

    Args:
        rows: the record.
        summary: the final figures.
        width: columns to keep to; where they are too few, medians and labels are left out.
    """
    lines = [("", "labels", "mean", "median", "normalised")]

    def entry(name: str, labels: Any, mean: Any, median: Any, share: Any) -> None:
        lines.append((name, _number(labels, 0), _number(mean, 1), _number(median, 1), _number(share, 2)))

    for row in rows:
        if "eval/return_mean" in row:
            cloned = " (cloning)" if row["round"] == 0 and row.get("collect/expert_share") == 1 else ""
            figures = (row.get(f"eval/{k}") for k in ("return_mean", "return_median", "normalized"))
            entry(f"round {row['round']}{cloned}", row["expert_labels"], *figures)
    rounds = len(lines)
    names = [k.split("/")[1] for k in summary if k.startswith("test/") and k.endswith("/return_mean")]
    for name in sorted(names, key=lambda k: ("random", "expert", "last", "best", k).index(k)):
        shown = f"best (round {summary['best_round']})" if name == "best" else name
        labels = None if name in ("random", "expert") else summary["expert_labels"]
        entry(shown, labels, *(summary.get(f"test/{name}/{k}") for k in ("return_mean", "return_median", "normalized")))
    text = _aligned(lines)
    if len(text[0]) > width:
        text = _aligned([(name, mean, share) for name, _, mean, _, share in lines])
    rule = "-" * len(text[0])
    episodes = len(next((v for k, v in summary.items() if k.endswith("/returns")), []))
    return [
        "", "each round, on the episodes that choose the best", text[0], rule, *text[1:rounds],
        "", f"on {episodes} test episodes", text[0], rule, *text[rounds:], "",
    ]  # fmt: skip


def _aligned(lines: Sequence[tuple[str, ...]]) -> list[str]:
    """Return lines of cells as text, names to the left and figures to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    ]


def _number(value: Any, digits: int) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"
