"""Scores of a classifier from its confusion matrix, pooled over all folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core import InputError

Float = NDArray[np.float64]


def score_names() -> tuple[str, ...]:
    """The scores that :func:`scores` and the intervals know, in the order of a table."""
    return ("accuracy", "uar", "uf1", "kappa", "weighted_f1")


def as_classes(values: ArrayLike, n_classes: int, what: str) -> NDArray[np.int64]:
    """One-dimensional class numbers from 0 to ``n_classes - 1``."""
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"{what}: shape {array.shape}", expected="one class number per sample, at least one")
    if not np.issubdtype(array.dtype, np.number) or not np.array_equal(array, np.floor(array)):
        raise InputError(f"{what}: values of type {array.dtype}", expected="whole class numbers")
    if array.min() < 0 or array.max() >= n_classes:
        raise InputError(
            f"{what}: classes from {array.min()} to {array.max()}", expected=f"0 to {n_classes - 1}"
        )
    return array.astype(np.int64)


def confusion(y: ArrayLike, p: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Counts (true class, predicted class).

    Parameters
    ----------
    y, p
        True and predicted class numbers of the same samples.
    n_classes
        Number of classes, also of those that do not occur.
    """
    true, predicted = as_classes(y, n_classes, "true classes"), as_classes(p, n_classes, "predicted classes")
    if len(true) != len(predicted):
        raise InputError(f"{len(true)} true and {len(predicted)} predicted classes", expected="one each")
    return np.bincount(true * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def scores_of(matrix: ArrayLike, *, present_only: bool = False) -> dict[str, Any]:
    """All scores of one confusion matrix or of a stack of them.

    Parameters
    ----------
    matrix
        Counts or weights (…, true class, predicted class), of any sum.
    present_only
        Take UAR and UF1 over the classes that have a true sample, each matrix by itself. This is for a part
        of the data, such as one subject; the score of a study is taken over all classes.

    Returns
    -------
    dict
        Score name to an array (…); NaN where a score does not exist: UAR and UF1 if a class has no true
        sample (unless ``present_only``), κ if only one class occurs, true and predicted.
    """
    m = np.asarray(matrix, np.float64)
    total = m.sum(axis=(-2, -1))
    hits = np.diagonal(m, axis1=-2, axis2=-1)
    true, predicted = m.sum(axis=-1), m.sum(axis=-2)
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = hits.sum(axis=-1) / total
        expected = (true * predicted).sum(axis=-1) / total**2
        there = true > 0
        recall = np.where(there, hits / true, 0.0)
        f1 = np.where(there, 2 * hits / (true + predicted), 0.0)
        n_classes = there.sum(axis=-1)
        if not present_only:
            n_classes = np.where(there.all(axis=-1), n_classes, np.nan)
        return {
            "accuracy": observed,
            "uar": recall.sum(axis=-1) / n_classes,
            "uf1": f1.sum(axis=-1) / n_classes,
            "kappa": (observed - expected) / (1 - expected),
            "weighted_f1": (true * f1).sum(axis=-1) / total,
        }


def scores(y: ArrayLike, p: ArrayLike, n_classes: int) -> dict[str, float]:
    """Every score of :func:`score_names` of the same samples.

    Raises
    ------
    InputError
        A class has no true sample.
    """
    matrix = confusion(y, p, n_classes)
    absent = np.flatnonzero(matrix.sum(axis=1) == 0)
    if len(absent):
        raise InputError(
            f"class {absent[0]} of {n_classes} has no true sample, so UAR and UF1 do not exist",
            expected="every class among the samples",
            remedy="pool all folds before scoring, or score fewer classes",
        )
    return {name: float(value) for name, value in scores_of(matrix).items()}


def accuracy(y: ArrayLike, p: ArrayLike, n_classes: int | None = None) -> float:
    """Share of correct predictions, 0 to 1; classes may be absent."""
    return float(scores_of(confusion(y, p, _n_classes(y, p, n_classes)))["accuracy"])


def _n_classes(y: ArrayLike, p: ArrayLike, given: int | None) -> int:
    if given is not None:
        return given
    return max((int(np.max(v)) for v in (y, p) if np.size(v)), default=0) + 1


def uar(y: ArrayLike, p: ArrayLike, n_classes: int) -> float:
    """Unweighted average recall (balanced accuracy), 0 to 1: ``(1/C) Σ_c TP_c / N_c`` [MEGC2019].

    Pool all folds first. A class without a true sample is an :class:`InputError`; it is never skipped.
    """
    return scores(y, p, n_classes)["uar"]


def uf1(y: ArrayLike, p: ArrayLike, n_classes: int) -> float:
    """Unweighted F1 (macro-F1), 0 to 1: ``(1/C) Σ_c 2 TP_c / (2 TP_c + FP_c + FN_c)`` [MEGC2019].

    Pool all folds first: the mean of per-fold values is another, smaller number. A class without a true
    sample is an :class:`InputError`; it is never skipped.
    """
    return scores(y, p, n_classes)["uf1"]


def weighted_f1(y: ArrayLike, p: ArrayLike, n_classes: int | None = None) -> float:
    """F1 of each class, weighted by its share of the true samples, 0 to 1: ``Σ_c (N_c / N) F1_c``.

    Close to the accuracy by construction, and like it ruled by the commonest class: it is here because papers
    print it, often as plain "F1". Classes may be absent.
    """
    return float(scores_of(confusion(y, p, _n_classes(y, p, n_classes)))["weighted_f1"])


def by_subject(
    y: ArrayLike, p: ArrayLike, subject: Sequence[str] | NDArray[Any], n_classes: int
) -> tuple[NDArray[Any], dict[str, Float]]:
    """Every score of each subject alone, for its spread over subjects.

    Parameters
    ----------
    y, p
        True and predicted class numbers.
    subject
        Id of each sample's subject.
    n_classes
        Number of classes.

    Returns
    -------
    subjects : ndarray
        The ids, sorted.
    scores : dict
        Score name to float64 (subjects,). UAR and UF1 are taken over the classes that the subject has true
        samples of, because hardly anybody shows all of them; a prediction of another class still counts
        against the class it should have been. κ is NaN where only one class occurs.
    """
    ids = np.asarray(subject)
    true, predicted = as_classes(y, n_classes, "true classes"), as_classes(p, n_classes, "predicted classes")
    if not len(true) == len(predicted) == len(ids) or ids.ndim != 1:
        raise InputError(
            f"{len(true)} true and {len(predicted)} predicted classes for {ids.shape} subjects",
            expected="one each",
        )
    names, code = np.unique(ids, return_inverse=True)
    cell = (code * n_classes + true) * n_classes + predicted
    counts = np.bincount(cell, minlength=len(names) * n_classes**2).reshape(-1, n_classes, n_classes)
    found = scores_of(counts, present_only=True)
    return names, {name: np.asarray(values, np.float64) for name, values in found.items()}


def kappa(y: ArrayLike, p: ArrayLike, n_classes: int | None = None) -> float:
    """Cohen's κ: agreement beyond chance, 1 for perfect, 0 for chance.

    Classes may be absent; NaN if only one class occurs among true and predicted.
    """
    return float(scores_of(confusion(y, p, _n_classes(y, p, n_classes)))["kappa"])


def window_to_trial(
    probabilities: ArrayLike,
    trial: Sequence[str] | NDArray[Any],
    *,
    how: Literal["mean", "log_mean"] = "mean",
) -> tuple[NDArray[Any], Float]:
    """Probabilities of trials from those of their windows.

    Parameters
    ----------
    probabilities
        (windows, classes).
    trial
        Trial id of each window.
    how
        ``"mean"``: mean probability; one confident wrong window cannot decide alone, and the result is as
        calibrated as the windows. ``"log_mean"``: normalised mean log-probability (zero counts as 1e-12), as
        if a trial's windows were independent up to their number; sharper where windows agree.

    Returns
    -------
    trials : ndarray
        Trial ids in order of first appearance.
    probabilities : ndarray
        (trials, classes), rows sum to one if those of the windows do.
    """
    values = np.asarray(probabilities, np.float64)
    ids = np.asarray(trial)
    if values.ndim != 2 or ids.shape != (len(values),):
        raise InputError(
            f"probabilities of shape {values.shape} and {ids.shape} trial ids",
            expected="(windows, classes) and one trial id per window",
        )
    if how not in ("mean", "log_mean"):
        raise InputError(f"how is {how!r}", expected="'mean' or 'log_mean'")
    names, first, code = np.unique(ids, return_index=True, return_inverse=True)
    total = np.zeros((len(names), values.shape[1]))
    np.add.at(total, code, values if how == "mean" else np.log(np.maximum(values, 1e-12)))
    result = total / np.bincount(code)[:, None]
    if how == "log_mean":
        result = np.exp(result - result.max(axis=1, keepdims=True))
        result /= result.sum(axis=1, keepdims=True)
    order = np.argsort(first)
    return names[order], result[order]
