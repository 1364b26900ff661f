"""Writing EEGLAB recordings: a ``.set`` (MAT 5) beside a ``.fdt`` with the samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.simulate._files import write_mat


def write_set(
    path: Path,
    blocks: Iterable[NDArray[np.float32]],
    *,
    rate: float,
    channels: Sequence[str],
    markers: Sequence[tuple[str, int]],
) -> int:
    """Write ``path`` (``.set``) and the ``.fdt`` beside it, one block in memory at a time.

    Parameters
    ----------
    blocks
        (channels, times) in µV, one after the other.
    markers
        Word and sample, counted from 0, of each event; may lie beyond the samples, as in a truncated file.

    Returns
    -------
    int
        Number of samples written.
    """
    n_times = 0
    with path.with_suffix(".fdt").open("wb") as file:
        for block in blocks:
            if block.shape[0] != len(channels):
                raise ValueError(f"{block.shape[0]} rows for {len(channels)} channels")
            # EEGLAB keeps channels together: column-major (channels, times)
            np.ascontiguousarray(block.T, dtype="<f4").tofile(file)
            n_times += block.shape[1]
    events = _records(
        type=[word for word, _ in markers],
        latency=[float(sample + 1) for _, sample in markers],
        urevent=[float(i + 1) for i in range(len(markers))],
    )
    empty = np.zeros((0, 0))
    fields = {
        "setname": path.stem,
        "filename": path.name,
        "filepath": "",
        "nbchan": float(len(channels)),
        "trials": 1.0,
        "pnts": float(n_times),
        "srate": float(rate),
        "xmin": 0.0,
        "xmax": (n_times - 1) / rate,
        "times": empty,
        "data": path.with_suffix(".fdt").name,
        "datfile": path.with_suffix(".fdt").name,
        "icaact": empty,
        "icawinv": empty,
        "icasphere": empty,
        "icaweights": empty,
        "icachansind": empty,
        "chanlocs": _records(labels=list(channels)),
        "urchanlocs": empty,
        "chaninfo": {"nosedir": "+X"},
        "ref": "common",
        "event": events,
        "urevent": events,
        "epoch": empty,
        "comments": "made-up data written by mien simulate",
        "history": "",
        "saved": "yes",
    }
    write_mat(path, [("EEG", fields)])
    return n_times


def _records(**columns: Sequence[object]) -> NDArray[np.void]:
    """A MATLAB struct array, one row."""
    n = len(next(iter(columns.values())))
    out = np.empty((1, n), dtype=[(name, object) for name in columns])
    for name, values in columns.items():
        for i, value in enumerate(values):
            out[name][0, i] = value
    return out
