"""Measure what a sweep adds to each job: trivial jobs through each launcher, the fixed cost taken off.

python -m benchmarks.sweep_overhead [jobs]      SLURM too where there is one
"""

import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
APP = ROOT / "tests" / "sweep" / "app" / "app.py"
FEW = 10
LAUNCHERS = {
    "Hydra's basic, in one process": ["hydra/launcher=basic", "hydra/sweeper=basic"],
    "local, in one process": ["hydra.launcher.workers=1"],
    "local, two workers": ["hydra.launcher.workers=2", "hydra.launcher.preload=[]"],
    "slurm": ["hydra/launcher=slurm", "hydra.launcher.mem_gb=0.4", "hydra.launcher.poll_s=1"],
}
SUBREAPER = 36  # prctl: orphans become our children, so that their time is counted too


def spend(overrides: list[str], jobs: int) -> tuple[float, float]:
    """Run so many trivial jobs; return wall and CPU seconds, of all processes on this side of the cluster."""
    environment = {**os.environ, "IL_ROOT": str(ROOT), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, APP, f"hydra.sweep.dir={folder}/sweep", *overrides, f"seed=range({jobs})"]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([*command, "rounds=1", "-m"], env=environment, stdout=subprocess.DEVNULL, check=True)
        wall = time.perf_counter() - start
        while True:
            try:
                os.wait()
            except ChildProcessError:
                break
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def answers(command: str) -> bool:
    """Return whether a command is there and succeeds."""
    return shutil.which(command) is not None and not subprocess.run([command], capture_output=True).returncode


def main(jobs: int) -> None:
    """Print the table."""
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    print(f"{jobs} trivial jobs; per job: the difference to {FEW} jobs, shared out")
    print("| launcher | CPU a job, ms | wall a job, ms | fixed CPU, s | fixed wall, s |\n|---|---|---|---|---|")
    for name, overrides in LAUNCHERS.items():
        if name == "slurm" and not answers("sinfo"):
            continue
        (few_wall, few_cpu), (wall, cpu) = spend(overrides, FEW), spend(overrides, jobs)
        per = [(cpu - few_cpu) / (jobs - FEW), (wall - few_wall) / (jobs - FEW)]
        fixed = [few_cpu - FEW * per[0], few_wall - FEW * per[1]]
        print(f"| {name} | {1e3 * per[0]:.0f} | {1e3 * per[1]:.0f} | {fixed[0]:.1f} | {fixed[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
