"""The best anyone could do on a made-up MMME: the Bayes classifier of :mod:`mien.simulate._mmme_plan`.

As in :mod:`mien.simulate._mes_oracle`: it is scored on the data set's own expressions by the mean recall over
classes, sees the action units that show (``vision``), and the hidden sources of brain (``eeg``) and body
(``body``) themselves in the eight seconds around the apex (level ``event``) or in the whole clip (level
``clip``). Given the emotion the three are independent, so their log-likelihoods add up. Whole trials are
scored by :mod:`mien.simulate._mes_trials` (level ``trial`` of :func:`table`)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mien.simulate import _mes_oracle, _mes_trials
from mien.simulate._mes_oracle import KINDS, LEVELS, Score, Seen
from mien.simulate._mes_plan import Plan
from mien.simulate._mmme_plan import GAIN_OVER_FACE, Study

SINGLES = ("vision", "eeg", "body")
MODALITIES = tuple("+".join(chosen) for n in (1, 2, 3) for chosen in combinations(SINGLES, n))
STREAMS = {"vision": "me", "eeg": "eeg", "body": "body"}
"""Modality to what a network calls it."""

All = dict[tuple[str, str], list[Seen]]


def _plans(study: Study) -> dict[str, Plan]:
    return {"eeg": study.brain, "body": study.body}


def see(study: Study) -> All:
    """What brain and body show, by modality and level."""
    return {(m, level): _mes_oracle.see(plan, level) for m, plan in _plans(study).items() for level in LEVELS}


def log_likelihood(study: Study, seen: All, *, kind: str, modality: str, level: str) -> NDArray[np.float64]:
    """(events, emotions), up to a constant for each event."""
    parts = modality.split("+")
    signals = [(plan, seen[m, level]) for m, plan in _plans(study).items() if m in parts]
    return _mes_oracle.combined(study.brain, signals, face="vision" in parts, kind=kind)


def score(
    study: Study, *, kind: str, modality: str, level: str = "event", classes: int = 3, seen: All | None = None
) -> Score:
    """Mean recall of the Bayes classifier on the data set's own events."""
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
    if modality not in MODALITIES:
        raise ValueError(f"modality must be one of {MODALITIES}, got {modality!r}")
    seen = see(study) if seen is None else seen
    found = log_likelihood(study, seen, kind=kind, modality=modality, level=level)
    decided = _mes_oracle.decide(found, classes=classes, shares=study.brain.shares)
    return _mes_oracle.judge(study.brain, decided, classes=classes)


def calibrate(study: Study) -> float:
    """The body's gain at which face and body (``subject_known``) are better than the face alone by
    :data:`mien.simulate._mmme_plan.GAIN_OVER_FACE`, at the plan's effect."""
    brain = study.brain
    if not brain.events:
        return 1.0

    def reached(by_emotion: NDArray[np.float64]) -> float:
        decided = _mes_oracle.decide(by_emotion, classes=3, shares=brain.shares)
        return _mes_oracle.judge(brain, decided, classes=3).uar

    face = _mes_oracle.face_log_likelihood(brain)
    target = min(reached(face) + GAIN_OVER_FACE, 0.97)
    seen = _mes_oracle.see(study.body, "event")
    return _mes_oracle.gain_for(
        lambda gain: reached(face + _mes_oracle.signal_terms(study.body, seen, gain=gain)), target
    )


def table(study: Study, *, classes: int, seen: All | None = None) -> dict[str, dict[str, dict[str, object]]]:
    """All oracles of a number of classes as plain data: ``[kind][modalities][level]`` to a score; level
    ``trial`` beside those of events."""
    seen = see(study) if seen is None else seen
    watched = {m: (plan, _mes_trials.watch(plan)) for m, plan in _plans(study).items()}

    def one(kind: str, modality: str, level: str) -> object:
        found = score(study, kind=kind, modality=modality, level=level, classes=classes, seen=seen)
        return vars(found) if found.n else {}

    def by_trial(kind: str, modality: str) -> object:
        parts = modality.split("+")
        return _mes_trials.plain(
            study.brain,
            [watched[m] for m in parts if m in watched],
            face="vision" in parts,
            kind=kind,
            classes=classes,
        )

    return {
        k: {m: {level: one(k, m, level) for level in LEVELS} | {"trial": by_trial(k, m)} for m in MODALITIES}
        for k in KINDS
    }


def by_stream(found: dict[str, dict[str, dict[str, object]]]) -> dict[str, dict[str, dict[str, object]]]:
    """A table under the names that networks and reports give the modalities."""
    return {
        kind: {"+".join(STREAMS[m] for m in name.split("+")): scores for name, scores in of_kind.items()}
        for kind, of_kind in found.items()
    }
