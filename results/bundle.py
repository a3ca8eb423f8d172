"""Make a bundled expert of a trained one: ``python -m results.bundle RUN NAME [NOTE]``.

RUN is a run directory of ``trainer=sb3``. The expert is played for 100 episodes in gymnasium itself, the environment as
registered; its files go to il/experts/bundled with a card that says all this, and the README's row is printed.
"""

import json
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

import gymnasium
import numpy as np

from il.envs import make
from il.experts import bundled, neutral

SEEDS = range(10000, 10100)


def play(expert: neutral.MLPExpert, id: str, seed: int) -> tuple[float, int, bool]:
    """Return an episode's return and length, and whether it ended before its time limit."""
    env = gymnasium.make(id)
    obs, _ = env.reset(seed=seed)
    total, steps = 0.0, 0
    while True:
        act = expert.act(np.asarray(obs, np.float32)[None])[0]
        obs, reward, terminated, truncated, _ = env.step(act)
        total, steps = total + float(reward), steps + 1
        if terminated or truncated:
            env.close()
            return total, steps, bool(terminated)


def card(run: Path, read: dict, episodes: list[tuple[float, int, bool]]) -> dict:
    """Return the card: what it is, how it was made, what it scores."""
    returns = np.array([r for r, _, _ in episodes])
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    upto = next(k for k, row in enumerate(rows) if row["env_steps"] == read["steps"])
    command = [
        word for word in read["command"][1:] if not word.startswith(("hydra.", "outputs_dir=", "out=", "logger="))
    ]
    return {
        **{k: read[k] for k in ("format", "env_id", "algorithm", "steps")},
        "minutes": round(sum(row["time/total"] for row in rows[: upto + 1]) / 60, 1),
        **{k: read[k] for k in ("activation", "output", "gamma", "entropy_coefficient", "seed") if k in read},
        "command": shlex.join(["python", "launch.py", *command]),
        "versions": read["versions"] | {"stable-baselines3": version("stable-baselines3")},
        "returns": {
            "mean": round(float(returns.mean()), 1),
            "std": round(float(returns.std()), 1),
            "min": round(float(returns.min()), 1),
            "episodes": len(returns),
            "seeds": [SEEDS[0], SEEDS[-1]],
            "ended_early": sum(over for _, _, over in episodes),
            "gymnasium": version("gymnasium"),
            "mujoco": version("mujoco"),
        },
    }


def main() -> None:
    """Measure, write, print."""
    run, name, note = Path(sys.argv[1]), sys.argv[2], " ".join(sys.argv[3:])
    arrays, read = neutral.read(run / "expert")
    expert = neutral.MLPExpert(make(read["env_id"], 1, {}, None, "auto", 1, None, []).spec, arrays, read, str(run))
    episodes = [play(expert, read["env_id"], seed) for seed in SEEDS]
    made = card(run, read, episodes)
    if note:
        made["note"] = note
    if name != "-":
        neutral.write(bundled.FOLDER / name, arrays, made)
    r = made["returns"]
    print(json.dumps(made, indent=1))
    made_by = f"{made['algorithm']}, {made['steps'] / 1e6:.2g}M steps, {made['minutes']:.0f} min"
    print(f"| `{name}` | {read['env_id']} | {r['mean']} ± {r['std']} | {r['min']} | {made_by} |")
    print(f"{r['ended_early']} of {r['episodes']} episodes ended before their time limit")


if __name__ == "__main__":
    main()
