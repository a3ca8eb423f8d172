"""Aggregation, room, storage."""

import numpy as np

from il.dataset import Dataset
from il.state import load_tree, save_tree

COLUMNS = {"obs": ((2,), np.float32), "label": ((), np.int64)}


def chunk(start, count):
    numbers = np.arange(start, start + count)
    return {"obs": np.stack([numbers, -numbers], 1).astype(np.float32), "label": numbers}


def test_rows_accumulate_beyond_the_planned_capacity():
    data = Dataset(COLUMNS, capacity=5, max_rows=None)
    for k in range(4):
        data.append(f"{k}", chunk(3 * k, 3), np.zeros(3, bool))
    assert data["label"].tolist() == list(range(12)) and data["obs"][11].tolist() == [11, -11]


def test_the_oldest_unprotected_rows_make_room():
    data = Dataset(COLUMNS, capacity=100, max_rows=8)
    data.append("a", chunk(0, 4), np.ones(4, bool))
    data.append("b", chunk(4, 4), np.zeros(4, bool))
    data.append("c", chunk(8, 3), np.zeros(3, bool))
    assert data["label"].tolist() == [0, 1, 2, 3, 7, 8, 9, 10]
    data.append("d", chunk(11, 6), np.zeros(6, bool))
    assert data["label"].tolist() == [2, 3, 11, 12, 13, 14, 15, 16]


def test_stored_chunks_rebuild_the_data_and_are_written_once(tmp_path):
    data = Dataset(COLUMNS, capacity=10, max_rows=7)
    for k in range(3):
        data.append(f"{k}", chunk(3 * k, 3), np.arange(3) == k)
        (tmp_path / f"state{k}").mkdir()
        save_tree(data.state_dict(), tmp_path / f"state{k}", tmp_path)
    stamps = [(tmp_path / "data" / f"{k}.npz").stat().st_mtime_ns for k in range(3)]
    assert stamps == sorted(stamps) and len(set(stamps)) == 3
    other = Dataset(COLUMNS, capacity=10, max_rows=7)
    other.load_state_dict(load_tree(tmp_path / "state2", tmp_path))
    assert np.array_equal(other["obs"], data["obs"]) and np.array_equal(other["label"], data["label"])
    other.append("3", chunk(50, 2), np.zeros(2, bool))
    data.append("3", chunk(50, 2), np.zeros(2, bool))
    assert np.array_equal(other["label"], data["label"])


def test_samples_are_uniform():
    data = Dataset(COLUMNS, capacity=10, max_rows=None)
    data.append("a", chunk(0, 10), np.zeros(10, bool))
    counts = np.bincount(data.sample(np.random.default_rng(0), 1000, 20).ravel(), minlength=10)
    assert counts.sum() == 10_000 and ((counts - 1000) ** 2 / 1000).sum() < 27.9  # χ², 9 degrees of freedom
