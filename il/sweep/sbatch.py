"""Submitit's executor with what its own leaves open. Imported only where jobs are submitted."""

import shlex
import sys
from pathlib import Path

from submitit import SlurmExecutor

IGNORING = """sh -c 'trap "" USR2; exec "$0" "$@"'"""
"""Keeps SIGUSR2 from ending a job that is still importing and does not listen yet."""


class Executor(SlurmExecutor):
    """Writes sbatch scripts, also on machines without SLURM, and submits them."""

    def __init__(self, folder: Path) -> None:
        """Keep scripts, pickles and output in `folder`; what to do at a time limit is the job's own affair."""
        python = f"{IGNORING} {shlex.quote(sys.executable)}"
        super().__init__(folder / "%j", max_num_timeout=1 << 30, python=python)

    @classmethod
    def affinity(cls) -> int:
        """Say that SLURM is here; sbatch will tell when it is not."""
        return 2

    def script(self, count: int) -> str:
        """Return the script for an array of `count` jobs, or for a single one."""
        if count > 1:
            self.parameters["map_count"] = count
        return self._make_submission_file_text(self._submitit_command_str, "")
