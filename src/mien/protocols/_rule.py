"""What all protocols share: samples as a table of integer codes, stratified dealing, checks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError, Sample, Split, natural_key

Mask = NDArray[np.bool_]


def _counting_order(text: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Like :func:`natural_key`, but never a tie between different texts (``"1"`` and ``"01"``)."""
    return natural_key(text), text


def _encode(values: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The different values, counted upwards, and the number of each value."""
    levels = tuple(sorted(set(values), key=_counting_order))
    number = {level: i for i, level in enumerate(levels)}
    return levels, np.array([number[v] for v in values], np.int64)


class Table:
    """Labelled samples in the natural order of their ids, and the trials they belong to.

    Samples without a label are left out: they can be neither learnt from nor scored.

    Attributes
    ----------
    ids
        Sample ids (samples,).
    trial_of
        Number of the trial of each sample (samples,).
    trials, subjects, sessions, stimuli
        The ids behind the numbers.
    subject, session, stimulus, label
        One number per trial (trials,); the label is the most frequent one among the trial's samples.
    """

    def __init__(self, samples: Iterable[Sample]) -> None:
        rows = sorted((s for s in samples if s.label is not None), key=lambda s: _counting_order(s.id))
        if not rows:
            raise InputError("no sample has a label", expected="labelled samples")
        self.ids = np.array([s.id for s in rows], object)
        repeated = np.flatnonzero(self.ids[1:] == self.ids[:-1])
        if len(repeated):
            raise InputError(
                f"sample id {self.ids[repeated[0]]!r} stands for more than one sample",
                expected="ids that differ",
            )
        self.trials, self.trial_of = _encode([s.trial for s in rows])
        _, first = np.unique(self.trial_of, return_index=True)
        self.subjects, subject = _encode([s.subject for s in rows])
        self.sessions, session = _encode([s.session for s in rows])
        self.stimuli, stimulus = _encode([s.stimulus for s in rows])
        for what, code in (("subject", subject), ("session", session), ("stimulus", stimulus)):
            mixed = np.flatnonzero(code != code[first][self.trial_of])
            if len(mixed):
                raise InputError(
                    f"trial {rows[mixed[0]].trial!r} has samples of more than one {what}",
                    expected="one subject, session and stimulus in a trial, and trial ids that differ",
                )
        self.subject, self.session, self.stimulus = subject[first], session[first], stimulus[first]
        self.label = most_frequent(self.trial_of, np.array([s.label for s in rows], np.int64))

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.trials)

    @property
    def stimulus_label(self) -> NDArray[np.int64]:
        """The most frequent label among the trials of each stimulus (stimuli,)."""
        return most_frequent(self.stimulus, self.label)


def most_frequent(group: NDArray[np.int64], value: NDArray[np.int64]) -> NDArray[np.int64]:
    """The most frequent value (≥ 0) in each group; the lowest one of several."""
    counts = np.zeros((group.max() + 1, value.max() + 1), np.int64)
    np.add.at(counts, (group, value), 1)
    return counts.argmax(axis=1)


def deal(classes: NDArray[np.int64], n_folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """A fold number for each item, such that every class, and all items, are spread as evenly as can be.

    The items of a class are shuffled and dealt in turn; the next class goes on where the last one stopped.
    """
    fold = np.empty(len(classes), np.int64)
    order = np.concatenate([rng.permutation(np.flatnonzero(classes == c)) for c in np.unique(classes)])
    fold[order] = np.arange(len(classes)) % n_folds
    return fold


def hold_back(
    items: NDArray[np.int64], classes: NDArray[np.int64], share: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """A stratified random choice of about ``share`` of the items.

    Every class gives at least one item if it has two, and keeps at least one. Beyond that the number is
    ``share`` of all items, rounded; what is left over goes to the classes that were rounded down most.
    """
    kinds, of, counts = np.unique(classes, return_inverse=True, return_counts=True)
    wanted = counts * share
    take = np.clip(np.floor(wanted).astype(np.int64), 1, counts - 1)
    missing = int(np.floor(share * len(items) + 0.5)) - int(take.sum())
    lag = wanted - take + 1e-6 * rng.random(len(kinds))  # equal classes in random order
    for c in np.argsort(-lag):
        if missing > 0 and lag[c] > 0 and take[c] < counts[c] - 1:
            take[c] += 1
            missing -= 1
    chosen = [rng.permutation(items[of == c])[:n] for c, n in enumerate(take)]
    return np.sort(np.concatenate(chosen))


def among(numbers: NDArray[np.int64], chosen: Iterable[int] | NDArray[np.int64]) -> Mask:
    """Which of the numbers were chosen."""
    return np.isin(numbers, np.fromiter(chosen, np.int64))


@dataclass(frozen=True, kw_only=True)
class Parts:
    """One fold as masks over the trials (over the samples where the unit is ``"window"``)."""

    fold: str
    train: Mask
    val: Mask
    test: Mask
    held_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Rule(ABC):
    """A protocol: who is trained on, who is chosen by, and who is tested.

    Attributes
    ----------
    held_out
        What is promised to be absent from training and validation (of ``core.HELD_OUT``).
    leaky
        Whether the number it gives is known to be inflated.
    text
        One plain sentence.
    unit
        What is dealt out whole.
    min_subjects, min_stimuli_per_class, min_trials_per_class
        The least it needs; the last one holds for each subject.
    """

    held_out: ClassVar[tuple[str, ...]] = ()
    leaky: ClassVar[bool] = False
    text: ClassVar[str] = ""
    unit: ClassVar[str] = "trial"
    min_subjects: ClassVar[int] = 1
    min_stimuli_per_class: ClassVar[int] = 1
    min_trials_per_class: ClassVar[int] = 1

    def splits(self, samples: Iterable[Sample], seed: int = 0) -> Iterator[Split]:
        """The folds, always the same ones for the same samples (in any order) and seed.

        Parameters
        ----------
        samples
            The samples; those without a label are left out of every part.
        seed
            Decides whatever is drawn: validation parts, and groups of clips where they are not fixed.

        Raises
        ------
        InputError
            Too few subjects, stimuli or trials; a class that a fold would have to test without having
            trained on it.
        """
        table = Table(samples)
        self._check_needs(table)
        return self._walk(table, np.random.default_rng(seed))

    @abstractmethod
    def folds(self, table: Table, rng: np.random.Generator) -> Iterator[Parts]:
        """The folds as masks."""

    def _walk(self, table: Table, rng: np.random.Generator) -> Iterator[Split]:
        for parts in self.folds(table, rng):
            if self.unit == "trial":
                _check_classes(table, parts)
            train, val, test = (
                tuple(table.ids[mask if self.unit == "window" else mask[table.trial_of]])
                for mask in (parts.train, parts.val, parts.test)
            )
            yield Split(
                fold=parts.fold, train=train, val=val, test=test, held_out=parts.held_out, unit=self.unit
            )

    def _check_needs(self, table: Table) -> None:
        name = type(self).__module__.rpartition(".")[2]
        if len(table.subjects) < self.min_subjects:
            raise InputError(
                f"protocol {name!r} got {len(table.subjects)} subject(s)",
                expected=f"at least {self.min_subjects}",
                remedy="add subjects, or choose a protocol within the subject such as 'trial_622'",
            )
        classes, n_stimuli = np.unique(table.stimulus_label, return_counts=True)
        if n_stimuli.min() < self.min_stimuli_per_class:
            raise InputError(
                f"protocol {name!r}: class {classes[n_stimuli.argmin()]} has {n_stimuli.min()} stimuli",
                expected=f"at least {self.min_stimuli_per_class} of every class",
                remedy="merge or drop the class",
            )
        groups, n_trials = np.unique(np.stack([table.subject, table.label]), axis=1, return_counts=True)
        if n_trials.min() < self.min_trials_per_class:
            subject, label = groups[:, n_trials.argmin()]
            raise InputError(
                f"protocol {name!r}: subject {table.subjects[subject]!r} has {n_trials.min()} trial(s) "
                f"of class {label}",
                expected=f"at least {self.min_trials_per_class} of every class that occurs",
                remedy="merge or drop the class",
            )


def _check_classes(table: Table, parts: Parts) -> None:
    unseen = set(table.label[parts.test]) - set(table.label[parts.train])
    if unseen:
        raise InputError(
            f"fold {parts.fold}: class {min(unseen)} is tested but has no training trial",
            expected="every tested class among the trials that are left for training",
            remedy="merge or drop the class, or take a smaller validation part",
        )


def check_share(name: str, value: float) -> None:
    """Refuse a share that is not between 0 and 1."""
    if not 0 < value < 1:
        raise InputError(f"{name} is {value}", expected="a share between 0 and 1")


def check_val_share(value: float) -> None:
    """Refuse a share that is not from 0 to below 1."""
    if not 0 <= value < 1:
        raise InputError(f"val_share is {value}", expected="0, or a share below 1")


def check_count(name: str, value: int | None, least: int) -> None:
    """Refuse a number that is too small (None stands for the default)."""
    if value is not None and (value != int(value) or value < least):
        raise InputError(f"{name} is {value}", expected=f"a whole number of at least {least}")
