"""Numbers that change from round to round: DAgger's β, SwitchDAgger's and AggreVaTeD's α."""

from collections.abc import Callable

from il.errors import ConfigError, nearest

Schedule = Callable[[int], float]
"""From the round (0 first) to the value."""

FORMS = "a number, a list of numbers, indicator, linear, linear:K, exponential:P"


def schedule(value: float | str | list[float], rounds: int, knob: str) -> Schedule:
    """Return the schedule that a knob's value stands for.

    Args:
        value: a number (constant), a list (one value a round, the last one stays), ``indicator`` (1 in round 0,
            then 0), ``linear`` or ``linear:K`` (max(0, 1 - n/K), K = rounds by default), ``exponential:P`` (Pⁿ).
        rounds: planned number of rounds.
        knob: name of the knob, for messages.

    Raises:
        ConfigError: for an unknown form, or a value outside [0, 1].
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | list):
        raise ConfigError(f"{knob}={value}: give {FORMS}")
    if isinstance(value, int | float):
        constant = _share(value, knob)
        return lambda n: constant
    if isinstance(value, list):
        if not value:
            raise ConfigError(f"{knob}=[]: a list schedule needs at least one number")
        values = [_share(v, knob) for v in value]
        return lambda n: values[min(n, len(values) - 1)]
    kind, _, argument = value.partition(":")
    if kind == "indicator" and not argument:
        return lambda n: float(n == 0)
    if kind == "linear":
        over = _number(argument, knob, value) if argument else float(rounds)
        if over <= 0:
            raise ConfigError(f"{knob}={value}: K is the number of rounds until zero, more than 0")
        return lambda n: max(0.0, 1 - n / over)
    if kind == "exponential" and argument:
        base = _share(_number(argument, knob, value), knob)
        return lambda n: float(base**n)
    raise ConfigError(f"{knob}={value}{nearest(kind, ['indicator', 'linear', 'exponential'])}: give {FORMS}")


def _share(value: float, knob: str) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigError(f"{knob}={value}: must lie in [0, 1]")
    return float(value)


def _number(text: str, knob: str, value: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{knob}={value}: '{text}' is not a number; give {FORMS}") from None
