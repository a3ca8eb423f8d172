"""Who acts: leaves (expert, policy, exploration) and the two combinators that give every roll-in.

All random draws of an episode happen in `reset`, from that episode's own generator, so what an actor does
depends neither on the number of slots nor on what happens in the others.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from il.envs.base import EnvSpec, VectorEnv
from il.experts.base import Expert, Moment
from il.policies.base import Policy

EXPERT = 0
"""`who` of rows where the expert acted."""
EXPLORER = -1
"""`who` of exploratory actions."""


@dataclass(frozen=True)
class Episode:
    """One episode to be played."""

    index: int
    """Position in its round."""
    seed: int
    """Seed of the environment's reset."""
    generator: np.random.Generator
    """Source of every draw that actors make for this episode."""
    horizon: int
    """Largest number of steps it can have."""


class View:
    """What an actor sees: the named slots of an environment, m of them.

    Args:
        env: the environment.
        ids: the slots, ascending.
        obs: their observations [m, …], where the caller has them already.
    """

    def __init__(self, env: VectorEnv, ids: np.ndarray, obs: np.ndarray | None = None):
        self.env, self.ids, self._obs = env, ids, obs

    @property
    def obs(self) -> np.ndarray:
        """The learner's observations when first asked for, float32 [m, …]; recorded as they are, not to be changed."""
        if self._obs is None:
            self._obs = self.env.obs[self.ids]
        return self._obs

    @property
    def expert_obs(self) -> np.ndarray:
        """The expert's present observations, float32 [m, …]; a copy."""
        return self.env.expert_obs[self.ids]

    def moment(self, t: np.ndarray) -> Moment:
        """Return where the slots stand, at these steps of their episodes, for experts that need snapshots."""
        return Moment(self.env.snapshot(self.ids), self.ids, t)

    def part(self, mask: np.ndarray) -> "View":
        """Return the view of some of the slots, bool [m]."""
        return View(self.env, self.ids[mask], self.obs[mask])


class Actor(ABC):
    """Drives slots in lockstep."""

    @abstractmethod
    def reset(self, ids: Sequence[int], episodes: Sequence[Episode]) -> None:
        """Prepare for new episodes in the named slots; makes all random draws they will need."""

    @abstractmethod
    def act(self, view: View, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Choose actions; draws nothing.

        Args:
            view: m slots.
            t: step within each episode, int [m].

        Returns:
            actions [m, act_dim] float32 or [m] int64, and who [m]: 0 the expert, k the k-th policy, -1 exploration.
        """


class Draws:
    """Random numbers of the running episodes, one row of up to `horizon` steps per slot."""

    def __init__(self) -> None:
        self._rows: np.ndarray | None = None

    def put(self, slot: int, draws: np.ndarray) -> None:
        """Keep one episode's draws, [horizon, …], for a slot."""
        shape = (slot + 1, *draws.shape)
        if self._rows is None:
            self._rows = np.zeros(shape, draws.dtype)
        elif self._rows.shape[0] <= slot or self._rows.shape[1] < len(draws):
            grown = np.zeros(np.maximum(self._rows.shape, shape), draws.dtype)
            grown[: self._rows.shape[0], : self._rows.shape[1]] = self._rows
            self._rows = grown
        self._rows[slot, : len(draws)] = draws

    def at(self, ids: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Return the draws of the named slots at their steps, [m, …]."""
        assert self._rows is not None, "reset comes first"
        return self._rows[ids, t]


class ExpertActor(Actor):
    """The expert's deterministic action."""

    def __init__(self, expert: Expert):
        self.expert = expert

    def reset(self, ids: Sequence[int], episodes: Sequence[Episode]) -> None:
        """Let the expert forget the episodes before, or prepare those of a mixture."""
        self.expert.forget(ids)
        if self.expert.driver is not None:
            self.expert.driver.reset(ids, episodes)

    def act(self, view: View, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ask the expert about every slot; `who` is EXPERT, 0."""
        who = np.zeros(len(view.ids), np.int64)
        if self.expert.driver is not None:
            return self.expert.driver.act(View(view.env, view.ids, view.expert_obs), t)[0], who
        snapshot = view.moment(t) if self.expert.needs_snapshot else None
        return self.expert.act(view.expert_obs, snapshot), who


class PolicyActor(Actor):
    """A policy, by its mode or by samples.

    Args:
        policy: whose actions.
        index: what rows get as `who`, 1 or more.
        sample: draw actions instead of taking the mode.
    """

    def __init__(self, policy: Policy, index: int = 1, sample: bool = False):
        self.policy = policy
        self.index = index
        self.sample = sample
        self._noise = Draws()
        self._who = np.full(0, index)

    def reset(self, ids: Sequence[int], episodes: Sequence[Episode]) -> None:
        """Draw the noise of whole episodes, if any."""
        if self.sample:
            for slot, episode in zip(ids, episodes, strict=True):
                self._noise.put(slot, self.policy.noise(episode.generator, episode.horizon))

    def act(self, view: View, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Act on every slot in one batch."""
        noise = self._noise.at(view.ids, t) if self.sample else None
        if len(self._who) != len(t):
            self._who = np.full(len(t), self.index)
        return self.policy.act(view.obs, noise), self._who


class RandomActor(Actor):
    """Uniform actions over the space (unbounded sides count as ±1)."""

    def __init__(self, spec: EnvSpec):
        self.spec = spec
        self._actions = Draws()

    def reset(self, ids: Sequence[int], episodes: Sequence[Episode]) -> None:
        """Draw the actions of whole episodes."""
        for slot, episode in zip(ids, episodes, strict=True):
            self._actions.put(slot, self._draw(episode))

    def _draw(self, episode: Episode) -> np.ndarray:
        spec, rng = self.spec, episode.generator
        if spec.low is None or spec.high is None:
            return rng.integers(spec.act_dim, size=episode.horizon)
        low, high = np.maximum(spec.low, -1e3), np.minimum(spec.high, 1e3)
        low, high = np.where(np.isfinite(spec.low), low, -1), np.where(np.isfinite(spec.high), high, 1)
        return rng.uniform(low, high, (episode.horizon, spec.act_dim)).astype(np.float32)

    def act(self, view: View, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the drawn actions."""
        return self._actions.at(view.ids, t), np.full(len(view.ids), EXPLORER)


class Combination(Actor):
    """Several actors, one of which acts at each step; which one is settled when an episode starts."""

    def __init__(self, actors: Sequence[Actor]):
        self.actors = list(actors)
        self._choice = Draws()

    @abstractmethod
    def choose(self, generator: np.random.Generator, horizon: int) -> np.ndarray:
        """Return which actor acts at each step of one episode, int [horizon]."""

    def reset(self, ids: Sequence[int], episodes: Sequence[Episode]) -> None:
        """Settle who acts when, then let every part make its own draws."""
        for slot, episode in zip(ids, episodes, strict=True):
            self._choice.put(slot, self.choose(episode.generator, episode.horizon))
        for actor in self.actors:
            actor.reset(ids, episodes)

    def act(self, view: View, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Let each part act on its slots, in one batch per part."""
        choice = self._choice.at(view.ids, t)
        first = choice[0]
        if (choice == first).all():
            return self.actors[first].act(view, t)
        spec = view.env.spec
        actions: np.ndarray = np.empty((len(choice), *spec.act_shape), spec.act_dtype)
        who = np.empty(len(choice), np.int64)
        for k in np.unique(choice):
            mine = choice == k
            actions[mine], who[mine] = self.actors[k].act(view.part(mine), t[mine])
        return actions, who


class Mixture(Combination):
    """Draw the acting part by fixed weights, at each step or once per episode.

    Args:
        actors: the parts.
        weights: probabilities, one per part, summing to 1.
        per: ``step`` as in DAgger, SMILe and SEARN, or ``episode``.
    """

    def __init__(self, actors: Sequence[Actor], weights: Sequence[float], per: Literal["step", "episode"] = "step"):
        super().__init__(actors)
        self.weights = np.asarray(weights, float)
        if len(self.weights) != len(self.actors) or (self.weights < 0).any() or abs(self.weights.sum() - 1) > 1e-9:
            raise ValueError(f"a mixture needs one probability per actor, summing to 1, not {list(weights)}")
        self.per = per
        self._edges = np.cumsum(self.weights)[:-1]

    def choose(self, generator: np.random.Generator, horizon: int) -> np.ndarray:
        """Draw one part per step, or one for the whole episode."""
        if self.per == "episode":
            return np.full(horizon, np.searchsorted(self._edges, generator.random(), side="right"))
        return np.searchsorted(self._edges, generator.random(horizon), side="right")


class Switching(Combination):
    """Let the parts act one after the other, each for a drawn number of steps, the last one to the end.

    Args:
        actors: k parts in the order in which they act.
        draw: ``draw(generator, horizon)`` returns k - 1 lengths (0 allowed), fresh for each episode.
    """

    def __init__(self, actors: Sequence[Actor], draw: Callable[[np.random.Generator, int], np.ndarray]):
        super().__init__(actors)
        self.draw = draw

    def choose(self, generator: np.random.Generator, horizon: int) -> np.ndarray:
        """Turn drawn lengths into who acts at each step."""
        ends = np.cumsum(np.asarray(self.draw(generator, horizon), np.int64))
        return np.searchsorted(ends, np.arange(horizon), side="right")
