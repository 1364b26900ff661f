"""Writes Neuroscan ``.cnt`` files for tests; its numbers are literals of the format."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

EVENT_FORMS = {1: "<HBBi", 2: "<HBBihhfBBB", 3: "<HBBihhfBBB"}


def write_cnt(
    path: Path,
    stored: NDArray[Any],
    *,
    names: Sequence[str] | None = None,
    rate: int = 1000,
    baseline: Sequence[int] | None = None,
    sensitivity: Sequence[float] | None = None,
    calibration: Sequence[float] | None = None,
    events: Sequence[tuple[Any, ...]] = (),
    event_type: int = 2,
    dtype: str = "<i4",
    n_samples: int | None = None,
    n_channels: int | None = None,
    pointer: int | None = None,
    table: bool = True,
    block: int = 0,
    started: tuple[str, str] = ("10/15/22", "14:25:34"),
) -> Path:
    """One recording of converter values (samples, channels).

    ``events``: (sample, code) or (sample, code, keyboard, keypad byte). ``n_samples``, ``n_channels`` and
    ``pointer`` (to the event table) put something else in the header than what is true.
    """
    n, width = stored.shape
    names = names if names is not None else [f"C{i + 1}" for i in range(width)]
    begin = 900 + 75 * width
    frame = np.dtype(dtype).itemsize * width
    end = begin + n * frame
    head = bytearray(900)
    head[0:11] = b"Version 3.0"
    head[225 : 225 + len(started[0])] = started[0].encode()
    head[235 : 235 + len(started[1])] = started[1].encode()
    struct.pack_into("<H", head, 370, width if n_channels is None else n_channels)
    struct.pack_into("<H", head, 376, rate)
    struct.pack_into("<I", head, 864, n if n_samples is None else n_samples)
    struct.pack_into("<i", head, 886, end if pointer is None else pointer)
    struct.pack_into("<i", head, 894, block)
    out = [bytes(head)]
    for i, name in enumerate(names):
        channel = bytearray(75)
        channel[0 : len(name)] = name.encode("latin-1")
        struct.pack_into("<h", channel, 47, 0 if baseline is None else baseline[i])
        struct.pack_into("<f", channel, 59, 1.0 if sensitivity is None else sensitivity[i])
        struct.pack_into("<f", channel, 71, 1.0 if calibration is None else calibration[i])
        out.append(bytes(channel))
    out.append(np.ascontiguousarray(stored, dtype=dtype).tobytes())
    if table:
        form = EVENT_FORMS[event_type]
        rows = b""
        for sample, code, *keys in events:
            keyboard, keypad = keys or (0, 0)
            place = begin + sample * frame
            at = -(-place // frame) if event_type == 3 else place
            rest = () if event_type == 1 else (0, 0, 0.0, 0, 0, 0)
            rows += struct.pack(form, code, keyboard, keypad, at, *rest)
        out.append(struct.pack("<Bii", event_type, len(rows), 0) + rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(out))
    return path
