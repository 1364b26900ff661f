"""Writing what AcqKnowledge exports to MATLAB, block by block."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import scipy.io
from numpy.typing import NDArray

from mien.simulate._lines import held_codes

_HEADER = b"MATLAB 5.0 MAT-file, made-up data written by mien simulate"
_HIGH = 5.0
_LARGEST = 2**32 - 256
"""Bytes that one variable of a MAT 5 file can hold."""


def write_biopac(
    path: Path,
    blocks: Iterable[NDArray[np.floating]],
    *,
    labels: Sequence[str],
    units: Sequence[str] | None,
    rate: float,
    n_samples: int,
    markers: Sequence[tuple[int, int]] = (),
    hold: int = 20,
    lines: Sequence[int] = tuple(range(8, 16)),
) -> int:
    """Write one recording as an uncompressed MAT 5 file with ``data`` (samples, columns) of doubles.

    Parameters
    ----------
    blocks
        Consecutive pieces (columns, times) of all columns but the digital lines, in the units of the file,
        ``n_samples`` in all; one is in memory at a time.
    labels
        Of all columns.
    units
        Of all columns, as AcqKnowledge spells them (``"Volts"``, ``"microsiemens"``, ``"deg C"``, …); None
        leaves the variable out.
    rate
        Samples per second.
    markers
        (sample, code from 1 to 255), in the order of time. A code is on for ``hold`` samples or until the
        next begins.
    lines
        Columns of the digital lines, the lowest bit first: 0 or 5 V.

    Returns
    -------
    int
        Number of samples written.

    Raises
    ------
    ValueError
        The blocks hold another number of samples than ``n_samples``, or too many for the format.
    """
    n_columns, n_bytes = len(labels), 8 * n_samples * len(labels)
    if n_bytes > _LARGEST:
        raise ValueError(f"{path}: {n_bytes:,} bytes are too many for one variable of a MAT 5 file")
    others = [k for k in range(n_columns) if k not in set(lines)]
    codes = held_codes(markers, n_samples, hold=hold)
    done = 0
    with path.open("w+b") as file:
        scipy.io.savemat(file, _about(labels, units, rate), oned_as="row")
        file.write(_matrix_head("data", n_samples, n_columns))
        begin = file.tell()
        file.truncate(begin + n_bytes)
        for block in blocks:
            n = block.shape[1]
            on = codes[done : done + n]
            columns = {k: row.astype("<f8") for k, row in zip(others, block, strict=True)}
            columns |= {k: _HIGH * ((on >> bit) & 1).astype("<f8") for bit, k in enumerate(lines)}
            for k in range(n_columns):
                file.seek(begin + 8 * (k * n_samples + done))
                file.write(columns[k].data)
            done += n
        file.seek(0)
        file.write(_HEADER.ljust(116))  # in the place of the date that SciPy writes
    if done != n_samples:
        raise ValueError(f"{path}: {done} samples were given, {n_samples} promised")
    return done


def _about(labels: Sequence[str], units: Sequence[str] | None, rate: float) -> dict[str, object]:
    """The small variables that AcqKnowledge puts beside ``data``."""
    about: dict[str, object] = {
        "isi": 1000.0 / rate,
        "isi_units": "ms",
        "labels": np.array(list(labels)),
        "start_sample": 0.0,
    }
    return about if units is None else {**about, "units": np.array(list(units))}


def _matrix_head(name: str, rows: int, columns: int) -> bytes:
    """Everything of a matrix of doubles that comes before its values."""

    def part(kind: int, content: bytes) -> bytes:
        return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)

    values = 8 * rows * columns
    inside = part(6, struct.pack("<II", 6, 0)) + part(5, struct.pack("<ii", rows, columns))
    inside += part(1, name.encode("ascii")) + struct.pack("<II", 9, values)
    return struct.pack("<II", 14, len(inside) + values) + inside
