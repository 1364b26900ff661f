"""Bands that earlier filtering took out of a signal are a warning in plain words."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from mien import features
from mien.core import InputError, Signal, Span, Stream

DEAP = (4.0, 45.0)


def signal(band):
    noise = np.random.default_rng(0).normal(scale=1e-5, size=(2, 13 * 128))
    return Signal(data=noise, rate=128.0, channels=("Fp1", "Cz"), band=band)


@pytest.mark.parametrize("name", ["psd", "de", "de_lds", "power_sequence"])
def test_delta_of_a_signal_without_any_is_a_warning(name):
    with pytest.warns(features.FeatureWarning) as caught:
        warned = features.compute(name, signal(DEAP))
    (one,) = caught
    assert str(one.message) == (
        "phantom delta: earlier filtering has left 4-45 Hz of the signal, nothing of 1-4 Hz. Such power is "
        "what leaks over the edge of the filter; leave the band out or start from raw data"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = features.compute(name, signal(None))
        features.compute(name, signal(DEAP), bands={"theta": (4.0, 8.0), "gamma": (31.0, 45.0)})
        features.compute("segments", signal(DEAP))  # has no bands
    np.testing.assert_array_equal(warned.values, plain.values)


def test_all_bands_at_fault_are_in_one_warning():
    bands = {"delta": (1.0, 4.0), "alpha": (8.0, 14.0), "high": (44.0, 60.0)}
    # 1 of 16 Hz is 6 %
    with pytest.warns(features.FeatureWarning, match=r"phantom delta: .*; phantom high: .*, 6% of 44-60 Hz"):
        features.compute("psd", signal(DEAP), bands=bands)


@pytest.mark.parametrize(
    ("band", "at_fault"),
    [
        ((4.0, 8.0), False),
        ((2.0, 6.0), False),  # half of it is left
        ((1.9, 6.0), True),
        ((1.0, 4.0), True),
        ((31.0, 50.0), False),  # 14 of 19 Hz are left
        ((45.0, 50.0), True),
        ((0.0, 86.0), True),  # 41 of 86 Hz
        ((0.0, 82.0), False),
    ],
)
def test_a_band_of_which_less_than_half_is_left_is_at_fault(band, at_fault):
    found = features.out_of_band("psd", {"bands": {"asked": band}}, DEAP)
    assert bool(found) == at_fault
    assert all(text.startswith("phantom asked: ") for text in found)


def test_before_anything_is_made():
    assert features.out_of_band("de", {}, None) == []
    assert features.out_of_band("segments", {}, DEAP) == []
    (text,) = features.out_of_band("power_sequence", {}, DEAP)
    assert text.startswith("phantom delta")
    assert features.out_of_band("de", {"bands": {"alpha": [8, 14]}, "window_seconds": 3.0}, DEAP) == []


@pytest.mark.parametrize("bands", [["delta"], {"delta": 4.0}, {"delta": [1.0]}, {"delta": [4.0, 4.0]}, 3])
def test_bands_that_are_none(bands):
    with pytest.raises(
        InputError, match=r"option 'bands' of 'de' is .*; expected names with \[low, high\] in Hz"
    ):
        features.out_of_band("de", {"bands": bands}, DEAP)


def test_the_band_comes_from_the_stream():
    class Zeros:
        def read(self, start, duration):
            return np.random.default_rng(1).normal(scale=1e-5, size=(1, round(duration * 128)))

    stream = Stream(
        name="eeg",
        modality="eeg",
        unit="V",
        rate=128.0,
        channels=("Fp1",),
        span=Span(start=0.0, duration=8.0),
        source=Zeros(),
        band=DEAP,
    )
    with pytest.warns(features.FeatureWarning, match="phantom delta"):
        features.compute("de", stream.read())
