"""One row per event: the windows of every stream around it side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.batches.table import Table
from mien.core import Features, Sample, Trial


def pair_events(
    features: Mapping[tuple[str, str], Features],
    pieces: Sequence[Trial],
    *,
    streams: Sequence[str],
    classes: Sequence[str],
    label: str = "emotion",
) -> tuple[Table, list[dict[str, Any]]]:
    """Put everything that is known of an event, or of a whole trial, into one row.

    The windows that an extractor made around an event stay in order and become the first feature axis
    (``window``, left out where there is only one); all events must have equally many of a stream. A stream is
    absent for an event that has no features of it, or fewer windows, or no valid window.

    Parameters
    ----------
    features
        ``(stream, event id)`` to the features around that event.
    pieces
        The events as pieces of trials, or whole trials, in the order of the table.
    streams, classes, label
        As for :func:`mien.batches.pair`.

    Returns
    -------
    Table, list of dict
        The samples, whose ids are the events', and what was dropped: ``what, id, subject, reason, count``.
        ``start`` and ``duration`` of a sample span all that its features were made of.
    """
    axes = {s: _axes(features, s) for s in streams}
    widths = {s: int(np.prod([len(v) for v in a.values()], dtype=int)) for s, a in axes.items()}
    number = {word: i for i, word in enumerate(classes)}
    dropped: list[dict[str, Any]] = []
    rows: dict[str, list[NDArray[Any]]] = {s: [] for s in streams}
    there: dict[str, list[bool]] = {s: [] for s in streams}
    samples: list[Sample] = []

    def drop(piece: Trial, what: str, reason: str) -> None:
        dropped.append({"what": what, "id": piece.id, "subject": piece.subject, "reason": reason, "count": 1})

    for piece in pieces:
        usable: dict[str, Features] = {}
        for stream in streams:
            made = features.get((stream, piece.id))
            fault = _fault(made, axes[stream])
            if made is not None and fault is None:
                usable[stream] = made
            elif fault is not None:
                drop(piece, f"{stream} of {'a trial' if piece.event is None else 'an event'}", fault)
        if not usable:
            drop(piece, "trial" if piece.event is None else "event", "no stream has anything of it")
            continue
        samples.append(_sample(piece, list(usable.values()), number, label))
        for stream in streams:
            row = np.full(widths[stream], np.nan, dtype=np.float32)
            if stream in usable:
                values = np.asarray(usable[stream].values, dtype=np.float32).copy()
                values[~usable[stream].valid] = np.nan
                row[:] = values.reshape(-1)
            rows[stream].append(row)
            there[stream].append(stream in usable)
    n = len(samples)
    table = Table(
        samples=tuple(samples),
        inputs={s: np.stack(rows[s]) if n else np.empty((0, widths[s]), np.float32) for s in streams},
        present={s: np.array(there[s], dtype=bool) for s in streams},
        axes=axes,
        intensity=np.full(n, np.nan),
    )
    return table, dropped


def _axes(features: Mapping[tuple[str, str], Features], stream: str) -> dict[str, tuple[str, ...]]:
    """Feature axes of a stream; as many windows as most events have."""
    rest: dict[str, tuple[str, ...]] | None = None
    windows = []
    for name, event in features:
        if name != stream:
            continue
        made = features[name, event]
        own = {name: tuple(labels) for name, labels in made.axes.items() if name != "window"}
        rest = own if rest is None else rest
        if own != rest:
            raise ValueError(
                f"the features of stream {stream!r} have other axes in one event than in another"
            )
        windows.append(made.n_windows)
    if rest is None:
        raise ValueError(f"no event has features of stream {stream!r}")
    n = int(np.bincount(windows).argmax())
    return ({"window": tuple(map(str, range(n)))} if n > 1 else {}) | rest


def _fault(made: Features | None, axes: Mapping[str, tuple[str, ...]]) -> str | None:
    """Why the features of an event cannot be used, if so; a stream that was not recorded is no fault."""
    if made is None:
        return None
    wanted = len(axes.get("window", ("0",)))
    if made.n_windows != wanted:
        return f"{made.n_windows} windows where others have {wanted}"
    return None if made.valid.any() else "not valid"


def _sample(piece: Trial, usable: Sequence[Features], number: Mapping[str, int], label: str) -> Sample:
    start = min(float(f.starts.min()) for f in usable)
    stop = max(float((f.starts + f.durations).max()) for f in usable)
    word = piece.labels[label].value if label in piece.labels else None
    return Sample(
        id=piece.id,
        trial=piece.part_of.id if piece.part_of else piece.id,
        subject=piece.subject,
        session=piece.session,
        stimulus=piece.stimulus,
        event=None if piece.event is None else piece.id,
        label=None if word is None else number[str(word)],
        start=start,
        duration=stop - start,
    )
