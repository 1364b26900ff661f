"""One row of the coding table: an expression as somebody coded it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from mien.datasets._mes_eeg_layout import FRAME_COUNTER, STAMP_TOLERANCE

_DAY = 24 * 3600.0
_BELIEVABLE = 1.0
"""Seconds by which a stamp may differ from the seconds beside it and still be believed."""


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """Wall clock of a frame in seconds since midnight, and the camera's frame counter where it is given."""

    seconds: float
    code: int | None

    def since(self, other: Stamp) -> float:
        """Seconds after another stamp, also past midnight."""
        return (self.seconds - other.seconds) % _DAY


@dataclass(frozen=True, kw_only=True, repr=False)
class Row:
    """One usable row. Holds a person's name, so it has no ``repr``.

    ``onset``, ``apex`` and ``offset`` are seconds of the clip's video as coded; ``apex`` or ``offset`` is
    None where it was not coded, which for the offset the table says by repeating the apex. ``number`` is the
    row of the sheet, from 1. ``key`` names its clip folder; None where it has no apex.
    """

    number: int
    name: str
    date: str
    marker: int
    emotion: str
    kind: str
    units: str
    onset: float
    apex: float | None
    offset: float | None
    stamps: tuple[Stamp | None, Stamp | None, Stamp | None]
    dif: int | None
    key: str | None

    @property
    def video(self) -> tuple[str, str, int]:
        """Whose video it is in: name, date, marker."""
        return self.name, self.date, self.marker

    @property
    def end(self) -> float:
        """The last moment that was coded."""
        return max(t for t in (self.onset, self.apex, self.offset) if t is not None)

    @property
    def disagreement(self) -> float:
        """Seconds by which stamps and seconds disagree about the time from onset to apex or offset."""
        return max((abs(by_stamp - coded) for coded, by_stamp in self._spans()), default=0.0)

    def on_the_clock(self) -> tuple[float, float | None, float | None]:
        """Onset, apex and offset in seconds after the clip's marker.

        The onset as coded. Apex and offset as coded too, unless the stamps contradict by more than
        :data:`STAMP_TOLERANCE`: frames were dropped then, the seconds count frames, and the stamps tell the
        time.
        """
        if not STAMP_TOLERANCE < self.disagreement < _BELIEVABLE:
            return self.onset, self.apex, self.offset
        by_stamp = (self._by_stamp(1), self._by_stamp(2))
        apex, offset = (
            coded if coded is None or t is None else self.onset + t
            for coded, t in zip((self.apex, self.offset), by_stamp, strict=True)
        )
        moments = [t for t in (self.onset, apex, offset) if t is not None]
        if any(a >= b for a, b in pairwise(moments)):
            return self.onset, self.apex, self.offset
        return self.onset, apex, offset

    def _by_stamp(self, which: Literal[1, 2]) -> float | None:
        first, other = self.stamps[0], self.stamps[which]
        return None if first is None or other is None else other.since(first)

    def _spans(self) -> Iterator[tuple[float, float]]:
        """(seconds coded, seconds by the stamps) from the onset to each later moment."""
        for which, coded in ((1, self.apex), (2, self.offset)):
            by_stamp = self._by_stamp(which)  # type: ignore[arg-type]
            if coded is not None and by_stamp is not None:
                yield coded - self.onset, by_stamp


def dif_explained(row: Row) -> bool:
    """Whether ``dif`` is what the annotators' program made: one more than the difference of the frame
    counters, or of the milliseconds alone, which loses whole seconds."""
    first, apex = row.stamps[0], row.stamps[1]
    if row.dif is None or first is None or apex is None:
        return False
    if first.code is not None and apex.code is not None:
        return row.dif == (apex.code - first.code) % FRAME_COUNTER + 1
    return row.dif == round((apex.seconds - first.seconds) * 1000) % 1000 + 1
