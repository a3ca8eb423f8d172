"""What `il eval` can be asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any

import yaml

from il.errors import ConfigError, nearest


@dataclass(frozen=True)
class Options:
    """What is asked for; `options.yaml` says what each means and has the defaults."""

    episodes: int
    seed: int
    outputs: list[str]
    sample: bool
    obs_noise: list[float]
    act_noise: list[float]
    video: bool
    show: bool
    steps: int | None
    out: str | None


def parse(pairs: Sequence[str]) -> tuple[Options, list[str]]:
    """Read ``key=value`` pairs into options and changes of env and expert.

    Raises:
        ConfigError: for an unknown key or a value that it cannot have.
    """
    values: dict[str, Any] = yaml.safe_load(files("il.evaluation").joinpath("options.yaml").read_text(encoding="utf-8"))
    changes = []
    for pair in pairs:
        key, _, value = pair.lstrip("+").partition("=")
        if key.partition(".")[0] in ("env", "expert") and "." in key:
            changes.append(f"{key}={value}")
        elif key in values:
            values[key] = yaml.safe_load(value)
        else:
            raise ConfigError(
                f"il eval has no option '{key}'{nearest(key, values)}; it has {', '.join(values)}, env.… and expert.…"
            )
    for key in ("outputs", "obs_noise", "act_noise"):
        value = values[key]
        values[key] = value if isinstance(value, list) else [v.strip() for v in str(value).split(",")]
    try:
        for key in ("obs_noise", "act_noise"):
            values[key] = [float(v) for v in values[key]]
    except ValueError:
        raise ConfigError(f"{key}={values[key]}: numbers, such as {key}=0,0.1") from None
    for f in fields(Options):
        value = values[f.name]
        if (f.type is bool and not isinstance(value, bool)) or (f.type is int and type(value) is not int):
            raise ConfigError(f"{f.name}={value} is no {'truth value' if f.type is bool else 'whole number'}")
    for key, values_of in (("obs_noise", values["obs_noise"]), ("act_noise", values["act_noise"])):
        if min(values_of) < 0:
            raise ConfigError(f"{key}={min(values_of)}: 0 or more")
    if values["episodes"] < 1 or values["seed"] < 0:
        raise ConfigError(f"episodes={values['episodes']} seed={values['seed']}: at least 1 episode, seed 0 or more")
    return Options(**values), changes
