"""Filming a run while it goes on."""

from pathlib import Path

from il.actors import Actor, ExpertActor
from il.envs.base import VectorEnv
from il.experts.base import Expert
from il.play import episode_of
from il.randomness import Purpose
from il.video.record import Recording, Studio, record


class Camera:
    """Films the learner beside the expert, on the first of the episodes that choose the best policy.

    Args:
        studio: draws.
        env, expert: the run's.
        folder: where the videos go.
        seed: as in ``eval.seed``.
        every: rounds between two videos; the last round is filmed too.
        steps: the most steps filmed; None films the whole episode.
    """

    def __init__(
        self, studio: Studio, env: VectorEnv, expert: Expert, folder: Path, seed: int, every: int, steps: int | None
    ):
        self.studio, self.env, self.expert, self.folder = studio, env, expert, folder
        self.seed, self.every, self.steps = seed, every, steps
        self._expert: Recording | None = None

    def shoot(self, n: int, learner: Actor, last: bool) -> Path | None:
        """Film round n if it is due.

        Args:
            n: the round.
            learner: what it gave.
            last: whether no round follows.

        Returns:
            The file, or None when nothing was due or nothing can be drawn here.
        """
        if ((n + 1) % self.every and not last) or self.studio.reason:
            return None
        panes = [self._record(learner, "learner")]
        if self.expert.queryable:
            self._expert = self._expert or self._record(ExpertActor(self.expert), "expert")
            panes.append(self._expert)
        title = f"{self.env.spec.id}   round {n}   seed {panes[0].seed}"
        return self.studio.draw(panes, title, self.folder / f"round_{n:04d}.mp4")

    def _record(self, actor: Actor, label: str) -> Recording:
        episode = episode_of(self.seed, Purpose.EVAL, 0, 0, self.env.spec.horizon)
        return record(self.env, actor, episode, label, self.steps)
