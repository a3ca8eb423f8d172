from dataclasses import replace

import numpy as np
import pytest

from il.demos.trajectory import Trajectory, concatenate, select, split, stack
from il.errors import ConfigError


def trajectory(steps: int, start: float = 0.0, terminated: bool = False, truncated: bool = True, **changes):
    obs = start + np.arange(steps + 1.0)[:, None] * [1.0, 10.0]
    values = {"obs": obs, "act": obs[:-1, :1] / 7, "reward": np.ones(steps)} | changes
    return Trajectory(**values, terminated=terminated, truncated=truncated)


@pytest.fixture
def three():
    return stack([trajectory(3), trajectory(2, 50.0, True, False), trajectory(4, 90.0, False, False)], "x")


def test_stack_keeps_rows_ends_and_final_observations(three):
    assert len(three) == 9 and three.lengths.tolist() == [3, 2, 4] and three.returns.tolist() == [3, 2, 4]
    assert three.t.tolist() == [0, 1, 2, 0, 1, 0, 1, 2, 3]
    assert np.flatnonzero(three.truncated).tolist() == [2]
    assert np.flatnonzero(three.terminated).tolist() == [4]
    assert np.flatnonzero(three.cut).tolist() == [8]
    assert three.final_obs[:, 0].tolist() == [3, 52, 94]
    assert three.next_obs(np.array([2, 4, 5]))[:, 0].tolist() == [3, 52, 91]
    assert three.labelled.all() and (three.label == three.act).all() and three.expert_labels == 9
    assert three.obs.dtype == np.float32 and three.reward.dtype == np.float64


def test_split_undoes_stack(three):
    again = stack(split(three, "x"), "x")
    for name, values in three.arrays().items():
        np.testing.assert_array_equal(values, again.arrays()[name])


def test_select_and_concatenate_renumber(three):
    parts = select(three, np.array([0, 2])), select(three, np.array([1]))
    assert parts[0].episode.tolist() == [0] * 3 + [1] * 4 and parts[0].expert_steps == 7
    both = concatenate(parts, ["a", "b"])
    assert both.lengths.tolist() == [3, 4, 2] and both.episode.tolist() == [0] * 3 + [1] * 4 + [2] * 2
    assert both.final_obs[:, 0].tolist() == [3, 94, 52] and both.expert_steps == 9


def test_second_labels_of_one_part_do_not_keep_it_from_being_merged(three):
    asked_twice = replace(three, second=np.full(three.label.shape, np.nan, np.float32))
    for parts in ([asked_twice, three], [three, asked_twice]):
        both = concatenate(parts, ["a", "b"])
        assert both.second is None and len(both) == 2 * len(three)


def test_different_kinds_are_not_merged(three):
    wide = stack([trajectory(2, act=np.ones((2, 5)))], "y")
    with pytest.raises(ConfigError, match="cannot be merged"):
        concatenate([three, wide], ["a", "b"])


def test_integers_are_discrete_actions():
    one = stack([trajectory(3, act=np.array([[1], [0], [1]], np.int32))], "x")
    assert one.act.dtype == np.int64 and one.act.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"reward": np.ones(2)}, "episode 1: reward has 2 rows where 3 actions need 3"),
        ({"reward": np.ones((3, 1))}, "episode 1: reward has shape"),
        ({"obs": np.ones((3, 2))}, "episode 1: observation has 3 rows where 3 actions need 4"),
        ({"obs": np.ones((4, 3))}, "episode 1: observation has rows of shape"),
        ({"act": np.ones((3, 2))}, "episode 1: action has rows of shape"),
        ({"act": np.array([["a"], ["b"], ["c"]])}, "episode 1: action has rows"),
        ({"act": np.full((3, 1), np.nan)}, "episode 1: action is not finite at step 0"),
        ({"reward": np.array([0, np.inf, 0])}, "episode 1: reward is not finite at step 1"),
        ({"obs": np.where(np.arange(4)[:, None] == 2, np.nan, np.ones((4, 2)))}, "episode 1: observation .* step 2"),
        ({"obs": np.where(np.arange(4)[:, None] == 3, 1e300, np.ones((4, 2)))}, "episode 1: the final observation"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_bad_demonstrations_name_episode_and_key(changes, says):
    with pytest.raises(ConfigError, match=says) as error:
        stack([trajectory(5), trajectory(3, **changes)], "x")
    assert "\n" not in str(error.value)


def test_no_episodes_and_subsampled_ones_are_refused(three):
    with pytest.raises(ConfigError, match="no episodes"):
        stack([], "x")
    every_other = select(three, np.arange(3))
    rows = every_other.t % 2 == 0
    for name in ("obs", "act", "reward", "terminated", "truncated", "cut", "who", "episode", "t", "label", "labelled"):
        setattr(every_other, name, getattr(every_other, name)[rows])
    with pytest.raises(ConfigError, match="sub-sampled"):
        split(every_other, "Minari")
