"""Within subject, leave one trial out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mien.core import Sample, registered
from mien.protocols._example import crossed
from mien.protocols._rule import Parts, Rule, Table, among, check_share, hold_back


def example() -> tuple[Sample, ...]:
    """Two subjects, twelve clips."""
    return crossed(n_subjects=2)


@registered
@dataclass(frozen=True, kw_only=True)
class Loto(Rule):
    """Each trial is tested by a model of the same subject's other trials [EEGain]: as many folds as trials.

    Parameters
    ----------
    val_share
        Share of the other trials, stratified by class, that validates.
    """

    held_out: ClassVar = ("trial",)
    text: ClassVar = "Each trial is tested by a model trained on the same subject's other trials."
    min_trials_per_class: ClassVar = 3

    val_share: float = 0.2

    def __post_init__(self) -> None:
        check_share("val_share", self.val_share)

    def folds(self, table: Table, rng: np.random.Generator) -> Iterator[Parts]:
        every = np.arange(table.n_trials)
        for trial, name in enumerate(table.trials):
            rest = np.flatnonzero((table.subject == table.subject[trial]) & (every != trial))
            val = among(every, hold_back(rest, table.label[rest], self.val_share, rng))
            yield Parts(
                fold=f"trial={name}",
                train=among(every, rest) & ~val,
                val=val,
                test=every == trial,
                held_out={"trial": (name,)},
            )
