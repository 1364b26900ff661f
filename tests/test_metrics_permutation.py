"""Clusters over time, tested by flipping signs of subjects."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mien.core import InputError
from mien.metrics.permutation import cluster_test, heaviest_mass, holm


def masses(t: np.ndarray, threshold: float) -> list[tuple[int, int, float]]:
    """Clusters of one course, looked for one moment after another."""
    found, start = [], None
    side = np.sign(t) * (np.abs(t) > threshold)
    for k in range(len(t) + 1):
        here = side[k] if k < len(t) else 0
        if start is not None and here != side[start]:
            found.append((start, k, float(t[start:k].sum())))
            start = None
        if start is None and here != 0:
            start = k
    return found


def slow(x: np.ndarray, flips: np.ndarray, threshold: float) -> list[tuple[int, int, float, float]]:
    """The same test with scipy's t and a loop."""
    heaviest = []
    for signs in flips:
        t = stats.ttest_1samp(signs[:, None] * x, 0, axis=0).statistic
        heaviest.append(max((abs(m) for _, _, m in masses(t, threshold)), default=0.0))
    own = masses(stats.ttest_1samp(x, 0, axis=0).statistic, threshold)
    return [(a, b, m, float(np.mean(np.array(heaviest) >= abs(m) * (1 - 1e-9)))) for a, b, m in own]


def test_all_flips_of_few_subjects_agree_with_a_loop_over_scipys_t() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(7, 15)) + np.where(np.arange(15) > 9, 1.5, 0.0)
    found = cluster_test(x, n_permutations=128)
    assert (found.exact, found.n_permutations) == (True, 128)
    assert found.threshold == pytest.approx(2.446912, abs=1e-6)  # t of 6 degrees of freedom, 2.5 % above
    np.testing.assert_allclose(found.t, stats.ttest_1samp(x, 0).statistic, rtol=1e-10)
    flips = np.array(list(itertools.product([1.0, -1.0], repeat=7)))
    want = sorted(slow(x, flips, found.threshold), key=lambda c: -abs(c[2]))
    assert [(c.start, c.stop) for c in found.clusters] == [w[:2] for w in want]
    assert len(want) > 0
    np.testing.assert_allclose([(c.mass, c.p) for c in found.clusters], [w[2:] for w in want], rtol=1e-9)
    assert found.p == found.clusters[0].p


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 30))
def test_the_heaviest_mass_is_that_of_a_loop(seed: int, n: int) -> None:
    t = np.random.default_rng(seed).normal(size=(5, n)) * 2
    want = [max((abs(m) for _, _, m in masses(row, 1.0)), default=0.0) for row in t]
    np.testing.assert_allclose(heaviest_mass(t, 1.0, 0), want, atol=1e-12)
    above = [max((m for _, _, m in masses(row, 1.0) if m > 0), default=0.0) for row in t]
    np.testing.assert_allclose(heaviest_mass(t, 1.0, 1), above, atol=1e-12)
    np.testing.assert_allclose(heaviest_mass(-t, 1.0, -1), above, atol=1e-12)


def test_mne_finds_the_same_clusters() -> None:
    mne_stats = pytest.importorskip("mne.stats")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(9, 40)) + np.where(np.arange(40) > 25, 1.5, 0.0)
    found = cluster_test(x, n_permutations=512)
    t, clusters, p, _ = mne_stats.permutation_cluster_1samp_test(
        x, threshold=found.threshold, n_permutations="all", out_type="indices", seed=0, verbose="error"
    )
    np.testing.assert_allclose(found.t, t, rtol=1e-9)
    want = {(int(c[0][0]), int(c[0][-1]) + 1): v for c, v in zip(clusters, p, strict=True)}
    assert {(c.start, c.stop) for c in found.clusters} == set(want)
    assert len(want) > 0
    for cluster in found.clusters:
        # MNE flips the first subject never, as both signs of all give the same mass
        assert cluster.p == pytest.approx(want[cluster.start, cluster.stop], abs=1 / 256)


def smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Courses whose neighbouring values are alike (a mean of five), of sd 1."""
    white = rng.normal(size=(*shape[:-1], shape[-1] + 4))
    return sum(white[..., k : k + shape[-1]] for k in range(5)) / np.sqrt(5)


def test_nothing_is_found_where_nothing_is() -> None:
    """1000 tests at 5 %: 3.1 % to 6.9 % are within 2.8 standard errors; the issue allows 8 %."""
    rng = np.random.default_rng(2)
    p = np.array(
        [cluster_test(x, n_permutations=400, seed=i).p for i, x in enumerate(smooth(rng, (1000, 14, 40)))]
    )
    assert 0.031 <= np.mean(p <= 0.05) <= 0.069
    # neither with noise that has heavy tails and differs from subject to subject
    wild = smooth(rng, (500, 14, 40)) * rng.exponential(size=(500, 14, 1)) ** 2
    p = np.array([cluster_test(x, n_permutations=400, seed=i).p for i, x in enumerate(wild)])
    assert np.mean(p <= 0.05) <= 0.08


def test_a_planted_effect_is_found_where_it_is() -> None:
    """A bump of one standard deviation over 2.5 s of 16 subjects: found nine times in ten or more."""
    rng = np.random.default_rng(3)
    bump = np.where((np.arange(40) >= 15) & (np.arange(40) < 25), 1.0, 0.0)
    tests = [
        cluster_test(x + bump, n_permutations=400, seed=i) for i, x in enumerate(smooth(rng, (200, 16, 40)))
    ]
    assert np.mean([t.p <= 0.05 for t in tests]) >= 0.9
    middle = [(t.clusters[0].start + t.clusters[0].stop) / 2 for t in tests if t.p <= 0.05]
    assert np.mean([15 <= m < 25 for m in middle]) > 0.95
    assert all(t.clusters[0].mass > 0 for t in tests if t.p <= 0.01)


def test_the_seed_decides_the_flips_and_the_sign_nothing() -> None:
    x = smooth(np.random.default_rng(4), (20, 30)) + 0.3
    assert cluster_test(x, seed=1).clusters == cluster_test(x, seed=1).clusters
    one, other = cluster_test(x), cluster_test(-x)
    assert [(c.start, c.stop, c.p) for c in one.clusters] == [(c.start, c.stop, c.p) for c in other.clusters]
    np.testing.assert_array_equal(one.t, -other.t)
    assert (one.exact, one.n_permutations) == (False, 2000)


def test_one_tail() -> None:
    x = smooth(np.random.default_rng(5), (20, 30)) + 0.6
    up, down = cluster_test(x, tail=1), cluster_test(x, tail=-1)
    assert up.p < 0.05
    assert all(c.mass > 0 for c in up.clusters)
    assert all(c.mass < 0 for c in down.clusters)
    assert cluster_test(-x, tail=-1).p == up.p


def test_nothing_beyond_the_threshold() -> None:
    found = cluster_test(np.vstack([np.ones((4, 5)), -np.ones((4, 5))]))
    assert (found.clusters, found.p) == ((), 1.0)
    # a course that is the same for everybody has no error to divide by
    assert cluster_test(np.zeros((8, 5))).p == 1.0


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((5, 10)), "5 subjects; expected at least 6"),
        (np.full((8, 3), np.nan), "with NaN"),
        (np.zeros(8), r"differences of shape \(8,\)"),
        (np.zeros((8, 0)), r"differences of shape \(8, 0\)"),
    ],
)
def test_what_cannot_be_tested(x: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        cluster_test(x)


def test_holm_by_hand() -> None:
    # 0.01 * 4, 0.02 * 3, then never below the one before
    np.testing.assert_allclose(holm([0.04, 0.01, 0.02, 0.5]), [0.08, 0.04, 0.06, 0.5])
    np.testing.assert_allclose(holm([0.5, 0.6]), [1.0, 1.0])
    assert holm([]).shape == (0,)


def test_an_inflated_variance_makes_t_smaller_and_not_those_it_is_compared_with() -> None:
    x = np.random.default_rng(3).normal(size=(9, 12)) + 0.8
    plain, less = cluster_test(x), cluster_test(x, inflation=9 / 8)
    np.testing.assert_allclose(less.t, plain.t * np.sqrt(8 / 9), rtol=1e-12)
    assert less.p >= plain.p
    assert less.threshold == plain.threshold


def test_courses_less_their_mean_are_tested_at_their_level() -> None:
    """Each of eight compares its course at a moment of its own with the others' mean there: 1000 tests."""
    rng = np.random.default_rng(4)
    n, found = 8, []
    for _ in range(1000):
        # course of each person (columns) at the moment of each (rows)
        x = rng.normal(size=(n, n, 1))
        x -= x.mean(axis=1, keepdims=True)
        share = np.where(np.eye(n, dtype=bool), 1.0, -1 / (n - 1))
        parts = np.einsum("eo,eot->ot", share, x)
        found.append(cluster_test(parts, inflation=n / (n - 1), n_permutations=256).p <= 0.05)
    # 5 % of 1000, within 3.3 standard errors of 0.7 %
    assert 0.027 <= np.mean(found) <= 0.073
