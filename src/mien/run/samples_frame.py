"""The samples of a study as a table: who, what, when, and a hash of what each stream holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.batches import Table
from mien.core import Recording, Sample


def about(samples: Sequence[Sample]) -> dict[str, list[Any]]:
    """Columns that say who, what and when each sample is."""
    return {
        "sample": [s.id for s in samples],
        "trial": [s.trial for s in samples],
        "subject": [s.subject for s in samples],
        "session": [s.session for s in samples],
        "stimulus": [s.stimulus for s in samples],
        "event": [s.event or "" for s in samples],
        "start": [s.start for s in samples],
        "duration": [s.duration for s in samples],
    }


def samples_frame(
    table: Table,
    recordings: Iterable[Recording],
    selected: NDArray[np.bool_],
    *,
    used: Mapping[tuple[str, str], Sequence[str]] | None = None,
) -> Any:
    """One row per sample, a pandas frame; ``used``: the events that features of trials were made of."""
    import pandas as pd

    recording_of = {(t.part_of or t).id: t.recording for r in recordings for t in r.trials}
    rows = table.samples
    columns: dict[str, Any] = {
        **about(rows),
        "label": table.labels,
        "intensity": table.intensity,
        "selected": selected,
    }
    if used is not None:
        columns["events"] = [
            list(dict.fromkeys(e for name in table.inputs for e in used.get((name, s.id), ()))) for s in rows
        ]
    for name in table.inputs:
        columns[f"present_{name}"] = table.present[name]
        columns[f"content_{name}"] = [
            int.from_bytes(d, "little", signed=True) for d in _digests(table.inputs[name])
        ]
    frame = pd.DataFrame(columns)
    frame.insert(2, "recording", [recording_of[s.trial] for s in rows])
    return frame


def _digests(values: NDArray[Any]) -> Iterable[bytes]:
    import hashlib

    for row in values:
        yield hashlib.blake2b(np.ascontiguousarray(row).tobytes(), digest_size=8).digest()
