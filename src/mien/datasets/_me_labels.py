"""Labels of clips, and coded expressions as events, of MEs-EEG and MMME."""

from __future__ import annotations

from mien.core.types import Event, Label, Span
from mien.datasets._me_events import Merged
from mien.datasets._mes_eeg_layout import EMOTIONS, EMOTIONS_8, FIVE, FIVE_CLASSES, THREE, THREE_CLASSES


def labels_of(emotion: str) -> dict[str, Label]:
    """Labels of an expression in a clip that is to evoke an emotion: seven, three and five classes."""
    return {
        "emotion": Label(value=emotion, scale=EMOTIONS, rater="stimulus"),
        "emotion3": Label(value=THREE[emotion], scale=THREE_CLASSES, rater="stimulus"),
        "emotion5": Label(value=FIVE[emotion], scale=FIVE_CLASSES, rater="stimulus"),
    }


def labels_of_trial(emotion: str) -> dict[str, Label]:
    """Labels of a whole clip; a calm one has ``emotion8`` alone."""
    label = Label(value=emotion, scale=EMOTIONS_8, rater="stimulus")
    return {"emotion8": label, **(labels_of(emotion) if emotion in EMOTIONS else {})}


def event_of(merged: Merged, *, identity: str, trial: str, start: float) -> Event:
    """The event of an expression in the trial that starts at ``start``."""
    row = merged.row
    onset, apex, offset = row.on_the_clock()
    end = offset if offset is not None else apex
    assert end is not None  # a row codes its apex or its offset
    return Event(
        kind=row.kind,
        span=Span(start=start + onset, duration=max(end - onset, 0.0)),
        value=row.units,
        id=identity,
        trial=trial,
        # the same sum as the end of the span, so that rounding puts no apex beyond it
        apex=None if apex is None else start + onset + max(apex - onset, 0.0),
        labels=labels_of(row.emotion),
        notes={
            "rows_merged": len(merged.rows),
            "offset_coded": int(row.offset is not None),
            "disagree_kind": int(len(merged.kinds) > 1),
            "disagree_aus": int(len(merged.units) > 1),
        },
    )
