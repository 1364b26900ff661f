"""psd, de, de_lds: reference, units, clean recipe, windows, dead channels."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from mien import features
from mien.core import InputError, Signal, UnknownNameError
from mien.features import FeatureWarning
from mien.signal import lds_smooth

REFERENCE = Path(__file__).parent / "reference" / "seed_vii_eeg_features.npz"
NAMES = ["psd", "de", "de_lds"]


@pytest.fixture(scope="module")
def reference():
    with np.load(REFERENCE) as file:
        return dict(file)


def signal(data, *, rate=200.0, **more):
    return Signal(data=data, rate=rate, channels=tuple(f"C{i}" for i in range(len(data))), **more)


def noise(shape=(4, 4000), seed=0):
    return np.random.default_rng(seed).normal(scale=1e-5, size=shape)


@pytest.mark.parametrize(("name", "key"), [("psd", "psd"), ("de", "de"), ("de_lds", "de_LDS")])
def test_released_agrees_with_the_original_code(reference, name, key):
    eeg = signal(reference["in/eeg_microvolt"] * 1e-6)
    found = features.compute(name, eeg, recipe="released")
    assert found.values.dtype == np.float64
    # float64 on both sides; the demand of the reference is 1e-9 relative, element by element
    np.testing.assert_allclose(found.values, reference[f"out/{key}"], rtol=1e-9, atol=0)
    assert list(found.axes) == ["window", "band", "channel"]
    assert found.axes["band"] == ("delta", "theta", "alpha", "beta", "gamma")
    np.testing.assert_array_equal(found.starts, np.arange(10) * 4.0)
    np.testing.assert_array_equal(found.durations, np.full(10, 4.0))
    assert found.valid.all()


def test_released_entropy_is_not_gaussian(reference):
    eeg = signal(reference["in/eeg_microvolt"] * 1e-6)
    doubled = signal(reference["in/eeg_microvolt"] * 2e-6)
    step = {
        recipe: features.compute("de", doubled, recipe=recipe).values
        - features.compute("de", eeg, recipe=recipe).values
        for recipe in ("released", "corrected")
    }
    np.testing.assert_allclose(step["released"], 2.0, atol=1e-9)  # log2 of a power: two bits
    np.testing.assert_allclose(step["corrected"], 1.0, atol=1e-9)  # an entropy: log2 of the scale


def test_corrected_units_are_microvolts():
    sigma = 12e-6
    found = features.compute("psd", signal(np.random.default_rng(0).normal(scale=sigma, size=(20, 40_000))))
    # white noise, 1,000 windows x (bins x tapers >= 36): relative error about 0.5 %
    np.testing.assert_allclose(found.values.mean(axis=(0, 2)), 2 * 12**2 / 200, rtol=0.02)


def test_de_is_the_gaussian_entropy_of_the_power_in_the_band():
    eeg = signal(noise())
    for method in ("multitaper", "welch"):
        power = features.compute("psd", eeg, method=method).values
        width = np.array([3, 4, 6, 17, 19])[:, None]
        expected = 0.5 * np.log2(2 * np.pi * np.e * power * width)
        np.testing.assert_allclose(features.compute("de", eeg, method=method).values, expected, rtol=1e-13)


def test_de_lds_is_de_smoothed():
    eeg = signal(noise((3, 9000)))
    de = features.compute("de", eeg).values
    np.testing.assert_array_equal(features.compute("de_lds", eeg).values, lds_smooth(de))
    np.testing.assert_array_equal(
        features.compute("de_lds", eeg, causal=True).values, lds_smooth(de, causal=True)
    )


@pytest.mark.parametrize("cut", [1, 3])
def test_causal_features_see_no_future(cut):
    data = noise((2, 4000))
    changed = data.copy()
    changed[:, cut * 800 :] *= 50
    both = [features.compute("de_lds", signal(d), causal=True).values[:cut] for d in (data, changed)]
    np.testing.assert_array_equal(*both)
    smooth = [features.compute("de_lds", signal(d)).values[:cut] for d in (data, changed)]
    assert np.abs(smooth[0] - smooth[1]).min() > 0.01


@pytest.mark.parametrize("name", ["psd", "de"])
@pytest.mark.parametrize("recipe", ["released", "corrected"])
def test_psd_and_de_reach_one_window(name, recipe):
    data = noise((2, 3200))
    whole = features.compute(name, signal(data), recipe=recipe).values
    alone = features.compute(name, signal(data[:, 1600:2400]), recipe=recipe).values
    np.testing.assert_allclose(whole[2], alone[0], rtol=1e-12)
    assert features.info(name).reaches == "window"
    assert features.info(name).scope == "none"


def test_de_lds_says_that_it_reaches_the_trial():
    assert features.info("de_lds").reaches == "trial"
    assert features.info("de_lds").scope == "recording"


@pytest.mark.parametrize("name", NAMES)
def test_windows_bands_and_times_are_options(name):
    eeg = signal(noise((2, 2000)), start=100.0)
    found = features.compute(
        name, eeg, bands={"low": (2, 8), "high": (8, 40)}, window_seconds=2, stride_seconds=0.5
    )
    assert found.values.shape == (17, 2, 2)
    assert found.axes["band"] == ("low", "high")
    np.testing.assert_allclose(found.starts, 100.0 + np.arange(17) * 0.5)
    assert set(found.durations) == {2.0}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("recipe", ["released", "corrected"])
def test_a_signal_shorter_than_a_window_has_none(name, recipe):
    found = features.compute(name, signal(noise((3, 799))), recipe=recipe)
    assert found.values.shape == (0, 5, 3)
    assert found.starts.shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_dead_flat_and_lost_channels_are_nan_and_listed(name):
    data = noise((6, 3200))
    data[1] = 0.0
    data[2, :800] = 3e-5
    data[3, 1700] = np.nan
    found = features.compute(name, signal(data))
    assert features.missing(found) == {"C1": 4, "C2": 1, "C3": 1}
    assert np.isnan(found.values[:, :, 1]).all()
    assert np.isnan(found.values[0, :, 2]).all()
    assert np.isnan(found.values[2, :, 3]).all()
    assert found.valid.all()  # most channels are there
    others = features.compute(name, signal(noise((6, 3200)))).values
    np.testing.assert_allclose(found.values[:, :, [0, 4, 5]], others[:, :, [0, 4, 5]], rtol=1e-12)


@pytest.mark.parametrize("name", ["de", "de_lds"])
def test_released_has_no_minus_infinity(name):
    data = noise((3, 1600))
    data[1] = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = features.compute(name, signal(data), recipe="released")
    assert features.missing(found) == {"C1": 2}
    assert np.isfinite(found.values[:, :, [0, 2]]).all()


def test_a_window_without_half_of_its_channels_is_not_valid():
    data = noise((4, 2400))
    data[:3, 900] = np.nan
    data[:2, 1700] = np.nan
    for recipe in ("released", "corrected"):
        found = features.compute("psd", signal(data), recipe=recipe)
        if recipe == "corrected":
            np.testing.assert_array_equal(found.valid, [True, False, True])
        assert found.valid[2]


def test_a_stretch_that_is_not_valid_marks_its_windows_and_stays_out_of_the_smoothing():
    data = noise((2, 4000))
    valid = np.ones(4000, dtype=bool)
    valid[1650] = False
    spoilt = data.copy()
    spoilt[:, 1600:2400] *= 1e3
    found = [features.compute("de_lds", signal(d, valid=valid)) for d in (data, spoilt)]
    np.testing.assert_array_equal(found[0].valid, [True, True, False, True, True])
    np.testing.assert_array_equal(found[0].values, found[1].values)
    assert np.isnan(found[0].values[2]).all()
    assert np.isfinite(found[0].values[[0, 1, 3, 4]]).all()


def test_released_warns_away_from_200_hz():
    with pytest.warns(FeatureWarning, match="written for 200 Hz and got 128 Hz"):
        found = features.compute("psd", signal(noise((1, 2000)), rate=128.0), recipe="released")
    assert np.isfinite(found.values).all()
    with pytest.warns(FeatureWarning, match="delta is empty"):
        found = features.compute("psd", signal(noise((1, 5000)), rate=1000.0), recipe="released")
    assert np.isnan(found.values[:, 0]).all()
    assert np.isfinite(found.values[:, 1:]).all()


@pytest.mark.parametrize("name", NAMES)
def test_input_is_left_alone(name):
    data = noise()
    kept = data.copy()
    for recipe in ("released", "corrected"):
        features.compute(name, signal(data), recipe=recipe)
    np.testing.assert_array_equal(data, kept)


def test_bad_requests_are_one_clear_line():
    eeg = signal(noise())
    with pytest.raises(UnknownNameError, match="unknown feature 'dee'; did you mean"):
        features.compute("dee", eeg)
    with pytest.raises(UnknownNameError, match="option of 'de' 'window_second'; did you mean 'window_sec"):
        features.compute("de", eeg, window_second=4)
    with pytest.raises(InputError, match="recipe 'compat'; expected 'corrected' or 'released'"):
        features.compute("de", eeg, recipe="compat")
    with pytest.raises(InputError, match=r"released 'de' got the option 'method'.*recipe 'corrected'"):
        features.compute("de", eeg, recipe="released", method="welch")
    with pytest.raises(InputError, match="option 'window_seconds' of 'de' is '4'"):
        features.compute("de", eeg, window_seconds="4")
    with pytest.raises(InputError, match="method must be one of multitaper, welch, hann, got 'fft'"):
        features.compute("de", eeg, method="fft")
    with pytest.raises(InputError, match="the signal's unit is '1'; expected 'V'"):
        features.compute("de", signal(noise(), unit="1"))
    with pytest.raises(InputError, match="the rate is 64 Hz; expected at least 98 Hz"):
        features.compute("de", signal(noise(), rate=64.0), recipe="released")
    with pytest.raises(InputError, match=r"band 'gamma' is 31\.0-50\.0 Hz.*<= 32 Hz"):
        features.compute("de", signal(noise(), rate=64.0))
    with pytest.raises(
        InputError, match="was asked of a ndarray; expected a Signal, a Film, a Clip, Features or a Rec"
    ):
        features.compute("de", noise())
    with pytest.raises(InputError, match="stream and trial were given with a signal"):
        features.compute("de", eeg, trial="1")
