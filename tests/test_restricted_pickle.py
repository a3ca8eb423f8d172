import collections
import os
import pickle
import struct
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from il.errors import ConfigError
from il.restricted_pickle import NUMPY, Inert, load


def write(path: Path, content, protocol: int = 5) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path


class Payload:
    """Leaves a file behind when unpickled naively."""

    def __init__(self, function, *args):
        self.reduced = (function, args)

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", range(2, 6))
def test_plain_data_and_arrays_come_back(tmp_path, protocol):
    arrays = {
        "f": np.arange(6, dtype=np.float32).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.arange(3, dtype=">f8"),
        "bool": np.array([True, False]),
        "text": np.array(["ab", "c"]),
    }
    plain = [1, (2.0, b"xyz\xff"), None, collections.OrderedDict(a=1), np.float64(2.5), np.int64(-3)]
    back_arrays, back_plain = load(write(tmp_path / "x.pkl", (arrays, plain), protocol))
    assert back_plain == plain
    for key, value in arrays.items():
        np.testing.assert_array_equal(np.asarray(back_arrays[key]), value)


def test_a_python_2_pickle(tmp_path):
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    raw = b"\x80\x02" + array + b"(K\x01K\x03\x85" + dtype + b"\x89U\x03\x00\x01\xfftb."
    np.testing.assert_array_equal(load(write(tmp_path / "x.pkl", raw)), [0, 1, 255])


@pytest.mark.parametrize("name", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_old_and_new_numpy_names_without_a_warning(tmp_path, name):
    raw = pickle.dumps(np.arange(4.0), 2).replace(b"numpy._core.multiarray", name.encode())
    assert name.encode() in raw
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(load(write(tmp_path / "x.pkl", raw)), np.arange(4.0))


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (os.system, "system"),
        (os.mkdir, "mkdir"),
        (eval, "builtins.eval"),
        (exec, "builtins.exec"),
        (getattr, "builtins.getattr"),
        (np.load, "numpy.load"),
        (np.fromfile, "numpy.fromfile"),
    ],
)
def test_a_foreign_global_is_refused_and_does_not_run(tmp_path, function, named):
    trace = tmp_path / "trace"
    argument = {os.mkdir: str(trace), eval: f"__import__('os').mkdir({str(trace)!r})"}.get(function, f"mkdir {trace}")
    path = write(tmp_path / "x.pkl", [np.arange(3), Payload(function, argument)])
    with pytest.raises(ConfigError, match=named) as error:
        load(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)
    assert not trace.exists()


def test_dotted_names_do_not_reach_through_an_allowed_class(tmp_path):
    raw = b"\x80\x04\x8c\x05numpy\x8c\x0fdtype.__class__\x93."
    with pytest.raises(ConfigError, match=r"numpy\.dtype\.__class__"):
        load(write(tmp_path / "x.pkl", raw))


def test_forged_dtypes_are_refused(tmp_path):
    forged = np.dtype([("a", "O")]), np.dtype("O")
    for dtype in forged:
        with pytest.raises(ConfigError, match="not of numbers"):
            load(write(tmp_path / "x.pkl", np.empty(1, dtype)))

    def dtype(name: str, flags: int) -> bytes:
        text = b"\x8c" + bytes([len(name)]) + name.encode()
        state = pickle.dumps((3, "|", None, None, None, 8, 1, flags), 4)[2:-1]
        return b"\x8c\x05numpy\x8c\x05dtype\x93" + text + b"\x89\x88\x87R" + state + b"b"

    raw = struct.pack("<q", 0x4141414141414141)
    body = b"\x80\x04\x8c\x16numpy._core.multiarray\x8c\x06scalar\x93" + dtype("O8", 0)
    body += b"C\x08" + raw + b"\x86R."
    with pytest.raises(ConfigError, match="not of numbers"):
        load(write(tmp_path / "x.pkl", body))


def test_a_stand_in_cannot_be_changed_from_inside(tmp_path):
    change = b"\x80\x04\x8c\x03gym\x8c\x03Box\x93N}\x8c\x0c__setstate__\x8c\x01xs\x86b."
    before = dict(vars(Inert))
    with pytest.raises(ConfigError):
        load(write(tmp_path / "x.pkl", change), {("gym", "*"): Inert})
    assert dict(vars(Inert)) == before


def test_a_package_can_stand_for_inert_objects(tmp_path):
    path = write(tmp_path / "x.pkl", SimpleNamespace(a=np.arange(2), b=3))
    with pytest.raises(ConfigError, match=r"types\.SimpleNamespace"):
        load(path)
    back = load(path, {**NUMPY, ("types", "*"): Inert})
    assert isinstance(back, Inert) and back.state["b"] == 3


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_one_clear_line(tmp_path, share):
    whole = pickle.dumps({"a": np.arange(1000.0)})
    path = write(tmp_path / "x.pkl", whole[: int(share * len(whole))])
    with pytest.raises(ConfigError, match="truncated or is not a pickle") as error:
        load(path)
    assert "\n" not in str(error.value)


def test_random_bytes_and_flipped_bytes_never_raise_anything_else(tmp_path):
    rng = np.random.default_rng(0)
    whole = bytearray(pickle.dumps({"a": np.arange(5.0), "b": [1, "x"]}, 2))
    for _ in range(300):
        damaged = bytearray(whole)
        for at in rng.integers(len(whole), size=3):
            damaged[at] = rng.integers(256)
        try:
            load(write(tmp_path / "x.pkl", bytes(damaged)))
        except ConfigError as error:
            assert "\n" not in str(error)


def test_a_missing_file_names_its_neighbour(tmp_path):
    write(tmp_path / "Hopper.pkl", 1)
    with pytest.raises(ConfigError, match=r"did you mean 'Hopper\.pkl'"):
        load(tmp_path / "Hoper.pkl")


def test_course_pickles_are_readable(shared):
    data = shared / "data"
    for path in [*data.glob("cs285/experts/*.pkl"), *data.glob("cs285/expert_data/*.pkl")]:
        assert load(path)
