"""Ratings into classes, by the policy that a study names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mien.core import InputError, Label, LabelPolicy, Recording, Trial


def labelled(
    recordings: Sequence[Recording], policy: LabelPolicy
) -> tuple[list[Recording], list[dict[str, Any]], dict[str, Any]]:
    """Recordings whose trials have the policy's class as a label of its name.

    A data set that has a nominal label of that name already keeps it.

    Returns
    -------
    list of Recording
        Without the trials that the policy leaves out or whose ratings are missing.
    list of dict
        Those trials, for ``dropped.csv``.
    dict
        What the report says: ``policy``, and how many trials there were, lay on the threshold, were left out.

    Raises
    ------
    InputError
        No trial has the ratings that the policy looks at.
    """
    dropped: list[dict[str, Any]] = []
    touched = n = 0
    out = []
    for recording in recordings:
        kept = []
        for trial in recording.trials:
            ratings = _ratings(trial, policy)
            n += 1
            if ratings is None:
                dropped.append(_drop(trial, f"no rating of {' and '.join(policy.needed)}"))
                continue
            touched += policy.touches(ratings)
            word = policy.word(ratings)
            if word is None:
                dropped.append(_drop(trial, f"a rating of exactly {policy.threshold:g}"))
                continue
            label = Label(value=word, scale=policy.classes, rater=policy.rater)
            kept.append(replace(trial, labels={**trial.labels, policy.name: label}))
        out.append(replace(recording, trials=tuple(kept)))
    if not any(r.trials for r in out):
        raise InputError(
            f"no trial has the ratings {', '.join(policy.needed)} of the label {policy.name!r}",
            remedy="choose another label, or another rater under [policy]",
        )
    told = {"policy": policy.describe(), "n_trials": n, "on_threshold": touched, "left_out": len(dropped)}
    return out, dropped, told


def is_nominal(recordings: Sequence[Recording], name: str) -> bool:
    """Whether trials have classes of that name as they are."""
    return any(
        isinstance(t.labels[name].value, str) for r in recordings for t in r.trials if name in t.labels
    )


def _ratings(trial: Trial, policy: LabelPolicy) -> dict[str, float] | None:
    values = {}
    for dimension, name in zip(policy.dimensions, policy.needed, strict=True):
        found = trial.labels.get(name)
        if found is None or isinstance(found.value, str):
            return None
        values[dimension] = float(found.value)
    return values


def _drop(trial: Trial, reason: str) -> dict[str, Any]:
    return {"what": "trial", "id": trial.id, "subject": trial.subject, "reason": reason, "count": 1}
