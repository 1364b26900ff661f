"""Ratings into classes inside a study: what is kept, what is left out, what is told."""

from __future__ import annotations

import pytest

from mien.core import POLICIES, InputError, Label, LabelPolicy, Recording, Span, Trial
from mien.run.labels import is_nominal, labelled
from mien.run.study_file import load_study


def trial(name: str, **ratings: float | str) -> Trial:
    labels = {
        k: Label(value=v, scale=(1.0, 9.0) if not isinstance(v, str) else (v,), rater="self")
        for k, v in ratings.items()
    }
    return Trial(
        id=name, recording="r", subject="s01", session="1", stimulus=name, span=Span(start=0, duration=3),
        labels=labels,
    )  # fmt: skip


def recording(*trials: Trial) -> Recording:
    return Recording(id="r", dataset="deap", subject="s01", session="1", streams={}, trials=trials)


def test_trials_get_the_class_and_those_without_ratings_are_listed() -> None:
    one = recording(
        trial("a", valence=7.0, arousal=3.0), trial("b", valence=5.0, arousal=6.0), trial("c", valence=2.0)
    )
    policy = LabelPolicy(name="quadrant", boundary="drop")
    (made,), dropped, told = labelled([one], policy)
    assert [t.labels["quadrant"].value for t in made.trials] == ["HVLA"]
    assert made.trials[0].labels["quadrant"].scale == policy.classes
    assert [(d["id"], d["reason"]) for d in dropped] == [
        ("b", "a rating of exactly 5"),
        ("c", "no rating of valence and arousal"),
    ]
    assert (told["n_trials"], told["on_threshold"], told["left_out"]) == (3, 1, 2)
    assert "leaves the trial out" in told["policy"]


def test_no_rating_at_all_is_an_error() -> None:
    with pytest.raises(InputError, match="no trial has the ratings valence_stimulus"):
        labelled(
            [recording(trial("a", valence=7.0))],
            LabelPolicy(name="v", dimensions=("valence",), rater="stimulus"),
        )


def test_classes_that_are_there_already_are_known() -> None:
    assert is_nominal([recording(trial("a", emotion="joy"))], "emotion")
    assert not is_nominal([recording(trial("a", valence=7.0))], "valence")


STUDY = {
    "system": "milmer",
    "label": "quadrant",
    "data": {"name": "deap", "root": "x"},
    "features": {"eeg": "de"},
    "model": {"name": "milmer"},
    "protocol": {"names": ["loso"]},
}


def test_a_study_names_a_policy_and_changes_it() -> None:
    assert load_study(STUDY).label_policy == POLICIES["quadrant"]
    changed = load_study(STUDY, ["policy.boundary=drop", "policy.threshold=4.5"]).label_policy
    assert changed == LabelPolicy(name="quadrant", boundary="drop", threshold=4.5)
    assert load_study({**STUDY, "label": "emotion"}).label_policy is None


def test_impossible_policies_are_told_when_the_study_is_read() -> None:
    with pytest.raises(InputError, match="one, or two different ones"):
        load_study({**STUDY, "policy": {"dimensions": []}})
    with pytest.raises(InputError, match=r"unknown key 'policy\.bound"):
        load_study({**STUDY, "policy": {"bound": "high"}})
