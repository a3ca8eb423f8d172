"""Scores of an actor on fixed seeds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from il.actors import Actor, View
from il.envs.base import VectorEnv
from il.play import Step, Stream, episode_of, play
from il.randomness import Purpose


@dataclass(frozen=True)
class Scores:
    """Returns and lengths of whole episodes, in the order of their seeds."""

    returns: np.ndarray
    """float64 [E]."""
    lengths: np.ndarray
    """int64 [E]."""

    def metrics(self, prefix: str) -> dict[str, float]:
        """Return the usual figures under `prefix`; no spread from a single episode."""
        r = self.returns
        out = {
            f"{prefix}/return_mean": float(r.mean()),
            f"{prefix}/return_median": float(np.median(r)),
            f"{prefix}/return_min": float(r.min()),
            f"{prefix}/return_max": float(r.max()),
            f"{prefix}/length_mean": float(self.lengths.mean()),
        }
        if len(r) > 1:
            out[f"{prefix}/return_std"] = float(r.std(ddof=1))
        return out


class Evaluation:
    """Episodes whose seeds depend on nothing but `seed`, `purpose` and their number.

    Args:
        env: where they are going to be played.
        actor: who drives.
        episodes: how many.
        seed: the evaluation's own seed, not the run's.
        purpose: `Purpose.EVAL` for choosing among policies, `Purpose.TEST` for the final figures.
        ended: hears how many episodes have just ended.
    """

    def __init__(
        self,
        env: VectorEnv,
        actor: Actor,
        episodes: int,
        seed: int,
        purpose: Purpose,
        ended: Callable[[int], None] = lambda count: None,
    ):
        self.scores, self.ended = Scores(np.zeros(episodes), np.zeros(episodes, np.int64)), ended
        self.stream = Stream(
            actor,
            lambda k: episode_of(seed, purpose, 0, k, env.spec.horizon),
            lambda finished, steps: episodes - finished,
            self._add,
        )

    def _add(self, step: Step, view: View) -> None:
        self.scores.returns[step.index] += step.reward
        self.scores.lengths[step.index] += 1
        if step.any_ended:
            self.ended(int(step.ended.sum()))


def evaluate(env: VectorEnv, actor: Actor, episodes: int, seed: int, purpose: Purpose) -> Scores:
    """Score one actor; see `Evaluation`."""
    return evaluate_all(env, {"it": actor}, episodes, seed, purpose)["it"]


def evaluate_all(
    env: VectorEnv,
    actors: Mapping[str, Actor],
    episodes: int,
    seed: int,
    purpose: Purpose,
    ended: Callable[[int], None] = lambda count: None,
    beside: Sequence[Stream] = (),
) -> dict[str, Scores]:
    """Score several actors on the same episodes, at the same time where the slots suffice; see `Evaluation`.

    Streams `beside` are played along.
    """
    evaluations = {name: Evaluation(env, actor, episodes, seed, purpose, ended) for name, actor in actors.items()}
    play(env, *(e.stream for e in evaluations.values()), *beside)
    return {name: e.scores for name, e in evaluations.items()}


def normalized(score: float, random: float, expert: float) -> float | None:
    """Return where a score lies between random (0) and expert (1), or None where these coincide."""
    return (score - random) / (expert - random) if expert != random else None
