"""CS285 homework 1: behavioural cloning and DAgger from the course's experts, with the course's settings.

    python -m results.course experts=DIR      the course's folder of Ant.pkl, …, beside its folder expert_data

Writes results/course.md after every row. Runs that are finished are not run again.
"""

import sys
from pathlib import Path
from statistics import mean

from results.runs import ROOT, cell, finished

TASKS = {"ant_v4": "Ant", "halfcheetah_v4": "HalfCheetah", "hopper_v4": "Hopper", "walker2d_v4": "Walker2d"}
METHODS = {"bc": "cloning", "dagger": "DAgger"}
SEEDS = (1, 2, 3)
WAYS = {
    "ours": ("as it is", ""),
    "gymnasium": ("gymnasium's own stepper", "env.backend=gymnasium"),
    "autograd": ("gradients by autograd", "policy.fit.backend=autograd"),
}
"""By end of a run's name: what it is, and its overrides."""
COMMAND = (
    "python launch.py preset=hw1 policy=gaussian algo={algo} env={env} expert=cs285 expert.path={experts}/{name}.pkl "
    "expert.demonstrations={experts}/../expert_data/expert_data_{name}-v4.pkl seed={seed} eval.every=10 "
    "eval.stochastic=false test.episodes=10 logger=none {way}out=results/course/{env}-{algo}-{seed}{end}"
)


def runs(env: str, algo: str, way: str, experts: Path | str) -> list[dict[str, float]]:
    """Run one cell's seeds, as far as they have not been run; return their final figures."""
    return [finished(command(env, TASKS[env], algo, seed, way, experts)) for seed in SEEDS]


def command(env: str, name: str, algo: str, seed: int | str, way: str, experts: Path | str) -> str:
    """Return the command behind one run."""
    overrides, end = (f"{WAYS[way][1]} ", f"-{way}") if WAYS[way][1] else ("", "")
    return COMMAND.format(env=env, name=name, algo=algo, seed=seed, way=overrides, end=end, experts=experts)


def shares(some: list[dict[str, float]]) -> list[float]:
    """Return what each reaches of its expert's return, in percent."""
    return [100 * s["test/last/return_mean"] / s["test/expert/return_mean"] for s in some]


def row(env: str, experts: Path) -> str:
    """Return one task's row of the first table."""
    cells, done = [], []
    for algo in METHODS:
        done = runs(env, algo, "ours", experts)
        cells += [f"{mean(shares(done)):.1f}%", ", ".join(f"{s:.1f}%" for s in shares(done))]
    labels, expert = mean(s["expert_labels"] for s in done), done[0]["test/expert/return_mean"]
    return f"| {TASKS[env]}-v4 | {expert:.0f} | {' | '.join(cells)} | {labels:.0f} |"


def ways(env: str, algo: str, experts: Path) -> str:
    """Return one row of the second table."""
    cells = " | ".join(cell(shares(runs(env, algo, way, experts)), 1) for way in WAYS)
    return f"| {TASKS[env]}-v4 | {METHODS[algo]} | {cells} |"


def write(first: list[str], second: list[str]) -> None:
    """Write what there is."""
    example = command("ENV", "TASK", "ALGO", "1|2|3", "ours", "DIR")
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
        *first,
        "",
        "## Speed changes nothing",
        "",
        "The same by the slower ways, which are there to check the quick ones, in percent of the expert with 95 %",
        "t-intervals over the seeds: "
        + ", ".join(f"{title} (`{knob}`)" for title, knob in list(WAYS.values())[1:])
        + ".",
        "",
        f"| task | method | {' | '.join(title for title, _ in WAYS.values())} |",
        "|---|---|" + "---|" * len(WAYS),
        *second,
    ]
    (ROOT / "results" / "course.md").write_text("\n".join(lines) + "\n")


def main(experts: Path) -> None:
    """Run everything and write the tables."""
    first: list[str] = []
    for env in TASKS:
        first.append(row(env, experts))
        write(first, [])
    second: list[str] = []
    for env in TASKS:
        for algo in METHODS:
            second.append(ways(env, algo, experts))
            write(first, second)


if __name__ == "__main__":
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    main(Path(given.get("experts", ROOT.parent / "shared/data/cs285/experts")).resolve())
