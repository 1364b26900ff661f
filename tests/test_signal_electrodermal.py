"""Skin conductance made of known bursts, taken apart again; faults; NeuroKit2's filter."""

from __future__ import annotations

import numpy as np
import pytest

from mien.signal.electrodermal import FALL, LEAST_RISE, RANGE, RISE, find_responses, take_apart

BURSTS = np.array([12.0, 20.0, 31.0, 45.0, 52.0, 70.0])
SIZES = np.array([0.5, 0.2, 0.8, 0.3, 0.6, 0.4]) * 1e-6


def response(time, at, size):
    """What one burst of nerves makes of the skin: area ``size`` times the difference of the constants."""
    t = np.maximum(time - at, 0)
    return size * (np.exp(-t / FALL) - np.exp(-t / RISE))


def made(*, rate=50.0, seconds=90.0, level=5e-6, drift=5e-9, noise=0.0, bursts=BURSTS, sizes=SIZES):
    time = np.arange(round(seconds * rate)) / rate
    x = level + drift * time + sum(response(time, at, size) for at, size in zip(bursts, sizes, strict=True))
    return x + np.random.default_rng(0).normal(0, noise, len(time)) if noise else x


@pytest.mark.parametrize("rate", [20.0, 250.0, 1000.0, 2048.0])
def test_bursts_are_found_with_their_times_and_sizes(rate):
    parts = take_apart(made(rate=rate, noise=1e-9), rate)
    found = find_responses(parts)
    assert len(found.onsets) == len(BURSTS)
    # below 1 Hz an onset looks rounder and earlier, by up to 0.4 s
    np.testing.assert_allclose(found.onsets, BURSTS, atol=0.4)
    # one response peaks at 0.347 of its size, 1.18 s after the burst; the two filters take a few per cent
    assert (np.abs(found.amplitudes / (0.347 * SIZES) - 1) < 0.1).all()
    assert (found.peaks > found.onsets).all()
    assert not parts.lost.any()
    assert parts.fault == ""


def test_the_parts_add_up():
    parts = take_apart(made(drift=0.0, noise=1e-10), 50.0)
    np.testing.assert_allclose(parts.tonic + parts.phasic, parts.level, rtol=1e-12)
    # a response is faster than 0.05 Hz: little of it is left in the tonic part
    assert np.ptp(parts.tonic) < 0.65 * np.ptp(parts.level)
    assert abs(parts.phasic.mean()) < 0.01 * np.ptp(parts.phasic)


def test_the_drive_is_a_short_peak_at_each_burst():
    parts = take_apart(made(noise=2e-10), 50.0)
    assert (parts.drive >= 0).all()
    for at, size in zip(BURSTS, SIZES, strict=True):
        near = slice(round((at - 1) * parts.rate), round((at + 1) * parts.rate))
        part = parts.drive[near]
        assert abs((near.start + part.argmax()) / parts.rate - at) < 0.15  # the Gaussian has 0.2 s
        # the area of the drive is (FALL - RISE) times the size; the slow filter takes some
        area = part.sum() / parts.rate
        assert 0.6 < area / (size * (FALL - RISE)) < 1.1
    silent = parts.drive[58 * 25 : 68 * 25]
    assert silent.mean() < 0.02 * parts.drive.max()


def test_what_counts_is_absolute():
    alone = find_responses(take_apart(made(bursts=[30.0], sizes=[1e-7]), 50.0))
    beside = find_responses(take_apart(made(bursts=[30.0, 60.0], sizes=[1e-7, 8e-6]), 50.0))
    assert len(alone.onsets) == 1
    assert len(beside.onsets) == 2  # a tenth of the largest would lose the small one
    none = find_responses(take_apart(made(bursts=[30.0], sizes=[1e-7]), 50.0), least=1e-7)
    assert len(none.onsets) == 0
    assert len(find_responses(take_apart(made(bursts=[], sizes=[], noise=LEAST_RISE / 20), 50.0)).onsets) == 0


def test_tonic_and_phasic_are_neurokit2s():
    nk = pytest.importorskip("neurokit2")
    x = made(rate=25.0, seconds=120.0, noise=1e-9)
    theirs = nk.eda_phasic(
        nk.signal_filter(x, 25, highcut=3, method="butterworth", order=4), sampling_rate=25
    )
    parts = take_apart(x, 25.0)
    middle = slice(25 * 25, 95 * 25)  # the ends differ by how the signal is reflected
    for ours, name in ((parts.phasic, "EDA_Phasic"), (parts.tonic, "EDA_Tonic")):
        off = np.abs(ours - theirs[name].to_numpy())[middle].max()
        assert off < 0.01 * np.ptp(parts.phasic)


@pytest.mark.parametrize(
    ("damage", "from_to", "fault"),
    [
        (lambda x: np.minimum(x, 5.3e-6), None, "saturated or stuck at one value"),
        (lambda x: np.where(np.arange(len(x)) > 3000, 9e-6, x), (60, 90), "saturated or stuck at one value"),
        (lambda x: np.where(np.arange(len(x)) > 3000, 1e-9, x), (61, 90), "below 0.05 uS"),
        (lambda x: np.where(np.arange(len(x)) > 3000, 2e-4 + x, x), (61, 90), "above 100 uS"),
        (lambda x: np.where(np.arange(len(x)) > 3000, np.nan, x), (61, 90), "no number"),
    ],
    ids=["top cut off", "stuck", "electrode off", "out of range", "nan"],
)
def test_faults_are_marked_and_told(damage, from_to, fault):
    x = made(drift=2e-8)
    parts = take_apart(damage(x), 50.0)
    assert fault in parts.fault
    assert np.isfinite(parts.phasic).all()
    assert np.isfinite(parts.drive).all()
    if from_to is None:
        assert 0.2 < parts.lost.mean() < 1
    else:
        first, last = (round(s * parts.rate) for s in from_to)
        assert parts.lost[first:last].all()
        assert not parts.lost[: first - round(3 * parts.rate)].any()
    found = find_responses(parts)
    at = np.rint(found.onsets * parts.rate).astype(int)
    assert not parts.lost[at].any()


def test_steps_that_skin_cannot_make():
    x = made()
    x[2000:] += 5e-6
    parts = take_apart(x, 50.0)
    assert parts.fault == "changes faster than skin does"
    step = round(40 * parts.rate)
    assert parts.lost[step - 5 : step + 5].all()
    assert parts.lost.mean() < 0.05


@pytest.mark.parametrize("value", [0.0, 5e-6, np.nan])
def test_a_dead_channel_is_lost_all_through(value):
    parts = take_apart(np.full(3000, value), 50.0)
    assert parts.lost.all()
    assert len(find_responses(parts).onsets) == 0


def test_a_real_plateau_of_a_coarse_converter_is_not_saturation():
    x = np.round(made(drift=5e-9) / 5e-9) * 5e-9  # steps of 0.005 uS: a top of many equal samples
    assert take_apart(x, 50.0).lost.mean() < 0.02


def test_short_signals_and_what_is_refused():
    for n in (0, 1, 2, 60):
        parts = take_apart(np.full(n, 5e-6), 50.0)
        assert len(parts.level) == len(parts.lost)
        assert len(find_responses(parts).onsets) == 0
    with pytest.raises(ValueError, match="skin conductance needs at least 4 Hz, got 1 Hz"):
        take_apart(np.zeros(100), 1.0)
    assert RANGE[0] < 1e-6 < RANGE[1]
