"""How well critics judge actions: those that experts bring, and those fitted to experts' episodes.

    python -m results.critics zoo=DIR      the folder of Stable-Baselines3's trained agents; without it their rows are left out

Writes results/critics.md after every row. Runs that are finished are not run again.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from il.actors import Actor, ExpertActor, PolicyActor, RandomActor
from il.algos.aggrevated import AggreVaTeD
from il.algos.branches import states
from il.envs.base import VectorEnv
from il.evaluation.loading import load
from il.experts.base import Expert
from il.rollout import Collect, Rollout, collect
from results.runs import ROOT, finished

STATES, STEPS, SEED = 200, 400, 1000
"""States judged, steps simulated from each, and the seed of the episodes they come from."""


@dataclass(frozen=True)
class Pairs:
    """States with two actions each, m of them: the expert's and a uniformly random one."""

    obs: np.ndarray
    """The expert's view, [m, …]."""
    best: np.ndarray
    """The expert's action, as the environment clips it."""
    other: np.ndarray
    """A random action."""
    after: tuple["After", "After"]
    """What follows the one and the other."""


@dataclass(frozen=True)
class After:
    """What follows an action in m states."""

    reward: np.ndarray
    """float64 [m]."""
    obs: np.ndarray
    """The expert's view of the next state, [m, …]."""
    alive: np.ndarray
    """Whether the task goes on there, bool [m]."""
    sums: np.ndarray
    """Discounted rewards when the expert acts on, float64 [m]."""


def visited(env: VectorEnv, actor: Actor, expert: Expert, count: int) -> tuple[np.ndarray, list[Any]]:
    """Return the expert's view of states that an actor visits, and their snapshots."""
    rollout: Rollout = collect(env, Collect(actor, steps=5 * count, label="none"), expert, SEED, 0)
    rows = np.sort(np.random.default_rng(SEED).choice(len(rollout), count, replace=False))
    return rollout.expert_view[rows], states(env, rollout, rows)


def play_on(env: VectorEnv, expert: Expert, starts: list[Any], actions: np.ndarray, gamma: float) -> After:
    """From each state take an action, then let the expert act on; the time limit ends nothing."""
    parts = []
    for begin in range(0, len(starts), env.n):
        chosen, here = actions[begin : begin + env.n], starts[begin : begin + env.n]
        live = np.arange(len(here))
        for slot in live:
            env.restore(live[slot : slot + 1], here[slot])
        sums = np.zeros(len(here))
        for k in range(STEPS):
            reward, terminated, _ = env.step(chosen, live)
            sums[live] += gamma**k * reward
            if k == 0:
                first = reward, env.expert_obs[live].copy(), ~terminated
            live = live[~terminated]
            if not len(live):
                break
            chosen = expert.act(env.expert_obs[live])
        parts.append((*first, sums))
    reward, obs, alive, sums = (np.concatenate(column) for column in zip(*parts, strict=True))
    return After(reward, obs, alive, sums)


def pairs(env: VectorEnv, expert: Expert, learner: Actor, gamma: float) -> Pairs:
    """Gather states, half of them the expert's and half the learner's."""
    halves = [visited(env, actor, expert, STATES // 2) for actor in (ExpertActor(expert), learner)]
    obs, starts = np.concatenate([h[0] for h in halves]), [s for h in halves for s in h[1]]
    best, spec = expert.act(obs), env.spec
    other = collect(env, Collect(RandomActor(spec), steps=STATES, label="none"), None, SEED, 1).act[:STATES]
    if not spec.discrete:
        best, other = np.clip(best, spec.low, spec.high), np.clip(other, spec.low, spec.high)
    else:  # uniform over the others
        shift = np.random.default_rng(SEED).integers(1, spec.act_dim, len(best))
        other = (best + shift) % spec.act_dim
    after = [play_on(env, expert, starts, actions, gamma) for actions in (best, other)]
    return Pairs(obs, best, other, (after[0], after[1]))


def by_q(critic: Any, p: Pairs) -> np.ndarray:
    """Return the random action's advantage over the expert's by Q, [m]."""
    return critic.q(p.obs, p.other) - critic.q(p.obs, p.best)


def by_value(critic: Any, p: Pairs, gamma: float) -> np.ndarray:
    """Return the same by one step of look-ahead with V, [m]."""
    ahead = [a.reward + gamma * a.alive * critic.value(a.obs) for a in p.after]
    return ahead[1] - ahead[0]


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation of ranks."""
    ranks = [np.argsort(np.argsort(x)) for x in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def figures(advantage: np.ndarray, p: Pairs) -> dict[str, float]:
    """Return in what share of states the expert's action is preferred, and the rank correlation with simulation."""
    true = p.after[1].sums - p.after[0].sums
    half = len(true) // 2
    return {
        "preferred": float((advantage < 0).mean()),
        "expert": float((advantage[:half] < 0).mean()),
        "learner": float((advantage[half:] < 0).mean()),
        "spearman": spearman(advantage, true),
        "true": float((true < 0).mean()),
    }
