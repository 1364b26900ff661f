"""Writing Neuroscan ``.cnt`` files, block by block.

Layout: the SETUP, ELECTLOC, TEEG and EVENT2 structures as collected by Paul Bourke
(https://paulbourke.net/dataformats/eeg/), 32-bit samples.
"""

from __future__ import annotations

import datetime
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_HEADER, _CHANNEL = 900, 75
_COUNTS_PER_UNIT = 204.8
_EVENT = struct.Struct("<HBBihhfBBB")
_EVENT_TYPE = 2


@dataclass(frozen=True, kw_only=True)
class Electrode:
    """One channel's header: µV = (stored - ``baseline``) × ``sensitivity`` × ``calibration`` / 204.8."""

    name: str
    sensitivity: float
    calibration: float = 1.0
    baseline: int = 0
    position: tuple[float, float] = (0.0, 0.0)

    @property
    def microvolt_per_count(self) -> float:
        """Size of one step of the converter, from the numbers as the file keeps them (float32)."""
        return float(np.float32(self.sensitivity)) * float(np.float32(self.calibration)) / _COUNTS_PER_UNIT


def write_cnt(
    path: Path,
    blocks: Iterable[NDArray[np.floating]],
    *,
    electrodes: Sequence[Electrode],
    rate: int,
    events: Sequence[tuple[int, int]],
    start: datetime.datetime,
    subject: str,
) -> int:
    """Write one continuous recording.

    Parameters
    ----------
    blocks
        Consecutive pieces (channels, times) in µV, in the order of ``electrodes``; one is in memory at a
        time.
    rate
        Samples per second.
    events
        (sample, code), in the order of time.
    start
        Date and time of day for the header, which keeps whole seconds.
    subject
        Identification for the header.

    Returns
    -------
    int
        Number of samples written. Positions in the file beyond 2 GiB are stored as they overflow in 32 bits,
        as acquisition programs do.
    """
    step = np.array([[e.microvolt_per_count] for e in electrodes])
    baseline = np.array([[e.baseline] for e in electrodes])
    limit = np.iinfo(np.int32)
    first = _HEADER + _CHANNEL * len(electrodes)
    frame = 4 * len(electrodes)
    n_samples = 0
    with path.open("wb") as file:
        file.seek(first)
        for block in blocks:
            counts = np.rint(block / step) + baseline
            stored = np.clip(counts, limit.min, limit.max).T.astype("<i4")
            file.write(np.ascontiguousarray(stored).data)
            n_samples += block.shape[1]
        table = first + frame * n_samples
        file.write(struct.pack("<Bii", _EVENT_TYPE, _EVENT.size * len(events), 0))
        for sample, code in events:
            file.write(_EVENT.pack(code, 0, 0, _wrap(first + frame * sample), 0, 0, 0.0, 0, 0, 0))
        file.seek(0)
        file.write(
            _setup(len(electrodes), rate=rate, n_samples=n_samples, table=table, start=start, subject=subject)
        )
        for electrode in electrodes:
            file.write(_electloc(electrode))
    return n_samples


def _wrap(position: int) -> int:
    return (position + 2**31) % 2**32 - 2**31


def _setup(
    n_channels: int, *, rate: int, n_samples: int, table: int, start: datetime.datetime, subject: str
) -> bytes:
    header = bytearray(_HEADER)

    def put(at: int, form: str, *values: object) -> None:
        struct.pack_into("<" + form, header, at, *values)

    put(0, "12s", b"Version 3.0")
    put(20, "b", 1)  # continuous
    put(21, "20s", subject.encode("ascii"))
    put(121, "20s", b"made up")
    put(143, "2s", b"UU")  # sex and hand unknown
    put(225, "10s", start.strftime("%m/%d/%y").encode("ascii"))
    put(235, "12s", start.strftime("%H:%M:%S").encode("ascii"))
    put(370, "H", n_channels)
    put(376, "H", rate)
    put(864, "I", n_samples)
    put(886, "i", _wrap(table))
    put(890, "f", n_samples / rate)
    return bytes(header)


def _electloc(electrode: Electrode) -> bytes:
    header = bytearray(_CHANNEL)
    struct.pack_into("<10s", header, 0, electrode.name.encode("ascii"))
    struct.pack_into("<ff", header, 19, electrode.position[0], -electrode.position[1])
    struct.pack_into("<h", header, 47, electrode.baseline)
    struct.pack_into("<f", header, 59, electrode.sensitivity)
    struct.pack_into("<f", header, 71, electrode.calibration)
    return bytes(header)
