"""The training sample that is most alike: learns by heart, and so tells what a split gives away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.core import Batch, registered
from mien.models._estimator import Estimator, example_batch

_BLOCK = 1024
"""Samples that are compared with all of the training at a time."""


@registered
class NearestNeighbour(Estimator):
    """Each sample gets the class of the training sample of largest absolute correlation with it.

    It knows nothing that samples of a class have in common. Where it does well on signals as they are, tested
    samples have a twin in the training: the same stretch of time in another channel, or in a neighbouring
    window. What it keeps is the training data themselves; do not pass on its file where they may not be.

    Parameters
    ----------
    n_classes
        Number of classes.
    seed
        Not used: nothing is drawn.
    """

    def __init__(self, *, n_classes: int = 7, seed: int = 0) -> None:
        super().__init__(n_classes=n_classes, seed=seed)

    def _fit(self, x: NDArray[np.float32], y: NDArray[np.int64], w: NDArray[np.float64]) -> None:
        self._state = {"direction": _directions(x), "label": y}

    def _proba(self, x: NDArray[np.float32]) -> NDArray[np.floating]:
        known, label = self._state["direction"], self._state["label"]
        out = np.zeros((len(x), self.config["n_classes"]), np.float32)
        for first in range(0, len(x), _BLOCK):
            alike = np.abs(_directions(x[first : first + _BLOCK]) @ known.T)
            out[np.arange(first, first + len(alike)), label[alike.argmax(1)]] = 1
        return out


def _directions(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows without their mean, of length 1; a row of equal values becomes zeros."""
    x = x - x.mean(1, keepdims=True)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def example() -> Batch:
    """A tiny made-up batch."""
    return example_batch()
