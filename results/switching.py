"""SwitchDAgger, SMILe, DAgger and cloning at equal labels, with the course's experts and settings.

    python -m results.switching experts=DIR      the folder of Hopper.pkl and Walker2d.pkl

Writes results/switching.md after every row. Runs that are finished are not run again.
"""

import sys
from pathlib import Path

from results.runs import ROOT, cell, finished

TASKS = {"hopper_v4": "Hopper", "walker2d_v4": "Walker2d"}
SEEDS = (1, 2, 3)
LABELS = 11_000
METHODS = {
    "cloning": f"algo=bc algo.first_steps={LABELS}",
    "DAgger": "algo=dagger",
    **{
        f"SwitchDAgger α={alpha}{', aggregated' if aggregate else ''}": f"algo=switch_dagger algo.alpha={alpha} "
        f"algo.aggregate={str(aggregate).lower()}"
        for alpha in (0.9, 0.99, 0.999)
        for aggregate in (False, True)
    },
    "SMILe α=0.1": "algo=smile",
}
COMMAND = (
    "python launch.py preset=hw1 policy=gaussian {method} env={env} expert=cs285 expert.path={expert} seed={seed} "
    f"budget.labels={LABELS} eval.stochastic=false test.episodes=20 logger=none "
    "out=results/switching/{env}-{name}-{seed}"
)


def name(method: str) -> str:
    """Return a directory's name for a method's knobs."""
    return "-".join(part.split("=")[1] for part in method.split())


def row(env: str, title: str, method: str, experts: Path) -> str:
    """Run one row's seeds and return it."""
    runs = [
        finished(
            COMMAND.format(method=method, env=env, expert=experts / f"{TASKS[env]}.pkl", seed=seed, name=name(method))
        )
        for seed in SEEDS
    ]
    shares = {
        which: [100 * r[f"test/{which}/return_mean"] / r["test/expert/return_mean"] for r in runs]
        for which in ("last", "current", "best")
        if f"test/{which}/return_mean" in runs[0]
    }
    cells = [cell(shares[which]) if which in shares else "" for which in ("last", "current", "best")]
    spent = [cell([r[k] for r in runs]) for k in ("expert_labels", "expert_steps", "env_steps")]
    return f"| {title} | {' | '.join(cells + spent)} |"


def main(experts: Path) -> None:
    """Make the tables."""
    lines = [
        "# Switching and mixing at equal labels",
        "",
        "Made by `python -m results.switching experts=DIR`; a row's runs are",
        f"`{COMMAND.format(method='METHOD', env='ENV', expert='DIR/TASK.pkl', seed='1|2|3', name='NAME')}`",
        "with METHOD as in the list below; 10 rounds, or fewer where the labels run out first. Returns over 20 test",
        "episodes in % of the expert's on the same episodes: mean over 3 seeds and its 95 % t-interval, which is wide",
        "with three seeds. `last` is what the algorithm ends with (SwitchDAgger: π^N), `current` is π̂^N, `best` the",
        "round whose `last` scored best on 10 evaluation episodes, for every method alike. Expert steps are those at",
        "which the expert drove.",
        "",
        *(f"- {title}: `{method}`" for title, method in METHODS.items()),
    ]
    for env, task in TASKS.items():
        lines += [
            "",
            f"## {task}-v4",
            "",
            "| method | last, % | current, % | best, % | labels | expert steps | steps |",
            "|---|---|---|---|---|---|---|",
        ]
        for title, method in METHODS.items():
            lines.append(row(env, title, method, experts))
            (ROOT / "results" / "switching.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    main(Path(given.get("experts", ROOT.parent / "shared/data/cs285/experts")).resolve())
