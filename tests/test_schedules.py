"""β and α by round."""

import pytest

from il.errors import ConfigError
from il.schedules import schedule


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.3, [0.3, 0.3, 0.3, 0.3]),
        ([1, 0.5], [1, 0.5, 0.5, 0.5]),
        ("indicator", [1, 0, 0, 0]),
        ("linear", [1, 0.75, 0.5, 0.25]),
        ("linear:2", [1, 0.5, 0, 0]),
        ("exponential:0.5", [1, 0.5, 0.25, 0.125]),
    ],
)
def test_values(value, expected):
    beta = schedule(value, 4, "algo.beta")
    assert [beta(n) for n in range(4)] == expected
    assert all(0 <= beta(n) <= 1 for n in (0, 1, 3, 4, 5, 1000))


@pytest.mark.parametrize(
    "value", [1.5, -0.1, [], [1, 2], "lineal", "linear:x", "linear:0", "exponential", "exponential:2", True, None]
)
def test_errors_name_the_knob(value):
    with pytest.raises(ConfigError, match=r"algo\.beta="):
        schedule(value, 4, "algo.beta")
