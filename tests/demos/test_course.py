import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from il.demos import course
from il.errors import ConfigError

TASKS = {"Ant": (27, 8, 4682), "HalfCheetah": (17, 6, 4035), "Hopper": (11, 3, 3718), "Walker2d": (17, 6, 5383)}


@pytest.fixture
def files(shared) -> Path:
    return shared / "data/cs285/expert_data"


def episode(steps: int = 4, **changes) -> dict:
    obs = np.arange(steps + 1.0)[:, None] * [1.0, 2.0]
    terminal = np.arange(steps) == steps - 1
    values = {"observation": obs[:-1], "action": obs[:-1, :1], "reward": np.ones(steps)}
    return values | {"next_observation": obs[1:], "terminal": terminal} | changes


def write(path: Path, content) -> Path:
    path.write_bytes(pickle.dumps(content))
    return path


@pytest.mark.parametrize("task", TASKS)
def test_the_course_files(files, task):
    rollout = course.read(files / f"expert_data_{task}-v4.pkl")
    obs_dim, act_dim, mean = TASKS[task]
    assert rollout.obs.shape == (2000, obs_dim) and rollout.act.shape == (2000, act_dim)
    assert rollout.lengths.tolist() == [1000, 1000] and abs(rollout.returns.mean() - mean) < 2
    assert np.flatnonzero(rollout.truncated).tolist() == [999, 1999]
    assert not rollout.terminated.any() and not rollout.cut.any()
    assert np.abs(rollout.act).max() > 1


def test_terminal_at_the_limit_is_a_truncation(tmp_path):
    stopped = episode(4, terminal=np.zeros(4, bool))
    path = write(tmp_path / "x.pkl", [episode(4), episode(3), stopped])
    rollout = course.read(path, horizon=4)
    assert np.flatnonzero(rollout.truncated).tolist() == [3]
    assert np.flatnonzero(rollout.terminated).tolist() == [6]
    assert np.flatnonzero(rollout.cut).tolist() == [10]
    assert course.read(path).terminated.sum() == 2


def test_the_environment_is_read_from_the_name():
    assert course.named_env(Path("a/expert_data_Hopper-v4.pkl")) == "Hopper-v4"
    assert course.named_horizon(Path("expert_data_Hopper-v4.pkl")) == 1000
    assert course.named_env(Path("mine.pkl")) is None and course.named_env(Path("Nothing-v4.pkl")) is None


def test_write_then_read(tmp_path):
    rollout = course.read(write(tmp_path / "x.pkl", [episode(4), episode(3)]), 4)
    course.write(tmp_path / "y.pkl", rollout)
    again = course.read(tmp_path / "y.pkl", 4)
    for name, values in rollout.arrays().items():
        np.testing.assert_array_equal(values, again.arrays()[name])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"observation": 1}, "not the course's list"),
        ([], "no episodes"),
        ([{"observation": np.ones(3)}], "episode 0 lacks action"),
        ([episode(), episode(reward=np.ones(3))], "episode 1: reward has shape"),
        ([episode(), episode(observation=np.ones((3, 2)))], "episode 1: observation has shape"),
        ([episode(next_observation=np.ones((4, 2)))], "episode 0: next_observation is not the following"),
        ([episode(terminal=np.ones(4, bool))], "episode 0: terminal is set at step 0"),
        ([episode(reward=np.array([1, np.nan, 1, 1]))], "episode 0: reward is not finite at step 1"),
    ],
)
def test_wrong_content_names_episode_and_key(tmp_path, content, says):
    with pytest.raises(ConfigError, match=says):
        course.read(write(tmp_path / "x.pkl", content))


def test_a_hostile_file_leaves_nothing_behind(tmp_path):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "trace"),)

    with pytest.raises(ConfigError, match="mkdir"):
        course.read(write(tmp_path / "x.pkl", [episode(), Payload()]))
    assert not (tmp_path / "trace").exists()
