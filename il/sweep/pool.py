"""Running jobs in parallel processes of this machine, a bounded number at a time.

The workers are kept from job to job and start from one process that has imported the heavy modules already. A job
that takes its worker down costs only itself: the worker is replaced.
"""

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal

from il import preempt
from il.sweep.job import SweepJob

STARTS = 20
"""How often to try to start a worker, a tenth of a second apart."""


@dataclass(frozen=True)
class Outcome:
    """How one attempt at a job ended."""

    state: Literal["ok", "failed", "preempted"]
    value: Any = None
    """What the task returned, if a number."""
    reason: str = ""


class Watcher:
    """Hears about jobs as they start and end."""

    def started(self, job: SweepJob, pid: int) -> None:
        """Hear that a job starts in a process."""

    def ended(self, job: SweepJob, outcome: Outcome) -> None:
        """Hear how a job ended."""


def attempt(run: Callable[[], Any]) -> Outcome:
    """Run a job here and say how it ended, whatever it does short of ending the process."""
    try:
        value = run()
    except preempt.Preempted:
        return Outcome("preempted")
    except SystemExit as error:
        return Outcome("failed", reason=f"left with sys.exit({error.code!r})")
    except Exception as error:  # the job's failure is a row of the table; the sweep goes on
        traceback.print_exc()
        return Outcome("failed", reason=traceback.format_exception_only(error)[-1].strip().splitlines()[0])
    return Outcome("ok", value if isinstance(value, int | float) else None)


def run_here(jobs: list[SweepJob], watcher: Watcher) -> None:
    """Run jobs one after another in this process, until done or asked to stop.

    Raises:
        Preempted: after the running job has saved its state.
    """
    with preempt.listening():
        for job in jobs:
            watcher.started(job, os.getpid())
            try:
                watcher.ended(job, attempt(job.run))
            except KeyboardInterrupt:
                watcher.ended(job, Outcome("failed", reason="interrupted"))
                raise
            if preempt.requested():
                raise preempt.Preempted


class _Worker:
    """A process that runs one job after another."""

    def __init__(self, context: Any) -> None:
        for left in range(STARTS, 0, -1):
            self.connection, theirs = context.Pipe()
            self.process = context.Process(target=_work, args=(theirs,))
            try:
                self.process.start()
                break
            except (ConnectionError, EOFError):  # the process they start from was killed: soon there is a new one
                if left == 1:
                    raise
                time.sleep(0.1)
            finally:
                theirs.close()
        self.job: SweepJob | None = None

    def start(self, job: SweepJob, log: Path) -> None:
        import cloudpickle

        self.job = job
        with suppress(BrokenPipeError):  # it has died while idle; `outcome` will say so
            self.connection.send((cloudpickle.dumps(job), str(log)))

    def outcome(self) -> Outcome:
        """Return how the job ended, once the connection is ready."""
        try:
            return self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            return Outcome("failed", reason=death(self.process.exitcode))


def run_pool(
    jobs: list[SweepJob], workers: int, preload: list[str], log: Callable[[SweepJob], Path], watcher: Watcher
) -> None:
    """Run jobs in worker processes, until done or asked to stop (SIGTERM, or ctrl-C; twice means at once).

    Args:
        jobs: in the order in which they start.
        workers: how many run at a time.
        preload: modules that are imported once for all workers.
        log: file that receives a job's output.
        watcher: hears about starts and ends, in this process.

    Raises:
        Preempted: after the running jobs have saved their state.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", __name__, *preload])
    queue, crew = list(jobs), [_Worker(context) for _ in range(min(workers, len(jobs)))]
    stopping = False
    with preempt.listening():
        try:
            while busy := _hand_out([] if stopping else queue, crew, context, log, watcher):
                try:
                    stopping = _collect(busy, queue, watcher, stopping)
                except KeyboardInterrupt:
                    if stopping:
                        raise
                    stopping = _stop(busy)
        finally:
            for worker in crew:
                worker.connection.close()
                if worker.job:
                    worker.process.kill()
                worker.process.join()
    if stopping:
        raise preempt.Preempted


def _hand_out(
    queue: list[SweepJob], crew: list[_Worker], context: Any, log: Callable[[SweepJob], Path], watcher: Watcher
) -> list[_Worker]:
    """Give every idle worker a job, replacing dead ones; return the busy ones."""
    for k, worker in enumerate(crew):
        if worker.job is None and queue:
            if not worker.process.is_alive():
                worker = crew[k] = _Worker(context)
            job = queue.pop(0)
            worker.start(job, log(job))
            watcher.started(job, worker.process.pid)
    return [worker for worker in crew if worker.job]


def _collect(busy: list[_Worker], queue: list[SweepJob], watcher: Watcher, stopping: bool) -> bool:
    """Wait a little for jobs to end and for a request to stop; return whether to stop."""
    ready = wait([worker.connection for worker in busy], timeout=0.5)
    for worker in busy:
        if worker.connection in ready and (job := worker.job):
            outcome, worker.job = worker.outcome(), None
            watcher.ended(job, outcome)
            if outcome.state == "preempted" and not stopping and not preempt.requested():
                queue.append(job)  # only its worker was asked to stop: it goes on when there is room
    return stopping or (preempt.requested() and _stop(busy))


def _stop(busy: list[_Worker]) -> bool:
    for worker in busy:
        if worker.job:
            worker.process.terminate()
    return True


def death(code: int | None) -> str:
    """Say how a process ended that left no result."""
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"its process ended with code {code}"


def _run(pickled: bytes) -> Any:
    import cloudpickle

    return cloudpickle.loads(pickled).run()


def _work(connection: Connection) -> None:
    """Run jobs as they come, each with its output in its own file, until nobody is there to send any."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is the launcher's to translate
    while True:
        try:
            pickled, log = connection.recv()
        except EOFError:
            return
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        sys.stdout.flush(), sys.stderr.flush()
        os.dup2(file, 1), os.dup2(file, 2)
        os.close(file)
        outcome = attempt(partial(_run, pickled))
        sys.stdout.flush(), sys.stderr.flush()
        connection.send(outcome)
