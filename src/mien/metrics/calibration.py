"""How far probabilities can be believed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core import InputError
from mien.metrics.scores import as_classes


def _check(y: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    values = np.asarray(probabilities, np.float64)
    if values.ndim != 2:
        raise InputError(f"probabilities of shape {values.shape}", expected="(samples, classes)")
    true = as_classes(y, values.shape[1], "true classes")
    if len(true) != len(values):
        raise InputError(f"{len(true)} true classes for {len(values)} rows", expected="one each")
    # 1e-3: the rounding of half-precision probabilities; anything further off is not a probability
    if not (values.min() >= 0 and np.abs(values.sum(axis=1) - 1).max() < 1e-3):
        raise InputError("rows are not probabilities", expected="values of at least 0 that sum to 1")
    return true, values


def nll(y: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean negative log-likelihood of the true class, in nats; a probability of 0 counts as 1e-12."""
    true, values = _check(y, probabilities)
    return float(-np.log(np.maximum(values[np.arange(len(true)), true], 1e-12)).mean())


def brier(y: ArrayLike, probabilities: ArrayLike) -> float:
    """Brier score over all classes, 0 (sure and right) to 2 (sure and wrong) [Brier 1950]."""
    true, values = _check(y, probabilities)
    target = np.eye(values.shape[1])[true]
    return float(((values - target) ** 2).sum(axis=1).mean())


def ece(y: ArrayLike, probabilities: ArrayLike, *, n_bins: int = 15) -> float:
    """Expected calibration error of the predicted class, 0 to 1 [Guo et al. 2017, eq. 3].

    Mean over equal-width bins of confidence, weighted by their samples, of |accuracy − mean confidence|. It
    is biased upwards when there are few samples in a bin.
    """
    true, values = _check(y, probabilities)
    confidence, right = values.max(axis=1), values.argmax(axis=1) == true
    which = np.minimum((confidence * n_bins).astype(np.int64), n_bins - 1)
    gap = np.bincount(which, right - confidence, minlength=n_bins)
    return float(np.abs(gap).sum() / len(true))
