"""Scores of each subject alone, and the F1 that papers print, by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from mien import metrics
from mien.core import InputError


def test_weighted_f1_by_hand() -> None:
    # class 0: TP 2, FN 1, FP 1 -> 4/6; class 1: TP 0, FN 1, FP 1 -> 0; class 2 never occurs
    y, p = [0, 0, 0, 1], [0, 0, 1, 0]
    assert metrics.weighted_f1(y, p, 3) == pytest.approx(3 / 4 * 4 / 6, abs=1e-15)
    assert metrics.weighted_f1(y, y) == 1.0


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 60), n_classes=st.integers(2, 7), seed=st.integers(0, 1000))
def test_weighted_f1_agrees_with_scikit_learn(n: int, n_classes: int, seed: int) -> None:
    y, p = np.random.default_rng(seed).integers(0, n_classes, (2, n))
    expected = sklearn.metrics.f1_score(y, p, average="weighted", zero_division=0)
    # the same sums in another order
    assert metrics.weighted_f1(y, p, n_classes) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_published_rows_of_the_commonest_class() -> None:
    """71.4 % of the clips and 74.2 % of the public micro rows are negative: what the report prints."""
    for counts, expected in (
        ([30, 6, 6], (71.4, 59.5, 27.8, 33.3)),
        ([222, 54, 23], (74.2, 63.3, 28.4, 33.3)),
        ([6] * 7, (14.3, 3.6, 3.6, 14.3)),
        ([67, 54, 45, 46, 47, 23, 17], (22.4, 8.2, 5.2, 14.3)),
    ):
        y = np.repeat(np.arange(len(counts)), counts)
        found = metrics.scores(y, np.full(len(y), np.argmax(counts)), len(counts))
        shown = tuple(round(100 * found[name], 1) for name in ("accuracy", "weighted_f1", "uf1", "uar"))
        assert shown == expected


def test_scores_of_each_subject_by_hand() -> None:
    subject = ["b", "b", "b", "a", "a", "a", "a"]
    y = [0, 0, 1, 2, 2, 0, 0]
    p = [0, 1, 1, 2, 1, 0, 0]
    names, found = metrics.by_subject(y, p, subject, 3)
    assert names.tolist() == ["a", "b"]
    np.testing.assert_allclose(found["accuracy"], [3 / 4, 2 / 3], rtol=1e-15)
    # a has classes 0 (2 of 2) and 2 (1 of 2); b has 0 (1 of 2) and 1 (1 of 1); absent classes do not count
    np.testing.assert_allclose(found["uar"], [(1 + 1 / 2) / 2, (1 / 2 + 1) / 2], rtol=1e-15)
    # a: F1 of 0 is 1, of 2 is 2/3 (its miss costs class 2 alone); b: 2/3 and 2/3
    np.testing.assert_allclose(found["uf1"], [(1 + 2 / 3) / 2, 2 / 3], rtol=1e-15)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), n_subjects=st.integers(1, 6))
def test_each_subject_is_scored_as_if_alone(seed: int, n_subjects: int) -> None:
    rng = np.random.default_rng(seed)
    y, p = rng.integers(0, 4, (2, 60))
    subject = rng.integers(0, n_subjects, 60).astype(str)
    names, found = metrics.by_subject(y, p, subject, 4)
    for i, name in enumerate(names):
        here = subject == name
        assert found["accuracy"][i] == pytest.approx(metrics.accuracy(y[here], p[here]), abs=1e-15)
        recall = [(p[here] == c)[y[here] == c].mean() for c in np.unique(y[here])]
        assert found["uar"][i] == pytest.approx(np.mean(recall), abs=1e-12)


def test_a_subject_with_every_class_has_the_score_of_the_whole() -> None:
    y, p = [0, 1, 2, 2], [0, 1, 1, 2]
    _, found = metrics.by_subject(y, p, ["x"] * 4, 3)
    assert {name: values[0] for name, values in found.items()} == metrics.scores(y, p, 3)


def test_every_sample_needs_a_subject() -> None:
    with pytest.raises(
        InputError, match=r"2 true and 2 predicted classes for \(1,\) subjects; expected one each"
    ):
        metrics.by_subject([0, 1], [0, 1], ["a"], 2)
