"""CS285 homework 1: behavioural cloning and DAgger from the course's experts, with the course's settings.

    python -m results.course experts=DIR      the course's folder of Ant.pkl, …, beside its folder expert_data

Writes results/course.md. Runs that are finished are not run again.
"""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parent.parent
TASKS = {"ant_v4": "Ant", "halfcheetah_v4": "HalfCheetah", "hopper_v4": "Hopper", "walker2d_v4": "Walker2d"}
SEEDS = (1, 2, 3)
COMMAND = (
    "python launch.py preset=hw1 policy=gaussian algo={algo} env={env} expert=cs285 expert.path={experts}/{name}.pkl "
    "expert.demonstrations={experts}/../expert_data/expert_data_{name}-v4.pkl seed={seed} eval.every=10 "
    "eval.stochastic=false test.episodes=10 logger=none out=results/course/{env}-{algo}-{seed}"
)


def run(**chosen: object) -> dict[str, float]:
    """Run one line of the table, if it has not been run; return its final figures."""
    command = COMMAND.format(**chosen)
    argv = [sys.executable, *shlex.split(command)[1:]]
    subprocess.run(argv, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    out = command.split("out=")[1]
    summary: dict[str, float] = json.loads((ROOT / "outputs" / out / "summary.json").read_text())
    return summary


def main(experts: Path) -> None:
    """Run everything and write the table."""
    example = COMMAND.format(algo="ALGO", env="ENV", experts="DIR", name="TASK", seed="1|2|3")
    lines = [
        "# Course settings, course experts",
        "",
        "Made by `python -m results.course experts=DIR`; a row's runs are",
        f"`{example}`.",
        "",
        "Return of the *last* policy (its mean action) over 10 test episodes, as a share of the expert's on the same",
        "episodes: mean of 3 seeds, and each seed. Cloning sees the course's 2 episodes (2000 labels), DAgger ends",
        "with the labels in the last column after 10 rounds.",
        "",
        "| task | expert | cloning | each seed | DAgger | each seed | labels |",
        "|---|---|---|---|---|---|---|",
    ]
    for env, name in TASKS.items():
        cells, labels, expert = [], 0.0, 0.0
        for algo in ("bc", "dagger"):
            done = [run(algo=algo, env=env, experts=experts, name=name, seed=seed) for seed in SEEDS]
            shares = [s["test/last/return_mean"] / s["test/expert/return_mean"] for s in done]
            cells += [f"{mean(shares):.1%}", ", ".join(f"{s:.1%}" for s in shares)]
            labels, expert = mean(s["expert_labels"] for s in done), done[0]["test/expert/return_mean"]
        lines.append(f"| {name}-v4 | {expert:.0f} | {' | '.join(cells)} | {labels:.0f} |")
        (ROOT / "results" / "course.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    main(Path(given.get("experts", ROOT.parent / "shared/data/cs285/experts")).resolve())
