"""Statistics of signals of the body: known answers, what scaling does to them, and dead sensors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien import features
from mien.core import InputError, Signal
from mien.features.body_statistics import STATISTICS

RATE = 128.0


def made(*rows, rate=RATE, **more):
    data = np.array(rows, dtype=float)
    names = tuple(f"c{i}" for i in range(len(data)))
    return Signal(data=data, rate=rate, channels=names, unit="mixed", **more)


def compute(signal, **options):
    found = features.compute("body_statistics", signal, **options)
    return found, {name: found.values[..., i] for i, name in enumerate(STATISTICS)}


def test_windows_channels_and_statistics():
    found, _ = compute(features.example("body_statistics"))
    assert found.values.shape == (3, 8, 6)
    assert list(found.axes) == ["window", "channel", "statistic"]
    assert found.axes["statistic"] == STATISTICS
    np.testing.assert_array_equal(found.starts, [0.0, 3.0, 6.0])
    assert set(found.durations) == {3.0}
    assert features.stream_name("body_statistics") == "peripheral"


def test_a_ramp():
    n = 384
    _, stat = compute(made(5.0 + 0.25 * np.arange(n)))
    # all exact in binary but for the sums, whose order is the library's
    np.testing.assert_allclose(stat["mean"], 5.0 + 0.25 * (n - 1) / 2, rtol=1e-12)
    np.testing.assert_allclose(stat["sd"], 0.25 * np.sqrt(n * (n + 1) / 12), rtol=1e-12)
    np.testing.assert_allclose(stat["first_difference"], 0.25, rtol=1e-12)
    np.testing.assert_allclose(stat["second_difference"], 0.5, rtol=1e-12)
    np.testing.assert_allclose(stat["slope"], 0.25 * RATE, rtol=1e-12)
    assert np.isnan(stat["log_variance_of_difference"]).all()


def test_a_signal_that_jumps_up_and_down():
    _, stat = compute(made(np.tile([1.0, -1.0], 192)))
    assert stat["mean"] == 0
    np.testing.assert_allclose(stat["sd"], np.sqrt(384 / 383), rtol=1e-12)
    assert stat["first_difference"] == 2
    assert stat["second_difference"] == 0  # two samples on it is where it was
    steps = np.tile([-2.0, 2.0], 192)[:383]
    np.testing.assert_allclose(stat["log_variance_of_difference"], np.log(steps.var(ddof=1)), rtol=1e-12)


def test_noise():
    sd = 3.0
    _, stat = compute(made(np.random.default_rng(0).normal(scale=sd, size=100 * 384)))
    # differences of white noise have twice its variance; mean |N(0, s²)| is s √(2/π); 4e4 samples, so that
    # 1 % is more than three standard errors
    np.testing.assert_allclose(
        stat["first_difference"].mean(), sd * np.sqrt(2) * np.sqrt(2 / np.pi), rtol=0.01
    )
    np.testing.assert_allclose(
        stat["second_difference"].mean(), sd * np.sqrt(2) * np.sqrt(2 / np.pi), rtol=0.01
    )
    np.testing.assert_allclose(np.exp(stat["log_variance_of_difference"]).mean(), 2 * sd**2, rtol=0.02)


@given(
    st.lists(st.floats(-100, 100), min_size=12, max_size=12),
    st.floats(0.1, 10.0),
    st.floats(-50, 50),
)
def test_shifted_and_stretched(values, factor, shift):
    # quarters, so that equal samples stay equal whatever is added to them
    x = np.round(np.array(values) * 4) / 4
    _, plain = compute(made(x, rate=4.0))
    _, moved = compute(made(x * factor + shift, rate=4.0))
    close = {"rtol": 1e-6, "atol": 1e-9}  # of values up to 1000, whose rounding is 1e-13
    np.testing.assert_allclose(moved["mean"], plain["mean"] * factor + shift, **close)
    for name in ("sd", "first_difference", "second_difference", "slope"):
        np.testing.assert_allclose(moved[name], plain[name] * factor, **close)
    if not np.isnan(plain["log_variance_of_difference"]).any():
        np.testing.assert_allclose(
            moved["log_variance_of_difference"],
            plain["log_variance_of_difference"] + 2 * np.log(factor),
            **close,
        )


@pytest.mark.parametrize("value", [0.0, 0.1, 32.7, -1e-6, 1e9])
def test_a_channel_that_keeps_its_value(value):
    found, stat = compute(made(np.full(384, value), np.sin(np.arange(384.0))))
    np.testing.assert_allclose(stat["mean"][:, 0], value, rtol=1e-12)
    for name in ("sd", "first_difference", "second_difference", "slope"):
        np.testing.assert_allclose(stat[name][:, 0], 0, atol=1e-12 * abs(value))  # the mean is rounded
    assert np.isnan(stat["log_variance_of_difference"][:, 0]).all()
    assert np.isfinite(found.values[:, 1]).all()
    assert found.valid.all()
    assert features.missing(found) == {"c0": 1}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_lost_sample_loses_its_channel_in_its_window(bad):
    rows = np.random.default_rng(0).normal(size=(3, 3 * 384))
    rows[1, 500] = bad
    rows[:2, 900] = bad
    found, _ = compute(made(*rows))
    lost = np.isnan(found.values)
    np.testing.assert_array_equal(lost.all(axis=2), [[False] * 3, [False, True, False], [True, True, False]])
    np.testing.assert_array_equal(lost.any(axis=2), lost.all(axis=2))
    np.testing.assert_array_equal(found.valid, [True, True, False])  # two of three channels are lost


def test_a_signal_that_is_not_valid():
    valid = np.ones(1152, bool)
    valid[400] = False
    found, _ = compute(made(np.arange(1152.0) ** 2, start=7.0, valid=valid))
    np.testing.assert_array_equal(found.valid, [True, False, True])
    np.testing.assert_array_equal(found.starts, [7.0, 10.0, 13.0])


def test_windows_may_overlap_and_what_is_left_over_is_not_used():
    found, stat = compute(made(np.arange(1000.0)), window_seconds=2.0, stride_seconds=1.0)
    np.testing.assert_array_equal(found.starts, np.arange(6.0))  # 7.8 s
    np.testing.assert_allclose(stat["mean"][:, 0], 127.5 + 128 * np.arange(6), rtol=1e-12)
    short, _ = compute(made(np.arange(383.0)))
    assert short.values.shape == (0, 1, 6)


def test_a_window_of_two_samples_is_refused():
    with pytest.raises(
        InputError, match=r"a window of 0.5 s has 2 samples at 4 Hz; expected at least 3 samples"
    ):
        compute(made(np.arange(100.0), rate=4.0), window_seconds=0.5)
