"""SEARN: cost-sensitive classification of simulated consequences, mixed into the current policy."""

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from il.actors import Actor, Episode, ExpertActor, Mixture
from il.algos.base import Setup, require_queryable
from il.algos.branches import play_on, states
from il.algos.sequence import PolicySequence
from il.errors import ConfigError
from il.policies.base import Policy
from il.randomness import Purpose, generator
from il.rollout import Collect, Rollout


def cost_weighted(policy: Policy, obs: Tensor, label: Tensor) -> Tensor:
    """Return -Σ_a w(a) log π(a|s) of each row, [B]; `label` holds the weights w, [B, actions]."""
    count, actions = label.shape
    every = torch.arange(actions, device=obs.device).repeat(count)
    log_p = policy.log_prob(obs.repeat_interleave(actions, 0), every).reshape(count, actions)
    return -(label * log_p).sum(1)


class Searn(PolicySequence):
    """Search-based structured prediction (Daumé, Langford & Marcu 2009), for discrete actions and simulators.

    h⁰ is the expert. Round n rolls in hⁿ; from some visited states every action is tried and the episode completed,
    which gives costs c(a) = max R - R(a), R being the return from there; π̂ⁿ⁺¹ learns to avoid costs by

        min Σ_s Σ_a (max c - c(a)) · (-log π(a|s)),

    whose minimiser prefers the cheapest action (with two actions it is cost-weighted classification); and

        hⁿ⁺¹ = βπ̂ⁿ⁺¹ + (1-β)hⁿ:   π̂ʲ has weight β(1-β)ⁿ⁻ʲ, the expert (1-β)ⁿ.

    Later policies weigh more. The result removes the expert and renormalises. Where the completions undo any
    mistake, all costs are zero and nothing can be learned: ``searn/informative`` is the share of states with costs.

    Args:
        setup, rounds, steps, first_steps, fresh, sample: see `PolicySequence`.
        beta: share of the newest policy, 0 < β ≤ 1.
        states: how many visited states a round are branched, without replacement.
        completion: ``current`` completes branches with hⁿ, as defined; ``expert`` with the expert.

    Raises:
        ConfigError: see `PolicySequence`; for continuous actions, no snapshots, or knobs out of range.
    """

    objective = staticmethod(cost_weighted)

    def __init__(
        self,
        setup: Setup,
        rounds: int,
        steps: int,
        first_steps: int | None,
        beta: float,
        states: int,
        completion: Literal["current", "expert"],
        fresh: bool,
        sample: bool,
    ):
        spec = setup.spec
        if not spec.discrete:
            raise ConfigError(f"SEARN tries every action, but {spec.id} takes {spec.act_dim} real numbers: "
                              "use algo=aggrevated, or an environment with discrete actions")  # fmt: skip
        if not spec.snapshots:
            raise ConfigError(f"SEARN goes back to visited states, but {spec.id} has no snapshots on this backend: "
                              "use algo=aggrevate, or a classic-control or MuJoCo task")  # fmt: skip
        if not 0 < beta <= 1:
            raise ConfigError(f"algo.beta={beta}: must lie in (0, 1]")
        if states < 1:
            raise ConfigError(f"algo.states={states}: at least 1")
        if completion not in ("current", "expert"):
            raise ConfigError(f"algo.completion={completion}: current or expert")
        require_queryable("SEARN", setup.expert)
        label: tuple[tuple[int, ...], type] = ((spec.act_dim,), np.float32)
        super().__init__(setup, "SEARN", rounds, steps, first_steps, False, fresh, sample, label)
        self.beta, self.states, self.completion = beta, states, completion
        self._queries = 0

    def plan(self, n: int) -> Collect:
        """Roll in hⁿ; the expert's own steps are its labels."""
        return Collect(self.roll_in(n), steps=self.first_steps if n == 0 else self.steps, label="acted")

    def roll_in(self, n: int) -> Actor:
        """Return hⁿ."""
        expert = ExpertActor(self.setup.expert)
        policies = [self.actor(k, self.sample) for k in range(1, n + 1)]
        return Mixture([expert, *policies], [(1 - self.beta) ** n, *weights(self.beta, n)])

    def result(self, count: int, sample: bool) -> Actor:
        """Return h^count without the expert."""
        shares = weights(self.beta, count)
        return Mixture([self.actor(k, sample) for k in range(1, count + 1)], shares / shares.sum())

    def rows(self, n: int, rollout: Rollout) -> tuple[dict[str, np.ndarray], dict[str, float]]:
        """Return branched states, labelled with the weight max c - c(a) of every action, of mean 1."""
        seed, env, actions = self.setup.seed, self.setup.env, self.setup.spec.act_dim
        rng = generator(seed, Purpose.ALGORITHM, n)
        rows = np.sort(rng.choice(len(rollout), min(self.states, len(rollout)), replace=False))
        episodes = [
            Episode(k, 0, generator(seed, Purpose.ALGORITHM, n, k), env.spec.horizon)
            for k in range(len(rows))
            for _ in range(actions)
        ]
        branches = play_on(
            env,
            [s for s in states(env, rollout, rows) for _ in range(actions)],
            np.tile(np.arange(actions), len(rows)),
            self.roll_in(n) if self.completion == "current" else ExpertActor(self.setup.expert),
            np.repeat(rollout.t[rows], actions),
            episodes,
        )
        returns = branches.returns.reshape(len(rows), actions)
        label = returns - returns.min(1, keepdims=True)
        informative = label.max(1) > 0
        scale = label[informative].mean() if informative.any() else 1.0
        self._queries += branches.expert_steps
        metrics = {
            "searn/informative": float(informative.mean()),
            "searn/cost_max": float(label.max()),
            "searn/simulated_steps": branches.steps,
            "expert_queries": self._queries,
        }
        columns = {"obs": rollout.obs[rows], "label": label / scale, "who": rollout.who[rows], "t": rollout.t[rows]}
        return columns, metrics

    def state_dict(self) -> dict[str, Any]:
        """Return that of `PolicySequence` and the count of queries."""
        return super().state_dict() | {"queries": self._queries}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo `state_dict`."""
        super().load_state_dict(state)
        self._queries = state["queries"]


def weights(beta: float, count: int) -> np.ndarray:
    """Return the shares β(1-β)^(count-j) of π̂¹ … π̂^count, float64 [count]."""
    return beta * (1 - beta) ** np.arange(count - 1, -1, -1)
