"""K-fold over windows: what much of the literature does, and why its numbers are too high."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mien.core import InputError, Sample, registered
from mien.protocols._example import crossed
from mien.protocols._rule import Parts, Rule, Table, check_count, check_share


def example() -> tuple[Sample, ...]:
    """Two subjects, three clips."""
    return crossed(n_subjects=2, clips=(1, 2, 3))


@registered
@dataclass(frozen=True, kw_only=True)
class RandomWindow(Rule):
    """Leaky on purpose: windows are dealt at random, all subjects pooled.

    Parameters
    ----------
    n_folds
        Number of folds.
    val_share
        Share of the training windows that validates.
    """

    leaky: ClassVar = True
    text: ClassVar = (
        "Leaky, shown for comparison only: windows are dealt at random, so nearly every tested window "
        "has neighbours from the same trial in training."
    )
    unit: ClassVar = "window"

    n_folds: int = 5
    val_share: float = 0.1

    def __post_init__(self) -> None:
        check_count("n_folds", self.n_folds, 2)
        check_share("val_share", self.val_share)

    def folds(self, table: Table, rng: np.random.Generator) -> Iterator[Parts]:
        n = len(table.ids)
        if n < 2 * self.n_folds:
            raise InputError(f"{n} samples for {self.n_folds} folds", expected=f"at least {2 * self.n_folds}")
        fold = rng.permutation(np.arange(n) % self.n_folds)
        for k in range(self.n_folds):
            free = rng.permutation(np.flatnonzero(fold != k))
            val = np.zeros(n, np.bool_)
            val[free[: max(1, int(len(free) * self.val_share))]] = True
            yield Parts(fold=f"windows={k + 1}", train=(fold != k) & ~val, val=val, test=fold == k)
