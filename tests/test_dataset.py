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
    assert sorted(data["label"]) == [0, 1, 2, 3, 7, 8, 9, 10]
    data.append("d", chunk(11, 6), np.zeros(6, bool))
    assert sorted(data["label"]) == [2, 3, 11, 12, 13, 14, 15, 16]
    assert (data["obs"][:, 0] == data["label"]).all()


def test_more_rows_than_there_is_room_leave_the_last_ones():
    data = Dataset(COLUMNS, capacity=2, max_rows=5)
    data.append("a", chunk(0, 3), np.zeros(3, bool))
    data.append("b", chunk(3, 9), np.ones(9, bool))
    assert sorted(data["label"]) == [7, 8, 9, 10, 11]


def test_large_data_lie_in_a_file_that_goes_away_with_them(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("il.dataset.MEMORY_SHARE", 1e-9)
    small = Dataset(COLUMNS, capacity=1, max_rows=None)
    data = Dataset(COLUMNS, capacity=5000, max_rows=None)
    for k in range(4):
        data.append(f"{k}", chunk(3000 * k, 3000), np.zeros(3000, bool))
    assert data.in_file and not small.in_file
    assert np.array_equal(data["label"], np.arange(12_000)) and data["obs"][-1].tolist() == [11_999, -11_999]
    assert not list(tmp_path.iterdir())


def test_rows_that_make_room_are_the_oldest_whatever_the_sizes_of_the_rounds():
    data, rng = Dataset(COLUMNS, capacity=3, max_rows=40), np.random.default_rng(0)
    kept, start = [], 0
    for k in range(60):
        count = int(rng.integers(0, 25))
        protected = rng.random(count) < 0.2
        data.append(f"{k}", chunk(start, count), protected)
        while len(kept) + count > 40:
            kept.remove(next((row for row in kept if not row[1]), kept[0]))
        kept += zip(range(start, start + count), protected, strict=True)
        start += count
        assert sorted(data["label"]) == [number for number, _ in kept]


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
