"""The look at all data of a copy of MMME."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from mien.core.errors import InputError
from mien.core.types import Event, Stream
from mien.datasets._inspection import Fault, Inspection, fault_of
from mien.datasets._me_inspection import (
    coded_twice,
    counts_made,
    counts_of,
    event_rows,
    look_at_face,
    moved_by_stamps,
)
from mien.datasets._me_streams import limits, stuck, useless
from mien.datasets._mmme_layout import BODY_LABELS, BODY_STREAM, CAMERA_CLOCK, SAID
from mien.datasets._mmme_session import Options, Part, part_of
from mien.datasets._mmme_survey import Survey

_WHOLE = ("raw_eeg_all", BODY_STREAM)
"""Streams that hold all channels of a file."""
Progress = Callable[[int, int, str], None]


def inspect_survey(
    seen: Survey, options: Options, *, card: Mapping[str, float], progress: Progress | None = None
) -> Inspection:
    """Counts, faults and notes of a survey; reads all samples and the key frames of all faces.

    ``card`` has the counts of the real data set.
    """
    parts: list[Part] = []
    for i, session in enumerate(seen.sessions):
        if progress is not None:
            progress(i, len(seen.sessions), f"triggers of {seen.subject(session)}")
        parts.append(part_of(seen, session, options))
    faults = [*seen.faults, *(fault for part in parts for fault in part.faults)]
    looks: list[tuple[str, Callable[[], list[Fault]]]] = []
    for part in parts:
        looks += [(f"{part.id}: {s.name}", partial(_look_at_stream, part, s)) for s in _streams_to_read(part)]
        if (recording := part.recording) is not None:
            faces = _events_with_a_face(part)
            looks += [(f"face of {e.id}", partial(look_at_face, recording, e)) for e in faces]
    for done, (what, look) in enumerate(looks):
        if progress is not None:
            progress(done, len(looks), what)
        faults += look()
    if progress is not None:
        progress(len(looks), len(looks), "")
    return Inspection(
        dataset="mmme",
        root=str(seen.root),
        sessions=tuple(part.summary() for part in parts),
        counts=_counts(seen, parts, card=card),
        faults=tuple(dict.fromkeys(seen.hidden(fault) for fault in faults)),
        notes=tuple(seen.veil.hide(note) for note in _notes(seen, parts)),
        events=event_rows(seen.events, seen.veil.names),
    )


def _streams_to_read(part: Part) -> list[Stream]:
    """Streams that hold every channel once."""
    streams = {name: s for device in part.devices.values() for name, s in device.streams.items()}
    names = list(_WHOLE) if BODY_STREAM in streams else [_WHOLE[0], *BODY_LABELS]
    return [streams[name] for name in names if name in streams]


def _events_with_a_face(part: Part) -> list[Event]:
    face = None if part.recording is None else part.recording.streams.get("face")
    return [] if face is None else [event for event, _ in part.events if face.shows(event)]


def _look_at_stream(part: Part, stream: Stream) -> list[Fault]:
    """Channels that hold no numbers, one value throughout, or their lowest or highest one for long."""
    path = str(part.devices[stream.clock].path)
    try:
        low, high, share = limits(stream)
    except InputError as error:
        return [fault_of(error, item=stream.name, subject=part.subject, severity="kept")]
    return [
        Fault(file=path, item=stream.name, reason=text, subject=part.subject, severity="kept")
        for text in [*useless(stream.channels, low, high), *stuck(stream.channels, share)]
    ]


def _counts(
    seen: Survey, parts: Sequence[Part], *, card: Mapping[str, float]
) -> dict[str, tuple[float, float | None]]:
    """What there is, against the card, or against the ``truth.json`` of a made-up copy."""
    found: dict[str, float] = {"subjects": len({part.subject for part in parts})}
    if seen.table is not None:
        found |= counts_of(seen.table, seen.events)
    found |= {
        f"sessions with {SAID[clock]}": sum(clock in part.devices for part in parts)
        for clock in SAID
        if any(clock in part.devices for part in parts)
    }
    found["trials"] = sum(len(part.recording.trials) for part in parts if part.recording is not None)
    if any(CAMERA_CLOCK in part.devices for part in parts):
        found["events with a face"] = sum(len(_events_with_a_face(part)) for part in parts)
    expected = card if seen.truth is None else counts_made(seen.truth)
    return {what: (n, expected.get(what)) for what, n in found.items()}


def _notes(seen: Survey, parts: Sequence[Part]) -> list[str]:
    notes = [*seen.notes]
    if seen.truth is not None:
        notes.append("made-up data: counts are compared with truth.json, not with the card")
    absent = [SAID[clock] for clock in SAID if clock not in seen.recorded]
    if absent:
        notes.append(f"no session has {', '.join(absent)}")
    notes += coded_twice(coded for part in parts for coded in part.events)
    notes += [
        f"{note}; events with a face get the times of their frames" for note in moved_by_stamps(seen.events)
    ]
    units = sorted(
        {
            (name, stream.unit)
            for part in parts
            for device in part.devices.values()
            for name, stream in device.streams.items()
            if name in BODY_LABELS
        }
    )
    if units:
        notes.append("units of BIOPAC's streams: " + ", ".join(f"{name} {unit}" for name, unit in units))
    return notes
