"""Reading pickles of strangers: numbers come out, nothing of theirs runs.

A pickle names the functions and classes that rebuild its content. Here each name is looked up in a fixed table,
and what stands in the table is our own: even numpy's constructors are replaced, since a forged dtype could make
numpy read raw bytes as object pointers.
"""

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from il.errors import ConfigError, nearest

PLAIN_KINDS = "biufcSU"
"""Kinds of dtype that hold no Python objects."""


class Inert:
    """Takes the place of any object: keeps its state as data and has no behaviour."""

    state: Any = None

    def __new__(cls, *args: Any, **options: Any) -> "Inert":
        """Ignore what the real constructor would have got."""
        return super().__new__(cls)

    def __init__(self, *args: Any, **options: Any):
        """See `__new__`."""

    def __setstate__(self, state: Any) -> None:
        self.__dict__["state"] = state


class _Dtype:
    """A dtype of numbers or text; never one with fields or objects."""

    __slots__ = ("plain",)

    def __init__(self, name: str, *_: Any):
        self.plain = np.dtype(name)
        if self.plain.kind not in PLAIN_KINDS or self.plain.fields or self.plain.subdtype:
            raise pickle.UnpicklingError(f"it holds an array of {name!r}, not of numbers")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take the byte order and nothing else."""
        if state[1] in ("<", ">"):
            self.plain = self.plain.newbyteorder(state[1])


class _Array(np.ndarray):
    """An array whose content is checked before numpy sees it."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        super().__setstate__((1, shape, _plain(dtype), bool(fortran), _bytes(raw)))  # type: ignore[arg-type]


def _plain(dtype: Any) -> np.dtype:
    if not isinstance(dtype, _Dtype):
        raise pickle.UnpicklingError("it holds an array without a dtype")
    return dtype.plain


def _bytes(raw: Any) -> bytes:
    """Undo Python 2, whose bytes arrive as text."""
    return raw.encode("latin1") if isinstance(raw, str) else memoryview(raw).tobytes()


class _Call:
    """A function that a pickle may call; without attributes, so it cannot be changed either."""

    __slots__ = ()

    def __call__(self, *args: Any) -> Any:
        raise NotImplementedError


class _Reconstruct(_Call):
    def __call__(self, *_: Any) -> Any:
        return np.empty(0, np.int8).view(_Array)


class _FromBuffer(_Call):
    def __call__(self, raw: Any, dtype: Any, shape: Any, order: Any) -> Any:
        return np.frombuffer(_bytes(raw), _plain(dtype)).reshape(shape, order=order)


class _Scalar(_Call):
    def __call__(self, dtype: Any, raw: Any) -> Any:
        return np.frombuffer(_bytes(raw), _plain(dtype))[0]


class _Encode(_Call):
    """How protocol 2 writes bytes."""

    def __call__(self, text: str, encoding: str = "latin1") -> bytes:
        if encoding not in ("latin1", "latin-1"):
            raise pickle.UnpicklingError(f"it asks for the codec {encoding!r}")
        return text.encode("latin1")


NUMPY: Mapping[tuple[str, str], Any] = {
    **{
        (f"numpy.{core}.{module}", name): stand_in
        for core in ("core", "_core")
        for module, name, stand_in in [
            ("multiarray", "_reconstruct", _Reconstruct()),
            ("multiarray", "scalar", _Scalar()),
            ("numeric", "_frombuffer", _FromBuffer()),
        ]
    },
    ("numpy", "ndarray"): _Call(),
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _Encode(),
    ("collections", "OrderedDict"): OrderedDict,
}
"""Globals of a pickle that holds arrays, dicts, lists, text and numbers, under old and new names of numpy."""


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, allow: Mapping[tuple[str, str], Any]):
        super().__init__(file, encoding="latin1")
        self.allow = allow
        self.refused: str | None = None

    def find_class(self, module: str, name: str) -> Any:
        """Look the name up in the table; a key ``(package, "*")`` stands for all of a package."""
        parts = module.split(".")
        packages = [(".".join(parts[: k + 1]), "*") for k in range(len(parts))]
        for key in [(module, name), *packages]:
            if key in self.allow:
                return self.allow[key]
        self.refused = f"{module}.{name}"
        raise pickle.UnpicklingError(self.refused)


def load(path: Path, allow: Mapping[tuple[str, str], Any] = NUMPY) -> Any:
    """Read a pickle without letting it run anything.

    Args:
        path: the file.
        allow: what each ``(module, name)`` in the file stands for; ``(package, "*")`` covers a whole package. Map
            classes of which only the state matters to `Inert`.

    Returns:
        The content: dicts, lists, numbers, text, arrays (pass them through ``np.asarray``) and what `allow` brings.

    Raises:
        ConfigError: when the file is missing, damaged, or names anything that `allow` does not.
    """
    path = Path(path)
    if not path.is_file():
        hint = nearest(path.name, [p.name for p in path.parent.glob(f"*{path.suffix}")])
        raise ConfigError(f"there is no file {path}{hint}; give the path of a pickle")
    with path.open("rb") as file:
        unpickler = _Unpickler(file, allow)
        try:
            return unpickler.load()
        except Exception as error:  # damaged bytes can make the unpickler raise anything
            raise ConfigError(_why(path, unpickler.refused, error)) from None


def _why(path: Path, refused: str | None, error: Exception) -> str:
    if refused is not None:
        return f"{path} was refused: it wants to use {refused}, and only arrays and plain data are read from pickles"
    if isinstance(error, pickle.UnpicklingError) and str(error).startswith("it "):
        return f"{path} was refused: {error}"
    said = " ".join(f"{type(error).__name__}: {error}".split())[:100]
    return f"{path} is truncated or is not a pickle ({said}); get the file again"
