"""Rows of a small sheet of an Excel workbook (``.xlsx``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mien.core.errors import InputError
from mien.io._content import first_bytes

_EXPECTED = "an Excel workbook (.xlsx)"
_AGAIN = "download the file again"


def read_sheet(
    path: str | Path, *, sheet: str | None = None, max_rows: int = 10_000
) -> list[tuple[Any, ...]]:
    """Rows of one sheet, as the values Excel shows.

    Parameters
    ----------
    path
        The workbook.
    sheet
        Name of the sheet; None means the first.
    max_rows
        A sheet with more rows is refused: this reader is for small tables.

    Returns
    -------
    list of tuple
        Row ``r``, column ``c`` (from 0) is cell ``(r + 1, c + 1)``; an empty cell is None. Empty rows and
        columns at the end are left away; every row has the same length.

    Raises
    ------
    InputError
        The file is missing, empty, truncated, a web page, no workbook, too long, or has no such sheet.
    """
    from openpyxl import load_workbook

    path = Path(path)
    head = first_bytes(path, 8, expected=_EXPECTED, zip_is_fine=True)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise InputError(
            "is a workbook of the old format (.xls)", file=path, expected=_EXPECTED, remedy="save it as .xlsx"
        )
    if not head.startswith(b"PK"):
        raise InputError(
            f"is not a workbook (it starts with {head!r})", file=path, expected=_EXPECTED, remedy=_AGAIN
        )
    try:
        with path.open("rb") as handle:  # a stream, so that the ending of the file's name does not matter
            book = load_workbook(handle, read_only=True, data_only=True)
            if sheet is not None and sheet not in book.sheetnames:
                raise InputError(
                    f"no sheet {sheet!r}", file=path, expected=f"one of: {', '.join(book.sheetnames)}"
                )
            table = book[sheet] if sheet is not None else book.worksheets[0]
            table.reset_dimensions()
            rows = [tuple(row) for row in table.iter_rows(max_row=max_rows + 1, values_only=True)]
            book.close()
    except InputError:
        raise
    except Exception as error:  # openpyxl and zipfile raise a dozen unrelated types on a damaged workbook
        raise InputError(
            f"is truncated or damaged ({error})", file=path, expected=_EXPECTED, remedy=_AGAIN
        ) from error
    if len(rows) > max_rows:
        raise InputError(f"has more than {max_rows} rows", file=path, expected="a small table")
    return _trimmed(rows)


def _trimmed(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows of equal length without the empty margin at the bottom and on the right."""
    width = max((i + 1 for row in rows for i, cell in enumerate(row) if cell is not None), default=0)
    height = max((i + 1 for i, row in enumerate(rows) if any(cell is not None for cell in row)), default=0)
    return [(*row[:width], *(None,) * (width - len(row))) for row in rows[:height]]
