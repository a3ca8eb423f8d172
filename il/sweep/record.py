"""What a sweep leaves on disk besides its runs.

    sweep.json      one entry per launch: command, folder, time, host, code (see `il.sweep.code`)
    jobs.jsonl      the job table, append-only; later rows of a name complete or replace earlier ones
    .jobs/          what the launchers write: output of each job, sbatch scripts
    <job name>/     one run directory per job

Launchers append to the table, nodes never do: a node only writes its own run directory.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from il.errors import ConfigError


@dataclass(frozen=True)
class Entry:
    """One job of the table."""

    name: str
    """Its folder inside the sweep."""
    overrides: list[str] = field(default_factory=list)
    config_hash: str = ""
    id: str = ""
    """``43_1`` on a cluster, ``local:PID:START`` on this machine, empty until it was submitted."""
    host: str = ""
    """Where it was submitted from."""
    log: str = ""
    """File with its output, relative to the sweep."""
    submitted: float | None = None
    ended: float | None = None
    state: str = ""
    """How it ended, as the launcher saw it: ok, failed, cancelled, stopped; empty if no launcher has seen that."""
    node: str = ""
    reason: str = ""
    """Why it did not end well."""


class Sweep:
    """The directory of one sweep."""

    def __init__(self, dir: Path) -> None:
        """Name the directory; nothing is read or written yet."""
        self.dir = dir

    @classmethod
    def open(cls, dir: str | Path) -> "Sweep":
        """Return the sweep in an existing directory.

        Raises:
            ConfigError: when it holds no sweep.
        """
        sweep = cls(Path(dir).absolute())
        if not sweep._table.exists():
            found = sorted(str(p.parent) for p in sweep.dir.glob("**/jobs.jsonl"))[-3:]
            hint = f"; there are sweeps in {', '.join(found)}" if found else ""
            raise ConfigError(f"{dir} holds no sweep (no jobs.jsonl){hint}")
        return sweep

    @property
    def _table(self) -> Path:
        return self.dir / "jobs.jsonl"

    @property
    def jobs_dir(self) -> Path:
        """Return the folder for the output of jobs."""
        return self.dir / ".jobs"

    @property
    def override(self) -> str:
        """Return the override that sends a command into this directory."""
        quoted = str(self.dir).replace("\\", "\\\\").replace("'", "\\'")
        return f"hydra.sweep.dir='{quoted}'"

    def launches(self) -> list[dict[str, Any]]:
        """Return what was recorded at each launch, oldest first."""
        path = self.dir / "sweep.json"
        return json.loads(path.read_text())["launches"] if path.exists() else []

    def add_launch(self, launch: dict[str, Any]) -> None:
        """Record one more launch."""
        text = json.dumps({"launches": [*self.launches(), launch]}, indent=1)
        temporary = self.dir / f".sweep.json.{os.getpid()}"
        temporary.write_text(text)
        temporary.replace(self.dir / "sweep.json")

    def entries(self) -> dict[str, Entry]:
        """Return the job table by name, in the order in which jobs were first added."""
        table: dict[str, Entry] = {}
        if not self._table.exists():
            return table
        known = {f.name for f in fields(Entry)}
        for line in self._table.read_text().splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:  # the writer was killed within the line
                continue
            row = {key: value for key, value in row.items() if key in known}
            table[row["name"]] = replace(table[row["name"]], **row) if row["name"] in table else Entry(**row)
        return table

    def add(self, *entries: Entry) -> None:
        """Put whole rows into the table, replacing what stood there under their names."""
        self._append([asdict(entry) for entry in entries])

    def end(self, name: str, state: str, reason: str, node: str) -> None:
        """Note how and where a job ended."""
        self._append([{"name": name, "ended": time.time(), "state": state, "reason": reason, "node": node}])

    def _append(self, rows: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        with self._table.open("ab+") as table:
            if table.tell():
                table.seek(-1, os.SEEK_END)
                if table.read(1) != b"\n":  # a writer was killed within its line
                    text = "\n" + text
            table.write(text.encode())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other launchers out of the directory meanwhile.

        Raises:
            ConfigError: when another one is in it.
        """
        self.dir.mkdir(parents=True, exist_ok=True)
        with (self.dir / ".lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                who = lock.read().strip()
                raise ConfigError(f"{self.dir} is being worked on by {who}; wait for it, or end it") from None
            except OSError:
                pass  # a file system without locks
            lock.truncate(0)
            lock.write(f"process {os.getpid()} on {socket.gethostname()}")
            lock.flush()
            yield
            lock.truncate(0)

    def busy(self) -> bool:
        """Return whether a launcher holds the directory."""
        try:
            with (self.dir / ".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            pass  # never held, or a file system without locks
        return False

    def read(self, name: str, file: str) -> dict[str, Any]:
        """Return a JSON file of a job's run directory, empty when it is not there yet."""
        try:
            return json.loads((self.dir / name / file).read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def written(self, name: str, file: str) -> float:
        """Return when a file of a job's run directory was written last, in Unix time; 0 when it is not there."""
        try:
            return (self.dir / name / file).stat().st_mtime
        except FileNotFoundError:
            return 0.0


def with_overrides(command: list[str], overrides: list[str]) -> list[str]:
    """Return a command with more overrides, in place of its own for the same keys and before its flags."""
    keys = {override.partition("=")[0] for override in overrides}
    dropped = tuple(f"{key.replace('/', '.')}." for key in keys if "/" in key)  # another launcher has other knobs
    kept = [t for t in command if t.partition("=")[0] not in keys and not (dropped and t.startswith(dropped))]
    flags = next((k for k, token in enumerate(kept) if token.startswith("-")), len(kept))
    return [*kept[:flags], *overrides, *kept[flags:]]
