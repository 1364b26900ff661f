"""A recording whose streams were stamped by several clocks, brought onto one."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.core import (
    Clock,
    Event,
    InputError,
    Recording,
    Source,
    Span,
    Stream,
    UnknownNameError,
    to_samples,
)
from mien.timeline.clocks import fit_clock, match_markers

T = TypeVar("T", float, NDArray[np.float64])
RECORDING = "recording"
"""The name of the clock that trials and aligned streams are on."""


class AlignmentWarning(UserWarning):
    """A device's clock could not be fitted; what it recorded is left out."""


def align(
    recording: Recording,
    *,
    reference: str | None = None,
    kind: str = "marker",
    min_markers: int = 2,
    max_residual: float = 0.1,
    max_drift: float = 5e-4,
    strict: bool = True,
) -> Recording:
    """The same recording with every stream and event on the recording clock.

    A clock that is in ``recording.clocks`` is known already and is left as it is. Every other clock that a
    stream or event was stamped with is fitted to the known ones by the markers they share: pairs are found by
    :func:`match_markers`, offset and drift by :func:`fit_clock`. Streams then read by recording time (nothing
    is copied or interpolated, see :class:`AlignedSource`); ``Stream.clock`` and ``Event.clock`` keep the name
    of the clock they were stamped with.

    Parameters
    ----------
    recording
        Streams, and events of kind ``kind`` with the ``clock`` they were stamped with.
    reference
        The device clock that becomes the recording's where no stream's clock is known yet; None: the one with
        most markers. Trials must be on it.
    kind
        Events that all devices were given.
    min_markers
        Markers that a clock must share with the recording.
    max_residual
        Largest median disagreement of the markers in seconds.
    max_drift
        Largest difference of the clocks' speeds (5e-4 is 500 parts per million).
    strict
        False: streams and events of a clock that cannot be fitted are left out, with an
        :class:`AlignmentWarning`, where otherwise an error is raised.

    Returns
    -------
    Recording
        With an entry in ``clocks`` for every device clock. Aligning it again changes nothing.

    Raises
    ------
    InputError
        A clock shares too few markers, or they do not agree.
    """
    clocks = [*(s.clock for s in recording.streams.values()), *(e.clock for e in recording.events)]
    used = dict.fromkeys(clocks)
    markers = {c: [e for e in recording.events if (e.kind, e.clock) == (kind, c)] for c in used}
    unknown = [clock for clock in markers if clock != RECORDING and clock not in recording.clocks]
    if not unknown:
        return recording
    fitted: dict[str, Clock] = {}
    if len(unknown) == len(markers):
        name = max(unknown, key=lambda c: len(markers[c])) if reference is None else reference
        if name not in unknown:
            raise UnknownNameError(f"clock of recording {recording.id}:", name, unknown)
        unknown.remove(name)
        fitted[name] = Clock(n_markers=len(markers[name]))
    known = [e for c, events in markers.items() if c not in unknown for e in events]
    for name in unknown:
        try:
            fitted[name] = _fit(
                recording.id, name, known, markers[name],
                min_markers=min_markers, max_residual=max_residual, max_drift=max_drift,
            )  # fmt: skip
        except InputError as error:
            if strict:
                raise
            warnings.warn(AlignmentWarning(f"{error} (left out)"), stacklevel=2)
    lost = set(unknown) - set(fitted)
    return replace(
        recording,
        streams={n: _on_clock(s, fitted) for n, s in recording.streams.items() if s.clock not in lost},
        events=tuple(_event_on_clock(e, fitted) for e in recording.events if e.clock not in lost),
        clocks={**recording.clocks, **fitted},
    )


def _fit(
    recording: str,
    name: str,
    known: Sequence[Event],
    own: Sequence[Event],
    *,
    min_markers: int,
    max_residual: float,
    max_drift: float,
) -> Clock:
    reference, device = (np.array([e.span.start for e in events]) for events in (known, own))
    where = f"clock {name!r} of recording {recording}"
    try:
        pairs = match_markers(
            reference,
            device,
            reference_values=[e.value for e in known],
            device_values=[e.value for e in own],
            tolerance=2.5 * max_residual,
            max_drift=max_drift,
        )
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    n = len(pairs[0])
    if n < min_markers or 2 * n < min(len(known), len(own)):
        raise InputError(
            f"{where} shares {n} marker{'s' * (n != 1)} with the recording, which has {len(known)}; "
            f"it has {len(own)} itself",
            expected=f"at least {min_markers}, and half of them to agree within {2.5 * max_residual:g} s",
            remedy="check that both files are of the same session",
        )
    clock = fit_clock(reference[pairs[0]], device[pairs[1]])
    if clock.residual > max_residual or abs(clock.drift) > max_drift:
        raise InputError(
            f"{where}: {n} markers disagree by {clock.residual:.3f} s (median) after an offset of "
            f"{clock.offset:.3f} s and a drift of {clock.drift * 1e6:.0f} ppm",
            expected=f"at most {max_residual:g} s and {max_drift * 1e6:g} ppm",
            remedy="check that both files are of the same session",
        )
    return clock


def to_recording(seconds: T, clock: Clock) -> T:
    """A device's time, or an array of times, on the recording clock."""
    return clock.offset + (1 + clock.drift) * seconds


def to_device(seconds: T, clock: Clock) -> T:
    """A time on the recording clock, or an array of times, on the device's."""
    return (seconds - clock.offset) / (1 + clock.drift)


def _span_on_clock(span: Span, clock: Clock) -> Span:
    return Span(start=to_recording(span.start, clock), duration=span.duration * (1 + clock.drift))


def _on_clock(stream: Stream, fitted: dict[str, Clock]) -> Stream:
    if stream.clock not in fitted:
        return stream
    clock = fitted[stream.clock]
    source = AlignedSource(source=stream.source, clock=clock, rate=stream.rate, span=stream.span)
    return replace(stream, source=source, span=_span_on_clock(stream.span, clock))


def _event_on_clock(event: Event, fitted: dict[str, Clock]) -> Event:
    if event.clock not in fitted:
        return event
    return replace(event, span=_span_on_clock(event.span, fitted[event.clock]))


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
