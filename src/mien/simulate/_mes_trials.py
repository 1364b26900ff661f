"""The best anyone could do on the trials of a made-up MEs-EEG or MMME: what did somebody watch?

The Bayes classifier of :mod:`mien.simulate._mes_plan`, as in :mod:`mien.simulate._mes_oracle`, asked about
each emotional clip that was shown to each subject.

* Signals: the hidden sources in the whole clip.
* Face: the action units of all expressions in it, and how many there are. Some emotions have more of them
  than others, whatever ``effect`` is, so that their number alone tells something: at ``effect`` 0 the face is
  above chance by trial, though not by expression. Where the face is not looked at, the number is not either,
  although the course of the intensity, which is known, depends on it.

A set of modalities is scored on the trials that have one of them: the face alone on those with an expression.
Each of the two scores is that of the classifier that is best at it: UAR where all classes count the same,
accuracy where they are as common as among the clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.datasets._mes_eeg_layout import EMOTIONS
from mien.simulate import _mes_oracle
from mien.simulate._mes_oracle import Score, Seen
from mien.simulate._mes_plan import Plan

_NEVER = 1e-300
"""In place of a probability of 0, whose logarithm would not add up."""
Signal = tuple[Plan, list[Seen]]


@dataclass(frozen=True, kw_only=True)
class Watched:
    """An emotional clip shown to a subject."""

    subject: int
    clip: int
    emotion: int


def watched(plan: Plan) -> tuple[Watched, ...]:
    """All of them, by subject and clip."""
    return tuple(
        Watched(subject=s, clip=int(c), emotion=int(plan.emotions[c]))
        for s in range(len(plan.subjects))
        for c in np.flatnonzero(plan.emotions >= 0)
    )


def watch(plan: Plan) -> list[Seen]:
    """What a plan's sources show in the whole clip of each trial."""
    return _mes_oracle.see(plan, "clip", cases=watched(plan))


def _members(plan: Plan) -> NDArray[np.int64]:
    """(events): the trial that each lies in."""
    place = {(t.subject, t.clip): i for i, t in enumerate(watched(plan))}
    return np.array([place[e.subject, e.clip] for e in plan.events], dtype=np.int64)


def _summed(plan: Plan, by_event: NDArray[np.float64]) -> NDArray[np.float64]:
    """(trials, …): sums over the events of each."""
    out = np.zeros((len(watched(plan)), by_event.shape[1]))
    np.add.at(out, _members(plan), by_event)
    return out


def counts(plan: Plan) -> NDArray[np.int64]:
    """(trials): how many expressions each has."""
    return np.bincount(_members(plan), minlength=len(watched(plan)))


def face_log_likelihood(plan: Plan) -> NDArray[np.float64]:
    """(trials, emotions): how likely the number of expressions of each trial, and their action units, are."""
    n, emotion = counts(plan), np.array([t.emotion for t in watched(plan)])
    share = np.array(
        [
            np.bincount(n[emotion == k], minlength=n.max(initial=0) + 1) / max((emotion == k).sum(), 1)
            for k in range(len(EMOTIONS))
        ]
    )  # (emotions, numbers): of the trials of an emotion, those with so many
    return _summed(plan, _mes_oracle.face_log_likelihood(plan)) + np.log(np.maximum(share, _NEVER)).T[n]


def log_likelihood(plan: Plan, signals: Sequence[Signal], *, face: bool, kind: str) -> NDArray[np.float64]:
    """(trials, emotions), up to a constant: the face, where asked for, and every set of sources there is."""
    trials = watched(plan)
    found = face_log_likelihood(plan) if face else np.zeros((len(trials), len(EMOTIONS)))
    known_clip = kind == "stimulus_known"
    if known_clip:
        found = found[:, plan.emotions[plan.emotions >= 0]]
        if face and plan.events:
            found = found + _summed(plan, _mes_oracle.behaviour_terms(plan))
    for own, seen in signals:
        found = found + _mes_oracle.signal_terms(own, seen, kind=kind, gain=own.gain, cases=trials)
    return _mes_oracle.over_clips(plan, found) if known_clip else found


def score(plan: Plan, signals: Sequence[Signal], *, face: bool, kind: str, classes: int) -> Score:
    """Of the Bayes classifier on the data set's own trials that have the face, or one of the signals."""
    trials = watched(plan)
    there = counts(plan) > 0 if face else np.zeros(len(trials), dtype=bool)
    for _, seen in signals:
        for part in seen:
            there[part.rows] = True
    shares = np.bincount([t.emotion for t in trials], minlength=len(EMOTIONS)) / max(len(trials), 1)
    found = log_likelihood(plan, signals, face=face, kind=kind)
    best = [
        _mes_oracle.judge(
            plan,
            _mes_oracle.decide(found, shares=shares, classes=classes, as_common=as_common),
            classes=classes,
            rows=np.flatnonzero(there),
            cases=trials,
        )
        for as_common in (False, True)
    ]
    return Score(
        uar=best[0].uar, uar_se=best[0].uar_se, accuracy=best[1].accuracy, se=best[1].se, n=best[0].n
    )


def plain(plan: Plan, signals: Sequence[Signal], *, face: bool, kind: str, classes: int) -> dict[str, float]:
    """A :func:`score` as plain data; nothing where there is no such trial."""
    found = score(plan, signals, face=face, kind=kind, classes=classes)
    return vars(found) if found.n else {}
