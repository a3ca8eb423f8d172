"""One run of a sweep, composed where the sweep was launched and ready to run anywhere."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobRuntime, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from il import preempt
from il.config import config_hash, plain
from il.sweep.names import job_name, swept_keys, varying_keys


@dataclass(frozen=True)
class SweepJob:
    """A job with its whole configuration, so that later edits of YAML files do not reach it."""

    name: str
    overrides: list[str]
    config: DictConfig
    """As composed, with its `hydra` node."""
    config_hash: str
    task: TaskFunction
    context: HydraContext

    def run(self) -> Any:
        """Run the task in this process and return its value; what the task raises is raised."""
        setup_globals()
        JobRuntime.instance().set("name", self.config.hydra.job.name)
        with preempt.listening():
            done = run_job(self.task, self.config, "hydra.sweep.dir", "hydra.sweep.subdir", self.context)
        return done.return_value


def compose(
    config: DictConfig,
    context: HydraContext,
    task: TaskFunction,
    job_overrides: Sequence[Sequence[str]],
    first: int,
) -> list[SweepJob]:
    """Compose every job of a sweep.

    Args:
        config: the sweep's own configuration.
        context: gives Hydra's loader and callbacks.
        task: what runs with each configuration.
        job_overrides: overrides of each job.
        first: number of the first job.
    """
    params = config.hydra.sweeper.get("params") or {}
    keys = swept_keys([*(f"{k}={v}" for k, v in params.items()), *config.hydra.overrides.task])
    keys |= varying_keys(job_overrides)
    directory = Path(config.hydra.sweep.dir).absolute()
    jobs = []
    for number, overrides in enumerate(job_overrides, first):
        job = context.config_loader.load_sweep_config(config, list(overrides))
        name = job_name(overrides, keys)
        with read_write(job), open_dict(job):
            job.hydra.job.id = job.hydra.job.num = number
            job.hydra.sweep.dir = str(directory)
            job.hydra.sweep.subdir = name
            job.hydra.job.chdir = bool(job.hydra.job.chdir)
            digest = _settle(job)
        jobs.append(SweepJob(name, list(overrides), job, digest, task, context))
    return jobs


def threads() -> dict[str, str]:
    """Return the environment that keeps numerical libraries to one thread unless the user says otherwise."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {name: os.environ.get(name, "1") for name in names}


def task_values(config: DictConfig) -> dict[str, Any]:
    """Return what the task will see of a job's configuration, as plain values."""
    return plain(OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]))


def _settle(config: DictConfig) -> str:
    """Resolve what the task will see, so that a node's environment changes nothing; return its identity."""
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)  # interpolations may ask Hydra
    values = task_values(config)
    HydraConfig.instance().cfg = before
    for key in values:
        if OmegaConf.is_config(config[key]):
            OmegaConf.resolve(config[key])
        else:
            config[key] = values[key]
    return config_hash(values)
