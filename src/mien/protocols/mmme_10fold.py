"""Subject-dependent protocol of the published code of MMME for the body."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mien.core import InputError, Sample, registered
from mien.protocols._example import crossed
from mien.protocols._rule import Parts, Rule, Table, among, check_val_share, hold_back

N_FOLDS, PUBLISHED_SEED = 10, 42


def example() -> tuple[Sample, ...]:
    """Two subjects, twelve clips."""
    return crossed(n_subjects=2)


@registered
@dataclass(frozen=True, kw_only=True)
class MMME10Fold(Rule):
    """Within each subject ten folds of its trials, shuffled without regard to class [public code of MMME].

    The folds are those of scikit-learn's ``KFold(10, shuffle=True, random_state=42)`` over the trials in the
    natural order of their ids, whatever the seed. People are tested by models of themselves: it says nothing
    about new ones.

    Parameters
    ----------
    val_share
        Share of the training trials, stratified by class, that validates. 0 for none, as published (the
        number of epochs must then be fixed beforehand).
    """

    held_out: ClassVar = ("trial",)
    text: ClassVar = (
        "A tenth of each subject's trials, shuffled without regard to class, is tested by a model trained on "
        "the same subject's other trials, as in the published code of MMME."
    )

    val_share: float = 0.2

    def __post_init__(self) -> None:
        check_val_share(self.val_share)

    def folds(self, table: Table, rng: np.random.Generator) -> Iterator[Parts]:
        from sklearn.model_selection import KFold

        every = np.arange(table.n_trials)
        for subject, name in enumerate(table.subjects):
            mine = np.flatnonzero(table.subject == subject)
            if len(mine) < N_FOLDS:
                raise InputError(
                    f"protocol 'mmme_10fold': subject {name!r} has {len(mine)} trials",
                    expected=f"at least {N_FOLDS}, one for each fold",
                    remedy="leave the subject out, or choose 'loto'",
                )
            dealt = KFold(N_FOLDS, shuffle=True, random_state=PUBLISHED_SEED).split(mine)
            for k, (others, tested) in enumerate(dealt):
                rest = mine[others]
                chosen = hold_back(rest, table.label[rest], self.val_share, rng) if self.val_share else ()
                val = among(every, chosen)
                yield Parts(
                    fold=f"subject={name},fold={k + 1}",
                    train=among(every, rest) & ~val,
                    val=val,
                    test=among(every, mine[tested]),
                    held_out={"trial": tuple(table.trials[t] for t in mine[tested])},
                )
