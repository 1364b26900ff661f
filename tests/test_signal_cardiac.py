"""Beats at known times, intervals with known faults, and variability against formulas and NeuroKit2."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.signal import cardiac
from mien.signal.cardiac import MEASURES, Beats, find_beats, intervals, variability

R, S, T, P = (0.0, 0.012, 1e-3), (0.03, 0.012, -2e-4), (0.25, 0.04, 2.5e-4), (-0.16, 0.025, 1e-4)


def bumps(time, at, waves):
    x = np.zeros(len(time))
    for delay, width, height in waves:
        for moment in at + delay:
            x += height * np.exp(-0.5 * ((time - moment) / width) ** 2)
    return x


def ecg(at, *, seconds=60.0, rate=250.0, waves=(R, S, T, P), noise=1e-5, seed=0):
    time = np.arange(round(seconds * rate)) / rate
    return bumps(time, at, waves) + np.random.default_rng(seed).normal(0, noise, len(time))


def ppg(at, *, seconds=60.0, rate=250.0, noise=2e-5):
    time = np.arange(round(seconds * rate)) / rate
    rng = np.random.default_rng(1)
    return bumps(time, at, ((0.0, 0.09, 1e-2), (0.25, 0.1, 4e-3))) + rng.normal(0, noise, len(time))


def uneven(seconds=60.0, seed=0):
    """Beats 0.7 to 1 s apart, away from the ends."""
    steps = np.random.default_rng(seed).uniform(0.7, 1.0, 300)
    at = 0.5 + np.cumsum(steps)
    return at[at < seconds - 1]


def beats_at(times, *, rate=250.0, seconds=None, lost=None, alike=None, kind="ecg"):
    n = round((seconds or times[-1] + 1) * rate)
    return Beats(
        times=np.asarray(times, float),
        alike=np.ones(len(times)) if alike is None else np.asarray(alike, float),
        feet=np.asarray(times, float),
        heights=np.ones(len(times)),
        lost=np.zeros(n, bool) if lost is None else lost,
        rate=rate,
        kind=kind,
        fault="",
    )


@pytest.mark.parametrize("rate", [128.0, 250.0, 1000.0, 2048.0])
def test_r_peaks_at_known_times(rate):
    at = uneven()
    found = find_beats(ecg(at, rate=rate), rate, kind="ecg")
    assert len(found.times) == len(at)
    # the S wave and the filter to 30 Hz pull all R waves alike; noise moves each by far less than a sample
    np.testing.assert_allclose(found.times, at, atol=4e-3)
    np.testing.assert_allclose(np.diff(found.times), np.diff(at), atol=2.5e-3)
    assert (found.alike > 0.9).all()  # the P wave of the next beat comes sooner or later
    assert not found.lost.any()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda x, t: -x, "a lead the other way round"),
        (lambda x, t: x + 5e-3 * np.sin(2 * np.pi * 0.2 * t), "a wandering base line, five times the R wave"),
        (lambda x, t: x + 3e-4 * np.sin(2 * np.pi * 50 * t), "mains"),
        (lambda x, t: x * 1e3 + 7, "another unit and an offset"),
    ],
)
def test_beats_are_found_whatever_lies_over_them(change, why):
    at, rate = uneven(), 500.0
    time = np.arange(round(60 * rate)) / rate
    found = find_beats(change(ecg(at, rate=rate), time), rate, kind="ecg")
    assert len(found.times) == len(at), why
    np.testing.assert_allclose(np.diff(found.times), np.diff(at), atol=5e-3)  # 1 % of a short interval


def test_a_t_wave_larger_than_the_qrs_is_no_beat():
    at = uneven()
    found = find_beats(ecg(at, waves=(R, S, (0.25, 0.05, -1.2e-3))), 250.0, kind="ecg")
    assert len(found.times) == len(at)
    np.testing.assert_allclose(found.times, at, atol=0.02)  # R or S, but not 0.25 s later


def test_pulses_and_their_steepest_rise():
    at = uneven()
    found = find_beats(ppg(at), 250.0, kind="ppg")
    assert len(found.times) == len(at)
    # the second wave and the filter from 0.5 Hz pull the top by some ms, alike in all
    np.testing.assert_allclose(found.times, at, atol=0.02)
    # a Gaussian is steepest one width before its top
    np.testing.assert_allclose(found.feet, at - 0.09, atol=0.015)


def test_pulse_arrival_time_is_the_delay_that_was_put_in():
    at = uneven()
    delays = 0.25 + 0.03 * np.sin(2 * np.pi * 0.05 * at)
    heart, pulse = find_beats(ecg(at), 250.0, kind="ecg"), find_beats(ppg(at + delays), 250.0, kind="ppg")
    edges, seconds = cardiac.arrival_times(heart, pulse)
    assert np.isfinite(seconds).all()
    assert len(edges) == len(at)
    np.testing.assert_allclose(seconds, (delays - 0.09)[:-1], atol=0.015)
    # its changes are what is looked at, and the pull of the filters is the same in all
    np.testing.assert_allclose(seconds - seconds.mean(), (delays - delays[:-1].mean())[:-1], atol=4e-3)
    late = find_beats(ppg(at + 0.75), 250.0, kind="ppg")  # after 0.6 s comes the next beat's time
    assert np.nanmax(cardiac.arrival_times(heart, late)[1], initial=0) <= 0.6


def test_intervals_that_are_not_believed():
    at = np.arange(1.0, 31.0, 0.8)
    _, seconds = intervals(beats_at(np.delete(at, 10)))  # one beat not seen
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(seconds)), [9])
    _, seconds = intervals(beats_at(np.sort(np.append(at, at[10] + 0.35))))  # one too many
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(seconds)), [10, 11])
    alike = np.ones(len(at))
    alike[5] = 0.3
    _, seconds = intervals(beats_at(at, alike=alike))
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(seconds)), [4, 5])
    lost = np.zeros(32 * 250, bool)
    lost[round(9.1 * 250)] = True  # between the beats at 9.0 and 9.8 s
    _, seconds = intervals(beats_at(at, lost=lost, seconds=32))
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(seconds)), [10])
    np.testing.assert_allclose(seconds[np.isfinite(seconds)], 0.8)


def test_variability_is_what_the_formulas_say():
    at = uneven(70.0, seed=3)
    values, coverage = variability(beats_at(at, seconds=70), np.array([0.0, 30.0]), window_seconds=30.0)
    for number, start in enumerate((0.0, 30.0)):
        inside = at[(at >= start) & (at <= start + 30)]
        rr = np.diff(inside) * 1e3
        expected = (
            6e4 / rr.mean(),
            rr.std(ddof=1),
            np.sqrt((np.diff(rr) ** 2).mean()),
            (abs(np.diff(rr)) > 50).mean(),
        )
        np.testing.assert_allclose(values[number, :4], expected, rtol=1e-9)
    np.testing.assert_allclose(coverage, [1 - at[0] / 30, 1.0], atol=1e-9)


def test_variability_agrees_with_neurokit2():
    nk = pytest.importorskip("neurokit2")
    at = uneven(130.0, seed=4)
    values, _ = variability(beats_at(at, rate=1000.0, seconds=130), np.zeros(1), window_seconds=130.0)
    theirs = nk.hrv_time(np.rint(at * 1000).astype(int), sampling_rate=1000).iloc[0]
    # their peaks are whole samples of 1 ms
    np.testing.assert_allclose(values[0, 0], 6e4 / theirs["HRV_MeanNN"], rtol=1e-3)
    np.testing.assert_allclose(values[0, 1], theirs["HRV_SDNN"], rtol=0.01)
    np.testing.assert_allclose(values[0, 2], theirs["HRV_RMSSD"], rtol=0.01)
    np.testing.assert_allclose(values[0, 3], theirs["HRV_pNN50"] / 100, atol=0.03)


@pytest.mark.parametrize(("frequency", "band"), [(0.1, "lf"), (0.25, "hf")])
def test_power_of_the_intervals_is_in_its_band(frequency, band):
    at = [1.0]
    while at[-1] < 300:
        at.append(at[-1] + 0.8 + 0.04 * np.sin(2 * np.pi * frequency * at[-1]))
    values, _ = variability(beats_at(at, seconds=302), np.array([0.0, 120.0]), window_seconds=180.0)
    power = dict(zip(MEASURES, np.exp(values[1]), strict=True))
    # 40 ms sine: 800 ms2; straight lines between beats lose (pi f / 1.25)^2 / 3 twice, 25 % at 0.25 Hz
    assert 0.7 * 800 < power[band] < 1.05 * 800
    other = {"lf": "hf", "hf": "lf"}[band]
    assert power[other] < 0.05 * power[band]
    np.testing.assert_allclose(values[:, 6], values[:, 4] - values[:, 5], rtol=1e-12)


@pytest.mark.parametrize(
    ("seconds", "known"), [(10.0, []), (59.0, []), (60.0, ["hf"]), (120.0, ["lf", "hf", "lf_hf"])]
)
def test_a_band_needs_a_window_long_enough(seconds, known):
    values, _ = variability(beats_at(uneven(130.0), seconds=130), np.zeros(1), window_seconds=seconds)
    found = dict(zip(MEASURES, np.isfinite(values[0]), strict=True))
    assert [name for name in ("lf", "hf", "lf_hf") if found[name]] == known
    assert found["rate"]
    assert found["rmssd"]
    for name in ("lf", "hf", "lf_hf"):
        assert seconds >= cardiac.least_seconds(name) or not found[name]


def test_a_long_gap_has_no_band():
    at = uneven(200.0)
    values, coverage = variability(
        beats_at(at[(at < 60) | (at > 70)], seconds=200), np.array([0.0, 75.0]), window_seconds=120.0
    )
    np.testing.assert_array_equal(np.isfinite(values[:, 4]), [False, True])
    assert 0.85 < coverage[0] < 0.95  # 10 of 120 s, and what lay before the first beat
    assert np.isfinite(values[:, 0]).all()


@pytest.mark.parametrize("kind", ["ecg", "ppg"])
@pytest.mark.parametrize(
    "bad",
    [
        lambda n, rng: np.zeros(n),
        lambda n, rng: np.full(n, 0.3),
        lambda n, rng: np.full(n, np.nan),
        lambda n, rng: rng.normal(size=n),
        lambda n, rng: rng.normal(size=n).cumsum(),
        lambda n, rng: np.sin(2 * np.pi * 50 * np.arange(n) / 500) + rng.normal(0, 0.01, n),
    ],
    ids=["zero", "flat", "nan", "noise", "walk", "mains"],
)
def test_no_number_comes_from_no_heart(kind, bad):
    x = bad(30000, np.random.default_rng(0))
    found = find_beats(x, 500.0, kind=kind)
    values, coverage = variability(found, np.arange(6) * 10.0, window_seconds=10.0)
    assert (coverage < 0.7).all()
    if not np.isfinite(x).all() or np.ptp(x) == 0:
        assert found.lost.all()
        assert len(found.times) == 0
        assert np.isnan(values).all()
        assert found.fault in ("no number", "stuck at one value (lead off?)")


@pytest.mark.parametrize("kind", ["ecg", "ppg"])
def test_noise_is_never_believed(kind):
    rng = np.random.default_rng(1)
    believed = []
    for power in (0.0, 0.5, 1.0):  # white, pink, a walk
        for _ in range(5):
            spectrum = np.fft.rfft(rng.normal(size=15000))
            x = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 1) ** power)
            _, coverage = variability(
                find_beats(x, 500.0, kind=kind), np.arange(3) * 10.0, window_seconds=10.0
            )
            believed.append(coverage)
    assert np.max(believed) < 0.7


@pytest.mark.parametrize("kind", ["ecg", "ppg"])
@pytest.mark.parametrize("rate", [45, 75, 110, 150])
def test_slow_and_fast_hearts_are_believed(kind, rate):
    at = 0.5 + np.cumsum(60 / rate * np.random.default_rng(rate).uniform(0.95, 1.05, 2 * rate))
    at = at[at < 59]
    narrow = tuple((delay * 0.5, width, height) for delay, width, height in (R, S, T, P))  # room at 150
    if kind == "ecg":
        x = ecg(at, waves=narrow)
    else:
        time = np.arange(15000) / 250
        x = bumps(time, at, ((0.0, 0.06, 1e-2), (0.15, 0.06, 3e-3)))
    found = find_beats(x, 250.0, kind=kind)
    assert len(found.times) == len(at)
    values, coverage = variability(found, np.array([5.0]), window_seconds=50.0)
    assert coverage[0] > 0.97
    inside = at[(at > 5) & (at < 55)]
    np.testing.assert_allclose(values[0, 0], 60 / np.diff(inside).mean(), rtol=0.01)


def test_what_was_lost_holds_no_beat_and_spoils_nothing_else():
    at = uneven()
    x = ecg(at)
    x[20 * 250 : 30 * 250] = x[20 * 250]
    x[45 * 250 : 46 * 250] = np.nan
    found = find_beats(x, 250.0, kind="ecg")
    assert not ((found.times > 20.05) & (found.times < 29.95)).any()
    kept = at[(at < 19.5) | ((at > 30.5) & (at < 44.5)) | (at > 46.5)]
    gap = np.abs(found.times[None] - kept[:, None]).min(axis=1)
    assert (gap < 0.01).all()
    _, coverage = variability(found, np.array([5.0, 20.0, 32.0]), window_seconds=10.0)
    assert coverage[0] > 0.99
    assert coverage[1] < 0.05
    assert coverage[2] > 0.99


@settings(max_examples=15)
@given(st.floats(1e-6, 1e6), st.floats(-10, 10))
def test_scale_and_offset_change_nothing(factor, offset):
    x = ecg(uneven(20.0), seconds=20.0)
    plain = find_beats(x, 250.0, kind="ecg")
    moved = find_beats((x + offset * 1e-3) * factor, 250.0, kind="ecg")
    # parabolas of rounded numbers: far below a microsecond
    np.testing.assert_allclose(moved.times, plain.times, atol=1e-6)


def test_short_and_empty_signals_have_no_beat():
    for n in (0, 1, 10, 300):
        found = find_beats(np.zeros(n), 250.0, kind="ecg")
        assert len(found.times) == 0
        values, coverage = variability(found, np.empty(0), window_seconds=10.0)
        assert values.shape == (0, len(MEASURES))
        assert coverage.shape == (0,)


def test_what_is_refused():
    with pytest.raises(ValueError, match="beats of ecg need at least 100 Hz, got 50 Hz"):
        find_beats(np.zeros(500), 50.0, kind="ecg")
    with pytest.raises(ValueError, match=r"data must be \(times,\), got shape \(2, 500\)"):
        find_beats(np.zeros((2, 500)), 250.0, kind="ecg")
    with pytest.raises(ValueError, match="kind must be ecg or ppg, got 'eeg'"):
        find_beats(np.zeros(500), 250.0, kind="eeg")  # type: ignore[arg-type]
