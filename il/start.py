"""What every trainer does before it starts: the configuration to run, the run's directory and names."""

import os
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from il.config import RESUME_MAY_CHANGE, config_hash
from il.errors import ConfigError
from il.loggers.base import RunInfo
from il.run_dir import RunDir


def resumed(cfg: DictConfig) -> DictConfig:
    """Return the configuration to run: the stored one where ``resume`` names a run.

    Raises:
        ConfigError: when there is no run, or the command line changes what may not change.
    """
    if cfg.resume is None:
        return cfg
    path = Path(cfg.resume)
    if not (path / "run.json").exists():
        raise ConfigError(f"resume={cfg.resume}: there is no run.json; give the directory of a run")
    given = {o.lstrip("+~").split("=")[0].split(".")[0] for o in overrides()}
    if forbidden := sorted(given - set(RESUME_MAY_CHANGE)):
        raise ConfigError(f"resume={cfg.resume} takes its configuration from there; {forbidden[0]} may not change "
                          f"(only {', '.join(RESUME_MAY_CHANGE[:3])}): leave it out, or start a new run")  # fmt: skip
    stored = OmegaConf.create(yaml.safe_load((path / "config.yaml").read_text()))
    assert isinstance(stored, DictConfig)
    for key in given | {"resume"}:
        stored[key] = cfg[key]
    return stored


def run_directory(cfg: DictConfig) -> Path:
    """Return where the run goes; creates nothing.

    Raises:
        ConfigError: when a sweep's jobs would share one directory.
    """
    if cfg.resume is not None:
        return Path(cfg.resume)
    hydra = HydraConfig.get() if HydraConfig.initialized() else None
    if hydra is not None and hydra.mode == RunMode.MULTIRUN:
        if cfg.out is not None:
            raise ConfigError(
                f"out={cfg.out} names one directory, but each job of a sweep has its own: use hydra.sweep.dir="
            )
        return Path(hydra.sweep.dir) / hydra.sweep.subdir
    if cfg.out is not None:
        return Path(cfg.outputs_dir) / cfg.out
    chosen = choices(cfg)
    env, algo = chosen.get("env") or "env", chosen.get("algo") or "algo"
    return Path(cfg.outputs_dir) / env / algo / os.environ.get("IL_STAMP", "run")


def overrides() -> list[str]:
    """Return the command line's overrides."""
    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []


def run_info(run: RunDir, cfg: DictConfig, config: dict[str, Any], rounds: int) -> RunInfo:
    """Return names that are equal for runs that differ in their seed only."""
    chosen = run.info.get("choices") or choices(cfg)  # stored ones win: resume=DIR has the defaults on its command line
    env, algo = chosen.get("env") or cfg.env.get("id", "env"), chosen.get("algo") or "algo"
    named = {"seed", "env", "algo", "trainer", "trainer.algo", *RESUME_MAY_CHANGE}
    varied = [o for o in overrides() if o.split("=")[0] not in named]
    without_seed = {k: v for k, v in config.items() if k != "seed"}
    group = f"{env}-{algo}" + (f"-{config_hash(without_seed)[:6]}" if varied else "")
    run.update(name=f"{group}-s{cfg.seed}", group=group, choices=chosen)
    return RunInfo(
        dir=run.path, id=run.info["wandb_id"], name=f"{group}-s{cfg.seed}"[:128], group=group[:128], job_type="train",
        config=config, tags=[t[:64] for t in (algo, env)], resumed=run.info["attempts"] > 1, total_rounds=rounds,
    )  # fmt: skip


def choices(cfg: DictConfig) -> dict[str, str | None]:
    """Return which file of each group the command line chose; `algo` is the trainer's own where it has one."""
    found = HydraConfig.get().runtime.choices if HydraConfig.initialized() else {}
    chosen = {group: name for group, name in found.items() if "/" not in group}
    unused = {group: None for group in ("expert", "algo", "policy") if cfg[group] is None}
    return {**chosen, **unused, **({"algo": cfg.trainer.algo} if "algo" in unused else {})}
