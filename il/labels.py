"""The expert's labels: in one batch afterwards, or at step time where it needs the simulator's state."""

from typing import TYPE_CHECKING, Literal

import numpy as np

from il.actors import EXPERT, View
from il.experts.base import Expert

if TYPE_CHECKING:
    from il.rollout import Rollout

Label = Literal["all", "acted", "none"]
LABEL_BATCH = 65_536
LEARNABLE = 0.35
"""Labels whose agreement is less are mostly chance. Planning for Pendulum has 0.5, and its students do as well as the
planner; for HalfCheetah 0.2 and less."""


def label(rollout: "Rollout", expert: Expert | None, which: Label) -> None:
    """Fill in the expert's actions; where it acted, its action is the label."""
    acted = rollout.who == EXPERT
    rollout.label[acted] = rollout.act[acted]
    rollout.labelled[:] = acted if which == "acted" else which == "all"
    rows = np.flatnonzero(~acted) if which == "all" else np.array([], np.int64)
    view = rollout.expert_view
    for start in range(0, len(rows), LABEL_BATCH):
        batch = rows[start : start + LABEL_BATCH]
        assert expert is not None, "labels need an expert"
        rollout.label[batch] = expert.act_at(view[batch], rollout.t[batch])


class StepLabels:
    """Asks a planner at every lockstep, while the simulators are still in the states to be labelled.

    A stochastic one is asked twice about each episode's first steps, see `agreement`.
    """

    def __init__(self, expert: Expert):
        self.expert = expert
        self._labels = np.empty(0)
        self._second: np.ndarray | None = None

    def __call__(self, view: View, t: np.ndarray) -> None:
        """Ask about m slots at steps `t` [m] of their episodes."""
        obs, moment = view.expert_obs, view.moment(t)
        self._labels = self.expert.act(obs, moment)
        if not self.expert.stochastic:
            return
        self._second = np.full(self._labels.shape, np.nan, np.float32)
        twice = t < self.expert.agreement
        if twice.any():
            part = view.part(twice)
            self._second[twice] = self.expert.second(part.expert_obs, part.moment(t[twice]))

    def of(self, act: np.ndarray, who: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the labels, like `act`, which they are where the expert acted; and second ones, NaN where none."""
        acted = (who == EXPERT).reshape(-1, *[1] * (act.ndim - 1))
        return np.where(acted, act, self._labels), self._second


def agreement(rollout: "Rollout") -> float | None:
    """Return how much of the labels is due to the state, from independent second ones; None where there are none.

    For continuous actions the correlation of both, the mean over dimensions; its square root is the highest
    correlation that any policy's mean action can have with the labels. For discrete ones the share of equal labels.
    """
    if rollout.second is None:
        return None
    first, second = rollout.label.reshape(len(rollout), -1), rollout.second.reshape(len(rollout), -1)
    rows = np.isfinite(second[:, 0]) & rollout.labelled
    first, second = first[rows].astype(float), second[rows].astype(float)
    if len(first) < 3:
        return None
    if rollout.label.ndim == 1:
        return float((first == second).mean())
    a, b = first - first.mean(0), second - second.mean(0)
    scale = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    return float(np.where(scale > 0, (a * b).sum(0) / np.maximum(scale, 1e-12), np.allclose(first, second)).mean())
