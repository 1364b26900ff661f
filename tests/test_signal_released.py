"""The released band power: its faults, on show."""

from __future__ import annotations

import numpy as np

from mien.signal import band_power
from mien.signal.seed_released import BANDS, N_FFT, released_bins, released_psd


def test_bins_start_one_low_and_neighbours_share_one():
    bins = released_bins(200.0)
    assert [(first, stop - 1) for first, stop in bins] == [(0, 4), (4, 9), (9, 16), (16, 38), (38, 61)]
    step = 200 / N_FFT
    real = [(round(first * step, 2), round((stop - 1) * step, 2)) for first, stop in bins]
    assert real == [(0.0, 3.12), (3.12, 7.03), (7.03, 12.5), (12.5, 29.69), (29.69, 47.66)]
    assert BANDS["gamma"] == (31.0, 49.0)


def test_the_first_256_of_800_samples_hold_a_tenth_of_the_window_energy():
    window = np.hanning(800)
    assert round(float(np.sum(window[:256] ** 2) / np.sum(window**2)), 4) == 0.1072


def test_the_rest_of_the_window_is_not_seen():
    data = np.random.default_rng(0).normal(size=(2, 1600))
    changed = data.copy()
    changed[:, 256:800] = 1e3
    np.testing.assert_array_equal(released_psd(changed, rate=200.0)[0], released_psd(data, rate=200.0)[0])


def test_lower_edges_are_shifted():
    # 7.4 Hz is theta by name; the lower edge of alpha, one bin low, takes it in
    t = np.arange(800) / 200
    data = np.sin(2 * np.pi * 7.4 * t)[None]
    released = released_psd(data, rate=200.0)[0, :, 0]
    right = band_power(data, rate=200.0, bands=BANDS)[0, :, 0]
    assert list(BANDS)[int(released.argmax())] == "alpha"
    assert list(BANDS)[int(right.argmax())] == "theta"
