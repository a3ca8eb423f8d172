"""The batched stepper against gymnasium itself: same seeds, same actions, same bits."""

import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from il.envs import make
from il.envs.base import SlotError
from il.envs.mujoco import MujocoVectorEnv, supports
from il.errors import ConfigError

ASSETS = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"
V4 = "Ant HalfCheetah Hopper Walker2d Humanoid Swimmer InvertedPendulum InvertedDoublePendulum Reacher".split()
PLAIN = [*(f"{name}-v4" for name in V4), *(f"{name}-v5" for name in V4), "Pusher-v5"]
WHOLE = {"exclude_current_positions_from_observation": False}
ENDLESS = {"terminate_when_unhealthy": False}
OTHER: list[tuple[str, dict[str, Any]]] = [
    ("Ant-v4", {"use_contact_forces": True, "contact_cost_weight": 1e-3, "contact_force_range": (-0.7, 0.3), **WHOLE}),
    ("Ant-v4", {"healthy_z_range": (0.3, 0.9), "healthy_reward": 0.7, "reset_noise_scale": 0.2, **ENDLESS}),
    ("Ant-v5", {"main_body": "front_left_leg", "forward_reward_weight": 0.7, "ctrl_cost_weight": 0.1, **WHOLE}),
    (
        "Ant-v5",
        {"include_cfrc_ext_in_observation": False, "frame_skip": 2, "contact_force_range": [-2, 0.1], **ENDLESS},
    ),
    ("Ant-v5", {"include_cfrc_ext_in_observation": False, "contact_cost_weight": 0, "main_body": 4}),
    ("HalfCheetah-v4", {"forward_reward_weight": 2, "ctrl_cost_weight": 0.3, "reset_noise_scale": 0.01, **WHOLE}),
    ("HalfCheetah-v5", {"xml_file": str(ASSETS / "half_cheetah.xml"), "frame_skip": 3, **WHOLE}),
    ("Hopper-v4", {"healthy_state_range": (-2, 2), "healthy_angle_range": (-0.1, 0.3), "healthy_reward": 3, **WHOLE}),
    ("Hopper-v5", {"healthy_z_range": (0.9, 2.0), "healthy_state_range": (-5, 5), "ctrl_cost_weight": 0.1, **ENDLESS}),
    ("Walker2d-v4", {"healthy_angle_range": (-0.3, 0.3), "forward_reward_weight": 0.3, **WHOLE, **ENDLESS}),
    ("Walker2d-v5", {"xml_file": "walker2d.xml", "healthy_z_range": (0.9, 1.5), "healthy_reward": 0.1, **WHOLE}),
    ("Humanoid-v4", {"healthy_z_range": (0.5, 3.0), "ctrl_cost_weight": 1, **WHOLE}),
    ("Humanoid-v5", {"contact_cost_weight": 1e-3, "contact_cost_range": (0.1, 2), **WHOLE, **ENDLESS}),
    ("Humanoid-v5", {"include_cinert_in_observation": False, "include_cfrc_ext_in_observation": False}),
    (
        "Humanoid-v5",
        {"include_cvel_in_observation": False, "include_qfrc_actuator_in_observation": False, "contact_cost_weight": 0},
    ),
    ("Swimmer-v4", {"forward_reward_weight": 3, "ctrl_cost_weight": 0.1, **WHOLE}),
    ("Swimmer-v5", {"reset_noise_scale": 0.5, "frame_skip": 2, **WHOLE}),
    ("InvertedPendulum-v5", {"reset_noise_scale": 0.15, "frame_skip": 1}),
    ("InvertedDoublePendulum-v5", {"healthy_reward": 3, "reset_noise_scale": 0.2, "frame_skip": 2}),
    ("Reacher-v5", {"reward_dist_weight": 3, "reward_control_weight": 0.1, "frame_skip": 4}),
    ("Pusher-v5", {"reward_near_weight": 2, "reward_dist_weight": 0.3, "reward_control_weight": 1, "frame_skip": 3}),
]
KINDS = ["Hopper-v5", "Ant-v5", "Reacher-v4"]
"""One task on each engine, and one whose reward looks back."""


def batched(id: str, n: int, horizon: int | None = None, num_threads: int = 1, **kwargs: Any) -> MujocoVectorEnv:
    assert supports(id, kwargs) is None
    return MujocoVectorEnv(id, n, kwargs, horizon, num_threads, None)


def reference(id: str, kwargs: dict[str, Any]) -> "gymnasium.Env[Any, Any]":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return gymnasium.make(id, disable_env_checker=True, **kwargs)


def actions(env: MujocoVectorEnv, rng: np.random.Generator, m: int) -> np.ndarray:
    """Draw some within and some beyond the bounds."""
    return rng.uniform(1.3 * env.spec.low, 1.3 * env.spec.high, (m, env.spec.act_dim)).astype(np.float32)


@pytest.mark.parametrize(("id", "kwargs"), [*((id, {}) for id in PLAIN), *OTHER])
def test_equals_gymnasium_bit_for_bit(id: str, kwargs: dict[str, Any]):
    """Two slots over 1000 steps (300 with other arguments), resets included; one slot pauses now and then."""
    env, others = batched(id, 2, **kwargs), [reference(id, kwargs) for _ in range(2)]
    space = others[0].action_space
    assert others[0].observation_space.shape == env.spec.obs_shape
    assert env.spec.horizon == others[0].spec.max_episode_steps
    np.testing.assert_array_equal([space.low, space.high], [env.spec.low, env.spec.high])
    rng, seed, ended = np.random.default_rng(0), 0, np.arange(2)
    for t in range(300 if kwargs else 1000):
        for i in ended:
            seed += 1
            env.reset(np.array([i]), [seed])
            np.testing.assert_array_equal(env.obs[i], others[i].reset(seed=seed)[0].astype(np.float32))
        ids = np.arange(2) if t % 5 else np.array([t % 2])
        act = actions(env, rng, len(ids))
        got = env.step(act, ids)
        want = [others[i].step(np.clip(a, space.low, space.high)) for i, a in zip(ids, act, strict=True)]
        np.testing.assert_array_equal(env.obs[ids], np.array([w[0] for w in want], np.float32))
        np.testing.assert_array_equal(got[0], [w[1] for w in want])
        np.testing.assert_array_equal(got[1:], [[w[k] for w in want] for k in (2, 3)])
        ended = ids[got[1] | got[2]]


@pytest.mark.parametrize("id", KINDS)
def test_goes_on_from_a_snapshot_in_any_slot_of_any_environment(id: str):
    env, rng, both = batched(id, 4), np.random.default_rng(1), np.array([1, 3])
    env.reset(np.arange(4), [5, 6, 7, 8])
    for _ in range(8):
        env.step(actions(env, rng, 4), np.arange(4))
    state = env.snapshot(both)
    plan = [actions(env, rng, 2) for _ in range(12)]
    first = [(*env.step(a, both), env.obs[both]) for a in plan]
    other = batched(id, 3)  # its slots have never been used
    for target, ids in ((env, np.array([0, 1])), (env, both), (other, np.array([0, 2]))):
        target.restore(ids, state)
        np.testing.assert_array_equal(target.obs[ids], state.obs)
        again = [(*target.step(a, ids), target.obs[ids]) for a in plan]
        for one, two in zip(first, again, strict=True):
            for x, y in zip(one, two, strict=True):
                np.testing.assert_array_equal(x, y)
    assert len(state[[0, 0, 1]]) == 3


@pytest.mark.parametrize("id", KINDS)
def test_neither_threads_nor_the_other_slots_change_a_slot(id: str):
    """With three threads and seven slots it gives what it gives alone."""
    many, one = batched(id, 7, num_threads=3), batched(id, 1)
    rng, all_ids = np.random.default_rng(2), np.arange(7)
    many.reset(all_ids[::-1], list(range(7)))  # slot k gets seed 6 - k
    one.reset(np.array([0]), [2])
    for t in range(20):
        act = actions(many, rng, 7)
        ids = all_ids if t % 2 else np.array([1, 4, 6])
        resting = np.setdiff1d(all_ids, ids)
        before = many.obs[resting]
        got = many.step(act[ids], ids)
        np.testing.assert_array_equal(many.obs[resting], before)
        want = one.step(act[[4]], np.array([0]))
        np.testing.assert_array_equal([x[ids == 4][0] for x in got], [x[0] for x in want])
        np.testing.assert_array_equal(many.obs[4], one.obs[0])


def test_an_end_and_the_time_limit_may_coincide():
    free = batched("Hopper-v5", 1)
    free.reset(np.array([0]), [0])
    push = np.ones((1, 3), np.float32)
    length = next(t for t in range(1, 1000) if free.step(push, np.array([0]))[1][0])
    for horizon, flags in ((length, (True, True)), (length - 1, (False, True)), (length + 1, (True, False))):
        env = batched("Hopper-v5", 1, horizon)
        env.reset(np.array([0]), [0])
        for _ in range(min(horizon, length)):
            _, terminated, truncated = env.step(push, np.array([0]))
        assert (terminated[0], truncated[0]) == flags


def test_the_expert_sees_its_own_view():
    env = MujocoVectorEnv("Ant-v5", 3, {}, None, 1, lambda obs: obs[..., :27])
    assert env.spec.expert_obs_shape == (27,)
    env.reset(np.arange(3), [0, 1, 2])
    state = env.snapshot(np.array([0]))
    env.step(np.ones((2, 8), np.float32), np.array([0, 2]))
    np.testing.assert_array_equal(env.expert_obs, env.obs[:, :27])
    env.restore(np.array([0]), state)
    np.testing.assert_array_equal(env.expert_obs, env.obs[:, :27])


def test_a_failing_simulation_names_its_slot(tmp_path: Path):
    """With so little memory the flight is simulated, but not the landing."""
    model = (ASSETS / "hopper.xml").read_text().replace("<option", '<size memory="4K"/><option', 1)
    (tmp_path / "small.xml").write_text(model)
    env, push = batched("Hopper-v5", 2, xml_file=str(tmp_path / "small.xml")), np.ones((2, 3), np.float32)
    env.reset(np.arange(2), [0, 1])
    env.step(push, np.arange(2))
    with pytest.raises(SlotError, match="out of memory") as failure:
        for _ in range(20):
            env.step(push[:1], np.array([1]))
    assert failure.value.slot == 1
    env.step(push[:1], np.array([0]))  # the other one can still go on


@pytest.mark.parametrize(
    ("id", "kwargs", "reason"),
    [
        ("CartPole-v1", {}, "no batched stepper"),
        ("Pusher-v4", {}, "refuses"),
        ("Ant-v5", {"width": 64}, "does not know width"),
        ("HumanoidStandup-v5", {}, "no batched stepper"),
    ],
)
def test_says_what_it_cannot_do(id: str, kwargs: dict[str, Any], reason: str):
    assert reason in (supports(id, kwargs) or "")
    with pytest.raises(ConfigError, match=reason):
        make(id, 1, kwargs, None, "batched", 1, None, [])


def test_falls_back_with_one_line(capfd: pytest.CaptureFixture[str]):
    env = make("Ant-v5", 1, {"width": 64}, None, "auto", 1, None, [])
    assert not isinstance(env, MujocoVectorEnv)
    assert capfd.readouterr().err.count("\n") == 1
    assert isinstance(make("Ant-v5", 9, {}, None, "auto", 0, None, []), MujocoVectorEnv)


def test_refuses_models_with_state_of_their_own_and_bad_ones(tmp_path: Path):
    sleepy = (ASSETS / "ant.xml").read_text().replace("<custom>", '<option><flag sleep="enable"/></option><custom>')
    (tmp_path / "sleepy.xml").write_text(sleepy)
    assert "sleep" in (supports("Ant-v5", {"xml_file": str(tmp_path / "sleepy.xml")}) or "")
    for kwargs in ({"xml_file": "nowhere.xml"}, {"main_body": "wing"}):
        with pytest.raises(ConfigError, match=next(iter(kwargs.values()))):
            make("Ant-v5", 1, kwargs, None, "auto", 1, None, [])
