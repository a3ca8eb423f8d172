"""DAgger, and behavioural cloning as its first round."""

from typing import Any, Literal

import numpy as np

from il.actors import EXPERT, Actor, ExpertActor, Mixture, PolicyActor
from il.algos.base import Algorithm, Setup, require_queryable
from il.dataset import Dataset
from il.errors import ConfigError
from il.fit import Adam, fit
from il.randomness import Purpose, generator
from il.rollout import Collect, Rollout
from il.schedules import schedule


class DAgger(Algorithm):
    """Dataset aggregation (Ross, Gordon & Bagnell 2011, algorithm 3.1).

    Round n rolls in π_n = β_n π* + (1 - β_n) π̂_n, the expert labels every visited state, and π̂_{n+1} is fitted to
    all data so far. β_0 = 1, so round 0 is behavioural cloning; with one round, or β = 1, this class *is* that.

    Args:
        setup: see `Setup`.
        rounds: number of rounds, round 0 included.
        steps: environment steps a round; whole episodes until at least so many.
        first_steps: the same for round 0; None takes `steps`. Ignored when the expert brings demonstrations.
        beta: schedule of β, see `il.schedules`; its value for round 0 is always 1.
        per: draw who drives at every ``step``, or once per ``episode``.
        fresh: fit a new policy each round instead of going on with the last one.
        max_rows: the most rows kept; rows where the expert drove are dropped last. None keeps all.
        sample: let the learner drive by samples instead of its mode.

    Raises:
        ConfigError: for knobs out of range, or an expert that cannot be queried where rounds > 1.
    """

    def __init__(
        self,
        setup: Setup,
        rounds: int,
        steps: int,
        first_steps: int | None,
        beta: float | str | list[float],
        per: Literal["step", "episode"],
        fresh: bool,
        max_rows: int | None,
        sample: bool,
    ):
        super().__init__(setup, rounds)
        if rounds > 1:
            require_queryable("DAgger", setup.expert)
        for knob, value in (("steps", steps), ("first_steps", first_steps), ("max_rows", max_rows)):
            if value is not None and value < 1:
                raise ConfigError(f"algo.{knob}={value}: at least 1")
        if per not in ("step", "episode"):
            raise ConfigError(f"algo.per={per}: step or episode")
        if isinstance(beta, list) and beta and beta[0] != 1:
            raise ConfigError(f"algo.beta={beta}: the first value is round 0's and must be 1 (the expert drives)")
        self.beta = schedule(beta, rounds, "algo.beta")
        self.steps, self.first_steps, self.per, self.fresh, self.sample = (
            steps,
            first_steps or steps,
            per,
            fresh,
            sample,
        )
        self.policy = setup.new_policy(generator(setup.seed, Purpose.INIT, 0))
        self.adam = Adam(self.policy)
        self.best = self.policy.clone()
        spec = setup.spec
        self.data = Dataset(
            {"obs": (spec.obs_shape, np.float32), "label": (spec.act_shape, spec.act_dtype)},
            capacity=self.first_steps + (rounds - 1) * steps + rounds * spec.horizon,
            max_rows=max_rows,
        )

    def plan(self, n: int) -> Collect | Rollout:
        """Roll in the mixture of round n; round 0 takes the expert's demonstrations where it brings some."""
        expert = self.setup.expert
        if n == 0 and (demonstrations := expert.demonstrations()) is not None:
            return demonstrations
        beta = 1.0 if n == 0 else self.beta(n)
        drivers: list[Actor] = [ExpertActor(expert), PolicyActor(self.policy, n, self.sample)]
        if beta in (0.0, 1.0):
            actor = drivers[0] if beta == 1 else drivers[1]
        else:
            actor = Mixture(drivers, [beta, 1 - beta], self.per)
        return Collect(actor, steps=self.first_steps if n == 0 else self.steps)

    def learn(self, n: int, rollout: Rollout) -> dict[str, float]:
        """Aggregate and fit."""
        rows = {"obs": rollout.obs, "label": rollout.label}
        self.data.append(f"round_{n:04d}", rows, protected=rollout.who == EXPERT)
        if self.fresh and n > 0:
            self.policy = self.setup.new_policy(generator(self.setup.seed, Purpose.INIT, n))
            self.adam = Adam(self.policy)
        metrics = fit(self.policy, self.adam, self.data, self.setup.seed, (n,), self.setup.progress)
        return {"beta": 1.0 if n == 0 else self.beta(n), "data/size": len(self.data), **metrics}

    def outputs(self, sample: bool) -> dict[str, Actor]:
        """Return the last and the best policy."""
        return {"last": PolicyActor(self.policy, sample=sample), "best": PolicyActor(self.best, sample=sample)}

    def keep_best(self, n: int) -> None:
        """Copy the current policy."""
        self.best = self.policy.clone()

    def state_dict(self) -> dict[str, Any]:
        """Return policies, optimiser and data."""
        return {
            "policy": self.policy.arrays(),
            "best": self.best.arrays(),
            "adam": self.adam.arrays(),
            "data": self.data.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo `state_dict`."""
        self.policy.load_arrays(state["policy"])
        self.best.load_arrays(state["best"])
        self.adam.load_arrays(state["adam"])
        self.data.load_state_dict(state["data"])
