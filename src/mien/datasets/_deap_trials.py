"""What is judged of DEAP's trials: labels of the participant and of strangers, and whether files agree."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.types import Event, Label, Span, Trial
from mien.datasets._deap_copy import Copy
from mien.datasets._deap_layout import (
    FAMILIARITY_SCALE,
    RATED,
    SCALE,
    stimulus_name,
    subject_name,
    trial_name,
)
from mien.datasets._inspection import Fault
from mien.datasets._seed_survey import ranges

SESSION = "1"
_DECIMALS = 0.01 - 1e-9
"""From this difference on two ratings do not agree to two decimals."""


def trial(copy: Copy, participant: int, video: int, values: NDArray[np.float64], start: float) -> Trial:
    """One trial with its labels.

    Parameters
    ----------
    values
        Valence, arousal, dominance and liking by the participant.
    start
        Second at which the video starts.
    """
    labels = {
        name: Label(value=float(value), scale=SCALE, rater="self")
        for name, value in zip(RATED, values, strict=True)
    }
    row = copy.rows(participant).get(video)
    if row is not None and row.familiarity is not None:
        labels["familiarity"] = Label(value=row.familiarity, scale=FAMILIARITY_SCALE, rater="self")
    for name, average in copy.averages.get(video, {}).items():
        labels[f"{name}_stimulus"] = Label(value=average, scale=SCALE, rater="stimulus")
    return Trial(
        id=trial_name(participant, video),
        recording=subject_name(participant),
        subject=subject_name(participant),
        session=SESSION,
        stimulus=stimulus_name(video),
        span=Span(start=start, duration=float(copy.layout.seconds)),
        labels=labels,
    )


def baseline(of: Trial, seconds: float) -> Event:
    """The stretch before a trial."""
    return Event(
        kind="baseline", span=Span(start=of.span.start - seconds, duration=float(seconds)), trial=of.id
    )


def check_labels(
    copy: Copy, participant: int, path: Path, labels: NDArray[np.float64]
) -> tuple[list[int], list[Fault]]:
    """Videos whose labels (videos, 4) are on the scale, and what is wrong with labels.

    Those off the scale are left out; those that the table of ratings contradicts are kept.
    """
    subject = subject_name(participant)
    on: NDArray[np.bool_] = np.all((labels >= SCALE[0]) & (labels <= SCALE[1]), axis=1)
    faults: list[Fault] = []
    if not on.all():
        bad = np.flatnonzero(~on)
        worst = labels[bad[0]].round(3).tolist()
        reason = f"labels of {len(bad)} of {len(labels)} videos are not from 1 to 9, the first are {worst}"
        faults.append(Fault(file=str(path), item=f"video {ranges(bad + 1)}", reason=reason, subject=subject))
    rows = copy.rows(participant)
    wrong = {
        video: (name, float(given), said)
        for video, row in sorted(rows.items())
        if on[video - 1]
        for name, given, said in zip(RATED, labels[video - 1], row.values, strict=True)
        if abs(given - said) >= _DECIMALS
    }
    if wrong and copy.ratings is not None:
        faults.append(_disagreement(path, copy.ratings.path, wrong, subject))
    return [int(i) + 1 for i in np.flatnonzero(on)], faults


def _disagreement(
    path: Path, table: Path, wrong: Mapping[int, tuple[str, float, float]], subject: str
) -> Fault:
    video, (name, given, said) = next(iter(wrong.items()))
    reason = (
        f"labels disagree with {table.name}, of video {video}: {name} {given:.2f} here, {said:.2f} there; "
        "those of this file are used"
    )
    return Fault(
        file=str(path), item=f"video {ranges(wrong)}", reason=reason, subject=subject, severity="kept"
    )
