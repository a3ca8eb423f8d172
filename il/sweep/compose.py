"""Composing a sweep's jobs."""

import pickle
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from il.config import config_hash, plain
from il.sweep.job import SweepJob
from il.sweep.names import job_name, swept_keys, varying_keys


class Composer:
    """Composes jobs as Hydra does, which takes a tenth of a second each, but once for all that differ in values only.

    Setting values is the last thing Hydra does; for jobs with the same groups it is done here on a copy.
    """

    def __init__(self, config: DictConfig, loader: ConfigLoader) -> None:
        """Take the sweep's own configuration and Hydra's loader."""
        self.config, self.loader = config, loader
        self.parse = cache(OverridesParser.create(config_loader=loader).parse_override)
        self.is_group = cache(self._is_group)
        self.composed: dict[tuple[str, ...], bytes] = {}

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Return the configuration of the job with these overrides."""
        parsed = [self.parse(override) for override in overrides]
        values = [o for o in parsed if self._sets_a_value(o, parsed)]
        same = tuple(o.key_or_group if o in values else str(o.input_line) for o in parsed)
        if same not in self.composed:
            self.composed[same] = pickle.dumps(self.loader.load_sweep_config(self.config, list(overrides)))
        job: DictConfig = pickle.loads(self.composed[same])
        for override in values:
            OmegaConf.update(job, override.key_or_group, override.value(), merge=True)
        task = [o for o in parsed if not o.is_hydra_override()]
        job.hydra.overrides.task = [o.input_line for o in task]
        job.hydra.job.override_dirname = get_overrides_dirname(task, **job.hydra.job.config.override_dirname)
        return job

    def _is_group(self, key: str) -> bool:
        """Return whether a key names a group: in the defaults list, or elsewhere in the search path."""
        chosen = {choice.partition("@")[0] for choice in self.config.hydra.runtime.choices}
        return key in chosen or bool(self.loader.get_group_options(key, ObjectType.CONFIG))

    def _sets_a_value(self, override: Override, others: Sequence[Override]) -> bool:
        """Return whether an override only sets one value that no other one touches."""
        key = override.key_or_group
        return (
            override.type is OverrideType.CHANGE
            and override.package is None
            and not override.is_hydra_override()
            and not isinstance(override.value(), dict)
            and not self.is_group(key)
            and not any(f"{o.key_or_group}.".startswith(f"{key}.") for o in others if o is not override)
            and not any(f"{key}.".startswith(f"{o.key_or_group}.") for o in others if o is not override)
        )


def compose(
    config: DictConfig,
    context: HydraContext,
    task: TaskFunction,
    job_overrides: Sequence[Sequence[str]],
    first: int,
) -> list[SweepJob]:
    """Compose every job of a sweep.

    Args:
        config: the sweep's own configuration.
        context: gives Hydra's loader and callbacks.
        task: what runs with each configuration.
        job_overrides: overrides of each job.
        first: number of the first job.
    """
    params = config.hydra.sweeper.get("params") or {}
    keys = swept_keys([*(f"{k}={v}" for k, v in params.items()), *config.hydra.overrides.task])
    keys |= varying_keys(job_overrides)
    directory = Path(config.hydra.sweep.dir).absolute()
    composer, jobs = Composer(config, context.config_loader), []
    for number, overrides in enumerate(job_overrides, first):
        job = composer.compose(overrides)
        name = job_name(overrides, keys)
        with read_write(job), open_dict(job):
            job.hydra.job.id = job.hydra.job.num = number
            job.hydra.sweep.dir = str(directory)
            job.hydra.sweep.subdir = name
            job.hydra.job.chdir = bool(job.hydra.job.chdir)
            digest = _settle(job)
        jobs.append(SweepJob(name, list(overrides), job, digest, task, context))
    return jobs


def task_values(config: DictConfig) -> dict[str, Any]:
    """Return what the task will see of a job's configuration, as plain values."""
    return plain(OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]))


def _settle(config: DictConfig) -> str:
    """Resolve what the task will see, so that a node's environment changes nothing; return its identity."""
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)  # interpolations may ask Hydra
    values = task_values(config)
    HydraConfig.instance().cfg = before
    for key in values:
        if OmegaConf.is_config(config[key]):
            OmegaConf.resolve(config[key])
        else:
            config[key] = values[key]
    return config_hash(values)
