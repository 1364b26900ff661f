"""Writing BioSemi's BDF: 24-bit samples in records of one second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_LOWEST, _HIGHEST = -(2**23), 2**23 - 1


@dataclass(frozen=True, kw_only=True)
class BdfChannel:
    """A channel as its header tells: physical values from ``low`` to ``high`` are all that can be stored.

    With ``low`` and ``high`` left as they are, a step is one: the values are stored as they are.
    """

    name: str
    unit: str
    low: int = _LOWEST
    high: int = _HIGHEST

    def stored(self, values: NDArray[np.float64]) -> NDArray[np.int32]:
        """Digital values, clipped to what can be stored."""
        scale = (_HIGHEST - _LOWEST) / (self.high - self.low)
        return np.clip(np.rint((values - self.low) * scale + _LOWEST), _LOWEST, _HIGHEST).astype(np.int32)


def write_bdf(
    path: Path, channels: Sequence[BdfChannel], records: Iterable[NDArray[np.float64]], *, rate: int, n: int
) -> None:
    """Write a recording.

    Parameters
    ----------
    records
        ``n`` arrays (channels, rate), one second each, in physical units; one is in memory at a time.
    rate
        Samples per second of all channels.
    n
        How many records there are.
    """
    with path.open("wb") as file:
        file.write(_header(channels, rate=rate, n=n))
        for record in records:
            digital = np.stack([c.stored(row) for c, row in zip(channels, record, strict=True)])
            file.write(digital.astype("<i4")[..., None].view(np.uint8)[..., :3].tobytes())


def _header(channels: Sequence[BdfChannel], *, rate: int, n: int) -> bytes:
    def fields(width: int, values: Iterable[object]) -> bytes:
        return b"".join(str(v).encode("ascii").ljust(width)[:width] for v in values)

    count = len(channels)
    first = b"\xffBIOSEMI" + fields(80, ["", "made-up data written by mien simulate"])
    first += fields(8, ["01.01.00", "00.00.00", 256 * (count + 1)]) + fields(44, ["24BIT"])
    first += fields(8, [n, 1]) + fields(4, [count])
    return first + b"".join(
        fields(width, values)
        for width, values in (
            (16, [c.name for c in channels]),
            (80, ["Triggers and Status" if c.name == "Status" else "active electrode" for c in channels]),
            (8, [c.unit for c in channels]),
            (8, [c.low for c in channels]),
            (8, [c.high for c in channels]),
            (8, [_LOWEST] * count),
            (8, [_HIGHEST] * count),
            (80, ["No filtering" if c.name == "Status" else "HP: DC; LP: 113 Hz" for c in channels]),
            (8, [rate] * count),
            (32, ["Reserved"] * count),
        )
    )
