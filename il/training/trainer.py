"""Training an expert: rounds of learning, each evaluated, recorded and stored; the best becomes `expert.safetensors`.

What is evaluated is what is shipped: the agent in the package's own format, which needs no other library.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig

from il.actors import Actor, ExpertActor, RandomActor
from il.config import Budget, Test, build, check, device, plain
from il.envs.base import VectorEnv
from il.errors import ConfigError
from il.evaluate import Scores, evaluate, evaluate_all
from il.experts import neutral
from il.experts.neutral import Arrays
from il.loggers.base import Logger, RunInfo
from il.loggers.console import ConsoleLogger
from il.loggers.group import LoggerGroup
from il.provenance import cpu
from il.randomness import Purpose
from il.rounds import Clock, Rounds
from il.run_dir import RunDir
from il.start import overrides, run_directory, run_info
from il.training.agent import Agent, check_algorithm
from il.training.library import choose, load


class Sb3:
    """The target of conf/trainer/sb3.yaml; `cfg` is the whole configuration, the others are that file's knobs."""

    def __init__(
        self,
        cfg: DictConfig,
        algo: str,
        library: str,
        steps: int | None,
        n_envs: int | None,
        normalize_obs: bool | None,
        normalize_reward: bool | None,
        anneal: bool | None,
        kwargs: dict[str, Any],
        eval_every: int | None,
        eval_episodes: int,
        stop_at_return: float | None,
        start: str | None,
        recipes: Mapping[str, dict[str, Any]],
    ):
        cfg.expert = cfg.algo = cfg.policy = None  # an expert is learnt from rewards alone
        check(cfg)
        if algo not in recipes:
            check_algorithm(algo, False, cfg.env.id)
        cfg.trainer.library = choose(library, algo)  # stored with the run, which only the same library may go on with
        given = {
            "steps": steps, "n_envs": n_envs, "eval_every": eval_every, "normalize_obs": normalize_obs,
            "normalize_reward": normalize_reward, "anneal": anneal,
        }  # fmt: skip
        self.recipe = recipes[algo] | {k: v for k, v in given.items() if v is not None}
        self.recipe["kwargs"] = recipes[algo]["kwargs"] | kwargs
        for name, value in {**self.recipe, "eval_episodes": eval_episodes}.items():
            if type(value) is int and value < 1:
                raise ConfigError(f"trainer.{name}={value}: must be at least 1")
        self.cfg, self.algo = cfg, algo
        self.eval_episodes, self.stop_at_return, self.start = eval_episodes, stop_at_return, start

    def run(self) -> float:
        """Train; return the objective."""
        torch.set_num_threads(self.cfg.threads)
        return self.assemble().train()

    def assemble(self) -> "Training":
        """Build every part, then open the run directory."""
        cfg, config, recipe = self.cfg, plain(self.cfg), self.recipe
        library = load(cfg.trainer.library)
        env: VectorEnv = build(cfg.env, "env")  # evaluation's
        check_algorithm(self.algo, env.spec.discrete, env.spec.id)
        slots: VectorEnv = build({**cfg.env, "n_envs": recipe["n_envs"]}, "env")
        agent = Agent(
            library, self.algo, slots, cfg.seed, recipe["steps"], recipe["normalize_obs"], recipe["normalize_reward"],
            recipe["anneal"], recipe["kwargs"], device(cfg.device), self.start,
        )  # fmt: skip
        loggers = LoggerGroup([ConsoleLogger(), *(build(v, f"logger.{k}") for k, v in (cfg.logger or {}).items())])
        loggers.check()
        run = RunDir(run_directory(cfg), config, overrides(), library.packages)
        training = Training(
            env, agent, run, run_info(run, cfg, config, 0), loggers, cfg.budget, cfg.test, cfg.eval.seed,
            recipe["steps"], recipe["eval_every"], self.eval_episodes, self.stop_at_return,
        )  # fmt: skip
        training.info = replace(training.info, total_rounds=training.total_rounds)
        return training


@dataclass
class Training(Rounds):
    """One run.

    Args:
        env: for evaluation.
        agent: what is trained, with its own slots.
        run: the directory.
        info: what loggers are told.
        logger: where the record is shown.
        budget, test: as in the configuration.
        eval_seed: of the episodes that choose the best.
        steps: environment steps of the training.
        eval_every: steps of a round.
        eval_episodes: how many episodes judge a round.
        stop_at_return: end after the first round whose mean return reaches this.
    """

    env: VectorEnv
    agent: Agent
    run: RunDir
    info: RunInfo
    logger: Logger
    budget: Budget
    test: Test
    eval_seed: int
    steps: int
    eval_every: int
    eval_episodes: int
    stop_at_return: float | None
    round: int = 0
    best: dict[str, Any] = field(default_factory=lambda: {"score": -np.inf, "round": -1, "return_mean": -np.inf})

    def _play_round(self) -> None:
        """Learn, evaluate, record, checkpoint."""
        n, clock, before = self.round, Clock(), self.agent.env_steps
        until = min(max((n + 1) * self.eval_every, before + 1), self.steps)
        with clock("fit"):
            learned = self.agent.learn(n, until, lambda at: self.logger.progress(at - before, until - before, "steps"))
        with clock("eval"):
            scores = self._evaluate(n)
        taken = self.agent.env_steps - before
        row: dict[str, Any] = {"round": n, "env_steps": self.agent.env_steps, "expert_labels": 0, "expert_steps": 0}
        row |= self._episodes() | learned | scores.metrics("eval") | clock.metrics()
        row["rate/env_steps_per_s"] = taken / max(clock.seconds["fit"], 1e-9)
        self.run.record(row)
        self.logger.log(row)
        self.round = n + 1
        state = self.agent.state(n)
        self.run.checkpoint(n, {"round": self.round, "best": self.best, "agent": state})
        kept = {self.run.path / file.name for _, _, file in state["replay"]}
        for path in set((self.run.path / "data").glob("*.npz")) - kept:
            path.unlink()

    def _evaluate(self, n: int) -> Scores:
        """Score the agent as it would be shipped; keep it where it is the best so far, or good enough to stop."""
        arrays, card = self.agent.export()
        scores = evaluate(self.env, self._actor(arrays, card), self.eval_episodes, self.eval_seed, Purpose.EVAL)
        mean = float(scores.returns.mean())
        score = mean - float(scores.returns.std())
        if score > self.best["score"] or self._enough(mean):
            self.best = {"score": score, "round": n, "return_mean": mean}
            neutral.write(self._expert, arrays, self._card(card, scores, self.eval_seed, "eval"))
        return scores

    def _actor(self, arrays: Arrays, card: dict[str, Any]) -> Actor:
        return ExpertActor(neutral.MLPExpert(self.env.spec, arrays, card, "the agent"))

    def _card(self, card: dict[str, Any], scores: Scores, seed: int, episodes: str) -> dict[str, Any]:
        """Return the expert's card: what it is, how it was made, what it scores on these episodes."""
        r = scores.returns
        returns = {"mean": float(r.mean()), "std": float(r.std()), "min": float(r.min()), "episodes": len(r),
                   "on": f"{episodes}, seed {seed}"}  # fmt: skip
        return {**card, "steps": self.agent.env_steps, "seed": self.agent.seed, "returns": returns,
                "command": self.run.info["command"], "versions": self.run.info["versions"], "cpu": cpu()}  # fmt: skip

    @property
    def _expert(self) -> Path:
        return self.run.path / neutral.TRAINED

    def _episodes(self) -> dict[str, float]:
        """Return the figures of the episodes that ended during the round."""
        returns, lengths = self.agent.episodes()
        if not len(returns):
            return {}
        out = {f"collect/return_{k}": float(getattr(returns, k)()) for k in ("mean", "min", "max")}
        return out | {"collect/length_mean": float(lengths.mean())}

    def _enough(self, mean: float) -> bool:
        return self.stop_at_return is not None and mean >= self.stop_at_return

    def _spent(self) -> bool:
        limits = ((self.budget.rounds, self.round), (self.budget.env_steps, self.agent.env_steps),
                  (self.steps, self.agent.env_steps))  # fmt: skip
        return any(limit is not None and used >= limit for limit, used in limits) or self._enough(
            self.best["return_mean"]
        )

    @property
    def total_rounds(self) -> int:
        """Rounds to play if nothing else ends the run before."""
        rounds = -(-self.steps // self.eval_every)
        return min(rounds, self.budget.rounds or rounds)

    def _summarise(self) -> dict[str, Any]:
        """Score everything on the test episodes and write the final figures; the best's go into its card."""
        test = self.test
        arrays, card = neutral.read(self._expert)
        actors: dict[str, Actor] = {
            "last": self._actor(*self.agent.export()),
            "best": self._actor(arrays, card),
            "random": RandomActor(self.env.spec),
        }
        scores = evaluate_all(self.env, actors, test.episodes, test.seed, Purpose.TEST)
        returns = self._card(card, scores["best"], test.seed, "test")["returns"]
        neutral.write(self._expert, arrays, {**card, "returns": returns})
        out: dict[str, Any] = {"objective": self.best["score"], "best_round": self.best["round"],
                               "env_steps": self.agent.env_steps, "expert_labels": 0, "expert_steps": 0}  # fmt: skip
        for name, score in scores.items():
            out |= score.metrics(f"test/{name}")
            out[f"test/{name}/returns"] = score.returns.tolist()
        self.run.summarise(out)
        if self.agent.env_steps >= self.steps:  # nothing is left to train, so nobody needs what it would train on
            shutil.rmtree(self.run.path / "data", ignore_errors=True)
        return out

    def _restore(self) -> None:
        state = self.run.load()
        if state is not None:
            self.round, self.best = state["round"], state["best"]
            if not self.agent.load(state["agent"]):
                print(f"warning: {self.env.spec.id} does not repeat itself; the run goes on, but not bit for bit")
