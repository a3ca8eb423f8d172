"""Weights & Biases as a view of a run: it may be slow, wrong or away, and the run goes on.

The record of truth is the run directory. Measured with wandb 0.31: logging never blocks, but opening and closing
a run do when the service misbehaves, for ever by default, so both are bounded here and end in an offline run.
"""

import os
import re
import shlex
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from il.errors import ConfigError, nearest
from il.loggers.base import Logger, RunInfo, Status
from il.loggers.reach import reachable, refused
from il.loggers.wandb_values import finite, legal, plain, show

MODES = ("online", "offline", "disabled")

UNSENT = 30.0
"""Seconds after which a row is surely on the way; the client sends every 15."""


class WandbLogger(Logger):
    """Shows a run on W&B: online where there is an API key, else offline, never with a prompt.

    The W&B run has the run's own id and is resumed under it. Everything it writes lies in the run directory.

    Args:
        project: W&B project.
        entity: user or team; None is the account's default.
        mode: one of `MODES`; None leaves it to ``WANDB_MODE`` and to whether there is a key.
        required: make a missing package, a missing key or a refused one an error of `check`.
        connect_timeout: seconds to reach the service before the run is recorded offline.
        init_timeout: seconds for the service to open the run before it is recorded offline.
        finish_timeout: seconds at the end for what is not uploaded yet.
        flush_interval: seconds of data a killed process may lose of the local W&B file.
        system_metrics: whether W&B samples CPU, GPU and memory.
        axes: for each x-axis the metrics drawn over it (a trailing * matches the rest).

    Raises:
        ConfigError: when `project` or `mode` is not legal.
    """

    def __init__(
        self,
        *,
        project: str,
        entity: str | None,
        mode: Literal["online", "offline", "disabled"] | None,
        required: bool,
        connect_timeout: float,
        init_timeout: float,
        finish_timeout: float,
        flush_interval: float,
        system_metrics: bool,
        axes: Mapping[str, Sequence[str]],
    ):
        if mode is not None and mode not in MODES:
            raise ConfigError(f"logger.wandb.mode={mode!r} is none of {', '.join(MODES)}, null{nearest(mode, MODES)}")
        if not re.fullmatch(r"[^/\\#?%:]{1,128}", project):
            raise ConfigError(f"logger.wandb.project={project!r} must be 1 to 128 characters without / \\ # ? % :")
        self._project, self._entity, self._mode, self._required = project, entity, mode, required
        self._connect_timeout, self._finish_timeout = connect_timeout, finish_timeout
        self._settings = {
            "init_timeout": init_timeout,
            "finish_timeout": finish_timeout,
            "finish_timeout_raises": True,
            "x_transaction_log_flush_interval": flush_interval,
            "x_disable_stats": not system_metrics,
            "console": "off",
            "silent": True,
        }
        self._axes = axes
        self._run: Any = None
        self._dir = Path()
        self._recent: deque[tuple[float, dict[str, Any]]] = deque()
        self._summary: dict[str, Any] = {}

    def check(self) -> None:
        """Where `required`, ask the service about the key.

        Raises:
            ConfigError: when wandb is not installed, no key is found or the service refuses it. A service that
                cannot be reached is no error: the run is then recorded offline.
        """
        if not self._required:
            return
        insists, fix = "logger.wandb.required=true, but", "or set logger.wandb.required=false"
        try:
            wandb = _import_wandb()
            with _prepared(wandb, Path(tempfile.gettempdir()), self._mode) as settings:
                if settings.mode != "online":
                    return
                if not wandb.login(prompt=False, verify=False):
                    raise ConfigError(f"{insists} there is no API key: run `wandb login` or set WANDB_API_KEY, {fix}")
        except ModuleNotFoundError as error:
            raise ConfigError(f"{insists} {error}, {fix}") from None
        except wandb.errors.AuthenticationError as error:
            raise ConfigError(f"{insists} {_one_line(error)} Run `wandb login --relogin`, {fix}") from None
        if settings.api_key and refused(settings.base_url, settings.api_key, self._connect_timeout):
            raise ConfigError(f"{insists} {settings.base_url} refuses the API key: run `wandb login --relogin`, {fix}")

    def start(self, run: RunInfo) -> None:
        """Open the W&B run, offline where it cannot be opened online.

        Raises:
            ModuleNotFoundError: when wandb is not installed.
        """
        wandb = _import_wandb()
        self._info, self._dir = run, run.dir / "wandb"
        with _prepared(wandb, self._dir, self._mode) as settings:
            mode = settings.mode
            if mode == "online":
                problem = self._open_online(wandb, run, settings.base_url)
                self._say(
                    f"{problem}; recording offline, `wandb sync {shlex.quote(str(self._dir))}` uploads it"
                    if problem
                    else self._run.url
                )
                mode = "offline"
            if self._run is None:
                self._run = self._open(wandb, run, mode)
        for axis, metrics in self._axes.items():
            self._run.define_metric(axis)
            for metric in metrics:
                self._run.define_metric(metric, step_metric=axis)

    def log(self, row: dict[str, float | int | str | None]) -> None:
        """Log a row; what is missing or not finite is left out. Never with a step: W&B drops rows behind it."""
        kept, now = finite(row), time.monotonic()
        self._do(lambda run: run.log(kept, commit=True))
        self._recent.append((now, kept))
        while now - self._recent[0][0] > UNSENT:
            self._recent.popleft()

    def media(self, key: str, path: Path, row: dict[str, float | int]) -> None:
        """Show a video, picture, page or table (csv with a header line).

        Raises:
            ValueError: for another kind of file.
        """
        wandb = _import_wandb()
        with _prepared(wandb, self._dir, self._mode):
            kept = {key: show(wandb, path), **row}
            self._do(lambda run: run.log(kept, commit=True))

    def summary(self, values: dict[str, Any]) -> None:
        """Set the run's final figures, shown in W&B's run table."""
        self._summary = finite(values)
        self._do(lambda run: run.summary.update(self._summary))

    def finish(self, status: Status) -> None:
        """Close the W&B run, with exit code 1 unless all is well."""

        def close(run: Any) -> None:
            if status == "preempted":
                run.mark_preempting()
            run.finish(exit_code=0 if status == "ok" else 1)

        try:
            self._do(close)
        except TimeoutError:
            self._say(
                f"not all uploaded in {self._finish_timeout:g} s; "
                f"`wandb sync --include-online {shlex.quote(str(self._dir))}` does it"
            )
        finally:
            self._run = None
            self._recent.clear()
            self._summary = {}

    def _do(self, act: Callable[[Any], None]) -> None:
        """Act on the run, if there is one; open it again if W&B's own process is gone.

        A scheduler's SIGTERM reaches that process too, and ends it while this one goes on to its checkpoint.
        """
        if self._run is None:
            return
        try:
            act(self._run)
        except Exception as error:
            if not _lost(error):
                raise
            wandb = _import_wandb()
            _teardown(wandb)
            self._run = wandb.run = None  # a run that lost its process can be neither finished nor gone on with
            self.start(self._info)
            for _, row in self._recent:
                self._run.log(row, commit=True)
            self._run.summary.update(self._summary)
            act(self._run)

    def _open_online(self, wandb: Any, run: RunInfo, url: str) -> str:
        """Open the run; return what was in the way, or an empty string."""
        try:
            if not wandb.login(prompt=False, verify=False):
                return "no API key (`wandb login` stores one)"
            if not reachable(url, self._connect_timeout):
                return f"{url} cannot be reached"
            self._run = self._open(wandb, run, "online")
        except Exception as error:
            _teardown(wandb)  # or the id counts as in use
            return f"{type(error).__name__}: {_one_line(error)}"
        return ""

    def _open(self, wandb: Any, run: RunInfo, mode: str) -> Any:
        return wandb.init(
            project=self._project,
            entity=self._entity,
            id=re.sub(r"[^\w.-]", "-", run.id)[:64],
            name=legal(run.name),
            group=legal(run.group),
            job_type=legal(run.job_type),
            tags=list(dict.fromkeys(tag[:64] for tag in run.tags if tag)),
            config=plain(run.config),
            dir=str(run.dir),
            mode=mode,
            resume="allow",
            reinit="finish_previous",
            settings=wandb.Settings(**self._settings),  # a shared object would leak one run's id into the next
        )

    def _say(self, text: str) -> None:
        print(f"wandb: {text}", file=sys.stderr)


def _import_wandb() -> Any:
    try:
        wandb = import_module("wandb")
        wandb.init  # noqa: B018 - a folder of that name imports too, as an empty package
    except (ModuleNotFoundError, AttributeError) as error:
        raise ModuleNotFoundError("wandb is not installed: pip install wandb") from error
    return wandb


def _teardown(wandb: Any) -> None:
    with suppress(SystemExit, ConnectionError):  # raised when W&B's own process ended badly
        wandb.teardown()


@contextmanager
def _prepared(wandb: Any, folder: Path, mode: str | None) -> Iterator[Any]:
    """For a while, keep W&B silent, its files in `folder` where the user has not said otherwise, and its mode ours.

    Yields:
        W&B's settings after its files and the environment.
    """
    wanted = {
        "WANDB_SILENT": "true",  # the setting alone still asks for a key
        "WANDB_ERROR_REPORTING": "false",  # telemetry holds up the exit when the network is dead
        "WANDB_DATA_DIR": str(folder / "data"),
        "WANDB_CACHE_DIR": str(folder / "cache"),
    }
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    settings = wandb.setup().settings
    usual = settings.mode
    settings.mode = mode or usual
    try:
        yield settings
    finally:
        settings.mode = usual
        for name in added:
            os.environ.pop(name, None)


def _lost(error: Exception) -> bool:
    """Return whether the error says that W&B's own process is gone."""
    return isinstance(error, ConnectionError) or type(error).__name__ in ("HandleAbandonedError", "MailboxClosedError")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
