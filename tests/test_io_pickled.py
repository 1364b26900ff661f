"""Pickles from strangers: plain data come out as they went in, and nothing is run."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mien.core import InputError
from mien.io.npz import NpzFile
from mien.io.pickled import plain_pickle, read_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def back(value: Any, protocol: int = 4) -> Any:
    return plain_pickle(pickle.dumps(value, protocol), file="file")


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return type(b) is dict and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_data_come_back_as_they_were(protocol: int) -> None:
    data = {
        0: np.arange(6.0).reshape(2, 3),
        1: np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
        2: np.zeros((0, 3)),
        3: np.array(2.5),
        4: np.array([True, False]),
        "words": [1, -2.5, "x", (True, ()), {"a": "\u00e9"}, 1 << 70],
    }
    assert same(data, back(data, protocol))


@settings(max_examples=60)
@given(
    values=hnp.arrays(
        st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.int16]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ).filter(lambda a: not np.isnan(a).any()),
    protocol=st.sampled_from(list(PROTOCOLS)),
)
def test_any_array_of_numbers_comes_back(values: np.ndarray, protocol: int) -> None:
    assert same(values, back(values, protocol))


def test_big_endian_numbers_come_back_as_the_machine_keeps_them() -> None:
    found = back(np.array([1.5, -2.0], dtype=">f4"))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [1.5, -2.0])


def test_an_array_can_be_changed_and_does_not_share_memory() -> None:
    array = np.arange(3.0)
    one, other = back([array, array]), back([array, array])
    one[0][0] = 9.0
    assert other[0][0] == 0.0


def test_a_pickle_of_python_2_is_read() -> None:
    # (protocol 2 of Python 2.7, NumPy 1.16): numpy.array([1.0, 2.0]), whose bytes are a str there
    raw = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02\x85"
        b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x10" + struct.pack("<2d", 1.0, 2.0) + b"tb."
    )
    np.testing.assert_array_equal(plain_pickle(raw, file="file"), [1.0, 2.0])


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function: Callable[..., Any], *given: Any) -> None:
        self.reduced = (function, given)

    def __reduce__(self) -> Any:
        return self.reduced


class Fan:
    pass


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda flag: Call(os.mkdir, flag), "mkdir"),
        (lambda flag: Call(os.system, f"mkdir {flag}"), "system"),
        (lambda flag: Call(eval, f"__import__('os').mkdir({flag!r})"), "eval"),
        (lambda flag: {0: [Call(exec, f"import os; os.mkdir({flag!r})")]}, "exec"),
        (lambda flag: np.array([Call(os.mkdir, flag)], dtype=object), "mkdir|Python objects|'O8'"),
    ],
)
def test_a_malicious_pickle_is_refused_and_not_run(
    tmp_path: Path, make: Callable[[str], Any], name: str, protocol: int
) -> None:
    flag = tmp_path / "run"
    raw = pickle.dumps(make(str(flag)), protocol)
    with pytest.raises(InputError, match=rf"(?s)holds .*({name}).*refused.*expected a pickle of arrays"):
        plain_pickle(raw, file="file")
    np.savez(tmp_path / "a.npz", data=np.bytes_(raw))
    with pytest.raises(InputError, match=r"a\.npz: array 'data' holds"):
        NpzFile(tmp_path / "a.npz").unpickle("data")
    assert not flag.exists()
    pickle.loads(pickle.dumps(Call(os.mkdir, str(flag))))  # noqa: S301  the trap works where nobody looks
    assert flag.exists()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.float64(3.0), "scalar"),
        (b"bytes", "bytes"),
        (None, "NoneType"),
        ({1, 2}, "set"),
        (2j, "complex"),
        (print, "print"),
        (range(3), "range"),
        (Fan(), "Fan"),
        (OrderedDict(a=1), "OrderedDict"),
        (np.array(["a"]), "'U1'"),
        (np.array([None]), "'O8'"),
        (np.zeros(2, dtype=[("a", "f8")]), "'V8'"),
        (np.zeros(2, dtype="M8[s]"), "'M8'"),
        (np.zeros(2, dtype=complex), "'c16'"),
        (np.ma.array([1.0]), "the name numpy.ma"),
    ],
)
def test_whatever_else_a_pickle_holds_is_refused(value: Any, says: str) -> None:
    with pytest.raises(InputError, match=f"holds .*{says}.*refused"):
        back(value)


NEW_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
"""What every pickled array begins with; its state follows."""


def frames(*parts: bytes) -> bytes:
    return b"\x80\x04" + b"".join(parts) + b"."


def test_an_array_of_pointers_cannot_be_made_from_bytes() -> None:
    """State set on a type after the fact: the bytes of the array would be taken for addresses."""
    dtype = b"cnumpy\ndtype\nX\x02\x00\x00\x00V8K\x00K\x01\x87R"
    state = b"(K\x03X\x01\x00\x00\x00|NX\x01\x00\x00\x00a\x85NK\x08K\x01K\x00tb"
    raw = frames(NEW_ARRAY, b"(K\x01K\x01\x85", dtype, state, b"\x89C\x08AAAAAAAAtb")
    with pytest.raises(InputError, match="an array of 'V8'"):
        plain_pickle(raw, file="file")


def test_nothing_can_be_set_on_the_functions_a_pickle_may_call() -> None:
    change = frames(b"c_codecs\nencode\n", b"}X\x03\x00\x00\x00abcK\x01sb")
    with pytest.raises(InputError, match="changes to a function"):
        plain_pickle(change, file="file")


def test_only_latin1_is_encoded() -> None:
    with pytest.raises(InputError, match="a call to encode as 'zlib'"):
        plain_pickle(frames(b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x04\x00\x00\x00zlibtR"), file="file")


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InputError, match="nested more than 50 deep"):
        back(endless)


def test_what_is_shared_is_not_multiplied() -> None:
    level: Any = [0.0]
    for _ in range(40):
        level = [level, level]  # two to the fortieth ends, if each is made anew
    assert type(back(level)) is list


@pytest.mark.parametrize("shape", [(2,), (1 << 62,), (-1,), (1, -1), (1.0,), [1]])
def test_a_shape_that_its_bytes_do_not_fill_is_refused(shape: Any) -> None:
    dtype = b"cnumpy\ndtype\nX\x02\x00\x00\x00f8K\x00K\x01\x87R"
    raw = frames(NEW_ARRAY, b"(K\x01", pickle.dumps(shape, 2)[2:-1], dtype, b"\x89C\x08AAAAAAAAtb")
    with pytest.raises(InputError, match=r"8 bytes for shape|Python objects|no known type"):
        plain_pickle(raw, file="file")


@pytest.mark.parametrize("keep", [0, 1, 2, 10, 40, -1])
def test_a_cut_pickle_is_one_clear_line(keep: int) -> None:
    raw = pickle.dumps({0: np.arange(6.0)}, 4)[:keep]
    with pytest.raises(InputError, match=r"^a\.npz: array 'data' is no readable pickle") as caught:
        plain_pickle(raw, file="a.npz", what="array 'data'")
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=60), st.integers(0, 200))
def test_any_bytes_give_plain_data_or_one_error(noise: bytes, at: int) -> None:
    good = pickle.dumps({0: np.arange(4.0), 1: [1, "a"]}, 3)
    for raw in (noise, good[:at] + noise + good[at + len(noise) :]):
        with contextlib.suppress(InputError):  # any other error fails the test
            plain_pickle(raw, file="file")


def test_a_pickle_file(tmp_path: Path) -> None:
    path = tmp_path / "1_1"
    path.write_bytes(pickle.dumps({"train_data_eye": np.eye(3)}, 2))
    np.testing.assert_array_equal(read_pickle(path)["train_data_eye"], np.eye(3))
    with pytest.raises(InputError, match="no such file"):
        read_pickle(tmp_path / "a")
    path.write_bytes(b"<html>")
    with pytest.raises(InputError, match="is a web page"):
        read_pickle(path)


def test_reading_leaves_pickle_as_it_was() -> None:
    """The stand-ins are ours alone: what others unpickle afterwards is not touched."""
    back(np.arange(3.0))
    assert type(pickle.load(io.BytesIO(pickle.dumps(np.arange(3.0))))) is np.ndarray  # noqa: S301  our bytes
