"""Weights & Biases as a view of a run: it may be slow, wrong or away, and the run goes on.

The record of truth is the run directory. Measured with wandb 0.31: logging never blocks, but opening and closing
a run do when the service misbehaves, for ever by default, so both are bounded here and end in an offline run.
"""

import csv
import hashlib
import math
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from numbers import Real
from pathlib import Path
from typing import Any, Literal

from il.errors import ConfigError, nearest
from il.loggers.base import Logger, RunInfo, Status
from il.loggers.reach import reachable, refused

MODES = ("online", "offline", "disabled")


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
            with _environment(Path(tempfile.gettempdir())):
                settings = self._global_settings(wandb)
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
        self._dir = run.dir / "wandb"
        with _environment(self._dir):
            settings = self._global_settings(wandb)
            mode = settings.mode
            if mode == "online":
                problem = self._open_online(wandb, run, settings.base_url)
                self._say(
                    f"{problem}; recording offline, `wandb sync {self._dir}` uploads it" if problem else self._run.url
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
        if self._run is not None:
            self._run.log({key: value for key, value in row.items() if _shown(value)}, commit=True)

    def media(self, key: str, path: Path, row: dict[str, float | int]) -> None:
        """Show a video, picture, page or table (csv with a header line).

        Raises:
            ValueError: for another kind of file.
        """
        if self._run is not None:
            self._run.log({key: _media(path), **row}, commit=True)

    def summary(self, values: dict[str, Any]) -> None:
        """Set the run's final figures, shown in W&B's run table."""
        if self._run is not None:
            self._run.summary.update({key: value for key, value in values.items() if _shown(value)})

    def finish(self, status: Status) -> None:
        """Close the W&B run, with exit code 1 unless all is well."""
        run, self._run = self._run, None
        if run is None:
            return
        if status == "preempted":
            run.mark_preempting()
        try:
            run.finish(exit_code=0 if status == "ok" else 1)
        except TimeoutError:
            self._say(
                f"not all uploaded in {self._finish_timeout:g} s; `wandb sync --include-online {self._dir}` does it"
            )

    def _global_settings(self, wandb: Any) -> Any:
        """Return W&B's settings after its files, the environment and our mode."""
        return wandb.setup(wandb.Settings(mode=self._mode) if self._mode else None).settings

    def _open_online(self, wandb: Any, run: RunInfo, url: str) -> str:
        """Open the run; return what was in the way, or an empty string."""
        try:
            if not wandb.login(prompt=False, verify=False):
                return "no API key (`wandb login` stores one)"
            if not reachable(url, self._connect_timeout):
                return f"{url} cannot be reached"
            self._run = self._open(wandb, run, "online")
        except Exception as error:  # noqa: BLE001 - whatever it was, an offline run does without the service
            _teardown(wandb)  # or the id counts as in use
            return f"{type(error).__name__}: {_one_line(error)}"
        return ""

    def _open(self, wandb: Any, run: RunInfo, mode: str) -> Any:
        return wandb.init(
            project=self._project,
            entity=self._entity,
            id=re.sub(r"[^\w.-]", "-", run.id)[:64],
            name=_legal(run.name),
            group=_legal(run.group),
            job_type=_legal(run.job_type),
            tags=list(dict.fromkeys(tag[:64] for tag in run.tags if tag)),
            config=_plain(run.config),
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
    with suppress(SystemExit):  # raised when W&B's own process ended badly
        wandb.teardown()


@contextmanager
def _environment(folder: Path) -> Iterator[None]:
    """For a while, keep W&B silent and its files in `folder`, as far as the user has not said otherwise."""
    wanted = {
        "WANDB_SILENT": "true",  # the setting alone still asks for a key
        "WANDB_ERROR_REPORTING": "false",  # telemetry holds up the exit when the network is dead
        "WANDB_DATA_DIR": str(folder / "data"),
        "WANDB_CACHE_DIR": str(folder / "cache"),
    }
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _legal(name: str) -> str:
    """Cut a name to the service's 128 characters; different names stay different."""
    if len(name) <= 128:
        return name
    return f"{name[:119]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _shown(value: Any) -> bool:
    return value is not None and not (isinstance(value, Real) and not math.isfinite(value))


def _plain(node: Any) -> Any:
    """Return the config with keys as strings: W&B takes no others."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    return [_plain(value) for value in node] if isinstance(node, list | tuple) else node


def _media(path: Path) -> Any:
    wandb = _import_wandb()
    kind = path.suffix.lower().lstrip(".")
    if kind in ("mp4", "webm", "gif"):
        return wandb.Video(str(path), format=kind)
    if kind in ("png", "jpg", "jpeg"):
        return wandb.Image(str(path))
    if kind == "html":
        return wandb.Html(path.read_text())
    if kind == "csv":
        with open(path, newline="") as file:
            header, *rows = csv.reader(file)
        return wandb.Table(columns=header, data=rows)
    raise ValueError(f"{path.name}: W&B is shown mp4, webm, gif, png, jpg, html and csv")
