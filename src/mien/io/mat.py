"""Variables of a MATLAB file, one at a time.

Opening a file reads its directory only (names, shapes, where each variable lies); reading a variable seeks to
it and costs that variable's memory, whatever else is in the file. Formats: Level 5 (``-v6``, ``-v7``) after
MathWorks' *MAT-File Format*, and 7.3, which is HDF5 with the axes in reverse order.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.text import natural_key
from mien.io._content import first_bytes

_EXPECTED = "a MATLAB file of version 5 or 7.3"
_AGAIN = "download the file again"
_MATRIX, _COMPRESSED = 14, 15
_CLASSES = dict(
    enumerate(("cell", "struct", "object", "char", "sparse", "double", "single", "int8", "uint8"), start=1)
) | dict(enumerate(("int16", "uint16", "int32", "uint32", "int64", "uint64", "function", "opaque"), start=10))
"""Number of a class in a Level 5 file to its name."""
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Number of a storage type in a Level 5 file (any array may be stored as small integers) to its dtype."""
_DTYPES = {
    **{"double": "f8", "single": "f4", "logical": "?"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2"},
    **{"int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8"},
}
"""Class to the dtype of what is read."""
_DAMAGE = (OSError, EOFError, KeyError, RuntimeError, ValueError, TypeError, AttributeError, OverflowError)
"""What a damaged file does to the libraries."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One variable: its MATLAB class and shape and, in a Level 5 file, the bytes that hold it."""

    kind: str
    shape: tuple[int, ...]
    offset: int = 0
    size: int = 0
    compressed: bool = False


class MatFile:
    """A MATLAB file whose variables are read when they are asked for.

    Holds no open file, so it can be kept, copied and sent to another process.

    Parameters
    ----------
    path
        The file.

    Attributes
    ----------
    path : Path
    version : ``"5"`` or ``"7.3"``

    Raises
    ------
    InputError
        The file is missing, empty, truncated, damaged, a web page, an archive, of MATLAB version 4, or no
        MATLAB file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        head = first_bytes(self.path, 2056, expected=_EXPECTED)
        self.version: Literal["5", "7.3"] = _version(self.path, head)
        self._order = ">" if head[126:128] == b"MI" else "<"
        entries = _scan_5(self.path, self._order) if self.version == "5" else _scan_73(self.path)
        self._entries = {name: entries[name] for name in sorted(entries, key=natural_key)}

    def __repr__(self) -> str:
        return f"MatFile({str(self.path)!r}, version {self.version}, {len(self._entries)} variables)"

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def names(self) -> tuple[str, ...]:
        """Names of the variables, ``"2"`` before ``"10"``."""
        return tuple(self._entries)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a variable as MATLAB shows it; reads no samples."""
        return self._entry(name).shape

    def kind(self, name: str) -> str:
        """MATLAB class of a variable: ``double``, ``cell``, ``struct``, …; reads no samples."""
        return self._entry(name).kind

    def dtype(self, name: str) -> np.dtype[Any]:
        """The dtype that :meth:`read` gives; reads no samples.

        Raises
        ------
        InputError
            There is no such variable, or it is not a real numeric array.
        """
        kind = self._entry(name).kind
        if kind not in _DTYPES:
            raise InputError(
                f"variable {name!r} is of class {kind}", file=self.path, expected="a real numeric array"
            )
        return np.dtype(_DTYPES[kind])

    def read(self, name: str) -> NDArray[Any]:
        """One variable as an array in MATLAB's shape and (column-major) memory order.

        Raises
        ------
        InputError
            There is no such variable, it is not a real numeric array, or its bytes are damaged.
        """
        dtype, entry = self.dtype(name), self._entry(name)
        with _damage_named(self.path, f"variable {name!r} is damaged"):
            if self.version == "5":
                return _read_5(entry, self.path, self._order).astype(dtype, copy=False)
            return _read_73(name, entry, self.path).astype(dtype, copy=False)

    def _entry(self, name: str) -> _Entry:
        if name not in self._entries:
            raise InputError(
                f"no variable {name!r}", file=self.path, expected=f"one of: {_some(list(self._entries))}"
            )
        return self._entries[name]


def _some(names: list[str], *, at_most: int = 12) -> str:
    """The names, or the first few of many."""
    if not names:
        return "(the file holds no variables)"
    more = f", … ({len(names)} in all)" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more


def _version(path: Path, head: bytes) -> Literal["5", "7.3"]:
    if head.startswith(b"MATLAB 7.3") or any(
        head[i : i + 8] == b"\x89HDF\r\n\x1a\n" for i in (0, 512, 1024, 2048)
    ):
        return "7.3"
    if len(head) >= 128 and head[126:128] in (b"IM", b"MI"):
        return "5"
    if head.startswith(b"MATLAB"):
        raise InputError("is truncated within its header", file=path, expected=_EXPECTED, remedy=_AGAIN)
    if _looks_like_4(head):
        raise InputError(
            "is a MATLAB file of version 4",
            file=path,
            expected=_EXPECTED,
            remedy="open it in MATLAB and save it with -v7",
        )
    raise InputError(
        f"is not a MATLAB file (it starts with {head[:12]!r})", file=path, expected=_EXPECTED, remedy=_AGAIN
    )


def _looks_like_4(head: bytes) -> bool:
    """Version 4 starts with five integers: code (below 5000), rows, columns, complex, length of the name."""
    if len(head) < 20:
        return False
    for order in "<>":
        code, rows, columns, imaginary, name = struct.unpack(f"{order}5i", head[:20])
        if 0 <= code < 5000 and rows >= 0 and columns >= 0 and imaginary in (0, 1) and 1 < name <= 64:
            return True
    return False


@contextmanager
def _damage_named(path: Path, what: str) -> Iterator[None]:
    """Turns what a damaged file does to the libraries into one clear line."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError("no such file", file=path, expected=_EXPECTED) from None
    except (*_DAMAGE, struct.error, zlib.error) as error:
        raise InputError(f"{what} ({error})", file=path, expected=_EXPECTED, remedy=_AGAIN) from error


class _Plain:
    """Bytes of an element that is stored as it is."""

    def __init__(self, handle: BinaryIO, entry: _Entry) -> None:
        self._handle, self._left = handle, entry.size
        handle.seek(entry.offset)

    def fill(self, view: memoryview) -> None:
        """Fills ``view`` with the next bytes."""
        if len(view) > self._left or self._handle.readinto(view) != len(view):  # type: ignore[attr-defined]
            raise EOFError("its bytes end early")
        self._left -= len(view)

    def finish(self) -> None:
        """Nothing to check: stored bytes carry no checksum."""


class _Inflated:
    """Bytes of a compressed element, inflated piece by piece."""

    def __init__(self, handle: BinaryIO, entry: _Entry) -> None:
        self._handle, self._left = handle, entry.size
        self._zlib = zlib.decompressobj()
        handle.seek(entry.offset)
        self.fill(memoryview(bytearray(8)))  # the tag of the matrix is inside

    def fill(self, view: memoryview) -> None:
        """Fills ``view`` with the next bytes."""
        done = 0
        while done < len(view):
            part = self._next(min(len(view) - done, 1 << 18))
            if not part and not self._left and not self._zlib.unconsumed_tail:
                raise EOFError("its compressed bytes end early")
            view[done : done + len(part)] = part
            done += len(part)

    def finish(self) -> None:
        """Runs to the end, where zlib compares the checksum."""
        while self._left or self._zlib.unconsumed_tail:
            self._next(1 << 16)
        self._zlib.flush()
        if not self._zlib.eof:
            raise EOFError("its compressed bytes end early")

    def _next(self, at_most: int) -> bytes:
        given = self._zlib.unconsumed_tail
        if not given and self._left:
            given = self._handle.read(min(self._left, 1 << 13))  # small: a directory needs little
            if not given:
                raise EOFError("its compressed bytes end early")
            self._left -= len(given)
        return self._zlib.decompress(given, at_most)


def _open_element(handle: BinaryIO, entry: _Entry) -> _Plain | _Inflated:
    return _Inflated(handle, entry) if entry.compressed else _Plain(handle, entry)


def _take(stream: _Plain | _Inflated, n_bytes: int) -> bytes:
    buffer = bytearray(n_bytes)
    stream.fill(memoryview(buffer))
    return bytes(buffer)


def _tag(stream: _Plain | _Inflated, order: str) -> tuple[int, int, bytes | None]:
    """Type and number of bytes of the next part; a small part carries up to four bytes in the tag itself."""
    raw = _take(stream, 8)
    code, size = struct.unpack(f"{order}II", raw)
    if code >> 16:
        return code & 0xFFFF, code >> 16, raw[4 : 4 + (code >> 16)]
    return code, size, None


def _part(stream: _Plain | _Inflated, order: str) -> bytes:
    """The bytes of the next part, which is short; parts are padded to eight bytes."""
    _, size, inside = _tag(stream, order)
    if inside is not None:
        return inside
    if size > 4096:
        raise ValueError(f"a header part of {size} bytes")
    return _take(stream, size + -size % 8)[:size]


def _header(stream: _Plain | _Inflated, order: str) -> tuple[str, tuple[int, ...], str]:
    """Class, shape and name of a variable."""
    flags = struct.unpack(f"{order}I", _part(stream, order)[:4])[0]
    kind = _CLASSES.get(flags & 0xFF, f"number {flags & 0xFF}")
    if kind == "opaque":
        return kind, (), _part(stream, order).decode("ascii")
    dimensions = _part(stream, order)
    shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions)
    name = _part(stream, order).decode("ascii")
    if any(n < 0 for n in shape):
        raise ValueError(f"shape {shape}")
    if flags & 0x200:
        kind = "logical"
    return (f"complex {kind}" if flags & 0x800 else kind), shape, name


def _scan_5(path: Path, order: str) -> dict[str, _Entry]:
    """Directory of a Level 5 file: walks from element to element, reading the first bytes of each."""
    end, position = path.stat().st_size, 128
    entries: dict[str, _Entry] = {}
    with _damage_named(path, "is damaged"), path.open("rb") as handle:
        while position < end:
            handle.seek(position)
            tag = handle.read(8)
            code, size = struct.unpack(f"{order}II", tag) if len(tag) == 8 else (_MATRIX, end)
            if code not in (_MATRIX, _COMPRESSED):
                raise ValueError(f"byte {position} starts no variable")
            if position + 8 + size > end:
                stop = position + 8 + size
                raise InputError(
                    f"is truncated: it ends at byte {end}, its last variable would end at byte {stop}",
                    file=path,
                    expected="a whole file",
                    remedy=_AGAIN,
                )
            where = _Entry(kind="", shape=(), offset=position + 8, size=size, compressed=code == _COMPRESSED)
            kind, shape, name = _header(_open_element(handle, where), order)
            if name:  # MATLAB's own workspace of objects has none
                entries[name] = replace(where, kind=kind, shape=shape)
            position += 8 + size
    return entries


def _read_5(entry: _Entry, path: Path, order: str) -> NDArray[Any]:
    with path.open("rb") as handle:
        stream = _open_element(handle, entry)
        kind, shape, _ = _header(stream, order)
        if (kind, shape) != (entry.kind, entry.shape):
            raise ValueError("the file changed since it was opened")
        code, size, inside = _tag(stream, order)
        stored = np.dtype(order + _STORED[code])
        if math.prod(shape) * stored.itemsize != size:
            raise ValueError(f"{size} bytes for shape {shape} of {stored.itemsize} bytes each")
        flat = np.empty(math.prod(shape), dtype=stored)
        if inside is not None:
            flat[:] = np.frombuffer(inside, dtype=flat.dtype)
        elif size:
            stream.fill(flat.view(np.uint8).data)
        stream.finish()
    return flat.reshape(shape, order="F")


def _scan_73(path: Path) -> dict[str, _Entry]:
    import h5py

    with _damage_named(path, "is truncated or damaged"), h5py.File(path, "r") as file:
        return {name: _entry_73(item) for name, item in file.items() if not name.startswith("#")}


def _entry_73(item: Any) -> _Entry:
    import h5py

    given = item.attrs.get("MATLAB_class", b"")
    kind = given.decode("latin-1") if isinstance(given, bytes) else str(given)
    if not isinstance(item, h5py.Dataset):
        return _Entry(kind=kind if kind and kind not in _DTYPES else "struct", shape=())
    if item.attrs.get("MATLAB_empty", 0):
        return _Entry(kind=kind or "double", shape=tuple(int(n) for n in item[()]))
    known = {np.dtype(code): name for name, code in _DTYPES.items()}
    if item.dtype.fields is not None:
        kind = f"complex {kind}".strip()
    elif item.dtype.hasobject:
        kind = kind if kind and kind not in _DTYPES else "cell"
    elif not kind:
        kind = known.get(item.dtype.newbyteorder("="), str(item.dtype))
    return _Entry(kind=kind, shape=tuple(reversed(item.shape)))


def _read_73(name: str, entry: _Entry, path: Path) -> NDArray[Any]:
    import h5py

    with h5py.File(path, "r") as file:
        item = file[name]
        if _entry_73(item) != entry:
            raise ValueError("the file changed since it was opened")
        if item.attrs.get("MATLAB_empty", 0):
            return np.empty(entry.shape)
        values: NDArray[Any] = item[()]
        return values.T
