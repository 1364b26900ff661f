"""Writing MAT files and workbooks so that the same contents give the same bytes."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import scipy.io
from numpy.typing import NDArray

_MAT_HEADER = b"MATLAB 5.0 MAT-file, made-up data written by mien simulate"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def write_mat(path: Path, variables: Iterable[tuple[str, NDArray[Any] | dict[str, Any]]]) -> None:
    """Write a MAT 5 file, one variable in memory at a time, without the date SciPy puts in the header."""
    with path.open("w+b") as file:
        for name, array in variables:
            # SciPy writes its header only at the start of a file, so further calls append
            scipy.io.savemat(file, {name: array}, oned_as="row")
        file.seek(0)
        file.write(_MAT_HEADER.ljust(116))


def write_workbook(path: Path, rows: Sequence[Sequence[object]], *, title: str = "Sheet") -> None:
    """Write one sheet of an ``.xlsx`` file without dates."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = title
    for row in rows:
        sheet.append(list(row))
    book.properties.creator = "mien simulate"
    book.properties.created = book.properties.modified = datetime.datetime(*_LONG_AGO)
    buffer = io.BytesIO()
    book.save(buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w") as target:
        for item in source.infolist():
            content = source.read(item.filename)
            if item.filename == "docProps/core.xml":  # openpyxl sets the time of saving here
                content = _without_modified(content)
            entry = zipfile.ZipInfo(item.filename, date_time=_LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, content)


def _without_modified(xml: bytes) -> bytes:
    start, stop = xml.find(b"<dcterms:modified"), xml.find(b"</dcterms:modified>")
    return xml if start < 0 else xml[:start] + xml[stop + len(b"</dcterms:modified>") :]
