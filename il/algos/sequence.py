"""What algorithms share that fit one policy a round and keep them all: SwitchDAgger, SMILe, SEARN, forward training."""

from abc import abstractmethod
from typing import Any

import numpy as np

from il.actors import Actor, PolicyActor
from il.algos.base import Algorithm, Setup, require_queryable
from il.dataset import Dataset
from il.errors import ConfigError
from il.fit import Adam, Objective, fit, imitation
from il.policies.base import Policy
from il.randomness import Purpose, generator
from il.rollout import Collect, Rollout
from il.state import Once


class PolicySequence(Algorithm):
    """Round n (0 first) rolls in a combination of π̂¹ … π̂ⁿ and the expert, and fits π̂ⁿ⁺¹, which never changes again.

    Subclasses say who rolls in (`roll_in`) and what the policies of a finished round make together (`result`).

    Args:
        setup: see `Setup`.
        name: of the algorithm, for messages.
        rounds: number of rounds N, and of policies at the end.
        steps: environment steps a round; whole episodes until at least so many.
        first_steps: the same for round 0; None takes `steps`. Ignored when the expert brings demonstrations.
        aggregate: fit to the data of all rounds instead of this round's.
        fresh: start each fit from new weights instead of the previous policy's.
        sample: let policies drive by samples instead of their modes.
        label: shape and dtype of one row's label; None takes the expert's actions.

    Raises:
        ConfigError: for knobs out of range, or an expert that cannot be queried where rounds > 1.
    """

    objective: Objective = staticmethod(imitation)
    """Loss of each row."""

    def __init__(
        self,
        setup: Setup,
        name: str,
        rounds: int,
        steps: int,
        first_steps: int | None,
        aggregate: bool,
        fresh: bool,
        sample: bool,
        label: tuple[tuple[int, ...], type] | None = None,
    ):
        super().__init__(setup, rounds)
        if rounds > 1:
            require_queryable(name, setup.expert)
        for knob, value in (("steps", steps), ("first_steps", first_steps)):
            if value is not None and value < 1:
                raise ConfigError(f"algo.{knob}={value}: at least 1")
        self.steps, self.first_steps = steps, first_steps or steps
        self.aggregate, self.fresh, self.sample = aggregate, fresh, sample
        self.policies: list[Policy] = []
        self._stored: list[Once] = []
        self._best = 0
        spec = setup.spec
        later = (rounds - 1) * steps if aggregate else steps
        self.data = Dataset(
            {
                "obs": (spec.obs_shape, np.float32),
                "label": label or (spec.act_shape, spec.act_dtype),
                "who": ((), np.int64),
                "t": ((), np.int64),
            },
            capacity=self.first_steps + later + (rounds if aggregate else 1) * spec.horizon,
            max_rows=None,
        )

    @abstractmethod
    def roll_in(self, n: int) -> Actor:
        """Return who drives in round n; n policies are there."""

    @abstractmethod
    def result(self, count: int, sample: bool) -> Actor:
        """Return what the first `count` policies make together, without the expert."""

    def actor(self, k: int, sample: bool) -> PolicyActor:
        """Return π̂ᵏ, k from 1, as an actor whose rows say k."""
        return PolicyActor(self.policies[k - 1], k, sample)

    def plan(self, n: int) -> Collect | Rollout:
        """Roll in; round 0 takes the expert's demonstrations where it brings some."""
        if n == 0 and (demonstrations := self.setup.expert.demonstrations()) is not None:
            return demonstrations
        return Collect(self.roll_in(n), steps=self.first_steps if n == 0 else self.steps)

    def rows(self, n: int, rollout: Rollout) -> tuple[dict[str, np.ndarray], dict[str, float]]:
        """Return the rows to fit to (the expert's action everywhere), and metrics."""
        return {"obs": rollout.obs, "label": rollout.label, "who": rollout.who, "t": rollout.t}, {}

    def learn(self, n: int, rollout: Rollout) -> dict[str, float]:
        """Fit π̂ⁿ⁺¹; where nothing was recorded, π̂ⁿ stands in."""
        rows, metrics = self.rows(n, rollout)
        if not self.aggregate:
            self.data.clear()
        self.data.append(f"round_{n:04d}", rows, protected=np.zeros(len(rows["obs"]), bool))
        policy = self._next(n)
        if len(self.data):
            metrics |= fit(policy, Adam(policy), self.data, self.setup.seed, (n,), self.setup.progress, self.objective)
        self.policies.append(policy)
        self._stored.append(Once(f"policies/{n + 1:04d}.safetensors", policy.arrays()))
        learner_steps = rollout.env_steps - rollout.expert_steps
        return {"data/size": len(self.data), "collect/learner_steps": learner_steps, **metrics}

    def _next(self, n: int) -> Policy:
        """Return the policy that round n's fit starts from."""
        if not self.policies or (self.fresh and len(self.data)):
            return self.setup.new_policy(generator(self.setup.seed, Purpose.INIT, n))
        return self.policies[-1].clone()

    def outputs(self, sample: bool) -> dict[str, Actor]:
        """Return the result of the last and of the best round."""
        out = {"last": self.result(len(self.policies), sample)}
        return out | ({"best": self.result(self._best, sample)} if self._best else {})

    def keep_best(self, n: int) -> None:
        """Remember how many policies there were."""
        self._best = n + 1

    def state_dict(self) -> dict[str, Any]:
        """Return the policies, each written once, and the data that later rounds fit to."""
        return {"policies": self._stored, "best": self._best, "data": self.data.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo `state_dict`."""
        self.policies, self._stored, self._best = [], [], state["best"]
        for k, stored in enumerate(state["policies"]):
            policy = self.setup.new_policy(generator(self.setup.seed, Purpose.INIT, k))
            policy.load_arrays(stored.load())
            self.policies.append(policy)
            self._stored.append(Once(stored.name, None))
        self.data.load_state_dict(state["data"])
