"""What sbx trains: exports that act and value like its models, adopted again, and resumed bit for bit."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sbx", reason="needs il[sbx]")

from il.errors import ConfigError
from il.experts.neutral import MLPExpert, write
from il.training.agent import Agent
from il.training.library import OFF_POLICY_BY_SBX, choose, load
from tests.conftest import ROOT, SMALL, rows, weights
from tests.training.test_resume import CASES
from tests.training.test_trainer import slots


def knobs(algo: str) -> list[str]:
    return ["trainer=sb3", f"trainer.algo={algo}", *CASES[algo], "trainer.library=sbx", "trainer.anneal=true"]


def agent(algo: str, id: str, seed: int = 0, start: str | None = None, **kwargs) -> Agent:
    kwargs = {"learning_starts": 8, "batch_size": 16, "buffer_size": 100, **kwargs}
    return Agent(load("sbx"), algo, slots(id), seed, 40, True, True, True, kwargs, "cpu", start)


@pytest.mark.parametrize("algo", OFF_POLICY_BY_SBX)
def test_an_export_acts_and_values_like_the_model_and_is_adopted(algo: str, tmp_path: Path):
    layers = {"net_arch": {"pi": [16, 8], "qf": [12]}, "activation_fn": "tanh"}
    first = agent(algo, "Pendulum-v1", policy_kwargs=layers)
    first.learn(0, 40, lambda done: None)
    arrays, card = first.export()
    env, model = first.slots.env, first.model
    expert = MLPExpert(env.spec, arrays, card, "it")
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(50, *env.spec.obs_shape)).astype(np.float32)
    seen = first.normalizer.normalize_obs(obs)
    np.testing.assert_allclose(expert.act(obs), model.predict(seen, deterministic=True)[0], rtol=0, atol=1e-5)
    tried = rng.uniform(env.spec.low, env.spec.high, (50, env.spec.act_dim)).astype(np.float32)
    state, scale = model.policy.qf_state, np.sqrt(first.normalizer.ret_rms.var + 1e-8)
    theirs = np.asarray(state.apply_fn(state.params, seen, model.policy.scale_action(tried))).min(0)[:, 0]
    np.testing.assert_allclose(expert.q(obs, tried), theirs * scale, rtol=1e-4, atol=1e-5 * scale)

    write(tmp_path / "expert", arrays, {**card, "steps": 1000})
    again = agent(algo, "Pendulum-v1", 1, str(tmp_path), policy_kwargs=layers)
    for key, values in again.export()[0].items():
        np.testing.assert_allclose(values, arrays[key], rtol=1e-6, atol=1e-5, err_msg=key)
    targets = again.library.state(again.model)["qf_state"]
    assert str(targets["target_params"]) == str(targets["params"])


@pytest.mark.parametrize("algo", ["sac", "td3"])
def test_stops_change_nothing(run: Callable[..., Path], algo: str):
    whole = run(*knobs(algo), out="whole")
    for rounds in (1, "null"):
        parts = run(*knobs(algo), f"budget.rounds={rounds}", out="parts")
    assert len(rows(whole)) == 4 and rows(parts) == rows(whole)
    assert weights(parts) == weights(whole)
    assert (parts / "expert.safetensors").read_bytes() == (whole / "expert.safetensors").read_bytes()
    rates = [value for row in rows(whole) for key, value in row.items() if "learning_rate" in key]
    assert rates and rates == sorted(rates, reverse=True) and rates[-1] < rates[0] / 2, "they are annealed"
    assert {"sbx-rl", "jax"} <= json.loads((whole / "expert.json").read_text())["versions"].keys()
    assert {"sbx-rl", "jax"} <= json.loads((whole / "run.json").read_text())["versions"].keys()


def test_a_kill_changes_nothing(run: Callable[..., Path], tmp_path: Path):
    """In a process of its own: JAX has threads, so it does not survive a fork."""
    whole = run(*knobs("sac"), out="whole")
    command = [sys.executable, ROOT / "launch.py", *SMALL, *knobs("sac"), f"outputs_dir={tmp_path}", "out=killed"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    record = tmp_path / "killed" / "metrics.jsonl"
    while child.poll() is None and not (record.exists() and record.read_text().count("\n")):
        time.sleep(0.001)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    killed = run(*knobs("sac"), out="killed")
    assert rows(killed) == rows(whole) and weights(killed) == weights(whole)


def test_auto_takes_it_and_no_normalisation_is_hidden(run: Callable[..., Path], tmp_path: Path):
    assert [choose("auto", algo) for algo in ("sac", "td3", "ddpg", "dqn", "ppo")] == 3 * ["sbx"] + 2 * ["sb3"]
    for key in ("layer_norm", "dropout_rate"):
        with pytest.raises(ConfigError, match=f"policy_kwargs.{key}=.*: an export cannot hold it"):
            run(*knobs("sac"), f"+trainer.kwargs.policy_kwargs.{key}=1")
    with pytest.raises(ConfigError, match=r"trainer.kwargs.optimize_memory_usage: sbx.SAC has no such argument"):
        run(*knobs("sac"), "+trainer.kwargs.optimize_memory_usage=true")
    assert not list(tmp_path.iterdir())
