"""One run at a time in a run folder."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mien.core import InputError

LOCK = ".lock"


class LockWarning(UserWarning):
    """A folder lies on a file system that knows no locks."""


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Keep every other run out of a folder while one works in it.

    The lock is SQLite's, on the empty file ``.lock``: the operating system drops it with the process that
    holds it, however that ends. The folder is made if need be, and removed if the run leaves nothing in it.

    Raises
    ------
    InputError
        Another run is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    lock = _lock(path)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no file that is open
            path.unlink()
        lock.close()
        with suppress(OSError):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # not empty
            folder.rmdir()


def _lock(path: Path) -> sqlite3.Connection:
    while True:
        path.touch()
        ours = path.stat()
        lock = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            lock.execute("PRAGMA journal_mode=OFF")  # no second file
            lock.execute("BEGIN EXCLUSIVE")
            with suppress(FileNotFoundError):
                if os.path.samestat(ours, path.stat()):
                    return lock
        except sqlite3.Error as fault:
            if fault.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                text = f"{path} cannot be locked ({fault}): start no second run there"
                warnings.warn(text, LockWarning, stacklevel=4)  # where the run was asked for
                return lock
            lock.close()
            raise InputError(
                "another run is at work in this folder",
                file=path.parent,
                remedy="wait until it has ended, or choose another --out",
            ) from None
        lock.close()  # it was removed by the run before, at its end, between our touching and locking it
