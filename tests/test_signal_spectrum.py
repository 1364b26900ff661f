"""Band power and entropy of signals whose answer is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.signal import band_power, differential_entropy, flat
from mien.signal import spectrum as module

RATE = 200.0
BANDS = {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 14), "beta": (14, 31), "gamma": (31, 50)}
METHODS = ["multitaper", "welch", "hann"]


def sine(frequency, *, amplitude=1.0, seconds=8, rate=RATE):
    t = np.arange(int(seconds * rate)) / rate
    return amplitude * np.sin(2 * np.pi * frequency * t + 0.3)[None]


def by_hand(data, *, rate, bands, length, stride):
    """The multitaper definition, one window and channel at a time."""
    from scipy.signal.windows import dpss

    tapers = dpss(length, 2.0, 3)
    frequency = np.arange(length // 2 + 1) * rate / length
    half = rate / length / 2
    out = []
    for start in range(0, data.shape[1] - length + 1, stride):
        for low, high in bands.values():
            for channel in data:
                x = channel[start : start + length] - channel[start : start + length].mean()
                density = np.mean(
                    [2 * np.abs(np.fft.fft(x * taper)[: length // 2 + 1]) ** 2 / rate for taper in tapers],
                    axis=0,
                )
                share = [max(0.0, min(f + half, rate / 2, high) - max(f - half, 0.0, low)) for f in frequency]
                out.append(np.dot(density, share) / (high - low))
    return np.array(out).reshape(-1, len(bands), len(data))


@pytest.mark.parametrize(("length", "stride"), [(800, 800), (401, 150)])
def test_multitaper_equals_its_definition(length, stride):
    data = np.random.default_rng(0).normal(size=(3, 2500))
    bands = {**BANDS, "odd": (0.3, 7.77), "all": (0, 100)}
    found = band_power(
        data, rate=RATE, bands=bands, window_seconds=length / RATE, stride_seconds=stride / RATE
    )
    expected = by_hand(data, rate=RATE, bands=bands, length=length, stride=stride)
    np.testing.assert_allclose(found, expected, rtol=1e-11)  # the same sums in another order


def test_welch_equals_scipy():
    from scipy.signal import welch

    data = np.random.default_rng(0).normal(size=(2, 1600))
    found = band_power(data, rate=RATE, bands={"bin": (9.75, 10.25)}, method="welch")
    frequency, density = welch(data[:, :800], RATE, "hann", nperseg=400, noverlap=200, detrend="constant")
    np.testing.assert_allclose(found[0, 0], density[:, frequency == 10.0][:, 0], rtol=1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_white_noise_has_the_closed_form(method):
    sigma = 3.0
    data = np.random.default_rng(1).normal(scale=sigma, size=(40, 40_000))
    power = band_power(data, rate=RATE, bands=BANDS, method=method)
    # density of white noise: 2 sigma² / rate. 2,000 windows x (bins x tapers >= 36): relative error < 1 %
    np.testing.assert_allclose(power.mean(axis=(0, 2)), 2 * sigma**2 / RATE, rtol=0.02)
    width = np.array([high - low for low, high in BANDS.values()])
    expected = 0.5 * np.log2(2 * np.pi * np.e * sigma**2 * width / (RATE / 2))
    found = differential_entropy(power.mean(axis=(0, 2)) * width)
    np.testing.assert_allclose(found, expected, atol=0.015)  # 0.5 log2(1.02)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("frequency", "band"), [(2.5, "delta"), (6, "theta"), (10, "alpha"), (20, "beta"), (40, "gamma")]
)
def test_a_sine_lands_in_its_band_only(method, frequency, band):
    power = band_power(sine(frequency, amplitude=4.0), rate=RATE, bands=BANDS, method=method)[0, :, 0]
    width = np.array([high - low for low, high in BANDS.values()])
    variance = dict(zip(BANDS, power * width, strict=True))
    # the tapers hold a sine 1.5 Hz from either edge together but for their side lobes (< 0.1 %)
    assert variance.pop(band) == pytest.approx(4.0**2 / 2, rel=1e-2)
    assert max(variance.values()) < 1e-2


@pytest.mark.parametrize("method", METHODS)
def test_bands_that_tile_sum_to_the_whole(method):
    data = np.random.default_rng(2).normal(size=(2, 2400))
    edges = [0, 0.1, 3.3, 8, 8.05, 40, 100]
    tiles = {str(i): pair for i, pair in enumerate(itertools.pairwise(edges))}
    parts = band_power(data, rate=RATE, bands=tiles, method=method)
    whole = band_power(data, rate=RATE, bands={"all": (0, 100)}, method=method)
    width = np.diff(edges)[:, None]
    np.testing.assert_allclose((parts * width).sum(axis=1), whole[:, 0] * 100, rtol=1e-12)


def test_all_bins_hold_the_variance_of_the_tapered_window():
    # Parseval, for an even and an odd window: the half cells at 0 and at half the rate count half
    from scipy.signal.windows import dpss

    for length in (200, 201):
        data = np.random.default_rng(2).normal(size=(1, length))
        power = band_power(
            data, rate=RATE, bands={"all": (0, 100)}, window_seconds=length / RATE, stride_seconds=1.0
        )
        tapered = (data - data.mean()) * dpss(length, 2.0, 3)
        assert power[0, 0, 0] * 100 == pytest.approx((tapered**2).sum() / 3, rel=1e-12)


def test_band_edge_on_a_bin_gives_half_to_either_side():
    first, weights = module._bin_weights(np.array([[4.0, 8.0], [8.0, 14.0]]), 200.0, 800)
    at = round(8.0 / 0.25) - first
    assert weights[at] * [4.0, 6.0] == pytest.approx([0.125, 0.125])
    assert weights.sum(axis=0) * 0.25 == pytest.approx([0.25, 0.25])  # means: weights sum to one


@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_scale_law(scale, seed):
    data = np.random.default_rng(seed).normal(size=(2, 800))
    one = differential_entropy(band_power(data, rate=RATE, bands=BANDS))
    many = differential_entropy(band_power(scale * data, rate=RATE, bands=BANDS))
    np.testing.assert_allclose(many, one + np.log2(scale), rtol=0, atol=1e-10)  # rounding of log2


@given(shift=st.floats(-1e3, 1e3))
@settings(max_examples=10, deadline=None)
def test_a_constant_offset_changes_nothing(shift):
    data = np.random.default_rng(0).normal(size=(2, 800))
    found = band_power(data + shift, rate=RATE, bands=BANDS)
    # the offset rounds the data at 1e3 * 1e-16, power at twice that relative to values of order one
    np.testing.assert_allclose(found, band_power(data, rate=RATE, bands=BANDS), rtol=1e-9)


def test_windows_do_not_know_of_one_another_nor_of_the_chunks(monkeypatch):
    data = np.random.default_rng(0).normal(size=(3, 8000))
    whole = band_power(data, rate=RATE, bands=BANDS, window_seconds=4, stride_seconds=1)
    np.testing.assert_allclose(
        whole[5], band_power(data[:, 1000:1800], rate=RATE, bands=BANDS)[0], rtol=1e-12
    )
    monkeypatch.setattr(module, "_CHUNK_SAMPLES", 1)
    one_by_one = band_power(data, rate=RATE, bands=BANDS, window_seconds=4, stride_seconds=1)
    np.testing.assert_allclose(one_by_one, whole, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_a_lost_value_spoils_its_window_and_channel_only(method):
    data = np.random.default_rng(0).normal(size=(5, 2400))
    clean = band_power(data, rate=RATE, bands=BANDS, method=method)
    data[2, 900] = np.nan
    data[4, 100] = np.inf
    found = band_power(data, rate=RATE, bands=BANDS, method=method)
    lost = np.isnan(found)
    assert lost[1, :, 2].all()
    assert lost[0, :, 4].all()
    assert lost.sum() == 10
    np.testing.assert_allclose(found[~lost], clean[~lost], rtol=1e-12)


def test_what_is_left_over_and_too_short_gives_no_window():
    assert band_power(np.zeros((2, 799)), rate=RATE, bands=BANDS).shape == (0, 5, 2)
    assert band_power(np.zeros((2, 1599)), rate=RATE, bands=BANDS).shape == (1, 5, 2)


def test_entropy_is_of_the_variance_and_not_of_the_deviation():
    # the trap: with the standard deviation in its place a factor 4 in variance would give 0.5 bit
    assert differential_entropy(4.0) - differential_entropy(1.0) == pytest.approx(1.0)
    assert differential_entropy(1.0) == pytest.approx(2.0470956)  # log2(2 pi e) / 2
    assert differential_entropy(0.0) == -np.inf
    assert np.isnan(differential_entropy(-1.0))


def test_flat_channels_are_seen_window_by_window():
    data = np.random.default_rng(0).normal(size=(3, 1600))
    data[1, :800] = 7.0
    data[2] = 0.0
    found = flat(data, rate=RATE, window_seconds=4, stride_seconds=4)
    np.testing.assert_array_equal(found, [[False, True, True], [False, False, True]])


@pytest.mark.parametrize("band", [(4, 4), (8, 4), (-1, 4), (90, 101)])
def test_impossible_bands_are_refused(band):
    with pytest.raises(ValueError, match="a band needs 0 <= low < high <= 100 Hz"):
        band_power(np.zeros((1, 800)), rate=RATE, bands={"x": band})


def test_other_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="method must be one of multitaper, welch, hann, got 'fft'"):
        band_power(np.zeros((1, 800)), rate=RATE, bands=BANDS, method="fft")
    with pytest.raises(ValueError, match="at least one band"):
        band_power(np.zeros((1, 800)), rate=RATE, bands={})
    with pytest.raises(ValueError, match="must be \\(channels, times\\)"):
        band_power(np.zeros(800), rate=RATE, bands=BANDS)
    with pytest.raises(ValueError, match="at least one sample"):
        band_power(np.zeros((1, 800)), rate=RATE, bands=BANDS, stride_seconds=0)
    with pytest.raises(ValueError, match="too short for 3 tapers"):
        band_power(np.zeros((1, 800)), rate=RATE, bands=BANDS, window_seconds=0.02)
