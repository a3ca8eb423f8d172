"""A sub-optimal expert for CartPole: PPO of Stable-Baselines3, stopped early.

    python -m results.early_ppo out=PATH.zip

The first seed and check at which the most likely actions return between 200 and 280 over 50 episodes.
"""

import sys
from pathlib import Path

from il.actors import ExpertActor
from il.envs import make
from il.evaluate import evaluate
from il.experts.sb3 import Sb3Expert
from il.randomness import Purpose

LOW, HIGH, EPISODES, CHECK = 200, 280, 50, 256


def score(path: Path) -> float:
    """Return the mean return of the most likely actions of a saved agent."""
    env = make("CartPole-v1", EPISODES, {}, None, "auto", 1, None, [])
    expert = Sb3Expert(str(path), None, False, "none", None, spec=env.spec)
    return float(evaluate(env, ExpertActor(expert), EPISODES, 0, Purpose.TEST).returns.mean())


def train(path: Path) -> float:
    """Train, save, and return the score."""
    import torch
    from stable_baselines3 import PPO

    torch.set_num_threads(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    for seed in range(1, 20):
        model = PPO("MlpPolicy", "CartPole-v1", seed=seed, n_steps=CHECK, learning_rate=5e-4, device="cpu")
        for _ in range(20):
            model.learn(CHECK, reset_num_timesteps=False)
            model.save(path)
            found = score(path)
            if found > HIGH:
                break
            if found >= LOW:
                print(f"seed {seed}, {model.num_timesteps} steps: {found:.1f}")
                return found
    path.unlink()
    raise RuntimeError(f"no seed gave a return between {LOW} and {HIGH}")


if __name__ == "__main__":
    train(Path(dict(argument.split("=", 1) for argument in sys.argv[1:])["out"]))
