"""Multinomial logistic regression."""

from __future__ import annotations

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
        about unit variance; by default 0.001.
    class_weights
        ``"balanced"``: every class counts the same; ``"none"``.
    max_iter
        Most L-BFGS steps.
    seed
        Taken for the sake of one call for all models; nothing here is random.
    """

    loss = staticmethod(log_loss)
    strength = 0.001


def example() -> Batch:
    """A tiny made-up batch."""
    return example_batch()
