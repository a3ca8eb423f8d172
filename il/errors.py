"""The two kinds of failure a user meets."""

import difflib
from collections.abc import Iterable


class ConfigError(Exception):
    """Bad input found before anything started. Its text is one line that names the value and the fix."""


class EpisodeError(Exception):
    """An environment or actor failed in the middle of an episode; names seed, episode and step."""


def nearest(value: str, valid: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the valid name closest to `value`, or an empty string."""
    close = difflib.get_close_matches(str(value), list(valid), n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ""
