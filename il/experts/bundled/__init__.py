"""The experts that ship with il; README.md beside this file describes them."""

import json
from pathlib import Path
from typing import Any

from il.envs.base import EnvSpec
from il.errors import ConfigError, nearest
from il.experts.base import Expert
from il.experts.callable import CallableExpert
from il.experts.checks import check_env
from il.experts.neutral import MLPExpert, find, read

FOLDER = Path(__file__).parent


def cards() -> dict[str, dict[str, Any]]:
    """Return the cards of all bundled experts by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def load(spec: EnvSpec, name: str | None, path: str | None) -> Expert:
    """Return a bundled expert, or one of the same format from elsewhere.

    Args:
        spec: the environment.
        name: see `pretrained`.
        path: a file of the package's own format, or the directory of a run of ``trainer=sb3``.

    Raises:
        ConfigError: when there is none, or it was made for another environment.
    """
    if path is None:
        return pretrained(spec, name)
    if name is not None:
        raise ConfigError(f"expert.name={name} and expert.path={path}: give one of them")
    file = find(path, "expert.path")
    arrays, card = read(file)
    check_env(card["env_id"], spec, path, f"set env_id of {file.with_suffix('.json').name} if that misleads")
    return MLPExpert(spec, arrays, card, f"the expert {path}")


def pretrained(spec: EnvSpec, name: str | None) -> Expert:
    """Return a bundled expert.

    Args:
        spec: the environment.
        name: which one; None takes the best by recorded return that was made for `spec.id`.

    Raises:
        ConfigError: when there is none for the environment, or none of that name.
    """
    known = cards()
    fitting = {k: card for k, card in known.items() if card["env_id"] == spec.id}
    if name is None:
        if not fitting:
            covered = ", ".join(sorted({card["env_id"] for card in known.values()}))
            raise ConfigError(
                f"no expert ships for {spec.id} (there are some for {covered}): name your own with "
                "expert=sb3 expert.path=…, expert=hub expert.repo=…, expert=callable expert.path=…, or others of --help"
            )
        name = max(fitting, key=lambda k: fitting[k]["returns"]["mean"])
    elif name not in known:
        raise ConfigError(
            f"expert.name={name}: no such expert ships{nearest(name, known)}; there are {', '.join(known)}"
        )
    card = known[name]
    if card["env_id"] != spec.id:
        raise ConfigError(f"expert.name={name} was made for {card['env_id']}, not {spec.id}; "
                          f"fitting ones: {', '.join(fitting) or 'none'}")  # fmt: skip
    if "callable" in card:
        return CallableExpert(spec, card["callable"], card)
    arrays, card = read(FOLDER / name)
    return MLPExpert(spec, arrays, card, f"the bundled expert {name}")
