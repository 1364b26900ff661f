"""Reading a small sheet, and one clear line for every kind of broken workbook."""

from __future__ import annotations

from pathlib import Path

import pytest
from openpyxl import Workbook

from mien.core import InputError
from mien.io.workbook import read_sheet


@pytest.fixture
def book(tmp_path: Path) -> Path:
    book = Workbook()
    first = book.active
    assert first is not None
    first.title = "order"
    first.append([None, "a", 1])
    first.append([None])
    first.append(["b", None, None, None])
    first["E9"] = None
    book.create_sheet("second").append(["here"])
    path = tmp_path / "book.xlsx"
    book.save(path)
    return path


def test_rows_keep_their_place_and_lose_the_empty_margin(book: Path) -> None:
    assert read_sheet(book) == [(None, "a", 1), (None, None, None), ("b", None, None)]
    assert read_sheet(book, sheet="second") == [("here",)]


def test_sheet_that_is_not_there(book: Path) -> None:
    with pytest.raises(InputError, match="no sheet 'third'; expected one of: order, second"):
        read_sheet(book, sheet="third")


def test_long_sheet_is_refused(book: Path) -> None:
    with pytest.raises(InputError, match="more than 2 rows"):
        read_sheet(book, max_rows=2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<html>log in", "is a web page"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"old format \(\.xls\).*Save it as"),
        (b"clip,emotion\n1,happy\n", "is not a workbook"),
        (b"PK\x03\x04 not really", "is truncated or damaged"),
    ],
)
def test_what_is_no_workbook(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "book.xlsx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_sheet(path)


def test_truncated_workbook(book: Path) -> None:
    book.write_bytes(book.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"book\.xlsx: is truncated or damaged.*Download"):
        read_sheet(book)


def test_missing_workbook(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_sheet(tmp_path / "book.xlsx")
