"""A run is a directory: identity, record, checkpoints, status.

Everything in it is written so that a kill at any moment leaves the last complete state.
"""

import fcntl
import json
import os
import shutil
import socket
import sys
import time
import traceback
import uuid
from pathlib import Path
from typing import Any

import yaml

from il.config import config_hash, differences
from il.errors import ConfigError
from il.loggers.base import Status
from il.preempt import Preempted
from il.provenance import cpu, git_state, versions
from il.state import load_tree, save_tree, sync

OURS = {"config.yaml", "overrides.yaml", ".lock", "multirun.yaml", "wandb", ".submitit"}
"""What may lie in a directory in which no run has started."""


def write_text(path: Path, text: str) -> None:
    """Replace a file's content atomically."""
    partial = path.with_name(f".{path.name}.partial")
    with open(partial, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


class RunDir:
    """One run's directory.

    Args:
        path: created if absent.
        config: the resolved configuration.
        overrides: the command line's.
        packages: distributions whose versions decide results, beside those of every run.

    Raises:
        ConfigError: when it holds something else, a run of another configuration, or a run that is going on now,
            or cannot be written.
    """

    def __init__(self, path: Path, config: dict[str, Any], overrides: list[str], packages: tuple[str, ...] = ()):
        self.path = path.absolute()
        self.info = self._claim(config)
        fresh = not self.info
        if fresh:
            write_text(self.path / "config.yaml", yaml.safe_dump(config, sort_keys=False))
            write_text(self.path / "overrides.yaml", yaml.safe_dump(overrides))
            unique = uuid.uuid4().hex[:10]
            self.info = {"id": unique, "wandb_id": unique, "start": time.time(), "attempts": 0}
        complete = self.info.get("status") == "ok" and (self.path / "summary.json").exists()
        # with another budget there may be more to do
        self.finished = complete and self.info.get("budget", config["budget"]) == config["budget"]
        if self.finished:
            return
        if not fresh and self.info["versions"] != versions(*packages):
            print("warning: the run was started with other versions; it goes on, but not bit for bit", file=sys.stderr)
        self.update(
            status="running", attempts=self.info["attempts"] + 1, config_hash=config_hash(config), error=None, end=None,
            budget=config["budget"],
            command=sys.argv, host=socket.gethostname(), versions=versions(*packages), git=self._git(), cpu=cpu(),
            slurm={k: v for k, v in os.environ.items() if k.startswith("SLURM_") and k.endswith(("_ID", "_COUNT"))},
        )  # fmt: skip

    def _claim(self, config: dict[str, Any]) -> dict[str, Any]:
        """Lock the directory and return the run.json of the run to go on with, or nothing."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.path / ".lock", "w")  # noqa: SIM115 - held as long as the run
        except OSError as error:
            raise ConfigError(
                f"{self.path} cannot be written ({error.strerror}): choose another with out= or outputs_dir="
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"{self.path} belongs to a run that is going on now; wait for it, or use another out="
            ) from None
        except OSError:
            pass  # a file system without locks
        if not (self.path / "run.json").exists():
            strange = sorted(p.name for p in self.path.iterdir() if p.name not in OURS and ".partial" not in p.name)
            if strange:
                raise ConfigError(f"{self.path} holds no run, but {strange[0]}: choose another with out=")
            return {}
        info: dict[str, Any] = json.loads((self.path / "run.json").read_text())
        if info["config_hash"] != config_hash(config):
            differing = ", ".join(differences(yaml.safe_load((self.path / "config.yaml").read_text()), config))
            raise ConfigError(f"{self.path} holds a run of another configuration ({differing}): "
                              "use another out=, or resume= to go on with the stored one")  # fmt: skip
        return info

    def update(self, **values: Any) -> None:
        """Change run.json."""
        self.info.update(values)
        write_text(self.path / "run.json", json.dumps(self.info, indent=1, default=str))

    def _git(self) -> dict[str, Any]:
        sha, diff = git_state()
        if diff:
            (self.path / "uncommitted.diff").write_text(diff)
        return {"sha": sha, "dirty": bool(diff)}

    # -- record -----------------------------------------------------------------------------------------------

    @property
    def metrics(self) -> Path:
        """The record: one JSON object a round."""
        return self.path / "metrics.jsonl"

    def record(self, row: dict[str, Any]) -> None:
        """Append a round to the record, and make sure it is on the disk."""
        with open(self.metrics, "a") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def rows(self) -> list[dict[str, Any]]:
        """Return the record."""
        return [json.loads(line) for line in self.metrics.read_text().splitlines()] if self.metrics.exists() else []

    def summarise(self, values: dict[str, Any]) -> None:
        """Write the final figures."""
        write_text(self.path / "summary.json", json.dumps(values, indent=1))

    def summary(self) -> dict[str, Any]:
        """Return the final figures."""
        out: dict[str, Any] = json.loads((self.path / "summary.json").read_text())
        return out

    # -- checkpoints ------------------------------------------------------------------------------------------

    def checkpoint(self, n: int, state: dict[str, Any]) -> None:
        """Store the state after round n; the previous checkpoint stays until this one is complete."""
        folder = self.path / "checkpoints"
        partial, final = folder / ".partial", folder / f"round_{n:04d}"
        for leftover in (partial, final):
            shutil.rmtree(leftover, ignore_errors=True)
        partial.mkdir(parents=True)
        offset = self.metrics.stat().st_size if self.metrics.exists() else 0
        save_tree({**state, "metrics_bytes": offset}, partial, self.path)
        os.replace(partial, final)
        sync(folder)
        write_text(folder / "latest", final.name)
        for other in folder.iterdir():
            if other.is_dir() and other != final:
                shutil.rmtree(other)

    def load(self) -> dict[str, Any] | None:
        """Return the last complete state, with the record cut back to it; None when there is none."""
        latest = self.path / "checkpoints" / "latest"
        state: dict[str, Any] | None = None
        if latest.exists():
            state = load_tree(self.path / "checkpoints" / latest.read_text(), self.path)
        if self.metrics.exists():
            os.truncate(self.metrics, state["metrics_bytes"] if state else 0)
        return state

    # -- the end ----------------------------------------------------------------------------------------------

    def finish(self, error: BaseException | None) -> Status:
        """Write the status that an exception, or none, stands for; return it."""
        status: Status = "ok" if error is None else "failed"
        if isinstance(error, Preempted):
            status = "preempted"
        last = None
        if status == "failed":
            assert error is not None
            (self.path / "traceback.txt").write_text("".join(traceback.format_exception(error)))
            last = traceback.format_exception_only(error)[-1].strip()
        self.update(status=status, end=time.time(), error=last)
        self._lock.close()
        return status
