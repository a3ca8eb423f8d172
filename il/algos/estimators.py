"""AggreVaTeD's estimators: what the learner's actions are worth to the expert's critic, as something to ascend."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from il.actors import EXPERT
from il.algos.natural import Samples
from il.envs.base import EnvSpec
from il.errors import ConfigError, nearest
from il.policies.base import Policy
from il.rollout import Rollout


class Critic(Protocol):
    """What an `Expert` with critics and a `FittedCritic` have in common."""

    can: frozenset[str]

    def q(self, obs: np.ndarray, act: np.ndarray | None) -> np.ndarray:
        """See `Expert.q`."""

    def q_gradient(self, obs: np.ndarray, act: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Expert.q_gradient`."""

    def value(self, obs: np.ndarray) -> np.ndarray:
        """See `Expert.value`."""


class Judge:
    """The critic's opinion about the rows of a rollout.

    Args:
        critic: see `Critic`.
        rollout: T rows; labelled where the critic has no V.
        low, high: action bounds; the critic is asked about actions as the environment clips them.
    """

    def __init__(self, critic: Critic, rollout: Rollout, low: np.ndarray | None, high: np.ndarray | None):
        self.critic, self.rollout, self.low, self.high = critic, rollout, low, high
        self.queries = 0

    def clipped(self, act: np.ndarray) -> np.ndarray:
        """Return actions as they take effect."""
        return act if self.low is None else np.clip(act, self.low, self.high)

    def q(self, rows: np.ndarray, act: np.ndarray) -> np.ndarray:
        """Return Q(s, a) of some actions at the named rows, float32 [m]."""
        self.queries += len(rows)
        return self.critic.q(self.rollout.expert_view[rows], self.clipped(act))

    def baseline(self) -> np.ndarray:
        """Return V(s), or Q(s, π*(s)) without one, of all rows, float32 [T]."""
        self.queries += len(self.rollout)
        if "value" in self.critic.can:
            return self.critic.value(self.rollout.expert_view)
        return self.critic.q(self.rollout.expert_view, self.clipped(self.rollout.label))

    def look_ahead(self, rows: np.ndarray, gamma: float) -> np.ndarray:
        """Return r + γV(s') - V(s) of the actions taken at the named rows, float64 [m].

        V(s') counts after truncation and cuts, and is zero after termination.
        """
        self.queries += 2 * len(rows)
        after = self.critic.value(self.rollout.next_obs(rows, expert=True))
        alive = ~self.rollout.terminated[rows]
        before = self.critic.value(self.rollout.expert_view[rows])
        return self.rollout.reward[rows] + gamma * alive * after - before


@dataclass(frozen=True)
class Weighed:
    """Actions, their share, and their worth: gain = 1/N Σ share · worth · π(a|s) / π_old(a|s), M rows over N states."""

    samples: Samples
    worth: Tensor
    """[M]."""
    log_p: Tensor
    """log π_old, [M]."""
    states: int
    """N."""

    def gain(self, policy: Policy) -> Tensor:
        """Return the gain; its gradient at the old policy is the estimate of Σ ∇log π · worth."""
        s = self.samples
        ratio = torch.exp(policy.log_prob(s.obs, s.act) - self.log_p)
        return (s.weight * self.worth * ratio).sum() / self.states

    def clipped_gain(self, policy: Policy, rows: Tensor, clip: float) -> tuple[Tensor, Tensor]:
        """Return the gain of some rows with ratios that pay only within 1 ± clip, and the share of ratios outside."""
        s = self.samples
        ratio = torch.exp(policy.log_prob(s.obs[rows], s.act[rows]) - self.log_p[rows])
        worth, within = self.worth[rows], ratio.clamp(1 - clip, 1 + clip)
        paid = torch.minimum(ratio * worth, within * worth)
        share = len(self.worth) / len(rows) / self.states
        return (s.weight[rows] * paid).sum() * share, (ratio != within).float().mean()


def weigh(policy: Policy, samples: Samples, worth: np.ndarray, states: int) -> Weighed:
    """Return a `Weighed` batch for the policy as it is."""
    with torch.no_grad():
        log_p = policy.log_prob(samples.obs, samples.act)
    return Weighed(samples, torch.from_numpy(worth.astype(np.float32)).to(log_p.device), log_p, states)


class _CriticValue(torch.autograd.Function):
    """Q(s, a) with the critic's own derivative by the action; beyond the bounds that is zero."""

    @staticmethod
    def forward(ctx: Any, act: Tensor, view: np.ndarray, judge: Judge) -> Tensor:
        """Return Q, [M]."""
        chosen = act.detach().cpu().numpy()
        clipped = judge.clipped(chosen)
        q, slope = judge.critic.q_gradient(view, clipped)
        ctx.save_for_backward(torch.from_numpy(slope * (clipped == chosen)).to(act.device))
        return torch.from_numpy(q).to(act.device)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """Return the derivative by the action."""
        (slope,) = ctx.saved_tensors
        return grads[0][:, None] * slope, None, None


@dataclass(frozen=True)
class Reparametrised:
    """Actions as a function of the parameters: gain = mean of (Q(s, f_θ(s, noise)) - baseline) / scale over M rows."""

    obs: Tensor
    noise: Tensor
    view: np.ndarray
    """The expert's, [M, …]."""
    judge: Judge
    baseline: float
    """Mean baseline."""
    scale: float

    def gain(self, policy: Policy) -> Tensor:
        """Return the gain, differentiable through the actions."""
        q: Tensor = _CriticValue.apply(policy.rsample(self.obs, self.noise), self.view, self.judge)
        return (q.mean() - self.baseline) / self.scale


def own_samples(policy: Policy, obs: np.ndarray, count: int, rng: np.random.Generator) -> tuple[Samples, np.ndarray]:
    """Return all actions with their probabilities where there are finitely many, else `count` draws a state.

    Returns:
        The samples, and the row of `obs` that each belongs to, int [M].
    """
    if not policy.spec.discrete:
        return drawn_samples(policy, obs, count, rng)
    rows = np.repeat(np.arange(len(obs)), policy.spec.act_dim)
    act = np.tile(np.arange(policy.spec.act_dim), len(obs))
    inputs, actions = (torch.from_numpy(x).to(policy.flat.device) for x in (obs[rows], act))
    with torch.no_grad():
        return Samples(inputs, actions, policy.log_prob(inputs, actions).exp()), rows


def drawn_samples(policy: Policy, obs: np.ndarray, count: int, rng: np.random.Generator) -> tuple[Samples, np.ndarray]:
    """Return `count` draws of the policy for each state; see `own_samples`."""
    rows = np.repeat(np.arange(len(obs)), count)
    act = policy.act(obs[rows], policy.noise(rng, len(rows)))
    inputs, actions = (torch.from_numpy(x).to(policy.flat.device) for x in (obs[rows], act))
    return Samples(inputs, actions, torch.full((len(rows),), 1 / count, device=inputs.device)), rows


def spread(worth: np.ndarray, weight: np.ndarray) -> float:
    """Return the weighted standard deviation, 1 where nothing varies."""
    mean = np.average(worth, weights=weight)
    sd = float(np.sqrt(np.average((worth - mean) ** 2, weights=weight)))
    return sd if sd > 1e-8 else 1.0


# -- the estimators ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Terms:
    """What is estimated."""

    signal: str
    """``advantage``: A*, divided by its standard deviation; ``scaled``: Q* scaled to [0, 1]."""
    actions: int
    """Draws a state."""
    gamma: float
    """The critic's discount."""


Batch = Weighed | Reparametrised
Estimate = Callable[[Policy, Judge, Terms, np.random.Generator], tuple[Batch | None, dict[str, float]]]


def exact(policy: Policy, judge: Judge, terms: Terms, rng: np.random.Generator) -> tuple[Batch, dict[str, float]]:
    """Weigh every action by its probability."""
    return _by_q(policy, judge, terms, *own_samples(policy, judge.rollout.obs, terms.actions, rng))


def score(policy: Policy, judge: Judge, terms: Terms, rng: np.random.Generator) -> tuple[Batch, dict[str, float]]:
    """Weigh the learner's own draws."""
    return _by_q(policy, judge, terms, *drawn_samples(policy, judge.rollout.obs, terms.actions, rng))


def executed(
    policy: Policy, judge: Judge, terms: Terms, rng: np.random.Generator
) -> tuple[Batch | None, dict[str, float]]:
    """Weigh the actions that were played; with V the learner's only, of which there may be none."""
    rollout, device = judge.rollout, policy.flat.device
    by_value = terms.signal == "advantage" and "value" in judge.critic.can
    rows = np.flatnonzero(rollout.who != EXPERT) if by_value else np.arange(len(rollout))
    if not len(rows):
        return None, {}
    obs, act = (torch.from_numpy(x[rows]).to(device) for x in (rollout.obs, rollout.act))
    samples = Samples(obs, act, torch.ones(len(rows), device=device))
    if not by_value:
        return _by_q(policy, judge, terms, samples, rows)
    return _weighed(policy, samples, judge.look_ahead(rows, terms.gamma), len(rows))


def reparam(policy: Policy, judge: Judge, terms: Terms, rng: np.random.Generator) -> tuple[Batch, dict[str, float]]:
    """Let Q move the learner's own draws."""
    rollout = judge.rollout
    rows = np.repeat(np.arange(len(rollout)), terms.actions)
    obs, noise = (torch.from_numpy(x).to(policy.flat.device) for x in (rollout.obs[rows], policy.noise(rng, len(rows))))
    with torch.no_grad():
        act = policy.rsample(obs, noise).cpu().numpy()
    baseline = judge.baseline()[rows]
    worth = judge.q(rows, act) - baseline
    scale = spread(worth, np.ones(len(rows)))
    batch = Reparametrised(obs, noise, rollout.expert_view[rows], judge, float(baseline.mean()), scale)
    return batch, {"train/advantage_mean": float(worth.mean()), "train/advantage_std": batch.scale}


ESTIMATES: dict[str, Estimate] = {"exact": exact, "score": score, "executed": executed, "reparam": reparam}
"""By name; ``auto`` takes the first of them that is possible."""


def _by_q(
    policy: Policy, judge: Judge, terms: Terms, samples: Samples, rows: np.ndarray
) -> tuple[Weighed, dict[str, float]]:
    q = judge.q(rows, samples.act.cpu().numpy())
    states = len(np.unique(rows))
    if terms.signal == "scaled":
        low, high = q.min(), q.max()
        return weigh(policy, samples, (q - low) / max(high - low, 1e-8), states), {}
    return _weighed(policy, samples, q - judge.baseline()[rows], states)


def _weighed(policy: Policy, samples: Samples, worth: np.ndarray, states: int) -> tuple[Weighed, dict[str, float]]:
    weight = samples.weight.cpu().numpy()
    sd = spread(worth, weight)
    mean = float(np.average(worth, weights=weight))
    metrics = {"train/advantage_mean": mean, "train/advantage_std": sd}
    return weigh(policy, samples, worth / sd, states), metrics


def choose(name: str, can: frozenset[str], spec: EnvSpec, source: str) -> str:
    """Return the estimator that a knob stands for.

    Args:
        name: one of `ESTIMATES`, or ``auto``.
        can: what the critic offers.
        spec: the environment.
        source: the expert, for messages.

    Raises:
        ConfigError: when the critic or the action space does not allow it.
    """
    if not can:
        raise ConfigError(
            f"AggreVaTeD needs the expert's critic, and {source} brings none: expert.critic=fit fits one to its "
            "episodes; SAC, TD3, TQC, DDPG and DQN experts bring Q, PPO and A2C experts V"
        )
    missing = {
        "exact": "needs discrete actions" * (not spec.discrete) or "needs a Q" * ("q" not in can),
        "score": "needs a Q" * ("q" not in can),
        "executed": "",
        "reparam": "needs continuous actions" * spec.discrete or "needs a Q" * ("q" not in can),
    }
    possible = [k for k, lacking in missing.items() if not lacking]
    if name == "auto":
        return possible[0]
    if name not in missing:
        raise ConfigError(f"algo.estimator={name}{nearest(name, missing)}: auto, {', '.join(missing)}")
    if missing[name]:
        raise ConfigError(
            f"algo.estimator={name} {missing[name]} ({spec.id} with {source}): here {', '.join(possible)} will do"
        )
    return name
