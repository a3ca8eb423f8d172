"""Recording what was played.

A round's data is the shortest prefix of whole episodes 0, 1, 2, … that reaches the requested steps. An
episode's seeds come from its index alone, so the data do not depend on the number of slots.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np

from il.actors import EXPERT, Actor, View
from il.envs.base import VectorEnv
from il.experts.base import Expert
from il.play import Step, episode_of, play
from il.randomness import Purpose

Label = Literal["all", "acted", "none"]
LABEL_BATCH = 65_536


@dataclass(frozen=True)
class Collect:
    """What an algorithm wants played in a round."""

    actor: Actor
    """Who drives."""
    steps: int | None = None
    """Whole episodes until at least so many steps; give this or `episodes`."""
    episodes: int | None = None
    """This many whole episodes."""
    stop_at: int | None = None
    """Cut every episode after so many steps."""
    rows: slice = field(default_factory=lambda: slice(None))
    """Which steps of each episode to keep; the others are played and counted, not recorded."""
    label: Label = "all"
    """Which recorded rows the expert labels: all, only those where it acted, or none."""

    def wanted(self, finished: int, steps: int, horizon: int) -> int:
        """Return how many episodes of up to `horizon` steps should be running; no started one is ever surplus."""
        if self.episodes is not None:
            return self.episodes - finished
        assert self.steps is not None, "a request names steps or episodes"
        return max(0, -(-(self.steps - steps) // min(horizon, self.stop_at or horizon)))


@dataclass
class Rollout:
    """Recorded steps as columns over T rows, episode after episode, t ascending; E episodes."""

    obs: np.ndarray
    """Learner's observation before the action, float32 [T, …]."""
    act: np.ndarray
    """Action as chosen, unclipped: float32 [T, act_dim] or int64 [T]."""
    label: np.ndarray
    """Expert's action, like `act`; meaningless where not `labelled`."""
    labelled: np.ndarray
    """Whether `label` holds the expert's action, bool [T]."""
    reward: np.ndarray
    """float64 [T]."""
    terminated: np.ndarray
    """The task ended after this step, bool [T]."""
    truncated: np.ndarray
    """The time limit was reached with this step, bool [T]; may coincide with `terminated`."""
    cut: np.ndarray
    """The record ends here though the episode did not, bool [T]; bootstraps like a truncation."""
    who: np.ndarray
    """0 the expert, k the k-th policy, -1 exploration; int64 [T]."""
    episode: np.ndarray
    """Index into the per-episode columns, int64 [T]."""
    t: np.ndarray
    """Step within its episode, int64 [T]."""
    seed: np.ndarray
    """Reset seed of each episode, int64 [E]."""
    final_obs: np.ndarray
    """Observation after each episode's last recorded step, float32 [E, …]."""
    returns: np.ndarray
    """Sum of rewards of each played episode, float64 [E]; of cut ones up to the cut."""
    lengths: np.ndarray
    """Steps played in each episode, int64 [E]."""
    expert_steps: int
    """Steps, recorded or not, at which the expert acted."""
    expert_obs: np.ndarray | None = None
    """Expert's view where it differs from `obs`, float32 [T, …]."""
    final_expert_obs: np.ndarray | None = None
    """The same for `final_obs`, float32 [E, …]."""

    def __len__(self) -> int:
        return len(self.obs)

    @property
    def env_steps(self) -> int:
        """Steps played, recorded or not."""
        return int(self.lengths.sum())

    @property
    def expert_labels(self) -> int:
        """Rows with a label, each counted once."""
        return int(self.labelled.sum())

    @property
    def expert_view(self) -> np.ndarray:
        """What the expert sees at each row."""
        return self.obs if self.expert_obs is None else self.expert_obs

    @property
    def final_expert_view(self) -> np.ndarray:
        """What the expert sees after each episode's last recorded step."""
        return self.final_obs if self.final_expert_obs is None else self.final_expert_obs

    def next_obs(self, rows: np.ndarray, expert: bool = False) -> np.ndarray:
        """Return what the learner, or the expert, saw after each named row; never that of another episode."""
        obs, final = (self.expert_view, self.final_expert_view) if expert else (self.obs, self.final_obs)
        following = np.minimum(rows + 1, len(self) - 1)
        last = (rows + 1 >= len(self)) | (self.episode[following] != self.episode[rows])
        out = obs[following].copy()
        out[last] = final[self.episode[rows[last]]]
        return out

    def head(self, rows: int) -> "Rollout":
        """Return the first `rows` rows; an episode that loses steps ends in a cut."""
        if rows >= len(self):
            return self
        episodes = int(self.episode[rows - 1]) + 1
        per_row: dict[str, Any] = {
            f: getattr(self, f)[:rows].copy() for f in _ROW_COLUMNS if getattr(self, f) is not None
        }
        last = episodes - 1
        final_obs, final_expert_obs = self.final_obs[:episodes].copy(), self.final_expert_view[:episodes].copy()
        final_obs[last] = self.next_obs(np.array([rows - 1]))[0]
        final_expert_obs[last] = self.next_obs(np.array([rows - 1]), expert=True)[0]
        returns, lengths = self.returns[:episodes].copy(), self.lengths[:episodes].copy()
        if not (per_row["terminated"][-1] or per_row["truncated"][-1]):
            per_row["cut"][-1] = True
            mine = self.episode[:rows] == last
            returns[last], lengths[last] = self.reward[:rows][mine].sum(), self.t[rows - 1] + 1
        return Rollout(
            **per_row,
            seed=self.seed[:episodes],
            final_obs=final_obs,
            returns=returns,
            lengths=lengths,
            expert_steps=int((per_row["who"] == EXPERT).sum()),
            final_expert_obs=None if self.final_expert_obs is None else final_expert_obs,
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Return everything as named arrays, for storing."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: np.asarray(v) for k, v in values.items() if v is not None}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Rollout":
        """Undo `arrays`."""
        columns: dict[str, Any] = {**arrays, "expert_steps": int(arrays["expert_steps"])}
        return cls(**columns)


_ROW_COLUMNS = "obs act label labelled reward terminated truncated cut who episode t expert_obs".split()


def collect(
    env: VectorEnv,
    request: Collect,
    expert: Expert | None,
    seed: int,
    round: int,
    limit: int | None = None,
    clock: Callable[[str], AbstractContextManager[None]] = lambda part: nullcontext(),
    progress: Callable[[int], None] | None = None,
) -> Rollout:
    """Play and record one round's data, and let the expert label it.

    Args:
        env: where to play.
        request: who drives, how much, what is kept and labelled.
        expert: needed unless ``request.label == "none"``.
        seed: the run's seed; with `round` it fixes every episode.
        round: number of the round.
        limit: record no more rows than this (a budget); the last episode is then cut.
        clock: counts the seconds of the parts ``collect`` and ``label``.
        progress: hears the number of steps played so far.

    Returns:
        The recorded rows, labelled in one batch (at step time for experts that need snapshots).

    Raises:
        EpisodeError: see `play`.
    """
    recorder = _Recorder(env, request, expert, progress)
    with clock("collect"):
        play(
            env,
            request.actor,
            lambda k: episode_of(seed, Purpose.COLLECT, round, k, env.spec.horizon),
            lambda finished, steps: request.wanted(finished, steps, env.spec.horizon),
            recorder.after,
            request.stop_at,
            recorder.before if recorder.labels_now else None,
        )
        rollout = recorder.rollout()
    if limit is not None:
        rollout = rollout.head(limit)
    with clock("label"):
        if not recorder.labels_now:
            label(rollout, expert, request.label)
    return rollout


def label(rollout: Rollout, expert: Expert | None, which: Label) -> None:
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


class _Recorder:
    """Turns locksteps into columns."""

    def __init__(self, env: VectorEnv, request: Collect, expert: Expert | None, progress: Callable[[int], None] | None):
        self.spec, self.request, self.expert, self.progress = env.spec, request, expert, progress
        self.labels_now = expert is not None and expert.needs_snapshot and request.label == "all"
        self.rows: list[tuple[Any, ...]] = []
        self.ends: list[tuple[np.ndarray, ...]] = []
        self.steps = 0
        self.labels = np.empty(0)

    def before(self, view: View, index: np.ndarray, t: np.ndarray) -> None:
        """Ask a planner now, while the simulator is still in the state to be labelled."""
        assert self.expert is not None
        self.labels = self.expert.act(view.expert_obs, view.env.snapshot(view.ids))

    def after(self, step: Step, view: View) -> None:
        """Record one lockstep."""
        self.steps += len(step.t)
        labels = np.where(_like(step.who == EXPERT, step.act), step.act, self.labels) if self.labels_now else None
        self.rows.append(
            (
                step.index, step.t, step.obs, step.act, step.reward, step.terminated, step.truncated, step.ended,
                step.who, step.expert_obs, labels,
            )
        )  # fmt: skip
        if step.any_ended:
            over = step.ended
            final = step.final_obs[over], view.expert_obs[over]
            self.ends.append((step.index[over], step.t[over] + 1, step.seed[over], *final))
        if self.progress is not None:
            self.progress(self.steps)

    def rollout(self) -> Rollout:
        """Sort what was recorded by episode and step, and keep the rows that were asked for."""
        columns: list[Any] = [
            None if column[0] is None else np.concatenate(column) for column in zip(*self.rows, strict=True)
        ]
        index, t, obs, act, reward, terminated, truncated, ended, who, expert_obs, labels = columns
        self.rows.clear()
        cut = ended & ~terminated & ~truncated
        order = np.argsort(index * self.spec.horizon + t)
        episodes, lengths, seeds, *final = (np.concatenate(column) for column in zip(*self.ends, strict=True))
        by_index = np.argsort(episodes)
        returns = np.bincount(index[order], weights=reward[order], minlength=len(episodes))
        if self.request.rows != slice(None):
            kept = np.zeros(self.spec.horizon, bool)
            kept[self.request.rows] = True
            order = order[kept[t[order]]]
        act = act[order].astype(self.spec.act_dtype, copy=False)
        return Rollout(
            obs=obs[order],
            act=act,
            label=np.zeros_like(act) if labels is None else labels[order].astype(self.spec.act_dtype),
            labelled=np.full(len(order), self.labels_now),
            reward=reward[order],
            terminated=terminated[order],
            truncated=truncated[order],
            cut=cut[order],
            who=who[order],
            episode=index[order],
            t=t[order],
            seed=seeds[by_index],
            final_obs=final[0][by_index],
            returns=returns,
            lengths=lengths[by_index],
            expert_steps=int((who == EXPERT).sum()),
            expert_obs=None if expert_obs is None else expert_obs[order],
            final_expert_obs=None if expert_obs is None else final[1][by_index],
        )


def _like(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Reshape a mask over rows so that it broadcasts against `values`."""
    return mask.reshape(-1, *[1] * (values.ndim - 1))
