import json
import os

import numpy as np
import pytest

from il.demos import formats, imitation, npz
from il.demos.formats import Demonstrations
from il.demos.trajectory import Trajectory, split, stack
from il.errors import ConfigError


def episode(steps: int, start: float, terminated: bool, truncated: bool, discrete: bool = False) -> Trajectory:
    obs = (start + np.arange(steps + 1.0)[:, None] * [1.0, 0.5]).astype(np.float32)
    act = np.arange(steps) % 3 if discrete else (obs[:-1] * 0.1).astype(np.float32)
    return Trajectory(obs, act, np.arange(steps) + 0.5, terminated, truncated, seed=int(start))


@pytest.fixture(params=[False, True], ids=["box", "discrete"])
def demos(request) -> Demonstrations:
    """Three episodes: ended by the task, by the time limit of 5, and not at all."""
    ends = [(4, 10, True, False), (5, 20, False, True), (3, 30, False, False)]
    return Demonstrations(stack([episode(*end, discrete=request.param) for end in ends], "x"), "Pendulum-v1", "a test")


def same(one, other, but: tuple[str, ...] = ()) -> None:
    for name, values in one.arrays().items():
        if name not in but:
            np.testing.assert_array_equal(values, other.arrays()[name], err_msg=name)


def test_npz_keeps_everything(demos, tmp_path):
    formats.write(str(tmp_path / "deep/x.npz"), None, demos)
    back = formats.read(str(tmp_path / "deep/x.npz"), None, None)
    same(demos.rollout, back.rollout)
    assert (back.env_id, back.source) == (demos.env_id, demos.source)


@pytest.mark.parametrize("format", ["course", "imitation"])
def test_formats_of_others_keep_rows_and_ends(demos, tmp_path, format):
    path = str(tmp_path / {"course": "x.pkl", "imitation": "y.npz"}[format])
    formats.write(path, format, demos)
    back = formats.read(path, None, 5)
    if demos.rollout.act.ndim == 1 and format == "course":
        assert back.rollout.act.dtype == np.int64
    same(demos.rollout, back.rollout, but=("seed",))


def test_imitation_lays_observations_end_to_end(demos, tmp_path):
    imitation.write(tmp_path / "x.npz", demos.rollout)
    found = npz.arrays(tmp_path / "x.npz")
    assert len(found["obs"]) == 12 + 3 and len(found["acts"]) == 12
    assert found["indices"].tolist() == [4, 9] and found["terminal"].tolist() == [True, True, False]
    # as imitation itself splits them
    obs = np.split(found["obs"], found["indices"] + np.arange(2) + 1)
    assert [len(one) for one in obs] == [5, 6, 4]
    for mine, theirs in zip(split(demos.rollout, "x"), obs, strict=True):
        np.testing.assert_array_equal(mine.obs, theirs)
    with np.load(tmp_path / "x.npz", allow_pickle=True) as whole:
        assert len(whole["infos"]) == 12 and whole["infos"][0] == {}


def test_imitation_without_rewards_or_with_hostile_infos(demos, tmp_path):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "trace"),)

    imitation.write(tmp_path / "x.npz", demos.rollout)
    found = npz.arrays(tmp_path / "x.npz")
    del found["rews"]
    infos = np.full(12, None)
    infos[0] = Payload()
    np.savez(tmp_path / "y.npz", **found, infos=infos)
    back = formats.read(str(tmp_path / "y.npz"), None, None)
    assert not back.rollout.reward.any() and not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"obs": np.ones((14, 2))}, "12 actions need 15 observations, not 14"),
        ({"indices": np.array([9, 4])}, "indices do not ascend"),
        ({"terminal": np.array([True])}, "1 terminal flags"),
        ({"rews": np.full(12, np.nan)}, "episode 0: reward is not finite"),
        ({"acts": None}, "lacks acts"),
    ],
)
def test_damaged_files_of_imitation(demos, tmp_path, change, says):
    imitation.write(tmp_path / "x.npz", demos.rollout)
    found = {**npz.arrays(tmp_path / "x.npz"), **change}
    np.savez(tmp_path / "y.npz", **{k: v for k, v in found.items() if v is not None})
    with pytest.raises(ConfigError, match=says):
        formats.read(str(tmp_path / "y.npz"), "imitation", None)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"reward": None}, "it lacks reward"),
        ({"reward": np.ones(3)}, "reward has 3 rows where there should be 12"),
        ({"lengths": np.ones(2, int)}, "lengths has 2 rows where there should be 3"),
    ],
)
def test_damaged_npz(demos, tmp_path, change, says):
    found = {**demos.rollout.arrays(), **change}
    np.savez(tmp_path / "x.npz", **{k: v for k, v in found.items() if v is not None})
    with pytest.raises(ConfigError, match=says):
        formats.read(str(tmp_path / "x.npz"), None, None)


@pytest.mark.parametrize("share", [0.0, 0.4, 0.9])
def test_truncated_npz(demos, tmp_path, share):
    formats.write(str(tmp_path / "x.npz"), None, demos)
    whole = (tmp_path / "x.npz").read_bytes()
    (tmp_path / "x.npz").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ConfigError, match=r"truncated or is not an \.npz"):
        formats.read(str(tmp_path / "x.npz"), "npz", None)


def test_unknown_formats_and_existing_files(demos, tmp_path):
    with pytest.raises(ConfigError, match=r"format=imitate is unknown \(did you mean 'imitation'\?\)"):
        formats.read("x.npz", "imitate", None)
    with pytest.raises(ConfigError, match=r"x\.csv is no data set: known are"):
        formats.read("x.csv", None, None)
    with pytest.raises(ConfigError, match=r"no file nothing\.npz"):
        formats.read("nothing.npz", None, None)
    (tmp_path / "x.npz").touch()
    with pytest.raises(ConfigError, match="exists and is not replaced"):
        formats.write(str(tmp_path / "x.npz"), None, demos)


@pytest.fixture
def minari_home(tmp_path, monkeypatch):
    pytest.importorskip("minari")
    pytest.importorskip("h5py")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path / "minari"


@pytest.mark.filterwarnings("ignore")
def test_minari_keeps_rows_ends_and_the_environment(demos, minari_home):
    import minari

    formats.write("minari:pendulum/test-v0", None, demos)
    data = minari.load_dataset("pendulum/test-v0")
    episodes = list(data.iterate_episodes())
    assert [len(one.observations) for one in episodes] == [5, 6, 4]
    assert [len(one.actions) for one in episodes] == [4, 5, 3]
    assert episodes[0].terminations.tolist() == [False] * 3 + [True] and not episodes[0].truncations.any()
    assert episodes[1].truncations.tolist() == [False] * 4 + [True] and not episodes[1].terminations.any()
    assert not episodes[2].truncations.any() and not episodes[2].terminations.any()
    for name in ("minari:pendulum/test-v0", str(minari_home / "pendulum/test-v0")):
        back = formats.read(name, None, None)
        same(demos.rollout, back.rollout, but=("seed",))
        assert back.env_id == "Pendulum-v1"


@pytest.mark.filterwarnings("ignore")
def test_minari_data_made_elsewhere(minari_home):
    """As Minari's own collector stores an episode: double precision, lists, infos."""
    import gymnasium
    import minari
    from minari.data_collector import EpisodeBuffer

    env = gymnasium.make("CartPole-v1")
    obs, acts = [env.reset(seed=0)[0].astype(float)], []
    ended = [False]
    while not ended[-1]:
        acts.append(len(acts) % 2)
        after, _, terminated, _, _ = env.step(acts[-1])
        obs.append(after.astype(float))
        ended.append(terminated)
    n = len(acts)
    infos = {"x": np.zeros(n + 1)}
    one = EpisodeBuffer(0, 0, None, obs, acts, [1.0] * n, ended[1:], [False] * n, infos)
    space = gymnasium.spaces.Box(-np.inf, np.inf, (4,), float)
    minari.create_dataset_from_buffers("cartpole/mine-v0", [one], env="CartPole-v1", observation_space=space)
    back = formats.read("minari:cartpole/mine-v0", None, None)
    assert back.rollout.act.tolist() == acts and back.rollout.terminated.tolist() == ended[1:]
    np.testing.assert_allclose(back.rollout.obs, obs[:-1], rtol=1e-6)
    np.testing.assert_allclose(back.rollout.final_obs, obs[-1:], rtol=1e-6)
    assert back.env_id == "CartPole-v1" and back.rollout.returns.tolist() == [n]


@pytest.mark.filterwarnings("ignore")
def test_minari_names(demos, minari_home):
    with pytest.raises(ConfigError, match="no data set minari:ab/cd-v0"):
        formats.read("minari:ab/cd-v0", None, None)
    with pytest.raises(ConfigError, match="named like minari:ant/expert-v0"):
        formats.write("minari:nothing", None, demos)
    formats.write("minari:ab/cd-v0", None, demos)
    with pytest.raises(ConfigError, match="this data set exists"):
        formats.write("minari:ab/cd-v0", None, demos)
    with pytest.raises(ConfigError, match=r"did you mean 'ab/cd-v0'"):
        formats.read("minari:ab/cd-v1", None, None)


def test_the_header_is_json(demos, tmp_path):
    formats.write(str(tmp_path / "x.npz"), None, demos)
    with np.load(tmp_path / "x.npz") as file:
        assert json.loads(bytes(file["meta"]))["env_id"] == "Pendulum-v1"
