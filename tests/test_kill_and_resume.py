"""kill -9 at random moments, then the same command: the record and the weights are those of an undisturbed run."""

import json
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import il.run_dir
import il.trainer
import il.unfinished
from tests.conftest import rows, weights

KNOBS = (
    "env.n_envs=8 algo.rounds=4 policy.fit.steps=2200 algo.beta=exponential:0.6 algo.max_rows=500 algo.sample=true "
    "env.horizon=60 policy.width=8 policy.fit.batch=8 eval.episodes=2 eval.stochastic=false"
).split()
"""Fits of several blocks, so that a kill also falls between them; everything else that has a state."""


def kill_inside(owner: object, name: str, delay: float) -> None:
    """Let the first call of a function be killed after a delay, wherever it then is."""
    original: Callable = getattr(owner, name)

    def armed(*args, **kwargs):
        threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return original(*args, **kwargs)

    setattr(owner, name, armed)


def attempt(run: Callable, phase: str | None, delay: float) -> bool:
    """Run in a child process; say whether it ended by itself."""
    pid = os.fork()
    if pid == 0:
        owner, name = {
            "collect": (il.trainer, "play"),
            "eval": (il.trainer.Trainer, "_evaluate"),
            "fit": (il.unfinished.RoundProgress, "report"),
            "checkpoint": (il.run_dir, "save_tree"),
            None: (il.trainer, "__doc__"),
        }[phase]
        if phase:
            kill_inside(owner, name, delay)
        code = 1
        try:
            run(*KNOBS, out="killed")
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return not os.WIFSIGNALED(status)


def test_twenty_kills_change_nothing(run: Callable[..., Path], tmp_path: Path) -> None:
    whole = run(*KNOBS, out="whole")
    clock = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    longest = {part: clock[0][f"time/{part}"] for part in ("collect", "fit", "eval")} | {"checkpoint": 0.02}
    dice, kills, in_a_row = random.Random(0), dict.fromkeys(longest, 0), 0
    deadline = time.monotonic() + 240
    while (min(kills.values()) < 7 or in_a_row < 5) and time.monotonic() < deadline:
        phase = min(kills, key=lambda k: kills[k])
        if attempt(run, phase, dice.uniform(0, longest[phase])):
            shutil.rmtree(tmp_path / "killed")  # it got through: start another one to be killed
            in_a_row = 0
        else:
            kills[phase] += 1
            in_a_row += 1
    assert sum(kills.values()) >= 20 and min(kills.values()) >= 5, kills
    assert attempt(run, None, 0)
    assert rows(tmp_path / "killed") == rows(whole)
    assert weights(tmp_path / "killed") == weights(whole)
    status = json.loads((tmp_path / "killed" / "run.json").read_text())
    assert status["status"] == "ok" and status["attempts"] > 5


def test_a_request_to_stop_is_met_at_the_next_block_and_gone_on_with(run: Callable[..., Path], tmp_path: Path) -> None:
    whole = run(*KNOBS, out="whole")
    pid = os.fork()
    if pid == 0:
        report = il.unfinished.RoundProgress.report

        def at_second_block(self, done, total, what):
            report(self, done, total, what)
            if what == "fit" and self.round == 2 and done == 1000:
                os.kill(os.getpid(), signal.SIGTERM)

        il.unfinished.RoundProgress.report = at_second_block
        try:
            run(*KNOBS, out="stopped")
        except SystemExit as stop:
            os._exit(stop.code)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WEXITSTATUS(status) == 143
    stopped = tmp_path / "stopped"
    assert json.loads((stopped / "run.json").read_text())["status"] == "preempted"
    assert len(rows(stopped)) == 2 and (stopped / "checkpoints" / "unfinished_0002").is_dir()
    run(*KNOBS, out="stopped")
    assert rows(stopped) == rows(whole) and weights(stopped) == weights(whole)


@pytest.mark.parametrize("fresh", ["true", "false"])
def test_a_budget_can_be_raised_later(run: Callable[..., Path], tmp_path: Path, fresh: str) -> None:
    whole = run("algo.rounds=4", f"algo.fresh={fresh}", out="whole")
    run("algo.rounds=4", f"algo.fresh={fresh}", "budget.rounds=2", out="short")
    assert len(rows(tmp_path / "short")) == 2
    (tmp_path / "short" / "summary.json").unlink()
    run("algo.rounds=4", f"algo.fresh={fresh}", out="short")
    assert rows(tmp_path / "short") == rows(whole) and weights(tmp_path / "short") == weights(whole)
