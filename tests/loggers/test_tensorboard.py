"""Event files read back by TensorBoard itself."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from il.errors import ConfigError
from il.loggers.base import RunInfo
from il.loggers.tensorboard import COURSE_NAMES
from tests.loggers.conftest import rows

pytest.importorskip("tensorboard")
Make = Callable[..., Any]


def read(info: RunInfo) -> Any:
    """Return what TensorBoard shows of the run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(info.dir / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0})
    return events.Reload()


def curve(info: RunInfo, name: str) -> list[tuple[int, float]]:
    """Return one scalar's points."""
    return [(e.step, e.value) for e in read(info).Scalars(name)]


def hparams(info: RunInfo, tag: str) -> Any:
    """Return the hyperparameters plugin's record of one kind."""
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    return HParamsPluginData.FromString(read(info).SummaryMetadata(tag).plugin_data.content)


def record(logger: Any, info: RunInfo, n: int = 3, status: str = "ok", start: int = 0) -> None:
    """Log a short run."""
    logger.start(info)
    for row in rows(n, start):
        logger.log(row)
    logger.summary({"test/last/return_mean": 9.0, "test/last/returns": [8.0, 10.0], "env_steps": 1000 * (n + start)})
    logger.finish(status)


def test_rows_are_drawn_over_steps_or_rounds(make: Make, another: Make) -> None:
    for axis, points in (("env_steps", [1000, 2000, 3000]), ("round", [0, 1, 2])):
        info = another(axis)
        record(make("tensorboard", axis=axis), info)
        assert curve(info, "eval/return_mean") == list(zip(points, [0.5, 1.5, 2.5], strict=True))
        assert curve(info, "test/last/return_mean") == [(points[-1] if axis == "round" else 3000, 9.0)]


def test_the_courses_names(make: Make, info: RunInfo) -> None:
    logger = make("tensorboard", names="course", axis="round")
    logger.start(info)
    logger.log({"round": 0, "env_steps": 5} | dict.fromkeys(COURSE_NAMES, 1.0) | {"data/size": 5})
    logger.finish("ok")
    shown = set(read(info).Tags()["scalars"])
    assert shown == {"round", "data/size", *COURSE_NAMES.values()}
    assert {"Eval_AverageReturn", "Train_EnvstepsSoFar", "Training Loss"} <= shown


def test_what_is_no_finite_number_is_left_out(make: Make, info: RunInfo) -> None:
    logger = make("tensorboard")
    logger.start(info)
    logger.log({"round": 0, "env_steps": 5, "a": float("nan"), "b": None, "c": "text", "d": 2})
    logger.finish("ok")
    assert set(read(info).Tags()["scalars"]) == {"round", "env_steps", "d"}


def test_the_config_is_shown_flat(make: Make, info: RunInfo) -> None:
    record(make("tensorboard"), info)
    (text,) = read(info).Tensors("config/text_summary")
    assert "| algo.rounds | 3 |" in text.tensor_proto.string_val[0].decode()
    session = hparams(info, "_hparams_/session_start_info").session_start_info
    assert session.hparams["algo.rounds"].number_value == 3
    assert session.hparams["env.id"].string_value == "Ant-v5"
    metrics = hparams(info, "_hparams_/experiment").experiment.metric_infos
    assert "test/last/return_mean" in [m.name.tag for m in metrics]


@pytest.mark.parametrize(("status", "shown"), [("ok", 1), ("failed", 2), ("preempted", None)])
def test_the_session_ends_as_the_run_did(make: Make, info: RunInfo, status: str, shown: int | None) -> None:
    record(make("tensorboard"), info, status=status)
    if shown is None:
        assert "_hparams_/session_end_info" not in read(info).PluginTagToContent("hparams")
    else:
        assert hparams(info, "_hparams_/session_end_info").session_end_info.status == shown


def test_a_restart_shows_each_round_once(make: Make, info: RunInfo) -> None:
    logger = make("tensorboard")
    logger.start(info)  # killed after round 3 was shown and before its checkpoint
    for row in rows(4):
        logger.log(row)
    logger._writer.flush()
    time.sleep(1.1 - time.time() % 1)  # files of one second and process sort by a counter without leading zeros
    record(make("tensorboard"), replace(info, resumed=True), n=3, start=2)
    assert [step for step, _ in curve(info, "eval/return_mean")] == [1000, 2000, 3000, 4000, 5000]


def test_files_are_named(make: Make, info: RunInfo) -> None:
    logger = make("tensorboard")
    logger.start(info)
    logger.media("media/last", info.dir / "media" / "last.mp4", {"round": 1, "env_steps": 2000})
    logger.finish("ok")
    (text,) = read(info).Tensors("media/last/text_summary")
    assert text.step == 2000 and text.tensor_proto.string_val[0].endswith(b"last.mp4")


@pytest.mark.parametrize(
    ("knob", "value", "hint"), [("names", "curse", "did you mean 'course'"), ("axis", "epoch", "env_steps, round")]
)
def test_bad_knobs_are_refused(make: Make, knob: str, value: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        make("tensorboard", **{knob: value})


def test_a_missing_package_is_found_before_anything_starts(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make("tensorboard").check()
    monkeypatch.setattr("il.loggers.tensorboard.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install"):
        make("tensorboard").check()
