"""Several loggers as one, none of which can stop a run."""

import os
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from il.loggers.base import Logger, RunInfo, Status

PATIENCE = 5
"""Failures after which one method of one logger is no longer called."""


class LoggerGroup(Logger):
    """Hands every call to each logger and keeps their failures away from the run.

    A logger that raises is warned about once on stderr, with the traceback in ``sink_errors.log`` of the run
    directory. What fails `PATIENCE` times is given up, and so is a logger that cannot start; the others go on.
    `check` alone lets a failure through: nothing has started then.
    """

    def __init__(self, loggers: Sequence[Logger]):
        self._loggers = list(loggers)
        self._failures: Counter[tuple[Logger, str]] = Counter()
        self._errors = Path(os.devnull)

    def check(self) -> None:
        """Check each logger.

        Raises:
            ConfigError: when a logger cannot do what its configuration insists on.
        """
        for logger in self._loggers:
            logger.check()

    def start(self, run: RunInfo) -> None:
        """Start each logger."""
        self._failures.clear()
        self._errors = run.dir / "sink_errors.log"
        self._each("start", run)

    def log(self, row: dict[str, float | int | str | None]) -> None:
        """Give each logger a copy of the row."""
        for logger in self._loggers:
            self._call(logger, "log", dict(row))

    def media(self, key: str, path: Path, row: dict[str, float | int]) -> None:
        """Show a file in each logger."""
        self._each("media", key, path, row)

    def progress(self, done: int, total: int, what: str) -> None:
        """Tell each logger."""
        self._each("progress", done, total, what)

    def summary(self, values: dict[str, Any]) -> None:
        """Give each logger a copy of the final figures."""
        for logger in self._loggers:
            self._call(logger, "summary", dict(values))

    def finish(self, status: Status) -> None:
        """Finish each logger, those that failed too: they may hold something."""
        self._each("finish", status)

    def _each(self, method: str, *args: Any) -> None:
        for logger in self._loggers:
            self._call(logger, method, *args)

    def _call(self, logger: Logger, method: str, *args: Any) -> None:
        given_up = self._failures[logger, "start"] or self._failures[logger, method] >= PATIENCE
        if given_up and method != "finish":
            return
        try:
            getattr(logger, method)(*args)
        except Exception as error:
            self._note(logger, method, error)

    def _note(self, logger: Logger, method: str, error: Exception) -> None:
        name = type(logger).__name__
        known = any(self._failures[key] for key in self._failures if key[0] is logger)
        self._failures[logger, method] += 1
        try:
            with open(self._errors, "a") as file:
                file.write(f"{datetime.now().isoformat(timespec='seconds')} {name}.{method}\n")
                file.writelines(traceback.format_exception(error))
        except OSError:
            pass  # the run's own record raises when the disk is full
        if not known:
            text = str(error).strip().split("\n")[0]
            live = "\n" if sys.stderr.isatty() else ""  # leave the console's live line
            what = f"{live}{name} failed in {method} ({type(error).__name__}: {text})"
            print(f"{what}. The run goes on; see {self._errors}", file=sys.stderr)
