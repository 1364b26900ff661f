"""What passes from step to step while a recording is cleaned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK_SECONDS = 60.0
"""Seconds that a step works on at a time."""

Array = NDArray[Any]


class CleaningWarning(UserWarning):
    """A step was used outside the conditions it was made for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """A recording half-way through: the run's own copy, whose samples steps change in place.

    Attributes
    ----------
    data, extra
        EEG and further channels, float32 (channels, times), the EEG in volts.
    bad, interpolated
        Channels found bad, and those of them whose samples were made from their neighbours since.
    rank
        Independent rows of ``data``, by what was done to it.
    reference
        In words.
    low, high
        Edges of the band that filters have left, in Hz; None where nothing cut.
    """

    data: Array
    extra: Array
    rate: float
    channels: tuple[str, ...]
    extra_channels: tuple[str, ...]
    valid: NDArray[np.bool_] | None
    rank: int
    bad: tuple[str, ...] = ()
    interpolated: tuple[str, ...] = ()
    reference: str = "as recorded"
    low: float | None = None
    high: float | None = None
    new_array: Callable[[tuple[int, int]], Array] = field(default=lambda shape: np.empty(shape, np.float32))

    @property
    def n_times(self) -> int:
        """Number of samples."""
        return int(self.data.shape[1])

    @property
    def good(self) -> NDArray[np.bool_]:
        """(channels,): not bad, or mended."""
        lost = set(self.bad) - set(self.interpolated)
        return np.array([name not in lost for name in self.channels], dtype=np.bool_)


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What a step did: the work after it, JSON-ready facts, percent changed, arrays for the page."""

    work: Work
    found: Mapping[str, Any]
    percent: float
    arrays: Mapping[str, Array] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def blocks(n_times: int, rate: float, seconds: float = BLOCK_SECONDS) -> Iterator[slice]:
    """Slices that tile a recording."""
    size = max(int(seconds * rate), 1)
    for start in range(0, n_times, size):
        yield slice(start, min(start + size, n_times))


def mix(data: Array, matrix: Array, rate: float) -> None:
    """Replace ``data`` by ``matrix @ data``, block by block."""
    for part in blocks(data.shape[1], rate):
        data[:, part] = matrix @ data[:, part].astype(np.float64)


def spread_segments(
    n_times: int, rate: float, *, seconds: float, most: float, valid: NDArray[np.bool_] | None = None
) -> list[slice]:
    """Segments of some seconds, spread evenly over the recording, ``most`` seconds of them at most.

    Segments that hold a sample that is not valid are left out, unless all do. One shorter segment where the
    recording is shorter than that.
    """
    size = min(max(int(seconds * rate), 1), n_times)
    starts = np.arange(0, n_times - size + 1, size)
    if valid is not None:
        sums = np.concatenate([[0], np.cumsum(valid)])
        whole = sums[starts + size] - sums[starts] == size
        starts = starts[whole] if whole.any() else starts
    n = min(len(starts), max(int(most / seconds), 1))
    chosen = starts[np.unique(np.linspace(0, len(starts) - 1, n).round().astype(int))]
    return [slice(int(s), int(s) + size) for s in chosen]
