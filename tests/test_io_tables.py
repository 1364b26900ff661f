"""Small tables in four formats: the same rows come out of each, and damage is one clear line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from _xls import write_xls
from mien.core import InputError
from mien.io.tables import column_name, read_rows, read_table

ROWS: list[list[object]] = [
    ["Participant_id", "Title", "Valence"],
    [1, "Bön Iver", 7.71],
    [2, "", 5],
    [3, "x, y; z", ""],
]
READ = [
    ("Participant_id", "Title", "Valence"),
    (1.0, "Bön Iver", 7.71),
    (2.0, None, 5.0),
    (3.0, "x, y; z", None),
]


def write_csv(path: Path, rows: list[list[object]], separator: str = ",") -> Path:
    lines = [separator.join(f'"{c}"' if isinstance(c, str) and c else str(c) for c in row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_xlsx(path: Path, rows: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append([None if cell == "" else cell for cell in row])
    book.save(path)
    return path


def write_ods(path: Path, rows: list[list[object]]) -> Path:
    """With an empty margin, as spreadsheets write it."""
    from odf.opendocument import OpenDocumentSpreadsheet
    from odf.table import Table, TableCell, TableRow
    from odf.text import P

    document = OpenDocumentSpreadsheet()
    sheet = Table(name="ratings")
    for row in rows:
        line = TableRow()
        for cell in row:
            if isinstance(cell, int | float):
                entry = TableCell(valuetype="float", value=str(cell))
                entry.addElement(P(text=f"{cell:.1f}"))  # what is shown may be rounded
            else:
                entry = TableCell()
                if cell:
                    entry = TableCell(valuetype="string")
                    entry.addElement(P(text=cell))
            line.addElement(entry)
        line.addElement(TableCell(numbercolumnsrepeated="16000"))
        sheet.addElement(line)
    margin = TableRow(numberrowsrepeated="1048000")
    margin.addElement(TableCell(numbercolumnsrepeated="16384"))
    sheet.addElement(margin)
    document.spreadsheet.addElement(sheet)
    document.save(str(path))
    return path


WRITERS = {".csv": write_csv, ".xls": write_xls, ".xlsx": write_xlsx, ".ods": write_ods}
every_format = pytest.mark.parametrize(("ending", "write"), WRITERS.items(), ids=list(WRITERS))


@every_format
def test_every_format_gives_the_same_rows(tmp_path: Path, ending: str, write: Callable[..., Path]) -> None:
    assert read_rows(write(tmp_path / f"a{ending}", ROWS)) == READ


@every_format
def test_the_content_and_not_the_name_says_what_it_is(
    tmp_path: Path, ending: str, write: Callable[..., Path]
) -> None:
    assert read_rows(write(tmp_path / "a.table", ROWS)) == READ


@every_format
@pytest.mark.parametrize(("keep", "says"), [(0.0, "is empty"), (0.5, "is truncated or damaged")])
def test_a_cut_table_is_one_clear_line(
    tmp_path: Path, ending: str, write: Callable[..., Path], keep: float, says: str
) -> None:
    path = write(tmp_path / f"a{ending}", ROWS)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(keep * len(raw))])
    if ending == ".csv" and keep:  # text does not tell where it ends
        assert read_rows(path)[0] == READ[0]
        return
    with pytest.raises(InputError, match=rf"a\{ending}: {says}"):
        read_rows(path)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_text_may_be_parted_by_comma_semicolon_or_tab(tmp_path: Path, separator: str) -> None:
    assert read_rows(write_csv(tmp_path / "a.csv", ROWS, separator)) == READ


def test_decimal_commas_where_semicolons_part_cells(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a;b\n7,71;-0,5\n1,2,3;x\n")
    assert read_rows(tmp_path / "a.csv") == [("a", "b"), (7.71, -0.5), ("1,2,3", "x")]


def test_latin_1_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("a\nBön\n".encode("latin-1"))
    assert read_rows(tmp_path / "a.csv") == [("a",), ("Bön",)]
    (tmp_path / "b.csv").write_bytes("a\nBön\n".encode("utf-8-sig"))
    assert read_rows(tmp_path / "b.csv") == [("a",), ("Bön",)]


def test_what_is_no_finite_number_is_no_number(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b,c\nnan,inf,1e3\n")
    assert read_rows(tmp_path / "a.csv")[1] == (None, None, 1000.0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"PK\x03\x04 and no more", "is truncated or damaged"),
        (b"a,b\0c", "is not text"),
        (b'a,b\n"1,2\n', "row 2 is damaged"),
    ],
)
def test_no_table(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.csv: {says}"):
        read_rows(tmp_path / "a.csv")


@every_format
def test_a_long_table_is_refused(tmp_path: Path, ending: str, write: Callable[..., Path]) -> None:
    path = write(tmp_path / f"a{ending}", [[k, "x", 1] for k in range(12)])
    assert len(read_rows(path, max_rows=12)) == 12
    with pytest.raises(InputError, match="has more than 11 rows"):
        read_rows(path, max_rows=11)


def test_columns_are_found_by_name_in_any_order_and_writing(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [["", "", ""], ["Valence", "participant ID", "x"], [7.5, 1, "y"]])
    table = read_table(path, needed=("Participant_id", "Valence"))
    assert (table.column("participant_id"), table.column("AVG", "valence"), table.column("z")) == (1, 0, None)
    assert (table.rows, table.numbers) == (((7.5, 1.0, "y"),), (3,))
    assert column_name(" Start_Time ") == "starttime"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([["a", "b"], [1, 2]], r"has no column Valence; its columns are a, b; expected columns Valence"),
        ([["Valence", "valence"], [1, 2]], "has 2 columns Valence"),
        ([["Valence"]], "holds names of columns and no rows"),
        ([["", ""]], "holds no rows"),
    ],
)
def test_a_table_without_its_columns(tmp_path: Path, rows: list[list[object]], says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_table(write_csv(tmp_path / "a.csv", rows), needed=("Valence",))
