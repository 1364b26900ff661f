"""Leave one subject out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError, Sample, registered
from mien.protocols._example import crossed
from mien.protocols._rule import Parts, Rule, Table, among, check_count


def example() -> tuple[Sample, ...]:
    """Four subjects, twelve clips."""
    return crossed()


def validation_subjects(
    order: NDArray[np.int64], position: int, n_val: int | None, *, share: float = 1 / 7
) -> NDArray[np.int64]:
    """The subjects that follow the test subject in a shuffled circle.

    Every subject validates equally often. By default ``share`` of the training subjects, at least one.
    """
    n_train = len(order) - 1
    n = max(1, int(n_train * share)) if n_val is None else n_val
    if n >= n_train:
        raise InputError(
            f"{n} validation subject(s) of {n_train} subjects besides the test subject",
            expected="at least one subject left for training",
            remedy="take fewer validation subjects, or add subjects",
        )
    return np.roll(order, -position - 1)[:n]


@registered
@dataclass(frozen=True, kw_only=True)
class Loso(Rule):
    """Each subject is tested once by models that never saw that subject.

    Parameters
    ----------
    n_val_subjects
        Training subjects kept for choosing the epoch and the temperature; by default a seventh of them, at
        least one; 0 for none (the number of epochs must then be fixed beforehand).
    """

    held_out: ClassVar = ("subject",)
    text: ClassVar = "Each subject is tested by models trained on the other subjects, with the same stimuli."
    min_subjects: ClassVar = 3

    n_val_subjects: int | None = None

    def __post_init__(self) -> None:
        check_count("n_val_subjects", self.n_val_subjects, 0)

    def folds(self, table: Table, rng: np.random.Generator) -> Iterator[Parts]:
        order = rng.permutation(len(table.subjects))
        for subject, name in enumerate(table.subjects):
            position = int(np.flatnonzero(order == subject)[0])
            test = table.subject == subject
            val = among(table.subject, validation_subjects(order, position, self.n_val_subjects))
            yield Parts(
                fold=f"subject={name}", train=~test & ~val, val=val, test=test, held_out={"subject": (name,)}
            )
