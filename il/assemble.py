"""From a configuration to a trainer that is ready to run. Everything is checked before a directory appears."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig

from il.actors import Actor, ExpertActor, RandomActor
from il.algos.base import Algorithm, Setup
from il.config import build, check, device, plain
from il.envs.base import VectorEnv
from il.errors import ConfigError
from il.evaluate import Scores, evaluate_all
from il.experts.base import Expert
from il.fit import Progress
from il.loggers.console import ConsoleLogger
from il.loggers.group import LoggerGroup
from il.policies.base import Policy
from il.randomness import Purpose
from il.run_dir import RunDir, write_text
from il.start import overrides, run_directory, run_info
from il.trainer import Baselines, Trainer
from il.unfinished import RoundProgress
from il.video.camera import Camera
from il.video.record import Studio, check_packages


class Imitation:
    """The target of conf/trainer/imitation.yaml.

    Args:
        cfg: the whole configuration.
        expert_tolerance: refuse an expert whose measured return is below this share of the recorded one.
    """

    def __init__(self, cfg: DictConfig, expert_tolerance: float):
        self.cfg = cfg
        self.expert_tolerance = expert_tolerance
        check(self.cfg)

    def run(self) -> float:
        """Assemble, train, return the objective."""
        torch.set_num_threads(self.cfg.threads)
        return self.assemble().train()

    def assemble(self) -> Trainer:
        """Build every part, measure the expert, then open the run directory."""
        cfg, config = self.cfg, plain(self.cfg)
        progress = _Later()
        env, expert, algo = build_parts(cfg, progress)
        loggers = LoggerGroup([ConsoleLogger(), *(build(v, f"logger.{k}") for k, v in (cfg.logger or {}).items())])
        loggers.check()
        if cfg.video.every is not None:
            check_packages("video.every")
        path = run_directory(cfg)
        stored = path / "baselines.json"
        baselines = Baselines.read(stored) if stored.exists() else measure(env, expert, cfg, self.expert_tolerance)
        run = RunDir(path, config, overrides())
        run.update(expert=vars(expert.provenance))
        write_text(stored, baselines.json())
        progress.target = RoundProgress(run)
        progress.target.watch = loggers.progress
        trainer = Trainer(
            env, expert, algo, progress.target, run, run_info(run, cfg, config, algo.rounds), loggers, cfg.seed,
            cfg.eval, cfg.test, cfg.budget, baselines, _camera(cfg, config, env, expert, run.path),
        )  # fmt: skip
        trainer.info = replace(trainer.info, total_rounds=trainer.total_rounds)
        return trainer


def build_parts(cfg: DictConfig, progress: Progress) -> tuple[VectorEnv, Expert, Algorithm]:
    """Build environment, expert and algorithm; `progress` is what the algorithm hands to `fit`."""
    where = device(cfg.device)
    env: VectorEnv = build(cfg.env, "env")
    expert: Expert = build(cfg.expert, "expert")(spec=env.spec)
    make_policy = build(cfg.policy, "policy")

    def new_policy(generator: np.random.Generator) -> Policy:
        policy: Policy = make_policy(spec=env.spec, generator=generator).to(where)
        return policy.flatten()

    critic = cfg.expert.critic
    if critic not in ("own", "fit"):
        raise ConfigError(f"expert.critic={critic}: own or fit")
    algo: Algorithm = build(cfg.algo, "algo")(Setup(env, expert, critic, new_policy, cfg.seed, progress))
    if critic == "fit" and not algo.uses_critic:
        raise ConfigError(
            f"expert.critic=fit, but {type(algo).__name__} asks no critic: use algo=aggrevated, or leave it out"
        )
    return env, expert, algo


def _camera(cfg: DictConfig, config: dict[str, Any], env: VectorEnv, expert: Expert, path: Path) -> Camera | None:
    if cfg.video.every is None:
        return None
    studio = Studio(config["env"])
    return Camera(studio, env, expert, path / "media", cfg.eval.seed, cfg.video.every, cfg.video.steps)


class _Later(Progress):
    """Stands for the run's progress until the run directory may exist."""

    target: RoundProgress

    def load(self, name: str) -> dict[str, np.ndarray] | None:
        return self.target.load(name)

    def save(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        self.target.save(name, arrays)

    def report(self, done: int, total: int, what: str) -> None:
        self.target.report(done, total, what)


def measure(env: VectorEnv, expert: Expert, cfg: DictConfig, tolerance: float) -> Baselines:
    """Score the expert and a random policy on eval's episodes.

    Raises:
        ConfigError: when the expert is not what its record says, or no better than chance.
    """
    actors: dict[str, Actor] = {"random": RandomActor(env.spec)}
    if expert.queryable:
        actors["expert"] = ExpertActor(expert)
    scores = evaluate_all(env, actors, cfg.eval.episodes, cfg.eval.seed, Purpose.EVAL)
    if not expert.queryable:
        demonstrations = expert.demonstrations()
        assert demonstrations is not None, "an expert that cannot be asked brings demonstrations"
        return Baselines(Scores(demonstrations.returns, demonstrations.lengths), scores["random"])
    measured, chance = (float(scores[k].returns.mean()) for k in ("expert", "random"))
    recorded, source = expert.provenance.return_mean, expert.provenance.source
    if cfg.env.get("horizon") is not None or cfg.env.get("kwargs") or cfg.env.get("wrappers"):
        recorded = None  # it was recorded on the environment as registered
    if recorded is not None and measured < chance + tolerance * (recorded - chance):
        raise ConfigError(
            f"{source} is recorded with a return of {recorded:.0f} but measures {measured:.0f} on {env.spec.id} "
            f"(random: {chance:.0f}): is it for another environment? trainer.expert_tolerance=0 runs it anyway"
        )
    if measured <= chance and tolerance > 0:
        raise ConfigError(f"{source} measures {measured:.0f} on {env.spec.id}, a random policy {chance:.0f}: "
                          "it is no expert here; trainer.expert_tolerance=0 runs it anyway")  # fmt: skip
    return Baselines(scores["expert"], scores["random"])
