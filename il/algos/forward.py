"""Forward training: one policy for every step, or block of steps, of an episode."""

import numpy as np

from il.actors import Actor, ExpertActor, Switching
from il.algos.base import Setup
from il.algos.sequence import PolicySequence
from il.errors import ConfigError
from il.rollout import Collect

MOST_POLICIES = 200
"""More rounds than this must be asked for."""


class Forward(PolicySequence):
    """Forward training (Ross & Bagnell 2010, algorithm 3.1), for short episodes.

    All of π₁ … π_T start as the expert. Round t plays the policies fitted so far for t-1 steps, collects the states
    of step t alone, and fits π_t to the expert's actions there. With ``block=1`` every policy is fitted to exactly
    the states it will meet, whence J ≤ J(π*) + uTε. A longer block is an approximation: within a block the expert
    drives while its states are collected. Demonstrations are not used. Until its last round the result lets the
    newest policy go on to the end.

    Args:
        setup, fresh, sample: see `PolicySequence`.
        rounds: number of policies; None takes as many as the horizon needs, at most 200.
        steps: rows a round, if no episode ends early: ``steps / block`` episodes are played.
        first_steps: the same for round 0; None takes `steps`.
        block: steps that each policy is for.

    Raises:
        ConfigError: see `PolicySequence`; or a horizon too long for the block, or more rounds than blocks.
    """

    def __init__(
        self,
        setup: Setup,
        rounds: int | None,
        steps: int,
        first_steps: int | None,
        block: int,
        fresh: bool,
        sample: bool,
    ):
        horizon = setup.spec.horizon
        if block < 1:
            raise ConfigError(f"algo.block={block}: at least 1")
        needed = -(-horizon // block)
        if rounds is None and needed > MOST_POLICIES:
            raise ConfigError(
                f"forward training with algo.block={block} takes {needed} rounds, one a block, for the {horizon} "
                f"steps of {setup.spec.id}: set algo.block={-(-horizon // MOST_POLICIES)} or more (an approximation), "
                f"a shorter env.horizon, or say algo.rounds={needed}"
            )
        if rounds is not None and rounds > needed:
            raise ConfigError(f"algo.rounds={rounds}: {horizon} steps in blocks of {block} need only {needed}")
        super().__init__(setup, "forward training", rounds or needed, steps, first_steps, False, fresh, sample)
        self.block = block

    def plan(self, n: int) -> Collect:
        """Play up to the end of block n and record that block."""
        start, stop = n * self.block, (n + 1) * self.block
        episodes = -(-(self.first_steps if n == 0 else self.steps) // self.block)
        return Collect(self.roll_in(n), episodes=episodes, stop_at=stop, rows=slice(start, stop))

    def roll_in(self, n: int) -> Actor:
        """Return the policies of the first n blocks, then the expert."""
        return self._blocks([*(self.actor(k, self.sample) for k in range(1, n + 1)), ExpertActor(self.setup.expert)])

    def result(self, count: int, sample: bool) -> Actor:
        """Return the policies of the first `count` blocks, of which the last goes on."""
        return self._blocks([self.actor(k, sample) for k in range(1, count + 1)])

    def _blocks(self, actors: list[Actor]) -> Switching:
        lengths = np.full(len(actors) - 1, self.block)
        return Switching(actors, lambda rng, horizon: lengths)
