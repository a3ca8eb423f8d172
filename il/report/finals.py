"""The figure in which a run ends."""

from collections.abc import Callable, Sequence

import numpy as np

from il.report.reading import Run, number


def column(metric: str) -> str:
    """Return the column of metrics.jsonl that shows how a final figure came about."""
    return metric if "/" in metric else f"eval/{metric}"


class Finals:
    """Reads final figures of runs."""

    def __init__(self, metric: str, output: str):
        self.metric, self.output = metric, output

    def value(self, run: Run) -> float:
        """Return the test figure, or the last evaluation where there is none."""
        if self.tested(run):
            return number(run.summary[f"test/{self.output}/{self.metric}"])
        values = run.rows.get(column(self.metric), np.empty(0))
        return float(values[-1]) if len(values) else np.nan

    def best(self, run: Run) -> float:
        """Return the test figure of the policy that was best on the evaluation seeds, NaN without one."""
        return number(run.summary.get(f"test/best/{self.metric}"))

    def tested(self, run: Run) -> bool:
        """Tell whether `value` is a test figure."""
        return f"test/{self.output}/{self.metric}" in run.summary

    def normalized(self, run: Run) -> float:
        """Return the score on the scale 0 = random policy, 1 = expert."""
        return _normalized(run, self.output)

    def best_normalized(self, run: Run) -> float:
        """Return the same of the policy that was best on the evaluation seeds."""
        return _normalized(run, "best")

    def cost(self, run: Run, key: str) -> float:
        """Return a final count, such as ``expert_labels``."""
        value = run.summary.get(key)
        if value is None:
            values = run.rows.get(key, np.empty(0))
            return float(values[-1]) if len(values) else np.nan
        return number(value)

    def finite(self, runs: Sequence[Run], read: Callable[[Run], float]) -> np.ndarray:
        """Return what `read` gives for each run, where it is a finite number."""
        values = np.array([read(run) for run in runs], np.float64)
        return values[np.isfinite(values)]

    def notes(self, runs: Sequence[Run]) -> list[str]:
        """Say which runs have no finite test figure."""
        untested = [run for run in runs if "/" not in self.metric and not self.tested(run)]
        lost = [run for run in runs if not np.isfinite(self.value(run))]
        notes = []
        if untested:
            figure = f"test/{self.output}/{self.metric}"
            notes.append(f"No {figure}, so the last evaluation stands in: {_some(untested, len(runs))}.")
        if lost:
            notes.append(f"No finite figure, so in no mean: {_some(lost, len(runs))}.")
        return notes


def _normalized(run: Run, output: str) -> float:
    known = number(run.summary.get(f"test/{output}/normalized"))
    if np.isfinite(known):
        return known
    value, floor, top = (number(run.summary.get(f"test/{who}/return_mean")) for who in (output, "random", "expert"))
    return (value - floor) / (top - floor) if top != floor else np.nan


def _some(runs: Sequence[Run], among: int) -> str:
    shown = ", ".join(run.path.name[:80] for run in runs[:5])
    return f"{shown}{', …' if len(runs) > 5 else ''} ({len(runs)} of {among} runs)"
