"""Searching with Optuna; the stand-in's objective is best at beta = 0.5."""

from math import isnan

import pytest
import yaml

pytest.importorskip("optuna")

SPACE = ["+hydra.sweeper.params.beta='interval(0, 1)'", "+hydra.sweeper.params.act='choice(none, raise, diverge)'"]
KNOBS = ["hydra/sweeper=search", "once=false", "rounds=1", "hydra.sweeper.trials=8", "hydra.sweeper.at_a_time=2"]


def test_failed_trials_end_nothing_and_the_best_is_confirmed_on_fresh_seeds(commands):
    output = commands.sweep(*KNOBS, *SPACE, "hydra.launcher.workers=2")
    rows = commands.rows()
    trials = [row for name, row in rows.items() if "seed" not in name]
    assert {row.state for row in trials} == {"ok", "failed"}
    values = [row.objective for row in trials if row.state == "ok"]
    assert any(map(isnan, values))
    best = yaml.safe_load((commands.cwd / "out" / "best.yaml").read_text())
    assert best["params"]["act"] == "none"
    assert best["searched"] == max(value for value in values if not isnan(value))
    assert best["confirmed"] == dict.fromkeys((100, 101, 102), best["searched"])
    assert "fresh seeds: mean" in output
    done = {name: row.attempts for name, row in rows.items() if row.state == "ok"}
    commands.resume()
    again = commands.rows()
    assert set(again) == set(rows), "the same results ask for the same trials"
    assert {name: again[name].attempts for name in done} == done


def test_a_search_waits_for_its_jobs(commands):
    commands.knobs = ()
    output = commands.sweep(*KNOBS, *SPACE, "hydra/launcher=slurm", "hydra.launcher.wait=false", code=1)
    assert "hydra.launcher.wait=false" in output
