"""Scores against numbers worked out by hand and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from mien import metrics
from mien.core import InputError


def test_constant_negative_of_the_composite_set() -> None:
    # MEGC2019: 222 negative, 54 positive, 23 surprise; F1 of the first class is 444/521, the others are 0
    y = np.repeat([0, 1, 2], [222, 54, 23])
    p = np.zeros_like(y)
    assert metrics.uf1(y, p, 3) == pytest.approx(444 / 521 / 3, abs=1e-15)
    assert round(metrics.uf1(y, p, 3), 3) == 0.284
    assert metrics.uar(y, p, 3) == pytest.approx(1 / 3, abs=1e-15)
    assert metrics.kappa(y, p, 3) == 0.0
    assert metrics.accuracy(y, p) == pytest.approx(222 / 299, abs=1e-15)


def test_the_four_flavours_of_f1_differ() -> None:
    # two folds: macro over pooled counts is neither micro, weighted nor the mean over folds
    y = np.array([0, 0, 0, 1, 2, 0, 0, 1, 1, 2])
    p = np.array([0, 0, 1, 1, 0, 1, 2, 1, 0, 2])
    ours = metrics.uf1(y, p, 3)
    by_fold = np.mean([metrics.uf1(y[part], p[part], 3) for part in (slice(0, 5), slice(5, 10))])
    micro, weighted = (sklearn.metrics.f1_score(y, p, average=a) for a in ("micro", "weighted"))
    # by hand: F1 = 4/9, 4/7, 2/4
    assert ours == pytest.approx((4 / 9 + 4 / 7 + 2 / 4) / 3, abs=1e-15)
    assert len({round(v, 6) for v in (ours, by_fold, micro, weighted)}) == 4


def test_an_absent_class_is_an_error_not_skipped() -> None:
    y, p = [0, 0, 1, 1], [0, 0, 1, 1]
    assert metrics.uar(y, p, 2) == metrics.uf1(y, p, 2) == 1.0
    for score in (metrics.uar, metrics.uf1):
        with pytest.raises(InputError, match="class 2 of 3 has no true sample"):
            score(y, p, 3)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 60), n_classes=st.integers(2, 8), seed=st.integers(0, 1000))
def test_agreement_with_scikit_learn(n: int, n_classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n)])
    p = rng.integers(0, n_classes, n + n_classes)
    every = np.arange(n_classes)
    # 1e-12: the same sums in another order
    close = {"rel": 1e-12, "abs": 1e-12}
    assert np.array_equal(
        metrics.confusion(y, p, n_classes), sklearn.metrics.confusion_matrix(y, p, labels=every)
    )
    assert metrics.accuracy(y, p) == pytest.approx(sklearn.metrics.accuracy_score(y, p), **close)
    assert metrics.uar(y, p, n_classes) == pytest.approx(
        sklearn.metrics.balanced_accuracy_score(y, p), **close
    )
    assert metrics.uf1(y, p, n_classes) == pytest.approx(
        sklearn.metrics.f1_score(y, p, labels=every, average="macro", zero_division=0), **close
    )
    assert metrics.kappa(y, p) == pytest.approx(sklearn.metrics.cohen_kappa_score(y, p), **close)
    assert metrics.scores(y, p, n_classes)["kappa"] == metrics.kappa(y, p)
    assert tuple(metrics.scores(y, p, n_classes)) == metrics.score_names()


def test_scores_of_a_stack_of_matrices() -> None:
    matrices = np.array([[[3, 1], [0, 2]], [[0.6, 0.2], [0, 0.4]], [[4, 0], [0, 0]]])
    found = metrics.scores_of(matrices)
    for values in found.values():
        assert values[0] == pytest.approx(values[1], abs=1e-15)  # weights of another sum
    assert np.isnan(found["uar"][2])
    assert np.isnan(found["uf1"][2])
    assert np.isnan(found["kappa"][2])
    assert found["accuracy"][2] == 1.0


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        ([0, 1], [0], "2 true and 1 predicted"),
        ([], [], "at least one"),
        ([0, 3], [0, 1], "true classes: classes from 0 to 3; expected 0 to 2"),
        ([0, 1], [0, -1], "predicted classes: classes from -1 to 0"),
        ([0, 1], [0.5, 1], "expected whole class numbers"),
        ([0, 1], [0, math.nan], "expected whole class numbers"),
        (["a", "b"], ["a", "b"], "expected whole class numbers"),
        ([[0, 1]], [[0, 1]], "one class number per sample"),
    ],
)
def test_input_that_is_no_classes(y: list[float], p: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        metrics.uar(y, p, 3)


# -- windows to trials -----------------------------------------------------------------------------------


def test_trials_are_means_of_their_windows() -> None:
    probabilities = [[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]]
    trials, means = metrics.window_to_trial(probabilities, ["t10", "t2", "t10", "t2"])
    assert trials.tolist() == ["t10", "t2"]  # as they first appear
    np.testing.assert_allclose(means, [[0.65, 0.35], [0.45, 0.55]], rtol=0, atol=1e-15)


def test_one_sure_window_decides_the_log_mean_only() -> None:
    probabilities = [[0.6, 0.4]] * 4 + [[0.0, 1.0]]
    _, mean = metrics.window_to_trial(probabilities, ["t"] * 5)
    _, log_mean = metrics.window_to_trial(probabilities, ["t"] * 5, how="log_mean")
    np.testing.assert_allclose(mean, [[0.48, 0.52]], rtol=0, atol=1e-15)
    # log odds: (4 ln 1.5 + ln 1e-12) / 5
    odds = math.exp((4 * math.log(1.5) + math.log(1e-12)) / 5)
    np.testing.assert_allclose(log_mean, [[odds / (1 + odds), 1 / (1 + odds)]], rtol=1e-12)


def test_windows_and_trials_must_match() -> None:
    with pytest.raises(InputError, match=r"one trial id per window"):
        metrics.window_to_trial([[0.5, 0.5]], ["a", "b"])
    with pytest.raises(InputError, match="how is 'median'; expected 'mean' or 'log_mean'"):
        metrics.window_to_trial([[0.5, 0.5]], ["a"], how="median")  # type: ignore[arg-type]


# -- calibration -----------------------------------------------------------------------------------------


def test_calibration_by_hand() -> None:
    y, probabilities = [0, 1, 1], [[0.8, 0.2], [0.4, 0.6], [0.9, 0.1]]
    assert metrics.nll(y, probabilities) == pytest.approx(-np.log([0.8, 0.6, 0.1]).mean(), rel=1e-15)
    # (2·0.2² + 2·0.4² + 2·0.9²) / 3
    assert metrics.brier(y, probabilities) == pytest.approx((0.08 + 0.32 + 1.62) / 3, rel=1e-14)
    # bins of a tenth: 0.8 right, 0.6 right, 0.9 wrong
    assert metrics.ece(y, probabilities, n_bins=10) == pytest.approx((0.2 + 0.4 + 0.9) / 3, rel=1e-14)


def test_limits_of_calibration() -> None:
    y = np.arange(7).repeat(10)
    uniform, sure = np.full((70, 7), 1 / 7), np.eye(7)[y]
    assert metrics.nll(y, uniform) == pytest.approx(math.log(7), rel=1e-14)
    assert metrics.brier(y, uniform) == pytest.approx(6 / 7, rel=1e-14)
    assert metrics.ece(y, uniform) == pytest.approx(0, abs=1e-15)
    assert metrics.nll(y, sure) == metrics.brier(y, sure) == metrics.ece(y, sure) == 0.0
    assert metrics.brier(y, np.eye(7)[(y + 1) % 7]) == 2.0


@pytest.mark.parametrize("rows", [[[0.5, 0.6]], [[1.2, -0.2]], [[math.nan, 1.0]], [[-3.0, 4.0]]])
def test_logits_are_no_probabilities(rows: list[list[float]]) -> None:
    with pytest.raises(InputError, match="rows are not probabilities"):
        metrics.nll([0], rows)
