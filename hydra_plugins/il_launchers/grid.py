"""`hydra/sweeper=grid`: a grid as Hydra's own sweeper makes it, and cases that set several keys at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus

from il.errors import ConfigError


@dataclass
class GridConf:
    """Keys of conf/hydra/sweeper/grid.yaml."""

    params: dict[str, str]
    cases: list[list[str]]
    _target_: str = field(default="hydra_plugins.il_launchers.grid.GridSweeper", repr=False)


class GridSweeper(BasicSweeper):
    """Every case with every combination of the swept values, given to the launcher at once.

    A case is a list of overrides that belong together, so a key which only one algorithm has can stand beside that
    algorithm: ``cases: [[algo=bc], [algo=dagger, algo.beta=0.5]]``.
    """

    def __init__(self, params: dict[str, str], cases: list[list[str]]) -> None:
        """Take the grid and the cases of a sweep file; the command line may replace values of both."""
        super().__init__(max_batch_size=None, params=params)
        self.cases = cases

    def sweep(self, arguments: list[str]) -> Sequence[JobReturn]:
        """Run all jobs.

        Args:
            arguments: the command line's overrides, values to sweep over among them.

        Raises:
            ConfigError: for values that are no list.
            SystemExit: with code 1 when a job did not end well, which the launcher has reported.
        """
        assert self.hydra_context is not None and self.launcher is not None, "Hydra calls setup first"
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = parser.parse_overrides([*(f"{key}={values}" for key, values in self.params.items()), *arguments])
        for override in overrides:
            if override.is_sweep_override() and not override.is_discrete_sweep():
                raise ConfigError(f"{override.input_line}: a grid takes lists; hydra/sweeper=search searches ranges")
        grid = self.split_arguments(overrides, None)[0]
        returns = self.launcher.launch([[*job, *case] for case in self.cases or [[]] for job in grid], 0)
        if any(done.status is JobStatus.FAILED for done in returns):
            raise SystemExit(1)
        return returns


ConfigStore.instance().store(group="hydra/sweeper", name="il_grid", node=GridConf, provider="il")
