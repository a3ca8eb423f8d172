"""``python -m il.video.render JOB``: replay recorded episodes and draw them. See `il.video.record`."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from il.config import build
from il.envs.gym import GymVectorEnv

HEAD, FOOT, MARGIN = 46, 24, 10
"""Heights of the lines above and below the picture, and their distance from its edge, in pixels."""
BACKGROUND, INK, SOFT = (20, 23, 26), (230, 233, 236), (154, 165, 176)
ACTING = {0: ("expert acts", (255, 154, 77)), -1: ("exploring", (154, 165, 176))}
LEARNER = (86, 180, 233)
LIGHT_SHADOWS = 1024
"""Size of MuJoCo's shadow map; with it, and without multisampling, frames take a fourth of the time on a CPU."""


class Pane:
    """One episode being replayed.

    Args:
        env: plain configuration of the environment.
        spec: label, seed and end of the episode.
        columns: act, who and reward of the recording, [T, …] each.
        mode: ``rgb_array`` or ``human``.
    """

    def __init__(self, env: dict[str, Any], spec: dict[str, Any], columns: dict[str, np.ndarray], mode: str):
        kwargs = {**(env.get("kwargs") or {}), "render_mode": mode}
        self.env: GymVectorEnv = build({**env, "kwargs": kwargs, "n_envs": 1, "backend": "gymnasium"}, "env")
        self.spec, self.act, self.who = spec, columns["act"], columns["who"]
        self.returns = np.cumsum(columns["reward"])
        self.slot = np.array([0])
        self.gym = self.env.gym(0)
        model = getattr(self.gym.unwrapped, "model", None)
        if model is not None and hasattr(model, "vis"):
            model.vis.quality.shadowsize, model.vis.quality.offsamples = LIGHT_SHADOWS, 0

    def frames(self) -> Iterator[np.ndarray]:
        """Yield the picture after each step, uint8 [height, width, 3]."""
        self.env.reset(self.slot, [self.spec["seed"]])
        self.gym = self.env.gym(0)  # Box2D tasks are made anew by a reset
        total = 0.0
        for action in self.act:
            reward, _, _ = self.env.step(action[None], self.slot)
            total += float(reward[0])
            yield np.asarray(self.gym.render())
        if not np.isclose(total, self.returns[-1], rtol=1e-6, atol=1e-6):
            print(
                f"warning: the video's replay returned {total:.6g}, the episode {self.returns[-1]:.6g}: "
                "this environment does not follow from its seed",
                file=sys.stderr,
            )

    def lines(self, t: int) -> tuple[str, str, str, tuple[int, int, int]]:
        """Return what stands above the picture after step t: label, return, who acts, and its colour."""
        last = len(self.act) - 1
        k = min(t, last)
        who = int(self.who[k])
        acting, colour = ACTING.get(who, (f"policy {who} acts", LEARNER))
        if t >= last and self.spec["end"]:
            acting, colour = f"{self.spec['end']} after {last + 1} steps", SOFT
        return self.spec["label"], f"return {self.returns[k]:,.1f}", f"step {k + 1}  {acting}", colour


def main(path: Path) -> None:
    """Do a job: write its video, or show it in a window."""
    job = json.loads(path.read_text())
    arrays = np.load(path.with_suffix(".npz"), allow_pickle=False)
    mode = "rgb_array" if job["out"] else "human"
    panes = [
        Pane(job["env"], spec, {name: arrays[f"{name}_{k}"] for name in ("act", "who", "reward")}, mode)
        for k, spec in enumerate(job["panes"])
    ]
    if job["out"]:
        write(panes, job["title"], Path(job["out"]))
    else:
        for _ in panes[0].frames():
            pass


def write(panes: list[Pane], title: str, path: Path) -> None:
    """Write the panes side by side as an mp4 file; nothing lies at `path` before it is complete."""
    import imageio_ffmpeg

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.partial.mp4")
    rate = float(panes[0].gym.metadata.get("render_fps") or 30)
    writer: Any = None
    try:
        for picture in pictures(panes, title):
            if writer is None:
                size = (picture.shape[1], picture.shape[0])
                writer = imageio_ffmpeg.write_frames(
                    str(partial), size, fps=rate, quality=None, macro_block_size=1, codec="libx264",
                    output_params=["-crf", "23", "-preset", "veryfast", "-movflags", "+faststart"],
                )  # fmt: skip
                writer.send(None)
            writer.send(np.ascontiguousarray(picture))
    finally:
        if writer is not None:
            writer.close()
    os.replace(partial, path)


def pictures(panes: list[Pane], title: str) -> Iterator[np.ndarray]:
    """Yield the composed picture after each step until the longest episode ends, sides even as the codec wants."""
    streams = [pane.frames() for pane in panes]
    shown: list[np.ndarray] = [np.empty(0)] * len(panes)
    for t in range(max(len(pane.act) for pane in panes)):
        for k, stream in enumerate(streams):
            frame = next(stream, None)
            if frame is not None:
                shown[k] = frame
            elif t == len(panes[k].act):
                shown[k] = (shown[k] // 2).astype(np.uint8)  # it is over
        yield compose(shown, [pane.lines(t) for pane in panes], title)
    for stream in streams:
        next(stream, None)  # lets the replay compare its return


def compose(
    frames: list[np.ndarray], lines: list[tuple[str, str, str, tuple[int, int, int]]], title: str
) -> np.ndarray:
    """Put frames beside one another and write above and below them."""
    from PIL import Image, ImageDraw

    width = sum(f.shape[1] for f in frames)
    height = max(f.shape[0] for f in frames)
    picture = Image.new("RGB", (width + width % 2, HEAD + height + FOOT + (height + HEAD + FOOT) % 2), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    left = 0
    for frame, (label, score, step, colour) in zip(frames, lines, strict=True):
        picture.paste(Image.fromarray(frame), (left, HEAD))
        right = left + frame.shape[1] - MARGIN
        draw.text((left + MARGIN, 4), label, INK, _font(17))
        draw.text((right, 4), score, INK, _font(17), anchor="ra")
        draw.rectangle((left + MARGIN, 29, left + MARGIN + 9, 38), colour)
        draw.text((left + MARGIN + 16, 25), step, SOFT, _font(14))
        left += frame.shape[1]
    draw.text((MARGIN, HEAD + height + 4), title, SOFT, _font(13))
    return np.asarray(picture)


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except Exception as error:
        print(f"error: {type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        code = 1
    else:
        code = 0
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(code)  # graphics drivers crash when they are torn down
