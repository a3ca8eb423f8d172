"""What a rollout costs beside the physics in it: ``python -m benchmarks.rollouts [--repeats N]``.

Ours is `il.rollout.collect` with a learner's policy acting through whole episodes, everything recorded; it has the
weights of the task's bundled expert (2x64 tanh; Hopper's 2x256 relu), so that the states are those that matter. The
limit is a bare loop of ``mj_step`` over the same states and actions. Both take turns every 20 steps, so what else the
machine does hits both; medians of the ratios are shown. One core is measured in CPU-seconds, two threads by the
clock. The machine should be idle for both: a rollout shares the caches with more code than the bare loop.
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
from il.actors import PolicyActor, View
from il.envs.base import EnvSpec, VectorEnv
from il.envs.mujoco import MujocoVectorEnv
from il.experts.bundled import pretrained
from il.experts.neutral import MLPExpert, layers
from il.policies.gaussian import GaussianPolicy, SquashedGaussianPolicy
from il.rollout import Collect, collect


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


class Beside(PolicyActor):
    """Acts, and every so many steps lets the bare loop play the same again, while the rollout's clock stands still.

    What else the machine does changes within tenths of a second, so the two take turns as quickly.
    """

    EVERY = 20
    """Steps between two turns."""

    def __init__(self, env: VectorEnv, num_threads: int, clock: Callable[[], float]):
        super().__init__(learner(env.spec))
        self.env, self.clock = env, clock
        assert isinstance(env, MujocoVectorEnv)
        self.model, self.skip = env.model, env.frame_skip
        self.data = [mujoco.MjData(self.model) for _ in range(num_threads)]
        self.pool = ThreadPoolExecutor(num_threads)
        self.taken = np.zeros((self.EVERY, env.n, env.spec.act_dim))
        self.start_anew()

    def start_anew(self) -> None:
        """Forget what was measured."""
        self.away = self.bare = 0.0
        self.replayed = 0

    def act(self, view: View, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Actor.act`."""
        start, k = self.clock(), int(t[0]) % self.EVERY
        if k == 0:
            if t[0]:
                self._replay(view.ids)
            self.before = self.env.snapshot(np.arange(self.env.n)).state
            self.away += self.clock() - start
        act, who = super().act(view, t)
        self.taken[k, view.ids] = act
        return act, who

    def _replay(self, ids: np.ndarray) -> None:
        low, high = self.env.spec.low, self.env.spec.high
        taken = np.clip(self.taken, low, high).transpose(1, 0, 2)
        shares = [ids[k :: len(self.data)] for k in range(len(self.data))]
        if len(shares) == 1:
            self.bare += self._play(self.data[0], taken, ids)
        else:
            self.bare += max(self.pool.map(self._play, self.data, [taken] * len(shares), shares))
        self.replayed += len(ids) * self.EVERY

    def _play(self, data: mujoco.MjData, taken: np.ndarray, ids: np.ndarray) -> float:
        step, model, skip, ctrl, total = mujoco.mj_step, self.model, self.skip, data.ctrl, 0.0
        for slot in ids:
            mujoco.mj_setState(model, data, self.before[slot], mujoco.mjtState.mjSTATE_INTEGRATION.value)
            start = self.clock()
            for action in taken[slot]:
                ctrl[:] = action
                step(model, data, skip)
            total += self.clock() - start
        return total


def ratio(env: VectorEnv, actor: Beside, k: int) -> tuple[float, float]:
    """Play round k, an episode in every slot; return bare / rollout and the rollout's seconds a step."""
    request = Collect(actor, episodes=env.n, label="none")
    actor.start_anew()
    start = actor.clock()
    steps = len(collect(env, request, None, 0, k))
    each = (actor.clock() - start - actor.away) / steps
    return actor.bare / actor.replayed / each, each


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
    env = environment(id, n, 1)
    actor = Beside(env, 1, time.process_time)
    ratios = [ratio(env, actor, k)[0] for k in range(often + 1)]
    return _row(f"rollout / mj_step, one core, n={n}: {id}", ratios[1:], at_least)


def two_threads(id: str, n: int, often: int, at_least: tuple[float, float]) -> list[Row]:
    """Wall time of the physics, and of one gymnasium environment per step, over that of the whole rollout."""
    env, single = environment(id, n, 2), OneGymnasium(id)
    actor = Beside(env, 2, time.perf_counter)
    raw, gym = [], []
    for k in range(often + 1):
        found, each = ratio(env, actor, k)
        raw.append(found)
        gym.append(single.seconds(1000) / each)
    return [
        _row(f"rollout / mj_step, two threads each, n={n}: {id}", raw[1:], at_least[0]),
        _row(f"rollout, two threads, n={n} / one gymnasium with torch: {id}", gym[1:], at_least[1]),
    ]


def by_slots(id: str, often: int) -> list[tuple[int, float]]:
    """Return (slots, CPU-microseconds a step): how the cost of a step falls with the slots that share a lockstep."""
    out = []
    for n in (1, 4, 16, 64, 256):
        env = environment(id, n, 1)
        request = Collect(PolicyActor(learner(env.spec)), episodes=n, label="none")
        costs = []
        for k in range(often + 1):
            start = time.process_time()
            steps = len(collect(env, request, None, 0, k))
            costs.append((time.process_time() - start) / steps * 1e6)
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
