"""Intervals: against a loop that draws rows, in the limits, and by how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from mien import metrics
from mien.core import InputError
from mien.metrics.intervals import _Cells, confusion_rows

N_CLASSES = 7


class Study:
    """Made-up predictions: the chance of being right depends on subject, stimulus and trial."""

    def __init__(
        self,
        seed: int,
        *,
        n_subjects: int = 8,
        n_stimuli: int = 28,
        n_windows: int = 5,
        sd: tuple[float, ...],
    ) -> None:
        rng = np.random.default_rng(seed)
        shape = (n_subjects, n_stimuli, n_windows)
        logit = 0.2 + rng.normal(0, sd[0], (n_subjects, 1, 1)) + rng.normal(0, sd[1], (1, n_stimuli, 1))
        logit = logit + rng.normal(0, sd[2], (n_subjects, n_stimuli, 1))
        right = rng.random(shape) < 1 / (1 + np.exp(-logit))
        self.subject, self.stimulus, _ = (a.ravel() for a in np.indices(shape))
        self.trial = self.subject * n_stimuli + self.stimulus
        self.y = self.stimulus % N_CLASSES
        self.p = np.where(
            right.ravel(), self.y, (self.y + rng.integers(1, N_CLASSES, self.y.size)) % N_CLASSES
        )

    def bootstrap(self, **options: object) -> dict[str, metrics.Interval]:
        options = {"stimulus": self.stimulus, "subject": self.subject, "n_classes": N_CLASSES, **options}
        return metrics.bootstrap_interval(self.y, self.p, **options)  # type: ignore[arg-type]


def true_accuracy(sd: tuple[float, ...]) -> float:
    """Mean over the population: a normal logit with the sum of the variances, by quadrature."""
    x, w = np.polynomial.hermite_e.hermegauss(60)
    return float((w / (1 + np.exp(-(0.2 + x * np.sqrt(np.square(sd).sum()))))).sum() / w.sum())


def test_draws_equal_a_loop_over_rows() -> None:
    study = Study(0, n_subjects=4, n_stimuli=14, n_windows=2, sd=(0.5, 0.5, 0.5))
    rng = np.random.default_rng(5)
    # the draws as the code makes them: subjects first, then stimuli label by label
    by_subject = rng.multinomial(4, np.full(4, 1 / 4), 20)
    by_stimulus = np.empty((20, 14))
    for label in range(N_CLASSES):
        by_stimulus[:, [label, label + 7]] = rng.multinomial(2, [0.5, 0.5], 20)
    cells = _Cells(
        [confusion_rows(study.y, study.p, N_CLASSES)], study.y, study.subject, study.stimulus, N_CLASSES
    )
    (drawn,) = cells.draw(20, 5)
    for k in range(20):
        expected = np.zeros((N_CLASSES, N_CLASSES))
        for y, p, subject, stimulus in zip(study.y, study.p, study.subject, study.stimulus, strict=True):
            expected[y, p] += by_subject[k, subject] * by_stimulus[k, stimulus]
        assert np.array_equal(drawn[k], expected)


def test_same_seed_same_interval_and_all_scores_from_the_same_draws() -> None:
    study = Study(1, sd=(0.5, 0.5, 0.5))
    found = study.bootstrap(n_draws=300)
    assert study.bootstrap(n_draws=300) == found
    assert study.bootstrap(n_draws=300, seed=1) != found
    assert study.bootstrap(n_draws=300, metrics=["uf1"]) == {"uf1": found["uf1"]}
    assert tuple(found) == metrics.score_names()
    for name, value in metrics.scores(study.y, study.p, N_CLASSES).items():
        assert found[name].value == value
        assert found[name].low < value < found[name].high


def test_order_and_names_of_rows_do_not_matter() -> None:
    study = Study(2, sd=(0.5, 0.5, 0.5))
    found = study.bootstrap(n_draws=200)
    order = np.random.default_rng(0).permutation(len(study.y))
    shuffled = metrics.bootstrap_interval(
        study.y[order], study.p[order], subject=[f"s{i}" for i in study.subject[order]],
        stimulus=[f"c{i:02d}" for i in study.stimulus[order]], n_classes=N_CLASSES, n_draws=200,
    )  # fmt: skip
    assert shuffled == found


def test_repeating_windows_adds_no_certainty() -> None:
    study = Study(3, sd=(0.5, 0.5, 0.5))
    once = study.bootstrap(n_draws=200)
    for name in ("y", "p", "subject", "stimulus"):
        setattr(study, name, np.repeat(getattr(study, name), 10))
    many = study.bootstrap(n_draws=200)
    for name in once:
        assert many[name] == pytest.approx(once[name], abs=1e-12)  # sums of ten times the counts


def test_crossed_intervals_are_wider_where_stimuli_differ() -> None:
    study = Study(4, sd=(0.1, 1.0, 0.1))
    crossed, subjects = study.bootstrap(), study.bootstrap(stimulus=None)
    assert np.diff(crossed["uar"][1:3]) > 2 * np.diff(subjects["uar"][1:3])


def test_perfect_predictions_have_no_spread() -> None:
    study = Study(5, sd=(0.0, 0.0, 0.0))
    study.p = study.y
    for interval in study.bootstrap(n_draws=50).values():
        assert interval == (1.0, 1.0, 1.0, 50)


def test_draws_that_miss_a_class_do_not_count_for_its_scores() -> None:
    # one stimulus of class 1, so stimuli are drawn freely; it is missing from (3/4)^4 = 32 % of the draws
    stimulus = np.tile(np.arange(4), 6)
    subject = np.repeat(np.arange(6), 4)
    y = (stimulus == 3).astype(int)
    p = np.where(np.arange(24) % 5 == 0, 1 - y, y)
    found = metrics.bootstrap_interval(y, p, subject=subject, stimulus=stimulus, n_classes=2, n_draws=2000)
    assert found["accuracy"].n_draws == 2000
    # a draw must hold class 0 as well, which fails in (1/4)^4 = 0.4 %; four standard deviations of a share in
    # 2,000 draws are 4 * sqrt(0.32 * 0.68 / 2000) = 0.042
    assert found["uar"].n_draws / 2000 == pytest.approx(1 - 0.75**4 - 0.25**4, abs=0.042)


def coverage(sd: tuple[float, ...], n_studies: int) -> float:
    truth = true_accuracy(sd)
    hits = 0
    for seed in range(n_studies):
        low, high = Study(seed, sd=sd).bootstrap(n_draws=300, metrics=["uar"], seed=seed)["uar"][1:3]
        hits += low <= truth <= high
    return hits / n_studies


def test_intervals_hold_the_truth() -> None:
    # 8 subjects are few for a bootstrap: 92-93 % are expected instead of 95 %; 150 studies tell it to within
    # 0.92 ± 4 * sqrt(0.92 * 0.08 / 150) = 0.83 … 1
    assert coverage((0.5, 0.5, 0.5), 150) >= 0.83


@pytest.mark.slow
@pytest.mark.parametrize("sd", [(0.5, 0.5, 0.5), (0.8, 0.1, 0.3), (0.1, 0.8, 0.3)])
def test_coverage_closely(sd: tuple[float, ...]) -> None:
    # 1,000 studies: three standard deviations are 0.026 around 0.92; the top is for stimuli, where the
    # bootstrap counts noise of single trials twice
    assert 0.88 <= coverage(sd, 1000) <= 0.97


def test_drawing_windows_would_be_far_too_sure() -> None:
    # what a bootstrap over rows gives, against what another sample of subjects and clips does
    study = Study(6, sd=(0.8, 0.8, 0.3))
    rows = np.arange(len(study.y))
    naive = study.bootstrap(subject=rows, stimulus=None, metrics=["accuracy"], n_draws=500)["accuracy"]
    ours = study.bootstrap(metrics=["accuracy"], n_draws=500)["accuracy"]
    assert ours.high - ours.low > 3 * (naive.high - naive.low)


# -- differences -----------------------------------------------------------------------------------------


def test_paired_differences() -> None:
    study = Study(7, sd=(1.0, 1.0, 0.3))
    better = np.where(np.random.default_rng(1).random(len(study.y)) < 0.2, study.y, study.p)
    options = {"subject": study.subject, "stimulus": study.stimulus, "n_classes": N_CLASSES}
    found = metrics.paired_interval(study.y, better, study.p, **options)  # type: ignore[arg-type]
    back = metrics.paired_interval(study.y, study.p, better, **options)  # type: ignore[arg-type]
    alone = study.bootstrap()
    for name, interval in found.items():
        assert interval.low > 0  # never worse
        assert back[name] == pytest.approx((-interval.value, -interval.high, -interval.low, 2000), abs=1e-12)
        assert interval.high - interval.low < 0.5 * (alone[name].high - alone[name].low)
    same = metrics.paired_interval(study.y, study.p, study.p, **options)["uf1"]  # type: ignore[arg-type]
    assert same == (0.0, 0.0, 0.0, 2000)


# -- chance ----------------------------------------------------------------------------------------------


def test_chance_of_constant_and_of_balanced_predictions() -> None:
    study = Study(8, sd=(0.0, 0.0, 0.0))
    options = {"stimulus": study.stimulus, "n_classes": N_CLASSES, "n_draws": 500}
    constant = metrics.permutation_interval(study.y, np.zeros_like(study.y), **options)  # type: ignore[arg-type]
    assert constant["uar"][:3] == pytest.approx((1 / 7, 1 / 7, 1 / 7), abs=1e-15)
    found = metrics.permutation_interval(study.y, study.p, **options)["uar"]  # type: ignore[arg-type]
    assert found.low < 1 / 7 < found.high
    assert metrics.uar(study.y, study.p, N_CLASSES) > found.high


def test_recognising_the_clip_is_not_recognising_the_emotion() -> None:
    # each clip gets one arbitrary answer from everybody; permuting windows would call that significant in
    # most cases, permuting clips in one of forty at either end
    outside = {"clips": 0, "windows": 0}
    n_studies = 100
    for seed in range(n_studies):
        rng = np.random.default_rng(seed)
        study = Study(seed, n_windows=2, sd=(0.0, 0.0, 0.0))
        study.p = rng.integers(0, N_CLASSES, 28)[study.stimulus]
        value = metrics.uar(study.y, study.p, N_CLASSES)
        for name, options in (("clips", {"stimulus": study.stimulus}), ("windows", {})):
            chance = metrics.permutation_interval(
                study.y, study.p, n_classes=N_CLASSES, n_draws=200, metrics=["uar"], **options
            )["uar"]
            outside[name] += not chance.low <= value <= chance.high
    # 5 % expected, at most 5 + 4 * sqrt(5 * 0.95) = 14 of 100; windows: nearly always outside
    assert outside["clips"] <= 14
    assert outside["windows"] >= 60


def test_folds_that_train_on_each_other_need_the_wider_interval() -> None:
    """Clips that leave traces but no emotion, subject and clips held out: there is nothing to find."""
    n_studies, n_subjects, n_folds, n_sources = 200, 6, 4, 10
    n_clips = n_folds * N_CLASSES
    label, group = np.tile(np.arange(N_CLASSES), n_folds), np.repeat(np.arange(n_folds), N_CLASSES)
    one_hot = np.eye(N_CLASSES)[label] - 1 / N_CLASSES
    held = {True: 0, False: 0}
    for seed in range(n_studies):
        rng = np.random.default_rng(seed)
        trace = rng.standard_normal((n_clips, n_sources))
        seen = trace + rng.standard_normal((n_subjects, n_clips, n_sources))
        p = np.empty((n_subjects, n_clips), dtype=np.int64)
        for subject in range(n_subjects):
            others = np.delete(seen, subject, axis=0)
            for fold in range(n_folds):
                x = others[:, group != fold].reshape(-1, n_sources)
                y = np.tile(one_hot[group != fold], (n_subjects - 1, 1))
                weights = np.linalg.solve(x.T @ x + 10 * np.eye(n_sources), x.T @ y)
                p[subject, group == fold] = (seen[subject, group == fold] @ weights).argmax(axis=1)
        about = {"stimulus": np.tile(np.arange(n_clips), n_subjects), "n_classes": N_CLASSES}
        y = np.tile(label, n_subjects)
        value = metrics.uar(y, p.ravel(), N_CLASSES)
        for wide in held:
            chance = metrics.permutation_interval(
                y, p.ravel(), cross_validated=wide, metrics=["uar"], n_draws=200, **about
            )["uar"]
            held[wide] += chance.low <= value <= chance.high
    # 95 % of 200 is 190 with a standard error of 3.1; three of them. Without the allowance clearly fewer
    assert held[True] >= 190 - 9
    assert held[False] < 190 - 9


def test_self_reports_are_permuted_within_the_subject() -> None:
    # subject 0 has class 0 in all trials, subject 1 class 1: permuting within subjects changes nothing
    subject = np.repeat([0, 1], 20)
    trial = np.repeat(np.arange(20), 2)
    stimulus = np.tile(np.repeat(np.arange(10), 2), 2)
    p = np.random.default_rng(0).integers(0, 2, 40)
    found = metrics.permutation_interval(
        subject, p, stimulus=stimulus, trial=trial, subject=subject, n_classes=2, n_draws=100
    )
    for name, value in metrics.scores(subject, p, 2).items():
        assert found[name][:3] == pytest.approx((value, value, value), abs=1e-12)
    free = metrics.permutation_interval(subject, p, stimulus=stimulus, trial=trial, n_classes=2, n_draws=100)
    assert free["uar"].low < free["uar"].high


def test_the_same_chance_twice() -> None:
    study = Study(9, sd=(0.5, 0.5, 0.5))
    a, b = (
        metrics.permutation_interval(
            study.y, study.p, stimulus=study.stimulus, n_classes=N_CLASSES, n_draws=100
        )
        for _ in range(2)
    )
    assert a == b


def test_bad_input() -> None:
    study = Study(10, sd=(0.5, 0.5, 0.5))
    with pytest.raises(InputError, match=r"subject: shape \(3,\) for 1120 rows"):
        study.bootstrap(subject=[1, 2, 3])
    with pytest.raises(InputError, match="no score 'recall'; expected accuracy, uar, uf1, kappa"):
        study.bootstrap(metrics=["recall"])
    with pytest.raises(InputError, match="level is 95"):
        study.bootstrap(level=95)
    with pytest.raises(InputError, match="one subject and one stimulus; expected at least two of either"):
        study.bootstrap(subject=np.zeros_like(study.y), stimulus=None)
    with pytest.raises(InputError, match="a trial has several labels"):
        metrics.permutation_interval(study.y, study.p, trial=study.subject, n_classes=N_CLASSES)
