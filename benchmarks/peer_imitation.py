"""DAgger by the library `imitation` 1.0.1: ``python benchmarks/peer_imitation.py ENV FOLDER``, in its own environment.

The same expert and demonstrations, the same network, optimiser, gradient steps, collection and evaluation as
benchmarks/homework.py; ``log_rollouts_venv=None`` keeps it from rolling out more than that. Depends on nothing of
ours. Prints its costs as JSON.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import gymnasium
import numpy as np
import torch
from imitation.algorithms import bc
from imitation.algorithms.dagger import SimpleDAggerTrainer
from imitation.data import rollout
from imitation.data.types import TrajectoryWithRew
from imitation.data.wrappers import RolloutInfoWrapper
from imitation.policies.base import NonTrainablePolicy
from imitation.util import logger as imitation_logger
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import DummyVecEnv

ROUNDS, STEPS, GRADIENT_STEPS, BATCH, EVALUATIONS = 10, 1000, 1000, 100, 5


class Expert(NonTrainablePolicy):
    """An MLP that is given."""

    def __init__(self, observation_space: gymnasium.Space, action_space: gymnasium.Space, path: Path):
        super().__init__(observation_space, action_space)
        stored = np.load(path)
        count = len([name for name in stored.files if name.startswith("weight")])
        self.layers = [(stored[f"weight{k}"], stored[f"bias{k}"]) for k in range(count)]
        self.given_mean, self.given_std = stored["mean"], stored["std"]

    def _choose_action(self, obs: np.ndarray) -> np.ndarray:
        x = np.clip((obs.astype(np.float32) - self.given_mean) / self.given_std, -10, 10)
        for weight, bias in self.layers[:-1]:
            x = np.tanh(x @ weight + bias)
        weight, bias = self.layers[-1]
        return np.clip(x @ weight + bias, -1, 1)


def demonstrations(path: Path) -> list[TrajectoryWithRew]:
    """Return the given episodes in the library's own form."""
    stored = np.load(path)
    out = []
    for k in range(int(stored["episode"].max()) + 1):
        mine = stored["episode"] == k
        obs = np.concatenate([stored["obs"][mine], stored["final"][k : k + 1]])
        out.append(
            TrajectoryWithRew(
                obs=obs, acts=stored["act"][mine], infos=None, terminal=True, rews=stored["reward"][mine].astype(float)
            )
        )
    return out


def main() -> None:
    """Train and print what it took."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    rng, folder = np.random.default_rng(1), Path(sys.argv[2])
    venv, test = (DummyVecEnv([lambda: RolloutInfoWrapper(gymnasium.make(sys.argv[1]))]) for _ in range(2))
    policy = ActorCriticPolicy(
        venv.observation_space, venv.action_space, lambda _: 5e-3, net_arch=[64, 64], activation_fn=torch.nn.Tanh
    )
    quiet = imitation_logger.configure(tempfile.mkdtemp(), format_strs=[])
    learner = bc.BC(
        observation_space=venv.observation_space, action_space=venv.action_space, rng=rng, policy=policy,
        batch_size=BATCH, optimizer_kwargs={"lr": 5e-3}, ent_weight=0.0, custom_logger=quiet, device="cpu",
    )  # fmt: skip
    trainer = SimpleDAggerTrainer(
        venv=venv, scratch_dir=tempfile.mkdtemp(), bc_trainer=learner, rng=rng, custom_logger=quiet,
        expert_policy=Expert(venv.observation_space, venv.action_space, folder / "expert.npz"),
        expert_trajs=demonstrations(folder / "demonstrations.npz"), beta_schedule=lambda k: float(k == 0),
    )  # fmt: skip
    wall, cpu, returns = time.perf_counter(), time.process_time(), []
    for k in range(ROUNDS):
        if k:
            collector = trainer.create_trajectory_collector()
            enough = rollout.make_sample_until(min_timesteps=STEPS)
            rollout.generate_trajectories(trainer.expert_policy, collector, enough, rng, deterministic_policy=True)
        trainer.extend_and_update({"n_batches": GRADIENT_STEPS, "log_rollouts_venv": None, "progress_bar": False})
        returns, _ = evaluate_policy(learner.policy, test, EVALUATIONS, deterministic=True, return_episode_rewards=True)
    spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({**spent, "return": np.mean(returns)}))


if __name__ == "__main__":
    main()
