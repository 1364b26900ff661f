"""Is this file what its name says? The first bytes tell, before any reader trips over them."""

from __future__ import annotations

from pathlib import Path

from mien.core.errors import InputError

_PAGE = (b"<!doctype", b"<html", b"<head", b"<?xml")
_ARCHIVES = {b"PK\x03\x04": "ZIP", b"Rar!": "RAR", b"\x1f\x8b": "gzip", b"7z\xbc\xaf": "7-Zip"}
_AGAIN = "download the file again"


def first_bytes(path: Path, n_bytes: int, *, expected: str, zip_is_fine: bool = False) -> bytes:
    """The first bytes of a file that exists, holds something, and is neither a web page nor an archive.

    Parameters
    ----------
    path
        File to look at.
    n_bytes
        How many bytes to return, at most.
    expected
        What the file should be, for the message.
    zip_is_fine
        Whether the expected format is itself a ZIP archive (a workbook is).

    Raises
    ------
    InputError
        The file is missing, a folder, unreadable, empty, a saved web page, an archive that was not unpacked,
        or a placeholder of Git LFS.
    """
    if path.is_dir():
        raise InputError("is a folder", file=path, expected=expected)
    try:
        with path.open("rb") as handle:
            head = handle.read(max(n_bytes, 64))
    except FileNotFoundError:
        raise InputError("no such file", file=path, expected=expected) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=path, expected=expected) from None
    if not head:
        raise InputError("is empty (0 bytes)", file=path, expected=expected, remedy=_AGAIN)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(_PAGE):
        raise InputError(
            "is a web page (HTML), not data",
            file=path,
            expected=expected,
            remedy=f"{_AGAIN}, logged in to the data set's site",
        )
    if start.startswith(b"version https://git-lfs"):
        raise InputError(
            "is a Git LFS placeholder, not data",
            file=path,
            expected=expected,
            remedy="fetch it with: git lfs pull",
        )
    for mark, name in _ARCHIVES.items():
        if head.startswith(mark) and not (zip_is_fine and name == "ZIP"):
            raise InputError(
                f"is a {name} archive",
                file=path,
                expected=expected,
                remedy="unpack it and give what is inside",
            )
    return head[:n_bytes]
