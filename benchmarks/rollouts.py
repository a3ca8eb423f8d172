"""What a rollout costs beside the physics in it: ``python -m benchmarks.rollouts [--repeats N]``.

Ours is `il.rollout.collect` with the task's bundled expert acting, everything recorded. The limit is a bare loop of
``mj_step`` over the same states and actions. Both take turns, so what else the machine does hits both; medians of
the ratios are shown. One core is measured in CPU-seconds, two threads by the clock, for which the machine should
be idle: the load is printed too.
"""

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import gymnasium
import mujoco
import numpy as np
import torch

from il.actors import ExpertActor
from il.envs import make
from il.experts.bundled import pretrained
from il.experts.neutral import MLPExpert, layers
from il.rollout import Collect, Rollout, collect

STEPS = {"HalfCheetah-v5": 500, "Hopper-v5": 400, "Walker2d-v5": 300, "Ant-v5": 200}
"""Most steps of each episode, fewer than their 1000 to save time."""


class Row(NamedTuple):
    """One line of the table."""

    what: str
    ratio: float
    spread: tuple[float, float]
    """Smallest and largest of the repeats."""
    at_least: float


def ours(id: str, n: int, num_threads: int) -> Callable[[int], Rollout]:
    """Return a function that plays round k: n episodes in n slots."""
    env = make(id, n, {}, None, "batched", num_threads, None)
    request = Collect(ExpertActor(pretrained(env.spec, None)), episodes=n, stop_at=STEPS[id], label="none")
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
    """One gymnasium environment, with the expert as a torch module in the loop."""

    def __init__(self, id: str):
        self.env = gymnasium.make(id)
        expert = pretrained(make(id, 1, {}, None, "batched", 1, None).spec, None)
        assert isinstance(expert, MLPExpert)
        self.mean, self.std, self.clip = (torch.from_numpy(expert.arrays[f"obs.{k}"]) for k in ("mean", "std", "clip"))
        parts: list[torch.nn.Module] = []
        for weight, bias in layers(expert.arrays, "actor"):
            layer = torch.nn.utils.skip_init(torch.nn.Linear, *weight.shape)
            layer.weight.data, layer.bias.data = torch.from_numpy(weight.T.copy()), torch.from_numpy(bias)
            parts += [layer, torch.nn.Tanh()]
        self.net = torch.nn.Sequential(*parts[:-1])

    def seconds(self, steps: int) -> float:
        """Return the time per step by the clock."""
        start = time.perf_counter()
        obs, _ = self.env.reset(seed=0)
        for _ in range(steps):
            with torch.inference_mode():
                x = (torch.from_numpy(obs).float() - self.mean) / self.std
                action = self.net(x.clamp(-self.clip, self.clip)).clamp(-1, 1).numpy()
            obs, _, terminated, truncated, _ = self.env.step(action)
            if terminated or truncated:
                obs, _ = self.env.reset()
        return (time.perf_counter() - start) / steps


def one_core(id: str, n: int, repeats: int, at_least: float) -> Row:
    """CPU-seconds of the physics over those of the whole rollout."""
    play, replay, clock = ours(id, n, 1), Replay(id, 1), time.process_time
    ratios = []
    for k in range(repeats + 1):
        start = clock()
        rollout = play(k)
        spent = clock() - start
        ratios.append(replay.seconds(rollout, clock) / spent)
    return _row(f"rollout / mj_step, one core, n={n}: {id}", ratios[1:], at_least)


def two_threads(id: str, n: int, repeats: int, at_least: tuple[float, float]) -> list[Row]:
    """Wall time of the physics, and of one gymnasium environment per step, over that of the whole rollout."""
    play, replay, single, clock = ours(id, n, 2), Replay(id, 2), OneGymnasium(id), time.perf_counter
    raw, gym = [], []
    for k in range(repeats + 1):
        start = clock()
        rollout = play(k)
        spent = clock() - start
        raw.append(replay.seconds(rollout, clock) / spent)
        gym.append(single.seconds(2 * STEPS[id]) / (spent / len(rollout)))
    return [
        _row(f"rollout / mj_step, two threads each, n={n}: {id}", raw[1:], at_least[0]),
        _row(f"rollout, two threads, n={n} / one gymnasium with torch: {id}", gym[1:], at_least[1]),
    ]


def by_slots(id: str, repeats: int) -> list[tuple[int, float]]:
    """Return (slots, CPU-microseconds a step): how the cost of a step falls with the slots that share a lockstep."""
    out = []
    for n in (1, 4, 16, 64, 256):
        play, costs = ours(id, n, 1), []
        for k in range(repeats + 1):
            start = time.process_time()
            rollout = play(k)
            costs.append((time.process_time() - start) / len(rollout) * 1e6)
        out.append((n, statistics.median(costs[1:])))
    return out


def _row(what: str, ratios: list[float], at_least: float) -> Row:
    return Row(what, statistics.median(ratios), (min(ratios), max(ratios)), at_least)


def rows(repeats: int) -> list[Row]:
    """Measure everything."""
    torch.set_num_threads(1)
    goals = {"HalfCheetah-v5": 0.90, "Hopper-v5": 0.80, "Walker2d-v5": 0.80, "Ant-v5": 0.92}
    out = [one_core(id, n, repeats, goal) for id, goal in goals.items() for n in (32, 64)]
    out += two_threads("HalfCheetah-v5", 64, repeats, (0.88, 4.5))
    out += two_threads("Ant-v5", 64, repeats, (0.93, 2.5))
    return out


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="of which the median is taken")
    repeats = parser.parse_args().repeats
    print(f"load before: {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")
    print("| what | ratio | smallest to largest | at least |\n|---|---|---|---|")
    for row in rows(repeats):
        print(f"| {row.what} | {row.ratio:.2f} | {row.spread[0]:.2f} to {row.spread[1]:.2f} | {row.at_least} |")
    print("\n| slots | CPU-µs a step, HalfCheetah-v5 |\n|---|---|")
    for n, cost in by_slots("HalfCheetah-v5", min(repeats, 3)):
        print(f"| {n} | {cost:.1f} |")
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
