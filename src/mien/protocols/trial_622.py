"""Within subject, trials 60/20/20."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mien.core import Sample, registered
from mien.protocols._example import crossed
from mien.protocols._rule import Parts, Rule, Table, among, hold_back


def example() -> tuple[Sample, ...]:
    """Two subjects, twelve clips."""
    return crossed(n_subjects=2)


@registered
@dataclass(frozen=True, kw_only=True)
class Trial622(Rule):
    """One fold a subject: its trials, stratified by class, 60 % train, 20 % validate, 20 % test [LibEER]."""

    held_out: ClassVar = ("trial",)
    text: ClassVar = (
        "A fifth of each subject's trials is tested by a model trained on the same subject's other trials."
    )
    min_trials_per_class: ClassVar = 3

    def folds(self, table: Table, rng: np.random.Generator) -> Iterator[Parts]:
        for subject, name in enumerate(table.subjects):
            mine = np.flatnonzero(table.subject == subject)
            tested = hold_back(mine, table.label[mine], 0.2, rng)
            rest = np.setdiff1d(mine, tested)
            validating = hold_back(rest, table.label[rest], 0.25, rng)
            every = np.arange(table.n_trials)
            yield Parts(
                fold=f"subject={name}",
                train=among(every, np.setdiff1d(rest, validating)),
                val=among(every, validating),
                test=among(every, tested),
                held_out={"trial": tuple(table.trials[t] for t in tested)},
            )
