import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from il.envs.base import EnvSpec
from il.errors import ConfigError
from il.experts import sb3_nets, sb3_reader
from il.experts.sb3 import Sb3Expert

ZOO = {
    "ppo/CartPole-v1": (4, 2, True),
    "dqn/CartPole-v1": (4, 2, True),
    "ppo/LunarLander-v2": (8, 4, True),
    "ddpg/LunarLanderContinuous-v2": (8, 2, False),
    "tqc/Hopper-v3": (11, 3, False),
    "sac/Hopper-v3": (11, 3, False),
    "sac/Walker2d-v3": (17, 6, False),
    "sac/HalfCheetah-v3": (17, 6, False),
    "ppo/BipedalWalker-v3": (24, 4, False),
    "ppo/BipedalWalkerHardcore-v3": (24, 4, False),
    "a2c/BipedalWalkerHardcore-v3": (24, 4, False),
}


@pytest.fixture
def zoo(shared) -> Path:
    return shared / "data/zoo"


def spec_of(id: str, obs: int | tuple[int, ...], act: int, discrete: bool, bound: float = 1.0) -> EnvSpec:
    shape = obs if isinstance(obs, tuple) else (obs,)
    low, high = (None, None) if discrete else (np.full(act, -bound, np.float32), np.full(act, bound, np.float32))
    return EnvSpec(id, shape, shape, discrete, act, low, high, 100)


def expert(path: Path, spec: EnvSpec, algo=None, trusted=False, stats="auto", env=None) -> Sb3Expert:
    return Sb3Expert(str(path), algo, trusted, stats, env, spec=spec)


def zip_in(zoo: Path, name: str) -> Path:
    return zoo / name / f"{name.split('/')[1]}.zip"


def zoo_spec(name: str) -> EnvSpec:
    return spec_of(name.split("/")[1], *ZOO[name])


def rewrite(source: Path, to: Path, change) -> Path:
    """Copy a zip with a changed JSON part."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "data":
                data = json.loads(content)
                change(data)
                content = json.dumps(data).encode()
            new.writestr(name, content)
    return to


@pytest.mark.parametrize("name", ZOO)
def test_zoo_zips_load_without_the_library_or_any_unpickling(zoo, name, monkeypatch):
    import cloudpickle

    monkeypatch.setattr(cloudpickle, "loads", lambda *_: pytest.fail("unpickled something"))
    one = expert(zip_in(zoo, name), zoo_spec(name))
    obs = np.random.default_rng(0).normal(size=(5, ZOO[name][0])).astype(np.float32)
    act = one.act(obs)
    assert one.algorithm == name.split("/")[0] and one.provenance.env_id == name.split("/")[1]
    assert act.shape == (5, *one.spec.act_shape) and act.dtype == one.spec.act_dtype
    assert one.can == ({"value"} if one.algorithm in ("ppo", "a2c") else {"q"})
    assert one.provenance.extra["runs_code"] is False and len(one.provenance.sha256) == 64


@pytest.mark.parametrize("name", ZOO)
def test_rebuilt_policies_equal_the_library(zoo, name):
    pytest.importorskip("sb3_contrib")
    archive = sb3_reader.read(zip_in(zoo, name))
    ours, theirs = sb3_nets.rebuild(archive), sb3_nets.load_library(archive)
    rng = torch.Generator().manual_seed(0)
    obs = 3 * torch.randn(64, ZOO[name][0], generator=rng)
    act = None if ZOO[name][2] else 2 * torch.rand(64, ZOO[name][1], generator=rng) - 1
    assert ours.squashed == theirs.squashed
    with torch.no_grad():
        torch.testing.assert_close(ours.act(obs), theirs.act(obs))
        assert (ours.q is None) == (theirs.q is None) and (ours.value is None) == (theirs.value is None)
        if ours.q is not None:
            torch.testing.assert_close(ours.q(obs, act), theirs.q(obs, act), rtol=1e-4, atol=1e-4)
        if ours.value is not None:
            torch.testing.assert_close(ours.value(obs), theirs.value(obs), rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Agents of today's library, untrained: name to (model, zip, spec)."""
    pytest.importorskip("stable_baselines3")
    contrib = pytest.importorskip("sb3_contrib")
    from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3

    folder = tmp_path_factory.mktemp("zips")
    small = {"buffer_size": 1}
    nets = {"policy_kwargs": {"net_arch": {"pi": [8], "vf": [7, 6]}, "activation_fn": torch.nn.ELU}}
    sde = {"use_sde": True, "policy_kwargs": {"squash_output": True, "net_arch": [8]}}
    pendulum, cartpole = spec_of("Pendulum-v1", 3, 1, False, 2.0), spec_of("CartPole-v1", 4, 2, True)
    makers = {
        "ppo": (PPO, nets, pendulum),
        "ppo_sde": (PPO, sde, pendulum),
        "a2c": (A2C, {}, cartpole),
        "trpo": (contrib.TRPO, {}, pendulum),
        "sac": (SAC, small, pendulum),
        "sac_sde": (SAC, {**small, "use_sde": True}, pendulum),
        "tqc": (contrib.TQC, small, pendulum),
        "td3": (TD3, small, pendulum),
        "ddpg": (DDPG, small, pendulum),
        "dqn": (DQN, small, cartpole),
    }
    out = {}
    for k, (name, (maker, options, spec)) in enumerate(makers.items()):
        model = maker("MlpPolicy", spec.id, device="cpu", seed=k, **options)
        for parameter in model.policy.parameters():
            parameter.data.mul_(3)
        model.save(folder / name)
        out[name] = model, folder / f"{name}.zip", spec
    return out


NAMES = ["ppo", "ppo_sde", "a2c", "trpo", "sac", "sac_sde", "tqc", "td3", "ddpg", "dqn"]


@pytest.mark.parametrize("name", NAMES)
def test_todays_zips_act_as_the_library_does(saved, name):
    model, path, spec = saved[name]
    one = expert(path, spec)
    obs = np.random.default_rng(1).normal(size=(50, *spec.obs_shape)).astype(np.float32)
    act = one.act(obs) if spec.discrete else np.clip(one.act(obs), spec.low, spec.high)
    np.testing.assert_allclose(act, model.predict(obs, deterministic=True)[0], atol=1e-5)
    assert one.algorithm == name.split("_")[0]


def test_critics_of_the_library(saved):
    model, path, spec = saved["td3"]
    obs, act = np.ones((4, 3), np.float32), np.linspace(-3, 3, 4, dtype=np.float32)[:, None]
    scaled = torch.as_tensor(np.clip(act, -2, 2) / 2)
    with torch.no_grad():
        expected = torch.cat(model.critic(torch.as_tensor(obs), scaled), 1).amin(1)
    np.testing.assert_allclose(expert(path, spec).q(obs, act), expected, rtol=1e-4)
    one = expert(saved["dqn"][1], saved["dqn"][2])
    obs = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    every = one.q(obs, None)
    assert every.shape == (6, 2) and (one.act(obs) == every.argmax(1)).all()
    np.testing.assert_array_equal(one.q(obs, np.array([1, 0] * 3)), every[np.arange(6), [1, 0] * 3])
    with pytest.raises(NotImplementedError):
        one.value(obs)


def test_a_policy_that_is_no_plain_mlp_needs_trust(tmp_path, caplog):
    PPO = pytest.importorskip("stable_baselines3").PPO
    import gymnasium

    class Image(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(0, 255, (40, 44, 3), np.uint8)
        action_space = gymnasium.spaces.Discrete(3)

        def reset(self, *, seed=None, options=None):
            return self.observation_space.sample(), {}

        def step(self, action):
            return self.observation_space.sample(), 0.0, False, False, {}

    model = PPO("CnnPolicy", Image(), n_steps=8, batch_size=8, device="cpu")
    model.save(tmp_path / "x.zip")
    spec = spec_of("Image", (40, 44, 3), 3, True)
    with pytest.raises(ConfigError, match=r"expert\.trusted=true .* runs code"):
        expert(tmp_path / "x.zip", spec)
    one = expert(tmp_path / "x.zip", spec, trusted=True)
    assert "runs code" in caplog.text and one.provenance.extra["runs_code"] is True
    obs = np.random.default_rng(0).integers(0, 256, (5, 40, 44, 3)).astype(np.float32)
    np.testing.assert_array_equal(one.act(obs), model.predict(obs.astype(np.uint8), deterministic=True)[0])
    assert one.value(obs).shape == (5,)


class Trace:
    """Leaves a file behind when unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def hostile(path: Path, source: Path) -> Path:
    import base64
    import pickle

    blob = base64.b64encode(pickle.dumps(Trace(path.with_suffix(".trace")))).decode()

    def poison(data):
        for key, value in data.items():
            if isinstance(value, dict) and ":serialized:" in value:
                data[key][":serialized:"] = blob

    return rewrite(source, path, poison)


@pytest.mark.parametrize("name", ["sac", "ppo"])
def test_nothing_of_a_hostile_zip_runs(saved, tmp_path, name):
    _, path, spec = saved[name]
    bad = hostile(tmp_path / "x.zip", path)
    for trusted in (False, True):  # a plain MLP needs no pickle even when it may run
        expert(bad, spec, trusted=trusted)
    assert not (tmp_path / "x.trace").exists()


def test_corrupt_schedules_and_spaces_do_not_matter(saved, tmp_path):
    _, path, spec = saved["ppo"]

    def corrupt(data):
        for key in ("lr_schedule", "clip_range", "observation_space", "action_space"):
            data[key][":serialized:"] = "AAAA"

    bad = rewrite(path, tmp_path / "x.zip", corrupt)
    obs = np.ones((3, 3), np.float32)
    np.testing.assert_array_equal(expert(bad, spec).act(obs), expert(path, spec).act(obs))
    library = sb3_nets.load_library(sb3_reader.read(bad))
    assert library.act(torch.as_tensor(obs)).shape == (3, 1)


@pytest.mark.parametrize(
    ("options", "spec", "says"),
    [
        ({"algo": "sac"}, {}, r"expert\.algo=sac, but .* was trained by ppo or a2c or trpo"),
        ({"algo": "pp"}, {}, r"expert\.algo=pp is unknown \(did you mean 'ppo'\?\)"),
        ({"env": "Acrobot-v1"}, {}, "made for Acrobot-v1, not for Pendulum-v1"),
        ({}, {"obs": 4}, r"observations of shape \(3,\), Pendulum-v1 gives \(4,\)"),
        ({}, {"act": 2}, "actions of 1 numbers, Pendulum-v1 takes 2"),
        ({}, {"discrete": True}, "has continuous actions, Pendulum-v1 takes discrete ones"),
        ({}, {"bound": 1.0}, "the action space differs"),
        ({"stats": "missing.pkl"}, {}, "no file missing.pkl"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(saved, options, spec, says):
    facts = {"id": "Pendulum-v1", "obs": 3, "act": 1, "discrete": False, "bound": 2.0, **spec}
    with pytest.raises(ConfigError, match=says) as error:
        expert(saved["ppo"][1], spec_of(**facts), **options)
    assert "\n" not in str(error.value)


def test_walker_is_not_taken_for_halfcheetah(zoo):
    path = zip_in(zoo, "sac/Walker2d-v3")
    with pytest.raises(ConfigError, match="made for Walker2d-v3, not for HalfCheetah-v5"):
        expert(path, spec_of("HalfCheetah-v5", 17, 6, False))
    expert(path, spec_of("Walker2d-v5", 17, 6, False))
    expert(path, spec_of("MyWalker-v0", 17, 6, False), env="MyWalker-v0")


@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_a_truncated_zip_is_one_clear_line(saved, tmp_path, share):
    whole = saved["ppo"][1].read_bytes()
    (tmp_path / "x.zip").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ConfigError, match="truncated") as error:
        expert(tmp_path / "x.zip", saved["ppo"][2])
    assert "\n" not in str(error.value)


def test_other_files(tmp_path, saved):
    spec = saved["ppo"][2]
    shutil.copy(saved["ppo"][1], tmp_path / "agent.zip")
    with pytest.raises(ConfigError, match=r"did you mean 'agent\.zip'"):
        expert(tmp_path / "agnt.zip", spec)
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as file:
        file.writestr("data", "{}")
        file.writestr("parameters", "")
    with pytest.raises(ConfigError, match="Stable-Baselines 2"):
        expert(tmp_path / "old.zip", spec)


def test_values_that_are_not_finite_are_refused(saved, tmp_path):
    model, _, spec = saved["td3"]
    weight = model.policy.actor.mu[0].weight
    kept = weight.data.clone()
    weight.data[0, 0] = torch.nan
    model.save(tmp_path / "x")
    weight.data.copy_(kept)
    with pytest.raises(ConfigError, match="not finite"):
        expert(tmp_path / "x.zip", spec)
