import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from il.envs.base import EnvSpec
from il.errors import ConfigError
from il.experts.sb3 import Sb3Expert
from il.experts.sb3_folder import statistics

ONES = np.ones(4, np.float32)
WALKER = EnvSpec("BipedalWalker-v3", (24,), (24,), False, 4, -ONES, ONES, 1600)


@pytest.fixture
def walker(tmp_path, shared) -> Path:
    return Path(shutil.copytree(shared / "data/zoo/ppo/BipedalWalker-v3", tmp_path / "ppo/BipedalWalker-v3"))


@pytest.fixture
def made(tmp_path):
    """A PPO agent trained for a moment under VecNormalize: (zip, statistics, model, wrapped environment)."""
    PPO = pytest.importorskip("stable_baselines3").PPO
    import gymnasium
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    env = VecNormalize(DummyVecEnv([lambda: gymnasium.make("Pendulum-v1")]), clip_obs=2.0)
    model = PPO("MlpPolicy", env, n_steps=64, batch_size=64, n_epochs=1, device="cpu", seed=0).learn(64)
    model.save(tmp_path / "model.zip")
    env.save(tmp_path / "vec_normalize.pkl")
    return tmp_path / "model.zip", tmp_path / "vec_normalize.pkl", model, env


PENDULUM = EnvSpec("Pendulum-v1", (3,), (3,), False, 1, np.full(1, -2, np.float32), np.full(1, 2, np.float32), 200)


def expert(path: Path, spec: EnvSpec, stats: str = "auto") -> Sb3Expert:
    return Sb3Expert(str(path), None, False, stats, None, spec=spec)


def test_statistics_of_an_old_gym_are_applied(walker):
    one = expert(walker / "BipedalWalker-v3.zip", WALKER)
    raw = expert(walker / "BipedalWalker-v3.zip", WALKER, "none")
    stats = statistics(walker / "vecnormalize.pkl", (24,))
    assert "normalised" in one.provenance.source and one.provenance.extra["normalized"]
    assert "raw observations" in raw.provenance.source
    obs = np.random.default_rng(0).normal(size=(8, 24)).astype(np.float32)
    by_hand = np.clip((obs - stats.mean) / np.sqrt(stats.var + stats.epsilon), -stats.clip, stats.clip)
    np.testing.assert_allclose(one.act(obs), raw.act(by_hand.astype(np.float32)), rtol=1e-5)
    assert stats.reward_scale > 0
    np.testing.assert_allclose(one.value(obs), raw.value(by_hand.astype(np.float32)) * stats.reward_scale, rtol=1e-5)


def test_missing_statistics_are_an_error(walker):
    (walker / "vecnormalize.pkl").unlink()
    with pytest.raises(ConfigError, match=r"trained on normalised observations.* expert\.stats"):
        expert(walker / "BipedalWalker-v3.zip", WALKER)
    for name in ("config.yml", "args.yml"):  # the zip itself says so too
        (walker / name).unlink()
    with pytest.raises(ConfigError, match="trained on normalised observations"):
        expert(walker / "BipedalWalker-v3.zip", WALKER)
    expert(walker / "BipedalWalker-v3.zip", WALKER, "none")


@pytest.mark.parametrize(
    ("setting", "needed"),
    [
        ("normalize: true", True),
        ("normalize: false", False),
        ("normalize: {norm_obs: true, norm_reward: false}", True),
        ("normalize: {norm_obs: false, norm_reward: true}", False),
        ("""normalize: "{'norm_obs': True, 'norm_reward': False}" """, True),
        ("""normalize: "dict(norm_obs=False, norm_reward=True)" """, False),
    ],
)
def test_how_rl_zoo_writes_its_setting(walker, setting, needed):
    (walker / "vecnormalize.pkl").unlink()
    key, value = setting.split(": ", 1)
    config = f"!!python/object/apply:collections.OrderedDict\n- - - {key}\n    - {value}\n"
    (walker / "config.yml").write_text(config)
    if needed:
        with pytest.raises(ConfigError, match="normalised"):
            expert(walker / "BipedalWalker-v3.zip", WALKER)
    else:
        expert(walker / "BipedalWalker-v3.zip", WALKER)


def test_rl_zoo_keeps_settings_and_statistics_in_a_folder(walker):
    inside = walker / "BipedalWalker-v3"
    inside.mkdir()
    for name in ("vecnormalize.pkl", "config.yml", "args.yml"):
        shutil.move(walker / name, inside / name)
    shutil.copy(walker / "BipedalWalker-v3.zip", walker / "best_model.zip")
    for name in ("BipedalWalker-v3.zip", "best_model.zip"):
        assert expert(walker / name, WALKER).provenance.extra["normalized"]
    checkpoint = walker / "rl_model_500_steps.zip"
    shutil.copy(walker / "BipedalWalker-v3.zip", checkpoint)
    wrong = walker / "rl_model_vecnormalize_500_steps.pkl"
    wrong.write_bytes(b"")
    with pytest.raises(ConfigError, match="rl_model_vecnormalize_500_steps"):
        expert(checkpoint, WALKER)


def test_todays_statistics_and_rewards(made):
    path, _, model, env = made
    one = expert(path, PENDULUM)
    obs = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32) * 3
    normalized = env.normalize_obs(obs)
    expected = model.predict(normalized, deterministic=True)[0]
    np.testing.assert_allclose(np.clip(one.act(obs), -2, 2), expected, atol=1e-5)
    raw = model.policy.predict_values(model.policy.obs_to_tensor(normalized)[0])[:, 0].detach().numpy()
    scale = np.sqrt(env.ret_rms.var + env.epsilon)
    np.testing.assert_allclose(one.value(obs), raw * scale, rtol=1e-4)


def test_statistics_that_do_not_fit_or_are_no_numbers(made, tmp_path):
    _, file, _, env = made
    with pytest.raises(ConfigError, match=r"statistics of shape \(3,\)"):
        statistics(file, (4,))
    env.obs_rms.var[0] = -1
    env.save(file)
    with pytest.raises(ConfigError, match="negative variance"):
        statistics(file, (3,))
    file.write_bytes(pickle.dumps({"mean": 1}))
    with pytest.raises(ConfigError, match="no statistics"):
        statistics(file, (3,))


def test_hostile_statistics_run_nothing(made, tmp_path):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "trace"),)

    path, file, _, _ = made
    file.write_bytes(pickle.dumps(Payload()))
    with pytest.raises(ConfigError, match="mkdir"):
        expert(path, PENDULUM)
    assert not (tmp_path / "trace").exists()


def test_recorded_scores_are_read(made):
    path = made[0]
    (path.parent / "results.json").write_text('{"mean_reward": -150.5, "std_reward": 80.0}')
    one = expert(path, PENDULUM)
    assert (one.provenance.return_mean, one.provenance.return_std) == (-150.5, 80.0)
