"""A study's table on disk, so that every worker process maps the same arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mien.batches import Table
from mien.core import Sample, write_whole
from mien.run.files import write_json

_COLUMNS = ("id", "trial", "subject", "session", "stimulus", "event", "label", "start", "duration")


def save_table(folder: Path, table: Table) -> None:
    """Write a table into a folder (about as large as its features)."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, arrays in (("input", table.inputs), ("present", table.present)):
        for name, array in arrays.items():
            np.save(folder / f"{kind}.{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
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

    def array(kind: str, name: str) -> Any:
        return np.load(folder / f"{kind}.{name}.npy", mmap_mode="r", allow_pickle=False)

    return Table(
        samples=tuple(Sample(**dict(zip(_COLUMNS, row, strict=True))) for row in rows),
        inputs={s: array("input", s) for s in axes},
        present={s: np.array(array("present", s)) for s in axes},
        axes=axes,
        intensity=np.load(folder / "intensity.npy", allow_pickle=False),
    )
