"""Leave one subject and a group of stimuli out, together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from mien.core import InputError, Sample, registered
from mien.protocols._example import crossed
from mien.protocols._rule import Parts, Rule, Table, among, check_count, deal
from mien.protocols.loso import validation_subjects

VALIDATION = ("cells", "stimulus", "subject", "both")


def example() -> tuple[Sample, ...]:
    """Four subjects, twelve clips."""
    return crossed()


@registered
@dataclass(frozen=True, kw_only=True)
class LosoStimulus(Rule):
    """Each subject and clip is tested by a model that saw neither: the split without either shortcut.

    The stimuli are dealt into groups, stratified by label; a fold tests one subject on one group and trains
    on the other subjects' other groups.

    Parameters
    ----------
    n_stimulus_folds
        Number of groups.
    val
        Which of the training trials validate. ``"cells"``: one training group of a third of the training
        subjects; only these trials leave the training part, each of its subjects and clips stays there with
        other trials. ``"stimulus"``: one training group of all training subjects, which leaves the training
        part. ``"subject"``: all training groups of some subjects, who leave it. ``"both"``: one group of
        some subjects, and both leave it. No choice shares a subject or a stimulus with the test.
    n_val_subjects
        Subjects that validate (not for ``val="stimulus"``); by default a third of the training subjects for
        ``"cells"`` and a seventh otherwise, at least one.
    """

    held_out: ClassVar = ("subject", "stimulus")
    text: ClassVar = (
        "Each subject and stimulus is tested by models trained on other subjects and other stimuli."
    )
    min_subjects: ClassVar = 3
    min_stimuli_per_class: ClassVar = 2

    n_stimulus_folds: int = 4
    val: Literal["cells", "stimulus", "subject", "both"] = "cells"
    n_val_subjects: int | None = None

    def __post_init__(self) -> None:
        check_count("n_stimulus_folds", self.n_stimulus_folds, 2)
        check_count("n_val_subjects", self.n_val_subjects, 1)
        if self.val not in VALIDATION:
            raise InputError(f"val is {self.val!r}", expected="one of " + ", ".join(map(repr, VALIDATION)))
        if self.n_stimulus_folds < 3 and self.val in ("stimulus", "both"):
            raise InputError(
                f"n_stimulus_folds is {self.n_stimulus_folds} with val={self.val!r}",
                expected="at least 3: one group to test, one to validate, one to train",
            )

    def folds(self, table: Table, rng: np.random.Generator) -> Iterator[Parts]:
        group = deal(table.stimulus_label, self.n_stimulus_folds, rng)
        order = rng.permutation(len(table.subjects))
        share = 1 / 3 if self.val == "cells" else 1 / 7
        for subject, name in enumerate(table.subjects):
            position = int(np.flatnonzero(order == subject)[0])
            is_subject = table.subject == subject
            validators = among(
                table.subject, validation_subjects(order, position, self.n_val_subjects, share=share)
            )
            for k in range(self.n_stimulus_folds):
                is_group = group[table.stimulus] == k
                free = ~is_subject & ~is_group
                next_group = group[table.stimulus] == (k + 1) % self.n_stimulus_folds
                by = {"stimulus": next_group, "subject": validators}.get(self.val, validators & next_group)
                gone = validators | next_group if self.val == "both" else by
                tested = tuple(s for s, g in zip(table.stimuli, group, strict=True) if g == k)
                yield Parts(
                    fold=f"subject={name},clips={k + 1}",
                    train=free & ~gone,
                    val=free & by,
                    test=is_subject & is_group,
                    held_out={"subject": (name,), "stimulus": tested},
                )
