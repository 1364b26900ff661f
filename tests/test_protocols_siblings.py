"""The protocols of SEED and SEED-V, on designs small enough to count by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mien import protocols
from mien.core import InputError, Sample, Split

# typed from the data sets' pages
SEED = [int(c) for c in "210012012210120"]  # 2 positive, 1 neutral, 0 negative
SEED_V = [int(c) for c in "413204132041320" + 2 * "213044032134120"]


def sample(subject: int, session: int, clip: int, label: int, window: int) -> Sample:
    trial = f"{subject}/{session}/{clip}"
    return Sample(
        id=f"{trial}/{window}", trial=trial, subject=str(subject), session=str(session), stimulus=str(clip),
        label=label,
    )  # fmt: skip


def seed(n_subjects: int = 3, n_windows: int = 2) -> list[Sample]:
    """Every subject sees the same fifteen clips in each of three sessions."""
    return [
        sample(s, session, clip, label, w)
        for s in range(1, n_subjects + 1)
        for session in (1, 2, 3)
        for clip, label in enumerate(SEED, start=1)
        for w in range(n_windows)
    ]


def seed_v(n_subjects: int = 2, n_windows: int = 2) -> list[Sample]:
    """Every subject sees fifteen other clips in each of three sessions."""
    return [
        sample(s, (clip - 1) // 15 + 1, clip, label, w)
        for s in range(1, n_subjects + 1)
        for clip, label in enumerate(SEED_V, start=1)
        for w in range(n_windows)
    ]


DESIGNS = {"seed_9_6": seed(), "seedv_3fold": seed_v()}


def folds(name: str, samples: list[Sample], seed: int = 0, **options: object) -> list[Split]:
    return list(protocols.create(name, **options).splits(samples, seed=seed))


def values(samples: list[Sample], ids: tuple[str, ...], key: str) -> set[str]:
    of = {s.id: getattr(s, key) for s in samples}
    return {of[i] for i in ids}


@pytest.mark.parametrize("name", DESIGNS)
def test_contract(name: str) -> None:
    samples = DESIGNS[name]
    for fold in folds(name, samples):
        parts = [set(fold.train), set(fold.val), set(fold.test)]
        assert all(parts)
        assert sum(map(len, parts)) == len(set.union(*parts))
        trials = [values(samples, part, "trial") for part in (fold.train, fold.val, fold.test)]
        assert sum(map(len, trials)) == len(set.union(*trials))  # no trial is cut
        tested = values(samples, fold.test, "stimulus")
        assert set(fold.held_out["stimulus"]) == tested
        assert not tested & values(samples, fold.train + fold.val, "stimulus")
        assert len(values(samples, fold.train + fold.val + fold.test, "subject")) == 1
        assert fold.unit == "trial"


@pytest.mark.parametrize("name", DESIGNS)
def test_same_folds_when_called_twice_and_in_any_order(name: str) -> None:
    samples = DESIGNS[name]
    shuffled = [samples[i] for i in np.random.default_rng(3).permutation(len(samples))]
    first = folds(name, samples, seed=4)
    assert folds(name, samples, seed=4) == first
    assert folds(name, shuffled, seed=4) == first
    assert folds(name, samples, seed=5) != first  # other clips validate


def test_seed_nine_to_train_six_to_test_in_each_session() -> None:
    samples = DESIGNS["seed_9_6"]
    found = folds("seed_9_6", samples)
    assert [f.fold for f in found[:4]] == [
        "subject=1,session=1",
        "subject=1,session=2",
        "subject=1,session=3",
        "subject=2,session=1",
    ]
    assert len(found) == 3 * 3
    for fold in found:
        assert values(samples, fold.test, "stimulus") == {str(c) for c in range(10, 16)}
        assert values(samples, fold.train + fold.val, "stimulus") == {str(c) for c in range(1, 10)}
        assert len(values(samples, fold.train + fold.val + fold.test, "session")) == 1
        # one clip of each emotion validates, two are left to train
        per_class = Counter(SEED[int(c) - 1] for c in values(samples, fold.val, "stimulus"))
        assert per_class == {0: 1, 1: 1, 2: 1}
    tested = Counter(i for f in found for i in f.test)
    assert tested == Counter(s.id for s in samples if int(s.stimulus) > 9)


def test_seed_v_three_folds_of_five_clips_in_each_session() -> None:
    samples = DESIGNS["seedv_3fold"]
    found = folds("seedv_3fold", samples)
    assert [f.fold for f in found] == [f"subject={s},clips={k}" for s in (1, 2) for k in (1, 2, 3)]
    first = {"1", "2", "3", "4", "5", "16", "17", "18", "19", "20", "31", "32", "33", "34", "35"}
    assert values(samples, found[0].test, "stimulus") == first
    assert Counter(i for f in found for i in f.test) == Counter(s.id for s in samples)
    for fold in found:
        per_class = Counter(SEED_V[int(c) - 1] for c in values(samples, fold.test, "stimulus"))
        assert per_class == dict.fromkeys(range(5), 3)
        assert values(samples, fold.test, "session") == {"1", "2", "3"}


@pytest.mark.parametrize("name", DESIGNS)
def test_without_validation_as_published(name: str) -> None:
    samples = DESIGNS[name]
    with_val, without = folds(name, samples), folds(name, samples, val_share=0)
    for a, b in zip(with_val, without, strict=True):
        assert b.val == ()
        assert set(b.train) == set(a.train) | set(a.val)
        assert b.test == a.test


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_that_is_none(name: str, share: float) -> None:
    with pytest.raises(InputError, match=f"val_share is {share}; expected 0, or a share below 1"):
        protocols.create(name, val_share=share)


@pytest.mark.parametrize(("name", "clip"), [("seed_9_6", 16), ("seedv_3fold", 46)])
def test_clips_of_another_data_set_are_refused(name: str, clip: int) -> None:
    with pytest.raises(InputError, match=rf"stimulus '{clip}' is not a clip of SEED.*'loso_stimulus'"):
        folds(name, [*DESIGNS[name], sample(1, 1, clip, 0, 0)])


def test_a_session_without_its_last_clips_has_no_fold() -> None:
    samples = [s for s in seed(1) if s.session != "2" or int(s.stimulus) <= 9]
    assert [f.fold for f in folds("seed_9_6", samples)] == ["subject=1,session=1", "subject=1,session=3"]


def test_a_missing_clip_does_not_move_the_others() -> None:
    samples = [s for s in seed(1) if s.stimulus != "3"]
    for fold in folds("seed_9_6", samples):
        assert values(samples, fold.test, "stimulus") == {str(c) for c in range(10, 16)}


def test_a_trial_in_two_sessions_is_refused() -> None:
    samples = [sample(1, 1, 1, 2, 0), sample(1, 1, 2, 1, 0)]
    other = Sample(id="x", trial=samples[0].trial, subject="1", session="2", stimulus="1", label=2)
    with pytest.raises(InputError, match="trial '1/1/1' has samples of more than one session"):
        folds("seed_9_6", [*samples, other])
