"""Multinomial logistic regression."""

from __future__ import annotations

from typing import Literal

from mien.core import Batch, registered
from mien.models._estimator import example_batch
from mien.models._linear import Linear, log_loss


@registered
class LogisticRegression(Linear):
    """Softmax regression with a ridge penalty.

    Parameters
    ----------
    n_classes
        Columns of the probabilities.
    C
        Weight of the losses against the penalty ``|weights|² / 2``, as in scikit-learn; inputs should have
        about unit variance.
    class_weights
        ``"balanced"``: every class counts the same; ``"none"``.
    max_iter
        Most L-BFGS steps.
    seed
        Taken for the sake of one call for all models; nothing here is random.
    """

    loss = staticmethod(log_loss)

    def __init__(
        self,
        *,
        n_classes: int = 7,
        C: float = 0.001,
        class_weights: Literal["balanced", "none"] = "balanced",
        max_iter: int = 200,
        seed: int = 0,
    ) -> None:
        super().__init__(n_classes=n_classes, C=C, class_weights=class_weights, max_iter=max_iter, seed=seed)


def example() -> Batch:
    """A tiny made-up batch."""
    return example_batch()
