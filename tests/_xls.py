"""Writes workbooks of the old format (.xls), byte by byte after its description (no library)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

_SECTOR = 512
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def write_xls(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    """One sheet of numbers, text and empty cells."""
    begin = _record(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 6))
    name = b"ratings"
    n_globals = len(begin) + 4 + 8 + len(name) + 4
    globals_ = begin + _record(0x85, struct.pack("<IHBB", n_globals, 0, len(name), 0) + name) + _record(10)
    sheet = _record(0x809, struct.pack("<HHHHII", 0x600, 16, 0, 0, 0, 6))
    for r, row in enumerate(rows):
        for c, cell in enumerate(row):
            if isinstance(cell, str) and cell:
                text = struct.pack("<HB", len(cell), 1) + cell.encode("utf-16-le")
                sheet += _record(0x204, struct.pack("<HHH", r, c, 0) + text)
            elif isinstance(cell, int | float):
                sheet += _record(0x203, struct.pack("<HHHd", r, c, 0, cell))
    stream = globals_ + sheet + _record(10)
    stream += bytes(max(4096, -(-len(stream) // _SECTOR) * _SECTOR) - len(stream))
    path.write_bytes(_compound(stream))
    return path


def _record(code: int, content: bytes = b"") -> bytes:
    return struct.pack("<HH", code, len(content)) + content


def _compound(stream: bytes) -> bytes:
    """A compound file: sector 0 its table, sector 1 its directory, then the stream."""
    n = len(stream) // _SECTOR
    assert n + 2 <= _SECTOR // 4
    table = [_FAT, _END, *range(3, n + 2), _END]
    table += [_FREE] * (_SECTOR // 4 - len(table))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    head += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, _END, 0, _END, 0)
    head += struct.pack("<109I", 0, *[_FREE] * 108)
    entries = _entry("Root Entry", 5, _END, 0, child=1) + _entry("Workbook", 2, 2, len(stream))
    return head + struct.pack(f"<{len(table)}I", *table) + entries.ljust(_SECTOR, b"\0") + stream


def _entry(name: str, kind: int, start: int, size: int, *, child: int = _FREE) -> bytes:
    text = (name + "\0").encode("utf-16-le")
    links = struct.pack("<HBBIII", len(text), kind, 1, _FREE, _FREE, child)
    return text.ljust(64, b"\0") + links + bytes(36) + struct.pack("<IQ", start, size)
