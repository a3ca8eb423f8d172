"""Recording an episode, and having it drawn by another process that replays it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from il.actors import Actor, Episode
from il.envs.base import VectorEnv
from il.errors import ConfigError
from il.play import Step, Stream, play

START, PER_FRAME = 120.0, 2.0
"""Seconds after which drawing counts as hung: to start, and for each frame."""


@dataclass(frozen=True)
class Recording:
    """One episode, as much of it as its replay needs."""

    label: str
    """Who it shows, such as ``learner``."""
    seed: int
    """Of the environment's reset."""
    act: np.ndarray
    """Actions as chosen, [T, …]."""
    who: np.ndarray
    """Who chose them, int [T]: 0 the expert, k the k-th policy, -1 exploration."""
    reward: np.ndarray
    """float64 [T]."""
    end: str
    """How it ended: ``terminated``, ``time limit``, or empty where the recording stops before."""


def record(env: VectorEnv, actor: Actor, episode: Episode, label: str, steps: int | None) -> Recording:
    """Play one episode, at most `steps` of it, and keep what was done.

    The same episode in `il.evaluate` takes the same course: who watches changes nothing.
    """
    seen: list[Step] = []
    stream = Stream(
        actor,
        lambda k: episode,
        lambda finished, played: 1 - finished,
        lambda step, view: seen.append(step),
        stop_at=steps,
    )
    play(env, stream)
    last = seen[-1]
    end = "terminated" if last.terminated[0] else "time limit" if last.truncated[0] else ""
    act, who, reward = (np.concatenate([getattr(s, name) for s in seen]) for name in ("act", "who", "reward"))
    return Recording(label, episode.seed, act, who, reward, end)


def check_packages(knob: str) -> None:
    """Raise a ConfigError where what draws videos is not installed; `knob` asked for it."""
    missing = [name for name in ("imageio_ffmpeg", "PIL") if find_spec(name) is None]
    if missing:
        raise ConfigError(f'{knob} needs {" and ".join(missing)}: pip install "il[report]"')


class Studio:
    """Turns recordings into videos; where that turns out to be impossible, says so once and goes on without.

    Args:
        env: the configuration of the environment, a plain dict with ``_target_``.
    """

    def __init__(self, env: dict[str, Any]):
        self.env = env
        self.reason = ""
        self._backends = _backends()

    def draw(self, panes: Sequence[Recording], title: str, path: Path) -> Path | None:
        """Write a video, one frame for each step, episodes side by side.

        Args:
            panes: at least one; the shorter ones show their last frame until the longest ends.
            title: stands below the picture.
            path: of the mp4 file.

        Returns:
            `path`, or None where there is no way to draw here.
        """
        return path if self._run(panes, {"title": title, "out": str(path.absolute())}) else None

    def show(self, pane: Recording) -> bool:
        """Replay an episode in a window; return whether that worked."""
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform != "linux"):
            return self._give_up("there is no display for a window")
        return self._run([pane], {"title": "", "out": None})

    def _run(self, panes: Sequence[Recording], job: dict[str, Any]) -> bool:
        if self.reason:
            return False
        frames = max(len(pane.act) for pane in panes)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "job.json"
            labels = [{"label": p.label, "seed": int(p.seed), "end": p.end} for p in panes]
            path.write_text(json.dumps({**job, "env": self.env, "panes": labels}))
            arrays = {f"{name}_{k}": getattr(p, name) for k, p in enumerate(panes) for name in ("act", "who", "reward")}
            np.savez(path.with_suffix(".npz"), **arrays)
            said = ""
            while self._backends:
                ok, said = _attempt(path, self._backends[0], START + PER_FRAME * frames)
                if ok:
                    return True
                self._backends.pop(0)
        return self._give_up(said)

    def _give_up(self, reason: str) -> bool:
        self.reason = reason
        print(f"warning: no videos here ({reason}); everything else goes on", file=sys.stderr)
        return False


def _backends() -> list[str]:
    """Return ways to reach OpenGL, the likeliest first; what does not need OpenGL takes the first."""
    given = os.environ.get("MUJOCO_GL")
    if given is not None or sys.platform != "linux":
        return [given or ""]
    on_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return ["egl", "osmesa", *(["glfw"] if on_screen else [])]


def _attempt(job: Path, backend: str, seconds: float) -> tuple[bool, str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    if backend:
        environment["MUJOCO_GL"] = backend
    if not os.environ.get("DISPLAY"):
        environment.setdefault("SDL_VIDEODRIVER", "dummy")
    command = [sys.executable, "-m", "il.video.render", str(job)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return False, f"drawing with {backend or 'the default'} hung"
    for line in done.stderr.splitlines():
        if done.returncode == 0 and line.startswith("warning:"):
            print(line, file=sys.stderr)
    lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("Exception ignored")]
    said = next((line for line in reversed(lines) if line.startswith("error:")), (lines or ["no message"])[-1])
    return done.returncode == 0, f"{backend or 'drawing'}: {said.removeprefix('error: ')[:200]}"
