"""Known answers of the estimators."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import ensemble, linear_model

from mien import models
from mien.core import Batch


def batch_of(x, y, weight=None):
    n = len(y)
    return Batch(
        ids=tuple(map(str, range(n))),
        inputs={"eeg": np.asarray(x, np.float32)},
        present={"eeg": np.ones(n, bool)},
        label=np.asarray(y, np.int64),
        domain=np.full(n, -1, np.int64),
        weight=np.ones(n, np.float32) if weight is None else np.asarray(weight, np.float32),
    )


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 600)
    x = rng.standard_normal((4, 12))[y] + rng.standard_normal((600, 12))
    return x.astype(np.float32), y


def test_majority_answers_with_weighted_shares():
    batch = batch_of(np.zeros((4, 2)), [0, 1, 1, 2], weight=[4, 1, 1, 2])
    p = models.create("majority", n_classes=4).fit(batch).predict_proba(batch)
    np.testing.assert_allclose(p, np.tile([0.5, 0.25, 0.25, 0.0], (4, 1)))


@pytest.mark.parametrize("C", [0.001, 0.1])
def test_logistic_regression_is_scikit_learns(blobs, C):
    x, y = blobs
    ours = models.create("logistic_regression", n_classes=4, C=C, class_weights="none", max_iter=1000)
    theirs = linear_model.LogisticRegression(C=C, tol=1e-8, max_iter=1000).fit(x, y)
    # our solver works in float32 and stops at a slope of 1e-5
    np.testing.assert_allclose(
        ours.fit(batch_of(x, y)).predict_proba(batch_of(x, y)), theirs.predict_proba(x), atol=2e-3
    )


def test_balanced_logistic_regression_is_scikit_learns(blobs):
    x, y = blobs
    keep = (y > 0) | (np.arange(600) % 5 == 0)
    x, y = x[keep], y[keep]
    ours = models.create("logistic_regression", n_classes=4, C=0.1, max_iter=1000)
    theirs = linear_model.LogisticRegression(C=0.1, tol=1e-8, max_iter=1000, class_weight="balanced")
    # as above
    np.testing.assert_allclose(
        ours.fit(batch_of(x, y)).predict_proba(batch_of(x, y)),
        theirs.fit(x, y).predict_proba(x),
        atol=2e-3,
    )


def test_linear_svm_finds_the_minimum_of_its_loss(blobs):
    x, y = blobs
    model = models.create("linear_svm", n_classes=4, C=0.01, class_weights="none", max_iter=1000)
    state = model.fit(batch_of(x, y)).state_dict()
    sign = np.where(y[:, None] == np.arange(4), 1.0, -1.0)

    def loss(weights, intercept):
        short = np.maximum(0, 1 - sign * (x @ weights + intercept))
        return 0.01 * (short**2).sum() + 0.5 * (weights**2).sum()

    least = loss(state["weights"].astype(float), state["intercept"].astype(float))
    rng = np.random.default_rng(1)
    for size in (1e-2, 1e-1):
        for _ in range(20):
            shift = rng.standard_normal((13, 4)) * size
            assert loss(state["weights"] + shift[:12], state["intercept"] + shift[12]) > least


def test_linear_models_order_classes_as_their_scores(blobs):
    x, y = blobs
    for name in ("logistic_regression", "linear_svm"):
        p = models.create(name, n_classes=4).fit(batch_of(x[:400], y[:400])).predict_proba(batch_of(x, y))
        # chance is 0.25; the four means lie about five noise deviations apart
        assert (p.argmax(1) == y)[400:].mean() > 0.8


def test_random_forest_answers_as_scikit_learns(blobs):
    x, y = blobs
    model = models.create("random_forest", n_classes=4, n_trees=20, class_weights="none", seed=5)
    theirs = ensemble.RandomForestClassifier(20, min_samples_leaf=3, random_state=5)
    theirs.fit(x, y, sample_weight=np.ones(600))
    # same trees; only the order of summing leaf shares differs
    np.testing.assert_allclose(
        model.fit(batch_of(x, y)).predict_proba(batch_of(x, y)), theirs.predict_proba(x), atol=1e-6
    )
    other = models.create("random_forest", n_classes=4, n_trees=20, seed=6).fit(batch_of(x, y))
    assert not np.array_equal(other.predict_proba(batch_of(x, y)), model.predict_proba(batch_of(x, y)))


def test_the_nearest_neighbour_is_the_one_that_goes_along_or_against():
    rng = np.random.default_rng(0)
    kept = rng.standard_normal((6, 40)).astype(np.float32)
    label = np.array([0, 1, 2, 0, 1, 2])
    model = models.create("nearest_neighbour", n_classes=4).fit(batch_of(kept, label))
    # another unit, another zero, another sign, and some noise
    seen = (-3 * kept[::-1] + 7 + 0.3 * rng.standard_normal(kept.shape)).astype(np.float32)
    found = model.predict_proba(batch_of(seen, label))
    np.testing.assert_array_equal(found, np.eye(4, dtype=np.float32)[label[::-1]])
    assert np.isfinite(model.predict_proba(batch_of(np.zeros_like(seen), label))).all()
