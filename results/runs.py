"""What the scripts of tables share: runs that are made once, and cells with intervals."""

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from il.report.statistics import interval

ROOT = Path(__file__).resolve().parent.parent


def finished(command: str) -> dict[str, Any]:
    """Run a command that names its directory by ``out=``, unless that has been done; return its final figures."""
    subprocess.run([sys.executable, *shlex.split(command)[1:]], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    out = command.split("out=")[1].split()[0]
    figures: dict[str, Any] = json.loads((ROOT / "outputs" / out / "summary.json").read_text())
    return figures


def cell(values: Sequence[float], digits: int = 0) -> str:
    """Return the mean with its 95 % t-interval."""
    found = interval([np.asarray(values, float)])
    if found.low is None or found.high is None:
        return f"{found.value:.{digits}f}"
    return f"{found.value:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"
