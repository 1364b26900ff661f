"""Whole trials as samples: their signals, and what is made of the frames of their coded expressions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from mien import features
from mien.core import Features, Recording, Trial
from mien.run import cuts

Made = Mapping[tuple[str, str], Features]
"""(stream, id of a trial or event) to features."""


def of_expressions(name: str) -> bool:
    """Whether a feature is made of the frames of expressions, and so of a trial by way of these."""
    return features.reads(name) == "clip"


def expressions(recordings: Sequence[Recording], kinds: Collection[str] | None) -> list[Recording]:
    """The recordings with the coded expressions of their trials, of some kinds or all, in place of these."""
    return [cuts.by_event(r, {e.kind for e in r.events} if kinds is None else kinds) for r in recordings]


class OfTrials(Mapping[tuple[str, str], Features]):
    """Features of trials by (stream, trial id): those of signals as they are, those of expressions averaged.

    A trial has what is made of frames as the mean over its expressions (:func:`mean_of`); one without an
    expression that has a valid window has no such features. Nothing is averaged before it is asked for.

    Parameters
    ----------
    whole
        Features of whole trials.
    by_event
        Features of expressions, of other streams.
    events
        The recordings with their expressions as trials (:func:`expressions`).

    Attributes
    ----------
    used
        (stream, trial id) to the ids of the expressions that its features are the mean of, by onset.
    unusable
        Stream and expression where there are features, of which no window is valid.
    """

    def __init__(self, whole: Made, by_event: Made, events: Sequence[Recording]) -> None:
        self._whole, self._by_event = whole, by_event
        self.used: dict[tuple[str, str], tuple[str, ...]] = {}
        self.unusable: list[tuple[str, Trial]] = []
        pieces = sorted((p for r in events for p in r.trials), key=lambda p: (p.span.start, p.id))
        for stream in dict.fromkeys(stream for stream, _ in by_event):
            for piece in pieces:
                if piece.part_of is None or (stream, piece.id) not in by_event:
                    continue
                if by_event[stream, piece.id].valid.any():
                    trial = stream, piece.part_of.id
                    self.used[trial] = (*self.used.get(trial, ()), piece.id)
                else:
                    self.unusable.append((stream, piece))

    def __getitem__(self, key: tuple[str, str]) -> Features:
        if key not in self.used:
            return self._whole[key]
        return mean_of([self._by_event[key[0], event] for event in self.used[key]])

    def __contains__(self, key: object) -> bool:
        return key in self.used or key in self._whole

    def __iter__(self) -> Iterator[tuple[str, str]]:
        yield from self._whole
        yield from self.used

    def __len__(self) -> int:
        return len(self._whole) + len(self.used)


def mean_of(made: Sequence[Features]) -> Features:
    """The mean over expressions, each of which is the mean of its valid windows and must have one.

    Maps of flow, strain and apex keep their units. The mean is what can be said without knowing which
    expression tells most: choosing the strongest would make a sample of the one with the most noise.

    Returns
    -------
    Features
        One window, float64, from the first start to the last end.

    Raises
    ------
    ValueError
        The expressions have other axes than one another.
    """
    first = made[0]
    axes = {name: tuple(labels) for name, labels in first.axes.items() if name != "window"}
    for other in made[1:]:
        if {name: tuple(labels) for name, labels in other.axes.items() if name != "window"} != axes:
            raise ValueError("the features of one expression have other axes than those of another")
    each = [np.mean(m.values[m.valid], axis=0, dtype=np.float64) for m in made]
    start = min(float(m.starts[m.valid].min()) for m in made)
    stop = max(float((m.starts + m.durations)[m.valid].max()) for m in made)
    return Features(
        values=np.mean(each, axis=0)[None],
        axes={"window": (), **axes},
        starts=np.array([start]),
        durations=np.array([stop - start]),
        extractor=first.extractor,
        version=first.version,
        valid=np.array([True]),
    )
