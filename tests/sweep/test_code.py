import subprocess

import pytest

from il.sweep.code import LARGEST, copy_code, record_code


def git(root, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run(["git", "-C", root, *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    (root / "pkg").mkdir(parents=True)
    (root / "pkg" / "a.py").write_text("a = 1\n")
    (root / ".gitignore").write_text("outputs/\n")
    git(root, "init")
    git(root, "add", ".")
    git(root, "commit", "-m", "first")
    return root


def test_a_clean_tree_is_its_commit(tree, tmp_path):
    record = record_code(tree, tmp_path)
    assert len(record["sha"]) == 40 and not record["dirty"] and record["diff"] is None


def test_the_diff_brings_a_clean_tree_to_the_same_state(tree, tmp_path):
    (tree / "pkg" / "a.py").write_text("a = 2\n")
    (tree / "pkg" / "new.py").write_text("b = 3\n")
    (tree / "weights.bin").write_bytes(b"0" * (LARGEST + 1))
    record = record_code(tree, tmp_path)
    assert record["dirty"]
    clone = tmp_path / "clone"
    git(tmp_path, "clone", tree, clone)
    git(clone, "checkout", record["sha"])
    git(clone, "apply", tmp_path / record["diff"])
    assert (clone / "pkg" / "a.py").read_text() == "a = 2\n"
    assert (clone / "pkg" / "new.py").read_text() == "b = 3\n"
    assert not (clone / "weights.bin").exists()


def test_a_copy_has_the_code_as_it_is_and_nothing_ignored(tree):
    (tree / "pkg" / "a.py").write_text("a = 2\n")
    (tree / "new.py").write_text("")
    copy = tree / "outputs" / "s" / "code"
    copy_code(tree, copy)
    assert sorted(str(p.relative_to(copy)) for p in copy.rglob("*") if p.is_file()) == [
        ".gitignore",
        "new.py",
        "pkg/a.py",
    ]
    assert (copy / "pkg" / "a.py").read_text() == "a = 2\n"


def test_outside_git_nothing_is_claimed_and_all_is_copied(tmp_path):
    root = tmp_path / "plain"
    root.mkdir()
    (root / "a.py").write_text("")
    assert record_code(root, tmp_path)["sha"] is None
    copy_code(root, root / "x" / "code")
    assert [p.name for p in (root / "x" / "code").iterdir()] == ["a.py"]
