"""Videos: one frame a step, playable, drawn without a display, and without any effect on the run."""

from importlib.util import find_spec

import numpy as np
import pytest

from il.actors import RandomActor
from il.envs import make
from il.errors import ConfigError
from il.evaluate import evaluate
from il.play import episode_of
from il.randomness import Purpose
from il.video import record as recording
from il.video.record import Studio, record
from tests.conftest import rows, weights

imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="needs the extra report")
pytest.importorskip("PIL", reason="needs the extra report")


def config(id):
    shape = {"kwargs": {}, "horizon": None, "n_envs": 3, "backend": "auto", "num_threads": 1, "expert_view": None}
    return {"_target_": "il.envs.make", "id": id, **shape, "wrappers": []}


def random_episode(id, index, steps=None):
    env = make(**{k: v for k, v in config(id).items() if k != "_target_"})
    episode = episode_of(0, Purpose.EVAL, 0, index, env.spec.horizon)
    return record(env, RandomActor(env.spec), episode, f"number {index}", steps)


@pytest.fixture
def headless(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL", "PYOPENGL_PLATFORM"):
        monkeypatch.delenv(name, raising=False)


def test_a_recorded_episode_is_the_evaluated_one():
    env = make(**{k: v for k, v in config("CartPole-v1").items() if k != "_target_"})
    scores = evaluate(env, RandomActor(env.spec), 3, 0, Purpose.EVAL)
    seen = [random_episode("CartPole-v1", k) for k in range(3)]
    assert [r.reward.sum() for r in seen] == scores.returns.tolist()
    assert [len(r.act) for r in seen] == scores.lengths.tolist()
    assert {r.end for r in seen} == {"terminated"}
    short = random_episode("CartPole-v1", 0, steps=5)
    assert len(short.act) == 5 and short.end == "" and (short.act == seen[0].act[:5]).all()


def test_one_frame_a_step_and_playable(headless, tmp_path):
    panes = [random_episode("CartPole-v1", k) for k in range(2)]
    path = Studio(config("CartPole-v1")).draw(panes, "two of them", tmp_path / "media/x.mp4")
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert frames == max(len(p.act) for p in panes) and seconds == pytest.approx(frames / 50, abs=0.03)
    reader = imageio_ffmpeg.read_frames(str(path))
    width, height = next(reader)["size"]
    pictures = [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]
    assert width == 1200 and pictures[0].std() > 10
    assert (pictures[0][:46] != pictures[-1][:46]).any(), "the lines above the picture change"
    assert [p.name for p in path.parent.iterdir()] == ["x.mp4"]


@pytest.mark.parametrize("id", ["Hopper-v5", "LunarLander-v3"])
def test_simulators_draw_without_a_display(headless, tmp_path, capfd, id):
    if id == "LunarLander-v3" and find_spec("Box2D") is None:
        pytest.skip("needs the extra box2d")
    pane = random_episode(id, 0, steps=12)
    path = Studio(config(id)).draw([pane], id, tmp_path / "x.mp4")
    if path is None:
        pytest.skip(f"this machine cannot draw it: {capfd.readouterr().err.strip()}")
    assert imageio_ffmpeg.count_frames_and_secs(str(path))[0] == len(pane.act)
    assert "warning" not in capfd.readouterr().err, "the replay returns what the batched simulator did"


def test_no_way_to_draw_is_said_once(monkeypatch, tmp_path, capfd):
    pane = random_episode("Hopper-v5", 0, steps=3)  # imports mujoco, which reads the variable too
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    studio = Studio(config("Hopper-v5"))
    assert [studio.draw([pane], "", tmp_path / "x.mp4") for _ in range(3)] == [None] * 3
    said = capfd.readouterr().err
    assert said.count("warning") == 1 and "nonsense" in said and not list(tmp_path.iterdir())


def test_a_hanging_driver_is_left_behind(headless, monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(recording, "START", 0.01)
    monkeypatch.setattr(recording, "PER_FRAME", 0.0)
    studio = Studio(config("CartPole-v1"))
    assert studio.draw([random_episode("CartPole-v1", 0)], "", tmp_path / "x.mp4") is None
    assert "hung" in capfd.readouterr().err


def test_a_window_needs_a_display(headless, capfd):
    assert not Studio(config("CartPole-v1")).show(random_episode("CartPole-v1", 0))
    assert "no display" in capfd.readouterr().err


def test_filming_a_run_changes_nothing_in_it(headless, run):
    plain = run("algo.rounds=2", out="plain")
    filmed = run("algo.rounds=2", "video.every=2", "video.steps=40", out="filmed")
    assert rows(plain) == rows(filmed) and weights(plain) == weights(filmed)
    (video,) = (filmed / "media").iterdir()
    assert video.name == "round_0001.mp4" and imageio_ffmpeg.count_frames_and_secs(str(video))[0] == 40


def test_a_video_needs_its_packages(run, monkeypatch, tmp_path):
    monkeypatch.setattr(recording, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"il\[report\]"):
        run("video.every=1")
    assert not (tmp_path / "run").exists()
