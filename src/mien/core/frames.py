"""Pictures with their times: in memory, or read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core._check import require
from mien.core.span import Span


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """Frames in memory, with their true times.

    Attributes
    ----------
    frames
        uint8 (frames, height, width) for grey, or (frames, height, width, 3) for RGB.
    times
        float64 (frames,): when each frame was shown, in seconds on the clock of ``onset``, strictly
        increasing; not necessarily evenly spaced.
    onset, apex, offset
        Seconds, None where nobody coded it. A clip may hold only the frames of onset and apex.
    valid
        Boolean (frames,): False where the frame means nothing (damaged, no face). None: all are valid.
    """

    frames: NDArray[np.uint8]
    times: NDArray[np.float64]
    onset: float | None = None
    apex: float | None = None
    offset: float | None = None
    valid: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        shape = self.frames.shape
        require(
            self.frames.dtype == np.uint8 and (len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)),
            f"frames must be uint8 (frames, height, width[, 3]), got {self.frames.dtype} {shape}",
        )
        require(self.times.shape == (shape[0],), f"{len(self.times)} times for {shape[0]} frames")
        require(bool((np.diff(self.times) > 0).all()), "times of frames must increase")
        require(
            self.valid is None or (self.valid.shape == (shape[0],) and self.valid.dtype == np.bool_),
            f"valid must be boolean of shape ({shape[0]},)",
        )

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.frames.shape[0])

    def at(self, time: float, *, tolerance: float) -> int:
        """Position of the frame nearest a time.

        Raises
        ------
        ValueError
            If none is within ``tolerance`` seconds.
        """
        require(self.n_frames > 0, "the clip has no frame")
        i = int(np.abs(self.times - time).argmin())
        gap = abs(float(self.times[i]) - time)
        require(
            gap <= tolerance,
            f"no frame within {tolerance:.4g} s of {time:.4f} s; the nearest is {gap:.4g} s off",
        )
        return i


@runtime_checkable
class FrameSource(Protocol):
    """Where the frames of a film come from."""

    def frames(self, positions: NDArray[np.intp]) -> Iterator[NDArray[np.uint8]]:
        """RGB frames (height, width, 3) at increasing positions, one after another."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Film:
    """A stretch of a camera's stream, its frames read when they are asked for.

    Attributes
    ----------
    times
        float64 (frames,): when each frame was shown, in seconds on the recording clock, strictly increasing.
    span
        The stretch that was asked for; the frames may cover less of it.
    rate
        Frames per second.
    size
        Width and height in px.
    source
        Reads frames by their positions in ``times``.
    """

    times: NDArray[np.float64]
    span: Span
    rate: float
    size: tuple[int, int]
    source: FrameSource

    def __post_init__(self) -> None:
        require(self.times.ndim == 1, f"times must be (frames,), got {self.times.shape}")
        require(bool((np.diff(self.times) > 0).all()), "times of frames must increase")
        require(self.rate > 0, f"rate must be positive, got {self.rate}")
        require(isinstance(self.source, FrameSource), "source has no frames(positions)")

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.times)

    def frames(self, positions: ArrayLike) -> Iterator[NDArray[np.uint8]]:
        """RGB frames (height, width, 3), uint8, at increasing positions in ``times``; one in memory at a
        time.

        Raises
        ------
        ValueError
            If positions do not increase or lie outside.
        InputError
            If a frame cannot be read.
        """
        wanted = np.asarray(positions, dtype=np.intp).reshape(-1)
        inside = not len(wanted) or (wanted[0] >= 0 and wanted[-1] < self.n_frames)
        require(inside and bool((np.diff(wanted) > 0).all()), "positions of frames must increase, inside")
        return self.source.frames(wanted)
