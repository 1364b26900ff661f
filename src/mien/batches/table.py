"""One row per sample: every stream's features side by side, with a presence mask each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.batches.rows import scaled_rows
from mien.batches.scale import Scaler
from mien.core import Batch, Features, Sample, Signal, Trial

Allocate = Callable[[str, tuple[int, int]], NDArray[np.float32]]
"""Makes the array of a stream that is then filled, given its name and shape (samples, values)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """All samples of a study.

    Attributes
    ----------
    samples
        One :class:`~mien.core.Sample` a row.
    inputs
        Stream name to float32 (samples, features); rows where the stream is absent hold NaN. May be memory
        maps: they are read row by row when batches are made.
    present
        Stream name to boolean (samples,).
    axes
        Stream name to the names along its feature axes, in the order in which they were flattened.
    intensity
        float64 (samples,): how strongly the emotion was felt by the subject's own account; NaN where unknown.
    """

    samples: tuple[Sample, ...]
    inputs: Mapping[str, NDArray[np.floating[Any]]]
    present: Mapping[str, NDArray[np.bool_]]
    axes: Mapping[str, Mapping[str, tuple[str, ...]]]
    intensity: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name, array in self.inputs.items():
            if array.shape[0] != len(self.samples):
                raise ValueError(f"{name}: {array.shape[0]} rows for {len(self.samples)} samples")

    def __len__(self) -> int:
        return len(self.samples)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row of each sample id."""
        return {s.id: i for i, s in enumerate(self.samples)}

    def rows(self, ids: Iterable[str]) -> NDArray[np.int64]:
        """Rows of the given sample ids, in their order."""
        row_of = self.row_of
        return np.array([row_of[i] for i in ids], dtype=np.int64)

    @cached_property
    def subjects(self) -> NDArray[np.str_]:
        """Subject of each row."""
        return np.array([s.subject for s in self.samples])

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Class number of each row, -1 where there is none."""
        return np.array([-1 if s.label is None else s.label for s in self.samples], dtype=np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Piece:
    """The samples of one trial: how many, and for each stream it has which windows they are, and whether
    these are valid."""

    trial: str
    n: int
    windows: Mapping[str, tuple[NDArray[np.int64], NDArray[np.bool_]]]


def pair(
    features: Mapping[tuple[str, str], Features],
    trials: Sequence[Trial],
    *,
    streams: Sequence[str],
    classes: Sequence[str],
    label: str = "emotion",
    intensity: Mapping[str, Signal] | None = None,
    allocate: Allocate | None = None,
) -> tuple[Table, list[dict[str, Any]]]:
    """Put the windows of all streams side by side.

    Within a trial the windows are matched by start time (to a millisecond). A window that one of the trial's
    streams lacks is dropped and counted; a stream that the trial lacks altogether is absent in all its
    samples, as is a window that its extractor marked invalid. A window with no stream at all is dropped.

    Parameters
    ----------
    features
        ``(stream, trial id)`` to the features of that trial. Their values are read trial by trial.
    trials
        The trials to use, in the order of the table.
    streams
        Which streams to put into the table.
    classes
        Label words in class order.
    label
        Which of a trial's labels to learn.
    intensity
        Trial id to the continuous rating of the trial (one channel); a window gets the value at its middle,
        NaN beyond the end.
    allocate
        Makes the arrays that are filled, for example as memory maps where the table would not fit into
        memory; default arrays in memory.

    Returns
    -------
    Table, list of dict
        The samples, and what was dropped: ``what, id, subject, reason, count``.
    """
    samples: list[Sample] = []
    pieces: list[_Piece] = []
    felt: list[NDArray[np.float64]] = []
    dropped: list[dict[str, Any]] = []
    shapes, axes = _shapes(features, streams)
    number = {word: i for i, word in enumerate(classes)}

    def drop(trial: Trial, reason: str, count: int) -> None:
        dropped.append(
            {
                "what": "window",
                "id": trial.id,
                "subject": trial.subject,
                "reason": reason,
                "count": int(count),
            }
        )

    for trial in trials:
        offered = {s: features[s, trial.id] for s in streams if (s, trial.id) in features}
        offered = {s: f for s, f in offered.items() if f.n_windows}
        if not offered:
            drop(trial, "no stream has a window of this trial", 0)
            continue
        keys = {s: np.rint(f.starts * 1000).astype(np.int64) for s, f in offered.items()}
        every = np.unique(np.concatenate(list(keys.values())))
        common = every[np.all([np.isin(every, k) for k in keys.values()], axis=0)]
        if len(common) < len(every):
            drop(trial, "one of the trial's streams has no such window", len(every) - len(common))
        at = {s: np.searchsorted(keys[s], common) for s in offered}
        valid = {s: offered[s].valid[at[s]] for s in offered}
        usable = np.any(list(valid.values()), axis=0)
        if not usable.all():
            drop(trial, "invalid in every stream", (~usable).sum())
        word = trial.labels[label].value if label in trial.labels else None
        duration = next(iter(offered.values())).durations[at[next(iter(offered))]]
        start = common / 1000.0
        for i in np.flatnonzero(usable):
            samples.append(
                Sample(
                    id=f"{trial.id}@{start[i] - trial.span.start:.3f}",
                    trial=trial.id,
                    subject=trial.subject,
                    session=trial.session,
                    stimulus=trial.stimulus,
                    label=None if word is None else number[str(word)],
                    start=float(start[i]),
                    duration=float(duration[i]),
                )
            )
        windows = {s: (at[s][usable], valid[s][usable]) for s in offered}
        pieces.append(_Piece(trial=trial.id, n=int(usable.sum()), windows=windows))
        felt.append(_intensity_at(trial, start[usable], duration[usable], intensity))
    filled = {
        s: _filled(features, s, pieces, (len(samples), shapes[s]), allocate or _in_memory) for s in streams
    }
    return (
        Table(
            samples=tuple(samples),
            inputs={s: values for s, (values, _) in filled.items()},
            present={s: present for s, (_, present) in filled.items()},
            axes=axes,
            intensity=np.concatenate(felt) if felt else np.empty(0),
        ),
        dropped,
    )


def _in_memory(stream: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    return np.empty(shape, np.float32)


def _filled(
    features: Mapping[tuple[str, str], Features],
    stream: str,
    pieces: Iterable[_Piece],
    shape: tuple[int, int],
    allocate: Allocate,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Values of a stream in all samples, NaN where it is absent, and where it is present."""
    values, present = allocate(stream, shape), np.zeros(shape[0], dtype=bool)
    first = 0
    for piece in pieces:
        block = values[first : first + piece.n]
        block[:] = np.nan
        if stream in piece.windows:
            windows, valid = piece.windows[stream]
            block[valid] = _floats(features[stream, piece.trial], windows[valid]).reshape(-1, shape[1])
            present[first : first + piece.n] = valid
        first += piece.n
    return values, present


def _shapes(
    features: Mapping[tuple[str, str], Features], streams: Sequence[str]
) -> tuple[dict[str, int], dict[str, dict[str, tuple[str, ...]]]]:
    """Flat width and feature axes of each stream; all trials must agree."""
    axes: dict[str, dict[str, tuple[str, ...]]] = {}
    for (stream, trial), f in features.items():
        if stream not in streams:
            continue
        own = {name: tuple(labels) for name, labels in f.axes.items() if name != "window"}
        if axes.setdefault(stream, own) != own:
            raise ValueError(f"{trial}: the features of stream {stream!r} have other axes than those before")
    missing = [s for s in streams if s not in axes]
    if missing:
        raise ValueError(f"no trial has features of stream {', '.join(missing)}")
    return {s: int(np.prod([len(v) for v in a.values()], dtype=int)) for s, a in axes.items()}, axes


def _floats(features: Features, rows: NDArray[np.int64]) -> NDArray[np.floating]:
    """Values of some windows. Among whole numbers (the grey values of crops) an instance that is 0 all over
    is absent and becomes NaN."""
    values = np.asarray(features.values[rows])
    if np.issubdtype(values.dtype, np.floating):
        return values
    out = values.astype(np.float32)
    axes = list(features.axes)
    if "instance" in axes:
        inner = tuple(i for i in range(out.ndim) if i != 0 and axes[i] != "instance")
        out[np.broadcast_to(~values.any(axis=inner, keepdims=True), out.shape)] = np.nan
    return out


def _intensity_at(
    trial: Trial,
    start: NDArray[np.float64],
    duration: NDArray[np.float64],
    intensity: Mapping[str, Signal] | None,
) -> NDArray[np.float64]:
    out = np.full(len(start), np.nan)
    rating = None if intensity is None else intensity.get(trial.id)
    if rating is not None:
        which = ((start + duration / 2 - rating.start) * rating.rate).astype(int)
        known = which < rating.n_times
        out[known] = rating.data[0, which[known]]
    return out


def make_batch(
    table: Table,
    rows: NDArray[np.int64],
    *,
    scaler: Scaler,
    streams: Sequence[str],
    labels: NDArray[np.int64] | None = None,
    domains: Mapping[str, int] | None = None,
) -> Batch:
    """The given rows as a :class:`~mien.core.Batch`, scaled, with absent values zero.

    A stream of more than :data:`mien.batches.rows.IN_MEMORY` bytes is read and scaled when its rows are
    asked for (:class:`~mien.batches.rows.ScaledRows`).

    Parameters
    ----------
    scaler
        Fitted by :func:`mien.batches.fit_scaler`.
    streams
        Which streams the model gets, in order.
    labels
        Class numbers of all rows of the table to use instead of its own (the shuffled-label control).
    domains
        Subject to domain number; subjects that are not in it get -1.
    """
    subjects = table.subjects[rows]
    domain = np.array([(domains or {}).get(s, -1) for s in subjects], dtype=np.int64)
    return Batch(
        ids=tuple(table.samples[i].id for i in rows),
        inputs={
            s: scaled_rows(table.inputs[s], rows, scaler=scaler, stream=s, subjects=subjects) for s in streams
        },
        present={s: table.present[s][rows] for s in streams},
        label=(table.labels if labels is None else labels)[rows],
        domain=domain,
        weight=np.ones(len(rows), dtype=np.float32),
    )
