"""Being asked to stop: a signal is noted here and acted upon where the state can be saved.

A scheduler that wants its node back sends SIGUSR2 (a time limit or a preemption, as `sbatch --signal` asks) or
SIGTERM. Nothing is cut short by either: the trainer asks `requested()` at the end of each round and of each block
of a long fit, writes its checkpoint and raises `Preempted`. Whoever started the run decides what follows.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR2)

_received: set[int] = set()  # signals arrive at the process, so this is the process's


class Preempted(SystemExit):
    """The run stopped on request, behind a checkpoint. Not an `Exception`: nothing may take it for a failure.

    Left alone it ends the process with code 143, as SIGTERM would have.
    """

    def __init__(self) -> None:
        """Carry the exit code."""
        super().__init__(143)


@contextmanager
def listening() -> Iterator[None]:
    """Note SIGTERM and SIGUSR2 instead of dying of them; nested uses share what was noted.

    Outside the main thread, where Python allows no handlers, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(SIGNALS[0]) is _note:
        yield
        return
    before = {number: signal.signal(number, _note) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()


def requested() -> bool:
    """Return whether the run has been asked to stop since `listening` began."""
    return bool(_received)


def received(number: int) -> bool:
    """Return whether this very signal has come since `listening` began."""
    return number in _received


def _note(number: int, frame: FrameType | None) -> None:
    _received.add(number)
