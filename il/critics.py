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


@dataclass(frozen=True)
class CriticSettings:
    """Where critics come from, and how one is fitted."""

    source: str
    """expert (its own) or fit."""
    steps: int
    """Environment steps to fit to, in whole episodes."""
    prefix: int
    """The expert takes over after a uniform number of steps, less than this."""
    random: float
    """Share of random actions before it does."""
    passes: int
    """Fits of V, each to returns that the one before continues where episodes were cut off."""
    depth: int
    """Hidden layers of V and of Q."""
    width: int
    """Units in each."""
    activation: str
    """As in a policy."""
    normalize: bool
    """Standardise inputs."""
    fit: dict[str, Any]
    """As in a policy; `steps` are those of each pass and of Q."""

    def __post_init__(self) -> None:
        if self.source not in ("expert", "fit"):
            raise ConfigError(f"algo.critic.source={self.source}: expert or fit")
        if not 0 <= self.random <= 1:
            raise ConfigError(f"algo.critic.random={self.random}: must lie in [0, 1]")
        for name in ("steps", "prefix", "passes"):
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
    """V(s) and Q(s, a) of an expert, by Monte-Carlo returns and one step of look-ahead.

    Episodes start with a learner (or the expert) and random actions, take one random action, and are ended by the
    expert: so V is fitted where learners go, not only where the expert does. V is regressed on returns; where an
    episode was cut off, the previous pass continues it (a never-ending stream of the mean reward before the first).
    Q is regressed on r + γV(s'), and where the expert took over on the mean of that and the return.

    Args:
        spec: the environment; critics see the expert's view.
        settings: see `CriticSettings`.
        gamma: discount.
        seed: the run's seed.
    """

    can = frozenset({"q", "value"})

    def __init__(self, spec: EnvSpec, settings: CriticSettings, gamma: float, seed: int):
        self.spec, self.settings, self.gamma, self.seed = spec, settings, gamma, seed
        size = int(np.prod(spec.expert_obs_shape))
        self._v = self._net(0, size, 1)
        self._q = self._net(1, size, spec.act_dim) if spec.discrete else self._net(1, size + spec.act_dim, 1)
        self._scale = np.array([0.0, 1.0])

    def _net(self, index: int, inputs: int, outputs: int) -> Policy:
        """Return a network, in the guise of a policy whose action is the estimate."""
        s = self.settings
        spec = replace(self.spec, obs_shape=(inputs,), discrete=False, act_dim=outputs)
        rng = generator(self.seed, Purpose.CRITIC, 0, index)
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
        return Collect(actor, steps=self.settings.steps, label="acted")

    # -- asking -----------------------------------------------------------------------------------------------

    def value(self, obs: np.ndarray) -> np.ndarray:
        """See `Expert.value`."""
        return self._unscaled(self._v.outputs(_flat(obs))[:, 0])

    def q(self, obs: np.ndarray, act: np.ndarray | None) -> np.ndarray:
        """See `Expert.q`."""
        if not self.spec.discrete:
            assert act is not None, "continuous actions cannot all be listed"
            return self._unscaled(self._q.outputs(np.concatenate([_flat(obs), act], 1))[:, 0])
        values = self._unscaled(self._q.outputs(_flat(obs)))
        return values if act is None else np.take_along_axis(values, act[:, None], 1)[:, 0]

    def q_gradient(self, obs: np.ndarray, act: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Expert.q_gradient`."""
        actions = torch.from_numpy(act).requires_grad_()
        values = self._q(torch.cat([torch.from_numpy(_flat(obs)), actions], 1))[:, 0]
        (slope,) = torch.autograd.grad(values.sum(), actions)
        return self._unscaled(values.detach().numpy()), slope.numpy() * np.float32(self._scale[1])

    # -- fitting ----------------------------------------------------------------------------------------------

    def fit(self, rollout: Rollout, key: tuple[int, ...], progress: Progress) -> dict[str, float]:
        """Fit both, and measure them on episodes kept apart.

        Args:
            rollout: what `request` asked for.
            key: names these fits within the run.
            progress: see `il.fit.fit`.

        Returns:
            ``critic/…``: rms error and correlation of V, and correlation of the advantage of the actions after which
            the expert took over, against returns. Those that the held-out episodes are too few for are missing.

        Raises:
            ConfigError: when the expert never took over.
        """
        acted, kept = ended_by_expert(rollout), rollout.episode % HELD_OUT != HELD_OUT - 1
        if not (acted & kept).any():
            raise ConfigError("the critic has nothing to be fitted to: no episode lasted until the expert took over; "
                              "lower algo.critic.prefix or algo.critic.random")  # fmt: skip
        obs, adam = _flat(rollout.expert_view), Adam(self._v)
        tail = np.full(len(rollout.seed), rollout.reward[acted].mean() / max(1 - self.gamma, 1e-3))
        for k in range(self.settings.passes):
            returns = to_go(rollout, self.gamma, tail)
            if k == 0:
                self._scale = np.array([returns[acted].mean(), max(returns[acted].std(), 1e-6)])
            rows = acted & kept
            self._regress(self._v, adam, obs[rows], self._scaled(returns[rows])[:, None], (*key, 0, k), progress)
            tail = self.value(rollout.final_expert_view).astype(float)
        returns = to_go(rollout, self.gamma, tail)
        took_over = np.append(~acted[:-1] & acted[1:] & (rollout.episode[1:] == rollout.episode[:-1]), False)
        inputs, targets, objective = self._q_data(rollout, obs, returns, took_over)
        self._regress(self._q, Adam(self._q), inputs[kept], targets[kept], (*key, 1), progress, objective)
        return self._measure(rollout, returns, acted & ~kept, took_over & ~kept)

    def _q_data(
        self, rollout: Rollout, obs: np.ndarray, returns: np.ndarray, took_over: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, Objective]:
        """Return inputs, scaled targets and loss of the regression of Q."""
        after = np.where(rollout.terminated, 0.0, self.value(rollout.next_obs(np.arange(len(rollout)), expert=True)))
        targets = rollout.reward + self.gamma * after
        targets[took_over] = (targets[took_over] + returns[took_over]) / 2
        scaled = self._scaled(targets)[:, None]
        if self.spec.discrete:
            return obs, np.concatenate([rollout.act[:, None].astype(np.float32), scaled], 1), chosen_output
        act = rollout.act if self.spec.low is None else np.clip(rollout.act, self.spec.low, self.spec.high)
        return np.concatenate([obs, act], 1), scaled, imitation

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
        data = Dataset(columns, len(inputs), None)
        data.append("critic", {"obs": inputs, "label": targets}, np.zeros(len(inputs), bool))
        fit(net, adam, data, self.seed, key, progress, objective)

    def _measure(
        self, rollout: Rollout, returns: np.ndarray, acted: np.ndarray, took_over: np.ndarray
    ) -> dict[str, float]:
        out = {}
        view = rollout.expert_view
        if acted.sum() > 2:
            values = self.value(view[acted])
            out["critic/value_rmse"] = float(np.sqrt(np.mean((values - returns[acted]) ** 2)))
            out["critic/value_corr"] = _correlation(values, returns[acted])
        if took_over.sum() > 2:
            values = self.value(view[took_over])
            advantage = self.q(view[took_over], rollout.act[took_over]) - values
            out["critic/advantage_corr"] = _correlation(advantage, returns[took_over] - values)
        return out

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        return ((values - self._scale[0]) / self._scale[1]).astype(np.float32)

    def _unscaled(self, values: np.ndarray) -> np.ndarray:
        return (values * self._scale[1] + self._scale[0]).astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return everything fitted, for storing."""
        nets = {f"{name}/{k}": v for name, net in (("v", self._v), ("q", self._q)) for k, v in net.arrays().items()}
        return {**nets, "scale": self._scale}

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Undo `arrays`."""
        for name, net in (("v", self._v), ("q", self._q)):
            net.load_arrays({k.partition("/")[2]: v for k, v in arrays.items() if k.startswith(name + "/")})
        self._scale = arrays["scale"]


def chosen_output(net: Policy, obs: Tensor, label: Tensor) -> Tensor:
    """Return half the squared error of one output, [B]; `label` holds its number and the target, [B, 2]."""
    values = net(obs).gather(1, label[:, :1].long())
    return 0.5 * (values - label[:, 1:]).square()[:, 0]


def _flat(obs: np.ndarray) -> np.ndarray:
    return obs.reshape(len(obs), -1)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Pearson's correlation, 0 where one does not vary."""
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0
