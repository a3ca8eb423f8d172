"""What surrounds Hydra's command line: argument order, help, and errors in one line."""

import os
import re
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from il.errors import ConfigError, nearest

GROUPS = ("env", "expert", "algo", "policy", "logger", "trainer", "preset", "sweeps")


def overrides_first(argv: Sequence[str]) -> list[str]:
    """Return the arguments with overrides before flags, the one order that every Hydra accepts.

    Flags keep their values (``-cd DIR``, ``-p PACKAGE``), and ``--info`` takes none of the overrides.
    """
    from hydra._internal.utils import get_args_parser

    valued = {s for a in get_args_parser()._actions if a.nargs is None for s in a.option_strings}
    flags: list[str] = []
    overrides: list[str] = []
    rest = iter(argv)
    for token in rest:
        if token in valued:
            value = next(rest, None)
            flags += [token] if value is None else [token, value]
        elif token.startswith("-") or (flags[-1:] in (["-i"], ["--info"]) and "=" not in token):
            flags.append(token)
        else:
            overrides.append(token)
    return overrides + flags


def keys_anywhere(argv: Sequence[str]) -> list[str]:
    """Return the arguments with ``sweeps=`` as Hydra calls a group whose files set keys of the whole configuration.

    Otherwise a directive for Hydra would have to be the first line of each sweep's file, where its command stands.
    """
    return [re.sub("^sweeps=", "sweeps@_global_=", token) for token in argv]


def options(root: Path, group: str) -> dict[str, str]:
    """Return the options of a group with the first comment line of their files."""
    folder = root / "sweeps" if group == "sweeps" else root / "conf" / group
    out = {}
    for path in sorted(folder.glob("*.yaml")):
        comments = [line[1:].strip() for line in path.read_text().splitlines() if line.startswith("#")]
        out[path.stem] = next((c for c in comments if not c.startswith("@")), "")
    return out


def help_text(root: Path) -> str:
    """Return the text of ``--help``: groups, their options, and the run's own knobs, one line for each."""
    lines = [
        "il runs imitation-learning experiments.",
        "",
        "  python launch.py algo=dagger env=ant                     one run",
        "  python launch.py algo=dagger env=ant -m seed=1,2,3       a sweep",
        "  python launch.py --cfg job algo=dagger                   show a configuration, run nothing",
        "  python launch.py out=NAME …  or  resume=DIR              go on after a stop",
        "  python -m il                                             reports and tools for finished runs",
        "",
    ]
    for group in GROUPS:
        found = options(root, group)
        if not found:
            continue
        lines.append(f"{group}=")
        width = max(map(len, found)) + 2
        lines += [f"  {name:<{width}}{about}"[:100].rstrip() for name, about in found.items()]
        lines.append("")
    lines.append("Knobs of every run (--cfg job shows those of the groups):")
    for line in (root / "conf" / "config.yaml").read_text().split("# -- knobs --")[1].splitlines():
        if line.strip().startswith("hydra:"):
            break
        if ":" in line and not line.startswith("#"):
            lines.append("  " + line.rstrip())
    lines.append("Hydra's own flags: --hydra-help")
    return "\n".join(lines)


def check_groups(root: Path, argv: Sequence[str]) -> None:
    """Refuse unknown options of groups.

    Raises:
        ConfigError: naming the nearest valid one.
    """
    for token in argv:
        key, equals, value = token.partition("=")
        if not equals or key not in GROUPS or re.search(r"[\[({'\"]", value):
            continue
        valid = options(root, key)
        for name in value.split(","):
            if name not in valid and name != "null":
                raise ConfigError(f"{key}={name}: no such {key}{nearest(name, valid)}; there are {', '.join(valid)}")


def name_outputs(argv: Sequence[str]) -> None:
    """Give this command's outputs a place of their own, unless it has one: IL_STAMP, and IL_SWEEP for sweeps."""
    os.environ.setdefault("IL_STAMP", time.strftime("%Y-%m-%d_%H-%M-%S") + "_" + uuid.uuid4().hex[:6])
    chosen = [token.partition("=")[2] for token in argv if token.startswith("sweeps=")]
    os.environ.setdefault("IL_SWEEP", chosen[-1] if chosen else "adhoc")


def refuse(error: Exception | str) -> int:
    """Say in one line what is wrong; return the exit code."""
    print(f"error: {error}", file=sys.stderr)
    return 2


def one_line(error: Exception, root: Path, argv: Sequence[str]) -> str:
    """Return a Hydra or OmegaConf error as one line, with the nearest valid key where one is missing."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__
    text = "\n".join(str(c) for c in causes)
    needed = re.search(r"Missing mandatory value: ([\w.]+)", text)
    if needed is not None:
        return f"{needed.group(1)} has no default: give {needed.group(1)}=…"
    missing = re.search(r"Key '([^']+)' (?:is not in struct|not in '\w+')", text)
    if missing is None:
        return " ".join(str(error).split())
    full = re.search(r"full_key: ([\w.\[\]]+)", text)
    key = full.group(1) if full else missing.group(1)
    parent, _, name = key.rpartition(".")
    valid = _keys(root, argv, parent)
    return f"{key}: no such key{nearest(name, valid)}; {parent or 'the configuration'} has {', '.join(valid)}"


def _keys(root: Path, argv: Sequence[str], parent: str) -> list[str]:
    """Return the keys below `parent` in the configuration that the chosen groups give."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    chosen = [a for a in argv if a.partition("=")[0] in GROUPS and "," not in a]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(root / "conf"), version_base="1.3"):
        cfg = compose("config", overrides=[*keys_anywhere(chosen), f"hydra.searchpath=[file://{root}]"])
    node = OmegaConf.select(cfg, parent) if parent else cfg
    return list(node) if OmegaConf.is_dict(node) else []
