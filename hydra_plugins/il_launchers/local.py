"""`hydra/launcher=local`: the jobs of a sweep in parallel processes of this machine."""

import os
import socket
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from hydra.core.config_store import ConfigStore

from hydra_plugins.il_launchers._base import SweepLauncher
from il.sweep.job import SweepJob, threads
from il.sweep.pool import Outcome, Watcher, run_here, run_pool
from il.sweep.record import Entry, Sweep
from il.sweep.status import process_start
from il.sweep.table import duration


@dataclass
class LocalLauncher(SweepLauncher):
    """Runs jobs on this machine; its fields are the keys of conf/hydra/launcher/local.yaml."""

    workers: int | None
    preload: list[str]
    dry_run: bool
    snapshot: bool
    _target_: str = field(default="hydra_plugins.il_launchers.local.LocalLauncher", repr=False)

    def run(self, sweep: Sweep, jobs: list[SweepJob]) -> None:
        """Run what is to do; whatever happens to a job is in the table afterwards."""
        with sweep.held():
            jobs = self.todo(sweep, jobs)
            os.environ.update(threads())
            watcher = _Table(sweep, len(jobs))
            sweep.jobs_dir.mkdir(exist_ok=True)
            if (workers := self.count()) > 1:
                run_pool(jobs, workers, list(self.preload), watcher.log, watcher)
            else:
                run_here(jobs, watcher)

    def show(self, sweep: Sweep, jobs: list[SweepJob]) -> None:
        """Print the jobs and their overrides."""
        for job in jobs:
            print(f"{job.name}  {' '.join(job.overrides)}")
        print(f"{len(jobs)} jobs on {self.count()} workers, in {sweep.dir}; nothing was run (dry_run)")

    def count(self) -> int:
        """Return how many jobs run at a time."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return self.workers or cores or 1


class _Table(Watcher):
    """Writes the sweep's table, and a line for each job that ends."""

    def __init__(self, sweep: Sweep, total: int) -> None:
        self.sweep, self.total, self.done = sweep, total, 0
        self.since: dict[str, float] = {}

    def log(self, job: SweepJob) -> Path:
        return self.sweep.jobs_dir / f"{job.name}.log"

    def started(self, job: SweepJob, pid: int) -> None:
        self.since[job.name] = time.time()
        row = Entry(job.name, job.overrides, job.config_hash, f"local:{pid}:{process_start(pid)}", socket.gethostname())
        log = f".jobs/{job.name}.log" if pid != os.getpid() else ""  # in this process jobs write where we do
        self.sweep.add(replace(row, log=log, submitted=time.time()))

    def ended(self, job: SweepJob, outcome: Outcome) -> None:
        state = "stopped" if outcome.state == "preempted" else outcome.state
        self.sweep.end(job.name, state, outcome.reason, socket.gethostname())
        self.done += outcome.state != "preempted"
        took = duration(time.time() - self.since[job.name])
        value = f"  objective {outcome.value:.4g}" if outcome.value is not None else ""
        print(f"[{self.done}/{self.total}] {state:<7} {job.name}  {took}{value}  {outcome.reason}".rstrip(), flush=True)


ConfigStore.instance().store(group="hydra/launcher", name="il_local", node=LocalLauncher, provider="il")
