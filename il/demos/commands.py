"""``python -m il demos collect|info|convert|merge key=value …``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from il.command_line import check_groups, one_line
from il.config import build, register
from il.demos import formats, summary
from il.demos.collect import record
from il.demos.formats import Demonstrations
from il.demos.trajectory import concatenate, select
from il.envs.base import VectorEnv
from il.errors import ConfigError, nearest
from il.experts.base import Expert

ROOT = Path(__file__).resolve().parents[2]


def main(overrides: list[str]) -> None:
    """Run one command; the first of `overrides` is its name, the rest are its knobs (see options.yaml).

    Raises:
        ConfigError: unknown command or knob, a knob without a value, or what the command itself refuses.
    """
    commands = {"collect": _collect, "info": _info, "convert": _convert, "merge": _merge}
    name = overrides[0] if overrides else ""
    if name not in commands:
        known = ", ".join(commands)
        raise ConfigError(f"il demos {name or '…'}: no such command{nearest(name, commands)}; there are {known}")
    commands[name](overrides[1:])


def _collect(overrides: Sequence[str]) -> None:
    known = _defaults("collect")
    mine = [o for o in overrides if o.partition("=")[0] in list(known)]
    knobs = _knobs("collect", mine)
    formats.require_free(knobs.to)
    format = knobs.format or formats.detect(knobs.to)
    if knobs.subsample > 1 and format != "npz":
        raise ConfigError(f"subsample={knobs.subsample}: {format} files hold successive steps; write an .npz")
    env, expert, seed = _parts([o for o in overrides if o not in mine])
    rollout = record(env, expert, knobs.episodes, knobs.noise, knobs.subsample, seed)
    disturbed = f", noise {knobs.noise}" if knobs.noise else ""
    demos = Demonstrations(rollout, env.spec.id, f"{expert.provenance.source}{disturbed}, seed {seed}")
    env.close()
    formats.write(knobs.to, format, demos)
    bounds = None if env.spec.low is None or env.spec.high is None else (env.spec.low, env.spec.high)
    _say([f"wrote     {knobs.to}", *summary.lines(demos, bounds)])


def _info(overrides: Sequence[str]) -> None:
    knobs = _knobs("info", overrides)
    demos = formats.read(knobs.path, knobs.format, knobs.horizon)
    _say(summary.lines(demos, summary.bounds_of(demos.env_id)))


def _convert(overrides: Sequence[str]) -> None:
    knobs = _knobs("convert", overrides)
    demos = formats.read(knobs.path, knobs.format, knobs.horizon)
    if knobs.episodes is not None:
        available = len(demos.rollout.seed)
        if not 1 <= knobs.episodes <= available:
            raise ConfigError(f"episodes={knobs.episodes}, but {knobs.path} holds {available}")
        rollout = select(demos.rollout, np.arange(knobs.episodes))
        demos = Demonstrations(rollout, demos.env_id, f"{demos.source}, first {knobs.episodes} episodes")
    formats.write(knobs.to, knobs.to_format, demos)
    _say([f"wrote     {knobs.to}", *summary.lines(demos, summary.bounds_of(demos.env_id))])


def _merge(overrides: Sequence[str]) -> None:
    knobs = _knobs("merge", overrides)
    if not OmegaConf.is_list(knobs.paths) or len(knobs.paths) < 2:
        raise ConfigError(f"paths={knobs.paths}: give two data sets or more, as in paths=[a.npz,b.npz]")
    parts = [formats.read(path, None, knobs.horizon) for path in knobs.paths]
    ids = sorted({part.env_id for part in parts if part.env_id})
    if len(ids) > 1:
        raise ConfigError(f"paths come from {' and '.join(ids)}; only data of one environment are merged")
    rollout = concatenate([part.rollout for part in parts], list(knobs.paths))
    demos = Demonstrations(rollout, ids[0] if ids else None, " + ".join(part.source for part in parts))
    formats.write(knobs.to, knobs.to_format, demos)
    _say([f"wrote     {knobs.to}", *summary.lines(demos, summary.bounds_of(demos.env_id))])


def _defaults(command: str) -> DictConfig:
    every = OmegaConf.load(Path(__file__).with_name("options.yaml"))
    assert isinstance(every, DictConfig)
    knobs: DictConfig = every[command]
    return knobs


def _knobs(command: str, overrides: Sequence[str]) -> Any:
    """Return the command's knobs with the user's values."""
    knobs = _defaults(command)
    for token in overrides:
        key, equals, _ = token.partition("=")
        if not equals or key not in list(knobs):
            raise ConfigError(
                f"il demos {command}: no such knob as {token}{nearest(key, knobs)}; it has {', '.join(knobs)}"
            )
    try:
        merged = OmegaConf.merge(knobs, OmegaConf.from_dotlist(list(overrides)))
    except OmegaConfBaseException as error:
        raise ConfigError(" ".join(str(error).split())) from None
    for key in map(str, merged):
        if OmegaConf.is_missing(merged, key):
            raise ConfigError(f"il demos {command} needs {key}=…")
    return merged


def _parts(overrides: Sequence[str]) -> tuple[VectorEnv, Expert, int]:
    """Build the environment and the expert that launch.py would build."""
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException

    register()
    check_groups(ROOT, overrides)
    try:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            cfg = compose("config", overrides=[*overrides, f"hydra.searchpath=[file://{ROOT}]"])
        env: VectorEnv = build(cfg.env, "env")
        return env, build(cfg.expert, "expert")(spec=env.spec), cfg.seed
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(one_line(error, ROOT, overrides)) from None


def _say(lines: Sequence[str]) -> None:
    print("\n".join(lines))
