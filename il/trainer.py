"""The loop: plan, collect, learn, evaluate, record, checkpoint. It knows no algorithm, expert or logger by name."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from il.actors import Actor, ExpertActor, RandomActor
from il.algos.base import Algorithm
from il.config import Budget, Eval, Test
from il.envs.base import VectorEnv
from il.evaluate import Scores, evaluate_all, normalized
from il.experts.base import Expert
from il.labels import LEARNABLE, agreement
from il.loggers.base import Logger, RunInfo
from il.play import play
from il.randomness import Purpose
from il.rollout import Collection, Rollout
from il.rounds import Clock, Rounds
from il.run_dir import RunDir
from il.unfinished import RoundProgress
from il.video.camera import Camera


@dataclass
class Counters:
    """What has been spent so far."""

    env_steps: int = 0
    expert_labels: int = 0
    expert_steps: int = 0

    def add(self, rollout: Rollout) -> None:
        """Count a round's data."""
        self.env_steps += rollout.env_steps
        self.expert_labels += rollout.expert_labels
        self.expert_steps += rollout.expert_steps


@dataclass
class Baselines:
    """What a run's scores are read against, on the same episodes."""

    expert: Scores
    random: Scores

    def json(self) -> str:
        """Return the scores as text."""
        return json.dumps({name: {k: v.tolist() for k, v in vars(s).items()} for name, s in vars(self).items()})

    @classmethod
    def read(cls, path: Path) -> "Baselines":
        """Read what `json` gave."""
        stored = json.loads(path.read_text())
        return cls(**{name: Scores(**{k: np.array(v) for k, v in s.items()}) for name, s in stored.items()})


@dataclass
class Trainer(Rounds):
    """One run.

    Args:
        env, expert, algo: the parts.
        progress: what the algorithm hands to `fit`; tells of unfinished rounds.
        run: the directory.
        info: what loggers are told.
        logger: where the record is shown.
        seed: the run's seed.
        eval, test, budget: as in the configuration.
        baselines: expert and random policy on eval's episodes.
        camera: films rounds; None films nothing.
    """

    env: VectorEnv
    expert: Expert
    algo: Algorithm
    progress: RoundProgress
    run: RunDir
    info: RunInfo
    logger: Logger
    seed: int
    eval: Eval
    test: Test
    budget: Budget
    baselines: Baselines
    camera: Camera | None
    counters: Counters = field(default_factory=Counters)
    round: int = 0
    best_score: float = -np.inf
    best_round: int = -1
    _warned: bool = False
    _ahead: Collection | None = None
    """What the next round needs, where it was played already."""

    def _play_round(self) -> None:
        """Plan, collect, learn, evaluate, record, checkpoint."""
        n, clock = self.round, Clock()
        self.progress.begin(n)
        rollout = self._collect(n, clock)
        self.counters.add(rollout)
        agreed = self._agreement(rollout)
        with clock("fit"):
            learned = self.algo.learn(n, rollout)
        scores: dict[str, float | None] = {}
        if (n + 1) % self.eval.every == 0 or n + 1 >= self.total_rounds:
            scores = self._evaluate(n, clock)
        spent = {"round": n, **vars(self.counters)}
        row = {**spent, **_collected(rollout), **agreed, **learned, **scores, **clock.metrics()}
        row["rate/env_steps_per_s"] = rollout.env_steps / max(clock.seconds.get("collect", 0.0), 1e-9)
        self.run.record(row)
        self.logger.log(row)
        self.round = n + 1
        self.run.checkpoint(n, self._state())
        if self.camera is not None:
            learner = next(iter(self.algo.outputs(sample=False).values()))
            if video := self.camera.shoot(n, learner, last=self._spent()):
                self.logger.media("video", video, spent)

    def _collect(self, n: int, clock: Clock) -> Rollout:
        stored = self.progress.stored_rollout()
        if stored is not None:
            return Rollout.from_arrays(stored)
        rollout = self._rollout(n, clock)
        self.progress.rollout = rollout.arrays()
        return rollout

    def _rollout(self, n: int, clock: Clock) -> Rollout:
        """Play what the algorithm plans, unless it brings its data or they were collected ahead."""
        collection, self._ahead = self._ahead, None
        if collection is not None:
            clock.add("collect", collection.seconds)
        else:
            request = self.algo.plan(n)
            if isinstance(request, Rollout):
                return request.head(self._left())
            total = request.steps or (request.episodes or 1) * self.env.spec.horizon
            collection = Collection(
                self.env, request, self.expert, self.seed, n,
                lambda steps: self.progress.report(min(steps, total), total, "collect"),
            )  # fmt: skip
            with clock("collect"):
                play(self.env, collection.stream)
        with clock("label"):
            return collection.rollout(self._left())

    def _agreement(self, rollout: Rollout) -> dict[str, float]:
        """Return how far an expert that draws random numbers agrees with itself; warn once where that is little."""
        value = agreement(rollout)
        if value is None:
            return {}
        if value < LEARNABLE and not self._warned:
            self._warned = True
            print(
                f"warning: asked twice about the same states, {self.expert.provenance.source} agrees with itself by "
                f"{value:.2f} only (1 is fully): such labels are mostly chance, and no policy can learn them",
                file=sys.stderr,
            )
        return {"expert/label_agreement": value}

    @property
    def total_rounds(self) -> int:
        """Rounds to play if no other budget ends the run before."""
        return min(self.algo.rounds, self.budget.rounds or self.algo.rounds)

    def _left(self) -> int | None:
        """Return how many rows the budgets still allow, None without limit."""
        pairs = (
            (self.budget.labels, self.counters.expert_labels),
            (self.budget.env_steps, self.counters.env_steps),
        )
        left = [limit - used for limit, used in pairs if limit is not None]
        return min(left) if left else None

    def _spent(self) -> bool:
        return self._over(self.round)

    def _over(self, n: int) -> bool:
        """Return whether there is no round n."""
        left = self._left()
        return n >= self.total_rounds or (left is not None and left <= 0)

    def _evaluate(self, n: int, clock: Clock) -> dict[str, float | None]:
        """Score the outputs, keep the best, return the metrics."""
        outputs = self.algo.outputs(sample=False)
        actors = {"eval" if k == "last" else f"eval_{k}": actor for k, actor in outputs.items() if k != "best"}
        if self.eval.stochastic:
            actors["eval_stochastic"] = self.algo.outputs(sample=True)["last"]
        expert, random = (float(s.returns.mean()) for s in (self.baselines.expert, self.baselines.random))
        out: dict[str, float | None] = {}
        for prefix, scores in self._scores(n, actors, clock).items():
            mean = float(scores.returns.mean())
            out |= scores.metrics(prefix)
            if prefix != "eval_stochastic":
                out[f"{prefix}/normalized"] = normalized(mean, random, expert)
            if prefix == "eval" and mean > self.best_score:
                self.best_score, self.best_round = mean, n
                self.algo.keep_best(n)
        return out | {"expert/return_mean": expert, "random/return_mean": random}

    def _scores(self, n: int, actors: dict[str, Actor], clock: Clock) -> dict[str, Scores]:
        """Score actors on eval's episodes; the same policies collect the next round's data at the same time."""
        ahead = self._next(n, len(actors))
        with clock("eval"):
            try:
                scores = self._score(actors, ahead)
            except Exception:
                if ahead is None:
                    raise
                ahead, scores = None, self._score(actors, None)  # what failed does so again in its own round
        if ahead is not None:
            steps = sum(int(s.lengths.sum()) for s in scores.values())
            ahead.seconds = clock.seconds["eval"] * ahead.steps / (ahead.steps + steps)
            clock.add("eval", -ahead.seconds)
        self._ahead = ahead
        return scores

    def _score(self, actors: dict[str, Actor], ahead: Collection | None) -> dict[str, Scores]:
        beside = [] if ahead is None else [ahead.stream]
        return evaluate_all(self.env, actors, self.eval.episodes, self.eval.seed, Purpose.EVAL, beside=beside)

    def _next(self, n: int, evaluations: int) -> Collection | None:
        """Return the collection after round n, if it fits beside evaluations; not with planners, which take long."""
        if self._over(n + 1) or self.expert.needs_snapshot:
            return None
        request = self.algo.plan(n + 1)
        if isinstance(request, Rollout):
            return None
        ahead = Collection(self.env, request, self.expert, self.seed, n + 1)
        free = self.env.n - evaluations * self.eval.episodes
        return ahead if ahead.stream.slots(self.env) <= free else None

    def _summarise(self) -> dict[str, Any]:
        """Score everything on the test episodes and write the final figures."""
        actors: dict[str, Actor] = {**self.algo.outputs(sample=False), "random": RandomActor(self.env.spec)}
        if self.expert.queryable:
            actors["expert"] = ExpertActor(self.expert)
        if last_is_best := self.best_round == self.round - 1:
            del actors["best"]
        total, done = len(actors) * self.test.episodes, 0

        def ended(count: int) -> None:
            nonlocal done
            self.progress.report(done := done + count, total, "test")

        scores = evaluate_all(self.env, actors, self.test.episodes, self.test.seed, Purpose.TEST, ended)
        if last_is_best:
            scores["best"] = scores["last"]
        scores.setdefault("expert", self.baselines.expert)
        random, expert = (float(scores[k].returns.mean()) for k in ("random", "expert"))
        out: dict[str, Any] = {"objective": self.best_score, "best_round": self.best_round, **vars(self.counters)}
        for name, score in scores.items():
            out |= score.metrics(f"test/{name}")
            out[f"test/{name}/normalized"] = normalized(float(score.returns.mean()), random, expert)
            out[f"test/{name}/returns"] = score.returns.tolist()
        self.run.summarise(out)
        return out

    def _state(self) -> dict[str, Any]:
        return {
            "round": self.round,
            "counters": vars(self.counters),
            "best": [self.best_score, self.best_round],
            "algo": self.algo.state_dict(),
        }

    def _restore(self) -> None:
        state = self.run.load()
        if state is not None:
            self.round = state["round"]
            self.counters = Counters(**state["counters"])
            self.best_score, self.best_round = state["best"]
            self.algo.load_state_dict(state["algo"])


def _collected(rollout: Rollout) -> dict[str, float]:
    """Return the figures of a round's data; episodes that were cut do not count as returns."""
    whole = np.ones(len(rollout.returns), bool)
    whole[rollout.episode[rollout.cut]] = False
    returns = rollout.returns[whole]
    steps = rollout.env_steps
    out = {"collect/expert_share": rollout.expert_steps / steps, "collect/length_mean": float(rollout.lengths.mean())}
    if len(returns):
        out |= {f"collect/return_{k}": float(getattr(returns, k)()) for k in ("mean", "min", "max")}
    if len(returns) > 1:
        out["collect/return_std"] = float(returns.std(ddof=1))
    return out
