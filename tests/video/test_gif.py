"""Videos in TensorBoard."""

import io

import numpy as np
import pytest

from il.loggers.base import RunInfo
from il.video.gif import FRAMES, gif

imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="needs the extra report")
Image = pytest.importorskip("PIL.Image", reason="needs the extra report")


@pytest.fixture
def video(tmp_path):
    """Return a video of 300 frames that grow lighter, 6 s long."""
    path = tmp_path / "x.mp4"
    writer = imageio_ffmpeg.write_frames(str(path), (600, 200), fps=50, macro_block_size=1)
    writer.send(None)
    for k in range(300):
        writer.send(np.full((200, 600, 3), k * 255 // 300, np.uint8))
    writer.close()
    return path


def test_a_gif_is_small_and_as_long_as_its_video(video):
    content, width, height = gif(video)
    picture = Image.open(io.BytesIO(content))
    assert picture.size == (width, height) == (480, 160) and picture.n_frames == 100 <= FRAMES
    durations, levels = [], []
    for k in range(picture.n_frames):
        picture.seek(k)
        durations.append(picture.info["duration"])
        levels.append(np.asarray(picture.convert("L")).mean())
    assert sum(durations) == pytest.approx(6000, rel=0.05) and (np.diff(levels) >= 0).mean() > 0.97


def test_tensorboard_holds_videos_hyperparameters_and_scalars(video, tmp_path):
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from il.loggers.tensorboard import TensorBoardLogger

    logger = TensorBoardLogger(names="il", axis="env_steps", compare=["test/last/return_mean"], flush_secs=1.0)
    logger.start(RunInfo(tmp_path, "id", "name", "group", "train", {"algo": {"beta": 0.5}}))
    row = {"round": 0, "env_steps": 1000, "eval/return_mean": 5.0}
    logger.log(row)
    logger.media("video", video, row)
    logger.summary({"test/last/return_mean": 7.0})
    logger.finish("ok")
    read = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"images": 0}).Reload()
    (image,) = read.Images("video")
    assert image.step == 1000 and image.encoded_image_string.startswith(b"GIF8")
    assert read.Scalars("eval/return_mean")[0].value == 5 and read.Scalars("test/last/return_mean")[0].value == 7
    assert "_hparams_/session_start_info" in read.summary_metadata
