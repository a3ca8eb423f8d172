"""trainer=sb3 as a user meets it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

import il.envs
from il.errors import ConfigError
from il.experts.bundled import load
from il.experts.neutral import MLPExpert, write
from il.training.agent import ALGORITHMS, Agent
from il.training.library import load as library
from tests.conftest import ROOT, rows
from tests.test_knobs import composed

TINY = (
    "logger=none env.n_envs=2 env.horizon=20 trainer.n_envs=2 trainer.steps=80 trainer.eval_every=40 test.episodes=2 "
    "trainer.eval_episodes=2 +trainer.kwargs.n_steps=10 +trainer.kwargs.batch_size=20"
).split()


def slots(id: str, n: int = 2):
    return il.envs.make(id, n, {}, None, "auto", 1, None, [])


@pytest.fixture
def sb3():
    return pytest.importorskip("stable_baselines3")


def test_ppo_learns_cartpole_and_the_result_is_an_expert_without_the_library(run: Callable[..., Path], sb3):
    path = run(
        "trainer=sb3", "env=cartpole", "trainer.steps=20000", "trainer.n_envs=8", "trainer.eval_every=10000",
        "+trainer.kwargs.n_steps=32", "+trainer.kwargs.batch_size=64", "+trainer.kwargs.n_epochs=10",
    )  # fmt: skip
    summary = json.loads((path / "summary.json").read_text())
    assert summary["test/best/return_mean"] > 100 > 3 * summary["test/random/return_mean"]
    code = f"""
import sys
import numpy as np
from il.envs import make
from il.experts.bundled import load
from il.experts.neutral import MLPExpert, write
env = make("CartPole-v1", 1, {{}}, None, "auto", 1, None, [])
expert = load(env.spec, None, {str(path)!r})
print(expert.act(np.eye(4, dtype=np.float32)).tolist(), "stable_baselines3" in sys.modules)
"""
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    expert = load(slots("CartPole-v1").spec, None, str(path))
    assert said.strip() == f"{expert.act(np.eye(4, dtype=np.float32)).tolist()} False"
    assert expert.provenance.return_mean == summary["test/best/return_mean"]
    assert run("algo=dagger", "env=cartpole", f"expert.path={path}", "algo.rounds=1", out="imitation").exists()


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_an_export_acts_and_values_like_the_model(algo: str, sb3):
    import torch

    id = "CartPole-v1" if algo == "dqn" else "Humanoid-v5" if algo == "sac" else "Pendulum-v1"
    env, off = slots(id), algo not in ("ppo", "a2c")
    kwargs = {"learning_starts": 8, "batch_size": 16, "buffer_size": 100} if off else {"n_steps": 20}
    agent = Agent(library("sb3"), algo, env, 0, 40, True, True, False, kwargs, "cpu", None)
    agent.learn(0, 40, lambda done: None)
    expert = MLPExpert(env.spec, *agent.export(), "it")
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(50, *env.spec.obs_shape)).astype(np.float32)
    seen = agent.normalizer.normalize_obs(obs)
    act = agent.model.predict(seen, deterministic=True)[0]
    np.testing.assert_allclose(expert.act(obs), act, rtol=1e-4, atol=1e-5)
    scale = np.sqrt(agent.normalizer.ret_rms.var + 1e-8)
    with torch.no_grad():
        policy, x = agent.model.policy, torch.from_numpy(seen)
        if not off:
            theirs, ours = policy.predict_values(x)[:, 0], expert.value(obs)
        elif algo == "dqn":
            theirs, ours = policy.q_net(x), expert.q(obs, None)
        else:
            tried = rng.uniform(env.spec.low, env.spec.high, (50, env.spec.act_dim)).astype(np.float32)
            scaled = torch.from_numpy(policy.scale_action(tried))
            theirs, ours = torch.cat(policy.critic(x, scaled), 1).amin(1), expert.q(obs, tried)
    np.testing.assert_allclose(ours, theirs.numpy() * scale, rtol=1e-3, atol=1e-4 * scale)


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_training_starts_from_an_export(algo: str, tmp_path: Path, sb3):
    def agent(seed: int, start: str | None) -> Agent:
        kwargs = {"policy_kwargs": {"net_arch": [8, 8]}}
        env = slots("CartPole-v1" if algo == "dqn" else "Pendulum-v1")
        return Agent(library("sb3"), algo, env, seed, 40, True, True, False, kwargs, "cpu", start)

    first = agent(0, None)
    first.normalizer.obs_rms.update(np.random.default_rng(0).normal(2, 3, (50, *first.slots.observation_space.shape)))
    first.normalizer.ret_rms.update(np.arange(9.0))
    arrays, card = first.export()
    write(tmp_path / "expert", arrays, {**card, "steps": 1000})
    again, _ = agent(1, str(tmp_path)).export()
    assert again.keys() == arrays.keys()
    for key, values in arrays.items():
        np.testing.assert_allclose(again[key], values, rtol=1e-6, err_msg=key)
    assert any((agent(1, None).export()[0][key] != values).any() for key, values in arrays.items())
    with pytest.raises(ConfigError, match=r"trainer.start=.*/nowhere: there is no nowhere.safetensors"):
        agent(1, str(tmp_path / "nowhere"))


def test_a_start_of_another_size_is_refused(run: Callable[..., Path], tmp_path: Path, sb3):
    hopper = ROOT / "il" / "experts" / "bundled" / "hopper_v5.safetensors"
    with pytest.raises(ConfigError, match=r"has relu networks.*activation_fn=relu"):
        run("trainer=sb3", "env=hopper", *TINY, f"trainer.start={hopper}")
    with pytest.raises(ConfigError, match=r"layer 0 of its actor has a weight of shape \(11, 256\), here .*\(11, 64\)"):
        run("trainer=sb3", "env=hopper", *TINY, f"trainer.start={hopper}",
            "+trainer.kwargs.policy_kwargs={activation_fn:relu}")  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_half_trained_on_request(run: Callable[..., Path], sb3):
    path = run("trainer=sb3", "env=cartpole", *TINY, "trainer.stop_at_return=5")
    assert len(rows(path)) == 1 and json.loads((path / "expert.json").read_text())["steps"] == 40
    assert len(rows(run("trainer=sb3", "env=cartpole", *TINY, "trainer.stop_at_return=1000", out="on"))) == 2


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["trainer.algo=pppo"], r"trainer.algo=pppo: no such algorithm \(did you mean 'ppo'\?\)"),
        (
            ["trainer.algo=sac"],
            "trainer.algo=sac takes continuous actions, CartPole-v1 has discrete ones: .*ppo, a2c, dqn",
        ),
        (["trainer.algo=dqn", "env=pendulum"], "takes discrete actions, Pendulum-v1 has continuous ones"),
        (
            ["+trainer.kwargs.gama=0.9"],
            r"trainer.kwargs.gama: .*3.PPO has no such argument \(did you mean 'gamma'\?\)",
        ),
        (["trainer.steps=0"], "trainer.steps=0: must be at least 1"),
        (["+trainer.kwargs.policy_kwargs={activation_fn:swish}"], "activation_fn=swish: one of tanh, relu"),
        (["trainer.algo=sac", "env=pendulum", "+trainer.kwargs.use_sde=true"], "use_sde=true"),
    ],
)
def test_what_cannot_be_is_refused_before_a_directory_appears(run, tmp_path: Path, overrides, said: str, sb3):
    with pytest.raises(ConfigError, match=said):
        run("trainer=sb3", "env=cartpole", *TINY, *overrides)
    assert not list(tmp_path.iterdir())


def test_without_the_library_the_extra_is_named(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    with pytest.raises(ConfigError, match=r"^trainer=sb3 needs an extra: pip install 'il\[sb3\]'$"):
        run("trainer=sb3", "env=cartpole", *TINY)
    assert not list(tmp_path.iterdir())


def launch(*arguments: str, **kwargs) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "launch.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, **kwargs)


def test_a_sweep_of_seeds_and_resume_by_directory_work_from_the_command_line(tmp_path: Path, sb3):
    knobs = ["trainer=sb3", "env=cartpole", *TINY, f"hydra.sweep.dir={tmp_path}/sweep", "budget.rounds=1"]
    done = launch(*knobs, "-m", "seed=1,2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    jobs = sorted(path.parent for path in tmp_path.rglob("run.json"))
    assert len(jobs) == 2 and rows(jobs[0]) != rows(jobs[1])
    resumed = launch(f"resume='{jobs[0]}'", "budget.rounds=2", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert len(rows(jobs[0])) == 2
    info = json.loads((jobs[0] / "run.json").read_text())
    assert (
        info["choices"]["algo"] == "ppo"
        and info["choices"]["expert"] is None
        and info["group"] == "cartpole-ppo-" + info["group"][-6:]
    )


def test_no_part_of_imitation_is_needed_or_imported(tmp_path: Path, sb3):
    code = f"""
import sys
from pathlib import Path
from il.config import build, register
from hydra import compose, initialize_config_dir
register()
with initialize_config_dir({str(ROOT / "conf")!r}, version_base="1.3"):
    cfg = compose("config", overrides=["trainer=sb3", "env=cartpole", *{TINY}, "out=alone", "outputs_dir={tmp_path}"])
build(cfg.trainer, "trainer")(cfg).run()
print(*[m for m in sys.modules if m.startswith(("il.algos.", "il.experts.", "il.assemble"))])
"""
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    imported = set(said.stdout.splitlines()[-1].split())
    assert imported <= {"il.algos.base", "il.experts.base", "il.experts.neutral"}


def test_every_recipe_is_whole_and_fits_its_algorithm(sb3):
    trainer = OmegaConf.to_container(composed("trainer=sb3").trainer)
    assert trainer["recipes"].keys() == ALGORITHMS.keys()
    left_open = {key for key, value in trainer.items() if value is None} - {"stop_at_return", "start"}
    for algo, recipe in trainer["recipes"].items():
        assert recipe.keys() == {"kwargs", *left_open}
        env = slots("CartPole-v1" if algo == "dqn" else "Pendulum-v1", recipe["n_envs"])
        flags = (recipe[key] for key in ("normalize_obs", "normalize_reward", "anneal"))
        Agent(library("sb3"), algo, env, 0, recipe["steps"], *flags, recipe["kwargs"], "cpu", None)
