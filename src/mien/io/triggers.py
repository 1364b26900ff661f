"""Trigger files: when each clip began and ended, by the wall clock of the computer that showed them."""

from __future__ import annotations

import csv
import datetime
from dataclasses import dataclass
from pathlib import Path

from mien.core.errors import InputError
from mien.io._content import first_bytes

__all__ = ["ClipTimes", "read_trigger_csv"]

_EXPECTED = "rows of code,YYYY-mm-dd HH:MM:SS.ffffff without a header"
_WORDS = {1: "start", 2: "end"}


@dataclass(frozen=True, kw_only=True)
class ClipTimes:
    """Wall-clock start and end of one clip."""

    start: datetime.datetime
    end: datetime.datetime


def read_trigger_csv(path: str | Path) -> tuple[ClipTimes, ...]:
    """Clips of a ``*_trigger_info.csv`` in the order in which they were shown.

    Rows are ``code,YYYY-mm-dd HH:MM:SS.ffffff`` (any number of digits of a second, or none), without a
    header; code 1 starts a clip, code 2 ends it, rows with any other code are passed over.

    Raises
    ------
    InputError
        The file is missing, empty or something else; a row cannot be read; starts and ends do not alternate
        (a row is missing); times go back. The message names the row.
    """
    path = Path(path)
    first_bytes(path, 64, expected=_EXPECTED)
    rows = _rows(path)
    for i, (number, code, at) in enumerate(rows):
        wanted = 1 + i % 2
        if code != wanted:
            raise InputError(
                f"row {number} is the {_WORDS[code]} of a clip (code {code}), where the {_WORDS[wanted]} of "
                f"clip {i // 2 + 1} (code {wanted}) should be",
                file=path,
                expected="a start (1) and an end (2) of each clip in turn",
                remedy=f"a row is missing or doubled before row {number}: put it right, or remove the file",
            )
        if i and at < rows[i - 1][2]:
            raise InputError(
                f"row {number}: {at} is before row {rows[i - 1][0]}",
                file=path,
                expected="rows in order of time",
            )
    if len(rows) % 2:
        raise InputError(
            f"ends after row {rows[-1][0]}, the start of clip {(len(rows) + 1) // 2}",
            file=path,
            expected="one more row, the end (code 2) of that clip",
            remedy="put the last row back, or remove the file",
        )
    return tuple(ClipTimes(start=a, end=b) for (*_, a), (*_, b) in zip(rows[::2], rows[1::2], strict=True))


def _rows(path: Path) -> list[tuple[int, int, datetime.datetime]]:
    """(number of the row, code, time) of the rows with code 1 or 2."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("is not text", file=path, expected=_EXPECTED) from None
    found = []
    for number, fields in enumerate(csv.reader(text.splitlines()), start=1):
        if not any(field.strip() for field in fields):
            continue
        try:
            code, at = fields
            found.append((number, int(code), datetime.datetime.fromisoformat(at.strip())))
        except ValueError:
            raise InputError(
                f"row {number} is {','.join(fields)[:80]!r}", file=path, expected=_EXPECTED
            ) from None
    clips = [row for row in found if row[1] in _WORDS]
    if not clips:
        raise InputError("holds no rows with code 1 or 2", file=path, expected=_EXPECTED)
    return clips
