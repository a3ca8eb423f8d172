"""Scores of an actor on fixed seeds."""

from dataclasses import dataclass

import numpy as np

from il.actors import Actor, View
from il.envs.base import VectorEnv
from il.play import Step, episode_of, play
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


def evaluate(env: VectorEnv, actor: Actor, episodes: int, seed: int, purpose: Purpose) -> Scores:
    """Play episodes whose seeds depend on nothing but `seed`, `purpose` and their number.

    Args:
        env: where to play; all episodes at once if it has as many slots.
        actor: who drives.
        episodes: how many.
        seed: the evaluation's own seed, not the run's.
        purpose: `Purpose.EVAL` for choosing among policies, `Purpose.TEST` for the final figures.
    """
    returns, lengths = np.zeros(episodes), np.zeros(episodes, np.int64)

    def on_step(step: Step, view: View) -> None:
        returns[step.index] += step.reward
        lengths[step.index] += 1

    play(
        env,
        actor,
        lambda k: episode_of(seed, purpose, 0, k, env.spec.horizon),
        lambda finished, steps: episodes - finished,
        on_step,
    )
    return Scores(returns, lengths)


def normalized(score: float, random: float, expert: float) -> float | None:
    """Return where a score lies between random (0) and expert (1), or None where these coincide."""
    return (score - random) / (expert - random) if expert != random else None
