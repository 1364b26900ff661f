"""Power by second: a known spectrum, and the published numbers redone in plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from mien import features
from mien.core import InputError, Signal
from mien.features._released_power import COLUMNS, REST
from mien.features._shared import FeatureWarning

BANDS = {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 30), "gamma": (30, 47)}
EDGES = np.array(list(BANDS.values()), dtype=float)


def noise(seconds, *, rate=1000.0, channels=(*COLUMNS, *REST), seed=0, start=0.0):
    n = round(seconds * rate)
    # a walk has all its power at low frequencies, as EEG does: bins of one band differ a lot
    data = np.random.default_rng(seed).normal(size=(len(channels), n)).cumsum(1) * 1e-6
    return Signal(data=data, rate=rate, channels=channels, start=start)


def test_eight_seconds_give_seven_windows_of_channels_by_bands():
    found = features.compute("power_sequence", noise(8.0, rate=250.0, channels=("A", "B", "C"), start=5.0))
    assert found.values.shape == (7, 3, 5)
    assert dict(found.axes) == {"window": (), "channel": ("A", "B", "C"), "band": tuple(BANDS)}
    np.testing.assert_array_equal(found.starts, 5.0 + np.arange(7))
    assert set(found.durations) == {2.0}
    assert found.valid.all()


def test_a_sine_has_its_power_in_its_band():
    rate, amplitude = 500.0, 20e-6
    time = np.arange(round(6 * rate)) / rate
    frequencies = {"delta": 2.5, "theta": 6.0, "alpha": 10.0, "beta": 20.0, "gamma": 40.0}
    data = np.stack([amplitude * np.sin(2 * np.pi * f * time) for f in frequencies.values()])
    signal = Signal(data=data, rate=rate, channels=tuple(frequencies))
    found = features.compute("power_sequence", signal).values
    for number, band in enumerate(BANDS):
        low, high = BANDS[band]
        # half the squared amplitude is the variance, all of it in one band; the Hann window lets 0.1 % out
        expected = np.log((amplitude * 1e6) ** 2 / 2 / (high - low))
        np.testing.assert_allclose(found[:, number, number], expected, atol=2e-3)
        assert (found[:, number].argmax(1) == number).all()


def test_each_window_is_one_hann_periodogram():
    signal = noise(4.0, rate=200.0, channels=("A",))
    found = features.compute("power_sequence", signal).values[:, 0]
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frequency = np.fft.rfftfreq(400, 1 / 200)
    for second in range(3):
        part = signal.data[0, second * 200 : second * 200 + 400] * 1e6
        density = 2 * np.abs(np.fft.rfft((part - part.mean()) * taper)) ** 2 / (200 * (taper**2).sum())
        for band, (low, high) in enumerate(EDGES):
            # an edge on a bin gives half of it to either side
            share = np.clip(
                np.minimum(frequency + 0.25, high) - np.maximum(frequency - 0.25, low), 0, None
            ) / (high - low)
            np.testing.assert_allclose(found[second, band], np.log(density @ share), rtol=1e-9)


def test_dead_channels_are_not_a_number_and_gaps_make_windows_invalid():
    signal = noise(8.0, rate=200.0, channels=("A", "B", "C"))
    signal.data[1] = 3e-6
    valid = np.ones(1600, bool)
    valid[700] = False  # in the windows that start at 2 and 3 s
    gap = Signal(data=signal.data, rate=200.0, channels=signal.channels, valid=valid)
    found = features.compute("power_sequence", gap)
    assert np.isnan(found.values[:, 1]).all()
    assert np.isfinite(found.values[:, [0, 2]]).all()
    np.testing.assert_array_equal(found.valid, [True, True, False, False, True, True, True])


def published(data, rate=1000):
    """Spec C6, 2 to 5, from the definition of the transform; ``data`` (62, times) in µV of a trial."""
    frame = data.T[-40 * rate : -1] if data.shape[1] > 1 else data.T[:0]
    result = np.full((40, 62, 5), np.nan)
    points = np.arange(257)
    for second in range(40):
        rows = frame[second * rate : (second + 1) * rate + 1][:512]
        if not len(rows):
            continue
        rows = rows - rows.mean(0)
        angle = -2j * np.pi * np.outer(points, np.arange(len(rows))) / 512
        density = np.abs(np.exp(angle) @ rows) ** 2 / (rate * len(rows))  # two-sided: not doubled
        frequency = points * rate / 512
        for band, (low, high) in enumerate(EDGES):
            result[second, :, band] = density[(frequency >= low) & (frequency <= high)].mean(0)
    return np.where(np.isnan(result), np.nanmean(result), result)


@pytest.mark.parametrize("seconds", [41.3, 40.0, 12.4])
def test_released_agrees_with_the_notebook(seconds):
    signal = noise(seconds)
    found = features.compute("power_sequence", signal, recipe="released")
    assert found.axes["channel"] == COLUMNS
    assert {"M1", "M2"} < set(COLUMNS)
    assert not {"O2", "CB2"} & set(COLUMNS)
    # float64 sums in another order; the largest of a walk's values are 1e4
    np.testing.assert_allclose(found.values, published(signal.data[:62] * 1e6), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(found.starts[0], max(seconds - 40, 0))
    assert len(found.starts) == 40


def test_released_bands_have_the_bins_of_the_notebook():
    # 1000 / 512 Hz apart: two bins in delta, theta and alpha, nine in beta and gamma (spec C6, 3)
    step = 1000 / 512
    bins = [sum(low <= k * step <= high for k in range(257)) for low, high in EDGES]
    assert bins == [2, 2, 2, 9, 9]
    time = np.arange(41000) / 1000
    data = np.tile(1e-5 * np.sin(2 * np.pi * 5 * step * time), (68, 1))  # the fifth bin: 9.77 Hz
    signal = Signal(data=data, rate=1000.0, channels=(*COLUMNS, *REST))
    found = features.compute("power_sequence", signal, recipe="released").values
    # A²/2 of variance, half of it at the positive frequency, in one bin of 1.953 Hz, mean of two bins
    np.testing.assert_allclose(found[:, :, 2], 10**2 / 4 / step / 2, rtol=1e-6)
    assert found[:, :, [0, 1, 3, 4]].max() < 1e-6


def test_released_fills_missing_seconds_with_one_number_for_everything():
    found = features.compute("power_sequence", noise(12.0), recipe="released").values
    # the twelfth second lacks its last two samples of 1001, and the others have none
    assert len(np.unique(found[12:])) == 1
    np.testing.assert_allclose(found[12, 0, 0], found[:12].mean(), rtol=1e-12)


def test_released_needs_its_channels_and_warns_of_another_rate():
    short = noise(3.0, channels=tuple(c for c in COLUMNS if c not in ("M1", "M2")))
    with pytest.raises(InputError, match=r"no channel M1, M2.*raw_eeg_all"):
        features.compute("power_sequence", short, recipe="released")
    with pytest.warns(FeatureWarning, match="written for 1000 Hz and got 500 Hz"):
        features.compute("power_sequence", noise(3.0, rate=500.0), recipe="released")
    with pytest.raises(InputError, match="at least 94 Hz"):
        features.compute("power_sequence", noise(30.0, rate=90.0), recipe="released")
    with pytest.raises(InputError, match="unit is 'mixed'"):
        features.compute(
            "power_sequence", Signal(data=np.zeros((62, 9)), rate=1000.0, channels=COLUMNS, unit="mixed"),
            recipe="released",
        )  # fmt: skip


def test_signals_too_short_give_no_window():
    empty = Signal(data=np.zeros((68, 1)), rate=1000.0, channels=(*COLUMNS, *REST))
    for recipe in ("released", "corrected"):
        assert features.compute("power_sequence", empty, recipe=recipe).n_windows == 0
