"""Cross-stimulus protocol of SEED-VII with all subjects pooled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mien.core import Sample, registered
from mien.protocols._clips import clip_folds, held_back_clips
from mien.protocols._example import crossed
from mien.protocols._rule import Parts, Rule, Table, check_share


def example() -> tuple[Sample, ...]:
    """Two subjects, one session of twenty clips."""
    return crossed(n_subjects=2, clips=tuple(range(1, 21)))


@registered
@dataclass(frozen=True, kw_only=True)
class Seed7Lovo(Rule):
    """The four clip folds of SEED-VII, all subjects pooled [public code of seedvii-aeon].

    Parameters
    ----------
    val_share
        Share of the training clips, stratified by emotion, that validates (all subjects' trials of them).
    """

    held_out: ClassVar = ("stimulus",)
    text: ClassVar = (
        "SEED-VII across clips: a quarter of the clips is tested by a model trained on other clips "
        "of the same subjects."
    )
    min_stimuli_per_class: ClassVar = 2

    val_share: float = 0.2

    def __post_init__(self) -> None:
        check_share("val_share", self.val_share)

    def folds(self, table: Table, rng: np.random.Generator) -> Iterator[Parts]:
        fold = clip_folds(table)
        for k in np.unique(fold):
            test = fold[table.stimulus] == k
            val = held_back_clips(table, ~test, self.val_share, rng)
            yield Parts(
                fold=f"clips={k + 1}",
                train=~test & ~val,
                val=val,
                test=test,
                held_out={"stimulus": tuple(s for s, f in zip(table.stimuli, fold, strict=True) if f == k)},
            )
