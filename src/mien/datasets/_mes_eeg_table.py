"""The coding table of MEs-EEG: one row for each time somebody coded an expression."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Literal

from mien.core.errors import InputError
from mien.datasets._inspection import Fault
from mien.datasets._mes_eeg_layout import (
    ACTION_UNITS,
    ALIASES,
    CODING_FILE,
    CODING_FOLDERS,
    COLUMNS,
    EMOTIONS,
    FILENAME,
    FRAME_COUNTER,
    MARKER_EMOTION,
    STAMP,
    STAMP_TOLERANCE,
    TYPES,
    UNUSED_COLUMNS,
    row_key,
)
from mien.io.workbook import read_sheet

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


@dataclass(frozen=True, kw_only=True)
class Table:
    """A coding table: its usable rows in order, and what is wrong with it, by people's names.

    ``blocks`` are the lengths of the runs of rows with the same kind of stamps, the batches of annotation.
    """

    path: Path
    rows: tuple[Row, ...]
    n_rows: int
    names: tuple[str, ...]
    blocks: tuple[int, ...]
    faults: tuple[Fault, ...]


def find_table(root: Path) -> Path | None:
    """Where the coding table lies, or None; any ``coding_file*.xlsx`` in the root will do."""
    for folder in CODING_FOLDERS:
        if (root / folder / CODING_FILE).is_file():
            return root / folder / CODING_FILE
    return next(iter(sorted(root.glob("coding_file*.xlsx"))), None)


def read_table(path: Path) -> Table:
    """Reads and checks the coding table.

    Raises
    ------
    InputError
        It is no workbook, or a column is missing.
    """
    header, *body = read_sheet(path) or [()]
    where = _columns(path, header)
    rows: list[Row] = []
    faults = [
        Fault(file=str(path), item=f"column {name}", reason="is missing (nothing reads it)", severity="kept")
        for name in UNUSED_COLUMNS
        if name not in where
    ]
    names: set[str] = set()
    n_rows = 0
    formats: list[bool] = []
    for number, cells in enumerate(body, start=2):
        if all(cell is None for cell in cells):
            continue
        n_rows += 1
        given = {name: cells[at] for name, at in where.items()}
        names |= _names_in(given)
        row, wrong = _row(number, given)
        marker = str(given["Marker"])
        item = f"row {number}" + (f", marker {marker}" if marker.isdecimal() else "")
        faults += [
            Fault(
                file=str(path),
                item=item,
                reason=text,
                subject=_whose(given),
                severity="kept" if kept else "left out",
            )
            for text, kept in wrong
        ]
        if row is not None:
            rows.append(row)
            formats.append(row.stamps[0] is not None and row.stamps[0].code is not None)
    return Table(
        path=path,
        rows=tuple(rows),
        n_rows=n_rows,
        names=tuple(sorted(names)),
        blocks=tuple(len(list(run)) for _, run in groupby(formats)),
        faults=tuple(faults),
    )


def _columns(path: Path, header: Iterable[Any]) -> dict[str, int]:
    """Name of a column to its place; an error names all that are missing."""
    found = {str(cell).strip(): at for at, cell in enumerate(header) if cell is not None}
    missing = [name for name in COLUMNS if name not in found and name not in UNUSED_COLUMNS]
    if missing:
        spare = [name for name in found if name not in COLUMNS]
        near = [difflib.get_close_matches(name, spare, n=1, cutoff=0.6) for name in missing]
        texts = [
            f"{name!r} (is it {hit[0]!r}?)" if hit else repr(name)
            for name, hit in zip(missing, near, strict=True)
        ]
        what = f"has no column {', '.join(texts)}"
        if missing == ["Macro/Micro"]:
            raise InputError(
                what,
                file=path,
                expected=f"the columns {', '.join(COLUMNS)}",
                remedy=f"MMME's coding_file.xlsx lacks it; use {CODING_FILE} of MEs-EEG",
            )
        raise InputError(what, file=path, expected=f"the columns {', '.join(COLUMNS)}")
    return {name: found[name] for name in COLUMNS if name in found}


def _names_in(given: Mapping[str, Any]) -> set[str]:
    """People's names in a row: all letters of the cell, whatever else is wrong with it."""
    found = {str(given["Subject"] or "").strip().lower()}
    if match := FILENAME.fullmatch(str(given["Filename"])):
        found.add(match["subject"])
    return {name for name in found if any(c.isalpha() for c in name)}


def _whose(given: Mapping[str, Any]) -> str:
    """Name of the person whose row it is, as far as the name of the video tells."""
    match = FILENAME.fullmatch(str(given["Filename"]))
    return match["subject"] if match else ""


def _row(number: int, given: Mapping[str, Any]) -> tuple[Row | None, list[tuple[str, bool]]]:
    """A row and what is wrong with it, each with whether the row is kept; no text repeats a name."""
    match = FILENAME.fullmatch(str(given["Filename"]))
    if match is None:
        return None, [("Filename is not EMOTION_INDEX_MARKER_SUBJECT_yyyymmdd.avi", False)]
    marker, known = int(match["marker"]), MARKER_EMOTION.get(int(match["marker"]))
    word = ALIASES.get(match["emotion"], match["emotion"])
    times, wrong = _times(given)
    if str(given["Subject"]).strip() != match["subject"]:
        wrong.append("Subject and Filename name different people")
    if str(given["Marker"]).removesuffix(".0") != match["marker"]:
        wrong.append(f"Marker is {given['Marker']!r} but {marker} in Filename")
    if known is None or known not in EMOTIONS:
        wrong.append(f"no label: marker {marker} {_no_label(known)}")
    elif word != known:
        wrong.append(f"Filename says {match['emotion']!r}, but marker {marker} is a clip of {known!r}")
    kind = TYPES.get(str(given["Macro/Micro"]))
    if kind is None:
        wrong.append(f"Macro/Micro is {given['Macro/Micro']!r}; expected Macro or Micro")
    if wrong or times is None or kind is None or known is None:
        return None, [(text, False) for text in wrong]
    kept = []
    estimated = str(given["Estimated Emotion"])
    if ALIASES.get(estimated, estimated) != known:
        kept.append(f"Estimated Emotion is {estimated!r}, the clip's is {known!r}, which is used")
    units = str(given["Action Units"] or "")
    if not ACTION_UNITS.fullmatch(units):
        kept.append(f"Action Units {units!r} are not AUn, AUn, …")
    stamps = [_stamp(given[c]) for c in ("OnsetFrame", "ApexFrame", "OffsetFrame")]
    if None in stamps:
        kept.append("a frame's stamp is not HH-MM-SS-mmm; the seconds are used")
    onset, apex, offset = times
    row = Row(
        number=number,
        name=match["subject"],
        date=match["date"],
        marker=marker,
        emotion=known,
        kind=kind,
        units=units,
        onset=onset,
        apex=apex,
        offset=None if offset == apex else offset,
        stamps=(stamps[0], stamps[1], stamps[2]),
        dif=int(dif) if isinstance(dif := given.get("dif"), int | float) and math.isfinite(dif) else None,
        key=None
        if apex is None
        else row_key(
            match["emotion"], match["subject"], match["date"], marker, onset, apex,
            apex if offset is None else offset,
        ),
    )  # fmt: skip
    return row, [(text, True) for text in kept]


def _no_label(known: str | None) -> str:
    if known is None:
        return f"is none of the clips {min(MARKER_EMOTION)} to {max(MARKER_EMOTION)}"
    return f"is a clip of {known!r}, in which nothing is coded"


def _times(given: Mapping[str, Any]) -> tuple[tuple[float, float | None, float | None] | None, list[str]]:
    """Onset, apex and offset (None where the cell is empty), or what is wrong with them."""
    names = ("OnsetTime", "ApexTime", "OffsetTime")
    cells = [given[name] for name in names]
    bad = [
        f"{name} is {cell!r}; expected seconds"
        for name, cell in zip(names, cells, strict=True)
        if not (cell is None and name != "OnsetTime") and not _is_time(cell)
    ]
    if bad:
        return None, bad
    onset, apex, offset = cells
    if apex is None and offset is None:
        return None, ["neither ApexTime nor OffsetTime is coded"]
    if apex is not None and not onset < apex:
        return None, [f"onset {onset:g} s is not before apex {apex:g} s"]
    last = onset if apex is None else apex
    if offset is not None and (offset < last or offset <= onset):
        return None, [f"offset {offset:g} s is before {'onset' if apex is None else 'apex'} {last:g} s"]
    return (float(onset), _number(apex), _number(offset)), []


def _number(cell: Any) -> float | None:
    return None if cell is None else float(cell)


def _is_time(cell: Any) -> bool:
    number = isinstance(cell, int | float) and not isinstance(cell, bool)
    return number and math.isfinite(cell) and cell >= 0


def _stamp(cell: Any) -> Stamp | None:
    match = STAMP.fullmatch(str(cell))
    if match is None:
        return None
    hours, minutes, seconds, thousandths = (int(match[i]) for i in range(1, 5))
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    code = None if match[5] is None else int(match[5])
    return Stamp(seconds=3600 * hours + 60 * minutes + seconds + thousandths / 1000, code=code)


def dif_explained(row: Row) -> bool:
    """Whether ``dif`` is what the annotators' program made: one more than the difference of the frame
    counters, or of the milliseconds alone, which loses whole seconds."""
    first, apex = row.stamps[0], row.stamps[1]
    if row.dif is None or first is None or apex is None:
        return False
    if first.code is not None and apex.code is not None:
        return row.dif == (apex.code - first.code) % FRAME_COUNTER + 1
    return row.dif == round((apex.seconds - first.seconds) * 1000) % 1000 + 1
