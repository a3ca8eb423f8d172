"""The loop of the course's homework 1, completed from its description: what a student's DAgger costs.

``python benchmarks/homework.py ENV FOLDER``; FOLDER holds expert.npz and demonstrations.npz as `benchmarks.jobs`
writes them. Behavioural cloning and 9 rounds of DAgger: one gymnasium environment, a torch module asked for one
action at a time through a distribution, 1000 gradient steps of Adam a round on batches picked by a permutation of
all rows, 5 episodes of evaluation. Depends on nothing of ours. Prints its costs as JSON.
"""

import itertools
import json
import sys
import time
from pathlib import Path

import gymnasium
import numpy as np
import torch
from torch import nn
from torch.distributions import Normal

ROUNDS, STEPS, GRADIENT_STEPS, BATCH, EVALUATIONS, LIMIT = 10, 1000, 1000, 100, 5, 1000


def mlp(sizes: list[int]) -> nn.Sequential:
    """Return a multi-layer perceptron."""
    parts: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        parts += [nn.Linear(fan_in, fan_out), nn.Tanh()]
    return nn.Sequential(*parts[:-1])


class Learner(nn.Module):
    """A Gaussian whose mean is an MLP, and its supervised update."""

    def __init__(self, obs_dim: int, act_dim: int):
        super().__init__()
        self.mean_net = mlp([obs_dim, 64, 64, act_dim])
        self.logstd = nn.Parameter(torch.zeros(act_dim))
        self.optimizer = torch.optim.Adam(itertools.chain([self.logstd], self.mean_net.parameters()), 5e-3)

    def forward(self, observation: torch.Tensor) -> Normal:
        """Return the distribution over actions."""
        return Normal(self.mean_net(observation), torch.exp(self.logstd))

    def get_action(self, obs: np.ndarray) -> np.ndarray:
        """Sample actions for observations [d] or [B, d]."""
        observation = torch.from_numpy(np.atleast_2d(obs).astype(np.float32))
        return self(observation).sample().numpy()

    def update(self, observations: np.ndarray, actions: np.ndarray) -> dict[str, float]:
        """Take a gradient step on the negative log-likelihood."""
        obs, act = (torch.from_numpy(x.astype(np.float32)) for x in (observations, actions))
        loss = -self(obs).log_prob(act).sum(-1).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"Training Loss": loss.item()}


class Expert(nn.Module):
    """An MLP that is given."""

    def __init__(self, path: Path):
        super().__init__()
        stored = np.load(path)
        weights = [torch.from_numpy(stored[f"weight{k}"]) for k in range(len(stored.files) // 2 - 1)]
        self.net = mlp([weights[0].shape[0], *(w.shape[1] for w in weights)])
        with torch.no_grad():
            for k, layer in enumerate(layer for layer in self.net if isinstance(layer, nn.Linear)):
                layer.weight.copy_(weights[k].T)
                layer.bias.copy_(torch.from_numpy(stored[f"bias{k}"]))
        self.mean, self.std = torch.from_numpy(stored["mean"]), torch.from_numpy(stored["std"])

    def get_action(self, obs: np.ndarray) -> np.ndarray:
        """Return actions for observations [B, d]."""
        with torch.no_grad():
            x = (torch.from_numpy(np.atleast_2d(obs).astype(np.float32)) - self.mean) / self.std
            return self.net(x.clamp(-10, 10)).clamp(-1, 1).numpy()


def sample_trajectory(env: gymnasium.Env, policy: Learner) -> dict[str, np.ndarray]:
    """Play one episode."""
    obs, _ = env.reset()
    names = ("observation", "action", "reward", "next_observation", "terminal")
    columns: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for step in itertools.count(1):
        action = policy.get_action(obs)[0]
        following, reward, terminated, truncated, _ = env.step(action)
        over = terminated or truncated or step >= LIMIT
        for name, value in zip(columns, (obs, action, reward, following, over), strict=True):
            columns[name].append(value)
        obs = following
        if over:
            break
    return {name: np.array(column, dtype=np.float32) for name, column in columns.items()}


def sample_trajectories(env: gymnasium.Env, policy: Learner, steps: int) -> tuple[list[dict[str, np.ndarray]], int]:
    """Play whole episodes until so many steps are reached."""
    paths, count = [], 0
    while count < steps:
        paths.append(sample_trajectory(env, policy))
        count += len(paths[-1]["reward"])
    return paths, count


def main() -> None:
    """Train and print what it took."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    np.random.seed(1)
    env = gymnasium.make(sys.argv[1])
    env.reset(seed=1)
    folder = Path(sys.argv[2])
    learner = Learner(env.observation_space.shape[0], env.action_space.shape[0])
    expert, demonstrations = Expert(folder / "expert.npz"), np.load(folder / "demonstrations.npz")
    observations, actions = demonstrations["obs"], demonstrations["act"]
    wall, cpu, returns = time.perf_counter(), time.process_time(), []
    for iteration in range(ROUNDS):
        if iteration:
            paths, _ = sample_trajectories(env, learner, STEPS)
            for path in paths:
                path["action"] = expert.get_action(path["observation"])
            observations = np.concatenate([observations, *(path["observation"] for path in paths)])
            actions = np.concatenate([actions, *(path["action"] for path in paths)])
        for _ in range(GRADIENT_STEPS):
            rows = np.random.permutation(len(observations))[:BATCH]
            learner.update(observations[rows], actions[rows])
        paths, _ = sample_trajectories(env, learner, EVALUATIONS * LIMIT)
        returns = [float(path["reward"].sum()) for path in paths]
    spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({**spent, "return": np.mean(returns)}))


if __name__ == "__main__":
    main()
