"""A large table in a MATLAB file, read by stretches of its columns.

:class:`mien.io.mat.MatFile` reads whole variables, which for an hour of 17 columns at 1 kHz is half a
gigabyte. Here a stretch costs the memory of that stretch:

* version 7.3 is HDF5, which reads parts by itself;
* a variable of version 5 that is stored as it is lies column after column, so a stretch is a few seeks;
* a compressed one can only be inflated from its beginning. It is inflated once, on the first read, and the
  state of the decompressor is kept at every megabyte or so of its output (40 KB each, at most some 45 MB
  for any size). A later read takes up the nearest state and inflates from there. Nothing is written to disk.
"""

from __future__ import annotations

import bisect
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError
from mien.io.mat import _DTYPES, _STORED, MatFile, _damage_named, _Entry, _header, _open_element, _tag

_PIECE = 1 << 12
"""Compressed bytes taken at a time: zeros shrink a thousandfold, so this may give 4 MB."""
_STRIDE = 1 << 20
"""Output between two kept states, at least."""
_STATES = 1024
"""Kept states, at most."""


class Table:
    """A two-dimensional numeric variable.

    Parameters
    ----------
    file, name
        The MATLAB file and its variable.
    transposed
        Whether samples run along the second axis.

    Attributes
    ----------
    n_samples, n_columns : int
    """

    def __init__(self, file: MatFile, name: str, *, transposed: bool = False) -> None:
        entry = file._entry(name)
        if entry.kind not in _DTYPES or len(entry.shape) != 2:
            raise InputError(
                f"variable {name!r} is of class {entry.kind} and shape {entry.shape}",
                file=file.path,
                expected="a table of real numbers",
            )
        self.path, self.name, self._entry, self._transposed = file.path, name, entry, transposed
        self.n_samples, self.n_columns = entry.shape[::-1] if transposed else entry.shape
        with _damage_named(file.path, f"variable {name!r} is damaged"):
            self._values: _Hdf | _Flat = _Hdf(name) if file.version == "7.3" else _flat(file, entry, name)

    def read(self, columns: NDArray[np.intp], first: int, stop: int) -> NDArray[np.float64]:
        """Samples ``first`` to ``stop`` of some columns: (columns, samples).

        Raises
        ------
        InputError
            The bytes are damaged, or the file changed.
        """
        with _damage_named(self.path, f"variable {self.name!r} is damaged"), self.path.open("rb") as handle:
            if isinstance(self._values, _Hdf):
                return self._values.read(self.path, columns, first, stop, transposed=self._transposed)
            if self._transposed:
                flat = self._values.read(handle, first * self.n_columns, (stop - first) * self.n_columns)
                return flat.reshape(-1, self.n_columns).T[columns].astype(np.float64)
            out = np.empty((len(columns), stop - first))
            for row, column in zip(out, columns.tolist(), strict=True):
                row[:] = self._values.read(handle, column * self.n_samples + first, stop - first)
            return out


@dataclass(frozen=True)
class _Hdf:
    """Values of version 7.3, whose axes are reversed."""

    name: str

    def read(
        self, path: Path, columns: NDArray[np.intp], first: int, stop: int, *, transposed: bool
    ) -> NDArray[np.float64]:
        import h5py

        with h5py.File(path, "r") as file:
            item = file[self.name]
            if transposed:
                return np.asarray(item[first:stop].T[columns], dtype=np.float64)
            rows = [item[column, first:stop] for column in columns.tolist()]
        return np.asarray(rows, dtype=np.float64).reshape(len(columns), stop - first)


@dataclass
class _Flat:
    """Values of version 5 in their stored order: from ``begin``, in the file or in the inflated bytes."""

    dtype: np.dtype[Any]
    begin: int
    n_bytes: int
    inflated: _States | None = None

    def read(self, handle: BinaryIO, first: int, n: int) -> NDArray[Any]:
        """``n`` values from the one numbered ``first``."""
        at, size = first * self.dtype.itemsize, n * self.dtype.itemsize
        if self.inflated is not None:
            return np.frombuffer(self.inflated.read(handle, self.begin + at, size), dtype=self.dtype)
        handle.seek(self.begin + at)
        values = np.fromfile(handle, dtype=self.dtype, count=n)
        if len(values) < n:
            raise EOFError("its bytes end early")
        return values


def _flat(file: MatFile, entry: _Entry, name: str) -> _Flat:
    """Where the values of a variable begin and how they are stored."""
    with file.path.open("rb") as handle:
        stream = _Counted(_open_element(handle, entry))
        _header(stream, file._order)  # type: ignore[arg-type]
        code, size, inside = _tag(stream, file._order)  # type: ignore[arg-type]
        dtype = np.dtype(file._order + _STORED[code])
        if inside is not None or size != dtype.itemsize * entry.shape[0] * entry.shape[1]:
            raise ValueError(f"{size} bytes for shape {entry.shape} of {dtype.itemsize} bytes each")
        if not entry.compressed:
            return _Flat(dtype, handle.tell(), size)
    begin = 8 + stream.taken  # the tag of the matrix is inside
    states = _States(entry.offset, entry.size, begin + size)
    return _Flat(dtype, begin, size, states)


class _Counted:
    """A stream of :mod:`mien.io.mat` that counts what was taken."""

    def __init__(self, stream: Any) -> None:
        self._stream, self.taken = stream, 0

    def fill(self, view: memoryview) -> None:
        """Fills ``view`` with the next bytes."""
        self._stream.fill(view)
        self.taken += len(view)


@dataclass
class _States:
    """Inflated bytes of one element, from the nearest of the states that were kept on the way.

    Attributes
    ----------
    offset, size
        The compressed bytes in the file.
    total
        Inflated bytes that there must be, at least.
    """

    offset: int
    size: int
    total: int
    _places: list[int] = field(default_factory=list)
    _states: list[tuple[int, Any]] = field(default_factory=list)

    def __getstate__(self) -> dict[str, Any]:
        return {"offset": self.offset, "size": self.size, "total": self.total, "_places": [], "_states": []}

    def read(self, handle: BinaryIO, at: int, n: int) -> bytes:
        """``n`` inflated bytes from the one numbered ``at``."""
        if not self._states:
            self._keep(handle)
        nearest = bisect.bisect_right(self._places, at) - 1
        place, (taken, state) = self._places[nearest], self._states[nearest]
        state = state.copy()
        handle.seek(self.offset + taken)
        left, out = self.size - taken, bytearray()
        while len(out) < n:
            given = handle.read(min(_PIECE, left))
            if not given:
                raise EOFError("its compressed bytes end early")
            left -= len(given)
            part = state.decompress(given)
            out += part[max(at - place, 0) : max(at + n - place, 0)]
            place += len(part)
        return bytes(out)

    def _keep(self, handle: BinaryIO) -> None:
        """Inflates everything once; zlib compares the checksum at the end."""
        stride = max(_STRIDE, self.total // _STATES)
        state, place, left = zlib.decompressobj(), 0, self.size
        places, states = [0], [(0, state.copy())]
        handle.seek(self.offset)
        while left and not state.eof:
            given = handle.read(min(_PIECE, left))
            if not given:
                break
            left -= len(given)
            place += len(state.decompress(given))
            if place - places[-1] >= stride and not state.eof:
                places.append(place)
                states.append((self.size - left, state.copy()))
        if not state.eof or place < self.total:
            raise EOFError("its compressed bytes end early")
        self._places, self._states = places, states
