"""Every random number of a run comes from here.

A stream is named by what it is for, not by when it is drawn, so nothing depends on the order of the
work: no generator state is checkpointed, and a run resumed or placed in a sweep draws the same numbers.
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for: the first element of its spawn key. Numbers never change once released."""

    INIT = 0
    COLLECT = 1
    FIT = 2
    EVAL = 3
    TEST = 4
    EXPERT = 5
    CRITIC = 6
    ALGORITHM = 7


def sequence(seed: int, purpose: Purpose, *key: int) -> np.random.SeedSequence:
    """Return the seed sequence of one purpose, round and episode (or fit block)."""
    return np.random.SeedSequence(seed, spawn_key=(int(purpose), *key))


def generator(seed: int, purpose: Purpose, *key: int) -> np.random.Generator:
    """Return a fresh numpy generator for one purpose, round and episode (or fit block)."""
    return np.random.default_rng(sequence(seed, purpose, *key))


def integer(seed: int, purpose: Purpose, *key: int) -> int:
    """Return a 31-bit seed for libraries that take an integer, such as ``env.reset(seed=…)``."""
    return int(sequence(seed, purpose, *key).generate_state(1)[0] >> 1)
