"""Markers of two devices: which are the same, and what they say about the clocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core import InputError
from mien.timeline import fit_clock, match_markers, to_device, to_recording


def session(rng: np.random.Generator, n_clips: int = 20) -> np.ndarray:
    """Starts and ends of clips of 2 to 5 minutes with breaks of 10 to 20 s."""
    return np.cumsum(rng.uniform([10, 120], [20, 300], size=(n_clips, 2)).ravel())


@pytest.mark.parametrize("drift", [0.0, 5e-5, -2e-4])
def test_exact_markers_give_the_exact_clock(drift: float) -> None:
    device = session(np.random.default_rng(0))
    clock = fit_clock(12.5 + (1 + drift) * device, device)
    # times of up to 7000 s with 16 digits
    assert clock.offset == pytest.approx(12.5, abs=1e-9)
    assert clock.drift == pytest.approx(drift, abs=1e-12)
    assert clock.residual == pytest.approx(0, abs=1e-9)
    assert clock.n_markers == 40


def test_one_marker_in_four_wrong_by_minutes_changes_little() -> None:
    rng = np.random.default_rng(1)
    device = session(rng)
    reference = 3.0 + (1 + 1e-4) * device + rng.uniform(-0.005, 0.005, size=40)
    reference[rng.permutation(40)[:10]] += rng.uniform(10, 300, size=10)
    clock = fit_clock(reference, device)
    # jitter of 5 ms over a session of 4000 s: 1 ppm and 5 ms; the wrong ones shift the medians within it
    assert clock.drift == pytest.approx(1e-4, abs=2e-6)
    assert to_recording(2000, clock) == pytest.approx(3 + 2000.2, abs=0.005)
    assert clock.residual < 0.005


def test_few_markers_give_an_offset_only() -> None:
    clock = fit_clock([10.0, 20.01, 30.0], [0.0, 10.0, 20.0])
    assert (clock.offset, clock.drift, clock.n_markers) == (10.0, 0.0, 3)
    assert fit_clock([5.0], [2.0]).offset == 3.0
    four = fit_clock([10.0, 20.1, 30.2, 40.3], [0.0, 10.0, 20.0, 30.0])
    assert four.drift == pytest.approx(0.01)
    assert fit_clock([10.0, 20.1, 30.2, 40.3], [0.0, 10.0, 20.0, 30.0], drift=False).drift == 0


def test_fit_without_markers() -> None:
    for reference, device in (([], []), ([1.0], []), ([[1.0]], [[1.0]])):
        with pytest.raises(InputError, match="times of markers"):
            fit_clock(reference, device)


def test_there_and_back() -> None:
    clock = fit_clock(np.array([10.0, 20.1, 30.2, 40.3]), np.array([0.0, 10.0, 20.0, 30.0]))
    assert to_device(to_recording(12.3, clock), clock) == pytest.approx(12.3, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    offset=st.floats(-4000, 4000),
    ppm=st.floats(-200, 200),
    lost=st.tuples(st.integers(0, 8), st.integers(0, 8)),
    doubled=st.integers(0, 4),
    values=st.booleans(),
)
def test_partners_are_found_whatever_was_lost_or_doubled(
    seed: int, offset: float, ppm: float, lost: tuple[int, int], doubled: int, values: bool
) -> None:
    rng = np.random.default_rng(seed)
    true = session(rng)
    codes = np.tile([1, 2], 20)
    in_reference = np.sort(rng.permutation(40)[lost[0] :])
    in_device = np.sort(rng.permutation(40)[lost[1] :])
    double = rng.permutation(len(in_device))[:doubled]
    in_device = np.sort(np.concatenate([in_device, in_device[double]]))
    reference = true[in_reference]
    device = (true[in_device] - offset) / (1 + ppm * 1e-6) + rng.uniform(-0.01, 0.01, size=len(in_device))
    said = {
        "reference_values": codes[in_reference].tolist(),
        "device_values": codes[in_device].tolist(),
    }
    a, b = match_markers(reference, device, **(said if values else {}))
    np.testing.assert_array_equal(in_reference[a], in_device[b])
    both = set(in_reference) & set(in_device)
    assert len(a) == len(set(a)) == len(both)


def test_values_decide_where_they_are_shared_and_are_passed_over_where_not() -> None:
    times = np.array([0.0, 10.0, 25.0, 45.0])
    options = {"reference_values": [1, 2, 3, 4]}
    a, b = match_markers(times, times + 7, device_values=[1, 2, 9, 4], **options)
    assert (a.tolist(), b.tolist()) == ([0, 1, 3], [0, 1, 3])
    a, _ = match_markers(times, times + 7, device_values=["x"] * 4, **options)
    assert a.tolist() == [0, 1, 2, 3]


def test_evenly_spaced_markers_of_which_one_was_lost_are_refused() -> None:
    times = np.arange(0, 100, 10.0)
    with pytest.raises(InputError, match=r"agree as well with an offset of .* s as with .* \(9 pairs each\)"):
        match_markers(times, times[:-1])
    # none lost: only one offset pairs all ten
    assert match_markers(times, times + 3)[0].tolist() == list(range(10))
    # values that tell them apart
    said = {"reference_values": range(10), "device_values": range(9)}
    assert match_markers(times, times[:-1], **said)[1].tolist() == list(range(9))


def test_nothing_to_match() -> None:
    for reference, device in (([], []), ([1.0], []), ([], [1.0])):
        assert [len(x) for x in match_markers(reference, device)] == [0, 0]
