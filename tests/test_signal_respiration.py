"""Breaths of known times and depths; what is no breath."""

from __future__ import annotations

import numpy as np
import pytest

from mien.signal.respiration import cycles, find_breaths, phase


def belt(*, rate=50.0, seconds=120.0, frequency=0.25, noise=0.01, depth=1.0):
    time = np.arange(round(seconds * rate)) / rate
    return -depth * np.cos(2 * np.pi * frequency * time) + np.random.default_rng(0).normal(
        0, noise, len(time)
    )


@pytest.mark.parametrize("rate", [3.90625, 25.0, 250.0, 1000.0])
@pytest.mark.parametrize("frequency", [0.1, 0.25, 0.5])
def test_known_breaths(rate, frequency):
    found = find_breaths(belt(rate=rate, frequency=frequency), rate)
    edges, seconds, depths = cycles(found)
    at = np.arange(0.5, 120 * frequency) / frequency
    # the first has no beginning that was seen, the last may have no end
    assert len(at) - 2 <= len(found.peaks) <= len(at)
    near = np.abs(found.peaks[:, None] - at[None]).min(axis=1)
    # noise of 1 % on a flat top; the first and the last lie where the filter sees a reflection
    assert near[1:-1].max() < 0.02 / frequency
    assert near.max() < 0.05 / frequency
    np.testing.assert_allclose(np.median(seconds), 1 / frequency, rtol=0.02)
    # from -1 to 1; the filter takes a little at the edges of its band
    np.testing.assert_allclose(np.median(depths), 2.0, rtol=0.1)
    assert (np.diff(edges) > 0).all()
    assert (found.troughs < found.peaks).all()


def test_a_slow_wander_and_one_deep_breath_lose_no_other():
    x = belt()
    time = np.arange(len(x)) / 50
    deep = x * (1 + 5 * np.exp(-0.5 * ((time - 62) / 2) ** 2)) + 3 * np.sin(2 * np.pi * 0.01 * time)
    found = find_breaths(deep, 50.0)
    assert len(found.peaks) >= len(find_breaths(x, 50.0).peaks) - 1
    assert not found.lost.any()


def test_phase_runs_from_trough_to_peak_to_trough():
    found = find_breaths(belt(noise=0.0), 50.0)
    time = np.arange(10.0, 100.0, 0.1)
    angle = phase(found, time)
    expected = np.mod(2 * np.pi * 0.25 * time, 2 * np.pi)
    off = np.angle(np.exp(1j * (angle - expected)))
    assert np.abs(off).max() < 0.15  # the turns are whole samples of 25 Hz
    assert np.isnan(phase(found, np.array([-20.0, 200.0]))).all()
    assert np.isfinite(phase(found, np.array([0.5, 119.0]))).all()  # as the breath before and after


def test_breath_that_stops():
    x = belt()
    x[50 * 50 : 75 * 50] = x[50 * 50 :][:1] + np.random.default_rng(1).normal(0, 0.001, 25 * 50)
    found = find_breaths(x, 50.0)
    edges, seconds, _ = cycles(found)
    around = np.flatnonzero((edges[:-1] < 55) & (edges[1:] > 70))
    assert np.isnan(seconds[around]).all()
    inside = np.isnan(phase(found, np.array([60.0, 65.0])))
    assert inside.all()


@pytest.mark.parametrize(
    ("x", "fault"),
    [
        (np.zeros(6000), "stuck at one value"),
        (np.full(6000, np.nan), "no number"),
        (np.random.default_rng(0).normal(size=6000), "no breath to be seen in it"),
        (np.sin(2 * np.pi * 4 * np.arange(6000) / 50), "no breath to be seen in it"),
    ],
    ids=["zero", "nan", "noise", "fast"],
)
def test_no_breath(x, fault):
    found = find_breaths(x, 50.0)
    assert found.fault == fault
    assert found.lost.mean() > 0.9
    assert np.isfinite(cycles(found)[1]).sum() <= 1
    assert np.isnan(phase(find_breaths(np.zeros(6000), 50.0), np.arange(5.0))).all()


def test_a_belt_at_its_end():
    found = find_breaths(np.minimum(belt(frequency=0.1), 0.2), 50.0)
    assert found.fault == "clipped"
    assert 0.2 < found.lost.mean() < 0.7


def test_short_signals_and_what_is_refused():
    for n in (0, 1, 30, 90):
        assert len(find_breaths(np.zeros(n), 50.0).peaks) == 0
    with pytest.raises(ValueError, match="breath needs at least 3 Hz, got 2 Hz"):
        find_breaths(np.zeros(100), 2.0)
