"""Can a learner do better than its expert? AggreVaTeD against cloning and DAgger, from sub-optimal experts.

    python -m results.aggrevated                 all tables
    python -m results.aggrevated table=cartpole  one of cartpole, ppo, hopper

Writes results/aggrevated_TABLE.md after every row. Runs that are finished are not run again.
"""

import sys
from dataclasses import dataclass

from results.early_ppo import train
from results.runs import ROOT, cell, finished

FIT = "algo=aggrevated expert.critic=fit"
PPO = "outputs/results/aggrevated/ppo.zip"


@dataclass(frozen=True)
class Table:
    """One environment and expert."""

    title: str
    about: str
    common: str
    methods: dict[str, str]
    seeds: tuple[int, ...] = (20, 21, 22, 23, 24)
    """Not those that settings were chosen with (0 to 14)."""
    threshold: float = 1.3
    """Times the expert's return that counts as better."""


TABLES = {
    "cartpole": Table(
        "CartPole, a feedback law that drifts off",
        "The expert is `il.experts.controllers.cartpole_half`. Critics are fitted to its episodes (algo.critic).",
        "env=cartpole expert.name=cartpole_v1_half eval.every=5 test.episodes=50",
        {
            "cloning, 2000 labels": "algo=bc",
            "cloning, 20 000 labels": "algo=bc algo.first_steps=20000",
            "DAgger, 10 × 2000": "algo=dagger algo.steps=2000",
            "AggreVaTeD: exact, natural (default)": FIT,
            "score, natural": f"{FIT} algo.estimator=score",
            "executed r+γV(s')−V(s), natural": f"{FIT} algo.estimator=executed",
            "exact, Adam 3e-3": f"{FIT} algo.natural=false algo.adam.lr=3e-3",
            "executed, Q in [0, 1], α linear, Adam 3e-3": f"{FIT} algo.estimator=executed algo.signal=scaled "
            "algo.alpha=linear algo.natural=false algo.adam.lr=3e-3",
        },
    ),
    "ppo": Table(
        "CartPole, PPO stopped early",
        f"The expert is made by `python -m results.early_ppo out={PPO}`; its most likely actions are compared.",
        f"env=cartpole expert=sb3 expert.path={PPO} eval.every=5 test.episodes=50",
        {
            "cloning, 20 000 labels": "algo=bc algo.first_steps=20000",
            "AggreVaTeD: exact, natural, critic 280k steps": f"{FIT} algo.critic.steps=280000 "
            "algo.critic.fit.steps=4000",
            "the same, damping .1": f"{FIT} algo.critic.steps=280000 algo.critic.fit.steps=4000 algo.trust.damping=0.1",
        },
    ),
    "hopper": Table(
        "Hopper, SAC half trained",
        "The expert is the bundled `hopper_v5_half` with its own twin critics (soft Q), so that a row of the learner's "
        "costs a label. Methods start from 8000 expert steps.",
        "env=hopper expert.name=hopper_v5_half algo.first_steps=8000 eval.every=5 test.episodes=20",
        {
            "cloning": "algo=bc",
            "DAgger, 60 rounds": "algo=dagger algo.rounds=60",
            "AggreVaTeD: score, natural (default)": "algo=aggrevated",
            "the same, larger steps": "algo=aggrevated algo.trust.kl=0.01",
            "reparam, natural": "algo=aggrevated algo.estimator=reparam",
            "executed, natural": "algo=aggrevated algo.estimator=executed",
            "executed, Q in [0, 1], α linear, Adam 5e-4": "algo=aggrevated algo.estimator=executed algo.signal=scaled "
            "algo.alpha=linear algo.natural=false",
        },
        seeds=(10, 11, 12, 13, 14),
        threshold=1.0,
    ),
}


def command(table: str, number: int, method: str, seed: int | str) -> str:
    """Return the command behind one run."""
    common = TABLES[table].common
    out = f"results/aggrevated/{table}-{number}-{seed}"
    return f"python launch.py {method} {common} eval.stochastic=false logger=none seed={seed} out={out}"


def row(table: str, number: int, title: str, method: str) -> str:
    """Run one row's seeds and return it."""
    spec = TABLES[table]
    runs = [finished(command(table, number, method, seed)) for seed in spec.seeds]
    expert = runs[0]["test/expert/return_mean"]
    last, best = ([r[f"test/{which}/return_mean"] for r in runs] for which in ("last", "best"))
    better = [sum(x >= spec.threshold * expert for x in some) for some in (last, best)]
    each = ", ".join(f"{x:.0f}" for x in last)
    spent = [cell([r[k] for r in runs]) for k in ("expert_labels", "env_steps")]
    return (
        f"| {title} | {cell(last)} | {each} | {better[0]} of {len(runs)} | {min(last) / expert:.2f} | {cell(best)} | "
        f"{better[1]} of {len(runs)} | "
        f"{' | '.join(spent)} |"
    )


def write(name: str) -> None:
    """Make one table."""
    table = TABLES[name]
    if name == "ppo" and not (ROOT / PPO).exists():
        train(ROOT / PPO)
    good = f"≥ {table.threshold} × expert"
    lines = [
        f"# {table.title}",
        "",
        f"{table.about} Made by `python -m results.aggrevated table={name}`; a row's runs are",
        f"`{command(name, 0, 'METHOD', 'SEED').replace(f'{name}-0-SEED', 'NAME')}`",
        f"with SEED {', '.join(map(str, table.seeds))} and METHOD as below. Returns of the policy's mode over the test",
        "episodes, the same for all: mean over seeds with its 95 % t-interval, each seed's, how many reach",
        f"{table.threshold} × the expert, the worst seed by the expert; `best` is the round that scored best on 10",
        "evaluation episodes, every fifth round, for every method alike.",
        "",
        *(f"- {title}: `{method}`" for title, method in table.methods.items()),
        "",
        f"| method | last | each | {good} | worst / expert | best | {good} | labels | steps |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for number, (title, method) in enumerate(table.methods.items()):
        lines.append(row(name, number, title, method))
        expert = finished(command(name, number, method, table.seeds[0]))["test/expert/return_mean"]
        done = [*lines, f"| expert | {expert:.0f} | | | 1.00 | | | | |"]
        (ROOT / "results" / f"aggrevated_{name}.md").write_text("\n".join(done) + "\n")


if __name__ == "__main__":
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    for chosen in [given["table"]] if "table" in given else list(TABLES):
        write(chosen)
