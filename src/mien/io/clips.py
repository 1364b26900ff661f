"""A stream whose samples lie in separate variables, one per clip."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.time import to_samples

_TOLERANCE = 1e-6
"""Seconds by which a span may overshoot a clip: rounding of sums of durations, far below one sample."""


class ClipFile(Protocol):
    """A file with an array per clip, such as :class:`~mien.io.mat.MatFile`."""

    @property
    def path(self) -> Path:
        """The file, for messages and fingerprints."""
        ...

    def read(self, name: str, /) -> NDArray[Any]:
        """One clip's array; it may be changed."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """One separately stored piece of a stream.

    Attributes
    ----------
    name
        What the clip is called in messages.
    start, duration
        Its place on the recording clock, in seconds. The duration may be longer than what is stored (another
        stream of the same clip has one window more).
    n_times
        Samples stored, along the time axis.
    file, key
        Where they are.
    """

    name: str
    start: float
    duration: float
    n_times: int
    file: ClipFile
    key: str

    @property
    def stop(self) -> float:
        """First moment after the clip."""
        return self.start + self.duration


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipSource:
    """Reads ``(channels, times)`` from whichever clip a span lies in.

    Every read opens the file, reads that one clip and keeps nothing: memory is one clip, and reading a clip
    in many small pieces costs as many reads of the whole clip.

    Parameters
    ----------
    clips
        The clips, none overlapping another.
    rate
        Samples per second.
    n_channels
        Rows of what is read.
    arrange
        Turns the stored array into ``(n_channels, n_times)`` in SI units. A module-level function, so that
        the source can be sent to another process. It may change the array it is given.
    windowed
        False: a sample is a moment. True: a sample sums up the ``1 / rate`` seconds after it, and a read
        gives those whose whole stretch was asked for (a span of 10 s holds two windows of 4 s).
    """

    clips: tuple[Clip, ...]
    rate: float
    n_channels: int
    arrange: Callable[[NDArray[Any]], NDArray[Any]]
    windowed: bool = False

    def covers(self, start: float, duration: float) -> bool:
        """Whether a span lies within one clip and holds at least one stored sample."""
        clip = self._clip(start, duration)
        if clip is None:
            return False
        first, stop = self._samples(clip, start, duration)
        return stop > first

    def files(self) -> tuple[Path, ...]:
        """The files it reads from, each once."""
        return tuple(dict.fromkeys(Path(clip.file.path) for clip in self.clips))

    def read(self, start: float, duration: float) -> NDArray[Any]:
        """Samples ``(n_channels, n_times)`` of a span within one clip.

        ``n_times`` is what the span asks for, or less where the clip holds less.

        Raises
        ------
        InputError
            The span does not lie within one clip, or the file cannot be read.
        """
        clip = self._clip(start, duration)
        if clip is None:
            raise InputError(
                f"[{start:g} s, {start + duration:g} s) is not within one clip",
                expected=f"a span within one of: {self._table()}",
                remedy="read by trial",
            )
        first, stop = self._samples(clip, start, duration)
        if first == stop:
            return np.empty((self.n_channels, 0))
        data = self.arrange(clip.file.read(clip.key))
        if data.shape != (self.n_channels, clip.n_times):
            raise InputError(
                f"variable {clip.key!r} gave shape {data.shape}",
                file=clip.file.path,
                expected=f"{(self.n_channels, clip.n_times)}",
            )
        return data[:, first:stop]

    def _clip(self, start: float, duration: float) -> Clip | None:
        for clip in self.clips:
            if clip.start - _TOLERANCE <= start and start + duration <= clip.stop + _TOLERANCE:
                return clip
        return None

    def _samples(self, clip: Clip, start: float, duration: float) -> tuple[int, int]:
        """First sample of a span and the sample after its last."""
        offset = start - clip.start
        if self.windowed:
            first = math.ceil((offset - _TOLERANCE) * self.rate)
            stop = math.floor((offset + duration + _TOLERANCE) * self.rate)
        else:
            first = to_samples(offset, self.rate)
            stop = first + to_samples(duration, self.rate)
        first = min(max(first, 0), clip.n_times)
        return first, max(first, min(stop, clip.n_times))

    def _table(self) -> str:
        """The clips with their spans, the first few of many."""
        shown = [f"clip {c.name} [{c.start:g} s, {c.stop:g} s)" for c in self.clips[:20]]
        return ", ".join(shown) + (f", … ({len(self.clips)} in all)" if len(self.clips) > 20 else "")
