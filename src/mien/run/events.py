"""Studies of events: which ones, and the table of them that a run keeps."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mien.batches import Table
from mien.core import InputError, Recording
from mien.run.cuts import by_event


def choose_events(
    recordings: Sequence[Recording],
    kinds: Sequence[str] | None,
    *,
    name: str,
    root: str | Path,
    remedy: str = "classify windows of its trials instead",
) -> list[Recording]:
    """The recordings with their events in place of trials: of some kinds, or of all (None).

    Raises
    ------
    InputError
        The data set has no coded event, or none of a kind.
    """
    there = sorted({e.kind for r in recordings for e in r.events if e.id is not None})
    if not there:
        raise InputError(f"{name} has no coded event", file=root, remedy=remedy)
    wanted = kinds or tuple(there)
    for kind in wanted:
        if kind not in there:
            near = difflib.get_close_matches(kind, there, n=1)
            raise InputError(
                f"no event is {kind!r}" + (f" (did you mean {near[0]!r}?)" if near else ""),
                file=root,
                expected=", ".join(there),
            )
    return [by_event(recording, wanted) for recording in recordings]


def events_frame(table: Table, recordings: Sequence[Recording]) -> Any:
    """The events of a study's samples, a row each: what they are and how they were coded.

    Times are seconds from the start of the trial. ``aus`` is what was coded in the face. From the notes of
    the event: ``rows_merged`` tells how many rows of the coding became the event, ``disagree_kind`` and
    ``disagree_aus`` whether these rows differed; a data set that does not say has 1 and False.
    """
    import pandas as pd

    pieces = {t.id: t for r in recordings for t in r.trials}
    rows = []
    for sample in table.samples:
        piece = pieces[sample.id]
        event, whole = piece.event, piece.part_of
        if event is None or whole is None:
            raise ValueError(f"{sample.id} is no event")
        zero = whole.span.start
        rows.append(
            {
                "event": sample.id,
                "trial": sample.trial,
                "subject": sample.subject,
                "stimulus": sample.stimulus,
                "kind": event.kind,
                "onset": event.span.start - zero,
                "apex": None if event.apex is None else event.apex - zero,
                "offset": event.span.stop - zero,
                "aus": str(event.value or ""),
                "label": -1 if sample.label is None else sample.label,
                "rows_merged": int(event.notes.get("rows_merged", 1)),
                "disagree_kind": bool(event.notes.get("disagree_kind", 0)),
                "disagree_aus": bool(event.notes.get("disagree_aus", 0)),
            }
        )
    return pd.DataFrame(rows).astype({"apex": "float64"})
