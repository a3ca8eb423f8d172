"""A run without learning: it keeps a run directory as the trainer does, and misbehaves when told to."""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig

import il
from il import preempt
from il.errors import ConfigError


def write(path, value):
    path.with_suffix(".tmp").write_text(json.dumps(value))
    path.with_suffix(".tmp").replace(path)


def read(path, default):
    return json.loads(path.read_text()) if path.exists() else default


def misbehave(act):
    if act == "raise":
        raise ValueError("boom\nin two lines")
    if act == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if act == "exit":
        sys.exit(3)
    if act == "memory":
        hog = bytearray(700 << 20)
        for k in range(0, len(hog), 4096):
            hog[k] = 1
        time.sleep(30)


def train(cfg, dir):
    run = read(dir / "run.json", {"start": time.time(), "attempts": 0, "config": cfg.act})
    run |= {"status": "running", "attempts": run["attempts"] + 1, "host": socket.gethostname(), "end": None}
    write(dir / "run.json", run)
    state = read(dir / "state.json", {"round": 0, "bytes": 0, "x": cfg.seed})
    metrics = dir / "metrics.jsonl"
    metrics.touch()
    os.truncate(metrics, state["bytes"])
    print("threads", os.environ.get("OMP_NUM_THREADS"), "code", il.__file__, "pid", os.getpid())
    status, error = "failed", None
    try:
        for k in range(state["round"], cfg.rounds):
            print(f"round {k} of seed {cfg.seed}")
            time.sleep(cfg.sleep)
            state["x"] = (state["x"] * 1103515245 + 12345) % 2**31
            with metrics.open("a") as file:
                file.write(json.dumps({"round": k, "eval/return_mean": state["x"] % 1000}) + "\n")
            state |= {"round": k + 1, "bytes": metrics.stat().st_size}
            write(dir / "state.json", state)
            if k == 0 and not (cfg.once and run["attempts"] > 1):
                misbehave(cfg.act)
            if preempt.requested() and k + 1 < cfg.rounds:
                status = "preempted"
                raise preempt.Preempted
        status = "ok"
    except (Exception, SystemExit) as exception:
        error = f"{type(exception).__name__}: {exception}".splitlines()[0]
        raise
    finally:
        write(dir / "run.json", run | {"status": status, "error": error, "end": time.time()})
    objective = float("nan") if cfg.act == "diverge" else 1000 * cfg.beta * (1 - cfg.beta)
    write(dir / "summary.json", {"objective": objective})
    return objective


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    hydra_cfg = HydraConfig.get()
    return train(cfg, Path(hydra_cfg.sweep.dir) / hydra_cfg.sweep.subdir)


if __name__ == "__main__":
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        main()
    except ConfigError as error:
        sys.exit(f"error: {error}")
