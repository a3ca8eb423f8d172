"""Tiny exact worlds: finitely many states seen one-hot, known transitions, everything enumerable."""

from dataclasses import dataclass

import numpy as np

from il.algos.base import Algorithm, Setup
from il.envs.base import EnvSpec, VectorEnv
from il.experts.base import Expert, Provenance
from il.fit import Progress
from il.policies.categorical import CategoricalPolicy
from il.rollout import Rollout, collect


class Tabular(VectorEnv):
    """Deterministic moves between S states; the expert also sees the time.

    Args:
        moves: next state, int [S, A]; S itself ends the episode.
        reward: [S, A].
        starts: states in which episodes begin, chosen by the reset's seed.
        horizon: time limit.
        n: slots.
    """

    def __init__(self, moves, reward, starts, horizon, n=8):
        self.moves, self.reward, self.starts, self.n = np.asarray(moves), np.asarray(reward, float), starts, n
        states, actions = self.moves.shape
        self.spec = EnvSpec("Tabular", (states,), (states + 1,), True, actions, None, None, horizon, snapshots=True)
        self.state, self.t = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.obs, self.expert_obs = np.zeros((n, states), np.float32), np.zeros((n, states + 1), np.float32)

    def reset(self, ids, seeds):
        self.state[ids] = [self.starts[np.random.default_rng(s).integers(len(self.starts))] for s in seeds]
        self.t[ids] = 0
        self._look(ids)

    def step(self, actions, ids):
        reward = self.reward[self.state[ids], actions]
        self.state[ids] = self.moves[self.state[ids], actions]
        self.t[ids] += 1
        self._look(ids)
        return reward, self.state[ids] == len(self.moves), self.t[ids] >= self.spec.horizon

    def _look(self, ids):
        self.obs[ids] = self.state[ids, None] == np.arange(len(self.moves))
        self.expert_obs[ids] = np.concatenate([self.obs[ids], self.t[ids, None]], 1)

    def snapshot(self, ids):
        return self.state[ids], self.t[ids]

    def restore(self, ids, state):
        self.state[ids], self.t[ids] = state
        self._look(ids)


class TabularExpert(Expert):
    """Known actions [S] or, by time, [T, S]."""

    def __init__(self, actions):
        self.actions = np.asarray(actions)
        self.provenance = Provenance("a table")
        self.asked = 0

    def act(self, obs, snapshot=None):
        self.asked += len(obs)
        state, t = obs[:, :-1].argmax(1), obs[:, -1].astype(int)
        return self.actions[state] if self.actions.ndim == 1 else self.actions[t, state]


def corridor(length, horizon, n=8):
    """Return a world that walks right whatever one does, from anywhere: episodes of 1 … length steps."""
    moves = np.repeat(np.arange(1, length + 1)[:, None], 2, 1)
    return Tabular(moves, np.zeros((length, 2)), np.arange(length), horizon, n)


FIT = {"optimizer": "adam", "lr": 0.1, "weight_decay": 0.0, "batch": 100, "steps": 200, "backend": "auto"}


@dataclass
class World:
    """An environment, its expert, and what an algorithm is built with."""

    env: Tabular
    expert: Expert
    seed: int = 0
    steps: int = FIT["steps"]
    critic: str = "own"

    @property
    def setup(self) -> Setup:
        spec = self.env.spec
        fit = {**FIT, "steps": self.steps}

        def new_policy(generator):
            return CategoricalPolicy(spec, generator, 0, 1, "tanh", False, fit).flatten()

        return Setup(self.env, self.expert, self.critic, new_policy, self.seed, Progress())

    def play_round(self, algo: Algorithm, n: int) -> tuple[Rollout, dict[str, float]]:
        """Do what the trainer does in a round."""
        request = algo.plan(n)
        rollout = request if isinstance(request, Rollout) else collect(self.env, request, self.expert, self.seed, n)
        return rollout, algo.learn(n, rollout)
