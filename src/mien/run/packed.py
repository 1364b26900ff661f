"""A study's table on disk, so that every worker process maps the same arrays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.batches import Allocate, Table
from mien.core import InputError, Sample, write_whole
from mien.run.files import write_json

_COLUMNS = ("id", "trial", "subject", "session", "stimulus", "event", "label", "start", "duration")


def on_disk(folder: Path) -> Allocate:
    """Makes the arrays of a table as files of its folder, so that they are never in memory as a whole.

    :func:`save_table` into the same folder then writes what else there is. An array for which there is not
    enough space is an :class:`InputError`: a full disk would end the process without a word.
    """

    def allocate(stream: str, shape: tuple[int, int]) -> NDArray[np.float32]:
        folder.mkdir(parents=True, exist_ok=True)
        if 0 in shape:  # there is no memory map of nothing
            return np.empty(shape, np.float32)
        size, free = 4 * shape[0] * shape[1], shutil.disk_usage(folder).free
        if size > free:
            raise InputError(
                f"{stream} of {shape[0]} samples takes {size / 1e9:.3g} GB; {free / 1e9:.3g} GB are free",
                file=folder,
                remedy="make room, choose fewer subjects, or features with fewer values",
            )
        return np.lib.format.open_memmap(_path(folder, stream), mode="w+", dtype=np.float32, shape=shape)

    return allocate


def _path(folder: Path, stream: str) -> Path:
    return folder / f"input.{stream}.npy"


def save_table(folder: Path, table: Table) -> None:
    """Write a table into a folder (about as large as its features)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in table.inputs.items():
        if isinstance(array, np.memmap) and array.filename == _path(folder, name).resolve():
            array.flush()
        else:
            np.save(_path(folder, name), np.ascontiguousarray(array), allow_pickle=False)
    for name, mask in table.present.items():
        np.save(folder / f"present.{name}.npy", mask, allow_pickle=False)
    np.save(folder / "intensity.npy", table.intensity, allow_pickle=False)
    rows = [[getattr(s, c) for c in _COLUMNS] for s in table.samples]
    write_whole(folder / "samples.json", json.dumps(rows).encode())
    write_json(
        folder / "axes.json", [[s, [[k, list(v)] for k, v in a.items()]] for s, a in table.axes.items()]
    )


def load_table(folder: Path) -> Table:
    """The table, its features as read-only memory maps."""
    axes: dict[str, Any] = {
        s: {k: tuple(v) for k, v in pairs} for s, pairs in json.loads((folder / "axes.json").read_bytes())
    }
    rows = json.loads((folder / "samples.json").read_bytes())

    return Table(
        samples=tuple(Sample(**dict(zip(_COLUMNS, row, strict=True))) for row in rows),
        inputs={s: np.load(_path(folder, s), mmap_mode="r", allow_pickle=False) for s in axes},
        present={s: np.load(folder / f"present.{s}.npy", allow_pickle=False) for s in axes},
        axes=axes,
        intensity=np.load(folder / "intensity.npy", allow_pickle=False),
    )
