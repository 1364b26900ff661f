"""The coding table of MEs-EEG and MMME: one row for each time somebody coded an expression."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from mien.core.errors import InputError
from mien.datasets._inspection import Fault
from mien.datasets._me_rows import Row, Stamp
from mien.datasets._mes_eeg_layout import (
    ACTION_UNITS,
    ALIASES,
    CODING_FILE,
    CODING_FOLDERS,
    COLUMNS,
    EMOTIONS,
    FILENAME,
    MARKER_EMOTION,
    STAMP,
    TYPES,
    UNUSED_COLUMNS,
    row_key,
)
from mien.io.workbook import read_sheet

KIND_COLUMN = "Macro/Micro"
UNKNOWN_KIND = "expression"
"""Kind of a row of a table that does not say whether it is macro or micro."""


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


def read_table(path: Path, *, needs_kind: bool = True) -> Table:
    """Reads and checks the coding table.

    Parameters
    ----------
    path
        The workbook.
    needs_kind
        False: the column ``Macro/Micro`` may be missing; every row is then of the kind
        :data:`UNKNOWN_KIND`.

    Raises
    ------
    InputError
        It is no workbook, or a column is missing.
    """
    header, *body = read_sheet(path) or [()]
    where = _columns(path, header, needs_kind=needs_kind)
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


def _columns(path: Path, header: Iterable[Any], *, needs_kind: bool) -> dict[str, int]:
    """Name of a column to its place; an error names all that are missing."""
    found = {str(cell).strip(): at for at, cell in enumerate(header) if cell is not None}
    spared = UNUSED_COLUMNS if needs_kind else (*UNUSED_COLUMNS, KIND_COLUMN)
    missing = [name for name in COLUMNS if name not in found and name not in spared]
    if missing:
        spare = [name for name in found if name not in COLUMNS]
        near = [difflib.get_close_matches(name, spare, n=1, cutoff=0.6) for name in missing]
        texts = [
            f"{name!r} (is it {hit[0]!r}?)" if hit else repr(name)
            for name, hit in zip(missing, near, strict=True)
        ]
        what = f"has no column {', '.join(texts)}"
        if missing == [KIND_COLUMN]:
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
    kind = TYPES.get(str(given[KIND_COLUMN])) if KIND_COLUMN in given else UNKNOWN_KIND
    if kind is None:
        wrong.append(f"{KIND_COLUMN} is {given[KIND_COLUMN]!r}; expected Macro or Micro")
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
