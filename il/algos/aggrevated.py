"""AggreVaTeD: policy gradients on the expert's advantage, which can do better than the expert."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from il.actors import EXPERT, Actor, ExpertActor, Mixture, PolicyActor
from il.algos.base import Algorithm, Setup, require_positive, require_queryable
from il.algos.estimators import ESTIMATES, Batch, Critic, Judge, Reparametrised, Terms, choose, own_samples
from il.algos.natural import Trust, kl, natural_step
from il.critics import CriticSettings, FittedCritic
from il.dataset import Dataset
from il.errors import ConfigError, nearest
from il.fit import Adam, fit
from il.policies.base import Policy, those_with
from il.randomness import Purpose, generator
from il.rollout import Collect, Rollout
from il.schedules import schedule
from il.state import Once

TRUST = {True: {"kl": 0.01, "damping": 1e-3}, False: {"kl": 0.003, "damping": 0.1}}
"""Knobs of `Trust` for discrete actions or not. Where the policy is all but sure of an action, the Fisher matrix is as
small as the gradient, and much damping leaves the policy stuck there. Sampled actions of continuous tasks make a rough
matrix, and their critics rough advantages: long or undamped steps lose in some seeds what was learned."""


@dataclass(frozen=True)
class AdamSettings:
    """First-order updates, where `natural` is off."""

    lr: float
    """Learning rate."""
    passes: int
    """Times a batch is gone through; importance weights make up for the policy's moving on."""
    minibatch: int | None
    """Rows in a gradient step; None takes all."""
    clip: float
    """Importance weights pay only within 1 ± clip."""

    def __post_init__(self) -> None:
        require_positive("algo.adam", vars(self))


class AggreVaTeD(Algorithm):
    """Differentiable AggreVaTe (Sun et al. 2017).

    Round n rolls in π̃ = α_n π* + (1-α_n) π_θ, and θ ascends an estimate of

        E_{s~π̃} E_{a~π_θ(·|s)} [A*(s, a)],    A* = Q*(s, a) - V*(s)  or  r + γV*(s') - V*(s),

    one step of improvement on the expert, whose critic stays as it is. Without V*, V*(s) is Q*(s, π*(s)), which
    takes a label a row. The gradient is

    - ``exact``: E_s Σ_a ∇π(a|s) A*(s, a); discrete actions, needs Q*;
    - ``score``: E_s E_{a~π} ∇log π(a|s) A*(s, a) with the learner's own draws; needs Q*;
    - ``reparam``: E_s E_noise ∇_θ Q*(s, f_θ(s, noise)); continuous actions, needs Q*;
    - ``executed``: E ∇log π(a|s) A*(s, a) at the actions that were played; with V* on the learner's rows only,
      with Q* alone on all rows;
    - ``auto``: the first of exact, score, executed that is possible.

    A* is divided by its standard deviation over the batch; its mean stays, as subtracting it would clone rows where
    the expert drove. ``signal=scaled`` takes Q* scaled to [0, 1] instead: with α > 0 that is weighted cloning. A step
    is natural (see `natural_step`) or Adam's. Rounds before the first gradient: round 0 clones if `warm`; the next
    one fits the critic if ``expert.critic=fit``.

    Args:
        setup: see `Setup`.
        rounds: number of rounds, all kinds together.
        steps: environment steps a round; whole episodes until at least so many.
        first_steps: the same for cloning; None takes `steps`. Ignored when the expert brings demonstrations.
        warm: start by cloning.
        alpha: schedule of α, see `il.schedules`, by round.
        estimator: see above.
        signal: ``advantage`` or ``scaled``.
        actions: draws a state, for score, reparam and the Fisher matrix.
        gamma: discount of the critic.
        sample: let the learner drive by samples.
        entropy: weight of an entropy bonus.
        natural: take natural gradient steps.
        trust: knobs of `Trust`; None takes those of `TRUST`.
        adam: knobs of `AdamSettings`.
        critic: knobs of `CriticSettings`.

    Raises:
        ConfigError: for knobs out of range or at odds, and for policies or experts that cannot do what is asked.
    """

    uses_critic = True

    def __init__(
        self,
        setup: Setup,
        rounds: int,
        steps: int,
        first_steps: int | None,
        warm: bool,
        alpha: float | str | list[float],
        estimator: str,
        signal: str,
        actions: int,
        gamma: float,
        sample: bool,
        entropy: float,
        natural: bool,
        trust: dict[str, Any],
        adam: dict[str, Any],
        critic: dict[str, Any],
    ):
        super().__init__(setup, rounds)
        require_queryable("AggreVaTeD", setup.expert)
        require_positive("algo", {"steps": steps, "first_steps": first_steps, "actions": actions, "gamma": gamma})
        self.steps, self.first_steps, self.warm = steps, first_steps or steps, warm
        self.alpha = schedule(alpha, rounds, "algo.alpha")
        if signal not in ("advantage", "scaled"):
            raise ConfigError(f"algo.signal={signal}{nearest(signal, ['advantage', 'scaled'])}: advantage or scaled")
        self.terms = Terms(signal, actions, gamma)
        self.sample, self.entropy = sample, entropy
        trust = {**TRUST[setup.spec.discrete], **{k: v for k, v in trust.items() if v is not None}}
        self.natural, self.trust, self.settings = natural, Trust(**trust), AdamSettings(**adam)
        settings = CriticSettings(**critic)
        self.fitted = FittedCritic(setup.spec, settings, gamma, setup.seed) if setup.critic == "fit" else None
        self.critic: Critic = self.fitted or setup.expert
        self.first = int(warm) + int(self.fitted is not None)
        self.policy = setup.new_policy(generator(setup.seed, Purpose.INIT, 0))
        self.estimator = choose(estimator, self.critic.can, setup.spec, setup.expert.provenance.source)
        self._check()
        self.adam = Adam(self.policy)
        self.best = self.policy.clone()
        self._stored: Once | None = None
        self._queries = 0

    def _check(self) -> None:
        """Refuse what could not work, before anything starts."""
        policy, reparam = self.policy, self.estimator == "reparam"
        if self.terms.signal == "scaled" and ("q" not in self.critic.can or reparam):
            raise ConfigError("algo.signal=scaled scales Q at given actions: it needs a critic with Q, and not reparam")
        if self.rounds <= self.first:
            raise ConfigError(
                f"algo.rounds={self.rounds}: the first {self.first} only clone or fit the critic; take more"
            )
        needs = [("has_rsample", reparam), ("has_density", self.natural or not reparam or self.entropy > 0)]
        for ability, needed in needs:
            if needed and not getattr(policy, ability):
                raise ConfigError(
                    f"algo.estimator={self.estimator} cannot be used with {type(policy).__name__}, which has no "
                    f"{'density' if ability == 'has_density' else 'reparametrised samples'}: use policy="
                    + " or ".join(those_with(ability))
                )
        if self.estimator == "executed" and not self.sample:
            raise ConfigError("algo.estimator=executed needs algo.sample=true: a mode is no sample of the policy")
        alphas = [self.alpha(n) for n in range(self.first, self.rounds)]
        if self._look_ahead and min(alphas) == 1:
            raise ConfigError("algo.alpha=1 with estimator=executed and a V alone gives no gradient: no row is the "
                              "learner's; lower algo.alpha")  # fmt: skip
        if reparam and not self.natural and (self.settings.passes > 1 or self.settings.minibatch is not None):
            raise ConfigError("algo.estimator=reparam draws its actions anew and has no importance weights: "
                              "algo.adam.passes=1 algo.adam.minibatch=null")  # fmt: skip

    @property
    def _look_ahead(self) -> bool:
        """Whether played actions are judged by V alone, which goes for the learner's rows only."""
        return self.estimator == "executed" and self.terms.signal == "advantage" and "value" in self.critic.can

    # -- a round ----------------------------------------------------------------------------------------------

    def plan(self, n: int) -> Collect | Rollout:
        """Roll in the mixture of round n; before that, the expert, or what the critic is fitted to."""
        expert, learner = self.setup.expert, PolicyActor(self.policy, 1, self.sample)
        if self.warm and n == 0:
            return expert.demonstrations() or Collect(ExpertActor(expert), steps=self.first_steps)
        if n < self.first:
            assert self.fitted is not None
            return self.fitted.request(expert, learner if self.warm else None)
        alpha = self.alpha(n)
        actor = Mixture([ExpertActor(expert), learner], [alpha, 1 - alpha]) if alpha else learner
        by_labels = self.terms.signal == "advantage" and "value" not in self.critic.can
        return Collect(actor, steps=self.steps, label="all" if by_labels else "none")

    def learn(self, n: int, rollout: Rollout) -> dict[str, float]:
        """Clone, fit the critic, or improve."""
        if self.warm and n == 0:
            return self._clone(n, rollout)
        if n < self.first:
            assert self.fitted is not None
            metrics = self.fitted.fit(rollout, (n,), self.setup.progress)
            self.policy.fit_normalizer(rollout.obs)
            self._stored = Once("policies/critic.safetensors", self.fitted.arrays())
            return metrics
        metrics = self._improve(n, rollout)
        return {"alpha": self.alpha(n), "expert_queries": self._queries, **metrics}

    def _clone(self, n: int, rollout: Rollout) -> dict[str, float]:
        spec = self.setup.spec
        columns = {"obs": (spec.obs_shape, np.float32), "label": (spec.act_shape, spec.act_dtype)}
        data = Dataset(columns, len(rollout), None)
        data.append("clone", {"obs": rollout.obs, "label": rollout.label}, rollout.who == EXPERT)
        return fit(self.policy, Adam(self.policy), data, self.setup.seed, (n,), self.setup.progress)

    def _improve(self, n: int, rollout: Rollout) -> dict[str, float]:
        """Take the steps that one batch is good for; a batch that the normaliser is taken from gives none."""
        if not bool(self.policy.normalizer_fitted):
            self.policy.fit_normalizer(rollout.obs)
            return {"train/step": 0.0}
        rng, spec = generator(self.setup.seed, Purpose.ALGORITHM, n), self.setup.spec
        judge = Judge(self.critic, rollout, spec.low, spec.high)
        batch, metrics = ESTIMATES[self.estimator](self.policy, judge, self.terms, rng)
        self._queries += judge.queries
        if batch is None:
            return {"train/step": 0.0}
        samples, _ = own_samples(self.policy, rollout.obs, self.terms.actions, rng)
        obs = torch.from_numpy(rollout.obs).to(self.policy.flat.device)
        if self.natural:
            return metrics | natural_step(
                self.policy, lambda p: batch.gain(p) + self._bonus(p, obs), samples, self.trust
            )
        with torch.no_grad():
            log_p = self.policy.log_prob(samples.obs, samples.act) if self.policy.has_density else None
        metrics |= self._ascend(batch, obs, rng)
        if log_p is not None:
            with torch.no_grad():
                metrics["train/kl"] = float(kl(self.policy, samples, log_p))
        return metrics

    def _bonus(self, policy: Policy, obs: Tensor) -> Tensor | float:
        return self.entropy * policy.entropy(obs).mean() if self.entropy else 0.0

    def _ascend(self, batch: Batch, obs: Tensor, rng: np.random.Generator) -> dict[str, float]:
        """Let Adam go through the batch."""
        policy, s, outside = self.policy, self.settings, []
        policy.fit = replace(policy.fit, lr=s.lr, weight_decay=0.0)
        policy.flat_grad.zero_()
        if isinstance(batch, Reparametrised):
            torch.autograd.backward(-(batch.gain(policy) + self._bonus(policy, obs)))
            self.adam.step()
            return {}
        rows = len(batch.worth)
        for _ in range(s.passes):
            for part in torch.from_numpy(rng.permutation(rows)).split(s.minibatch or rows):
                gain, share = batch.clipped_gain(policy, part.to(obs.device), s.clip)
                torch.autograd.backward(-(gain + self._bonus(policy, obs)))
                self.adam.step()
                outside.append(float(share))
        return {"train/ratios_clipped": float(np.mean(outside))}

    # -- the results ------------------------------------------------------------------------------------------

    def outputs(self, sample: bool) -> dict[str, Actor]:
        """Return the last and the best policy."""
        return {"last": PolicyActor(self.policy, sample=sample), "best": PolicyActor(self.best, sample=sample)}

    def keep_best(self, n: int) -> None:
        """Copy the current policy."""
        self.best = self.policy.clone()

    def state_dict(self) -> dict[str, Any]:
        """Return policies, optimiser, the fitted critic, and the count of queries."""
        return {
            "policy": self.policy.arrays(),
            "best": self.best.arrays(),
            "adam": self.adam.arrays(),
            "critic": self._stored,
            "queries": self._queries,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo `state_dict`."""
        self.policy.load_arrays(state["policy"])
        self.best.load_arrays(state["best"])
        self.adam.load_arrays(state["adam"])
        self._queries = state["queries"]
        if state["critic"] is not None:
            assert self.fitted is not None
            self.fitted.load_arrays(state["critic"].load())
            self._stored = Once(state["critic"].name, None)
