"""The classic protocol of SEED, within subject and session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mien.core import Sample, registered
from mien.protocols._rule import Parts, Rule, Table, check_val_share
from mien.protocols._seed_clips import clip_numbers, validation

N_CLIPS, N_TRAIN = 15, 9
_CLASSES = (2, 1, 0, 0, 1, 2, 0, 1, 2, 2, 1, 0, 1, 2, 0)


def example() -> tuple[Sample, ...]:
    """One subject, two sessions of the same fifteen clips."""
    return tuple(
        Sample(
            id=f"ses{session}_c{clip}_w{window}",
            trial=f"ses{session}_c{clip}",
            subject="1",
            session=str(session),
            stimulus=str(clip),
            label=label,
        )
        for session in (1, 2)
        for clip, label in enumerate(_CLASSES, start=1)
        for window in range(2)
    )


@registered
@dataclass(frozen=True, kw_only=True)
class SeedNineSix(Rule):
    """Within each subject and session: clips 1-9 train, clips 10-15 test [classic SEED].

    The other two sessions of the subject, which show the same clips, take no part in a fold.

    Parameters
    ----------
    val_share
        Share of the nine training clips, stratified by emotion, that validates: with the default one of each
        emotion, so that six are left to train. 0 for none, as published (the number of epochs must then be
        fixed beforehand).
    """

    held_out: ClassVar = ("stimulus",)
    text: ClassVar = (
        "SEED within subject and session: the last six clips are tested by a model of the same subject "
        "and day trained on the first nine."
    )

    val_share: float = 0.2

    def __post_init__(self) -> None:
        check_val_share(self.val_share)

    def folds(self, table: Table, rng: np.random.Generator) -> Iterator[Parts]:
        late = clip_numbers(table, dataset="SEED", n_clips=N_CLIPS)[table.stimulus] > N_TRAIN
        for subject, name in enumerate(table.subjects):
            for session, day in enumerate(table.sessions):
                mine = (table.subject == subject) & (table.session == session)
                test, free = mine & late, mine & ~late
                if not test.any() or not free.any():
                    continue
                val = validation(table, free, self.val_share, rng)
                yield Parts(
                    fold=f"subject={name},session={day}",
                    train=free & ~val,
                    val=val,
                    test=test,
                    held_out={"stimulus": tuple(table.stimuli[s] for s in np.unique(table.stimulus[test]))},
                )
