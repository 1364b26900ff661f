"""What can be used of one person's recording of one date."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mien.core.errors import InputError
from mien.core.types import Event, Recording, Span, Stream, Trial
from mien.datasets._inspection import Fault, fault_of
from mien.datasets._me_events import Merged, beyond, rows_text
from mien.datasets._me_labels import event_of, labels_of_trial
from mien.datasets._me_streams import eeg_streams
from mien.datasets._mes_eeg_eeg import Eeg, EegTrial, open_eeg
from mien.datasets._mes_eeg_face import Face, FaceSource, Frames
from mien.datasets._mes_eeg_layout import (
    FACE_FOLDERS,
    FACE_RATE,
    MARKER_EMOTION,
)
from mien.datasets._mes_eeg_survey import Session, Survey


@dataclass(frozen=True, kw_only=True, repr=False)
class Part:
    """What can be used of a session; ``events`` has the rows of each event, ``faces`` its files."""

    id: str
    subject: str
    recording: Recording | None
    eeg: Eeg | None
    events: tuple[tuple[Event, Merged], ...]
    faces: tuple[tuple[Event, Face], ...]
    faults: tuple[Fault, ...]

    def summary(self) -> dict[str, Any]:
        """One line of the inspection's table."""
        kinds = [event.kind for event, _ in self.events]
        trials = () if self.eeg is None else self.eeg.trials
        return {
            "recording": self.id,
            "eeg_minutes": None if self.eeg is None else round(self.eeg.recording.span.duration / 60, 2),
            "eeg_trials": sum(t.recorded for t in trials),
            "rows": sum(len(merged.rows) for _, merged in self.events),
            "micro": kinds.count("micro"),
            "macro": kinds.count("macro"),
            "faces": len(self.faces),
        }


def part_of(seen: Survey, session: Session, *, kinds: Collection[str], frames: Frames) -> Part:
    """One person's recording of one date."""
    date, subject = session[1], seen.subject(session)
    identity = f"{subject}_{date}"
    eeg, faults = _opened(seen.eeg.sessions.get(session))
    coded = {marker: events for (n, d, marker), events in seen.events.items() if (n, d) == session}
    spans = _spans(eeg, coded)
    shown: list[tuple[Event, Merged]] = []
    faces: list[tuple[Event, Face]] = []
    for marker, span in spans.items():
        for number, merged in enumerate(coded.get(marker, ()), start=1):
            event = event_of(
                merged,
                identity=f"{identity}_{marker}_e{number:02d}",
                trial=f"{identity}_{marker}",
                start=span.start,
            )
            if event.kind in kinds:
                shown.append((event, merged))
                face, wrong = _face(seen, span.start, merged)
                faults += [*wrong, *_beyond(seen, span, event, merged)]
                faces += [] if face is None else [(event, face)]
    used = {t.marker for t in eeg.trials if t.recorded} if eeg is not None else set()
    used |= {merged.row.marker for _, merged in shown}
    trials = tuple(
        Trial(
            id=f"{identity}_{marker}",
            recording=identity,
            subject=subject,
            session=date,
            stimulus=str(marker),
            span=span,
            labels=labels_of_trial(MARKER_EMOTION[marker]),
        )
        for marker, span in spans.items()
        if marker in used
    )
    streams = {} if eeg is None else eeg_streams(eeg.recording, seen.veil, every=eeg.recording.channels)
    if faces:
        source = FaceSource(
            faces={str(event.id): face for event, face in faces}, veil=seen.veil, frames=frames
        )
        streams["face"] = _face_stream(source, stop=max(t.span.stop for t in trials))
    recording = None
    if trials:
        recording = Recording(
            id=identity,
            dataset="mes_eeg",
            subject=subject,
            session=date,
            streams=streams,
            events=tuple(sorted((e for e, _ in shown), key=lambda e: (e.span.start, str(e.id)))),
            trials=trials,
        )
    return Part(
        id=identity,
        subject=subject,
        recording=recording,
        eeg=eeg,
        events=tuple(shown),
        faces=tuple(faces),
        faults=tuple(replace(fault, subject=subject) for fault in faults),
    )


def _opened(path: Path | None) -> tuple[Eeg | None, list[Fault]]:
    """A session's EEG, or None where there is none or it is at fault."""
    if path is None:
        return None, []
    try:
        return open_eeg(path)
    except InputError as error:
        return None, [fault_of(error)]


def _face_stream(source: FaceSource, *, stop: float) -> Stream:
    return Stream(
        name="face",
        modality="face",
        unit="1",
        rate=FACE_RATE,
        channels=("r", "g", "b"),
        span=Span(start=0.0, duration=stop),
        source=source,
    )


def _spans(eeg: Eeg | None, coded: Mapping[int, Sequence[Merged]]) -> dict[int, Span]:
    """Marker to the clip's time, in order: where the EEG has it, else after everything that is there."""
    known: dict[int, EegTrial] = {} if eeg is None else {t.marker: t for t in eeg.trials}
    spans = {marker: t.span for marker, t in known.items()}
    ends = [span.stop for span in spans.values()]
    start = max([0.0, *ends] if eeg is None else [eeg.recording.span.stop, *ends])
    for marker in sorted(set(coded) - set(spans)):
        length = max(
            t for merged in coded[marker] for row in merged.rows for t in row.on_the_clock() if t is not None
        )
        spans[marker] = Span(start=start, duration=length)
        start += length
    return spans


def _face(seen: Survey, start: float, merged: Merged) -> tuple[Face | None, list[Fault]]:
    """Files of an event: those of the first of its rows that has some, at the stage that is read."""
    if seen.stage is None:
        return None, []
    files = seen.faces.rows[seen.stage]
    for row in merged.rows:
        if row.key is not None and row.key in files:
            onset, apex, offset = row.on_the_clock()
            assert row.apex is not None  # it is in the key
            assert apex is not None
            return Face(
                paths=files[row.key],
                coded=(row.onset, row.apex, row.offset),
                times=(start + onset, start + apex, None if offset is None else start + offset),
            ), []
    half = [p for row in merged.rows for p in seen.faces.incomplete.get((seen.stage, str(row.key)), ())]
    if half:
        return None, [Fault(file=str(p), item=rows_text(merged), reason="no such picture") for p in half]
    folder = next(f for f in FACE_FOLDERS[seen.stage] if (seen.root / f).is_dir())
    what = "video" if seen.stage == "avi" else "folder"
    reason = f"no {what} of the face: expected {merged.row.key} in it"
    return None, [Fault(file=str(seen.root / folder), item=rows_text(merged), reason=reason)]


def _beyond(seen: Survey, span: Span, event: Event, merged: Merged) -> list[Fault]:
    """An event that is coded after the end of its trial in the EEG."""
    assert seen.table is not None
    end = f"the end of its trial in the EEG ({span.duration:.3f} s)"
    return beyond(event, merged, end=span.stop, table=seen.table.path, what=end)
