"""AggreVaTe: learn what one action leads to when the expert takes over after it."""

from typing import Any

import numpy as np

from il.actors import EXPLORER, Actor, ExpertActor, Mixture, PolicyActor, RandomActor, Switching
from il.algos.base import Algorithm, Setup, require_positive, require_queryable
from il.critics import chosen_output, to_go
from il.dataset import Dataset
from il.errors import ConfigError
from il.fit import Adam, fit
from il.policies.categorical import CategoricalPolicy
from il.randomness import Purpose, generator
from il.rollout import Collect, Rollout
from il.schedules import schedule


class AggreVaTe(Algorithm):
    """Aggregate values to imitate (Ross & Bagnell 2014, algorithm 1), for discrete actions.

    Each episode of round n rolls in β_n π* + (1-β_n) π̂_n up to a step t drawn uniformly, takes one action drawn
    uniformly, and is ended by the expert. The state, the action and the sum of rewards from there are one unbiased
    sample of Q*_t(s, a). A network is regressed on the samples of all rounds, and π̂_{n+1} takes the action it rates
    highest. β_0 = 1. An episode that ends before t gives no sample; one that a budget cuts neither.

    An episode costs the expert's control to its end but gives one sample: compare by ``expert_steps``.

    Args:
        setup: see `Setup`.
        rounds: number of rounds, round 0 included.
        steps: environment steps a round; whole episodes until at least so many.
        first_steps: the same for round 0; None takes `steps`.
        beta: schedule of β, see `il.schedules`; its value for round 0 is always 1.
        latest: t is drawn from 0 … latest - 1; None takes the horizon.
        gamma: discount of the sums of rewards; the definition has 1.
        fresh: fit a new network each round instead of going on with the last one.
        max_rows: the most samples kept. None keeps all.
        sample: let the learner drive by samples (a softmax of the estimates) instead of its mode.

    Raises:
        ConfigError: for knobs out of range, an expert that cannot be queried, or continuous actions.
    """

    def __init__(
        self,
        setup: Setup,
        rounds: int,
        steps: int,
        first_steps: int | None,
        beta: float | str | list[float],
        latest: int | None,
        gamma: float,
        fresh: bool,
        max_rows: int | None,
        sample: bool,
    ):
        super().__init__(setup, rounds)
        require_queryable("AggreVaTe", setup.expert)
        knobs = {"steps": steps, "first_steps": first_steps, "latest": latest, "gamma": gamma, "max_rows": max_rows}
        require_positive("algo", knobs)
        self.policy = setup.new_policy(generator(setup.seed, Purpose.INIT, 0))
        if not isinstance(self.policy, CategoricalPolicy):
            raise ConfigError(f"AggreVaTe rates each of finitely many actions ({setup.spec.id}, "
                              f"{type(self.policy).__name__}): use policy=categorical, or algo=aggrevated for "
                              "continuous actions")  # fmt: skip
        self.beta = schedule(beta, rounds, "algo.beta")
        self.steps, self.first_steps, self.gamma, self.fresh, self.sample = (
            steps, first_steps or steps, gamma, fresh, sample,
        )  # fmt: skip
        self.latest = min(latest or setup.spec.horizon, setup.spec.horizon)
        self.adam = Adam(self.policy)
        self.best = self.policy.clone()
        columns: dict[str, tuple[tuple[int, ...], type]] = {
            "obs": (setup.spec.obs_shape, np.float32),
            "label": ((2,), np.float32),
        }
        self.data = Dataset(columns, self.first_steps, max_rows)
        self._scale = np.array([0.0, 0.0])

    def plan(self, n: int) -> Collect:
        """Roll in, explore once, let the expert end; the expert's own steps are its labels."""
        expert, learner = ExpertActor(self.setup.expert), PolicyActor(self.policy, n, self.sample)
        beta = 1.0 if n == 0 else self.beta(n)
        roll_in = Mixture([expert, learner], [beta, 1 - beta]) if n else expert
        actor = Switching(
            [roll_in, RandomActor(self.setup.spec), expert],
            lambda rng, horizon: np.array([rng.integers(self.latest), 1]),
        )
        return Collect(actor, steps=self.first_steps if n == 0 else self.steps, label="acted")

    def learn(self, n: int, rollout: Rollout) -> dict[str, float]:
        """Add the samples and regress."""
        explored = (rollout.who == EXPLORER) & ~np.isin(rollout.episode, rollout.episode[rollout.cut])
        sums = to_go(rollout, self.gamma, np.zeros(len(rollout.seed)))[explored]
        metrics = {"beta": 1.0 if n == 0 else self.beta(n), "collect/samples": len(sums)}
        if len(sums):
            if not self._scale[1]:  # of the first samples; the order of the actions does not depend on it
                self._scale = np.array([sums.mean(), max(sums.std(), 1e-6)])
            targets = (sums - self._scale[0]) / self._scale[1]
            rows = {"obs": rollout.obs[explored], "label": np.stack([rollout.act[explored], targets], 1)}
            self.data.append(f"round_{n:04d}", rows, np.zeros(len(sums), bool))
        if self.fresh and n > 0:
            self.policy = self.setup.new_policy(generator(self.setup.seed, Purpose.INIT, n))
            self.adam = Adam(self.policy)
        if len(self.data):
            metrics |= fit(self.policy, self.adam, self.data, self.setup.seed, (n,), self.setup.progress, chosen_output)
        return metrics | {"data/size": len(self.data)}

    def outputs(self, sample: bool) -> dict[str, Actor]:
        """Return the last and the best policy."""
        return {"last": PolicyActor(self.policy, sample=sample), "best": PolicyActor(self.best, sample=sample)}

    def keep_best(self, n: int) -> None:
        """Copy the current policy."""
        self.best = self.policy.clone()

    def state_dict(self) -> dict[str, Any]:
        """Return policies, optimiser, samples and their scale."""
        return {
            "policy": self.policy.arrays(),
            "best": self.best.arrays(),
            "adam": self.adam.arrays(),
            "data": self.data.state_dict(),
            "scale": self._scale,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo `state_dict`."""
        self.policy.load_arrays(state["policy"])
        self.best.load_arrays(state["best"])
        self.adam.load_arrays(state["adam"])
        self.data.load_state_dict(state["data"])
        self._scale = state["scale"]
