"""Level and slope of a temperature that is known, and a sensor that is not on skin."""

from __future__ import annotations

import numpy as np
import pytest

from mien.signal.temperature import level_and_slope, skin_temperature


def ramp(*, rate=100.0, seconds=60.0, slope=0.01, noise=0.0):
    time = np.arange(round(seconds * rate)) / rate
    return 305.0 + slope * time + np.random.default_rng(0).normal(0, noise, len(time))


@pytest.mark.parametrize("rate", [4.0, 100.0, 1000.0])
@pytest.mark.parametrize("slope", [-0.02, 0.0, 0.01])
def test_a_straight_line(rate, slope):
    found = skin_temperature(ramp(rate=rate, slope=slope, noise=1e-4), rate)
    starts = np.arange(6) * 10.0
    level, rise, share = level_and_slope(found, starts, starts + 10)
    # 50 samples of noise of 0.1 mK behind a filter, half a sample of 0.2 s at either end
    np.testing.assert_allclose(level, 305 + slope * (starts + 5), atol=0.005)
    np.testing.assert_allclose(rise, slope, atol=1e-4)
    np.testing.assert_array_equal(share, 1.0)
    assert not found.lost.any()
    assert found.fault == ""


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda x: np.where(np.arange(len(x)) > 4000, 0.0, x), "below 15 degrees Celsius"),
        (lambda x: np.where(np.arange(len(x)) > 4000, np.nan, x), "no number"),
        (lambda x: np.where(np.arange(len(x)) > 4000, 320.0, x), "above 42 degrees Celsius"),
        (lambda x: x - 273.15, "below 15 degrees Celsius"),
        (lambda x: x + np.where(np.arange(len(x)) > 4000, -4.0, 0), "changes faster than skin does"),
    ],
    ids=["no signal", "nan", "hot", "in degrees Celsius", "fell off"],
)
def test_a_sensor_that_is_not_on_skin(damage, fault):
    found = skin_temperature(damage(ramp(noise=1e-3)), 100.0)
    assert fault in found.fault
    level, slope, share = level_and_slope(found, np.array([38.0]), np.array([42.0]))
    assert share[0] < 0.7
    assert np.isfinite(found.level).all()
    if fault == "no number":
        level, slope, share = level_and_slope(found, np.array([50.0]), np.array([60.0]))
        assert np.isnan([level[0], slope[0]]).all()
        assert share[0] == 0


def test_a_steady_temperature_of_a_coarse_converter_is_fine_but_not_for_minutes():
    assert not skin_temperature(np.full(5000, 305.0), 100.0).lost.any()
    stuck = skin_temperature(np.full(7000, 305.0), 100.0)
    assert stuck.lost.all()
    assert stuck.fault == "stuck at one value"


def test_short_signals():
    for n in (0, 1, 5):
        found = skin_temperature(np.full(n, 305.0), 100.0)
        level, slope, share = level_and_slope(found, np.zeros(1), np.ones(1))
        assert np.isnan(slope).all()
        assert len(level) == len(share) == 1
