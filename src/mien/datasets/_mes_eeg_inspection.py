"""The look at all data of a copy of MEs-EEG."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mien.core.errors import InputError
from mien.core.types import Event
from mien.datasets._inspection import Fault, Inspection, fault_of
from mien.datasets._mes_eeg_events import overlapping_pairs
from mien.datasets._mes_eeg_face import rate_factor
from mien.datasets._mes_eeg_layout import KINDS, STAMP_TOLERANCE
from mien.datasets._mes_eeg_session import Part, part_of, rows_text
from mien.datasets._mes_eeg_survey import Survey
from mien.datasets._mes_eeg_table import dif_explained
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
            faults += _look_at_face(part, event)
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
    holes, flat = ~np.isfinite(low + high), low == high
    texts = [(holes, "NaN or infinite values in"), (flat & ~holes, "one value throughout in")]
    return [
        Fault(
            file=path,
            reason=f"{text} {', '.join(np.array(recording.channels)[where].tolist())}",
            subject=part.subject,
            severity="kept",
        )
        for where, text in texts
        if where.any()
    ]


def _look_at_face(part: Part, event: Event) -> list[Fault]:
    """A face whose files cannot be read."""
    assert part.recording is not None
    try:
        part.recording.streams["face"].clip(event)
    except InputError as error:
        return [fault_of(error, item=str(event.id), subject=part.subject, severity="kept")]
    return []


def _counts(
    seen: Survey, parts: Sequence[Part], *, card: Mapping[str, float]
) -> dict[str, tuple[float, float | None]]:
    """What there is, against the card, or against the ``truth.json`` of a made-up copy."""
    found: dict[str, float] = {"subjects": len({part.subject for part in parts})}
    if seen.table is not None:
        rows = seen.table.rows
        pairs = overlapping_pairs(rows)
        found |= {
            "coded subjects": len({r.name for r in rows}),
            "rows": seen.table.n_rows,
            "rows macro": sum(r.kind == "macro" for r in rows),
            "rows micro": sum(r.kind == "micro" for r in rows),
            **{f"rows of batch {i}": n for i, n in enumerate(seen.table.blocks, start=1)},
            "rows without a coded offset": sum(r.offset is None for r in rows),
            "rows with dif as the annotators' program made it": sum(map(dif_explained, rows)),
            "videos": len(seen.events),
            "markers": len({r.marker for r in rows}),
            "pairs of rows of one event": len(pairs),
            "rows in such pairs": len({row.number for pair in pairs for row in pair}),
            "events": sum(map(len, seen.events.values())),
        }
    if seen.eeg.there:
        found |= {
            "EEG files": len(seen.eeg.sessions),
            "EEG trials": sum(t.recorded for p in parts if p.eeg is not None for t in p.eeg.trials),
        }
    if seen.stage is not None:
        found |= {"events with a face": sum(len(part.faces) for part in parts)}
    expected = _made(seen.truth) if seen.simulated else card
    return {what: (n, expected.get(what)) for what, n in found.items()}


def _made(truth: Mapping[str, Any]) -> dict[str, float]:
    """How much a made-up copy holds, as far as its ``truth.json`` says."""
    lists = {name: truth[name] for name in ("subjects", "events") if isinstance(truth.get(name), list)}
    rows = {"rows": truth["n_rows"]} if isinstance(truth.get("n_rows"), int) else {}
    return rows | {name: len(found) for name, found in lists.items()}


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
    notes += _coded_twice(parts)
    moved = [row for found in seen.events.values() for e in found for row in e.rows]
    moved = [row for row in moved if row.disagreement > STAMP_TOLERANCE]
    if moved:
        listed = sorted((row.number, row.disagreement) for row in moved)
        notes.append(
            f"stamps and seconds disagree by more than {STAMP_TOLERANCE * 1000:.0f} ms in {len(moved)} rows; "
            "apex and offset are placed by the stamps: rows "
            + ", ".join(f"{number} ({seconds:.2f} s)" for number, seconds in listed)
        )
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


def _coded_twice(parts: Iterable[Part]) -> list[str]:
    """Events that several rows code, and where the rows disagree."""
    several = [(event, merged) for part in parts for event, merged in part.events if len(merged.rows) > 1]
    if not several:
        return []
    n_rows = sum(len(merged.rows) for _, merged in several)
    notes = [
        f"events coded more than once: {len(several)}, by {n_rows} rows; each has the onset, apex, offset, "
        "type and action units of its first row with a coded offset, or of its first row"
    ]
    for what, split in (("type", lambda m: m.kinds), ("action units", lambda m: m.units)):
        differing = [(event, merged) for event, merged in several if len(split(merged)) > 1]
        if differing:
            listed = "; ".join(
                f"{event.id} ({rows_text(merged)}: {' / '.join(split(merged))})"
                for event, merged in differing
            )
            notes.append(f"their rows disagree about the {what} in {len(differing)}: {listed}")
    return notes


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
