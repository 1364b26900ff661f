"""A recording whose streams were stamped by several clocks, brought onto one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Clock, Event, InputError, Recording, Span, Stream, UnknownNameError
from mien.timeline.cameras import timed_by_frames
from mien.timeline.clocks import FEWEST_FOR_DRIFT, fit_clock, match_markers
from mien.timeline.frames import FrameTimes, frame_times, marker_changes
from mien.timeline.sources import AlignedFrames, AlignedSource, moved_event, to_recording

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
    is copied or interpolated, see :class:`AlignedSource`), and a camera's frames are where they were exposed
    (:func:`with_frame_times`), which is also when the events were that it shows (:func:`timed_by_frames`);
    ``Stream.clock`` and ``Event.clock`` keep the name of the clock they were stamped with.

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
        Markers that a clock must share with the recording. With fewer than four the clocks are taken to run
        at the same speed; that is refused where they could part by more than ``max_residual``.
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
    recording, _ = with_frame_times(recording, kind=kind, strict=strict)
    clocks = [*(s.clock for s in recording.streams.values()), *(e.clock for e in recording.events)]
    used = dict.fromkeys(clocks)
    markers = {c: [e for e in recording.events if (e.kind, e.clock) == (kind, c)] for c in used}
    unknown = [clock for clock in markers if clock != RECORDING and clock not in recording.clocks]
    if not unknown:
        return timed_by_frames(recording)
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
    aligned = replace(
        recording,
        streams={n: _on_clock(s, fitted) for n, s in recording.streams.items() if s.clock not in lost},
        events=tuple(_event_on_clock(e, fitted) for e in recording.events if e.clock not in lost),
        clocks={**recording.clocks, **fitted},
    )
    return timed_by_frames(aligned)


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
    shared = reference[pairs[0]]
    beyond = float(max(shared.min() - reference.min(), reference.max() - shared.max()))
    if n < FEWEST_FOR_DRIFT and max_drift * beyond > max_residual:
        raise InputError(
            f"{where} shares {n} markers, too few to tell its drift, and the recording goes on for "
            f"{beyond:.0f} s beyond them",
            expected=f"at least {FEWEST_FOR_DRIFT} markers, or none beyond {max_residual / max_drift:g} s",
            remedy="check that both files are of the same session",
        )
    within = _uncertainty(known)[pairs[0]] + _uncertainty(own)[pairs[1]]
    clock = fit_clock(shared, device[pairs[1]], within=within)
    if clock.residual > max_residual or abs(clock.drift) > max_drift:
        raise InputError(
            f"{where}: {n} markers disagree by {clock.residual:.3f} s (median) after an offset of "
            f"{clock.offset:.3f} s and a drift of {clock.drift * 1e6:.0f} ppm",
            expected=f"at most {max_residual:g} s and {max_drift * 1e6:g} ppm",
            remedy="check that both files are of the same session",
        )
    return clock


def _uncertainty(events: Sequence[Event]) -> NDArray[np.float64]:
    """Seconds within which each marker is known; 0 where that is not said."""
    return np.array([float(e.notes.get("uncertainty", 0.0)) for e in events])


def _span_on_clock(span: Span, clock: Clock) -> Span:
    return Span(start=to_recording(span.start, clock), duration=span.duration * (1 + clock.drift))


def _on_clock(stream: Stream, fitted: dict[str, Clock]) -> Stream:
    if stream.clock not in fitted:
        return stream
    clock = fitted[stream.clock]
    frames = any(hasattr(stream.source, name) for name in ("clip", "film"))
    kind = AlignedFrames if frames else AlignedSource
    source = kind(source=stream.source, clock=clock, rate=stream.rate, span=stream.span)
    return replace(stream, source=source, span=_span_on_clock(stream.span, clock))


def _event_on_clock(event: Event, fitted: dict[str, Clock]) -> Event:
    clock = fitted.get(event.clock)
    if clock is None:
        return event
    return moved_event(event, _span_on_clock(event.span, clock), lambda t: to_recording(t, clock))


def with_frame_times(
    recording: Recording, *, kind: str = "marker", strict: bool = True
) -> tuple[Recording, dict[str, FrameTimes]]:
    """The recording with the frames of its cameras where they were exposed, and by stream what was found.

    A camera's source that has ``stamps``, ``codes`` and ``markers`` of its frames and ``timed(times)`` is
    given the times of :func:`~mien.timeline.frame_times`, and the markers of its clock are those of
    :func:`~mien.timeline.marker_changes`. Where frames cannot be timed, an error is raised, or, not
    ``strict``, the stream is left out with an :class:`AlignmentWarning`.
    """
    streams, events = dict(recording.streams), recording.events
    found: dict[str, FrameTimes] = {}
    for name, stream in recording.streams.items():
        source: Any = stream.source
        if not hasattr(source, "timed") or not len(source.stamps):
            continue
        try:
            made = frame_times(
                source.stamps, source.codes, wrap=getattr(source, "wrap", 1000), nominal=stream.rate
            )
        except InputError as error:
            fault = InputError(f"clock {stream.clock!r} of recording {recording.id}: {error}")
            if strict:
                raise fault from None
            warnings.warn(AlignmentWarning(f"{fault} (left out)"), stacklevel=3)
            del streams[name]
            continue
        found[name] = made
        streams[name] = replace(stream, source=source.timed(made.times))
        seen = marker_changes(made.times, source.markers, clock=stream.clock, kind=kind)
        events = (*(e for e in events if (e.kind, e.clock) != (kind, stream.clock)), *seen)
    if streams == dict(recording.streams):
        return recording, found
    return replace(recording, streams=streams, events=events), found
