"""Writes EDF and BDF recordings, byte by byte after the formats' descriptions (no library)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

LARGEST = {2: 2**15 - 1, 3: 2**23 - 1}


def write_edf(
    path: Path,
    data: Sequence[np.ndarray],
    *,
    rates: Sequence[float],
    names: Sequence[str],
    units: Sequence[str] | None = None,
    most: float = 400.0,
    kind: str = "",
) -> Path:
    """One record a second; ``data`` holds a row per channel in its own unit, of a whole number of seconds.

    ``most`` is the largest value that can be stored, in the channel's unit.
    """
    width = 3 if path.suffix == ".bdf" else 2
    units = units or ["uV"] * len(names)
    n_records = len(data[0]) // int(rates[0])
    top = LARGEST[width]
    head = (b"\xffBIOSEMI" if width == 3 else b"0       ") + b"X X X X".ljust(80)
    head += b"Startdate 01-JAN-2024 X X X".ljust(80) + b"01.01.2400.00.00"
    head += f"{256 * (len(names) + 1):<8}{kind:<44}{n_records:<8}{1:<8}{len(names):<4}".encode("latin-1")
    columns = [
        [f"{name:<16}" for name in names],
        [" " * 80 for _ in names],
        [f"{unit:<8}" for unit in units],
        *([f"{v:<8g}" for _ in names] for v in (-most, most)),
        *([f"{v:<8}" for _ in names] for v in (-top, top)),
        [" " * 80 for _ in names],
        [f"{int(rate):<8}" for rate in rates],
        [" " * 32 for _ in names],
    ]
    head += "".join(map("".join, columns)).encode("latin-1")
    records = []
    for i in range(n_records):
        for row, rate in zip(data, rates, strict=True):
            part = np.asarray(row)[int(i * rate) : int((i + 1) * rate)]
            stored = np.rint(part / most * top).astype("<i4")
            records.append(stored.view(np.uint8).reshape(-1, 4)[:, :width].tobytes())
    path.write_bytes(head + b"".join(records))
    return path
