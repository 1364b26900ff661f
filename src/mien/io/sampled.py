"""What the readers of recordings share: which samples a span is, which rows some channels are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, UnknownNameError
from mien.core.time import to_samples
from mien.core.types import Span

_TOLERANCE = 0.5
"""Samples by which a span may overshoot the recording: rounding of seconds."""


class Sampled:
    """Base of an opened recording whose channels share a rate; time 0 is the first sample."""

    path: Path
    channels: tuple[str, ...]
    rate: float
    n_samples: int

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return len(self.channels)

    @property
    def span(self) -> Span:
        """The time it covers; 0 is the first sample."""
        return Span(start=0.0, duration=self.n_samples / self.rate)

    def covers(self, start: float, duration: float) -> bool:
        """Whether a span lies within the recording."""
        after = (start + duration) * self.rate - self.n_samples
        return -start * self.rate <= _TOLERANCE and after <= _TOLERANCE

    def files(self) -> tuple[Path, ...]:
        """The files it is made of."""
        return (self.path,)

    def _samples(self, start: float, duration: float) -> tuple[int, int]:
        """First sample of a span, and the first after it; an error where it is not within the recording."""
        if not self.covers(start, duration):
            raise InputError(
                f"[{start:g} s, {start + duration:g} s) is not within the recording",
                file=self.path,
                expected=f"a span within [0 s, {self.span.stop:g} s)",
            )
        first = to_samples(start, self.rate)
        stop = min(first + to_samples(duration, self.rate), self.n_samples)
        first = max(first, 0)
        return first, max(stop, first)

    def _rows(self, channels: Sequence[str] | None) -> NDArray[np.intp]:
        """Places of some channels, of all for None; an error where one does not exist."""
        if channels is None:
            return np.arange(self.n_channels)
        where = {name: row for row, name in enumerate(self.channels)}
        for name in channels:
            if name not in where:
                raise UnknownNameError("channel", name, self.channels)
        return np.array([where[name] for name in channels], dtype=np.intp)


class Readable(Protocol):
    """An opened recording that gives volts."""

    def covers(self, start: float, duration: float) -> bool:
        """Whether a span lies within the recording."""
        ...

    def files(self) -> tuple[Path, ...]:
        """The files it is made of."""
        ...

    def read(
        self, start: float, duration: float, *, channels: Sequence[str] | None = None
    ) -> NDArray[np.float64]:
        """Samples (channels, times) of a span in volts."""
        ...


@dataclass(frozen=True, kw_only=True)
class ChannelSource:
    """Some channels of a recording as the source of a stream; time 0 is the first sample."""

    recording: Readable
    channels: tuple[str, ...]

    def covers(self, start: float, duration: float) -> bool:
        """Whether the whole span was recorded."""
        return self.recording.covers(start, duration)

    def files(self) -> tuple[Path, ...]:
        """The files it reads from."""
        return self.recording.files()

    def read(self, start: float, duration: float) -> NDArray[np.float64]:
        """Samples (channels, times) in volts."""
        return self.recording.read(start, duration, channels=self.channels)
