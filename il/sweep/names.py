"""Names of a sweep's jobs: legal, short, unique, and the same whatever else is in the sweep."""

import hashlib
import re
from collections.abc import Sequence

LONGEST = 100
_ILLEGAL = re.compile(r"[^A-Za-z0-9._=,-]+")


def swept_keys(arguments: Sequence[str]) -> set[str]:
    """Return the keys which a sweep's arguments give several values, and `seed` always.

    Args:
        arguments: overrides as the sweeper reads them, ``key=value``; a later one replaces an earlier one.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    last = {o.get_key_element(): o for o in OverridesParser.create().parse_overrides(list(arguments))}
    return {key for key, override in last.items() if override.is_sweep_override()} | {"seed"}


def varying_keys(jobs: Sequence[Sequence[str]]) -> set[str]:
    """Return the keys which not all jobs set to the same value."""
    pairs = [{tuple(o.split("=", 1)) for o in job if "=" in o} for job in jobs]
    common = set.intersection(*pairs) if pairs else set()
    return {pair[0] for job in pairs for pair in job - common}


def job_name(overrides: Sequence[str], keys: set[str]) -> str:
    """Return the folder name of the job with these overrides, `seed` last.

    Args:
        overrides: the job's own, ``key=value``.
        keys: which of them distinguish the job (see `swept_keys`); when it has none of these, all do.

    Returns:
        At most 100 characters of ``[A-Za-z0-9._=,-]``. Where that loses something, a hash keeps names apart.
    """
    pairs = [tuple(o.split("=", 1)) for o in overrides if "=" in o and not o.startswith("hydra.")]
    chosen = [p for p in pairs if p[0] in keys] or pairs
    chosen.sort(key=lambda pair: pair[0] == "seed")
    short = [_last(key) for key, _ in chosen]
    full = ",".join(f"{k if short.count(_last(k)) > 1 else _last(k)}={v}" for k, v in chosen) or "job"
    full = full.replace("\\:", "=")  # exponential:0.5 is escaped by Hydra
    name = _ILLEGAL.sub("-", full).strip("-.")
    if name == full and len(name) <= LONGEST:
        return name
    tail = "-" + hashlib.sha256("\n".join(f"{k}={v}" for k, v in chosen).encode()).hexdigest()[:8]
    return name[: LONGEST - len(tail)].rstrip("-.,=") + tail


def _last(key: str) -> str:
    return re.split(r"[./]", key.lstrip("+~"))[-1]
