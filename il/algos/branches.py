"""Simulating on from states that a rollout visited: what would another action have led to?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from il.actors import EXPERT, Actor, Episode, View
from il.envs.base import VectorEnv
from il.errors import ConfigError
from il.rollout import Rollout


@dataclass(frozen=True)
class Branches:
    """What m simulations gave."""

    returns: np.ndarray
    """Sum of rewards from the branching point to the episode's end, float64 [m]."""
    steps: int
    """Environment steps simulated, all together."""
    expert_steps: int
    """Those at which the expert acted."""


def states(env: VectorEnv, rollout: Rollout, rows: np.ndarray) -> list[Any]:
    """Return the simulator's state before each named row, as snapshots of one slot.

    Episodes are replayed from their seeds and actions, so any rollout that holds whole episodes will do.

    Args:
        env: with snapshots; its first slot is used.
        rollout: played on such an environment, rows from each episode's first step on.
        rows: int [m].

    Raises:
        ConfigError: when the same seed and actions lead elsewhere.
    """
    slot, found = np.array([0]), dict.fromkeys(rows.tolist())
    for episode in np.unique(rollout.episode[rows]):
        first = int(np.searchsorted(rollout.episode, episode))
        env.reset(slot, [int(rollout.seed[episode])])
        for row in range(first, int(rows[rollout.episode[rows] == episode].max()) + 1):
            if row in found:
                if not np.array_equal(env.obs[0], rollout.obs[row]):
                    raise ConfigError(
                        f"{env.spec.id} does not repeat an episode from its seed and actions, so it cannot be branched"
                    )
                found[row] = env.snapshot(slot)
            env.step(rollout.act[row : row + 1], slot)
    return [found[row] for row in rows.tolist()]


def play_on(
    env: VectorEnv, starts: Sequence[Any], actions: np.ndarray, actor: Actor, t: np.ndarray, episodes: Sequence[Episode]
) -> Branches:
    """From each state take one action, then let an actor go on to the episode's end.

    Args:
        env: with snapshots; all its slots are used.
        starts: m snapshots of one slot each.
        actions: the first actions, [m] or [m, act_dim].
        actor: acts from the second step on.
        t: step within the episode at each start, int [m].
        episodes: sources of the actor's draws; equal generators make branches comparable.
    """
    returns, steps, expert_steps = np.zeros(len(starts)), 0, 0
    for begin in range(0, len(starts), env.n):
        end = min(begin + env.n, len(starts))
        live, now = np.arange(end - begin), t[begin:end].copy()
        for slot in range(end - begin):
            env.restore(np.array([slot]), starts[begin + slot])
        actor.reset(live.tolist(), episodes[begin:end])
        chosen = actions[begin:end]
        while len(live):
            reward, terminated, truncated = env.step(chosen, live)
            returns[begin + live] += reward
            now[live] += 1
            steps += len(live)
            live = live[~(terminated | truncated)]
            if len(live):
                chosen, who = actor.act(View(env, live), now[live])
                expert_steps += int((who == EXPERT).sum())
    return Branches(returns, steps, expert_steps)
