"""Linear classifiers fitted by L-BFGS on all samples and classes at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.models._estimator import Estimator

Loss = Callable[[NDArray[np.floating], NDArray[np.int64]], tuple[NDArray[np.floating], NDArray[np.floating]]]


def softmax(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    """Rows of positive numbers that sum to 1."""
    e = np.exp(scores - scores.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def log_loss(
    scores: NDArray[np.floating], y: NDArray[np.int64]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Minus the log of the true class's softmax share, and its slope in the scores."""
    p = softmax(scores)
    rows = np.arange(len(y))
    loss = -np.log(np.maximum(p[rows, y], 1e-30))
    p[rows, y] -= 1
    return loss, p


def squared_hinge(
    scores: NDArray[np.floating], y: NDArray[np.int64]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Sum over classes, each against the rest, of ``max(0, 1 - margin)²``, and its slope in the scores."""
    sign = np.full(scores.shape, -1.0, scores.dtype)
    sign[np.arange(len(y)), y] = 1.0
    short = np.maximum(1 - sign * scores, 0)
    return (short**2).sum(1), -2 * sign * short


def fit_linear(
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    w: NDArray[np.float64],
    *,
    loss: Loss,
    strength: float,
    max_iter: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (features, classes) and intercepts (classes,) of a linear classifier.

    Least ``strength * sum_i w_i loss_i + |weights|² / 2``; intercepts are free. ``y`` numbers the classes
    from 0 without gaps. Stops when no slope of the mean loss exceeds 1e-5, or after ``max_iter`` steps.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    n, d = x.shape
    n_classes = int(y.max()) + 1
    shrink = 1 / (strength * n)
    share = (w / n).astype(np.float32)

    def value(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, intercept = theta[:-n_classes].reshape(d, n_classes), theta[-n_classes:]
        scores = x @ weights.astype(np.float32) + intercept.astype(np.float32)
        each, slope = loss(scores, y)
        slope = (slope * share[:, None]).astype(np.float32)
        gradient = np.concatenate([(x.T @ slope + shrink * weights).ravel(), slope.sum(0, dtype=np.float64)])
        total = float(np.dot(share.astype(np.float64), each)) + 0.5 * shrink * float((weights**2).sum())
        return total, gradient

    # one thread: the same digits on every machine with this processor, and no fight among parallel folds
    with threadpool_limits(1, user_api="blas"):
        found = minimize(
            value,
            np.zeros((d + 1) * n_classes),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": max_iter, "gtol": 1e-5, "ftol": 1e-9, "maxcor": 10},
        )
    weights = found.x[:-n_classes].reshape(d, n_classes)
    return weights.astype(np.float32), found.x[-n_classes:].astype(np.float32)


class Linear(Estimator):
    """A linear classifier whose probabilities are the softmax of its scores.

    A subclass has a ``loss`` and the ``strength`` that ``C`` has unless it is given.
    """

    loss: Loss
    strength: float

    def __init__(
        self,
        *,
        n_classes: int = 7,
        C: float | None = None,
        class_weights: Literal["balanced", "none"] = "balanced",
        max_iter: int = 200,
        seed: int = 0,
    ) -> None:
        C = type(self).strength if C is None else C
        super().__init__(n_classes=n_classes, C=C, class_weights=class_weights, max_iter=max_iter, seed=seed)

    def _fit(self, x: NDArray[np.float32], y: NDArray[np.int64], w: NDArray[np.float64]) -> None:
        classes, index = np.unique(y, return_inverse=True)
        weights, intercept = fit_linear(
            x,
            index,
            w,
            loss=type(self).loss,
            strength=self.config["C"],
            max_iter=self.config["max_iter"],
        )
        self._state = {"classes": classes, "weights": weights, "intercept": intercept}

    def _proba(self, x: NDArray[np.float32]) -> NDArray[np.floating]:
        s = self._state
        out = np.zeros((len(x), self.config["n_classes"]))
        out[:, s["classes"]] = softmax((x @ s["weights"] + s["intercept"]).astype(np.float64))
        return out

    @property
    def n_parameters(self) -> int:
        """Weights and intercepts."""
        return sum(self._state[name].size for name in ("weights", "intercept") if name in self._state)
