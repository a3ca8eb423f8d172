"""A training that was stopped or killed goes on bit for bit, replay buffer and running episodes included."""

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("stable_baselines3")

import il.run_dir
import il.training.agent
from tests.conftest import rows, weights

ON_POLICY = "env.horizon=50 trainer.n_envs=4 trainer.steps=800 trainer.eval_every=256 trainer.eval_episodes=2".split()
OFF_POLICY = (
    "trainer.library=sb3 env.horizon=40 trainer.n_envs=2 trainer.steps=320 trainer.eval_every=80 "
    "trainer.eval_episodes=2 +trainer.kwargs.learning_starts=50 +trainer.kwargs.batch_size=16 "
    "+trainer.kwargs.buffer_size=200 +trainer.kwargs.policy_kwargs.net_arch=[8]"
).split()
CASES = {
    "ppo": ["env=hopper", *ON_POLICY, "+trainer.kwargs.n_steps=32", "+trainer.kwargs.batch_size=64"],
    "a2c": ["env=cartpole", *ON_POLICY],
    "sac": ["env=pendulum", *OFF_POLICY],
    "td3": ["env=hopper", *OFF_POLICY, "trainer.normalize_obs=true", "trainer.normalize_reward=true"],
    "ddpg": ["env=pendulum", *OFF_POLICY],
    "dqn": [
        "env=cartpole",
        *OFF_POLICY,
        "+trainer.kwargs.gradient_steps=2",
        "+trainer.kwargs.target_update_interval=3",
    ],
}
"""Buffers that overflow, schedules, episodes that span rounds, both kinds of simulators."""


@pytest.mark.parametrize("algo", CASES)
def test_stops_change_nothing(run: Callable[..., Path], tmp_path: Path, algo: str):
    knobs = ["trainer=sb3", f"trainer.algo={algo}", *CASES[algo]]
    whole = run(*knobs, out="whole")
    for done in (1, 2, None):
        parts = run(*knobs, f"budget.rounds={done}" if done else "budget.rounds=null", out="parts")
    assert len(rows(whole)) == 4
    assert rows(parts) == rows(whole)
    assert weights(parts) == weights(whole)
    assert (parts / "expert.safetensors").read_bytes() == (whole / "expert.safetensors").read_bytes()
    assert not (whole / "data").exists(), "a finished training needs no replay buffer"


def killed(run: Callable[..., Path], knobs: list[str], owner: object, name: str, call: int, delay: float) -> bool:
    """Run in a child that is killed so long after the named function's n-th call began; say whether it was."""
    original, calls = getattr(owner, name), []

    def armed(*args, **kwargs):
        calls.append(None)
        if len(calls) == call:
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return original(*args, **kwargs)

    pid = os.fork()
    if pid == 0:
        setattr(owner, name, armed)
        try:
            run(*knobs, out="killed")
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("algo", ["ppo", "sac"])
def test_kills_change_nothing(run: Callable[..., Path], algo: str):
    knobs = ["trainer=sb3", f"trainer.algo={algo}", *CASES[algo]]
    whole = run(*knobs, out="whole")
    places = [
        (il.training.agent.Agent, "learn", 1, 0.01), (il.training.agent.Agent, "learn", 2, 0.02),
        (il.run_dir, "save_tree", 1, 0.0), (il.training.agent.Agent, "state", 2, 0.001),
    ]  # fmt: skip
    assert sum(killed(run, knobs, *place) for place in places) >= 3
    gone_on = run(*knobs, out="killed")
    assert rows(gone_on) == rows(whole)
    assert weights(gone_on) == weights(whole)


def test_rows_that_left_the_replay_buffer_leave_the_disk(run: Callable[..., Path]):
    knobs = ["trainer=sb3", "trainer.algo=sac", *CASES["sac"], "trainer.steps=480"]
    path = run(*knobs, "budget.rounds=3")
    assert sorted(file.name for file in (path / "data").iterdir()) == [f"round_{n:04d}.npz" for n in (0, 1, 2)]
    run(*knobs, "budget.rounds=4")
    assert sorted(file.name for file in (path / "data").iterdir()) == [f"round_{n:04d}.npz" for n in (1, 2, 3)]


def test_a_request_to_stop_is_met_at_the_end_of_the_round(run: Callable[..., Path]):
    knobs = ["trainer=sb3", *CASES["ppo"]]
    whole = run(*knobs, out="whole")
    original = il.training.agent.Agent.learn

    def asked(self, n, *args):
        if n == 1 and not seen:
            seen.append(n)
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, n, *args)

    seen: list[int] = []
    il.training.agent.Agent.learn = asked
    try:
        with pytest.raises(SystemExit) as stopped:
            run(*knobs, out="asked")
        assert stopped.value.code == 143
        path = whole.parent / "asked"
        assert json.loads((path / "run.json").read_text())["status"] == "preempted" and len(rows(path)) == 2
        run(*knobs, out="asked")
    finally:
        il.training.agent.Agent.learn = original
    assert rows(path) == rows(whole) and weights(path) == weights(whole)
