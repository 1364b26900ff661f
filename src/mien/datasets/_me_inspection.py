"""What a look at a copy of MEs-EEG or MMME says about its coding table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mien.core.errors import InputError
from mien.core.types import Event, Recording
from mien.datasets._inspection import Fault, fault_of
from mien.datasets._me_events import Merged, overlapping_pairs, rows_text
from mien.datasets._me_rows import Row, dif_explained
from mien.datasets._me_table import Table
from mien.datasets._mes_eeg_layout import KINDS, STAMP_TOLERANCE, THREE

Coded = tuple[Event, Merged]
Videos = Mapping[tuple[str, str, int], Sequence[Merged]]
"""(name, date, marker) to what is coded in that video."""


def look_at_face(recording: Recording, event: Event) -> list[Fault]:
    """A face whose files cannot be read."""
    try:
        recording.streams["face"].clip(event)
    except InputError as error:
        return [fault_of(error, item=str(event.id), subject=recording.subject, severity="kept")]
    return []


def counts_of(table: Table, videos: Videos) -> dict[str, float]:
    """How much a coding table holds, by the names of the card."""
    rows = table.rows
    pairs = overlapping_pairs(rows)
    return {
        "coded subjects": len({r.name for r in rows}),
        "rows": table.n_rows,
        **{f"rows {kind}": sum(r.kind == kind for r in rows) for kind in _kinds(rows)},
        **{f"rows of batch {i}": n for i, n in enumerate(table.blocks, start=1)},
        "rows without a coded offset": sum(r.offset is None for r in rows),
        "rows with dif as the annotators' program made it": sum(map(dif_explained, rows)),
        "videos": len(videos),
        "markers": len({r.marker for r in rows}),
        "pairs of rows of one event": len(pairs),
        "rows in such pairs": len({row.number for pair in pairs for row in pair}),
        "events": sum(map(len, videos.values())),
    }


def _kinds(rows: Iterable[Row]) -> list[str]:
    """The kinds to count: both, even where there is none, but for a table that does not tell them."""
    there = {row.kind for row in rows}
    known = sorted(KINDS) if not there or there & set(KINDS) else []
    return [*known, *sorted(there - set(KINDS))]


def counts_made(truth: Mapping[str, Any]) -> dict[str, float]:
    """How much a made-up copy holds, as far as its ``truth.json`` says."""
    lists = {name: truth[name] for name in ("subjects", "events") if isinstance(truth.get(name), list)}
    rows = {"rows": truth["n_rows"]} if isinstance(truth.get("n_rows"), int) else {}
    return rows | {name: len(found) for name, found in lists.items()}


def event_rows(videos: Videos, people: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    """One mapping per event of a coding table, for its statistics: who, in which clip, what and how long.

    ``people`` gives each name's pseudonym. Times are seconds of the clip; ``apex`` and ``offset`` are None
    where they were not coded.
    """
    found = []
    for (name, date, marker), events in videos.items():
        trial = f"{people[name]}_{date}_{marker}"
        for number, merged in enumerate(events, start=1):
            row = merged.row
            onset, apex, offset = row.on_the_clock()
            found.append(
                {
                    "event": f"{trial}_e{number:02d}",
                    "trial": trial,
                    "subject": people[name],
                    "stimulus": str(marker),
                    "kind": row.kind,
                    "emotion": row.emotion,
                    "emotion3": THREE[row.emotion],
                    "aus": row.units,
                    "onset": onset,
                    "apex": apex,
                    "offset": offset,
                    "rows_merged": len(merged.rows),
                    "disagree_kind": len(merged.kinds) > 1,
                    "disagree_aus": len(merged.units) > 1,
                }
            )
    return tuple(sorted(found, key=lambda row: str(row["event"])))


def coded_twice(coded: Iterable[Coded]) -> list[str]:
    """Events that several rows code, and where the rows disagree."""
    several = [(event, merged) for event, merged in coded if len(merged.rows) > 1]
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


def moved_by_stamps(videos: Videos) -> list[str]:
    """Rows whose apex and offset the stamps move."""
    moved = [row for found in videos.values() for event in found for row in event.rows]
    listed = sorted((row.number, row.disagreement) for row in moved if row.disagreement > STAMP_TOLERANCE)
    if not listed:
        return []
    return [
        f"stamps and seconds disagree by more than {STAMP_TOLERANCE * 1000:.0f} ms in {len(listed)} rows; "
        "apex and offset are placed by the stamps: rows "
        + ", ".join(f"{number} ({seconds:.2f} s)" for number, seconds in listed)
    ]
