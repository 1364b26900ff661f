"""The look at all data of a copy of MEs-EEG."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from mien.core.errors import InputError
from mien.datasets._inspection import Fault, Inspection, fault_of
from mien.datasets._me_inspection import (
    coded_twice,
    counts_made,
    counts_of,
    event_rows,
    look_at_face,
    moved_by_stamps,
)
from mien.datasets._me_streams import useless
from mien.datasets._mes_eeg_face import rate_factor
from mien.datasets._mes_eeg_layout import KINDS
from mien.datasets._mes_eeg_session import Part, part_of
from mien.datasets._mes_eeg_survey import Survey
from mien.io.video import open_video


def inspect_survey(
    seen: Survey, *, card: Mapping[str, float], progress: Callable[[int, int, str], None] | None = None
) -> Inspection:
    """Counts, faults and notes of a survey; reads all EEG and the key frames of all faces, one at a time.

    ``card`` has the counts of the real data set.
    """
    parts = [part_of(seen, session, kinds=KINDS, frames="key") for session in seen.sessions]
    faults = [*seen.faults, *(fault for part in parts for fault in part.faults)]
    if seen.broken_table is not None:
        faults.append(fault_of(seen.broken_table))
    total = sum((part.eeg is not None) + len(part.faces) for part in parts)
    done = 0
    found = []
    for part in parts:
        if part.eeg is not None:
            if progress is not None:
                progress(done, total, f"EEG of {part.id}")
            faults += _look_at_eeg(part)
            done += 1
        for event, _ in part.faces:
            if progress is not None:
                progress(done, total, f"face of {event.id}")
            assert part.recording is not None
            faults += look_at_face(part.recording, event)
            done += 1
        found.append(part.summary())
    if progress is not None:
        progress(total, total, "")
    return Inspection(
        dataset="mes_eeg",
        root=str(seen.root),
        found=tuple(found),
        counts=_counts(seen, parts, card=card),
        faults=tuple(dict.fromkeys(seen.hidden(fault) for fault in faults)),
        notes=tuple(seen.veil.hide(note) for note in _notes(seen, parts)),
        events=event_rows(seen.events, seen.veil.names),
    )


def _look_at_eeg(part: Part) -> list[Fault]:
    """Channels of a session that hold no numbers, or one value throughout."""
    assert part.eeg is not None
    recording = part.eeg.recording
    path = str(recording.path)
    try:
        low, high = recording.limits()
    except InputError as error:
        return [fault_of(error, subject=part.subject, severity="kept")]
    return [
        Fault(file=path, reason=text, subject=part.subject, severity="kept")
        for text in useless(recording.channels, low, high)
    ]


def _counts(
    seen: Survey, parts: Sequence[Part], *, card: Mapping[str, float]
) -> dict[str, tuple[float, float | None]]:
    """What there is, against the card, or against the ``truth.json`` of a made-up copy."""
    found: dict[str, float] = {"subjects": len({part.subject for part in parts})}
    if seen.table is not None:
        found |= counts_of(seen.table, seen.events)
    if seen.eeg.there:
        found |= {
            "EEG files": len(seen.eeg.sessions),
            "EEG trials": sum(t.recorded for p in parts if p.eeg is not None for t in p.eeg.trials),
        }
    if seen.stage is not None:
        found |= {"events with a face": sum(len(part.faces) for part in parts)}
    expected = counts_made(seen.truth) if seen.simulated else card
    return {what: (n, expected.get(what)) for what, n in found.items()}


def _notes(seen: Survey, parts: Sequence[Part]) -> list[str]:
    notes = []
    if seen.simulated:
        notes.append("made-up data: counts are compared with truth.json, not with the card")
    absent = [
        text
        for text, there in (
            ("coding table", seen.table is not None or seen.broken_table is not None),
            ("EEG", seen.eeg.there),
            ("faces", bool(seen.faces.rows)),
        )
        if not there
    ]
    if absent:
        notes.append(f"not there: {', '.join(absent)}")
    if seen.stage is not None:
        others = [stage for stage in seen.faces.rows if stage != seen.stage]
        notes.append(f"faces are read from {seen.stage}; also there: {', '.join(others) or 'nothing'}")
    notes += _unmatched(seen)
    notes += coded_twice(coded for part in parts for coded in part.events)
    notes += moved_by_stamps(seen.events)
    if seen.stage == "avi":
        notes += _rates(parts)
    return notes


def _unmatched(seen: Survey) -> list[str]:
    """Faces of no row, and names that are not understood."""
    notes = []
    keys = {row.key for found in seen.events.values() for event in found for row in event.rows}
    for stage, files in seen.faces.rows.items():
        spare = [key for key in files if key not in keys]
        if spare and seen.table is not None:
            notes.append(f"{stage}: {len(spare)} match no usable row: {_some(spare)}")
    for stage, names in seen.faces.strange.items():
        if names:
            shown = [seen.strange.hide(name) for name in names]
            notes.append(f"{stage}: {len(names)} names are not understood: {_some(shown)}")
    return notes


def _some(names: Sequence[str], *, at_most: int = 10) -> str:
    more = f", … ({len(names)} in all)" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more


def _rates(parts: Iterable[Part]) -> list[str]:
    """Videos whose header and name give different rates."""
    wrong = []
    for part in parts:
        for event, face in part.faces:
            try:
                rate = open_video(face.paths[0]).rate
            except InputError:
                continue
            factor = rate_factor(face.paths[0], rate)
            if factor != 1:
                wrong.append(f"{event.id} ({rate:.1f}, not {rate / factor:.0f})")
    if not wrong:
        return []
    return [f"the headers of {len(wrong)} videos give another rate than their names, which are believed: "
            f"{_some(wrong)}"]  # fmt: skip
