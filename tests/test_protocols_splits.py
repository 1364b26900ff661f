"""Every protocol: who is in which part, on designs small enough to count by hand."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien import protocols
from mien.core import HELD_OUT, InputError, Sample, Split, UnknownNameError

# The 80 clips of SEED-VII, typed from the table of the data set's page: 0 disgust, 1 fear, 2 sad, 3 neutral,
# 4 happy, 5 anger, 6 surprise; one line a session.
CLIP_EMOTIONS = [
    int(c) for c in "43025520344302552034521366312552136631254601551064460155106402164461200216446120"
]
# four clips of each emotion, one of each in every fold of the paper
CLIPS_28 = sorted(
    next(c for c in range(1, 81) if CLIP_EMOTIONS[c - 1] == emotion and (c - 1) % 20 // 5 == fold)
    for emotion in range(7)
    for fold in range(4)
)


def design(n_subjects: int, clips: list[int], n_windows: int = 2) -> list[Sample]:
    return [
        Sample(
            id=f"sub{s}/clip{c}/{w}",
            trial=f"sub{s}/clip{c}",
            subject=str(s),
            session=str((c - 1) // 20 + 1),
            stimulus=str(c),
            label=CLIP_EMOTIONS[c - 1],
        )
        for s in range(1, n_subjects + 1)
        for c in clips
        for w in range(n_windows)
    ]


SMALL = design(8, CLIPS_28)
FULL = design(20, list(range(1, 81)), n_windows=1)
DESIGNS = {"8x28": SMALL, "20x80": FULL}
WINDOWS = {"8x28": 2, "20x80": 1}

# protocol: number of folds, trials in training, validation and test of each fold
EXPECTED = {
    ("loso", "8x28"): (8, 6 * 28, 28, 28),
    ("loso", "20x80"): (20, 17 * 80, 2 * 80, 80),
    ("seed7_loso", "8x28"): (8, 6 * 28, 28, 28),
    ("seed7_loso", "20x80"): (20, 17 * 80, 2 * 80, 80),
    # a third of 7 (of 19) subjects validates on the next group of clips
    ("loso_stimulus", "8x28"): (32, 7 * 21 - 2 * 7, 2 * 7, 7),
    ("loso_stimulus", "20x80"): (80, 19 * 60 - 6 * 20, 6 * 20, 20),
    # a fifth of the 60 (of the 21) training clips, stratified
    ("seed7_4fold_clip", "8x28"): (32, 14, 7, 7),
    ("seed7_4fold_clip", "20x80"): (80, 48, 12, 20),
    ("seed7_lovo", "8x28"): (4, 8 * 14, 8 * 7, 8 * 7),
    ("seed7_lovo", "20x80"): (4, 20 * 48, 20 * 12, 20 * 20),
    ("trial_622", "8x28"): (8, 14, 7, 7),
    ("trial_622", "20x80"): (20, 48, 16, 16),
    ("cross_subject_622", "8x28"): (1, 6 * 28, 28, 28),
    ("cross_subject_622", "20x80"): (1, 12 * 80, 4 * 80, 4 * 80),
    ("loto", "8x28"): (8 * 28, 20, 7, 1),
    ("mmme_10fold", "20x80"): (20 * 10, 58, 14, 8),
}
OTHER_CLIPS = {"seed_9_6", "seedv_3fold", "me_loso_event"}
"""Protocols for the clips of other data sets and for events; tests/test_protocols_siblings.py and
tests/test_protocols_events.py try them."""
TESTED_ONCE = {
    "loso",
    "seed7_loso",
    "loso_stimulus",
    "seed7_4fold_clip",
    "seed7_lovo",
    "loto",
    "mmme_10fold",
    "random_window",
}


def folds(name: str, samples: list[Sample], seed: int = 0, **options: object) -> list[Split]:
    return list(protocols.create(name, **options).splits(samples, seed=seed))


def values(samples: list[Sample], ids: tuple[str, ...], key: str) -> set[str]:
    of = {s.id: getattr(s, key) for s in samples}
    return {of[i] for i in ids}


def test_the_expectations_cover_every_protocol() -> None:
    assert {name for name, _ in EXPECTED} | {"random_window"} | OTHER_CLIPS == set(protocols.names())


@pytest.mark.parametrize(("name", "which"), EXPECTED)
def test_counts_of_trials(name: str, which: str) -> None:
    n_folds, *sizes = EXPECTED[name, which]
    found = folds(name, DESIGNS[which])
    assert len(found) == n_folds
    for fold in found:
        assert [len(part) // WINDOWS[which] for part in (fold.train, fold.val, fold.test)] == sizes


def test_folds_of_the_published_code_of_mmme() -> None:
    """Those of scikit-learn within each subject, whatever the seed; with as few as the code has trials."""
    from sklearn.model_selection import KFold

    trials = [f"sub3/clip{c}" for c in CLIPS_28]
    expected = [
        {trials[i] for i in tested}
        for _, tested in KFold(10, shuffle=True, random_state=42).split(np.arange(len(trials)))
    ]
    for seed in (0, 5):
        found = [f for f in folds("mmme_10fold", SMALL, seed, val_share=0.0) if "subject=3," in f.fold]
        assert [values(SMALL, f.test, "trial") for f in found] == expected
        assert all(
            not f.val and values(SMALL, f.train, "trial") == set(trials) - e
            for f, e in zip(found, expected, strict=True)
        )
    with pytest.raises(InputError, match="subject '1' has 9 trials; expected at least 10, one for each fold"):
        folds("mmme_10fold", design(1, CLIPS_28[:9]))


def _contract_cases() -> list[tuple[str, str]]:
    cases = [(n, w) for n in protocols.names() for w in ("example", *DESIGNS)]
    return [
        (n, w) for n, w in cases if (n, w) != ("loto", "20x80") and (w == "example" or n not in OTHER_CLIPS)
    ]


@pytest.mark.parametrize(("name", "which"), _contract_cases())
def test_contract(name: str, which: str) -> None:
    samples = list(protocols.example(name)) if which == "example" else DESIGNS[which]
    protocol = protocols.create(name)
    found = list(protocol.splits(samples))
    assert protocol.text.endswith(".")
    assert set(protocol.held_out) <= set(HELD_OUT)
    assert len({f.fold for f in found}) == len(found)
    for fold in found:
        train, val, test = set(fold.train), set(fold.val), set(fold.test)
        assert train
        assert val
        assert test
        assert not train & val
        assert not train & test
        assert not val & test
        assert set(fold.held_out) == set(protocol.held_out)
        for key, tested in fold.held_out.items():
            assert values(samples, fold.test, key) == set(tested)
            assert not set(tested) & values(samples, fold.train + fold.val, key)
        if fold.unit == "trial":
            trials = [values(samples, part, "trial") for part in (fold.train, fold.val, fold.test)]
            assert sum(map(len, trials)) == len(set.union(*trials))
            assert values(samples, fold.test, "label") <= values(samples, fold.train, "label")
    if which != "example" and name != "random_window":
        for fold in found:
            assert values(samples, fold.train, "label") == set(range(7))
    if name in TESTED_ONCE:
        assert Counter(i for f in found for i in f.test) == Counter(s.id for s in samples)


@pytest.mark.parametrize("name", sorted({*protocols.names()} - OTHER_CLIPS))
def test_same_folds_when_called_twice_and_in_any_order(name: str) -> None:
    protocol = protocols.create(name)
    samples = [s for s in SMALL if int(s.subject) <= 5]
    shuffled = [samples[i] for i in np.random.default_rng(3).permutation(len(samples))]
    first = list(protocol.splits(samples, seed=4))
    assert list(protocol.splits(samples, seed=4)) == first
    assert list(protocol.splits(shuffled, seed=4)) == first
    assert list(protocol.splits(samples, seed=5)) != first


def test_ids_that_count_the_same_do_not_depend_on_the_order() -> None:
    # "1" and "01" are the same number but different ids
    samples = [
        dataclasses.replace(s, subject=s.subject.replace("2", "01")) for s in protocols.example("loso")
    ]
    assert folds("loso", samples) == folds("loso", samples[::-1])


@pytest.mark.parametrize("name", ["seed7_4fold_clip", "seed7_lovo"])
def test_folds_of_the_paper(name: str) -> None:
    for fold in folds(name, FULL):
        clips = sorted(int(c) for c in values(FULL, fold.test, "stimulus"))
        number = int(fold.fold[-1])  # from 1
        assert clips == [c for c in range(1, 81) if (c - 1) % 20 in range(5 * number - 5, 5 * number)]
        counts = Counter(CLIP_EMOTIONS[c - 1] for c in clips)
        assert counts == {0: 3, 1: 3, 2: 3, 3: 2, 4: 3, 5: 3, 6: 3}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_stimulus_groups_hold_the_classes_evenly(seed: int) -> None:
    for fold in folds("loso_stimulus", SMALL, seed=seed):
        clips = values(SMALL, fold.test, "stimulus")
        assert Counter(CLIP_EMOTIONS[int(c) - 1] for c in clips) == dict.fromkeys(range(7), 1)
    groups = {fold.held_out["stimulus"] for fold in folds("loso_stimulus", FULL, seed=seed)}
    assert len(groups) == 4
    for group in groups:
        assert Counter(CLIP_EMOTIONS[int(c) - 1] for c in group) == {0: 3, 1: 3, 2: 3, 3: 2, 4: 3, 5: 3, 6: 3}


@pytest.mark.parametrize("val", ["cells", "stimulus", "subject", "both"])
def test_what_validates_under_loso_stimulus(val: str) -> None:
    for fold in folds("loso_stimulus", SMALL, val=val):
        subjects, stimuli = (
            [values(SMALL, part, key) for part in (fold.train, fold.val, fold.test)]
            for key in ("subject", "stimulus")
        )
        assert not (subjects[0] | subjects[1]) & subjects[2]
        assert not (stimuli[0] | stimuli[1]) & stimuli[2]
        assert bool(subjects[0] & subjects[1]) == (val in ("cells", "stimulus"))
        assert bool(stimuli[0] & stimuli[1]) == (val in ("cells", "subject"))
        sizes = {"cells": (133, 14), "stimulus": (98, 49), "subject": (126, 21), "both": (84, 7)}[val]
        assert (len(fold.train) // 2, len(fold.val) // 2) == sizes


def test_every_subject_validates_equally_often() -> None:
    for name in ("loso", "loso_stimulus"):
        count = Counter(s for f in folds(name, SMALL) for s in values(SMALL, f.val, "subject"))
        assert set(count) == {str(s) for s in range(1, 9)}
        assert len(set(count.values())) == 1


def test_number_of_validation_subjects() -> None:
    assert {len(values(SMALL, f.val, "subject")) for f in folds("loso", SMALL, n_val_subjects=3)} == {3}
    for fold in folds("seed7_loso", FULL, n_val_subjects=0):
        assert fold.val == ()
        assert len(values(FULL, fold.train, "subject")) == 19  # the published number of domains


def test_trial_622_is_stratified_within_each_subject() -> None:
    for fold in folds("trial_622", FULL):
        assert len(values(FULL, fold.train + fold.val + fold.test, "subject")) == 1
        for part in (fold.val, fold.test):
            counts = Counter(CLIP_EMOTIONS[int(c) - 1] for c in values(FULL, part, "stimulus"))
            assert set(counts) == set(range(7))
            assert set(counts.values()) <= {1, 2, 3}  # a fifth of 12 or 8, rounded either way


def test_random_window_separates_nothing() -> None:
    protocol = protocols.create("random_window")
    assert protocol.leaky
    assert protocol.held_out == ()
    fold = next(iter(protocol.splits(SMALL)))
    assert fold.unit == "window"
    assert len(fold.test) == pytest.approx(len(SMALL) / 5, abs=1)
    assert values(SMALL, fold.test, "trial") & values(SMALL, fold.train, "trial")


def test_only_random_window_is_leaky() -> None:
    assert [n for n in protocols.names() if protocols.create(n).leaky] == ["random_window"]


@pytest.mark.parametrize("name", protocols.names())
def test_samples_without_a_label_are_in_no_part(name: str) -> None:
    unlabelled = [
        dataclasses.replace(s, id=s.id + "x", trial=s.trial + "x", label=None)
        for s in protocols.example(name)
    ]
    samples = [*protocols.example(name), *unlabelled]
    assert folds(name, samples) == folds(name, list(protocols.example(name)))


@settings(max_examples=30, deadline=None)
@given(
    counts=st.lists(st.integers(2, 9), min_size=2, max_size=6),
    n_subjects=st.integers(3, 6),
    seed=st.integers(0, 99),
)
def test_loso_stimulus_on_any_design(counts: list[int], n_subjects: int, seed: int) -> None:
    labels = [c for c, n in enumerate(counts) for _ in range(n)]
    samples = [
        Sample(id=f"{s}.{c}", trial=f"{s}.{c}", subject=str(s), session="1", stimulus=str(c), label=label)
        for s in range(n_subjects)
        for c, label in enumerate(labels)
    ]
    found = folds("loso_stimulus", samples, seed=seed, n_stimulus_folds=2)
    assert Counter(i for f in found for i in f.test) == Counter(s.id for s in samples)
    for fold in found:
        per_class = Counter(labels[int(c)] for c in values(samples, fold.test, "stimulus"))
        for c, n in enumerate(counts):
            assert n // 2 <= per_class[c] <= -(-n // 2)
        assert sum(per_class.values()) in (len(labels) // 2, -(-len(labels) // 2))


# -- bad input -------------------------------------------------------------------------------------------


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'loso_stimulus'"):
        protocols.create("loso_stimuli")
    with pytest.raises(UnknownNameError, match="did you mean 'n_stimulus_folds'"):
        protocols.create("loso_stimulus", n_stimuli_folds=4)
    assert type(protocols.create("SEED7/4fold-clip")).__name__ == "Seed7FourFoldClip"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("loso", {"n_val_subjects": -1}, "n_val_subjects is -1; expected a whole number of at least 0"),
        ("loso_stimulus", {"n_stimulus_folds": 1}, "n_stimulus_folds is 1"),
        ("loso_stimulus", {"val": "trials"}, "val is 'trials'; expected one of 'cells'"),
        ("loso_stimulus", {"n_stimulus_folds": 2, "val": "both"}, "expected at least 3: one group to test"),
        ("seed7_lovo", {"val_share": 1.0}, "val_share is 1.0; expected a share between 0 and 1"),
        ("random_window", {"n_folds": 1}, "n_folds is 1"),
    ],
)
def test_options_that_cannot_be(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        protocols.create(name, **options)


@pytest.mark.parametrize(
    ("name", "keep", "message"),
    [
        ("loso", lambda s: s.subject == "1", r"'loso' got 1 subject\(s\); expected at least 3"),
        ("loso_stimulus", lambda s: s.subject in ("1", "2"), r"'loso_stimulus' got 2 subject\(s\)"),
        ("cross_subject_622", lambda s: s.subject in ("1", "2"), r"got 2 subject\(s\)"),
        (
            "loso_stimulus",
            lambda s: s.label != 3 or s.stimulus == "2",
            "class 3 has 1 stimuli; expected at least 2",
        ),
        (
            "trial_622",
            lambda s: s.subject != "4" or s.label != 5 or s.stimulus == "5",
            "subject '4' has 1 trial",
        ),
        ("loso", lambda s: s.label != 6 or s.subject == "2", "fold subject=2: class 6 is tested but has no"),
        ("loso", lambda s: False, "no sample has a label"),
    ],
)
def test_designs_that_are_too_small(name: str, keep: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        folds(name, [s for s in FULL if keep(s)])  # type: ignore[operator]


def test_too_many_validation_subjects() -> None:
    with pytest.raises(InputError, match=r"7 validation subject\(s\) of 7 subjects besides the test subject"):
        folds("loso", SMALL, n_val_subjects=7)


def test_stimuli_that_are_no_clips() -> None:
    samples = [dataclasses.replace(s, stimulus="clip" + s.stimulus) for s in SMALL]
    with pytest.raises(
        InputError, match=r"stimulus 'clip\d+' is not a clip of SEED-VII; expected clip numbers"
    ):
        folds("seed7_lovo", samples)


def test_ids_that_repeat_or_trials_that_mix() -> None:
    with pytest.raises(InputError, match="stands for more than one sample"):
        folds("loso", [*SMALL, SMALL[0]])
    mixed = [*SMALL, dataclasses.replace(SMALL[0], id="new", subject="2")]
    with pytest.raises(InputError, match="has samples of more than one subject"):
        folds("loso", mixed)


def test_few_windows_for_many_folds() -> None:
    with pytest.raises(InputError, match="6 samples for 5 folds; expected at least 10"):
        folds("random_window", SMALL[:6])


def test_names_are_listed_without_importing_a_protocol() -> None:
    code = (
        "import sys, mien.protocols as p; p.names(); "
        "print(sorted(m for m in sys.modules if m.startswith('mien.protocols.') and '._' not in m "
        "or m in ('torch', 'mne', 'cv2', 'pandas', 'sklearn')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- splits.json -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", protocols.names())
def test_splits_survive_the_compact_form(name: str) -> None:
    samples = list(protocols.example(name))
    made = [(name, seed, split) for seed in (0, 1) for split in folds(name, samples, seed=seed)]
    data = protocols.splits_to_json(made, samples)
    assert protocols.splits_from_json(data, samples) == made
    by_trial = data["folds"][0]["train"]
    assert bool(by_trial["samples"]) == (name == "random_window")


def test_a_trial_with_samples_in_no_part_is_listed_by_sample() -> None:
    samples = list(protocols.example("loso"))
    made = [("loso", 0, split) for split in folds("loso", samples)]
    extra = dataclasses.replace(samples[0], id=samples[0].id + "_unlabelled", label=None)
    data = protocols.splits_to_json(made, [*samples, extra])
    assert data["folds"][0]["test"]["samples"] == ["s1_c1_w0", "s1_c1_w1"]
    assert protocols.splits_from_json(data, [*samples, extra]) == made


def test_splits_of_other_samples_are_refused() -> None:
    samples = list(protocols.example("loso"))
    data = protocols.splits_to_json([("loso", 0, folds("loso", samples)[0])], samples)
    with pytest.raises(InputError, match="'s1_c1' is no known sample or trial"):
        protocols.splits_from_json(data, [s for s in samples if s.trial != "s1_c1"])


def test_hash_of_ids() -> None:
    # printf 'a\nb' | b2sum -l 128
    assert protocols.hash_ids(["b", "a"]) == protocols.hash_ids(iter(("a", "b")))
    assert protocols.hash_ids(["a", "b"]) == "0c84cf75ee142f818515ab54bd107d86"
