"""A logger that misbehaves cannot reach the run."""

import pytest

from il.errors import ConfigError
from il.loggers.base import Logger, RunInfo
from il.loggers.group import PATIENCE, LoggerGroup
from tests.loggers.conftest import rows


class Notes(Logger):
    """Writes down what it is told; raises in the methods named."""

    def __init__(self, *broken: str, error: BaseException | None = None):
        self.broken, self.error, self.calls = broken, error or RuntimeError("no route\nto host"), []

    def _note(self, method, *args):
        self.calls.append((method, *args))
        if method in self.broken:
            raise self.error

    def check(self):
        self._note("check")

    def start(self, run):
        self._note("start")

    def log(self, row):
        self._note("log", row["round"])
        row.clear()

    def media(self, key, path, row):
        self._note("media", key)

    def summary(self, values):
        self._note("summary")

    def finish(self, status):
        self._note("finish", status)


def record(group: LoggerGroup, info: RunInfo, n: int = 2) -> None:
    group.check()
    group.start(info)
    for row in rows(n):
        group.log(row)
        group.media("clip", info.dir / "clip.mp4", row)
    group.summary({"a": 1})
    group.finish("ok")


def test_every_logger_hears_everything(info: RunInfo) -> None:
    loggers = [Notes(), Notes()]
    record(LoggerGroup(loggers), info, 1)
    expected = [("check",), ("start",), ("log", 0), ("media", "clip"), ("summary",), ("finish", "ok")]
    assert loggers[0].calls == loggers[1].calls == expected
    assert not (info.dir / "sink_errors.log").exists()


def test_one_that_raises_is_warned_about_once(info: RunInfo, capsys: pytest.CaptureFixture[str]) -> None:
    broken, sound = Notes("log", "summary"), Notes()
    record(LoggerGroup([broken, sound]), info, 3)
    assert [c for c in sound.calls if c[0] == "log"] == [("log", 0), ("log", 1), ("log", 2)]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Notes failed in log (RuntimeError: no route)") and "sink_errors.log" in line
    noted = (info.dir / "sink_errors.log").read_text()
    assert noted.count("Traceback") == 4 and noted.count("Notes.log") == 3 and "Notes.summary" in noted


def test_what_keeps_failing_is_given_up(info: RunInfo) -> None:
    broken = Notes("log")
    record(LoggerGroup([broken]), info, 20)
    assert [c[0] for c in broken.calls].count("log") == PATIENCE
    assert [c[0] for c in broken.calls].count("media") == 20, "what works goes on"


def test_one_that_cannot_start_is_only_finished(info: RunInfo) -> None:
    broken = Notes("start", "finish")
    record(LoggerGroup([broken]), info)
    assert broken.calls == [("check",), ("start",), ("finish", "ok")]


def test_a_failed_check_comes_through(info: RunInfo) -> None:
    with pytest.raises(ConfigError, match="a key"):
        LoggerGroup([Notes(), Notes("check", error=ConfigError("a key"))]).check()


def test_a_request_to_stop_comes_through(info: RunInfo) -> None:
    with pytest.raises(KeyboardInterrupt):
        record(LoggerGroup([Notes("log", error=KeyboardInterrupt())]), info)


def test_the_run_goes_on_where_errors_cannot_be_noted(info: RunInfo, capsys: pytest.CaptureFixture[str]) -> None:
    (info.dir / "sink_errors.log").mkdir()
    record(LoggerGroup([Notes("log")]), info)
    assert "Notes failed in log" in capsys.readouterr().err
