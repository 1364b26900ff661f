"""Short texts and numbers in a MATLAB file: what stands beside a table."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from mien.io.mat import MatFile, _damage_named


def texts_of(file: MatFile, name: str) -> tuple[str, ...] | None:
    """Rows of a character array, or cells that hold text, without blanks at the end; None where there is no
    such variable, or it holds something else.

    Raises
    ------
    InputError
        Its bytes are damaged.
    """
    if name not in file or file.kind(name) not in ("char", "cell"):
        return None
    with _damage_named(file.path, f"variable {name!r} is damaged"):
        found = _texts_5(file, name) if file.version == "5" else _texts_73(file, name)
    return None if found is None else tuple(text.rstrip("\0 ").strip() for text in found)


def number_of(file: MatFile, name: str) -> float | None:
    """A variable that is one number; None where there is none."""
    if name not in file or file.kind(name) in ("char", "cell", "struct") or len(file.shape(name)) != 2:
        return None
    return float(file.read(name)[0, 0]) if file.shape(name) == (1, 1) else None


def _texts_5(file: MatFile, name: str) -> Sequence[str] | None:
    import scipy.io

    entry = file._entry(name)
    with file.path.open(
        "rb"
    ) as handle:  # a file of this variable alone: SciPy would go through those before it
        alone = handle.read(128)
        handle.seek(entry.offset - 8)
        alone += handle.read(8 + entry.size)
    value: Any = scipy.io.loadmat(io.BytesIO(alone), chars_as_strings=True)[name]
    if value.dtype.kind == "U":
        return [str(row) for row in value.ravel()]
    cells = [np.ravel(cell) for cell in value.ravel()]
    # a cell that holds nothing comes as an array without elements
    if any(cell.size and cell.dtype.kind != "U" for cell in cells):
        return None
    return [str(cell[0]) if cell.size else "" for cell in cells]


def _texts_73(file: MatFile, name: str) -> Sequence[str] | None:
    import h5py

    def rows(item: Any) -> list[str]:
        if item.attrs.get("MATLAB_empty", 0):
            return [""]
        codes = np.atleast_2d(np.asarray(item[()], dtype=np.uint16)).T
        return ["".join(map(chr, row)) for row in codes]

    with h5py.File(file.path, "r") as opened:
        item = opened[name]
        if not item.dtype.hasobject:
            return rows(item)
        cells = [opened[reference] for reference in item[()].T.ravel()]
        if any(cell.dtype.kind not in "u" for cell in cells):
            return None
        return [rows(cell)[0] for cell in cells]
