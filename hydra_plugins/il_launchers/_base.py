"""What both launchers do before and after running jobs; the underscore keeps Hydra from scanning it for plugins."""

import os
import socket
import sys
import time
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import yaml
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

import il
from il.config import build, differences
from il.errors import ConfigError
from il.preempt import Preempted
from il.sweep.cluster import ClusterError
from il.sweep.code import copy_code, record_code
from il.sweep.compose import compose, task_values
from il.sweep.job import SweepJob
from il.sweep.record import Entry, Sweep, with_overrides
from il.sweep.status import ENDED_BADLY, Row, rows
from il.sweep.table import closing

ROOT = Path(il.__file__).parents[1]


class JobError(RuntimeError):
    """A job of the sweep did not end well."""


class SweepLauncher(Launcher):
    """Composes the jobs, keeps the table, skips what is done; how jobs run is the subclass's."""

    dry_run: bool
    snapshot: bool

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra has for a launcher."""
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run jobs, one set of overrides each, and return how each ended.

        Raises:
            ConfigError: when the directory holds jobs of another configuration, or the cluster takes none.
            Preempted: when this process was asked to stop, and with it jobs that run on this machine.
        """
        setup_globals()
        sweep = Sweep(Path(self.config.hydra.sweep.dir).absolute())
        try:
            jobs = compose(self.config, self.context, self.task, job_overrides, initial_job_idx)
            self.check(sweep, jobs)
            self.check_loggers(jobs)
            if self.dry_run:
                self.show(sweep, jobs)
                raise SystemExit(0)
            if self.snapshot:
                self.run_snapshot(sweep)
            export_path()
            self.run(sweep, jobs)
            return self.results(jobs, self.report(sweep, jobs))
        except ClusterError as error:
            raise ConfigError(f"hydra/launcher=slurm: {error}") from None
        except Preempted:
            self.report(sweep, jobs)
            raise

    @abstractmethod
    def run(self, sweep: Sweep, jobs: list[SweepJob]) -> None:
        """Run or submit those jobs which `todo` says; write the table."""

    @abstractmethod
    def show(self, sweep: Sweep, jobs: list[SweepJob]) -> None:
        """Print what would be run."""

    def check(self, sweep: Sweep, jobs: list[SweepJob]) -> None:
        """Refuse jobs whose directory belongs to another configuration.

        Raises:
            ConfigError: naming the job.
        """
        known = sweep.entries()
        for job in jobs:
            if job.name in known and known[job.name].config_hash != job.config_hash:
                place = sweep.dir / job.name
                stored = place / "config.yaml"
                there = yaml.safe_load(stored.read_text()) if stored.exists() else {}
                what = f" ({', '.join(differences(there, task_values(job.config)))})" if there else ""
                raise ConfigError(f"{place} was started with another configuration{what}: sweep into a new directory")

    def check_loggers(self, jobs: list[SweepJob]) -> None:
        """Let loggers say here and now what they would miss in the jobs, such as a key.

        Raises:
            ConfigError: as the logger says it.
        """
        distinct = {str(node): (key, node) for job in jobs for key, node in (job.config.get("logger") or {}).items()}
        for key, node in distinct.values():
            build(self.checked(node), f"logger.{key}").check()

    def checked(self, node: DictConfig) -> DictConfig:
        """Return the configuration of a logger to check."""
        return node

    def todo(self, sweep: Sweep, jobs: list[SweepJob]) -> list[SweepJob]:
        """Put the jobs into the table and return those that are neither done nor under way."""
        known, unique = sweep.entries(), {job.name: job for job in jobs}
        sweep.add(*(Entry(j.name, j.overrides, j.config_hash) for j in unique.values() if j.name not in known))
        now = {row.name: row for row in rows(sweep)}
        wanted = [job for name, job in unique.items() if now[name].state != "ok" and not now[name].active]
        sweep.add_launch(
            {
                "command": [str(Path(sys.argv[0]).absolute()), *sys.argv[1:]],
                "cwd": os.getcwd(),
                "stamp": os.environ.get("IL_STAMP"),
                "time": time.time(),
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "code": {"snapshot": "code"} if sweep.dir / "code" == ROOT else record_code(ROOT, sweep.dir),
            }
        )
        skipped = len(unique) - len(wanted)
        note = f" ({skipped} are done or under way)" if skipped else ""
        print(f"{len(wanted)} jobs to run{note} in {sweep.dir}", flush=True)
        return wanted

    def run_snapshot(self, sweep: Sweep) -> None:
        """Go on as the same command, running a copy of the code as it is now."""
        script, code = Path(sys.argv[0]).absolute(), sweep.dir / "code"
        if not code.exists():
            sweep.dir.mkdir(parents=True, exist_ok=True)
            record = record_code(ROOT, sweep.dir)
            copy_code(ROOT, code)
            sweep.add_launch({"snapshot": True, "time": time.time(), "code": record})
        if script.is_relative_to(ROOT):
            script = code / script.relative_to(ROOT)
        os.environ["PYTHONPATH"] = os.pathsep.join([str(code), os.environ.get("PYTHONPATH", "")])
        command = with_overrides([str(script), *sys.argv[1:]], [sweep.override, "hydra.launcher.snapshot=false"])
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *command])

    def report(self, sweep: Sweep, jobs: list[SweepJob]) -> dict[str, Row]:
        """Print how the jobs stand at the end of this process and return their rows."""
        names = {job.name for job in jobs}
        now = {row.name: row for row in rows(sweep) if row.name in names}
        print(closing(sweep.dir, list(now.values())), flush=True)
        return now

    def results(self, jobs: list[SweepJob], now: dict[str, Row]) -> list[JobReturn]:
        """Return each job's end as Hydra's sweepers want it: a failed one raises when it is looked at."""
        returns = []
        for job in jobs:
            row = now[job.name]
            done = JobReturn(overrides=job.overrides, cfg=job.config, task_name=job.name)
            if row.state in ENDED_BADLY:
                done.status, done.return_value = JobStatus.FAILED, JobError(f"{job.name} {row.state}: {row.reason}")
            else:
                done.status, done.return_value = JobStatus.COMPLETED, row.objective
            returns.append(done)
        return returns


def export_path() -> None:
    """Let jobs and workers import what this process can: this package and the script's folder."""
    paths = [str(ROOT), str(Path(sys.argv[0]).absolute().parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(p for p in paths if p))
