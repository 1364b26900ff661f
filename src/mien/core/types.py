"""The values that travel from a file to a report.

All are frozen, made with keywords, and check shape, dtype and unit when they are made; the contents of an
array are never read (it may be a memory map). Times are seconds on the recording clock, spans are half-open,
time is the last axis of a signal, and ids, never positions, say what belongs to what.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

UNITS = frozenset(
    {"V", "m", "rad", "px", "s", "Hz", "S", "ohm", "Pa", "K", "V/V", "1", "log2(uV2)", "mixed", "arbitrary"}
)
"""Units a stream or signal may carry: SI from the reader on; ``"1"`` is dimensionless, ``"mixed"`` means the
channels differ (a table of features), ``"arbitrary"`` that nobody published which unit it is."""

Scope = Literal["none", "recording", "fold"]
"""What a step may look at: ``none`` one window, ``recording`` one recording or trial without labels,
``fold`` the training samples of a fold."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _require_text(owner: object, *names: str) -> None:
    for name in names:
        value = getattr(owner, name)
        _require(
            isinstance(value, str) and value != "",
            f"{type(owner).__name__}.{name} must be a non-empty string, got {value!r}",
        )


def _require_unit(unit: str) -> None:
    _require(unit in UNITS, f"unit {unit!r} is not one of {', '.join(sorted(UNITS))}")


@dataclass(frozen=True, kw_only=True)
class Span:
    """Half-open stretch of time ``[start, start + duration)`` in seconds."""

    start: float
    duration: float

    def __post_init__(self) -> None:
        _require(np.isfinite(self.start) and np.isfinite(self.duration), f"span must be finite: {self}")
        _require(self.duration >= 0, f"duration must not be negative: {self}")

    @property
    def stop(self) -> float:
        """First moment that no longer belongs to the span."""
        return self.start + self.duration

    def overlaps(self, other: Span) -> bool:
        """Whether the two share a moment."""
        return self.start < other.stop and other.start < self.stop


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
        _require_text(self, "name", "modality", "clock")
        _require_unit(self.unit)
        _require(self.rate > 0, f"rate must be positive, got {self.rate}")
        _require(len(set(self.channels)) == len(self.channels), f"{self.name}: channel names repeat")
        _require(isinstance(self.source, Source), f"{self.name}: source has no read(start, duration)")

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
        _require_text(self, "rater")
        if isinstance(self.value, str):
            _require(self.value in self.scale, f"label {self.value!r} is not on its scale {self.scale}")


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
        _require_text(self, "kind", "clock")
        _require(
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
        _require_text(self, "id", "recording", "subject", "session", "stimulus")


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
        _require_text(self, "id", "dataset", "subject", "session")
        for name, stream in self.streams.items():
            _require(name == stream.name, f"{self.id}: stream {stream.name!r} is filed under {name!r}")
        ids = [t.id for t in self.trials]
        _require(len(set(ids)) == len(ids), f"{self.id}: trial ids repeat")


@dataclass(frozen=True, kw_only=True)
class Window:
    """A stretch of a trial that becomes one sample."""

    id: str
    trial: str
    span: Span

    def __post_init__(self) -> None:
        _require_text(self, "id", "trial")


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
        _require(self.data.ndim == 2, f"data must be (channels, times), got shape {self.data.shape}")
        _require(
            np.issubdtype(self.data.dtype, np.floating), f"data must be floating point, got {self.data.dtype}"
        )
        _require(
            self.data.shape[0] == len(self.channels),
            f"{self.data.shape[0]} rows of data but {len(self.channels)} channel names",
        )
        _require(len(set(self.channels)) == len(self.channels), "channel names repeat")
        _require(self.rate > 0, f"rate must be positive, got {self.rate}")
        _require_unit(self.unit)
        if self.valid is not None:
            _require(
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
        _require(
            self.frames.dtype == np.uint8 and (len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)),
            f"frames must be uint8 (frames, height, width[, 3]), got {self.frames.dtype} {shape}",
        )
        _require(self.times.shape == (shape[0],), f"{len(self.times)} times for {shape[0]} frames")
        _require(bool((np.diff(self.times) > 0).all()), "times of frames must increase")
        _require(
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
        _require(self.n_frames > 0, "the clip has no frame")
        i = int(np.abs(self.times - time).argmin())
        gap = abs(float(self.times[i]) - time)
        _require(
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
        _require(self.times.ndim == 1, f"times must be (frames,), got {self.times.shape}")
        _require(bool((np.diff(self.times) > 0).all()), "times of frames must increase")
        _require(self.rate > 0, f"rate must be positive, got {self.rate}")
        _require(isinstance(self.source, FrameSource), "source has no frames(positions)")

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
        _require(inside and bool((np.diff(wanted) > 0).all()), "positions of frames must increase, inside")
        return self.source.frames(wanted)


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
        _require_text(self, "extractor", "version")
        _require(next(iter(self.axes), None) == "window", "the first axis must be 'window'")
        _require(
            len(self.axes) == self.values.ndim,
            f"{self.values.ndim} axes of values but {len(self.axes)} names: {tuple(self.axes)}",
        )
        for (name, labels), size in zip(self.axes.items(), self.values.shape, strict=True):
            _require(
                name == "window" or len(labels) == size,
                f"axis {name!r}: {len(labels)} labels for {size} values",
            )
        n = self.values.shape[0]
        for name in ("starts", "durations", "valid"):
            _require(getattr(self, name).shape == (n,), f"{name} must have shape ({n},)")
        _require(self.valid.dtype == np.bool_, "valid must be boolean")

    @property
    def n_windows(self) -> int:
        """Number of windows."""
        return int(self.values.shape[0])


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One thing to be classified. ``event`` is None where the sample is not tied to an event."""

    id: str
    trial: str
    subject: str
    session: str
    stimulus: str
    event: str | None = None
    label: int | None = None
    start: float | None = None
    duration: float | None = None

    def __post_init__(self) -> None:
        _require_text(self, "id", "trial", "subject", "session", "stimulus")


HELD_OUT = ("subject", "stimulus", "session", "trial", "event")
"""What a protocol can promise to keep out of training."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """One fold: ids of the samples to train on, to choose by, and to test on.

    ``held_out`` maps what the fold keeps out of training and validation (any of :data:`HELD_OUT`) to the
    values it tests on; ``unit`` is what was dealt out whole (``"trial"``; ``"window"`` for leaky protocols).
    """

    fold: str
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    held_out: Mapping[str, tuple[str, ...]]
    unit: str

    def __post_init__(self) -> None:
        _require_text(self, "fold", "unit")
        unknown = set(self.held_out) - set(HELD_OUT)
        _require(not unknown, f"held_out has unknown keys {sorted(unknown)}; known: {HELD_OUT}")
        for name in ("train", "val", "test"):
            ids = getattr(self, name)
            _require(len(set(ids)) == len(ids), f"fold {self.fold}: ids repeat in {name}")
        _require(bool(self.train) and bool(self.test), f"fold {self.fold}: train and test must not be empty")


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Samples as arrays, ready for a model.

    Attributes
    ----------
    ids
        Sample ids, one per row.
    inputs
        Stream name to array (samples, …); rows of absent samples hold zeros.
    present
        Stream name to boolean (samples,): the presence mask.
    label
        Integers (samples,), -1 where unknown.
    domain
        Integers (samples,) numbering the training subjects, -1 for any other; for adversarial heads.
    weight
        float32 (samples,), the loss weight of each.
    """

    ids: tuple[str, ...]
    inputs: Mapping[str, NDArray[Any]]
    present: Mapping[str, NDArray[np.bool_]]
    label: NDArray[np.int64]
    domain: NDArray[np.int64]
    weight: NDArray[np.float32]

    def __post_init__(self) -> None:
        n = len(self.ids)
        _require(set(self.inputs) == set(self.present), "inputs and present must name the same streams")
        for name in ("label", "domain", "weight"):
            _require(getattr(self, name).shape == (n,), f"{name} must have shape ({n},)")
        for name, array in self.inputs.items():
            _require(array.shape[0] == n, f"{name}: {array.shape[0]} rows for {n} ids")
            _require(
                self.present[name].shape == (n,) and self.present[name].dtype == np.bool_,
                f"present[{name!r}] must be boolean of shape ({n},)",
            )

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """Class probabilities (samples, classes) for the named samples."""

    ids: tuple[str, ...]
    probabilities: NDArray[np.floating]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        _require(
            self.probabilities.shape == (len(self.ids), len(self.classes)),
            f"probabilities must have shape ({len(self.ids)}, {len(self.classes)}), "
            f"got {self.probabilities.shape}",
        )


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing the audit saw. ``severity`` is ``"leak"`` (the number is not what it says) or ``"caution"``
    (the number is what it says, but a reader should know)."""

    kind: str
    where: str
    evidence: str
    severity: Literal["leak", "caution"] = "leak"


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """Verdict of the leakage audit, what it found, and what it proved.

    ``proven`` maps a protocol's name to what was shown to be kept out of its training
    (any of :data:`HELD_OUT`); a word such as "cross-subject" may be printed only if it is in here.
    """

    verdict: Literal["clean", "leaks"]
    findings: tuple[Finding, ...] = ()
    proven: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        leaks = any(f.severity == "leak" for f in self.findings)
        _require((self.verdict == "leaks") == leaks, "the verdict must follow from the findings")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What ``report.json`` holds: results and audit."""

    results: tuple[Mapping[str, Any], ...]
    audit: AuditReport
