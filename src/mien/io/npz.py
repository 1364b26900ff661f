"""NumPy ``.npz`` archives, read without running anything that is in them.

Some data sets keep a pickled dictionary as bytes inside an ``.npz``: :mod:`mien.io.pickled` reads it.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.io._content import first_bytes
from mien.io.pickled import BROKEN, plain_pickle

_EXPECTED = "a NumPy .npz archive"
_AGAIN = "download the file again"


class NpzFile:
    """The arrays of an ``.npz`` archive, each read when it is asked for.

    Holds no open file, so it can be kept, copied and sent to another process.

    Raises
    ------
    InputError
        The file is missing, empty, truncated, a web page, or no ``.npz`` archive.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        head = first_bytes(self.path, 4, expected=_EXPECTED, zip_is_fine=True)
        if head != b"PK\x03\x04":
            raise InputError(
                f"is not a NumPy archive (it starts with {head!r})", file=self.path, expected=_EXPECTED
            )
        try:
            with zipfile.ZipFile(self.path) as archive:
                names = archive.namelist()
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise InputError(
                f"is truncated or damaged ({error})", file=self.path, expected=_EXPECTED, remedy=_AGAIN
            ) from None
        self._names = tuple(name.removesuffix(".npy") for name in names if name.endswith(".npy"))

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def names(self) -> tuple[str, ...]:
        """Names of the arrays."""
        return self._names

    def read(self, name: str) -> NDArray[Any]:
        """One array.

        Raises
        ------
        InputError
            There is no such array, its bytes are damaged, or it holds Python objects.
        """
        if name not in self._names:
            known = ", ".join(self._names[:12]) or "(the archive holds no arrays)"
            raise InputError(f"no array {name!r}", file=self.path, expected=f"one of: {known}")
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as member:
                values: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
        except (zipfile.BadZipFile, OSError, EOFError, zlib.error, SyntaxError, *BROKEN) as error:
            if "allow_pickle" in str(error):
                raise InputError(
                    f"array {name!r} holds Python objects, which could run code",
                    file=self.path,
                    expected="an array of numbers or bytes",
                ) from None
            raise InputError(
                f"array {name!r} is damaged ({error})", file=self.path, expected=_EXPECTED, remedy=_AGAIN
            ) from None
        return values

    def unpickle(self, name: str) -> Any:
        """What the bytes in one array hold, see :func:`plain_pickle`."""
        stored = self.read(name)
        if stored.dtype.kind not in "SV" and stored.dtype != np.uint8:
            raise InputError(
                f"array {name!r} is {stored.dtype} {stored.shape}", file=self.path, expected="pickled bytes"
            )
        return plain_pickle(stored.tobytes(), file=self.path, what=f"array {name!r}")
