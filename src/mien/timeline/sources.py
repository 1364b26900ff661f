"""Streams that are asked in recording time, of devices that know only their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.core import Clip, Clock, Event, Film, Source, Span, to_samples

T = TypeVar("T", float, NDArray[np.float64])


def to_recording(seconds: T, clock: Clock) -> T:
    """A device's time, or an array of times, on the recording clock."""
    return clock.offset + (1 + clock.drift) * seconds


def to_device(seconds: T, clock: Clock) -> T:
    """A time on the recording clock, or an array of times, on the device's."""
    return (seconds - clock.offset) / (1 + clock.drift)


def moved_event(event: Event, span: Span, moved: Callable[[float], float]) -> Event:
    """An event at another span, its apex moved along; rounding does not put the apex outside."""
    apex = None if event.apex is None else min(max(moved(event.apex), span.start), span.stop)
    return replace(event, span=span, apex=apex)


@dataclass(frozen=True, kw_only=True)
class AlignedSource:
    """A source that is asked in recording time and has its samples in device time.

    Every sample asked for is the device's sample nearest to it: values are never mixed, so that codes and
    lost samples stay what they are. The error is at most half a sample of time. With a drift of 100 ppm one
    sample in 10,000 is left out or repeated.

    Attributes
    ----------
    source
        Reads in device time.
    clock
        From device time to recording time.
    rate
        Samples per second, of the device and of what is read.
    span
        What was recorded, in device time.
    """

    source: Source
    clock: Clock
    rate: float
    span: Span

    @property
    def version(self) -> str:
        """Changes with whatever changes what is read."""
        own = getattr(self.source, "version", "")
        return f"{own} clock {self.clock.offset!r} {self.clock.drift!r}".strip()

    @property
    def veil(self) -> Any:
        """What hides the names of people in messages about its files; None where nothing does."""
        return getattr(self.source, "veil", None)

    def files(self) -> tuple[Path, ...]:
        """The files it reads from."""
        function: Callable[[], tuple[Path, ...]] | None = getattr(self.source, "files", None)
        return () if function is None else tuple(function())

    def covers(self, start: float, duration: float) -> bool:
        """Whether every sample of a span, in recording time, was recorded."""
        begin, n = self._device_span(start, duration)
        function = getattr(self.source, "covers", None)
        if function is not None:
            return bool(function(begin, n / self.rate))
        half = 0.5 / self.rate
        return self.span.start - half <= begin and begin + n / self.rate <= self.span.stop + half

    def read(self, start: float, duration: float) -> NDArray[Any]:
        """Samples (channels, times) of a span in recording time."""
        wanted = to_samples(duration, self.rate)
        begin, n = self._device_span(start, duration)
        data = self.source.read(begin, n / self.rate)
        at = to_device(start + np.arange(wanted) / self.rate, self.clock)
        nearest = np.clip(np.floor((at - begin) * self.rate + 0.5).astype(np.intp), 0, max(n - 1, 0))
        if np.array_equal(nearest, np.arange(n)):
            return data
        return data[:, nearest[nearest < data.shape[1]]]

    def _device_span(self, start: float, duration: float) -> tuple[float, int]:
        """Start, on the device's own grid, and number of the device's samples that a span needs."""
        wanted = to_samples(duration, self.rate)
        first = self._grid(to_device(start, self.clock))
        last = self._grid(to_device(start + max(wanted - 1, 0) / self.rate, self.clock))
        return self.span.start + first / self.rate, last - first + 1 if wanted else 0

    def _grid(self, seconds: float) -> int:
        return math.floor((seconds - self.span.start) * self.rate + 0.5)


@dataclass(frozen=True, kw_only=True)
class AlignedFrames(AlignedSource):
    """A camera's source: it is asked for frames in recording time, and gives them with recording times.

    Which frames it finds for an event is the source's own matter; it is given the event in device time.
    """

    def shows(self, event: Event) -> bool:
        """Whether there are frames of an event."""
        function = getattr(self.source, "shows", None)
        return function is not None and bool(function(self._on_device(event)))

    def clip(self, event: Event) -> Clip:
        """The frames of an event.

        Raises
        ------
        ValueError
            If the camera has no frames of events.
        """
        function = getattr(self.source, "clip", None)
        if function is None:
            raise ValueError("the camera has a running film and no clips of events")
        clip: Clip = function(self._on_device(event))
        onset, apex, offset = (
            None if t is None else to_recording(t, self.clock) for t in (clip.onset, clip.apex, clip.offset)
        )
        times = to_recording(clip.times, self.clock)
        return replace(clip, times=times, onset=onset, apex=apex, offset=offset)

    @property
    def moments(self) -> Callable[[Event], tuple[float, float, float | None]] | None:
        """Gives onset, apex and offset of an event by its frames; None where the source cannot."""
        return self._moments if hasattr(self.source, "moments") else None

    def _moments(self, event: Event) -> tuple[float, float, float | None]:
        source: Any = self.source
        onset, apex, offset = source.moments(self._on_device(event))
        end = None if offset is None else to_recording(offset, self.clock)
        return to_recording(onset, self.clock), to_recording(apex, self.clock), end

    def film(self, start: float, duration: float) -> Film:
        """The frames of a stretch of recording time.

        Raises
        ------
        ValueError
            If the camera has no running film.
        """
        function = getattr(self.source, "film", None)
        if function is None:
            raise ValueError("the camera has clips of events and no running film")
        begin = to_device(start, self.clock)
        film: Film = function(begin, to_device(start + duration, self.clock) - begin)
        return replace(
            film,
            times=to_recording(film.times, self.clock),
            span=Span(start=start, duration=duration),
            rate=film.rate / (1 + self.clock.drift),
        )

    def files_of(self, event: Event) -> tuple[Path, ...]:
        """The files an event is read from; none where the source does not tell."""
        function = getattr(self.source, "files_of", None)
        return () if function is None else tuple(function(self._on_device(event)))

    def _on_device(self, event: Event) -> Event:
        start = to_device(event.span.start, self.clock)
        span = Span(start=start, duration=to_device(event.span.stop, self.clock) - start)
        return moved_event(event, span, lambda t: to_device(t, self.clock))
