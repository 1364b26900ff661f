"""Subject-dependent protocol of SEED-V."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mien.core import Sample, registered
from mien.protocols._rule import Parts, Rule, Table, check_val_share
from mien.protocols._seed_clips import clip_numbers, validation

N_FOLDS, N_CLIPS, N_SESSIONS = 3, 15, 3
_CLASSES = (4, 1, 3, 2, 0) * 3


def example() -> tuple[Sample, ...]:
    """Two subjects, the fifteen clips of the first session."""
    return tuple(
        Sample(
            id=f"s{subject}_c{clip}_w{window}",
            trial=f"s{subject}_c{clip}",
            subject=str(subject),
            session="1",
            stimulus=str(clip),
            label=label,
        )
        for subject in (1, 2)
        for clip, label in enumerate(_CLASSES, start=1)
        for window in range(2)
    )


@registered
@dataclass(frozen=True, kw_only=True)
class SeedVThreeFold(Rule):
    """Within each subject, three folds of clips: 1-5, 6-10, 11-15 of every session [SEED-V site].

    Every fold of a session holds each of the five emotions once.

    Parameters
    ----------
    val_share
        Share of the training clips, stratified by emotion, that validates. 0 for none, as published (the
        number of epochs must then be fixed beforehand).
    """

    held_out: ClassVar = ("stimulus",)
    text: ClassVar = (
        "SEED-V within subjects: a third of the clips of every session is tested by a model of the same "
        "subject trained on the other clips."
    )
    min_stimuli_per_class: ClassVar = 2

    val_share: float = 0.2

    def __post_init__(self) -> None:
        check_val_share(self.val_share)

    def folds(self, table: Table, rng: np.random.Generator) -> Iterator[Parts]:
        clip = clip_numbers(table, dataset="SEED-V", n_clips=N_CLIPS * N_SESSIONS)
        fold = (clip - 1) % N_CLIPS // (N_CLIPS // N_FOLDS)
        for subject, name in enumerate(table.subjects):
            mine = table.subject == subject
            for k in range(N_FOLDS):
                test = mine & (fold[table.stimulus] == k)
                free = mine & ~test
                if not test.any() or not free.any():
                    continue
                val = validation(table, free, self.val_share, rng)
                yield Parts(
                    fold=f"subject={name},clips={k + 1}",
                    train=free & ~val,
                    val=val,
                    test=test,
                    held_out={"stimulus": tuple(table.stimuli[s] for s in np.unique(table.stimulus[test]))},
                )
