"""`hydra/sweeper=search`: Optuna's search over continuous and discrete knobs, its best confirmed on fresh seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from statistics import mean
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from il.errors import ConfigError


@dataclass
class SearchConf:
    """Keys of conf/hydra/sweeper/search.yaml."""

    sampler: Any
    direction: str
    trials: int
    at_a_time: int
    confirm_seeds: list[int]
    params: dict[str, str]
    _target_: str = field(default="hydra_plugins.il_launchers.search.SearchSweeper", repr=False)


class SearchSweeper(Sweeper):
    """Asks Optuna for trials, a batch at a time, then runs the best one with seeds that the search has not seen.

    A trial that fails, or whose objective is not finite, teaches Optuna nothing and ends nothing. With the same
    sampler seed the same results ask for the same trials, which is how an interrupted search is resumed.
    """

    def __init__(
        self, sampler: Any, direction: str, trials: int, at_a_time: int, confirm_seeds: list[int], params: DictConfig
    ) -> None:
        """Take the knobs of a sweep file."""
        self.sampler, self.direction, self.trials, self.at_a_time = sampler, direction, trials, at_a_time
        self.confirm_seeds, self.params = confirm_seeds, params

    launcher: Launcher

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra has for a sweeper.

        Raises:
            ConfigError: when the launcher would not wait for results.
        """
        if config.hydra.launcher.get("wait") is False:
            raise ConfigError("a search learns from its jobs: hydra.launcher.wait=false is of no use to it")
        self.directory = Path(config.hydra.sweep.dir)
        self.launcher = Plugins.instance().instantiate_launcher(hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> Sequence[JobReturn]:
        """Search, confirm, and write ``best.yaml`` beside the jobs.

        Args:
            arguments: the command line's overrides; those of the search space replace the configuration's.

        Raises:
            ConfigError: when Optuna's sweeper is not installed, or no trial ends well.
            SystemExit: with code 1 when the best trial does not end well on a fresh seed.
        """
        try:
            import optuna
            from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides
        except ModuleNotFoundError as error:
            raise ConfigError(f"hydra/sweeper=search: {error}: pip install 'il[search]'") from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        space, fixed = create_params_from_overrides([*_overrides(dict(self.params)), *arguments])
        study = optuna.create_study(sampler=self.sampler, direction=self.direction)
        for done in range(0, self.trials, self.at_a_time):
            trials = [study.ask(space) for _ in range(min(self.at_a_time, self.trials - done))]
            jobs = [_overrides({**trial.params, **fixed}) for trial in trials]
            for trial, returned in zip(trials, self.launcher.launch(jobs, done), strict=True):
                value = _objective(returned)
                if isfinite(value):
                    study.tell(trial, value)
                else:
                    study.tell(trial, state=optuna.trial.TrialState.FAIL)
        if not any(trial.state is optuna.trial.TrialState.COMPLETE for trial in study.trials):
            raise ConfigError(f"none of the {self.trials} trials has ended well; see {self.directory}")
        return self.confirm(study.best_params, study.best_value, fixed)

    def confirm(self, best: dict[str, Any], searched: float, fixed: dict[str, Any]) -> Sequence[JobReturn]:
        """Run the best trial with fresh seeds and write what comes out."""
        print(f"best trial: {searched:.4g} with {' '.join(_overrides(best))}; now with fresh seeds", flush=True)
        jobs = [_overrides({**best, **fixed, "seed": seed}) for seed in self.confirm_seeds]
        returns = self.launcher.launch(jobs, self.trials)
        values = [_objective(returned) for returned in returns]
        confirmed = dict(zip(self.confirm_seeds, values, strict=True))
        OmegaConf.save({"params": best, "searched": searched, "confirmed": confirmed}, self.directory / "best.yaml")
        if values:
            print(f"fresh seeds: mean {mean(values):.4g} of {', '.join(f'{v:.4g}' for v in values)}", flush=True)
        if not all(map(isfinite, values)):
            raise SystemExit(1)
        return returns


def _overrides(values: dict[str, Any]) -> list[str]:
    return [f"{key}={value}" for key, value in values.items()]


def _objective(returned: JobReturn) -> float:
    """Return what a job has reached; not a number when it failed or reached nothing."""
    value = returned.return_value if returned.status is JobStatus.COMPLETED else None
    return float("nan") if value is None else float(value)


ConfigStore.instance().store(group="hydra/sweeper", name="il_search", node=SearchConf, provider="il")
