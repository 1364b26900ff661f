"""The fold transform that every study has: centring and scaling features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mien.batches.table import Table

POOLED = ("window", "second", "time", "instance", "token", "row", "column")
"""Axes along which one centre and scale serve all values: seconds of a sequence, samples of a signal, faces
of a bag and places in a face, pixels of a map."""
LIMIT = 8.0
"""Scaled values further out than this are set to it: one noisy electrode must not fill a batch."""

BLOCK = 32 * 2**20
"""Bytes of a stream that are looked at together when the constants are fitted."""

Mode = Literal["train", "subject"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scaler:
    """Centre and scale of every feature.

    ``constants`` maps ``(stream, group)`` to ``(mean, sd)``; the group is ``"*"`` for ``mode="train"`` and
    the subject for ``mode="subject"``.
    """

    mode: Mode
    constants: Mapping[tuple[str, str], tuple[NDArray[np.float32], NDArray[np.float32]]]

    def apply(self, stream: str, values: NDArray[Any], subjects: NDArray[np.str_]) -> NDArray[np.float32]:
        """Scaled copy of rows (samples, features) of one stream; NaN becomes 0, the training mean."""
        out = np.empty(values.shape, dtype=np.float32)
        for group in ["*"] if self.mode == "train" else np.unique(subjects).tolist():
            rows = slice(None) if group == "*" else subjects == group
            mean, sd = self.constants[stream, group]
            centred = values[rows] - mean
            centred /= sd
            out[rows] = centred
        np.nan_to_num(out, copy=False, nan=0.0, posinf=LIMIT, neginf=-LIMIT)
        return np.clip(out, -LIMIT, LIMIT, out=out)

    def to_arrays(self) -> dict[str, NDArray[np.float32]]:
        """Constants under flat names ``<stream>/<group>/<mean|sd>``."""
        return {
            f"{stream}/{group}/{what}": array
            for (stream, group), pair in self.constants.items()
            for what, array in zip(("mean", "sd"), pair, strict=True)
        }

    @classmethod
    def from_arrays(cls, mode: Mode, arrays: Mapping[str, NDArray[np.float32]]) -> Scaler:
        """The inverse of :meth:`to_arrays`."""
        keys = {tuple(name.rsplit("/", 1)[0].split("/", 1)) for name in arrays}
        return cls(
            mode=mode,
            constants={(s, g): (arrays[f"{s}/{g}/mean"], arrays[f"{s}/{g}/sd"]) for s, g in keys},
        )


def fit_scaler(table: Table, rows: NDArray[np.int64], *, mode: Mode) -> Scaler:
    """Fit on the given rows; labels are not looked at.

    ``mode="train"``: one mean and standard deviation per feature over ``rows``, which must be training
    samples. ``mode="subject"``: one per subject over that subject's rows; the caller hands in all samples of
    the subjects, the test subject's among them, so the result is transductive.

    The seconds of a sequence and the pixels of a map share their constants (:data:`POOLED`). NaN (an absent
    stream, a dead electrode) is left out. A feature with no value at all gets mean 0, one that never changes
    gets standard deviation 1.
    """
    groups: dict[str, NDArray[np.int64]] = {"*": rows}
    if mode == "subject":
        subjects = table.subjects[rows]
        groups = {str(s): rows[subjects == s] for s in np.unique(subjects)}
    return Scaler(
        mode=mode,
        constants={
            (stream, group): _moments(values, which, table.axes[stream])
            for stream, values in table.inputs.items()
            for group, which in groups.items()
        },
    )


def _moments(
    values: NDArray[Any], rows: NDArray[np.int64], axes: Mapping[str, tuple[str, ...]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of every column of (samples, features) over some rows, which are read a
    few at a time, twice."""
    width = int(values.shape[1])
    each = max(1, BLOCK // max(width * values.dtype.itemsize, 1))
    blocks = [rows[i : i + each] for i in range(0, len(rows), each)]
    finite = np.zeros(width, np.int64)
    total, squares = np.zeros(width), np.zeros(width)
    for block in blocks:
        here = values[block]
        known = np.isfinite(here)
        finite += known.sum(axis=0)
        total += np.where(known, here, 0.0).sum(axis=0, dtype=np.float64)
    count = np.maximum(_pool(finite, axes), 1)
    mean = _pool(total, axes) / count
    for block in blocks:
        here = values[block]
        centred = np.where(np.isfinite(here), here - mean, 0.0)
        squares += (centred**2).sum(axis=0, dtype=np.float64)
    sd = np.sqrt(_pool(squares, axes) / count)
    sd[~(sd > 1e-6 * np.maximum(np.abs(mean), 1e-6))] = 1.0
    return mean.astype(np.float32), sd.astype(np.float32)


def _pool(sums: NDArray[Any], axes: Mapping[str, tuple[str, ...]]) -> NDArray[Any]:
    """Sums of features, added up along the axes that share constants, in the shape they came in."""
    pooled = tuple(i for i, name in enumerate(axes) if name in POOLED)
    if not pooled:
        return sums
    shape = tuple(len(labels) for labels in axes.values())
    return np.broadcast_to(sums.reshape(shape).sum(axis=pooled, keepdims=True), shape).reshape(-1)
