"""The LDS against an independent scalar smoother, its limits, and what it must not do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.signal import lds_smooth
from mien.signal.lds import _gains


def scalar_rts(y, m0, *, q=0.001, r=1.0, p0=0.1):
    """Textbook scalar Kalman filter and Rauch-Tung-Striebel smoother, one value at a time; NaN is missing."""
    n = len(y)
    m_pred, p_pred, m, p = [0.0] * n, [0.0] * n, [0.0] * n, [0.0] * n
    for t in range(n):
        m_pred[t], p_pred[t] = (m0, p0) if t == 0 else (m[t - 1], p[t - 1] + q)
        if np.isnan(y[t]):
            m[t], p[t] = m_pred[t], p_pred[t]
            continue
        k = p_pred[t] / (p_pred[t] + r)
        m[t] = m_pred[t] + k * (y[t] - m_pred[t])
        p[t] = (1 - k) * p_pred[t]
    smooth = list(m)
    for t in range(n - 2, -1, -1):
        j = p[t] / p_pred[t + 1]
        smooth[t] = m[t] + j * (smooth[t + 1] - m_pred[t + 1])
    return np.array(m), np.array(smooth)


@pytest.fixture
def series():
    return np.random.default_rng(3).normal(size=(60, 4)).cumsum(axis=0) * 0.1 + 20


@pytest.mark.parametrize("n", [1, 2, 3, 60])
def test_equals_the_scalar_smoother(series, n):
    y = series[:n]
    expected = np.stack([scalar_rts(column, column.mean())[1] for column in y.T], axis=1)
    # both are exact recursions in float64 on values of about 20
    np.testing.assert_allclose(lds_smooth(y), expected, rtol=0, atol=1e-12)


def test_causal_equals_the_scalar_filter_started_at_the_first_value(series):
    expected = np.stack([scalar_rts(column, column[0])[0] for column in series.T], axis=1)
    np.testing.assert_allclose(lds_smooth(series, causal=True), expected, rtol=0, atol=1e-12)


def test_constants_and_start_can_be_given(series):
    start = np.array([1.0, 2.0, 3.0, 4.0])
    constants = {"q": 0.02, "r": 0.5, "p0": 0.3}
    for causal, which in ((True, 0), (False, 1)):
        expected = np.stack(
            [scalar_rts(c, m, **constants)[which] for c, m in zip(series.T, start, strict=True)], axis=1
        )
        found = lds_smooth(series, causal=causal, m0=start, **constants)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_equals_the_banded_least_squares_solution(series):
    # the smoother is the posterior mean: the minimum of a quadratic form with a tridiagonal matrix
    n, q, r, p0 = len(series), 0.001, 1.0, 0.1
    precision = np.diag(np.full(n, 1 / r + 2 / q)) - np.diag(np.full(n - 1, 1 / q), 1)
    precision -= np.diag(np.full(n - 1, 1 / q), -1)
    precision[0, 0] = 1 / r + 1 / q + 1 / p0
    precision[-1, -1] = 1 / r + 1 / q
    right = series / r
    right[0] += series.mean(axis=0) / p0
    # condition number 4e3: 1e-16 * 4e3 * 20 < 1e-10
    np.testing.assert_allclose(lds_smooth(series), np.linalg.solve(precision, right), rtol=0, atol=1e-10)


def test_steady_state():
    gain, _ = _gains(2000, 0.001, 1.0, 0.1)
    assert gain[-1] == pytest.approx(0.031127, abs=5e-7)  # printed to six decimals
    assert gain[-1] / (1 - gain[-1]) == pytest.approx(0.032127, abs=5e-7)  # the predicted variance, r = 1


def test_starts_at_the_mean_and_not_at_a_covariance():
    # a filter begun at the covariance (0.1) would have to climb up to a constant series
    np.testing.assert_allclose(lds_smooth(np.full((50, 2), 17.0)), 17.0, rtol=0, atol=1e-12)
    np.testing.assert_allclose(lds_smooth(np.full(50, 17.0), causal=True), 17.0, rtol=0, atol=1e-12)


def test_smoother_is_not_the_filter_and_sees_the_future(series):
    changed = series.copy()
    changed[40:] += 5
    assert np.abs(lds_smooth(changed)[:40] - lds_smooth(series)[:40]).max() > 0.1
    assert np.abs(lds_smooth(series) - lds_smooth(series, causal=True)).max() > 0.01


@given(cut=st.integers(1, 59), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_causal_filter_sees_no_future(cut, seed):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(60, 3))
    changed = y.copy()
    changed[cut:] = rng.normal(scale=100, size=(60 - cut, 3))
    changed[cut + (60 - cut) // 2 :, 0] = np.nan
    before, after = lds_smooth(y, causal=True)[:cut], lds_smooth(changed, causal=True)[:cut]
    # the gains go another way through the code where values are missing: rounding only
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(lds_smooth(y[:cut], causal=True), before)


@given(seed=st.integers(0, 1000), scale=st.floats(-10, 10), shift=st.floats(-100, 100))
@settings(max_examples=25, deadline=None)
def test_affine_and_the_same_along_any_axis(seed, scale, shift):
    y = np.random.default_rng(seed).normal(size=(30, 2))
    # affine: each step is a mean of values with weights that sum to one; rounding of values up to 100
    np.testing.assert_allclose(lds_smooth(scale * y + shift), scale * lds_smooth(y) + shift, atol=1e-11)
    np.testing.assert_array_equal(lds_smooth(y.T, axis=1), lds_smooth(y).T)
    np.testing.assert_array_equal(lds_smooth(y.T, axis=-1), lds_smooth(y).T)


def test_any_number_of_series_in_any_shape(series):
    cube = np.random.default_rng(0).normal(size=(2, 30, 5))
    found = lds_smooth(cube, axis=1)
    assert found.shape == cube.shape
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found[1, :, 3], lds_smooth(cube[1, :, 3]))
    np.testing.assert_array_equal(
        lds_smooth(series.astype(np.float32)), lds_smooth(series.astype("f4") * 1.0)
    )
    assert lds_smooth(np.empty((0, 5))).shape == (0, 5)


def test_input_is_left_alone(series):
    kept = series.copy()
    lds_smooth(series)
    lds_smooth(series, causal=True)
    np.testing.assert_array_equal(series, kept)


def test_missing_values_are_passed_over(series):
    y = series.copy()
    y[[0, 7, 8, 59], 0] = np.nan
    y[20, 1] = np.inf
    y[:, 3] = np.nan
    found = lds_smooth(y)
    y[20, 1] = np.nan
    for column in (0, 1, 2):
        expected = scalar_rts(y[:, column], np.nanmean(y[:, column]))[1]
        np.testing.assert_allclose(found[:, column], expected, rtol=0, atol=1e-12)
    assert np.isnan(found[:, 3]).all()


def test_causal_has_no_number_before_the_first_value(series):
    y = np.concatenate([np.full((5, 4), np.nan), series])
    found = lds_smooth(y, causal=True)
    assert np.isnan(found[:5]).all()
    np.testing.assert_allclose(found[5:], lds_smooth(series, causal=True), rtol=0, atol=1e-12)


def test_a_state_that_never_moves_is_one_number(series):
    found = lds_smooth(series, q=0.0, p0=0.0, m0=3.0)
    np.testing.assert_array_equal(found, 3.0)


@pytest.mark.parametrize(("name", "value"), [("q", -1.0), ("p0", np.nan), ("r", 0.0)])
def test_impossible_variances_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a"):
        lds_smooth(np.zeros(3), **{name: value})
