"""Rows of a small table, whichever program wrote it: ``.csv``, ``.xls``, ``.xlsx`` or ``.ods``."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.core.errors import InputError, MissingPackageError
from mien.io._content import first_bytes
from mien.io.workbook import read_sheet

__all__ = ["Table", "read_rows", "read_table"]

_EXPECTED = "a table (.csv, .xls, .xlsx or .ods)"
_AGAIN = "download the file again"
_OLD = b"\xd0\xcf\x11\xe0"
_SEPARATORS = ",;\t"
Cell = str | float | None
"""Text without blanks around it, a number, or None where a cell is empty."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under a line of names.

    Attributes
    ----------
    path
        The file.
    columns
        Names as :func:`column_name` writes them.
    rows
        Cells of each row, as many as columns.
    numbers
        Number of each row in the file, from 1, as a spreadsheet shows it.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numbers: tuple[int, ...]

    def column(self, *names: str) -> int | None:
        """Place of the first of some names that is there."""
        wanted = [column_name(name) for name in names]
        return next((self.columns.index(name) for name in wanted if name in self.columns), None)


def column_name(text: object) -> str:
    """A name without case, blanks and signs: ``"Participant_id"`` and ``"participant id"`` are one."""
    return re.sub(r"[^a-z0-9]", "", str(text).lower())


def read_table(path: str | Path, *, needed: Sequence[str]) -> Table:
    """A table whose first row that is not empty holds names.

    Parameters
    ----------
    path
        The file.
    needed
        Columns that must be there.

    Raises
    ------
    InputError
        As :func:`read_rows`; a column is missing or there twice; there is no row below the names.
    """
    path = Path(path)
    given = [(number, row) for number, row in enumerate(read_rows(path), start=1) if any(_filled(row))]
    expected = f"columns {', '.join(needed)}"
    if not given:
        raise InputError("holds no rows", file=path, expected=expected)
    head = given[0][1]
    columns = tuple("" if cell is None else column_name(cell) for cell in head)
    for name in needed:
        n = columns.count(column_name(name))
        if n != 1:
            shown = ", ".join(str(cell) for cell in head if cell is not None)[:120]
            what = f"has no column {name}" if not n else f"has {n} columns {name}"
            raise InputError(f"{what}; its columns are {shown}", file=path, expected=expected)
    if len(given) == 1:
        raise InputError("holds names of columns and no rows", file=path, expected=expected)
    return Table(
        path=path,
        columns=columns,
        rows=tuple(row for _, row in given[1:]),
        numbers=tuple(number for number, _ in given[1:]),
    )


def read_rows(path: str | Path, *, max_rows: int = 10_000) -> list[tuple[Cell, ...]]:
    """Rows of the first sheet of a table, all of one length.

    What kind of table it is, the file's first bytes say and not its name. Text is read as UTF-8 or, where it
    is not, as Latin-1; cells are parted by the most frequent of comma, semicolon and tab in the first line. A
    cell that reads as a finite number is a number (with a decimal comma too, unless commas part cells).

    Parameters
    ----------
    path
        The file.
    max_rows
        A table with more rows is refused: this reader is for small ones.

    Raises
    ------
    InputError
        The file is missing, empty, damaged, a web page, no table, or too long.
    """
    path = Path(path)
    head = first_bytes(path, 8, expected=_EXPECTED, zip_is_fine=True)
    if head.startswith(b"PK"):
        rows = _ods(path, max_rows) if _is_ods(path) else read_sheet(path, max_rows=max_rows)
    elif head.startswith(_OLD):
        rows = _damage_named(path, _xls, max_rows)
    else:
        rows = _text(path, max_rows)
    if len(rows) > max_rows:
        raise InputError(f"has more than {max_rows} rows", file=path, expected="a small table")
    width = max((len(row) for row in rows), default=0)
    return [tuple(_cell(cell) for cell in row) + (None,) * (width - len(row)) for row in rows]


def _filled(row: Sequence[Cell]) -> list[bool]:
    return [cell is not None for cell in row]


def _cell(value: Any) -> Cell:
    """A cell as text, number or None."""
    if value is None or isinstance(value, bool):
        return None if value is None else float(value)
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return text or None
    return number if math.isfinite(number) else None


def _text(path: Path, max_rows: int) -> list[Sequence[Any]]:
    raw = path.read_bytes()
    if b"\0" in raw:
        raise InputError("is not text", file=path, expected=_EXPECTED)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    separator = max(_SEPARATORS, key=first.count)
    rows: list[Sequence[Any]] = []
    try:
        for row in csv.reader(lines, delimiter=separator, strict=True):
            rows.append(row if separator == "," else [_with_point(cell) for cell in row])
            if len(rows) > max_rows:
                break
    except csv.Error as error:
        raise InputError(
            f"row {len(rows) + 1} is damaged ({error})", file=path, expected=_EXPECTED, remedy=_AGAIN
        ) from None
    return rows


def _with_point(cell: str) -> str:
    return cell.replace(",", ".") if re.fullmatch(r"\s*[-+]?\d+,\d+\s*", cell) else cell


def _is_ods(path: Path) -> bool:
    """OpenDocument keeps its kind as the first thing in the archive."""
    with path.open("rb") as handle:
        return b"application/vnd.oasis.opendocument.spreadsheet" in handle.read(200)


def _damage_named(
    path: Path, read: Callable[[Path, int], list[Sequence[Any]]], max_rows: int
) -> list[Sequence[Any]]:
    """Rows, or one clear line: on a damaged file the libraries raise a dozen unrelated types."""
    try:
        return read(path, max_rows)
    except (InputError, MissingPackageError):
        raise
    except Exception as error:
        raise InputError(
            f"is truncated or damaged ({error})", file=path, expected=_EXPECTED, remedy=_AGAIN
        ) from error


def _xls(path: Path, max_rows: int) -> list[Sequence[Any]]:
    try:
        import xlrd
    except ImportError:
        raise MissingPackageError("xlrd", "reading .xls tables") from None
    with xlrd.open_workbook(path, on_demand=True, logfile=_Silent()) as book:
        sheet = book.sheet_by_index(0)
        return [
            [None if cell.ctype in _XLS_NOTHING else cell.value for cell in sheet.row(i)]
            for i in range(min(sheet.nrows, max_rows + 1))
        ]


_XLS_NOTHING = (0, 5, 6)
"""Empty, error, blank."""


class _Silent:
    """Takes what xlrd would print of a damaged file."""

    def write(self, text: str) -> None:
        """Drops it."""

    def flush(self) -> None:
        """Nothing is held."""


def _ods(path: Path, max_rows: int) -> list[Sequence[Any]]:
    return _damage_named(path, _read_ods, max_rows)


def _read_ods(path: Path, max_rows: int) -> list[Sequence[Any]]:
    try:
        from odf import opendocument, table
    except ImportError:
        raise MissingPackageError("odfpy", "reading .ods tables") from None
    document = opendocument.load(str(path))
    sheets = document.spreadsheet.getElementsByType(table.Table)
    rows: list[Sequence[Any]] = []
    for row in sheets[0].getElementsByType(table.TableRow):
        cells = [cell for child in row.childNodes for cell in _ods_cells(child)]
        while cells and cells[-1] is None:
            cells.pop()
        repeated = int(row.getAttribute("numberrowsrepeated") or 1)
        rows += [cells] * (repeated if cells else min(repeated, max_rows + 1 - len(rows)))
        if len(rows) > max_rows:
            break
    while rows and not rows[-1]:
        rows.pop()
    return rows


_ODS_WIDEST = 1024
"""Columns of an OpenDocument table, at most: an empty margin is stored as one cell repeated many times."""


def _ods_cells(node: Any) -> list[Any]:
    if node.qname[1] not in ("table-cell", "covered-table-cell"):
        return []
    repeated = min(int(node.getAttribute("numbercolumnsrepeated") or 1), _ODS_WIDEST)
    kind = node.getAttribute("valuetype")
    value: Any = node.getAttribute("value") if kind in ("float", "percentage", "currency") else None
    if value is None:
        from odf import teletype

        value = teletype.extractText(node) or None
    return [value] * repeated
