"""Rows of a table as a model gets them: scaled at once, or, where there are too many, when they are read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.batches.scale import Scaler

IN_MEMORY = 512 * 2**20
"""Rows of at most this many bytes are scaled at once and kept."""


class ScaledRows:
    """Some rows of a stream, read and scaled whenever they are asked for.

    Stands where an array (rows, values) of float32 would: it has its ``shape``, ``ndim``, ``size``,
    ``nbytes`` and length; an index along the first axis gives an array of these rows alone, and
    :func:`numpy.asarray` one of all. The numbers are those of :meth:`Scaler.apply` on all rows at once.

    Parameters
    ----------
    values
        The stream in all samples of a table, for example a memory map.
    rows
        Which samples.
    scaler
        Fitted by :func:`mien.batches.fit_scaler`.
    stream
        Name of the stream.
    subjects
        Subject of each of the rows.
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(
        self,
        values: NDArray[np.floating[Any]],
        rows: NDArray[np.int64],
        *,
        scaler: Scaler,
        stream: str,
        subjects: NDArray[np.str_],
    ) -> None:
        self._values, self._rows, self._subjects = values, rows, subjects
        self._scaler, self._stream = scaler, stream
        self.shape = (len(rows), int(values.shape[1]))
        self.size = self.shape[0] * self.shape[1]
        self.nbytes = self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        rows = self._rows[index]
        if np.ndim(rows) == 0:
            return self[[index]][0]
        return self._scaler.apply(self._stream, self._values[rows], self._subjects[index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or self.dtype, copy=False)


def scaled_rows(
    values: NDArray[np.floating[Any]],
    rows: NDArray[np.int64],
    *,
    scaler: Scaler,
    stream: str,
    subjects: NDArray[np.str_],
) -> Any:
    """Scaled rows of a stream: an array, or :class:`ScaledRows` beyond :data:`IN_MEMORY` bytes."""
    later = ScaledRows(values, rows, scaler=scaler, stream=stream, subjects=subjects)
    return later[:] if later.nbytes <= IN_MEMORY else later
