"""Random forest, kept as plain arrays."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.core import Batch, registered
from mien.models._estimator import Estimator, example_batch


@registered
class RandomForest(Estimator):
    """Mean of the class shares in the leaves of many randomised trees, grown by scikit-learn.

    Parameters
    ----------
    n_classes
        Columns of the probabilities.
    n_trees, min_leaf
        Number of trees, and fewest samples in a leaf.
    class_weights
        ``"balanced"``: every class counts the same; ``"none"``.
    seed
        Of the samples and features each tree sees.
    """

    def __init__(
        self,
        *,
        n_classes: int = 7,
        n_trees: int = 100,
        min_leaf: int = 3,
        class_weights: Literal["balanced", "none"] = "balanced",
        seed: int = 0,
    ) -> None:
        super().__init__(
            n_classes=n_classes, n_trees=n_trees, min_leaf=min_leaf, class_weights=class_weights, seed=seed
        )

    def _fit(self, x: NDArray[np.float32], y: NDArray[np.int64], w: NDArray[np.float64]) -> None:
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(
            n_estimators=self.config["n_trees"],
            min_samples_leaf=self.config["min_leaf"],
            random_state=self.config["seed"],
            n_jobs=1,
        ).fit(x, y, sample_weight=w)
        trees = [member.tree_ for member in forest.estimators_]
        start = np.concatenate([[0], np.cumsum([t.node_count for t in trees])[:-1]])
        left, right = (
            np.concatenate(
                [np.where(c < 0, np.arange(len(c)), c) + s for c, s in zip(children, start, strict=True)]
            )
            for children in ([t.children_left for t in trees], [t.children_right for t in trees])
        )
        share = np.concatenate([t.value[:, 0, :] for t in trees])
        self._state = {
            "classes": forest.classes_.astype(np.int64),
            "start": start.astype(np.int32),
            "left": left.astype(np.int32),
            "right": right.astype(np.int32),
            "feature": np.concatenate([np.maximum(t.feature, 0) for t in trees]).astype(np.int32),
            "threshold": np.concatenate([t.threshold for t in trees]),
            "share": share / share.sum(1, keepdims=True),
        }

    def _proba(self, x: NDArray[np.float32]) -> NDArray[np.floating]:
        s = self._state
        rows = np.arange(len(x))
        total = np.zeros((len(x), len(s["classes"])))
        for start in s["start"]:
            node = np.full(len(x), start)
            while True:  # a leaf is its own child
                goes_left = x[rows, s["feature"][node]] <= s["threshold"][node]
                following = np.where(goes_left, s["left"][node], s["right"][node])
                if (following == node).all():
                    break
                node = following
            total += s["share"][node]
        out = np.zeros((len(x), self.config["n_classes"]))
        out[:, s["classes"]] = total / len(s["start"])
        return out

    @property
    def n_parameters(self) -> int:
        """Nodes of all trees."""
        return len(self._state["left"]) if self._state else 0


def example() -> Batch:
    """A tiny made-up batch."""
    return example_batch()
