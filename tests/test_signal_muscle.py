"""The envelope of muscle activity of known strength."""

from __future__ import annotations

import numpy as np
import pytest

from mien.signal.muscle import envelope


def noise(n, sd=1e-5, seed=0):
    return np.random.default_rng(seed).normal(0, sd, n)


@pytest.mark.parametrize(("rate", "width"), [(1000.0, 472.0), (2000.0, 347.0), (500.0, 222.0)])
def test_white_noise_has_the_root_of_its_share_of_the_band(rate, width):
    found = envelope(noise(round(60 * rate)), rate)
    expected = 1e-5 * np.sqrt(width / (rate / 2))
    # forwards and backwards, 1 / (1 + f^4)^2: 0.833 of the upper edge less 1.388 of the lower one is left;
    # 3 %: the filter warps frequencies, and 30000 samples are some
    np.testing.assert_allclose(np.sqrt((found.level**2).mean()), expected, rtol=0.03)
    assert found.rate == 20.0
    assert not found.lost.any()


def test_slow_movements_do_not_count():
    time = np.arange(60000) / 1000
    quiet = envelope(1e-3 * np.sin(2 * np.pi * 1.0 * time), 1000.0)
    assert quiet.level[20:-20].max() < 1e-3 * (1 / 20) ** 3  # fourth order at a twentieth of the edge


def test_a_burst_is_where_it_was():
    x = noise(60000)
    x[30000:31000] *= 10
    found = envelope(x, 1000.0)
    loud = np.flatnonzero(found.level > 3 * np.median(found.level))
    assert loud.min() == 600
    assert loud.max() == 619


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda x: x * 0, "stuck at one value"),
        (lambda x: np.where(np.arange(len(x)) < 8000, np.nan, x), "no number"),
        (lambda x: np.clip(x + 1e-4 * (np.arange(len(x)) < 8000), -1, 5e-5), "clipped"),
        (lambda x: np.where(np.arange(len(x)) % 200 < 50, 1e-4, x), "clipped"),
    ],
    ids=["zero", "nan", "at the rail", "clipped"],
)
def test_faults(damage, fault):
    found = envelope(damage(noise(20000)), 1000.0)
    assert found.fault == fault
    assert found.lost.mean() > 0.2
    assert np.isfinite(found.level).all()


def test_short_signals_and_what_is_refused():
    for n in (0, 1, 10, 60):
        assert len(envelope(noise(n), 1000.0).level) == n // 50
    with pytest.raises(ValueError, match="muscles need at least 100 Hz, got 50 Hz"):
        envelope(noise(100), 50.0)
