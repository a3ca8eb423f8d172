"""`hydra/launcher=slurm`: the jobs of a sweep as an array on a SLURM cluster."""

import io
import os
import re
import shlex
import signal
import socket
import sys
import time
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.il_launchers._base import SweepLauncher, export_path
from il import preempt
from il.errors import ConfigError
from il.sweep import cluster
from il.sweep.follow import Follower
from il.sweep.job import SweepJob, threads
from il.sweep.record import Entry, Sweep
from il.sweep.status import rows

LIMIT = re.compile(r"MaxSubmit|job submit limit|violates accounting/QOS policy|Invalid job array", re.I)
"""What sbatch says when it would take fewer jobs, or would take them later."""


@dataclass(frozen=True)
class ClusterTask:
    """What runs on a node."""

    job: SweepJob

    def __call__(self) -> None:
        """Run the job; when the cluster wants the node back, go to the queue again under the same id.

        SIGUSR2 means that a time limit or a preemption is near, and nobody else requeues the job. After SIGTERM
        alone SLURM does what it has to by itself, be it a requeue or a cancellation.
        """
        with preempt.listening():
            try:
                self.job.run()
            except preempt.Preempted:
                if preempt.received(signal.SIGUSR2):
                    cluster.requeue(os.environ["SLURM_JOB_ID"])
                raise


@dataclass
class SlurmLauncher(SweepLauncher):
    """Submits jobs to a cluster; its fields are the keys of conf/hydra/launcher/slurm.yaml."""

    partition: str | None
    account: str | None
    qos: str | None
    constraint: str | None
    timeout_min: int
    cpus_per_task: int
    mem_gb: float | None
    gpus_per_node: int | None
    array_parallelism: int
    signal_delay_s: int
    setup_lines: list[str]
    sbatch: dict[str, Any]
    wait: bool
    poll_s: float
    cancel_on_interrupt: bool
    dry_run: bool
    snapshot: bool
    _target_: str = field(default="hydra_plugins.il_launchers.slurm.SlurmLauncher", repr=False)

    def run(self, sweep: Sweep, jobs: list[SweepJob]) -> None:
        """Submit what is to do and, with `wait`, stay until all of it has ended."""
        with sweep.held():
            left = self.submit(sweep, self.todo(sweep, jobs))
        if not self.wait:
            if left:
                raise ConfigError(
                    f"{len(left)} jobs are beyond the cluster's limit: submit them later by il sweep resume"
                )
            return
        try:
            self.follow(sweep, left)
        except KeyboardInterrupt:
            active = [row.id for row in rows(sweep) if row.active]
            if self.cancel_on_interrupt:
                cluster.cancel(active)
            what = "are cancelled" if self.cancel_on_interrupt else "go on without this process"
            print(f"\ninterrupted: {len(active)} jobs {what}; il sweep status {str(sweep.dir)!r}", file=sys.stderr)
            raise SystemExit(130) from None

    def submit(self, sweep: Sweep, jobs: list[SweepJob]) -> list[SweepJob]:
        """Submit jobs in as many arrays as the cluster's limits ask for; return those it does not take yet.

        Raises:
            ConfigError: when the cluster refuses them altogether, with its words.
        """
        from submitit.core.utils import FailedJobError

        size = cluster.largest_array() if jobs else 1
        arrays = [jobs[k : k + size] for k in range(0, len(jobs), size)]
        executor = self.executor(sweep, len(arrays))
        while arrays:
            array = arrays.pop(0)
            try:
                with redirect_stderr(io.StringIO()):  # the error has it too
                    submitted = executor.submit_array([ClusterTask(job) for job in array])
            except FailedJobError as error:
                if not LIMIT.search(str(error)):
                    raise ConfigError(f"the cluster refused the jobs: {str(error).strip().splitlines()[-1]}") from None
                if len(array) == 1:
                    return [*array, *(job for later in arrays for job in later)]
                half = len(array) // 2
                arrays[:0] = [array[:half], array[half:]]
                continue
            sweep.add(*(self.entry(job, done.job_id) for job, done in zip(array, submitted, strict=True)))
            print(f"submitted {submitted[0].job_id.split('_')[0]}: {len(array)} jobs", flush=True)
        return []

    def entry(self, job: SweepJob, id: str) -> Entry:
        """Return the table's row of a job just submitted."""
        log, now = f".jobs/{id}/{id}_0_log.out", time.time()
        return Entry(job.name, job.overrides, job.config_hash, id, socket.gethostname(), log, now)

    def follow(self, sweep: Sweep, left: list[SweepJob]) -> None:
        """Report until all jobs have ended, submitting those `left` as there is room for them."""
        follower, began, going = Follower(sweep), time.time(), True
        while going:
            try:
                going = follower.look() > 0
                if left:
                    left, going = self.submit(sweep, left), True
            except cluster.ClusterError as error:
                print(f"{error}; still waiting", flush=True)
            if going:
                time.sleep(min(self.poll_s, 1 + (time.time() - began) / 10))

    def checked(self, node: DictConfig) -> DictConfig:
        """Return the configuration of a logger to check: nodes log offline, and who wants otherwise needs a key."""
        mode = node.get("mode") or os.environ.setdefault("WANDB_MODE", "offline")
        return OmegaConf.create({**node, "required": True}) if "required" in node and mode == "online" else node

    def show(self, sweep: Sweep, jobs: list[SweepJob]) -> None:
        """Print the sbatch script and the jobs."""
        export_path()
        print(self.executor(sweep, 1).script(len(jobs)))
        for number, job in enumerate(jobs):
            print(f"{number}  {job.name}  {' '.join(job.overrides)}")
        print(f"{len(jobs)} jobs in {sweep.dir}; nothing was submitted (dry_run)")

    def executor(self, sweep: Sweep, arrays: int) -> Any:
        """Return submitit's executor for one of so many arrays, which share `array_parallelism`."""
        from il.sweep.sbatch import Executor

        name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{sweep.dir.parent.name}-{sweep.dir.name}")[-64:]
        executor = Executor(sweep.jobs_dir)
        executor.update_parameters(
            job_name=name,
            partition=self.partition,
            account=self.account,
            qos=self.qos,
            constraint=self.constraint,
            time=self.timeout_min,
            cpus_per_task=self.cpus_per_task,
            mem=None if self.mem_gb is None else f"{round(self.mem_gb * 1024)}M",
            gpus_per_node=self.gpus_per_node,
            array_parallelism=max(1, self.array_parallelism // max(1, arrays)),
            signal_delay_s=self.signal_delay_s,
            stderr_to_stdout=True,
            wckey=None,
            setup=self.environment() + list(self.setup_lines),
            additional_parameters={"requeue": True, **self.sbatch},
        )
        return executor

    def environment(self) -> list[str]:
        """Return the lines that give jobs their environment, also where sbatch does not pass it on."""
        return [
            f"export PYTHONPATH={shlex.quote(os.environ['PYTHONPATH'])}",
            *(f"export {name}={number}" for name, number in threads().items()),
            "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK",
            f"export WANDB_MODE={os.environ.get('WANDB_MODE', 'offline')}",
        ]


ConfigStore.instance().store(group="hydra/launcher", name="il_slurm", node=SlurmLauncher, provider="il")
