"""Pieces of a course around events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core import InputError
from mien.signal.event_locked import event_locked


def test_a_straight_line_stays_one() -> None:
    times = np.array([0.0, 1.0, 2.5, 3.0, 5.0, 6.0, 8.0])
    pieces, lags = event_locked(
        times, 2 * times + 1, [3.0, 4.1], window=(-1, 2), rate=4, baseline=None, gap=3
    )
    assert lags.tolist() == (np.arange(-4, 9) / 4).tolist()
    np.testing.assert_allclose(pieces, 2 * (np.array([[3.0], [4.1]]) + lags) + 1, rtol=1e-12)


def test_the_baseline_is_taken_off() -> None:
    times = np.arange(20.0)
    pieces, lags = event_locked(times, times**2, [8.0, 10.0], window=(-2, 2), rate=1, baseline=(-2, -1))
    assert lags.tolist() == [-2, -1, 0, 1, 2]
    # of 8: 36 and 49 are the baseline, 42.5 their mean
    np.testing.assert_allclose(pieces[0], np.array([36, 49, 64, 81, 100]) - 42.5)


def test_holes_are_not_bridged() -> None:
    times = np.array([0.0, 1.0, 2.0, 3.0, 9.0, 10.0, 11.0])
    values = np.array([0.0, 1.0, np.nan, 3.0, 9.0, 10.0, 11.0])
    (piece,), lags = event_locked(times, values, [5.0], window=(-6, 7), rate=2, baseline=None)
    there = lags[np.isfinite(piece)] + 5
    # nothing before 0 or after 11, nothing beside the NaN but the values themselves, nothing from 3 to 9
    assert there.tolist() == [0, 0.5, 1, 3, 9, 9.5, 10, 10.5, 11]
    np.testing.assert_allclose(piece[np.isfinite(piece)], there)


def test_an_event_whose_baseline_is_missing_has_no_values() -> None:
    times = np.arange(0.0, 10.0)
    pieces, _ = event_locked(times, times, [1.0, 5.0], window=(-3, 2), rate=1, baseline=(-3, -2))
    assert np.isnan(pieces[0]).all()
    assert np.isfinite(pieces[1]).all()


def test_courses_of_no_or_one_value() -> None:
    assert np.isnan(event_locked([], [], [1.0], baseline=None)[0]).all()
    (piece,), lags = event_locked([1.0], [7.0], [1.0], baseline=None)
    assert piece[lags == 0].tolist() == [7.0]
    assert np.isfinite(piece).sum() == 1
    assert event_locked([1.0, 2.0], [7.0, 8.0], [])[0].shape == (0, 41)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-1e4, 1e4))
def test_only_the_distance_to_the_event_counts(seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.1, 1.5, size=60))
    values, events = rng.normal(size=60), rng.uniform(5, 30, size=4)
    one, _ = event_locked(times, values, events)
    other, _ = event_locked(times + shift, values, events + shift)
    # shifted times have fewer digits left: 1e-12 s of 1e4 s, times slopes of up to 40 per second
    np.testing.assert_allclose(one, other, atol=1e-8)
    scaled, _ = event_locked(times, 3 * values + 5, events)
    np.testing.assert_allclose(scaled, 3 * one, atol=1e-10)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([0.0, 1.0], [1.0], [0.0]), {}, "as many times as values"),
        (([0.0, 0.0], [1.0, 2.0], [0.0]), {}, "do not increase"),
        (([0.0, np.nan], [1.0, 2.0], [0.0]), {}, "do not increase"),
        (([0.0, 1.0], [1.0, 2.0], [0.0]), {"window": (2, 1)}, "a window from 2 to 1 s"),
        (([0.0, 1.0], [1.0, 2.0], [0.0]), {"rate": 0.0}, "0 values per second"),
        (([0.0, 1.0], [1.0, 2.0], [0.0]), {"baseline": (-9, -8)}, "baseline from -9 to -8 s"),
    ],
)
def test_what_cannot_be_cut(arguments: tuple, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        event_locked(*arguments, **options)
