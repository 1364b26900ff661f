"""Pickles of plain arrays, read without running anything that is in them.

A pickle is a program: unpickling one can run any function. Here a pickle may hold arrays of numbers,
dictionaries, lists, tuples, text, integers and floating-point numbers and nothing else. The few names that a
pickled array needs are answered by stand-ins written in Python, so that not even NumPy's own functions see
what a stranger wrote; every other name is refused. Pickles of Python 2 are read as well (text as latin-1).
"""

from __future__ import annotations

import io
import math
import pickle
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.io._content import first_bytes

_PLAIN = "arrays of numbers, dict, list, tuple, str, int and float"
_AGAIN = "download the file again"
_PATIENCE = 50
"""How deep containers may lie in one another: more than any data, less than Python's stack."""
BROKEN = (
    *(AttributeError, EOFError, IndexError, KeyError, MemoryError, OverflowError, RecursionError),
    *(TypeError, ValueError, pickle.UnpicklingError, struct.error),
)
"""What a damaged pickle makes Python raise."""


def read_pickle(path: str | Path) -> Any:
    """What a pickle file holds, see :func:`plain_pickle`."""
    path = Path(path)
    first_bytes(path, 2, expected="a pickle of plain arrays")
    with path.open("rb") as handle:
        return _loaded(handle, file=path, what="the file")


def plain_pickle(raw: bytes, *, file: str | Path, what: str = "the pickle") -> Any:
    """The value of a pickle of plain data; runs nothing that is in it.

    Parameters
    ----------
    raw
        The bytes.
    file, what
        Where they are from, for messages.

    Returns
    -------
    object
        Arrays of numbers, dict, list, tuple, str, int (also bool) and float, nested as they were.

    Raises
    ------
    InputError
        The bytes name anything else, or are damaged.
    """
    return _loaded(io.BytesIO(raw), file=file, what=what)


def _loaded(handle: IO[bytes], *, file: str | Path, what: str) -> Any:
    try:
        return _Plain().clean(_Unpickler(handle, encoding="latin1").load())
    except _Refused as error:
        raise InputError(
            f"{what} holds {error}, which is refused", file=file, expected=f"a pickle of {_PLAIN} only"
        ) from None
    except BROKEN as error:
        raise InputError(
            f"{what} is no readable pickle ({error})",
            file=file,
            expected=f"a pickle of {_PLAIN} only",
            remedy=_AGAIN,
        ) from None


class _Refused(Exception):
    """A pickle that holds more than plain data."""


class _Dtype:
    """Stands in for ``numpy.dtype``: a boolean, an integer or a floating-point number, and its byte order."""

    def __init__(self, code: object = None, *_: object) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        self.order = "=" if state[1] == "|" else str(state[1])

    def real(self) -> np.dtype[Any]:
        if not (isinstance(self.code, str) and re.fullmatch(r"b1|[iu][1248]|f[248]", self.code)):
            raise _Refused(f"an array of {self.code!r}")
        if self.order not in ("=", "<", ">"):
            raise _Refused(f"an array of byte order {self.order!r}")
        native: np.dtype[Any] = np.dtype(self.code)
        return native if self.order == "=" else native.newbyteorder("<" if self.order == "<" else ">")


class _Array:
    """Stands in for ``numpy.ndarray``: shape, type, order and bytes until all is checked."""

    def __init__(self, *state: Any) -> None:
        self.state: tuple[Any, ...] = state

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, is_fortran, content = state
        self.state = (content, dtype, shape, "F" if is_fortran else "C")

    def real(self) -> NDArray[Any]:
        if len(self.state) != 4:
            raise _Refused("an array without content")
        content, dtype, shape, order = self.state
        self.state = ()  # so that text does not stay beside its bytes: a file of DEAP has 100 MB of it
        if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple):
            raise _Refused("an array of no known type")
        real = dtype.real()
        if isinstance(content, str):  # how Python 2 wrote bytes
            content = content.encode("latin1")
        if not isinstance(content, bytes | bytearray) or not all(type(n) is int and n >= 0 for n in shape):
            raise _Refused("an array of Python objects")
        if len(shape) > 32 or math.prod(shape) * real.itemsize != len(content):
            raise ValueError(f"{len(content)} bytes for shape {shape} of {real.itemsize} bytes each")
        flat = np.frombuffer(content, dtype=real).astype(real.newbyteorder("="))
        return flat.reshape(shape, order="F" if order == "F" else "C")


def _reconstruct(kind: Any, *_: object) -> _Array:
    if kind is not _Array:
        raise _Refused("an array of no known type")
    return _Array()


def _encode(text: Any, encoding: Any = None) -> bytes:
    """How protocol 2 writes bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise _Refused(f"a call to encode as {encoding!r}")
    return text.encode("latin1")


def _no_bytes(*given: object) -> bytes:
    """How protocol 2 writes no bytes."""
    if given:
        raise _Refused("a call to bytes")
    return b""


class _Function:
    """A function that a pickle may call and can set nothing on."""

    __slots__ = ("_run",)

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run

    def __call__(self, *given: object) -> Any:
        return self._run(*given)

    def __setstate__(self, state: object) -> None:
        raise _Refused("changes to a function")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _Function(_encode),
    ("__builtin__", "bytes"): _Function(_no_bytes),
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Function(_reconstruct) for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _Array for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    """Knows the names a pickled array needs, and no others."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise _Refused(f"the name {module}.{name}")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise _Refused("a reference to something outside it")


class _Plain:
    """Turns stand-ins into arrays and refuses whatever is not plain; what is shared is turned once."""

    def __init__(self) -> None:
        self._done: dict[int, Any] = {}

    def clean(self, value: Any, depth: int = 0) -> Any:
        if type(value) in (str, int, float, bool):
            return value
        if id(value) not in self._done:
            if depth > _PATIENCE:
                raise _Refused(f"containers nested more than {_PATIENCE} deep")
            self._done[id(value)] = self._clean(value, depth + 1)
        return self._done[id(value)]

    def _clean(self, value: Any, depth: int) -> Any:
        if type(value) is _Array:
            return value.real()
        if type(value) is dict:
            if not all(type(key) in (str, int, float, bool, tuple) for key in value):
                raise _Refused("a dictionary whose keys are no plain values")
            return {self.clean(k, depth): self.clean(v, depth) for k, v in value.items()}
        if type(value) in (list, tuple):
            return type(value)(self.clean(v, depth) for v in value)
        raise _Refused(f"a value of type {type(value).__name__.lstrip('_')}")
