"""What the models of a study looked at, as arrays for the report's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.batches import Table
from mien.run.files import write_npz

LEAST_FACES = 5
"""An average face is kept of at least so many subjects, so that it shows nobody."""


def write_importance(
    folder: Path, table: Table, importance: Mapping[str, Sequence[NDArray[np.float32]]]
) -> None:
    """One file for each kind of input: bands of channels, seconds of such, maps of the face.

    ``importance`` maps a stream to the arrays of the fits, mean |input × gradient| per input value
    (:func:`mien.run.fold.importance`); they are averaged over the fits.
    """
    for stream, arrays in importance.items():
        axes = table.axes[stream]
        values = np.mean(arrays, axis=0).reshape([len(v) for v in axes.values()])
        if {"map", "row", "column"} == set(axes):
            write_npz(folder / f"saliency_{stream}.npz", _saliency(table, stream, values))
        elif {"second", "measure"} == set(axes):
            seconds_last = values.T if next(iter(axes)) == "second" else values
            write_npz(
                folder / f"course_{stream}.npz",
                {"values": seconds_last, "measures": np.array(axes["measure"])},
            )
        elif {"band", "channel"} <= set(axes) and stream == "eeg":
            order = [list(axes).index(name) for name in ("band", "channel")]
            seconds = [i for i in range(values.ndim) if i not in order]
            out = {
                "values": np.transpose(values, [*seconds, *order]).sum(axis=tuple(range(len(seconds)))),
                "bands": np.array(axes["band"]),
                "channels": np.array(axes["channel"]),
            }
            if seconds:
                out["windows"] = values.sum(axis=tuple(order))
            write_npz(folder / "informative_bands.npz", out)


def _saliency(table: Table, stream: str, values: NDArray[np.float32]) -> dict[str, Any]:
    """``values`` (map, row, column), ``maps``, and the mean of every map over the subjects as ``mean``.

    Each subject's own mean counts once, however many samples it has. The mean frame at the apex, an average
    face, is NaN where there are too few subjects.
    """
    axes = table.axes[stream]
    here = np.flatnonzero(table.present[stream])
    people = np.unique(table.subjects[here])
    total = np.zeros(values.size)
    for person in people:
        own = here[table.subjects[here] == person]
        for first in range(0, len(own), 64):
            block = np.nan_to_num(table.inputs[stream][own[first : first + 64]])
            total += block.sum(axis=0, dtype=np.float64) / len(own)
    mean = (total / max(len(people), 1)).reshape(values.shape).astype(np.float32)
    if len(people) < LEAST_FACES and "apex" in axes["map"]:
        mean[axes["map"].index("apex")] = np.nan
    return {"values": values, "maps": np.array(axes["map"]), "mean": mean, "n": np.array(len(here))}
