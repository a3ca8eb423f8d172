"""A sub-optimal expert for CartPole: PPO of Stable-Baselines3, stopped early.

    python -m results.early_ppo out=PATH.zip

The first seed and check at which the most likely actions return between 200 and 280 over 50 episodes.
"""

import sys
from pathlib import Path

import numpy as np

LOW, HIGH, EPISODES, CHECK = 200, 280, 50, 256


def score(model: object) -> float:
    """Return the mean return of the most likely actions."""
    import gymnasium

    env, total = gymnasium.make("CartPole-v1"), 0.0
    for episode in range(EPISODES):
        obs, _ = env.reset(seed=10_000 + episode)
        over = False
        while not over:
            action, _ = model.predict(obs, deterministic=True)  # type: ignore[attr-defined]
            obs, reward, terminated, truncated, _ = env.step(int(action))
            total += float(reward)
            over = terminated or truncated
    return total / EPISODES


def train(path: Path) -> float:
    """Train, save, and return the score."""
    import torch
    from stable_baselines3 import PPO

    torch.set_num_threads(1)
    for seed in range(1, 20):
        model = PPO("MlpPolicy", "CartPole-v1", seed=seed, n_steps=CHECK, learning_rate=5e-4, device="cpu")
        for _ in range(20):
            model.learn(CHECK, reset_num_timesteps=False)
            found = score(model)
            if found > HIGH:
                break
            if found >= LOW:
                path.parent.mkdir(parents=True, exist_ok=True)
                model.save(path)
                print(f"seed {seed}, {model.num_timesteps} steps: {np.round(found, 1)}")
                return found
    raise RuntimeError(f"no seed gave a return between {LOW} and {HIGH}")


if __name__ == "__main__":
    train(Path(dict(argument.split("=", 1) for argument in sys.argv[1:])["out"]))
