"""Critics of an expert that brings none: V and Q fitted to episodes which others start and the expert ends."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from il.actors import EXPERT, Actor, ExpertActor, Mixture, RandomActor, Switching
from il.dataset import Dataset
from il.envs.base import EnvSpec
from il.errors import ConfigError
from il.experts.base import Expert
from il.fit import Adam, Objective, Progress, fit, imitation
from il.policies.base import Policy
from il.policies.deterministic import DeterministicPolicy
from il.randomness import Purpose, generator
from il.rollout import Collect, Rollout

HELD_OUT = 10
"""Every so-many-th episode measures the critic instead of fitting it."""
RATES = (1.0, 0.2, 0.04)
"""Shares of the learning rate, for a third of the gradient steps each: advantages are small beside the values."""


@dataclass(frozen=True)
class CriticSettings:
    """How a critic is fitted."""

    steps: int
    """Environment steps to fit to, in whole episodes."""
    prefix: int
    """The expert takes over after a uniform number of steps, less than this."""
    random: float
    """Share of random actions before it does."""
    passes: int
    """Fits of V, each to returns that the one before continues where episodes were cut off."""
    members: int
    """Networks of each kind, whose mean counts."""
    depth: int
    """Hidden layers of each."""
    width: int
    """Units in each."""
    activation: str
    """As in a policy."""
    normalize: bool
    """Standardise inputs."""
    fit: dict[str, Any]
    """As in a policy; `steps` are those of each pass and of the advantage."""

    def __post_init__(self) -> None:
        if not 0 <= self.random <= 1:
            raise ConfigError(f"algo.critic.random={self.random}: must lie in [0, 1]")
        for name in ("steps", "prefix", "passes", "members"):
            if getattr(self, name) < 1:
                raise ConfigError(f"algo.critic.{name}={getattr(self, name)}: at least 1")


def to_go(rollout: Rollout, gamma: float, tail: np.ndarray) -> np.ndarray:
    """Return the discounted sum of rewards from each row to its episode's end, float64 [T].

    Args:
        rollout: rows from any step on to each episode's end.
        gamma: discount.
        tail: what follows each episode's last row, [E]; counts only where that row did not terminate.
    """
    out = np.empty(len(rollout))
    last = np.append(rollout.episode[1:] != rollout.episode[:-1], True)
    after = np.where(rollout.terminated, 0.0, tail[rollout.episode])
    total = 0.0
    for k in range(len(rollout) - 1, -1, -1):
        total = rollout.reward[k] + gamma * (after[k] if last[k] else total)
        out[k] = total
    return out


def ended_by_expert(rollout: Rollout) -> np.ndarray:
    """Return the rows from which on nobody but the expert acts, bool [T]."""
    others = np.flatnonzero(rollout.who != EXPERT)
    last = np.full(len(rollout.seed), -1)
    last[rollout.episode[others]] = others  # the last one stays
    return np.arange(len(rollout)) > last[rollout.episode]


class FittedCritic:
    """V(s) and Q(s, a) = V(s) + A(s, a) of an expert, by Monte-Carlo returns and one step of look-ahead.

    Episodes start with a learner (or the expert) and random actions, take one random action, and are ended by the
    expert: so V is fitted where learners go, not only where the expert does. V is regressed on returns; where an
    episode was cut off, the previous pass continues it (a never-ending stream of the mean reward before the first).
    A is regressed on r + γV(s') - V(s), and where the expert took over on the mean of that and of the return in its
    place. Of the expert's own action it is zero, in every state. Each is the mean of several networks.

    Args:
        spec: the environment; critics see the expert's view.
        settings: see `CriticSettings`.
        gamma: discount.
        seed: the run's seed.
    """

    can = frozenset({"q", "value"})

    def __init__(self, spec: EnvSpec, settings: CriticSettings, gamma: float, seed: int):
        self.spec, self.settings, self.gamma, self.seed = spec, settings, gamma, seed
        size, members = int(np.prod(spec.expert_obs_shape)), range(settings.members)
        inputs, outputs = (size, spec.act_dim) if spec.discrete else (size + spec.act_dim, 1)
        self._v = [self._net((0, k), size, 1) for k in members]
        self._a = [self._net((1, k), inputs, outputs) for k in members]
        self._scale = np.array([0.0, 1.0, 1.0])
        """Mean and spread of returns, and size of advantages."""

    def _net(self, index: tuple[int, int], inputs: int, outputs: int) -> Policy:
        """Return a network, in the guise of a policy whose action is the estimate."""
        s = self.settings
        spec = replace(self.spec, obs_shape=(inputs,), discrete=False, act_dim=outputs)
        rng = generator(self.seed, Purpose.CRITIC, 0, *index)
        return DeterministicPolicy(spec, rng, s.depth, s.width, s.activation, s.normalize, s.fit).flatten()

    def request(self, expert: Expert, learner: Actor | None) -> Collect:
        """Say what to collect; without a learner the expert starts the episodes too."""
        first = learner or ExpertActor(expert)
        roam = Mixture([first, RandomActor(self.spec)], [1 - self.settings.random, self.settings.random])
        longest = min(self.settings.prefix, self.spec.horizon)
        actor = Switching(
            [roam, RandomActor(self.spec), ExpertActor(expert)],
            lambda rng, horizon: np.array([rng.integers(longest), 1]),
        )
        return Collect(actor, steps=self.settings.steps, label="all")

    # -- asking -----------------------------------------------------------------------------------------------

    def value(self, obs: np.ndarray) -> np.ndarray:
        """See `Expert.value`."""
        return (_mean(self._v, _flat(obs))[:, 0] * self._scale[1] + self._scale[0]).astype(np.float32)

    def q(self, obs: np.ndarray, act: np.ndarray | None) -> np.ndarray:
        """See `Expert.q`."""
        if act is None:
            assert self.spec.discrete, "continuous actions cannot all be listed"
            return self.value(obs)[:, None] + _mean(self._a, _flat(obs)) * np.float32(self._scale[2])
        return self.value(obs) + self._advantage(obs, act)

    def _advantage(self, obs: np.ndarray, act: np.ndarray) -> np.ndarray:
        """Return A(s, a), float32 [B]."""
        if self.spec.discrete:
            values = np.take_along_axis(_mean(self._a, _flat(obs)), act[:, None], 1)[:, 0]
        else:
            values = _mean(self._a, np.concatenate([_flat(obs), act], 1))[:, 0]
        return values * np.float32(self._scale[2])

    def q_gradient(self, obs: np.ndarray, act: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Expert.q_gradient`."""
        actions = torch.from_numpy(act).requires_grad_()
        inputs = torch.cat([torch.from_numpy(_flat(obs)), actions], 1)
        advantage = torch.stack([net(inputs)[:, 0] for net in self._a]).mean(0) * float(self._scale[2])
        (slope,) = torch.autograd.grad(advantage.sum(), actions)
        return self.value(obs) + advantage.detach().numpy(), slope.numpy()

    # -- fitting ----------------------------------------------------------------------------------------------

    def fit(self, rollout: Rollout, key: tuple[int, ...], progress: Progress) -> dict[str, float]:
        """Fit both, and measure them on episodes kept apart.

        Args:
            rollout: what `request` asked for.
            key: names these fits within the run.
            progress: see `il.fit.fit`.

        Returns:
            ``critic/…``: rms error and correlation of V, and correlation of the advantage of the actions after which
            the expert took over, against returns; how often the expert's action counts for more than those that
            others took. Those that the held-out episodes are too few for are missing.

        Raises:
            ConfigError: when the expert never took over.
        """
        acted, kept = ended_by_expert(rollout), rollout.episode % HELD_OUT != HELD_OUT - 1
        if not (acted & kept).any():
            raise ConfigError("the critic has nothing to be fitted to: no episode lasted until the expert took over; "
                              "lower algo.critic.prefix or algo.critic.random")  # fmt: skip
        obs, adams = _flat(rollout.expert_view), [Adam(net) for net in self._v]
        tail = np.full(len(rollout.seed), rollout.reward[acted].mean() / max(1 - self.gamma, 1e-3))
        rows = acted & kept
        for k in range(self.settings.passes):
            returns = to_go(rollout, self.gamma, tail)
            if k == 0:
                self._scale[:2] = returns[acted].mean(), max(returns[acted].std(), 1e-6)
            targets = ((returns[rows] - self._scale[0]) / self._scale[1])[:, None]
            for member, (net, adam) in enumerate(zip(self._v, adams, strict=True)):
                self._regress(net, adam, obs[rows], targets, (*key, 0, k, member), progress)
            tail = self.value(rollout.final_expert_view).astype(float)
        returns = to_go(rollout, self.gamma, tail)
        took_over = np.append(~acted[:-1] & acted[1:] & (rollout.episode[1:] == rollout.episode[:-1]), False)
        inputs, targets, objective = self._advantages(rollout, obs, returns, took_over, kept)
        for member, net in enumerate(self._a):
            self._regress(net, Adam(net), inputs, targets, (*key, 1, member), progress, objective)
        return self._measure(rollout, returns, acted & ~kept, took_over & ~kept, (rollout.who != EXPERT) & ~kept)

    def _advantages(
        self, rollout: Rollout, obs: np.ndarray, returns: np.ndarray, took_over: np.ndarray, kept: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, Objective]:
        """Return inputs, scaled targets and loss of the regression of A: others' actions, then the expert's."""
        after = np.where(rollout.terminated, 0.0, self.value(rollout.next_obs(np.arange(len(rollout)), expert=True)))
        q = rollout.reward + self.gamma * after
        q[took_over] = (q[took_over] + returns[took_over]) / 2
        others, own = kept & (rollout.who != EXPERT), kept & rollout.labelled
        targets = (q - self.value(rollout.expert_view))[others]
        self._scale[2] = max(targets.std(), 1e-6) if len(targets) else 1.0
        targets = np.append(targets / self._scale[2], np.zeros(own.sum()))[:, None]
        states = np.concatenate([obs[others], obs[own]])
        act = np.concatenate([rollout.act[others], rollout.label[own]])
        if self.spec.discrete:
            return states, np.concatenate([act[:, None], targets], 1), chosen_output
        if self.spec.low is not None:
            act = np.clip(act, self.spec.low, self.spec.high)
        return np.concatenate([states, act], 1), targets, imitation

    def _regress(
        self,
        net: Policy,
        adam: Adam,
        inputs: np.ndarray,
        targets: np.ndarray,
        key: tuple[int, ...],
        progress: Progress,
        objective: Objective = imitation,
    ) -> None:
        columns = {"obs": (inputs.shape[1:], np.float32), "label": (targets.shape[1:], np.float32)}
        data, whole = Dataset(columns, len(inputs), None), net.fit
        rows = {"obs": inputs.astype(np.float32), "label": targets.astype(np.float32)}
        data.append("critic", rows, np.zeros(len(inputs), bool))
        for k, rate in enumerate(RATES):
            net.fit = replace(whole, lr=rate * whole.lr, steps=-(-whole.steps // len(RATES)))
            fit(net, adam, data, self.seed, (*key, k), progress, objective)
        net.fit = whole

    def _measure(
        self, rollout: Rollout, returns: np.ndarray, acted: np.ndarray, took_over: np.ndarray, others: np.ndarray
    ) -> dict[str, float]:
        out, view = {}, rollout.expert_view
        act = rollout.act if self.spec.low is None else np.clip(rollout.act, self.spec.low, self.spec.high)
        if acted.sum() > 2:
            values = self.value(view[acted])
            out["critic/value_rmse"] = float(np.sqrt(np.mean((values - returns[acted]) ** 2)))
            out["critic/value_corr"] = _correlation(values, returns[acted])
        if took_over.sum() > 2:
            q = returns[took_over] - self.value(view[took_over])
            out["critic/advantage_corr"] = _correlation(self._advantage(view[took_over], act[took_over]), q)
        others = others & rollout.labelled & _differ(rollout)
        if others.sum() > 2:
            best = rollout.label if self.spec.low is None else np.clip(rollout.label, self.spec.low, self.spec.high)
            worth = [self._advantage(view[others], a[others]) for a in (best, act)]
            out["critic/expert_preferred"] = float((worth[0] > worth[1]).mean())
        return out

    def arrays(self) -> dict[str, np.ndarray]:
        """Return everything fitted, for storing."""
        return {f"{name}/{k}": v for name, net in self._nets().items() for k, v in net.arrays().items()} | {
            "scale": self._scale
        }

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Undo `arrays`."""
        for name, net in self._nets().items():
            net.load_arrays({k.partition("/")[2]: v for k, v in arrays.items() if k.startswith(name + "/")})
        self._scale = arrays["scale"]

    def _nets(self) -> dict[str, Policy]:
        return {f"{kind}{k}": net for kind, nets in (("v", self._v), ("a", self._a)) for k, net in enumerate(nets)}


def _mean(nets: list[Policy], inputs: np.ndarray) -> np.ndarray:
    return np.mean([net.outputs(inputs) for net in nets], 0)


def _differ(rollout: Rollout) -> np.ndarray:
    """Return where the action taken is not the expert's, bool [T]."""
    unequal = rollout.act != rollout.label
    return unequal if unequal.ndim == 1 else unequal.any(-1)


def chosen_output(net: Policy, obs: Tensor, label: Tensor) -> Tensor:
    """Return half the squared error of one output, [B]; `label` holds its number and the target, [B, 2]."""
    values = net(obs).gather(1, label[:, :1].long())
    return 0.5 * (values - label[:, 1:]).square()[:, 0]


def _flat(obs: np.ndarray) -> np.ndarray:
    return obs.reshape(len(obs), -1)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Pearson's correlation, 0 where one does not vary."""
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0
