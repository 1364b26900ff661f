"""Segments of EEG: the samples as they are, and the published scramble index by index."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from mne.filter import filter_data

from mien import features
from mien.core import InputError, Signal
from mien.features._released_segments import _filtered, _taken_apart_and_put_together, scrambled

N = 7680
"""Samples of a minute at 128 Hz."""


def wander(n=N, *, channels=32, seed=0, rate=128.0, **more):
    """Mixed sources that change slowly, as EEG does, 10 µV strong."""
    rng = np.random.default_rng(seed)
    sources = rng.laplace(size=(channels, n))
    for lag in (1, 2, 3):  # neighbours alike
        sources[:, lag:] += sources[:, :-lag]
    data = rng.normal(size=(channels, channels)) @ sources
    data *= 1e-5 / data.std()
    return Signal(data=data, rate=rate, channels=tuple(f"E{i}" for i in range(channels)), **more)


def released(signal, **options):
    return features.compute("segments", signal, recipe="released", **options)


# --- corrected


def test_segments_are_the_samples_in_microvolts():
    signal = wander(1300, channels=3, start=9.0)
    found = features.compute("segments", signal)
    assert found.values.shape == (3, 3, 384)
    assert list(found.axes) == ["window", "channel", "time"]
    assert found.axes["channel"] == ("E0", "E1", "E2")
    assert found.axes["time"][:2] == ("0", "1")
    np.testing.assert_array_equal(found.starts, [9.0, 12.0, 15.0])
    for window in range(3):
        part = signal.data[:, 384 * window : 384 * window + 384]
        np.testing.assert_allclose(found.values[window], 1e6 * part, rtol=1e-15)


def test_segments_may_overlap():
    signal = wander(1024, channels=2)
    found = features.compute("segments", signal, window_seconds=2.0, stride_seconds=0.5)
    assert found.values.shape == (13, 2, 256)
    np.testing.assert_array_equal(found.values[0, :, 64:], found.values[1, :, :-64])
    assert features.compute("segments", signal, window_seconds=9.0).values.shape == (0, 2, 1152)


def test_dead_and_lost_channels_are_not_a_number():
    signal = wander(1152, channels=3)
    signal.data[0, :384] = 2e-6  # flat in the first
    signal.data[1, 800] = np.nan
    signal.data[2, 801] = np.inf
    found = features.compute("segments", signal)
    lost = np.isnan(found.values)
    np.testing.assert_array_equal(lost.all(axis=2), [[True, False, False], [False] * 3, [False, True, True]])
    np.testing.assert_array_equal(lost.any(axis=2), lost.all(axis=2))
    np.testing.assert_array_equal(found.valid, [True, True, False])
    assert features.missing(found) == {"E0": 1, "E1": 1, "E2": 1}


def test_nothing_is_written_into_the_signal():
    signal = wander(1152, channels=2)
    signal.data[0] = 0.0
    before = signal.data.copy()
    features.compute("segments", signal)
    np.testing.assert_array_equal(signal.data, before)


@pytest.mark.parametrize("recipe", ["corrected", "released"])
def test_the_unit_is_volts(recipe):
    data = np.ones((32, 384))
    names = tuple(map(str, range(32)))
    with pytest.raises(InputError, match=r"the signal's unit is 'mixed'; expected 'V'"):
        features.compute(
            "segments", Signal(data=data, rate=128.0, channels=names, unit="mixed"), recipe=recipe
        )


# --- released


def test_where_each_value_comes_from():
    index = np.arange(32 * N).reshape(32, N)
    mixed = scrambled(index)
    assert mixed.shape == (32, N)
    channel, sample = np.divmod(mixed, N)
    for r in range(N):
        for j in (0, 1, 13, 31):
            assert (channel[j, r], sample[j, r]) == (r // 240, (r % 240) * 32 + j)
    # a "segment" of 384 is 1.6 channels: the first is all of channel 0 and 60 % of channel 1
    count = np.bincount(channel[:, :384].ravel())
    np.testing.assert_array_equal(count, [N, 0.6 * N])


@pytest.mark.parametrize("n", [384, 768, 3840])
def test_other_lengths_follow_the_flat_index(n):
    channel, sample = np.divmod(scrambled(np.arange(32 * n).reshape(32, n)), n)
    r, j = np.meshgrid(np.arange(n), np.arange(32))
    k = 32 * r + j
    np.testing.assert_array_equal(channel, k // n)
    np.testing.assert_array_equal(sample, k % n)


def test_the_whole_recipe_without_its_ica():
    signal = wander(start=4.0)
    found = released(signal, ica=False)
    assert found.values.shape == (20, 32, 384)
    assert found.axes["channel"] == tuple(f"p{j}" for j in range(32))
    np.testing.assert_array_equal(found.starts, 4.0 + 3.0 * np.arange(20))
    assert set(found.durations) == {3.0}
    pseudo = np.empty((32, N))
    for j in range(32):
        for r in range(N):
            pseudo[j, r] = 1e6 * signal.data[r // 240, (r % 240) * 32 + j]
    pseudo = filter_data(pseudo, 128.0, 1.0, 50.0, verbose="error")
    for window in (0, 7, 19):
        part = pseudo[:, 384 * window : 384 * window + 384]
        np.testing.assert_allclose(found.values[window], part, rtol=1e-12, atol=1e-12)


def test_a_segment_sees_the_whole_minute():
    plain = wander()
    late = wander()
    late.data[0, 6400] += 1e-4  # 50 s into the trial
    changed = released(plain, ica=False).values != released(late, ica=False).values
    assert changed[0].any()  # of 0 to 3 s
    assert not changed[10:].any()
    right = features.compute("segments", plain).values != features.compute("segments", late).values
    np.testing.assert_array_equal(np.flatnonzero(right.any(axis=(1, 2))), [16])
    about = features.info("segments")
    assert (about.reach("corrected"), about.reach("released")) == ("window", "trial")


def check_that_the_ica_is_idle(signal):
    with_it, without = released(signal).values, released(signal, ica=False).values
    assert np.abs(without).max() > 1
    # µV; unmixing and mixing with matrices of 32 by 32 that are each other's inverse to some 1e-13
    np.testing.assert_allclose(with_it, without, atol=1e-9)


def test_the_ica_changes_nothing_where_the_electrodes_have_rank_31():
    signal = wander()
    average = signal.data - signal.data.mean(axis=0)
    assert np.linalg.matrix_rank(average) == 31
    referenced = Signal(data=average, rate=128.0, channels=signal.channels)
    # neighbouring samples stand for electrodes, and those do not sum to zero
    assert np.linalg.matrix_rank(scrambled(average)) == 32
    check_that_the_ica_is_idle(referenced)


def test_the_ica_changes_nothing():
    check_that_the_ica_is_idle(wander(seed=1))


@pytest.mark.slow
def test_in_the_right_order_the_ica_would_not_be_idle():
    # the average reference leaves rank 31: one of 32 components is divided by a variance of rounding errors
    data = 1e6 * wander(1152).data
    data = _filtered(data - data.mean(axis=0))
    assert np.std(_taken_apart_and_put_together(data.copy())) < 0.5 * np.std(data)


def test_no_signal_gives_no_segments():
    nothing = wander(384)
    empty = Signal(data=nothing.data[:, :0], rate=128.0, channels=nothing.channels)
    assert released(empty).values.shape == (0, 32, 384)


@pytest.mark.parametrize(
    ("signal", "found"),
    [
        (wander(384, channels=31), "31 channels of 384 samples"),
        (wander(7650), "32 channels of 7650 samples"),
        (wander(300), "32 channels of 300 samples"),
    ],
)
def test_what_the_published_code_cannot_cut(signal, found):
    with pytest.raises(InputError, match=f"{found}; expected 32 channels and a multiple of 384 samples"):
        released(signal)


def test_values_that_are_not_finite_are_refused():
    signal = wander(384)
    signal.data[3, 5] = np.nan
    with pytest.raises(InputError, match=r"values that are not finite.*recipe 'corrected'"):
        released(signal)


def test_another_rate_is_a_warning():
    with pytest.warns(features.FeatureWarning, match="written for 128 Hz and got 256 Hz"):
        found = released(wander(768, rate=256.0), ica=False)
    np.testing.assert_array_equal(found.starts, [0.0, 1.5])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        released(wander(768), ica=False)
