"""Random subjects 60/20/20."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mien.core import Sample, registered
from mien.protocols._example import crossed
from mien.protocols._rule import Parts, Rule, Table, among


def example() -> tuple[Sample, ...]:
    """Five subjects, twelve clips."""
    return crossed(n_subjects=5)


@registered
@dataclass(frozen=True, kw_only=True)
class CrossSubject622(Rule):
    """One fold: a fifth of the subjects (rounded down) tests, a fifth validates, the rest train [LibEER]."""

    held_out: ClassVar = ("subject",)
    text: ClassVar = "A random fifth of the subjects is tested, another fifth validates, the others train."
    min_subjects: ClassVar = 3

    def folds(self, table: Table, rng: np.random.Generator) -> Iterator[Parts]:
        order = rng.permutation(len(table.subjects))
        n = max(1, len(order) // 5)
        test, val = among(table.subject, order[:n]), among(table.subject, order[n : 2 * n])
        tested = tuple(table.subjects[s] for s in sorted(order[:n]))
        yield Parts(fold="one", train=~test & ~val, val=val, test=test, held_out={"subject": tested})
