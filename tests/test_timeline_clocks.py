"""Markers of two devices: which are the same, and what they say about the clocks."""

from __future__ import annotations

import itertools
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core import Clock, InputError
from mien.timeline import clocks, fit_clock, match_markers, to_device, to_recording


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


def ends(clock: Clock, true: Clock, times: np.ndarray) -> float:
    return max(abs(to_recording(t, clock) - to_recording(t, true)) for t in (times[0], times[-1]))


def test_markers_known_to_lie_between_two_frames_say_more_than_their_middles() -> None:
    middles, gaps = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        given_, rate, phase = session(rng, 24), 75.0, rng.uniform()
        frame = np.floor(given_ * rate - phase)  # the last one before
        device = 41_000 + (1 + 1e-4) * ((frame + phase + 0.5) / rate)
        half = np.full(48, (1 + 1e-4) * 0.5 / rate)
        true = Clock(offset=-41_000 / (1 + 1e-4), drift=1 / (1 + 1e-4) - 1)
        middles.append(ends(fit_clock(given_, device), true, device))
        gaps.append(ends(fit_clock(given_, device, within=half), true, device))
    # 48 middles with a standard deviation of 3.8 ms tell the ends of a line to 2 * 3.8 / sqrt(48) = 1.1 ms;
    # lines through all 48 gaps lie some 4 * 6.7 / 48 = 0.6 ms around the true one, their mean nearer
    assert np.median(gaps) < 0.5 * np.median(middles)
    assert max(gaps) < 0.002


@pytest.mark.parametrize("wrong", [0.0, 0.04])
def test_a_few_wrong_markers_do_not_move_the_line_between_frames(wrong: float) -> None:
    rng = np.random.default_rng(5)
    given_ = session(rng, 30)
    reference = given_.copy()
    reference[[3, 40]] += wrong
    device = (np.floor(given_ * 150) + 0.5) / 150
    clock = fit_clock(reference, device, within=np.full(60, 0.5 / 150))
    for at in (given_[0], given_[-1]):  # 60 gaps of 6.7 ms: known to about a thirtieth of one
        assert to_recording(at, clock) == pytest.approx(at, abs=1e-3)


def test_gaps_that_are_not_known_change_nothing() -> None:
    rng = np.random.default_rng(6)
    device = session(rng)
    reference = device + rng.uniform(-0.01, 0.01, size=40)
    plain = fit_clock(reference, device)
    half = np.full(40, 0.01)
    half[7] = 0  # one that is not known
    assert fit_clock(reference, device, within=half) == plain
    assert fit_clock(reference[:3], device[:3], within=half[:3]) == fit_clock(reference[:3], device[:3])
    assert fit_clock(reference, device, drift=False, within=np.full(40, 0.01)).drift == 0


def test_thousands_of_gaps_take_no_longer() -> None:
    rng = np.random.default_rng(7)
    given_ = np.sort(rng.uniform(0, 4000, size=20_000))
    device = (np.floor(given_ * 100) + 0.5) / 100
    clock = fit_clock(given_, device, within=np.full(20_000, 0.005))
    assert clock.n_markers == 20_000
    # 400 gaps of 10 ms are looked at
    assert to_recording(2000.0, clock) == pytest.approx(2000.0, abs=2e-4)


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


# -- the same by looking at every two markers ----------------------------------------------------------------


def slope_of_all(y: np.ndarray, x: np.ndarray) -> float:
    pairs = itertools.combinations(range(len(x)), 2)
    return float(np.median([(y[j] - y[i]) / (x[j] - x[i]) for i, j in pairs if x[i] != x[j]]))


def partners_of_all(
    ref: np.ndarray, dev: np.ndarray, alike: np.ndarray, tolerance: float, max_drift: float
) -> tuple[np.ndarray, np.ndarray]:
    """Every reference marker beside every one of the device: offset, pairs, line, pairs."""
    reach = tolerance + max_drift * np.ptp(dev) / 2
    difference = ref[:, None] - dev
    found = np.sort(difference[alike])
    counts = [(np.sum((found >= low) & (found <= low + 2 * reach)), -k) for k, low in enumerate(found)]
    n, k = max(counts)
    offset = np.median(found[-k : -k + n])

    def mutual(error: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
        cost = np.where(alike & (error <= limit), error, np.inf)
        best = cost.argmin(axis=1)
        rows = np.arange(len(cost))
        good = np.isfinite(cost[rows, best]) & (cost.argmin(axis=0)[best] == rows)
        return rows[good], best[good]

    a, b = mutual(np.abs(difference - offset), reach)
    middle = np.median(dev)
    line = fit_clock(ref[a], dev[b] - middle)
    return mutual(np.abs(difference + middle - line.offset - line.drift * (dev - middle)), tolerance)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    ppm=st.floats(-200, 200),
    lost=st.tuples(st.integers(0, 15), st.integers(0, 15)),
    doubled=st.integers(0, 6),
    n_values=st.sampled_from([0, 1, 2, 7, 60]),
    jitter=st.sampled_from([0.0, 0.01, 0.1]),
)
def test_pairs_are_those_of_looking_at_all(
    seed: int, ppm: float, lost: tuple[int, int], doubled: int, n_values: int, jitter: float
) -> None:
    rng = np.random.default_rng(seed)
    n = 60
    true = np.cumsum(rng.exponential(4.0, size=n))  # some of them closer together than the tolerance
    said = rng.integers(0, max(n_values, 1), size=n)
    in_reference, in_device = (np.sort(rng.permutation(n)[k:]) for k in lost)
    again = rng.choice(in_device, size=doubled)  # the very same time twice
    in_device = rng.permutation(np.concatenate([in_device, again]))  # in any order
    reference = true[in_reference] + rng.uniform(-jitter, jitter, size=len(in_reference))
    device = (true - 17.0)[in_device] / (1 + ppm * 1e-6)
    alike = said[in_reference][:, None] == said[in_device]
    values = {"reference_values": said[in_reference].tolist(), "device_values": said[in_device].tolist()}
    if not n_values:
        alike, values = np.ones_like(alike), {}
    try:
        a, b = match_markers(reference, device, **values)
    except InputError:
        return  # refused: two offsets have as many pairs
    want = partners_of_all(reference, device, alike, 0.25, 5e-4)
    np.testing.assert_array_equal(a, want[0])
    np.testing.assert_array_equal(b, want[1])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(4, 60))
def test_the_slope_is_the_median_of_all(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 40, size=n).astype(float)  # some of them equal
    y = rng.normal(size=n)
    if len(set(x)) > 1:
        # one median of the same numbers
        assert clocks._slope(y, x) == pytest.approx(slope_of_all(y, x), rel=1e-12)


# -- many markers --------------------------------------------------------------------------------------------


def long_session(
    rng: np.random.Generator, n: int, *, ppm: float, lost: float, doubled: float, spacing: float = 4.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Reference and device times, and which marker each is; every device misses some of its own."""
    true = np.cumsum(rng.uniform(0.5, 2 * spacing - 0.5, size=n))
    in_reference, in_device = (np.sort(rng.permutation(n)[round(lost * n) :]) for _ in range(2))
    in_device = np.sort(np.concatenate([in_device, rng.choice(in_device, size=round(doubled * n))]))
    device = (true[in_device] - 1234.5) / (1 + ppm * 1e-6)
    return true[in_reference], device + rng.uniform(-0.005, 0.005, len(device)), in_reference, in_device


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    ppm=st.floats(-200, 200),
    lost=st.floats(0, 0.25),
    doubled=st.floats(0, 0.1),
    n_values=st.sampled_from([0, 3, 400]),
)
def test_a_stretch_followed_outwards_finds_the_same_pairs(
    seed: int, ppm: float, lost: float, doubled: float, n_values: int
) -> None:
    rng = np.random.default_rng(seed)
    reference, device, in_reference, in_device = long_session(rng, 400, ppm=ppm, lost=lost, doubled=doubled)
    said = rng.integers(0, max(n_values, 1), size=400)
    values = {"reference_values": said[in_reference].tolist(), "device_values": said[in_device].tolist()}
    if not n_values:
        values = {}
    want = match_markers(reference, device, **values)
    alike = (said[in_reference][:, None] == said[in_device]).sum() if n_values else 160_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clocks, "_MOST_DIFFERENCES", int(alike) // 10)
        found = match_markers(reference, device, **values)
    np.testing.assert_array_equal(found[0], want[0])
    # of a marker that is there twice, 10 ms apart at most, either may be the nearer one
    np.testing.assert_array_equal(in_device[found[1]], in_device[want[1]])


@pytest.mark.parametrize("n_values", [0, 8])
@pytest.mark.parametrize(
    ("ppm", "lost", "doubled"), [(0.0, 0.0, 0.0), (200.0, 0.2, 0.05), (-200.0, 0.3, 0.1)]
)
def test_tens_of_thousands_of_markers(n_values: int, ppm: float, lost: float, doubled: float) -> None:
    rng = np.random.default_rng(7)
    reference, device, in_reference, in_device = long_session(
        rng, 20_000, ppm=ppm, lost=lost, doubled=doubled, spacing=2.0
    )
    said = rng.integers(0, max(n_values, 1), size=20_000)
    values = {"reference_values": said[in_reference].tolist(), "device_values": said[in_device].tolist()}
    before = time.perf_counter()
    a, b = match_markers(reference, device, **(values if n_values else {}))
    # about a second; every two markers would take 400 million distances, 3 GB, and most of a minute
    assert time.perf_counter() - before < 15
    right = in_reference[a] == in_device[b]
    both = len(np.intersect1d(in_reference, in_device))
    # half a second is the least between two markers, so that a lost one's neighbour is no partner
    assert right.all()
    assert len(a) == both
    clock = fit_clock(reference[a], device[b])
    # jitter of 5 ms over more than 10 000 markers and 11 hours
    assert clock.drift == pytest.approx(ppm * 1e-6, abs=5e-9)
    assert clock.residual < 0.005


def test_memory_stays_small() -> None:
    rng = np.random.default_rng(8)
    reference, device, _, _ = long_session(rng, 20_000, ppm=50.0, lost=0.1, doubled=0.0)
    tracemalloc.start()
    try:
        a, b = match_markers(reference, device)
        fit_clock(reference[a], device[b])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 300e6  # four million distances and their order, a few times; all would be 3 GB


def test_the_device_began_while_the_reference_was_already_lost() -> None:
    """The middle of the device's markers has no partner; another stretch has."""
    rng = np.random.default_rng(9)
    true = np.cumsum(rng.uniform(0.5, 3.5, size=9000))
    gone = (true > true[3000]) & (true < true[6500])
    a, b = match_markers(true[~gone], true - 40.0)
    np.testing.assert_array_equal(np.flatnonzero(~gone)[a], b)
    assert len(a) == (~gone).sum()


def test_many_markers_at_even_times_are_refused_or_paired_by_the_finer_difference() -> None:
    even = np.arange(2200) * 2.0
    with pytest.raises(InputError, match="agree as well"):
        match_markers(even, even[:-1])
    rng = np.random.default_rng(10)
    with pytest.raises(InputError, match="agree as well"):  # jitter tells nothing
        match_markers(even + rng.uniform(-0.02, 0.02, 2200), even[:-1] + rng.uniform(-0.02, 0.02, 2199))
    # nearly even, so that within the tolerance one step more goes as well; what differs is seen closer up
    steps = np.cumsum(rng.uniform(0.85, 1.15, size=2200))
    a, b = match_markers(steps, steps[50:-50] + 3.0)
    np.testing.assert_array_equal(a, b + 50)


def test_the_line_through_very_many_markers_stands_a_quarter_of_wrong_ones() -> None:
    rng = np.random.default_rng(11)
    device = np.cumsum(rng.uniform(0.5, 3.5, size=30_000))
    reference = 3.0 + (1 + 2e-4) * device + rng.uniform(-0.005, 0.005, size=30_000)
    reference[rng.permutation(30_000)[:7500]] += rng.uniform(10, 300, size=7500)
    order = rng.permutation(30_000)
    clock = fit_clock(reference[order], device[order])
    assert clock.drift == pytest.approx(2e-4, abs=2e-7)
    assert to_recording(30_000.0, clock) == pytest.approx(3 + 30_006.0, abs=0.005)
    assert fit_clock(reference[order], device[order]) == clock
