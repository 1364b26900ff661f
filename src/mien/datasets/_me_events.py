"""Rows of the coding table as events: what two people coded twice becomes one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from mien.core.types import Event
from mien.datasets._inspection import Fault
from mien.datasets._me_rows import Row
from mien.datasets._mes_eeg_layout import EEG_RATE, SAME_EVENT_IOU

_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, repr=False)
class Merged:
    """One expression, with every row that codes it, the one that stands for it first."""

    rows: tuple[Row, ...]

    @property
    def row(self) -> Row:
        """The row whose onset, apex, offset, type and action units the event has."""
        return self.rows[0]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The types its rows give, without repeats."""
        return tuple(dict.fromkeys(r.kind for r in self.rows))

    @property
    def units(self) -> tuple[str, ...]:
        """The action units its rows give, without repeats."""
        return tuple(dict.fromkeys(r.units for r in self.rows))


def iou(first: Row, second: Row) -> float:
    """Length shared by two intervals over the length both cover; an interval goes from the onset to the last
    moment coded."""
    shared = min(first.end, second.end) - max(first.onset, second.onset)
    if shared <= 0:
        return 0.0
    return shared / (max(first.end, second.end) - min(first.onset, second.onset))


def same_event(first: Row, second: Row) -> bool:
    """Whether two rows of one video code the same expression."""
    return iou(first, second) >= SAME_EVENT_IOU - _ROUNDING


def by_video(rows: Iterable[Row]) -> dict[tuple[str, str, int], list[Row]]:
    """(name, date, marker) to the rows of that video."""
    found: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        found.setdefault(row.video, []).append(row)
    return found


def overlapping_pairs(rows: Iterable[Row]) -> list[tuple[Row, Row]]:
    """Pairs of rows that code the same expression."""
    return [
        (a, b) for group in by_video(rows).values() for a, b in combinations(group, 2) if same_event(a, b)
    ]


def merge(rows: Iterable[Row]) -> Mapping[tuple[str, str, int], tuple[Merged, ...]]:
    """Video to its events in order of time.

    Rows that code the same expression as a third are one event with it (connected components). The row that
    stands for an event is the first of the table with a coded offset, or the first where none has one. Onset,
    apex, offset, type and action units all come from that one row, so that they belong together and some
    annotator has vouched for them; where the others differ, the inspection says so.
    """
    return {
        video: tuple(
            sorted(
                (Merged(rows=tuple(sorted(part, key=_preference))) for part in _components(group)),
                key=lambda event: (event.row.onset, event.row.end, event.row.number),
            )
        )
        for video, group in by_video(rows).items()
    }


def _preference(row: Row) -> tuple[bool, bool, int]:
    return row.apex is None, row.offset is None, row.number


def _components(rows: list[Row]) -> list[list[Row]]:
    """Groups of rows that are linked by :func:`same_event`."""
    parts: list[list[Row]] = []
    for row in rows:
        linked = [part for part in parts if any(same_event(row, other) for other in part)]
        parts = [part for part in parts if part not in linked]
        parts.append([row, *(other for part in linked for other in part)])
    return parts


def rows_text(merged: Merged) -> str:
    """Where the rows of an event are in the table."""
    numbers = sorted(row.number for row in merged.rows)
    return f"row{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}, marker {merged.row.marker}"


def beyond(event: Event, merged: Merged, *, end: float, table: Path, what: str) -> list[Fault]:
    """An event that is coded after the end of its trial, at ``end`` of the recording: after ``what``."""
    late = event.span.stop - end
    if late <= 0.5 / EEG_RATE:
        return []
    reason = f"ends {late:.3f} s after {what}"
    return [Fault(file=str(table), item=rows_text(merged), reason=reason, severity="kept")]
