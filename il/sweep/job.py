"""One run of a sweep, composed where the sweep was launched and ready to run anywhere."""

import os
from dataclasses import dataclass
from typing import Any

from hydra.core.utils import JobRuntime, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from il import preempt


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


def threads() -> dict[str, str]:
    """Return the environment that keeps numerical libraries to one thread unless the user says otherwise."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {name: os.environ.get(name, "1") for name in names}
