"""Uploading what runs have logged offline to Weights & Biases."""

import os
import subprocess
import sys
import time
from pathlib import Path


def fragments(run: Path) -> list[Path]:
    """Return what a run has logged offline and nobody has uploaded, oldest first: a folder for every start."""
    return [f for f in sorted(run.glob("wandb/offline-run-*")) if not any(f.glob("*.wandb.synced"))]


def upload(run: Path, timeout_s: float, tries: int) -> str:
    """Upload a run's offline logs with W&B's own client; return why not, or an empty string.

    Args:
        run: the run directory.
        timeout_s: seconds for each try; the client itself would try for ever.
        tries: how often.
    """
    problem = ""
    for attempt in range(tries):
        left = fragments(run)
        if not left:
            return ""
        time.sleep(min(attempt * 5, 30))
        command = [sys.executable, "-m", "wandb", "sync", "--yes", *map(str, left)]
        environment = {**os.environ, "WANDB_ERROR_REPORTING": "false"}
        try:
            done = subprocess.run(
                command, cwd=run, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired:
            problem = f"no end after {timeout_s:g} s"
            continue
        said = (done.stderr + done.stdout).strip().splitlines()
        problem = said[-1] if said else f"wandb sync left with {done.returncode}"
    return problem if fragments(run) else ""
