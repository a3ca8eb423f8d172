"""What every run does, whatever its rounds are: resume, play rounds, checkpoint, and end well or say why not."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from il.loggers.base import Logger, RunInfo
from il.preempt import Preempted, listening, requested
from il.run_dir import RunDir


class Clock:
    """Seconds spent on each part of a round."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Count what happens inside for `part`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - start

    def add(self, part: str, seconds: float) -> None:
        """Count seconds that were spent on a part before this clock started; below 0, that were for another round."""
        self.seconds[part] = self.seconds.get(part, 0.0) + seconds
        self._start -= seconds

    def metrics(self) -> dict[str, float]:
        """Return ``time/…`` of every part and in total."""
        return {f"time/{k}": v for k, v in self.seconds.items()} | {"time/total": time.perf_counter() - self._start}


class Rounds(ABC):
    """A run in rounds: imitation's, or those that train an expert."""

    run: RunDir
    info: RunInfo
    logger: Logger

    def train(self) -> float:
        """Run what is left of the run; return the objective, by which the best policy was chosen.

        Raises:
            Preempted: after a checkpoint, when asked to stop.
            Exception: whatever a part raises, once it stands in the run directory.
        """
        if self.run.finished:
            self.logger.start(self.info)
            self.logger.summary(self.run.summary())
            self.logger.finish("ok")
            return float(self.run.summary()["objective"])
        error: BaseException | None = None
        with listening():
            try:
                self._restore()
                self.logger.start(self.info)
                while not self._spent():
                    self._play_round()
                    if requested() and not self._spent():
                        raise Preempted
                summary = self._summarise()
                self.logger.summary(summary)
                return float(summary["objective"])
            except BaseException as caught:
                error = caught
                raise
            finally:
                status = self.run.finish(error)
                self.logger.finish(status)

    @abstractmethod
    def _restore(self) -> None:
        """Go on from the last checkpoint, if there is one."""

    @abstractmethod
    def _spent(self) -> bool:
        """Return whether no round is left to play."""

    @abstractmethod
    def _play_round(self) -> None:
        """Play one round, record it, checkpoint."""

    @abstractmethod
    def _summarise(self) -> dict[str, Any]:
        """Write and return the final figures, ``objective`` among them."""
