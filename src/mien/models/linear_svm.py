"""Linear support vector machine, one class against the rest."""

from __future__ import annotations

from mien.core import Batch, registered
from mien.models._estimator import example_batch
from mien.models._linear import Linear, squared_hinge


@registered
class LinearSVM(Linear):
    """Linear classifiers with a squared hinge loss, one per class.

    Their scores become probabilities by a softmax. These order the classes as the scores do, but are not
    calibrated: no sample outside training is looked at to do it.

    Parameters
    ----------
    n_classes, C, class_weights, max_iter, seed
        As for :class:`mien.models.logistic_regression.LogisticRegression`; ``C`` is 0.0001 by default.
    """

    loss = staticmethod(squared_hinge)
    strength = 0.0001


def example() -> Batch:
    """A tiny made-up batch."""
    return example_batch()
