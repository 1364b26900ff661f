"""When frames were exposed: from a counter that wraps and stamps that are late."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _camera import MIDNIGHT, session, shot
from mien.core import InputError
from mien.timeline import FrameTimes, frame_times, marker_changes


def error(found: FrameTimes, exposed: np.ndarray) -> np.ndarray:
    """Seconds by which times are off, less what all of them are: markers take that away."""
    off = found.times - exposed
    return off - np.median(off)


def exact(
    n: int, *, rate: float = 150.0, start: float = 100.0, first: int = 990
) -> tuple[np.ndarray, np.ndarray]:
    """Stamps without any delay, and codes."""
    index = first + np.arange(n)
    return start + np.arange(n) / rate, (index - 1) % 1000 + 1


def test_stamps_without_delay_are_the_times() -> None:
    stamps, codes = exact(5000, rate=123.4)
    found = frame_times(stamps, codes)
    # nothing but rounding of a regression
    np.testing.assert_allclose(found.times, stamps, atol=1e-6)
    np.testing.assert_array_equal(found.index, 990 + np.arange(5000))
    assert found.rate == pytest.approx(123.4, rel=1e-9)
    assert (found.dropped, found.n_dropped, len(found.repeated), len(found.stretches)) == ((), 0, 0, 1)
    assert found.residual < 1e-6


def test_dropped_frames_are_found_and_frames_that_were_not_kept_are_not_among_them() -> None:
    stamps, codes = exact(6000)
    keep = np.ones(6000, dtype=bool)
    keep[[10, 500, 501, 502]] = False
    keep[3000:4500] = False  # 10 s
    found = frame_times(stamps[keep], codes[keep])
    assert found.dropped == ((1000, 1), (1490, 3))
    assert found.n_dropped == 4
    np.testing.assert_allclose(found.times, stamps[keep], atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rate=st.floats(75, 157),
    jitter=st.floats(0.005, 0.04),
    drop=st.floats(0, 0.2),
)
def test_frames_around_events_are_timed_within_half_a_frame(
    seed: int, rate: float, jitter: float, drop: float
) -> None:
    rng = np.random.default_rng(seed)
    taken = shot(rng, session(rng), rates=(rate,), jitter=jitter, drop=drop)
    found = frame_times(taken.stamps, taken.codes)
    assert np.abs(error(found, taken.exposed)).max() < 0.5 / rate
    assert len(np.unique(found.index - taken.index)) == 1
    assert found.rate == pytest.approx(rate, rel=1e-4)
    # the delay is at least 5 ms; of an exponential one 5 % lie below a twentieth of its mean
    assert np.median(found.times - taken.exposed) == pytest.approx(0.005 + 0.05 * jitter, abs=0.003)
    # stored neighbours, less than a quarter of a second apart, between which the counter skips
    order = np.argsort(taken.index)
    step, gap = np.diff(taken.index[order]), np.diff(taken.exposed[order])
    assert found.n_dropped == (step[gap <= 0.249] - 1).sum() or (np.abs(gap - 0.25) < 0.002).any()


@pytest.mark.parametrize("rates", [(110.0, 145.0), (145.0, 147.0), (150.0, 75.0, 150.0)])
@pytest.mark.parametrize(("everything", "seed"), [(False, 0), (False, 1), (True, 0)])
def test_a_rate_that_changes(rates: tuple[float, ...], everything: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    taken = shot(rng, session(rng, 30), rates=rates, everything=everything, bursts=80)
    found = frame_times(taken.stamps, taken.codes)
    assert [s.rate for s in found.stretches] == pytest.approx(rates, rel=1e-3)
    off = np.abs(error(found, taken.exposed))
    # a few frames next to the change may be taken for ones of the other side while the lines are hardly apart
    assert np.mean(off < 0.5 / max(rates)) > 0.99
    assert off.max() < 0.02
    assert (np.diff(found.times[np.argsort(taken.index)]) > 0).all()


def test_a_clock_that_was_set_in_between() -> None:
    rng = np.random.default_rng(2)
    taken = shot(rng, session(rng, 20), glitch=0.7, bursts=60)
    found = frame_times(taken.stamps, taken.codes)
    # by the clock of the stamps, the second half is later: that is what it says, and markers would show it
    assert len(found.stretches) == 2
    half = taken.exposed > np.mean([found.stretches[0].stop, found.stretches[1].start])
    off = found.times - taken.exposed
    assert np.median(off[half]) - np.median(off[~half]) == pytest.approx(0.7, abs=0.003)
    assert np.abs(off[half] - np.median(off[half])).max() < 0.5 / 140


def test_a_few_stamps_that_are_very_late_change_nothing() -> None:
    rng = np.random.default_rng(3)
    taken = shot(rng, session(rng))
    late = taken.stamps.copy()
    # a few single frames in bursts, and all four around one trigger
    late[rng.permutation(len(late))[:5]] += 1.0
    alone = np.flatnonzero(np.diff(taken.stamps) > 2)[5] + 1
    late[alone : alone + 4] += 0.3
    found = frame_times(late, taken.codes)
    assert np.abs(error(found, taken.exposed)).max() < 0.5 / 140
    assert len(found.stretches) == 1


def test_a_camera_that_was_started_again() -> None:
    """Its counter begins anew: the two parts are known by their stamps alone."""
    rng = np.random.default_rng(7)
    parts = [shot(rng, session(rng, 8)), shot(rng, session(rng, 8))]
    later = 2000.0
    stamps = np.append(parts[0].stamps, parts[1].stamps + later)
    exposed = np.append(parts[0].exposed, parts[1].exposed + later)
    found = frame_times(stamps, np.append(parts[0].codes, parts[1].codes))
    assert np.abs(error(found, exposed)).max() < 0.5 / 140
    assert (np.diff(found.index[np.argsort(exposed)]) > 0).all()


def test_the_order_of_frames_does_not_matter() -> None:
    rng = np.random.default_rng(4)
    taken = shot(rng, session(rng))
    stamps, unique = np.unique(taken.stamps, return_index=True)  # of equal stamps the order would matter
    codes = taken.codes[unique]
    mixed = rng.permutation(len(stamps))
    found, again = frame_times(stamps, codes), frame_times(stamps[mixed], codes[mixed])
    np.testing.assert_allclose(found.times[mixed], again.times, atol=1e-9)
    np.testing.assert_array_equal(found.index[mixed], again.index)
    assert found.dropped == again.dropped


def test_another_counter_and_another_camera() -> None:
    index = 5 + np.arange(900) + (np.arange(900) > 400) * 30_000
    seconds = 7.0 + index / 30
    found = frame_times(seconds, index, wrap=None, nominal=30.0)
    np.testing.assert_array_equal(found.index, index)
    np.testing.assert_allclose(found.times, seconds, atol=1e-6)
    found = frame_times(seconds, index % 256, wrap=256, nominal=30.0)
    np.testing.assert_allclose(found.times, seconds, atol=1e-6)
    assert len(np.unique(found.index - index)) == 1


def test_few_frames() -> None:
    one = frame_times([12.5], [7])
    assert (one.times.tolist(), one.index.tolist(), one.rate) == ([12.5], [7], 150.0)
    stamps, codes = exact(3)
    assert frame_times(stamps, codes).times == pytest.approx(stamps, abs=1e-9)
    # a trigger's four frames alone: the nominal rate
    stamps, codes = exact(4, rate=140.0)
    assert np.diff(frame_times(stamps, codes).times) == pytest.approx(1 / 150)


def test_a_frame_that_is_there_twice() -> None:
    stamps, codes = exact(300)
    found = frame_times(np.append(stamps, stamps[50] + 0.001), np.append(codes, codes[50]))
    assert len(found.repeated) == 1
    assert found.repeated[0] in (50, 300)
    assert found.times[300] == pytest.approx(found.times[50], abs=1e-9)


@pytest.mark.parametrize(
    ("stamps", "codes", "options", "message"),
    [
        ([], [], {}, "expected two equal numbers, at least one"),
        ([1.0, 2.0], [1], {}, r"\(2,\) stamps and \(1,\) codes"),
        ([1.0, np.nan], [1, 2], {}, "are no numbers"),
        ([1.0, 2.0], [1, 2.5], {}, "are no numbers"),
        ([1.0, 2.0], [1, 1001], {}, "codes of frames from 1 to 1001, .* expected codes from 0 or 1 to 1000"),
        ([1.0, 2.0], [1, 2], {"nominal": 0.0}, "0 frames per second"),
    ],
)
def test_what_is_no_counter(stamps: list[float], codes: list[float], options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        frame_times(stamps, codes, **options)


def test_stamps_and_counter_that_have_nothing_to_do_with_one_another() -> None:
    rng = np.random.default_rng(5)
    stamps = np.sort(rng.uniform(0, 600, size=4000))
    with pytest.raises(InputError, match=r"stamps of frames scatter by .* expected at most 0.1 s\. Check"):
        frame_times(stamps, rng.integers(1, 1001, size=4000))


# -- changes of the marker -----------------------------------------------------------------------------------


def test_changes_of_the_marker() -> None:
    times = 100 + np.arange(10) / 100
    found = marker_changes(times, [100, 100, 101, 101, 101, 0, 0, 100, 100, 100])
    assert [(e.value, e.kind, e.clock) for e in found] == [
        (101, "marker", "camera"),
        (100, "marker", "camera"),
    ]
    assert [e.span.start for e in found] == pytest.approx([100.015, 100.065])
    assert all(e.span.duration == 0 and e.notes["uncertainty"] == pytest.approx(0.005) for e in found)


def test_a_change_that_no_frame_is_near_to_is_left_out() -> None:
    times = [0.0, 0.01, 1.0, 1.01]
    assert marker_changes(times, [100, 100, 101, 100])[0].value == 100
    assert [e.value for e in marker_changes(times, [100, 100, 101, 101], uncertainty=0.6)] == [101]
    assert marker_changes(times, [100, 100, 101, 101]) == ()
    assert marker_changes([], []) == ()
    with pytest.raises(InputError, match="as many of one as of the other"):
        marker_changes([1.0], [])


def test_the_camera_saw_every_trigger() -> None:
    rng = np.random.default_rng(6)
    given = session(rng)
    taken = shot(rng, given)
    times = frame_times(taken.stamps, taken.codes).times
    found = marker_changes(times, taken.markers)
    assert [e.value for e in found] == given.codes.tolist()
    off = np.array([e.span.start for e in found]) - given.times - MIDNIGHT
    # half a frame, and what the line is off by
    assert np.abs(off - np.median(off)).max() < 1 / 140
    assert all(e.notes["uncertainty"] <= 0.51 / 140 for e in found)
