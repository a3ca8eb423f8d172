"""Where a run's record goes besides its own files."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Status = Literal["ok", "failed", "preempted"]


@dataclass(frozen=True)
class RunInfo:
    """What a logger may know about a run."""

    dir: Path
    """The run directory; everything a logger writes stays inside."""
    id: str
    """Unique and stable over restarts; also the W&B id."""
    name: str
    """Short label, at most 128 characters."""
    group: str
    """Equal for runs that differ only in their seed, at most 128 characters."""
    job_type: str
    """Usually ``train``."""
    config: dict[str, Any]
    """The resolved configuration as a plain nested dict."""
    tags: list[str] = field(default_factory=list)
    """Each 1 to 64 characters."""
    resumed: bool = False
    """True when the run goes on from a checkpoint."""
    total_rounds: int = 0
    """Planned number of rounds, for progress."""


class Logger:
    """A view of a run. Its methods must not raise into the trainer; `LoggerGroup` makes sure of it."""

    def check(self) -> None:
        """Look, before anything starts or is written, whether the configuration can be met.

        Raises:
            ConfigError: when it insists on something that cannot be had: a missing package, a refused key.
        """

    def start(self, run: RunInfo) -> None:
        """Open the log of one run, or go on with it."""

    def log(self, row: dict[str, float | int | str | None]) -> None:
        """Record one round; `row` has the names of the README's table, among them round and env_steps."""

    def media(self, key: str, path: Path, row: dict[str, float | int]) -> None:
        """Show a file that lies in the run directory; `row` has round and env_steps."""

    def progress(self, done: int, total: int, what: str) -> None:
        """Hear about progress inside a round; may be called often."""

    def summary(self, values: dict[str, Any]) -> None:
        """Record the run's final figures."""

    def finish(self, status: Status) -> None:
        """Close the log; called exactly once for each start."""
