"""TensorBoard as a view of a run."""

import math
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from numbers import Real
from pathlib import Path
from typing import Any, Literal

from il.errors import ConfigError, nearest
from il.loggers.base import Logger, RunInfo, Status

COURSE_NAMES = {
    "eval/return_mean": "Eval_AverageReturn",
    "eval/return_std": "Eval_StdReturn",
    "eval/return_max": "Eval_MaxReturn",
    "eval/return_min": "Eval_MinReturn",
    "eval/length_mean": "Eval_AverageEpLen",
    "collect/return_mean": "Train_AverageReturn",
    "collect/return_std": "Train_StdReturn",
    "collect/return_max": "Train_MaxReturn",
    "collect/return_min": "Train_MinReturn",
    "collect/length_mean": "Train_AverageEpLen",
    "env_steps": "Train_EnvstepsSoFar",
    "train/loss": "Training Loss",
}
"""Our metrics that the course's homework 1 logs too, and its names for them."""


class TensorBoardLogger(Logger):
    """Writes scalars, the config as text and the hyperparameters to ``tensorboard/`` in the run directory.

    Args:
        names: ``il`` for our metric names, ``course`` for those of the course's homework where it has the metric.
        axis: what the x-axis counts.
        compare: final metrics shown beside the hyperparameters.
        flush_secs: seconds until what was logged is on the disk.

    Raises:
        ConfigError: when `names` or `axis` is not one of the values above.
    """

    def __init__(
        self,
        *,
        names: Literal["il", "course"],
        axis: Literal["env_steps", "round"],
        compare: Sequence[str],
        flush_secs: float,
    ):
        for knob, value, valid in (("names", names, ("il", "course")), ("axis", axis, ("env_steps", "round"))):
            if value not in valid:
                raise ConfigError(
                    f"logger.tensorboard.{knob}={value!r} is none of {', '.join(valid)}{nearest(value, valid)}"
                )
        self._names = COURSE_NAMES if names == "course" else {}
        self._axis, self._compare, self._flush_secs = axis, compare, flush_secs
        self._writer: Any = None
        self._resumed = False
        self._step = 0

    def check(self) -> None:
        """Look for the package.

        Raises:
            ConfigError: when it is not installed.
        """
        if find_spec("tensorboard") is None:
            raise ConfigError("logger=tensorboard needs the package: pip install tensorboard, or choose logger=wandb")

    def start(self, run: RunInfo) -> None:
        """Open the event file and write the config."""
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        self._resumed, self._step = run.resumed, 0
        self._writer = SummaryWriter(str(run.dir / "tensorboard"), flush_secs=self._flush_secs)
        config = flat(run.config)
        lines = [f"| {key} | {value} |" for key, value in config.items()]
        self._writer.add_text("config", "\n".join(["| key | value |", "| --- | --- |", *lines]))
        chosen = {key: value if isinstance(value, Real) else str(value) for key, value in config.items()}
        experiment, session, _ = hparams(chosen, {self._name(metric): 0 for metric in self._compare})
        for summary in (experiment, session):
            self._writer.file_writer.add_summary(summary)

    def log(self, row: dict[str, float | int | str | None]) -> None:
        """Write the row's finite numbers at its place on the x-axis."""
        self._step = int(row[self._axis] or 0)
        if self._resumed:
            self._drop_from(self._step)
            self._resumed = False
        self._scalars(row)

    def media(self, key: str, path: Path, row: dict[str, float | int]) -> None:
        """Show a video as an animated picture, and name its file."""
        step = int(row[self._axis])
        self._writer.add_text(key, str(path), step)
        if path.suffix == ".mp4" and path.exists():
            self._writer.file_writer.add_summary(_animation(key, path), step)

    def summary(self, values: dict[str, Any]) -> None:
        """Write the final numbers at the last row's place."""
        self._step = int(values.get(self._axis, self._step))
        self._scalars(values)

    def finish(self, status: Status) -> None:
        """Close the file, with the session's end unless the run will go on."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        if status != "preempted":
            writer.file_writer.add_summary(_session_end(status))
        writer.close()

    def _name(self, metric: str) -> str:
        return self._names.get(metric, metric)

    def _scalars(self, values: Mapping[str, Any]) -> None:
        for key, value in values.items():
            if isinstance(value, Real) and math.isfinite(value):
                self._writer.add_scalar(self._name(key), float(value), self._step)

    def _drop_from(self, step: int) -> None:
        """Make TensorBoard forget rows at `step` and later, written before the run was killed."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        self._writer.file_writer.add_event(Event(session_log=SessionLog(status=SessionLog.START)), step)


def flat(node: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested dict as one with dotted keys."""
    out: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            out |= flat(value, f"{prefix}{key}.")
        else:
            out[f"{prefix}{key}"] = value
    return out


def _animation(key: str, path: Path) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    from il.video.gif import gif

    encoded, width, height = gif(path)
    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=encoded)
    return Summary(value=[Summary.Value(tag=key, image=image)])


def _session_end(status: Status) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    end = plugin_data_pb2.SessionEndInfo(
        status=api_pb2.STATUS_SUCCESS if status == "ok" else api_pb2.STATUS_FAILURE, end_time_secs=time.time()
    )
    data = plugin_data_pb2.HParamsPluginData(session_end_info=end)
    value = Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR
    )
    return Summary(value=[value])
