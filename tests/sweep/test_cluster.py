"""Reading SLURM's answers."""

import pytest

from il.sweep.cluster import GONE, Seen, explain, parse_accounting, parse_queue
from il.sweep.record import Entry

QUEUE = """\
43_0|RUNNING|n1
43_1|PENDING|
44|COMPLETED|n[1-2]
"""
ACCOUNTING = """\
43_0|COMPLETED|n1|0:0
43_1|CANCELLED by 0|n2|0:15
43_[2-5]|PENDING|None assigned|0:0
44|OUT_OF_MEMORY|n1|0:125
"""


def test_the_queue_is_read():
    assert parse_queue(QUEUE) == {
        "43_0": Seen("RUNNING", "n1"),
        "43_1": Seen("PENDING"),
        "44": Seen("COMPLETED", "n[1-2]"),
    }
    assert parse_queue("") == {}


def test_the_accounting_is_read():
    seen = parse_accounting(ACCOUNTING)
    assert seen["43_1"] == Seen("CANCELLED", "n2", "0:15")
    assert seen["44"].state == "OUT_OF_MEMORY"
    assert set(seen) == {"43_0", "43_1", "44"}


@pytest.mark.parametrize("state", ["RUNNING", "PENDING", "COMPLETING", "REQUEUED", "PREEMPTED", "SUSPENDED"])
def test_what_may_go_on_is_active(state):
    assert Seen(state).active


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL", "OUT_OF_MEMORY", GONE])
def test_what_has_ended_is_not(state):
    assert not Seen(state).active


REASONS = [
    ("FAILED", "1:0", "Traceback\nValueError: boom\nmore", "ValueError: boom"),
    ("FAILED", "1:0", "il.errors.ConfigError: no such thing\n", "il.errors.ConfigError: no such thing"),
    ("FAILED", "9:0", "srun: error: n1: task 0: Killed", "killed by SIGKILL"),
    ("FAILED", "9:0", "slurmstepd: error: Step 4.0 exceeded memory limit (2 > 1), being killed", "out of memory"),
    ("OUT_OF_MEMORY", "0:125", "", "out of memory"),
    (GONE, "", "slurmstepd: error: Detected 1 oom_kill event in StepId=4.0", "out of memory"),
    ("TIMEOUT", "0:0", "", "time limit reached before a checkpoint"),
    (GONE, "", "*** JOB 3 ON n1 CANCELLED AT 2026-11-30T20:03:07 DUE TO TIME LIMIT ***", "time limit"),
    (GONE, "", "*** JOB 3 ON n1 CANCELLED AT 2026-11-30T20:03:07 ***", "cancelled"),
    ("FAILED", "0:11", "", "killed by signal 11"),
    ("FAILED", "3:0", "nothing to see", "failed, exit code 3"),
    ("NODE_FAIL", "", "", "node n9 failed"),
    (GONE, "", "", "gone from the queue"),
    (GONE, "", "DUE TO TIME LIMIT\nStarting with JobEnvironment(2)\nKeyError: 'x'", "KeyError: 'x'"),
]


@pytest.mark.parametrize(("state", "code", "log", "reason"), REASONS)
def test_reasons_come_from_state_and_output(state, code, log, reason, tmp_path):
    (tmp_path / "log").write_text(log)
    assert reason in explain(Entry("a"), Seen(state, "n9", code), tmp_path / "log")


def test_a_missing_log_is_no_error(tmp_path):
    assert explain(Entry("a"), Seen("FAILED", "", "1:0"), tmp_path / "none") == "failed, exit code 1"
