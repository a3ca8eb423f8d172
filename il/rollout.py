"""Recording what was played.

A round's data is the shortest prefix of whole episodes 0, 1, 2, … that reaches the requested steps. An
episode's seeds come from its index alone, so the data do not depend on the number of slots.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from il.actors import EXPERT, Actor, View
from il.envs.base import VectorEnv
from il.experts.base import Expert
from il.labels import Label, StepLabels, label
from il.play import Step, Stream, episode_of, play
from il.randomness import Purpose


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
    second: np.ndarray | None = None
    """An independent second label of some rows, like `label` but float and NaN elsewhere; see `il.labels.agreement`."""
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

    def head(self, rows: int | None) -> "Rollout":
        """Return the first `rows` rows, None for all; an episode that loses steps ends in a cut."""
        if rows is None or rows >= len(self):
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


_ROW_COLUMNS = "obs act label labelled reward terminated truncated cut who episode t expert_obs second".split()


def collect(
    env: VectorEnv, request: Collect, expert: Expert | None, seed: int, round: int, limit: int | None = None
) -> Rollout:
    """Play and record one round's data, and let the expert label it; see `Collection`."""
    collection = Collection(env, request, expert, seed, round)
    play(env, collection.stream)
    return collection.rollout(limit)


class Collection:
    """One round's data, while they are played and after.

    Args:
        env: where they are going to be played.
        request: who drives, how much, what is kept and labelled.
        expert: needed unless ``request.label == "none"``.
        seed: the run's seed; with `round` it fixes every episode.
        round: number of the round.
        progress: hears the number of steps played so far.
    """

    def __init__(
        self,
        env: VectorEnv,
        request: Collect,
        expert: Expert | None,
        seed: int,
        round: int,
        progress: Callable[[int], None] | None = None,
    ):
        self.spec, self.request, self.expert, self.progress = env.spec, request, expert, progress
        self._labels: StepLabels | None = None
        if expert is not None and expert.needs_snapshot and request.label == "all":
            self._labels = StepLabels(expert)
        self._rows: list[tuple[Any, ...]] = []
        self._ends: list[tuple[np.ndarray, ...]] = []
        self.steps, self.seconds = 0, 0.0
        self.stream = Stream(
            request.actor,
            lambda k: episode_of(seed, Purpose.COLLECT, round, k, env.spec.horizon),
            lambda finished, steps: request.wanted(finished, steps, env.spec.horizon),
            self._add,
            request.stop_at,
            self._labels,
        )

    def rollout(self, limit: int | None = None) -> Rollout:
        """Return what was played, labelled in one batch unless that was done at every step.

        Args:
            limit: record no more rows than this (a budget); the last episode is then cut.
        """
        rollout = self._sorted().head(limit)
        if self._labels is None:
            label(rollout, self.expert, self.request.label)
        return rollout

    def _add(self, step: Step, view: View) -> None:
        """Record one lockstep."""
        self.steps += len(step.t)
        labels, second = (None, None) if self._labels is None else self._labels.of(step.act, step.who)
        self._rows.append(
            (
                step.index, step.t, step.obs, step.act, step.reward, step.terminated, step.truncated, step.ended,
                step.who, step.expert_obs, labels, second,
            )
        )  # fmt: skip
        if step.any_ended:
            over = step.ended
            final = step.final_obs[over], view.expert_obs[over]
            self._ends.append((step.index[over], step.t[over] + 1, step.seed[over], *final))
        if self.progress is not None:
            self.progress(self.steps)

    def _sorted(self) -> Rollout:
        """Sort what was recorded by episode and step, and keep the rows that were asked for."""
        columns: list[Any] = [
            None if column[0] is None else np.concatenate(column) for column in zip(*self._rows, strict=True)
        ]
        index, t, obs, act, reward, terminated, truncated, ended, who, expert_obs, labels, second = columns
        self._rows.clear()
        cut = ended & ~terminated & ~truncated
        order = np.argsort(index * self.spec.horizon + t)
        episodes, lengths, seeds, *final = (np.concatenate(column) for column in zip(*self._ends, strict=True))
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
            labelled=np.full(len(order), self._labels is not None),
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
            second=None if second is None else second[order],
            final_expert_obs=None if expert_obs is None else final[1][by_index],
        )
