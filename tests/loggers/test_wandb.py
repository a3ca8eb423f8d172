"""The real W&B client against a stand-in of the service, and offline runs read back."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from il.errors import ConfigError
from il.loggers.base import RunInfo
from tests.loggers.conftest import ROOT, rows
from tests.loggers.wandb_service import WandbService

PLAIN = {"system_metrics": False}
BAD_START = PLAIN | {"connect_timeout": 1.0, "init_timeout": 1.0}
BAD_END = PLAIN | {"finish_timeout": 1.0}
Make = Callable[..., Any]


def inspect(info: RunInfo) -> list[dict[str, Any]]:
    """Return the records of the run's W&B file, read by what ``wandb leet inspect`` starts."""
    from wandb.util import get_core_path

    (file,) = [*info.dir.glob("wandb/offline-run-*/*.wandb")] or [*info.dir.glob("wandb/run-*/*.wandb")]
    command = [get_core_path(), "leet", "inspect", "--no-observability", "--json", "--run-file", str(file)]
    for _ in range(50):  # the client says finished a moment before the file is complete
        out = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
        records = [json.loads(line) for line in out.splitlines()]
        if records and records[-1]["type"] == "exit":
            break
        time.sleep(0.1)
    return records


def history(info: RunInfo) -> list[dict[str, Any]]:
    """Return the rows of the run's W&B file."""
    return [r["history"]["item"] for r in inspect(info) if r["type"] == "history"]


def record(logger: Any, info: RunInfo, n: int = 5, status: str = "ok") -> None:
    """Log a short run."""
    logger.start(info)
    for row in rows(n):
        logger.log(row)
    logger.summary({"test/last/return_mean": 9.0, "test/last/returns": [8.0, 10.0]})
    logger.finish(status)


def test_the_service_gets_the_run(service: WandbService, make: Make, info: RunInfo, home: Path) -> None:
    record(make("wandb", **PLAIN), info)
    assert list(service.runs) == ["abc123"]
    seen = service.runs["abc123"]
    assert seen.meta["project"] == "il"
    assert (seen.meta["displayName"], seen.meta["groupName"]) == ("ant-dagger-s7", "ant-dagger")
    assert (seen.meta["jobType"], seen.meta["tags"]) == ("train", ["dagger", "ant"])
    assert {k: v["value"] for k, v in seen.config.items() if k != "_wandb"} == info.config
    assert seen.history("round") == [0, 1, 2, 3, 4]
    assert seen.history("env_steps") == [1000, 2000, 3000, 4000, 5000]
    assert seen.history("train/loss")[1] == 0.5
    assert seen.summary["test/last/return_mean"] == 9.0
    assert seen.summary["test/last/returns"] == [8.0, 10.0]
    assert (seen.complete, seen.exit_code, seen.preempting) == (True, 0, False)
    assert list(home.iterdir()) == [], "everything lies in the run directory"
    assert [p.name for p in info.dir.iterdir()] == ["wandb"]


def test_metrics_are_drawn_over_steps_and_rounds(service: WandbService, make: Make, info: RunInfo) -> None:
    record(make("wandb", **PLAIN), info)
    metrics = service.runs["abc123"].config["_wandb"]["value"]["m"]
    axes = {m.get("2") or m["1"]: metrics[m["5"] - 1]["1"] for m in metrics if "5" in m}
    assert axes["eval/*"] == axes["collect/*"] == "env_steps"
    assert axes["train/*"] == axes["time/*"] == "round"


def test_what_is_missing_or_not_finite_is_left_out(service: WandbService, make: Make, info: RunInfo) -> None:
    logger = make("wandb", **PLAIN)
    logger.start(info)
    logger.log(rows(1)[0] | {"train/loss": float("nan"), "eval/normalized": None, "eval/return_std": float("inf")})
    logger.summary({"a": 1.0, "b": None, "c": float("nan")})
    logger.finish("ok")
    seen = service.runs["abc123"]
    assert {k for k in seen.rows[0] if not k.startswith("_")} == {"round", "env_steps", "eval/return_mean"}
    assert seen.summary["a"] == 1.0 and not {"b", "c"} & set(seen.summary)


def test_names_are_cut_to_what_the_service_takes(service: WandbService, make: Make, another: Make) -> None:
    for k in (0, 1):
        group = "g" * 200 + str(k)
        record(make("wandb", **PLAIN), replace(another(k), id=f"a/b:{k}", group=group, tags=["t" * 80, "", "x", "x"]))
    groups = [seen.meta["groupName"] for seen in service.runs.values()]
    assert [len(g) for g in groups] == [128, 128] and groups[0] != groups[1]
    assert list(service.runs) == ["a-b-0", "a-b-1"]
    assert service.runs["a-b-0"].meta["tags"] == ["t" * 64, "x"]


def test_a_restart_goes_on_under_the_same_id(service: WandbService, make: Make, info: RunInfo) -> None:
    first, second = make("wandb", **PLAIN), make("wandb", **PLAIN)
    first.start(info)
    for row in rows(2):
        first.log(row)
    first.finish("preempted")
    seen = service.runs["abc123"]
    assert (seen.preempting, seen.exit_code) == (True, 1)
    second.start(replace(info, resumed=True, config=info.config | {"device": "cuda", "seed": 8}))
    for row in rows(2, start=2):
        second.log(row)
    second.finish("ok")
    assert list(service.runs) == ["abc123"]
    assert seen.history("round") == [0, 1, 2, 3]
    assert [row["_step"] for row in seen.rows] == [0, 1, 2, 3]
    assert seen.config["seed"]["value"] == 8
    assert seen.exit_code == 0


def test_a_failed_run_has_exit_code_1(service: WandbService, make: Make, info: RunInfo) -> None:
    record(make("wandb", **PLAIN), info, status="failed")
    assert service.runs["abc123"].exit_code == 1


def test_three_runs_in_one_process_stay_apart(service: WandbService, make: Make, another: Make) -> None:
    import wandb

    for k in range(3):
        record(make("wandb", **PLAIN), another(k), n=k + 1)
        assert wandb.run is None
    assert [seen.config["seed"]["value"] for seen in service.runs.values()] == [0, 1, 2]
    assert [seen.meta["displayName"] for seen in service.runs.values()] == [f"ant-dagger-s{k}" for k in range(3)]
    assert [seen.history("round") for seen in service.runs.values()] == [[0], [0, 1], [0, 1, 2]]


def test_files_are_shown_by_path(service: WandbService, make: Make, info: RunInfo, home: Path) -> None:
    contents = {"clip.mp4": b"frames", "page.html": b"<p>hi</p>", "table.csv": b"seed,return\n1,10 m\n2,20 m\n"}
    logger = make("wandb", **PLAIN)
    logger.start(info)
    for name, content in contents.items():
        (info.dir / name).write_bytes(content)
        logger.media(f"media/{name}", info.dir / name, {"round": 3, "env_steps": 4000})
    with pytest.raises(ValueError, match="mp4"):
        logger.media("media/x", info.dir / "x.npz", {"round": 3, "env_steps": 4000})
    logger.finish("ok")
    seen = service.runs["abc123"]
    kinds = {k: v["_type"] for row in seen.rows for k, v in row.items() if k.startswith("media/")}
    assert kinds == {"media/clip.mp4": "video-file", "media/page.html": "html-file", "media/table.csv": "table-file"}
    assert seen.history("env_steps") == [4000] * 3
    assert b"frames" in seen.files.values()
    (table,) = [json.loads(v) for k, v in seen.files.items() if k.endswith(".table.json")]
    assert (table["columns"], table["data"]) == (["seed", "return"], [[1.0, "10 m"], [2.0, "20 m"]])
    assert list(service.artifacts.values()) == ["COMMITTED"]
    assert list(home.iterdir()) == []


def test_without_a_key_the_run_is_offline_and_reads_back(
    service: WandbService,
    make: Make,
    info: RunInfo,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    record(make("wandb", **PLAIN), info, status="failed")
    assert "no API key" in capsys.readouterr().err
    assert service.requests == []
    records = inspect(info)
    (about,) = [r["run"] for r in records if r["type"] == "run"]
    assert (about["run_id"], about["display_name"], about["run_group"]) == ("abc123", "ant-dagger-s7", "ant-dagger")
    assert about["tags"] == ["dagger", "ant"]
    assert about["config"]["update"]["env"] == {"id": "Ant-v5"}
    assert [row["round"] for row in history(info)] == [0, 1, 2, 3, 4]
    (end,) = [r["exit"] for r in records if r["type"] == "exit"]
    assert end["exit_code"] == 1


@pytest.mark.parametrize(
    ("knob", "variable", "online"),
    [("offline", "online", False), ("online", "offline", True), (None, "offline", False), (None, None, True)],
)
def test_the_knob_beats_the_environment(
    service: WandbService,
    make: Make,
    info: RunInfo,
    monkeypatch: pytest.MonkeyPatch,
    knob: Any,
    variable: Any,
    online: Any,
) -> None:
    if variable:
        monkeypatch.setenv("WANDB_MODE", variable)
    record(make("wandb", mode=knob, **PLAIN), info)
    assert bool(service.runs) == online


def test_disabled_writes_nothing(service: WandbService, make: Make, info: RunInfo) -> None:
    record(make("wandb", mode="disabled", **PLAIN), info)
    assert service.requests == [] and not list(info.dir.glob("wandb/*run-*"))


@pytest.mark.parametrize("status", [401, 500, 0])
def test_a_service_that_cannot_open_the_run_leaves_it_offline(
    service: WandbService, make: Make, info: RunInfo, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    service.fault = lambda what: status
    record(make("wandb", **BAD_START), info)
    assert "recording offline" in capsys.readouterr().err
    assert [row["round"] for row in history(info)] == [0, 1, 2, 3, 4]


def test_a_malformed_key_leaves_it_offline(
    service: WandbService,
    make: Make,
    info: RunInfo,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "short")
    record(make("wandb", **PLAIN), info)
    assert "40+ characters" in capsys.readouterr().err
    assert len(history(info)) == 5


@pytest.fixture
def black_hole() -> Iterator[str]:
    """The address of a host that never answers a connection: its backlog is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for one in waiting:
            one.close()


@pytest.mark.parametrize("host", ["refuses", "swallows", "has no name"])
def test_a_dead_host_leaves_it_offline(
    make: Make,
    info: RunInfo,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    black_hole: str,
    host: str,
) -> None:
    url = {"refuses": "http://127.0.0.1:9", "swallows": black_hole, "has no name": "http://wandb.invalid"}[host]
    monkeypatch.setenv("WANDB_BASE_URL", url)
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    record(make("wandb", **BAD_START), info)
    assert f"{url} cannot be reached" in capsys.readouterr().err
    assert len(history(info)) == 5


def test_behind_a_proxy_the_service_is_reached_through_it(
    service: WandbService, make: Make, info: RunInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", service.url)
    monkeypatch.setenv("http_proxy", service.url)
    monkeypatch.setenv("WANDB_BASE_URL", "http://wandb.invalid")
    record(make("wandb", **PLAIN), info)
    assert service.runs["abc123"].history("round") == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("status", "n"), [(401, 200), (500, 200), pytest.param(0, 20_000, marks=pytest.mark.slow)])
def test_a_host_that_dies_mid_run_loses_nothing_here(
    service: WandbService, make: Make, info: RunInfo, status: int, n: int
) -> None:
    logger = make("wandb", **BAD_END)
    logger.start(info)
    for row in rows(n):
        logger.log(row)
        if row["round"] == n // 2:
            service.fault = lambda what: status
    logger.finish("ok")
    assert [row["round"] for row in history(info)] == list(range(n))


def test_a_process_ends_though_the_service_hangs(service: WandbService, info: RunInfo) -> None:
    program = f"""
from pathlib import Path
from omegaconf import OmegaConf
from il.config import build
from il.loggers.base import RunInfo
node = OmegaConf.merge(OmegaConf.load("conf/logger/wandb.yaml").wandb, {BAD_END!r})
logger = build(node, "logger.wandb")
logger.start(RunInfo(Path({str(info.dir)!r}), "abc123", "n", "g", "train", {{}}))
for k in range(3):
    logger.log({{"round": k, "env_steps": k}})
print("hang", flush=True)
input()
logger.log({{"round": 3, "env_steps": 3}})
logger.finish("ok")
"""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=env, text=True, **pipes) as process:
        assert process.stdout.readline() == "hang\n"
        service.fault = lambda what: 0
        _, said = process.communicate("\n", timeout=60)  # for ever with the client's defaults
    assert process.returncode == 0
    assert "wandb sync --include-online" in said
    assert len(history(info)) == 4


def test_a_signal_that_ends_the_clients_process_costs_no_row(service: WandbService, make: Make, info: RunInfo) -> None:
    logger = make("wandb", **PLAIN)
    logger.start(info)
    for row in rows(5):
        logger.log(row)
    (core,) = _children("wandb-core")
    os.kill(core, signal.SIGTERM)
    while "Z" not in Path(f"/proc/{core}/stat").read_text().split()[2]:
        pass
    for row in rows(5, start=5):
        logger.log(row)
    logger.finish("preempted")
    seen = service.runs["abc123"]
    assert sorted(set(seen.history("round"))) == list(range(10))
    assert (seen.preempting, seen.exit_code) == (True, 1)


def _children(name: str) -> list[int]:
    out = subprocess.run(["pgrep", "-P", str(os.getpid()), name], capture_output=True, text=True).stdout
    return [int(pid) for pid in out.split()]


def test_required_wants_a_key(service: WandbService, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(ConfigError, match=r"no API key.*required=false"):
        make("wandb", required=True, **PLAIN).check()
    make("wandb", required=False, **PLAIN).check()


def test_required_wants_a_key_that_the_service_takes(service: WandbService, make: Make) -> None:
    logger = make("wandb", required=True, **PLAIN)
    logger.check()
    service.fault = lambda what: 401
    with pytest.raises(ConfigError, match="refuses the API key"):
        logger.check()
    service.fault = lambda what: 500
    logger.check()  # its trouble, not the user's


def test_required_wants_a_well_formed_key(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "short")
    with pytest.raises(ConfigError, match=r"40. characters"):
        make("wandb", required=True, **PLAIN).check()


@pytest.mark.parametrize("stand_in", [None, types.ModuleType("wandb")])  # absent, or a folder of that name
def test_a_missing_package(make: Make, info: RunInfo, monkeypatch: pytest.MonkeyPatch, stand_in: Any) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "wandb", stand_in)
        with pytest.raises(ConfigError, match="pip install wandb"):
            make("wandb", required=True, **PLAIN).check()
        with pytest.raises(ModuleNotFoundError, match="pip install wandb"):
            make("wandb", **PLAIN).start(info)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [({"mode": "onlin"}, "did you mean 'online'"), ({"project": "a/b"}, "a/b"), ({"project": ""}, "1 to 128")],
)
def test_bad_knobs_are_refused(make: Make, knobs: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make("wandb", **knobs)


def test_importing_the_logger_does_not_import_wandb() -> None:
    heavy = "{'wandb', 'tensorboard', 'torch'}"
    program = f"import sys, il.loggers.wandb, il.loggers.tensorboard; print({heavy} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert out.stdout == "set()\n"
