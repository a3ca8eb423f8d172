"""Run directories in every state."""

import json
import shutil

import numpy as np
import pytest
import yaml

from il.errors import ConfigError
from il.report.reading import find_runs, read_run

COLUMN = "eval/return_mean"


def test_reads_what_was_written(make_run, tmp_path):
    path = make_run(tmp_path / "a", [1.0, 2.0, 4.0], final=3.5, seed=7, config={"algo": {"beta": [1, 0.5]}})
    run = read_run(path, [COLUMN])
    assert (run.status, run.seed, run.problems) == ("ok", 7, [])
    assert run.rows[COLUMN].tolist() == [1, 2, 4] and run.rows["round"].tolist() == [0, 1, 2]
    assert run.summary["test/last/return_mean"] == 3.5 and run.summary["test/last/returns#"] == 10
    assert run.config["algo.beta"] == "[1, 0.5]" and run.config["policy.fit.lr"] == 0.005
    assert run.config["env.kwargs"] == "{}"
    assert (run.names["env"], run.names["algo"], run.names["preset"]) == ("Ant-v5", "dagger", "null")


def test_blockwise_parsing_equals_the_whole(make_run, tmp_path):
    text = (
        "a: 1\nlist:\n- x: 1\n- y\ntext: 'two\n\n  lines'\nblock: |\n  k: v\n\n  w\nnested:\n  b: {c: null}\n  d: []\n"
    )
    path = make_run(tmp_path / "a", [1.0])
    (path / "config.yaml").write_text(text)
    parsed = read_run(path, []).config
    whole = yaml.safe_load(text)
    assert parsed["text"] == whole["text"] and parsed["block"] == whole["block"]
    assert json.loads(parsed["list"]) == whole["list"]
    assert parsed["nested.b.c"] is None and parsed["nested.d"] == "[]"
    (path / "config.yaml").write_text("a: &x {k: 1}\nb: *x\n")
    assert read_run(path, []).config == {"a.k": 1, "b.k": 1}


@pytest.mark.parametrize("damage", ["run.json", "config.yaml", "summary.json", "metrics.jsonl"])
@pytest.mark.parametrize("content", [None, "", "{\x00", "[1, 2", "- 1\n- 2", "\xff"])
def test_never_raises(make_run, tmp_path, damage, content):
    path = make_run(tmp_path / "a", [1.0, 2.0])
    if content is None:
        (path / damage).unlink()
    else:
        (path / damage).write_text(content)
    run = read_run(path, [COLUMN])
    assert run.path == path and len(run.rows[COLUMN]) in (0, 2)


def test_torn_repeated_and_missing_rows_are_named(make_run, tmp_path):
    path = make_run(tmp_path / "a", [1.0, 2.0, 4.0], rounds=[0, 1, 3])
    with (path / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"round": 1, COLUMN: 9.0}) + "\n" + '{"round": 4, "eval/ret')
    run = read_run(path, [COLUMN])
    assert run.rows["round"].tolist() == [0, 1, 3] and run.rows[COLUMN].tolist() == [1, 9, 4]
    said = " ".join(run.problems)
    assert "1 of 5 lines" in said and "1 of 4 rounds are missing" in said and "1 rows of metrics.jsonl repeat" in said


def test_odd_values_become_nan(make_run, tmp_path):
    path = make_run(tmp_path / "a", [1.0])
    odd = [float("nan"), None, "NaN", "text", [1], {}, True]
    lines = [json.dumps({"round": n, COLUMN: value}) for n, value in enumerate(odd)]
    (path / "metrics.jsonl").write_text("\n".join(lines))
    values = read_run(path, [COLUMN]).rows[COLUMN]
    assert np.isnan(values[:-1]).all() and values[-1] == 1


def test_finds_runs_in_natural_order_and_once(make_run, tmp_path):
    for seed in (10, 2):
        make_run(tmp_path / f"sweep/seed={seed}", [1.0])
    (tmp_path / "sweep/seed=2/wandb/run.json").parent.mkdir()
    shutil.copy(tmp_path / "sweep/seed=2/run.json", tmp_path / "sweep/seed=2/wandb/run.json")
    (tmp_path / "sweep/.jobs").mkdir()
    found = find_runs([tmp_path, tmp_path / "sweep/seed=2"])
    assert [p.name for p in found] == ["seed=2", "seed=10"]


def test_nothing_there_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="is not a directory"):
        find_runs([tmp_path / "nowhere"])
    with pytest.raises(ConfigError, match="no run below"):
        find_runs([tmp_path])
