"""Recording an expert's episodes."""

from collections.abc import Sequence

import numpy as np

from il.actors import EXPLORER, Actor, Draws, Episode, ExpertActor, Mixture, RandomActor, View
from il.envs.base import EnvSpec, VectorEnv
from il.errors import ConfigError
from il.experts.base import Expert
from il.rollout import Collect, Rollout
from il.rollout import collect as play_and_record


class DisturbedExpert(Actor):
    """The expert's action plus Gaussian noise; such steps count as exploration.

    Args:
        expert: whose actions.
        scale: standard deviation of the noise, [act_dim].
    """

    def __init__(self, expert: Expert, scale: np.ndarray):
        self._clean = ExpertActor(expert)
        self._scale = scale
        self._noise = Draws()

    def reset(self, ids: Sequence[int], episodes: Sequence[Episode]) -> None:
        """Draw the noise of whole episodes."""
        for slot, episode in zip(ids, episodes, strict=True):
            draws = episode.generator.normal(size=(episode.horizon, len(self._scale)))
            self._noise.put(slot, (draws * self._scale).astype(np.float32))

    def act(self, view: View, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Actor.act`."""
        act, _ = self._clean.act(view, t)
        return act + self._noise.at(view.ids, t), np.full(len(act), EXPLORER)


def driver(expert: Expert, spec: EnvSpec, noise: float) -> Actor:
    """Return who drives: the expert, or the expert disturbed.

    Args:
        expert: the expert.
        spec: the environment.
        noise: standard deviation in half action ranges (an unbounded side counts as 1), or the share of random
            actions where they are discrete.

    Raises:
        ConfigError: when `noise` is out of range.
    """
    if noise < 0 or (spec.discrete and noise > 1):
        raise ConfigError(f"noise={noise}: {'a share between 0 and 1' if spec.discrete else 'at least 0'} is needed")
    if noise == 0:
        return ExpertActor(expert)
    if spec.low is None or spec.high is None:
        return Mixture([ExpertActor(expert), RandomActor(spec)], [1 - noise, noise])
    low, high = np.where(np.isfinite(spec.low), spec.low, -1), np.where(np.isfinite(spec.high), spec.high, 1)
    return DisturbedExpert(expert, noise * (high - low) / 2)


def record(env: VectorEnv, expert: Expert, episodes: int, noise: float, subsample: int, seed: int) -> Rollout:
    """Play episodes of an expert; every recorded row is labelled with its undisturbed action.

    Args:
        env: where to play.
        expert: drives and labels.
        episodes: how many.
        noise: see `driver`.
        subsample: keep every so-manieth step.
        seed: fixes the episodes, which are those of the first round of a run with this seed.

    Raises:
        ConfigError: for an expert that cannot be asked, or numbers out of range.
    """
    if not expert.queryable:
        raise ConfigError("this expert is a data set already: use `il demos convert`")
    for name, value in (("episodes", episodes), ("subsample", subsample)):
        if value < 1:
            raise ConfigError(f"{name}={value}: must be at least 1")
    request = Collect(
        driver(expert, env.spec, noise),
        episodes=episodes,
        rows=slice(None, None, subsample) if subsample > 1 else slice(None),
        label="acted" if noise == 0 else "all",
    )
    return play_and_record(env, request, expert, seed, 0)
