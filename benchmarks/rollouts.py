"""What a rollout costs beside the physics in it: ``python -m benchmarks.rollouts [--repeats N]``.

Ours is `il.rollout.collect` with a learner's policy acting, everything recorded; it has the weights of the task's
bundled expert (2x64 tanh; Hopper's 2x256 relu), so that the states are those that matter. The limit is a bare loop
of ``mj_step`` over the same states and actions. Both take turns, so what else the machine does hits both; medians
of the ratios are shown. One core is measured in CPU-seconds, two threads by the clock. The machine should be idle
for both: a rollout shares the caches with more code than the bare loop.
"""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import gymnasium
import mujoco
import numpy as np
import torch

from benchmarks.measure import Row, environment, repeats, show
from il.actors import PolicyActor
from il.envs.base import EnvSpec
from il.experts.bundled import pretrained
from il.experts.neutral import MLPExpert, layers
from il.policies.gaussian import GaussianPolicy, SquashedGaussianPolicy
from il.rollout import Collect, Rollout, collect

STEPS = {"HalfCheetah-v5": 500, "Hopper-v5": 400, "Walker2d-v5": 300, "Ant-v5": 200}
"""Most steps of each episode, fewer than their 1000 to save time."""


def learner(spec: EnvSpec) -> GaussianPolicy:
    """Return a policy with the weights of the bundled expert, whose normaliser goes into the first layer."""
    expert = pretrained(spec, None)
    assert isinstance(expert, MLPExpert)
    weights, card = layers(expert.arrays, "actor"), expert.card
    fit = {"optimizer": "adam", "lr": 1e-3, "weight_decay": 0.0, "batch": 100, "steps": 1, "backend": "auto"}
    kind = SquashedGaussianPolicy if card["output"] == "tanh" else GaussianPolicy
    shape = (len(weights) - 1, weights[0][0].shape[1], card["activation"])
    policy = kind(spec, np.random.default_rng(0), *shape, normalize=False, loss="nll", log_std=0.0, fit=fit).flatten()
    assert isinstance(policy, GaussianPolicy)
    if "obs.mean" in expert.arrays:
        weight, bias = weights[0]
        weight = weight / expert.arrays["obs.std"][:, None]
        weights[0] = (weight, bias - expert.arrays["obs.mean"] @ weight)
    for (weight, bias), (new_weight, new_bias) in zip(policy.net.views(), weights, strict=True):
        weight[:], bias[:] = new_weight, new_bias
    return policy


def ours(id: str, n: int, num_threads: int) -> Callable[[int], Rollout]:
    """Return a function that plays round k: n episodes in n slots."""
    env = environment(id, n, num_threads)
    request = Collect(PolicyActor(learner(env.spec)), episodes=n, stop_at=STEPS[id], label="none")
    return lambda k: collect(env, request, None, 0, k)


class Replay:
    """The same episodes with nothing but physics, on one or more threads."""

    def __init__(self, id: str, num_threads: int):
        self.envs = [gymnasium.make(id).unwrapped for _ in range(num_threads)]
        self.pool = ThreadPoolExecutor(num_threads)

    def seconds(self, rollout: Rollout, clock: Callable[[], float]) -> float:
        """Return the time of the steps alone."""
        act = np.clip(rollout.act, self.envs[0].action_space.low, self.envs[0].action_space.high).astype(float)
        episodes = [(int(seed), act[rollout.episode == k]) for k, seed in enumerate(rollout.seed)]
        shares = [episodes[k :: len(self.envs)] for k in range(len(self.envs))]
        if len(shares) == 1:
            return self._replay(self.envs[0], shares[0], clock)
        return max(self.pool.map(self._replay, self.envs, shares, [clock] * len(shares)))

    @staticmethod
    def _replay(env: gymnasium.Env, episodes: list[tuple[int, np.ndarray]], clock: Callable[[], float]) -> float:
        step, model, data, skip, total = mujoco.mj_step, env.model, env.data, env.frame_skip, 0.0
        ctrl = data.ctrl
        for seed, actions in episodes:
            env.reset(seed=seed)
            start = clock()
            for action in actions:
                ctrl[:] = action
                step(model, data, skip)
            total += clock() - start
        return total


class OneGymnasium:
    """One gymnasium environment, with the same policy as a torch module in the loop."""

    def __init__(self, id: str):
        self.env = gymnasium.make(id)
        self.policy = learner(environment(id, 1, 1).spec)

    def seconds(self, steps: int) -> float:
        """Return the time per step by the clock."""
        start = time.perf_counter()
        obs, _ = self.env.reset(seed=0)
        for _ in range(steps):
            with torch.inference_mode():
                action = self.policy(torch.from_numpy(obs[None]).float())[0].numpy()
            obs, _, terminated, truncated, _ = self.env.step(action.clip(-1, 1))
            if terminated or truncated:
                obs, _ = self.env.reset()
        return (time.perf_counter() - start) / steps


def one_core(id: str, n: int, often: int, at_least: float) -> Row:
    """CPU-seconds of the physics over those of the whole rollout."""
    play, replay, clock = ours(id, n, 1), Replay(id, 1), time.process_time
    ratios = []
    for k in range(often + 1):
        start = clock()
        rollout = play(k)
        spent = clock() - start
        ratios.append(replay.seconds(rollout, clock) / spent)
    return _row(f"rollout / mj_step, one core, n={n}: {id}", ratios[1:], at_least)


def two_threads(id: str, n: int, often: int, at_least: tuple[float, float]) -> list[Row]:
    """Wall time of the physics, and of one gymnasium environment per step, over that of the whole rollout."""
    play, replay, single, clock = ours(id, n, 2), Replay(id, 2), OneGymnasium(id), time.perf_counter
    raw, gym = [], []
    for k in range(often + 1):
        start = clock()
        rollout = play(k)
        spent = clock() - start
        raw.append(replay.seconds(rollout, clock) / spent)
        gym.append(single.seconds(1000) / (spent / len(rollout)))
    return [
        _row(f"rollout / mj_step, two threads each, n={n}: {id}", raw[1:], at_least[0]),
        _row(f"rollout, two threads, n={n} / one gymnasium with torch: {id}", gym[1:], at_least[1]),
    ]


def by_slots(id: str, often: int) -> list[tuple[int, float]]:
    """Return (slots, CPU-microseconds a step): how the cost of a step falls with the slots that share a lockstep."""
    out = []
    for n in (1, 4, 16, 64, 256):
        play, costs = ours(id, n, 1), []
        for k in range(often + 1):
            start = time.process_time()
            rollout = play(k)
            costs.append((time.process_time() - start) / len(rollout) * 1e6)
        out.append((n, statistics.median(costs[1:])))
    return out


def _row(what: str, ratios: list[float], at_least: float) -> Row:
    return Row(what, statistics.median(ratios), (min(ratios), max(ratios)), at_least)


def rows(often: int) -> list[Row]:
    """Measure everything."""
    torch.set_num_threads(1)
    goals = {"HalfCheetah-v5": 0.90, "Hopper-v5": 0.80, "Walker2d-v5": 0.80, "Ant-v5": 0.92}
    out = [one_core(id, n, often, goal) for id, goal in goals.items() for n in (32, 64)]
    out += two_threads("HalfCheetah-v5", 64, often, (0.88, 4.5))
    out += two_threads("Ant-v5", 64, often, (0.93, 2.5))
    return out


def main() -> None:
    """Print the tables."""
    often = repeats(7)
    show(rows(often))
    print("\n| slots | CPU-µs a step, HalfCheetah-v5 |\n|---|---|")
    for n, cost in by_slots("HalfCheetah-v5", min(often, 3)):
        print(f"| {n} | {cost:.1f} |")


if __name__ == "__main__":
    main()
