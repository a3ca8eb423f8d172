"""A cluster whose sacct knows nothing."""

import time

import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("cluster")]


def test_a_killed_job_is_noticed_within_a_minute(commands, slurm_without_accounting):
    start = time.monotonic()
    output = commands.sweep("act=none,raise,kill,exit", "seed=1", code=1)
    assert time.monotonic() - start < 60, output
    rows = {name: (row.state, row.reason) for name, row in commands.rows().items()}
    assert rows == {
        "act=none,seed=1": ("ok", ""),
        "act=raise,seed=1": ("failed", "ValueError: boom"),
        "act=kill,seed=1": ("failed", "killed by SIGKILL"),
        "act=exit,seed=1": ("failed", "SystemExit: 3"),
    }
