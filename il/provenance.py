"""What a run was made with: versions, processor, code."""

import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@cache
def versions(*more: str) -> dict[str, str]:
    """Return the versions that decide whether a run can go on bit for bit; of more distributions where it uses them."""
    out = {"python": sys.version.split()[0]}
    for name in ("torch", "numpy", "gymnasium", "mujoco", "hydra-core", *more):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "absent"
    return out


@cache
def cpu() -> str:
    """Return the processor's name; results are bit-equal only on the same type."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return "unknown"


@cache
def git_state() -> tuple[str | None, str]:
    """Return the commit of this project's code and its uncommitted changes, as far as git can say."""
    root = Path(__file__).parent.parent

    def git(*args: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(root), *args], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None

    sha = git("rev-parse", "HEAD")
    return (sha.strip() if sha else None), (git("diff", "HEAD") or "") if sha else ""
