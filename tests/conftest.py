"""What all tests share. Threads are bounded before numpy or torch can start theirs."""

import os
from pathlib import Path

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of course data and zoo agents beside the checkout; tests that need it are skipped without it."""
    path = Path(os.environ.get("IL_SHARED", ROOT.parent / "shared"))
    if not path.is_dir():
        pytest.skip(f"needs the test data in {path} (IL_SHARED names another place)")
    return path
