"""Recordings, what is in them, and what is made of them.

All are frozen, made with keywords, and check shape, dtype and unit when they are made; the contents of an
array are never read (it may be a memory map). Times are seconds on the recording clock, spans are half-open,
time is the last axis of a signal, and ids, never positions, say what belongs to what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mien.core._check import require, require_text, require_unit
from mien.core.frames import Clip, Film
from mien.core.span import Span

Scope = Literal["none", "recording", "fold"]
"""What a step may look at: ``none`` one window, ``recording`` one recording or trial without labels,
``fold`` the training samples of a fold."""


@runtime_checkable
class Source(Protocol):
    """Where the samples of a stream come from; reads on demand."""

    def read(self, start: float, duration: float) -> NDArray[Any]:
        """Samples ``(channels, times)`` of ``[start, start + duration)`` seconds on the recording clock."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Stream:
    """One device's continuous record, read lazily.

    ``modality`` is what was measured (``eeg``, ``eye``, ``annotation``, …); ``name`` tells streams of one
    modality apart; ``rate`` is in samples per second; ``clock`` names the device clock it was stamped with;
    ``band`` is the range in Hz that earlier filtering has left, None where nothing is known of any.
    """

    name: str
    modality: str
    unit: str
    rate: float
    channels: tuple[str, ...]
    span: Span
    source: Source
    clock: str = "recording"
    band: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        require_text(self, "name", "modality", "clock")
        require_unit(self.unit)
        require(self.rate > 0, f"rate must be positive, got {self.rate}")
        require(len(set(self.channels)) == len(self.channels), f"{self.name}: channel names repeat")
        require(isinstance(self.source, Source), f"{self.name}: source has no read(start, duration)")

    def covers(self, span: Span) -> bool:
        """Whether every sample of a span was recorded (a source with gaps says so by ``covers``)."""
        within = self.span.start <= span.start and span.stop <= self.span.stop + 0.5 / self.rate
        function = getattr(self.source, "covers", None)
        return within and (function is None or bool(function(span.start, span.duration)))

    def shows(self, event: Event) -> bool:
        """Whether a camera's stream has frames of an event."""
        function = getattr(self.source, "shows", None)
        return function is not None and bool(function(event))

    def clip(self, event: Event) -> Clip:
        """The frames of an event, from a camera's stream (one whose source offers ``clip(event)``)."""
        function = getattr(self.source, "clip", None)
        if function is None:
            raise ValueError(f"stream {self.name!r} has no frames")
        clip: Clip = function(event)
        return clip

    def film(self, span: Span) -> Film:
        """The frames of a stretch of time, from a camera's stream whose source offers ``film(start,
        duration)``; none is read yet."""
        function = getattr(self.source, "film", None)
        if function is None:
            raise ValueError(f"stream {self.name!r} has no running film")
        film: Film = function(span.start, span.duration)
        return film

    def read(self, span: Span | None = None) -> Signal:
        """The samples of a span (default: the whole stream) as a :class:`Signal`."""
        span = self.span if span is None else span
        data = self.source.read(span.start, span.duration)
        return Signal(
            data=data,
            rate=self.rate,
            channels=self.channels,
            unit=self.unit,
            start=span.start,
            band=self.band,
        )


@dataclass(frozen=True, kw_only=True)
class Label:
    """A judgement, with its scale and who made it.

    ``scale`` lists the words of a nominal label or gives ``(low, high)`` of a rating; ``rater`` is
    ``"stimulus"`` (what the clip was chosen to evoke), ``"self"`` or an annotator's pseudonym.
    """

    value: str | float
    scale: tuple[str, ...] | tuple[float, float]
    rater: str

    def __post_init__(self) -> None:
        require_text(self, "rater")
        if isinstance(self.value, str):
            require(self.value in self.scale, f"label {self.value!r} is not on its scale {self.scale}")


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened: a marker, a blink, an expression.

    ``clock`` names the device clock it was stamped with, as for a :class:`Stream`. An event that can be
    classified, such as a coded expression, has an ``id``, the ``trial`` it lies in and ``labels``; its span
    runs from onset to offset, and ``apex`` is the time of its peak, None where nobody coded it.
    """

    kind: str
    span: Span
    value: str | float | int | None = None
    clock: str = "recording"
    id: str | None = None
    trial: str | None = None
    apex: float | None = None
    labels: Mapping[str, Label] = field(default_factory=dict)
    notes: Mapping[str, str | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_text(self, "kind", "clock")
        require(
            self.apex is None or self.span.start <= self.apex <= self.span.stop,
            f"apex {self.apex} is outside {self.span}",
        )


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One stimulus shown to one subject once, or the piece of such a showing that belongs to one event.

    A piece has its ``event`` and the whole trial that it is ``part_of``.
    """

    id: str
    recording: str
    subject: str
    session: str
    stimulus: str
    span: Span
    labels: Mapping[str, Label] = field(default_factory=dict)
    part_of: Trial | None = None
    event: Event | None = None

    def __post_init__(self) -> None:
        require_text(self, "id", "recording", "subject", "session", "stimulus")


@dataclass(frozen=True, kw_only=True)
class Clock:
    """How a device clock maps on the recording clock: ``recording = offset + (1 + drift) * device``."""

    offset: float = 0.0
    drift: float = 0.0
    residual: float = 0.0
    n_markers: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """What one subject did in one session, with every stream that was recorded."""

    id: str
    dataset: str
    subject: str
    session: str
    streams: Mapping[str, Stream]
    events: tuple[Event, ...] = ()
    trials: tuple[Trial, ...] = ()
    clocks: Mapping[str, Clock] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_text(self, "id", "dataset", "subject", "session")
        for name, stream in self.streams.items():
            require(name == stream.name, f"{self.id}: stream {stream.name!r} is filed under {name!r}")
        ids = [t.id for t in self.trials]
        require(len(set(ids)) == len(ids), f"{self.id}: trial ids repeat")


@dataclass(frozen=True, kw_only=True)
class Window:
    """A stretch of a trial that becomes one sample."""

    id: str
    trial: str
    span: Span

    def __post_init__(self) -> None:
        require_text(self, "id", "trial")


@dataclass(frozen=True, kw_only=True, eq=False)
class Signal:
    """Samples in memory: ``data`` is (channels, times), real floating point.

    ``valid``, where given, is a boolean array (times,): False where the samples mean nothing (a blink, a lost
    face, a saturated amplifier). ``band`` is the range in Hz that earlier filtering has left, None where
    nothing is known of any.
    """

    data: NDArray[np.floating]
    rate: float
    channels: tuple[str, ...]
    unit: str = "V"
    start: float = 0.0
    valid: NDArray[np.bool_] | None = None
    band: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        require(self.data.ndim == 2, f"data must be (channels, times), got shape {self.data.shape}")
        require(
            np.issubdtype(self.data.dtype, np.floating), f"data must be floating point, got {self.data.dtype}"
        )
        require(
            self.data.shape[0] == len(self.channels),
            f"{self.data.shape[0]} rows of data but {len(self.channels)} channel names",
        )
        require(len(set(self.channels)) == len(self.channels), "channel names repeat")
        require(self.rate > 0, f"rate must be positive, got {self.rate}")
        require_unit(self.unit)
        if self.valid is not None:
            require(
                self.valid.shape == (self.data.shape[1],) and self.valid.dtype == np.bool_,
                f"valid must be boolean of shape ({self.data.shape[1]},), "
                f"got {self.valid.dtype} {self.valid.shape}",
            )

    @property
    def n_times(self) -> int:
        """Number of samples."""
        return int(self.data.shape[1])

    @property
    def span(self) -> Span:
        """The time it covers."""
        return Span(start=self.start, duration=self.n_times / self.rate)


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """What one extractor makes of one trial.

    Attributes
    ----------
    values
        Array whose axes are named by ``axes``; the first is always ``"window"``. Floating point, but for the
        pixels of crops (uint8).
    axes
        Axis name to the labels along it, in the order of the array; ``"window"`` maps to ``()`` because its
        labels are ``starts`` and ``durations``.
    starts, durations
        Seconds, one per window.
    extractor, version
        Registered name and version of the code that made it.
    valid
        One boolean per window.
    """

    values: NDArray[np.floating] | NDArray[np.uint8]
    axes: Mapping[str, tuple[str, ...]]
    starts: NDArray[np.float64]
    durations: NDArray[np.float64]
    extractor: str
    version: str
    valid: NDArray[np.bool_]

    def __post_init__(self) -> None:
        require_text(self, "extractor", "version")
        require(next(iter(self.axes), None) == "window", "the first axis must be 'window'")
        require(
            len(self.axes) == self.values.ndim,
            f"{self.values.ndim} axes of values but {len(self.axes)} names: {tuple(self.axes)}",
        )
        for (name, labels), size in zip(self.axes.items(), self.values.shape, strict=True):
            require(
                name == "window" or len(labels) == size,
                f"axis {name!r}: {len(labels)} labels for {size} values",
            )
        n = self.values.shape[0]
        for name in ("starts", "durations", "valid"):
            require(getattr(self, name).shape == (n,), f"{name} must have shape ({n},)")
        require(self.valid.dtype == np.bool_, "valid must be boolean")

    @property
    def n_windows(self) -> int:
        """Number of windows."""
        return int(self.values.shape[0])
