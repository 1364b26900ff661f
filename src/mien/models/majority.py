"""The commonest class: what every other model has to beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.core import Batch, registered
from mien.models._estimator import Estimator, example_batch


@registered
class Majority(Estimator):
    """Answers every sample with the weighted shares of the classes in training, whatever the sample is.

    The class of the highest probability is thus the commonest one (of several, the first).

    Parameters
    ----------
    n_classes
        Columns of the probabilities.
    seed
        Taken for the sake of one call for all models; nothing here is random.
    """

    def __init__(self, *, n_classes: int = 7, seed: int = 0) -> None:
        super().__init__(n_classes=n_classes, seed=seed)

    def _fit(self, x: NDArray[np.float32], y: NDArray[np.int64], w: NDArray[np.float64]) -> None:
        self._state = {"share": np.bincount(y, weights=w, minlength=self.config["n_classes"]) / w.sum()}

    def _proba(self, x: NDArray[np.float32]) -> NDArray[np.floating]:
        return np.tile(self._state["share"], (len(x), 1))


def example() -> Batch:
    """A tiny made-up batch."""
    return example_batch()
