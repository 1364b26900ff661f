"""What was left out of a study, and why: rows of ``dropped.csv``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.batches import Table
from mien.core import Trial, write_whole
from mien.datasets import Fault

_BLOCK = 8 * 2**20
"""Values of a table that are looked at together."""


def dropped_file(fault: Fault, root: str | Path) -> dict[str, Any]:
    """A file or clip that the reader left out, its path from the root of the data set."""
    path = Path(fault.file)
    where = path.relative_to(root).as_posix() if path.is_relative_to(root) else fault.file
    return {
        "what": "part of a file" if fault.item else "file",
        "id": f"{where} {fault.item}".strip(),
        "subject": fault.subject,
        "reason": fault.reason,
        "count": 1,
    }


def dropped_clip(stream: str, trial: Trial, reason: str) -> dict[str, Any]:
    """A stream of a trial, or of an event, that could not be read or computed."""
    what = f"{stream} of {'a trial' if trial.event is None else 'an event'}"
    return {"what": what, "id": trial.id, "subject": trial.subject, "reason": reason, "count": 1}


def write_dropped(path: Path, dropped: Sequence[Mapping[str, Any]]) -> None:
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, ["what", "id", "subject", "reason", "count"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(dropped)
    write_whole(path, text.getvalue().encode())


def filled_values(table: Table) -> Iterable[dict[str, Any]]:
    """Single values that are no numbers (a dead electrode) in windows that are used, trial by trial."""
    trials = np.array([s.trial for s in table.samples])
    for stream, values in table.inputs.items():
        bag = len(table.axes[stream].get("instance", ()))  # how many instances a sample has, 0: it is no bag
        holes = np.where(table.present[stream], _holes(values, bag), 0)
        for trial in dict.fromkeys(trials[holes > 0].tolist()):
            here = trials == trial
            yield {
                "what": f"{stream} instance" if bag else f"{stream} value",
                "id": trial,
                "subject": str(table.subjects[here][0]),
                "reason": "nothing found" if bag else "not a number, the mean takes its place",
                "count": int(holes[here].sum()),
            }


def _holes(values: NDArray[Any], bag: int) -> NDArray[np.int64]:
    """How many values, or instances of a bag, of each row are missing; a few rows are read at a time."""
    each = max(1, _BLOCK // max(values.shape[1], 1))
    found = []
    for first in range(0, len(values), each):
        missing = ~np.isfinite(values[first : first + each])
        if bag:
            missing = missing.reshape(len(missing), bag, -1).all(axis=2)
        found.append(missing.sum(axis=1))
    return np.concatenate(found) if found else np.empty(0, np.int64)
