"""Which code a sweep runs: recorded at launch, and on demand frozen."""

import hashlib
import shutil
import subprocess
from pathlib import Path

LARGEST = 1 << 20
"""Untracked files beyond this many bytes are data, not code: left out of diff and snapshot."""


def record_code(root: Path, into: Path) -> dict[str, str | bool | None]:
    """Record the state of the working tree that holds `root`.

    Args:
        root: folder of the code.
        into: existing folder that receives ``code-<hash>.diff`` when the tree differs from its last commit;
            new files are part of the diff.

    Returns:
        ``sha`` (null outside git), ``dirty``, ``diff`` (file name or null).
    """
    sha = _git(root, "rev-parse", "HEAD")
    if not sha:
        return {"sha": None, "dirty": False, "diff": None}
    diff = _git(root, "diff", "--no-ext-diff", "--binary", "HEAD") or b""
    for file in _untracked(root):
        diff += _git(root, "diff", "--no-ext-diff", "--binary", "--no-index", "--", "/dev/null", file) or b""
    name = f"code-{hashlib.sha256(diff).hexdigest()[:8]}.diff" if diff else None
    if name:
        (into / name).write_bytes(diff)
    return {"sha": sha.decode().strip(), "dirty": bool(diff), "diff": name}


def copy_code(root: Path, into: Path) -> None:
    """Copy the code below `root` (what git tracks or does not ignore; outside git, all of it) to a new folder."""
    listed = _git(root, "ls-files", "-z", "--cached")
    if not listed:
        skip = {".git", ".venv", "outputs", "__pycache__"}
        shutil.copytree(root, into, ignore=lambda dir, names: [n for n in names if n in skip or Path(dir, n) == into])
        return
    for name in [*filter(None, listed.decode().split("\0")), *_untracked(root)]:
        if (root / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, into / name)


def _untracked(root: Path) -> list[str]:
    listed = _git(root, "ls-files", "-z", "--others", "--exclude-standard") or b""
    names = filter(None, listed.decode().split("\0"))
    return [n for n in names if (root / n).is_file() and (root / n).stat().st_size <= LARGEST]


def _git(root: Path, *arguments: str) -> bytes | None:
    """Return what git prints; None when there is no git, or no repository (``diff --no-index`` exits with 1)."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, timeout=60, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode in (0, 1) else None
