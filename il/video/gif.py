"""Videos as animated pictures, for viewers that show nothing else."""

import io
from pathlib import Path

import numpy as np

FRAMES, WIDTH = 120, 480
"""At most; of longer or wider videos, frames are skipped and made smaller."""


def gif(path: Path) -> tuple[bytes, int, int]:
    """Return a video as an animated GIF with its width and height; it plays as fast as the video.

    Raises:
        ImportError: without the extra ``report``.
    """
    import imageio_ffmpeg
    from PIL import Image

    count, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    stride = -(-count // FRAMES)
    reader = imageio_ffmpeg.read_frames(str(path))
    width, height = next(reader)["size"]
    size = (min(width, WIDTH), round(height * min(1.0, WIDTH / width)))
    kept = []
    for k, frame in enumerate(reader):
        if k % stride == 0:
            picture = Image.fromarray(np.frombuffer(frame, np.uint8).reshape(height, width, 3))
            kept.append(picture.resize(size).quantize(64))
    out = io.BytesIO()
    duration = max(20, round(1000 * seconds / len(kept)))
    kept[0].save(out, "GIF", save_all=True, append_images=kept[1:], duration=duration, loop=0)
    return out.getvalue(), *size
