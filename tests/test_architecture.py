"""The rules of the code base that a machine can check."""

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(p for top in ("il", "hydra_plugins") for p in (ROOT / top).rglob("*.py"))
SOURCES.append(ROOT / "launch.py")
LAYERS = """
    errors randomness state preempt provenance
    config restricted_pickle schedules command_line
    envs
    dataset
    policies experts.base
    actors
    play labels rollout
    demos
    experts
    backprop fit
    critics
    algos
    evaluate video
    run_dir unfinished loggers
    start rounds trainer
    assemble training
    sweep
    report evaluation
    __main__
""".strip().splitlines()
"""Parts of `il`, each importing from its own line and from those above it only. Concrete experts come after `rollout`:
some bring demonstrations."""
HEAVY = (
    "wandb stable_baselines3 sb3_contrib sbx jax matplotlib pandas scipy tensorboard huggingface_hub minari imageio"
).split()
MAX_LINES, MAX_FUNCTION = 300, 50


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(p): p for p in SOURCES if p.is_relative_to(ROOT / "il")}


def resolve(name: str) -> str | None:
    """Return the module of ours that a dotted name lies in: `il.fit.fit` lies in `il.fit`."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name or None


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs, which leaves out the blocks that only type checkers read."""
    yield tree
    typing_only = isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.unparse(tree.test)
    for child in tree.orelse if typing_only else ast.iter_child_nodes(tree):
        yield from nodes(child)


def imports(module: str) -> set[str]:
    """Return the modules of ours that one imports, at its top or later."""
    names: list[str] = []
    for node in nodes(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}:{node.lineno} imports relatively"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return {found for name in names if (found := resolve(name))} - {module}


def layer(module: str) -> int:
    """Return a module's line in LAYERS, by the longest name that fits; `il` itself is below everything."""
    name = module.removeprefix("il").removeprefix(".")
    while name:
        if found := [k for k, line in enumerate(LAYERS) if name in line.split()]:
            return found[0]
        name = name.rpartition(".")[0]
    assert module == "il", f"{module} has no place in LAYERS yet: say what it may import"
    return -1


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_what_lies_below(module):
    upwards = [other for other in imports(module) if layer(other) > layer(module)]
    assert not upwards, f"{module} imports {upwards}, which DESIGN puts above it"


def test_no_import_cycles():
    graphlib.TopologicalSorter({module: imports(module) for module in MODULES}).prepare()


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_short(path):
    text = path.read_text()
    lines = text.count("\n")
    assert lines <= MAX_LINES
    lengths = {
        f"line {node.lineno}, {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    too_long = {name: n for name, n in lengths.items() if n > MAX_FUNCTION}
    assert not too_long


def test_importing_everything_loads_nothing_heavy():
    code = f"""
import importlib, sys
for name in {sorted(MODULES)}:
    importlib.import_module(name)
print(*sorted({set(HEAVY)} & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []


def test_tracked_files_name_no_place_on_one_machine():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    private = re.compile(rb"(?<![\w.$}~-])/(?:home|root|Users|work|mnt|scratch)/\w")
    found = {}
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        data = path.read_bytes() if path.is_file() else b""
        if path != Path(__file__) and b"\0" not in data and (hit := private.search(data)):
            found[name] = hit.group().decode()
    assert not found
