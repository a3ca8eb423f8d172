"""Which parameters of a part do anything: read from its source, because `instantiate` reads every key itself."""

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


@functools.cache
def loaded_attributes() -> frozenset[str]:
    """Return every x that our code reads as ``something.x``, or by name: ``getattr(something, "x")``."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "il").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    attributes = {n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)}
    keys = {n.slice.value for n in nodes if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Constant)}
    return frozenset(attributes | {k for k in keys if isinstance(k, str)})


def is_read(target: Callable[..., Any], name: str) -> bool:
    """Tell whether a parameter of a class or function is used for more than being checked.

    What is handed on to another part of ours must be used there; what is kept as an attribute must be read somewhere.
    """
    if isinstance(target, type) and "__init__" not in vars(target) and hasattr(target, "__dataclass_fields__"):
        return name in loaded_attributes()
    owner = next((k for k in target.__mro__ if "__init__" in vars(k)), None) if isinstance(target, type) else None
    function = inspect.unwrap(owner.__init__ if owner else target)  # type: ignore[misc]
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    return any(_used(statement, name, function, owner) for statement in _statements(definition.body))


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Leave out what only refuses values."""
    yield from (statement for statement in body if not _refuses(statement))


def _refuses(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.If | ast.For) and not statement.orelse:
        return all(_refuses(inner) for inner in statement.body)
    return isinstance(statement, ast.Raise)


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load) for n in ast.walk(node))


def _used(statement: ast.stmt, name: str, function: Any, owner: type | None) -> bool:
    if not _mentions(statement, name):
        return False
    if isinstance(statement, ast.If | ast.For | ast.With | ast.Try):
        headers = [getattr(statement, "test", None), getattr(statement, "iter", None)]
        inside = [*statement.body, *getattr(statement, "orelse", [])]
        return any(h is not None and _mentions(h, name) for h in headers) or any(
            _used(s, name, function, owner) for s in _statements(inside)
        )
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Attribute | ast.Tuple):
        return any(_kept(target, value, name) for target, value in _pairs(statement.targets[0], statement.value))
    return _handed_on(statement, name, function, owner)


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


def _kept(target: ast.expr, value: ast.expr, name: str) -> bool:
    if not _mentions(value, name):
        return False
    return not isinstance(target, ast.Attribute) or target.attr in loaded_attributes()


def _handed_on(statement: ast.stmt, name: str, function: Any, owner: type | None) -> bool:
    """Follow the parameter into a call of ours that is all the statement does with it."""
    calls = [c for c in ast.walk(statement) if isinstance(c, ast.Call) and _direct(c, name)]
    followed = [(_callee(call, function, owner), call) for call in calls]
    spread = any(k.arg is None for call in calls for k in call.keywords)  # **knobs: their names are looked up apart
    if not calls or spread or any(callee is None for callee, _ in followed):
        return True
    return any(is_read(callee, given) for callee, call in followed for given in _given(callee, call, name))


def _direct(call: ast.Call, name: str) -> bool:
    values = [*call.args, *(k.value for k in call.keywords)]
    return any(isinstance(v, ast.Name) and v.id == name for v in values)


def _callee(call: ast.Call, function: Any, owner: type | None) -> Any:
    """Return what is called where it is ours and known, else None."""
    text = ast.unparse(call.func)
    if text == "super().__init__" and owner is not None:
        found: Any = next(k for k in owner.__mro__[1:] if "__init__" in vars(k))
    else:
        found = function.__globals__.get(text)
    return found if getattr(found, "__module__", "").startswith("il.") and callable(found) else None


def _given(callee: Any, call: ast.Call, name: str) -> list[str]:
    parameters = list(inspect.signature(callee).parameters)
    by_place = [parameters[k] for k, v in enumerate(call.args) if isinstance(v, ast.Name) and v.id == name]
    return by_place + [k.arg for k in call.keywords if k.arg and isinstance(k.value, ast.Name) and k.value.id == name]
