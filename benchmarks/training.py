"""Training an expert through our slots and through Stable-Baselines3's own: ``python -m benchmarks.training``.

The same PPO (the recipe of conf/trainer/sb3.yaml: 64 slots, observations and rewards normalised) runs over our slots,
stepped by two threads, and over the library's `DummyVecEnv` of 64 gymnasium environments, which has one. Torch has one
thread here, as in every run of ours (two are slower for such networks, and many times slower beside other work), and
there as many as it takes by itself. They take turns, a rollout and its updates each.
"""

import statistics
from typing import Any

import torch
import yaml

from benchmarks.measure import ROOT, Row, environment, repeats, row, show, turns
from il.training.agent import Agent


def recipe() -> dict[str, Any]:
    """Return the PPO recipe."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "conf" / "trainer" / "sb3.yaml").read_text())["recipes"]["ppo"]
    return found


def ours(id: str) -> Any:
    """Return the model over our slots."""
    settings = recipe()
    slots = environment(id, settings["n_envs"], 2)
    return Agent("ppo", slots, 0, settings["steps"], True, True, True, settings["kwargs"], "cpu", None).model


def theirs(id: str) -> Any:
    """Return the same model over the library's environments."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.vec_env import VecNormalize

    settings = recipe()
    kwargs = {**settings["kwargs"]}
    policy = {**kwargs.pop("policy_kwargs"), "activation_fn": torch.nn.Tanh}
    venv = VecNormalize(make_vec_env(id, settings["n_envs"], seed=0))
    model = PPO("MlpPolicy", venv, policy_kwargs=policy, seed=0, device="cpu", **kwargs)
    model.set_logger(Logger(None, []))
    return model


def rows(often: int) -> list[Row]:
    """Measure."""
    id, own_threads = "Ant-v5", torch.get_num_threads()
    models = {"theirs": theirs(id), "ours": ours(id)}

    def learn(model: Any) -> None:
        torch.set_num_threads(1 if model is models["ours"] else own_threads)
        model.learn(model.n_steps * model.n_envs, log_interval=None, reset_num_timesteps=False)

    costs = turns({name: lambda model=model: learn(model) for name, model in models.items()}, often)
    steps = models["ours"].n_steps * models["ours"].n_envs
    walls = {name: [cost.wall / steps * 1e6 for cost in found] for name, found in costs.items()}
    what = "PPO through our slots / through DummyVecEnv, 64 slots, two threads"
    rates = " / ".join(f"{name} {1e6 / statistics.median(found):.0f} steps/s" for name, found in walls.items())
    return [row(f"{what}: {id}, {rates}", walls["theirs"], walls["ours"], 2, "µs a step")]


def main() -> None:
    """Print the table."""
    show(rows(repeats(5)))


if __name__ == "__main__":
    main()
