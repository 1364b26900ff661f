"""Subject-dependent protocol of SEED-VII."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mien.core import Sample, registered
from mien.protocols._clips import N_FOLDS, clip_folds, held_back_clips
from mien.protocols._example import crossed
from mien.protocols._rule import Parts, Rule, Table, check_share


def example() -> tuple[Sample, ...]:
    """Two subjects, one session of twenty clips."""
    return crossed(n_subjects=2, clips=tuple(range(1, 21)))


@registered
@dataclass(frozen=True, kw_only=True)
class Seed7FourFoldClip(Rule):
    """Within each subject, four folds of clips: 1-5, 6-10, 11-15, 16-20 of every session [SEED-VII site].

    Parameters
    ----------
    val_share
        Share of the training clips, stratified by emotion, that validates.
    """

    held_out: ClassVar = ("stimulus",)
    text: ClassVar = (
        "SEED-VII within subjects: a quarter of the clips is tested by a model of the same subject "
        "trained on other clips."
    )
    min_stimuli_per_class: ClassVar = 2

    val_share: float = 0.2

    def __post_init__(self) -> None:
        check_share("val_share", self.val_share)

    def folds(self, table: Table, rng: np.random.Generator) -> Iterator[Parts]:
        fold = clip_folds(table)
        for subject, name in enumerate(table.subjects):
            mine = table.subject == subject
            for k in range(N_FOLDS):
                test = mine & (fold[table.stimulus] == k)
                if not test.any():
                    continue
                val = held_back_clips(table, mine & ~test, self.val_share, rng)
                yield Parts(
                    fold=f"subject={name},clips={k + 1}",
                    train=mine & ~test & ~val,
                    val=val,
                    test=test,
                    held_out={"stimulus": tuple(table.stimuli[s] for s in np.unique(table.stimulus[test]))},
                )
