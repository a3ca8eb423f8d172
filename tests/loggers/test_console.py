"""What a run prints."""

import io
import json
from pathlib import Path

import pytest

from il.loggers.base import RunInfo
from il.loggers.console import ConsoleLogger, table

ROWS = [
    {"round": 0, "env_steps": 2000, "expert_labels": 2000, "eval/return_mean": 100.0, "eval/return_median": 90.0,
     "eval/normalized": 0.5, "collect/expert_share": 1.0, "train/loss": -1.5, "time/total": 2.0},
    {"round": 1, "env_steps": 3000, "expert_labels": 3000, "eval/return_mean": 200.0, "eval/return_median": 190.0,
     "eval/normalized": 1.0, "collect/expert_share": 0.0, "train/loss": float("nan"), "time/total": 2.0},
]  # fmt: skip
SUMMARY = {"expert_labels": 3000, "best_round": 1} | {
    f"test/{name}/{key}": value
    for name, mean in (("last", 180.0), ("best", 190.0), ("random", 1.0), ("expert", 200.0))
    for key, value in {
        "return_mean": mean,
        "return_median": mean,
        "normalized": mean / 200,
        "returns": [mean] * 5,
    }.items()
}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8"):
        super().__init__()
        self._encoding = encoding

    encoding = property(lambda self: self._encoding)

    def isatty(self) -> bool:
        return True


def info(path: Path) -> RunInfo:
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return RunInfo(dir=path, id="x", name="ant-dagger-s0 β", group="g", job_type="train", config={}, total_rounds=2)


def play(stream: io.StringIO, path: Path) -> str:
    console = ConsoleLogger(stream)
    console.start(info(path))
    for row in ROWS:
        console._shown = 0.0  # the clock of its redraws
        console.progress(1, 10, "collect")
        console.log(row)
    console.summary(SUMMARY)
    console.finish("ok")
    return stream.getvalue()


def test_the_table_has_baselines_rounds_and_outputs_in_order_and_fits(tmp_path: Path) -> None:
    text = table(ROWS, SUMMARY)
    assert max(map(len, text)) <= 80
    names = [line.split("  ")[0].strip() for line in text]
    assert [n for n in names if n and "episodes" not in n and not n.startswith("-")] == [
        "round 0 (cloning)", "round 1", "random", "expert", "last", "best (round 1)",
    ]  # fmt: skip
    assert "on 5 test episodes" in text
    assert max(map(len, table(ROWS, SUMMARY, width=50))) <= 50


@pytest.mark.parametrize("columns", ["30", "80", "200"])
def test_the_live_line_fits_the_terminal_and_is_wiped(tmp_path, monkeypatch, columns) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    out = play(Terminal(), tmp_path)
    live = [piece for piece in out.split("\r") if "collect 1/10" in piece and "\n" not in piece]
    assert live and all(len(piece) < int(columns) for piece in live)


def test_without_a_terminal_there_is_one_plain_line_a_round(tmp_path: Path) -> None:
    out = play(io.StringIO(), tmp_path)
    assert "\r" not in out and "\x1b" not in out
    assert sum(line.startswith("[") for line in out.splitlines()) == 2
    assert out.splitlines()[-1] == f"ok: {tmp_path}"


def test_a_terminal_that_knows_no_greek_still_gets_the_rest(tmp_path: Path) -> None:
    assert "ant-dagger-s0 ?" in play(Terminal("ascii"), tmp_path)
