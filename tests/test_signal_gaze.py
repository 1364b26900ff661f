"""Eye events from gaze whose events are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mien.signal import gaze
from mien.signal.gaze import EYES_NOT_FOUND, FIXATION, SACCADE, UNCLASSIFIED

RATE = 250.0
SCREEN = gaze.Screen(size_px=(1920, 1080), width=0.53, distance=0.65)


def runs_slowly(mask, every=None):
    """Sample by sample."""
    found, start = [], None
    for i, here in enumerate(mask):
        if start is not None and (not here or (every and i % every == 0)):
            found.append((start, i))
            start = None
        if here and start is None:
            start = i
    if start is not None:
        found.append((start, len(mask)))
    return np.array(found, dtype=np.int64).reshape(-1, 2)


@settings(max_examples=200, deadline=None)
@given(mask=st.lists(st.booleans(), max_size=40), every=st.one_of(st.none(), st.integers(1, 12)))
def test_runs_are_those_of_a_loop(mask, every):
    np.testing.assert_array_equal(gaze.runs(mask, every=every), runs_slowly(mask, every))


@settings(max_examples=100, deadline=None)
@given(mask=st.lists(st.booleans(), min_size=1, max_size=40))
def test_marking_the_runs_gives_the_mask_back(mask):
    np.testing.assert_array_equal(gaze.mark(gaze.runs(mask), len(mask)), mask)


def test_marks_widen_and_stay_inside():
    np.testing.assert_array_equal(
        np.flatnonzero(gaze.mark([[1, 2], [8, 9]], 10, margin=2)), [0, 1, 2, 3, 6, 7, 8, 9]
    )
    assert not gaze.mark([], 3).any()


@settings(max_examples=100, deadline=None)
@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 3), st.integers(1, 30)),
        elements=st.one_of(st.just(np.nan), st.floats(-1e3, 1e3)),
    )
)
def test_bridging_is_linear_interpolation(values):
    for before_first in (True, False):
        found = gaze.interpolate_lost(values, before_first=before_first)
        for row, got in zip(values, found, strict=True):
            seen, at = np.isfinite(row), np.arange(len(row))
            if not seen.any():
                assert np.isnan(got).all()
                continue
            want = np.interp(at, at[seen], row[seen])
            if not before_first:
                want[: seen.argmax()] = np.nan
            # rounding of one multiplication and one sum of numbers up to 2e3
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-10)


def test_bridging_leaves_its_input_alone():
    row = np.array([1.0, np.nan, 3.0])
    np.testing.assert_array_equal(gaze.interpolate_lost(row), [1, 2, 3])
    assert np.isnan(row[1])
    full = np.ones(3)
    assert gaze.interpolate_lost(full) is not full
    assert gaze.interpolate_lost(np.empty(0)).shape == (0,)


def test_visual_angle():
    # the right edge lies half a screen beside the middle; the pixel of the lower edge is as wide as high
    position = np.array([[960.0, 1920, 960], [540, 540, 1080]])
    found = gaze.visual_angles(position, SCREEN)
    side, low = np.degrees(np.arctan([0.265 / 0.65, 0.265 * 1080 / 1920 / 0.65]))
    np.testing.assert_allclose(found, [[0, side, 0], [0, 0, low]], atol=1e-12)


def test_the_angle_between_gazes_is_that_of_their_directions():
    rng = np.random.default_rng(0)
    position = rng.uniform(0, 1000, size=(2, 50))
    ray = np.vstack([(position - [[960], [540]]) * 0.53 / 1920, np.full(50, 0.65)])
    ray /= np.linalg.norm(ray, axis=0)
    want = np.degrees(np.arccos((ray[:, 1:] * ray[:, :-1]).sum(axis=0)))
    angles = gaze.visual_angles(position, SCREEN)
    # arccos near 1 loses half of the digits
    np.testing.assert_allclose(
        gaze.distance(angles[:, 1:], angles[:, :-1], degrees=True), want, rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(
        gaze.distance(position[:, 1:], position[:, :-1], degrees=False),
        np.sqrt((np.diff(position, axis=1) ** 2).sum(axis=0)),
    )


@pytest.mark.parametrize(
    "numbers", [{"width": 0.0}, {"distance": np.nan}, {"size_px": (0, 1)}, {"size_px": (1,)}]
)
def test_a_screen_has_a_size(numbers):
    with pytest.raises(ValueError, match="a screen has two sides"):
        gaze.Screen(**{"size_px": (1920, 1080), "width": 0.5, "distance": 0.6, **numbers})


def scene(steps, *, rate=RATE, noise=0.0):
    """Gaze (2, times) and codes from ``(what, seconds, x, y)``: fixations at a place, saccades to a place."""
    parts, codes, here = [], [], np.array([500.0, 500.0])
    for what, seconds, *place in steps:
        n = round(seconds * rate)
        if what == "fixation":
            here = np.array(place, dtype=float) if place else here
            parts.append(np.repeat(here[:, None], n, axis=1))
        elif what == "saccade":
            there = np.array(place, dtype=float)
            # the first sample of the saccade has moved already, the first one after it has arrived
            parts.append(here[:, None] + (there - here)[:, None] * np.arange(1, n + 1) / (n + 1))
            here = there
        else:
            parts.append(np.full((2, n), np.nan))
        codes.append(np.full(n, {"fixation": FIXATION, "saccade": SACCADE, "lost": EYES_NOT_FOUND}[what]))
    position = np.concatenate(parts, axis=1)
    position += np.random.default_rng(0).normal(scale=noise, size=position.shape) if noise else 0
    return position, np.concatenate(codes)


STEPS = [
    ("fixation", 0.3, 500, 500),
    ("saccade", 0.04, 800, 900),  # 3-4-5: 500 px
    ("fixation", 0.5),
    ("lost", 0.2),
    ("fixation", 0.4, 200, 300),
    ("saccade", 0.06, 200, 700),
    ("fixation", 0.25),
    ("lost", 1.0),
    ("fixation", 0.2, 100, 100),
]


def test_known_events_are_found():
    position, code = scene(STEPS)
    found = gaze.find_events(code, gaze.lost_gaze(position), rate=RATE)
    np.testing.assert_array_equal(
        np.diff(found.fixations, axis=1)[:, 0] / RATE, [0.3, 0.5, 0.4, 0.248, 0.2]
    )  # 0.25 s are 62.5 samples, of which Python's round makes 62
    np.testing.assert_array_equal(np.diff(found.saccades, axis=1)[:, 0] / RATE, [0.04, 0.06])
    np.testing.assert_array_equal(found.blinks, [[210, 260]])
    np.testing.assert_array_equal(np.diff(found.gaps, axis=1), [[250]])
    np.testing.assert_allclose(gaze.amplitude(position, found.saccades, degrees=False), [500, 400])
    np.testing.assert_array_equal(gaze.dispersion(position, found.fixations), np.zeros((2, 5)))


def test_limits_of_blinks_and_saccades():
    for samples, kind in ((12, None), (13, "blinks"), (99, "blinks"), (100, "gaps")):
        lost = np.zeros(300, dtype=bool)
        lost[100 : 100 + samples] = True
        found = gaze.find_events(np.ones(300), lost, rate=RATE)
        assert [k for k in ("blinks", "gaps") if len(getattr(found, k))] == ([kind] if kind else [])
    code = np.ones(300, dtype=int)
    code[10:12] = code[20:23] = SACCADE
    none = np.zeros(300, dtype=bool)
    np.testing.assert_array_equal(gaze.find_events(code, none, rate=RATE).saccades, [[20, 23]])


@pytest.mark.parametrize("edge", ["start", "end"])
def test_a_loss_open_at_an_end_is_a_gap(edge):
    lost = np.zeros(500, dtype=bool)
    lost[200:240] = True
    lost[slice(0, 40) if edge == "start" else slice(460, 500)] = True
    found = gaze.find_events(np.ones(500), lost, rate=RATE)
    np.testing.assert_array_equal(found.blinks, [[200, 240]])
    assert len(found.gaps) == 1


def test_a_record_with_no_event():
    nothing = gaze.find_events(np.zeros(0), np.zeros(0, dtype=bool), rate=RATE)
    empty = np.empty((2, 0))
    for spans in (nothing.fixations, nothing.saccades, nothing.blinks, nothing.gaps):
        assert spans.shape == (0, 2)
        assert gaze.dispersion(empty, spans).shape == (2, 0)
    assert gaze.amplitude(np.zeros((2, 5)), nothing.saccades, degrees=False).shape == (0,)


def test_dispersion_passes_over_lost_samples():
    position = np.array([[0.0, 5, np.nan, 2, 9], [1, 1, np.nan, 4, 9]])
    spans = np.array([[0, 4], [2, 3], [4, 5]])
    np.testing.assert_array_equal(gaze.dispersion(position, spans), [[5, np.nan, 0], [3, np.nan, 0]])


def test_amplitude_beside_a_loss_or_an_end_takes_its_own_samples():
    position = np.array([[0.0, 10, 20, np.nan, 50, 60, 70], [0.0] * 7])
    spans = np.array([[0, 1], [1, 3], [5, 7]])
    # 0 -> 10 (open at the start); 0 -> 20 (lost after it); 50 -> 70 (open at the end)
    np.testing.assert_array_equal(gaze.amplitude(position, spans, degrees=False), [10, 20, 20])


@pytest.mark.parametrize("rate", [60.0, 250.0, 1000.0])
@pytest.mark.parametrize("degrees", [True, False])
def test_velocity_finds_the_same_events(rate, degrees):
    position, code = scene(STEPS, rate=rate, noise=2.0)
    pixels_per_degree = np.radians(1) * 0.65 / (0.53 / 1920)
    position_in = gaze.visual_angles(position, SCREEN) if degrees else position
    threshold = 30.0 if degrees else 30.0 * pixels_per_degree
    found = gaze.classify_velocity(position_in, rate=rate, threshold=threshold, degrees=degrees)
    lost = gaze.lost_gaze(position)
    np.testing.assert_array_equal(found == EYES_NOT_FOUND, lost)
    want, got = (gaze.find_events(c, lost, rate=rate) for c in (code, found))
    assert len(got.fixations) == len(want.fixations)
    assert len(got.saccades) == len(want.saccades)
    # the velocity looks 10 ms (at least a sample) to either side
    atol = max(0.01 * rate, 1) + 1
    np.testing.assert_allclose(got.saccades, want.saccades, rtol=0, atol=atol)
    np.testing.assert_allclose(got.fixations, want.fixations, rtol=0, atol=atol)
    # four times the noise of one sample: an amplitude is the difference of two
    np.testing.assert_allclose(
        gaze.amplitude(position, got.saccades, degrees=False), [500, 400], rtol=0, atol=8
    )


def test_velocity_bridges_short_losses_and_drops_short_fixations():
    position, _ = scene([("fixation", 0.5, 500, 500)])
    position[:, 50:60] = np.nan
    code = gaze.classify_velocity(position, rate=RATE, threshold=1000, degrees=False)
    np.testing.assert_array_equal(code, FIXATION)
    short = [("fixation", 0.2, 0, 0), ("saccade", 0.04, 500, 0), ("fixation", 0.06), ("saccade", 0.04, 0, 0)]
    position, _ = scene([*short, ("fixation", 0.2)])
    code = gaze.classify_velocity(position, rate=RATE, threshold=1000, degrees=False)
    assert len(gaze.runs(code == FIXATION)) == 2
    assert len(gaze.runs(code == UNCLASSIFIED)) == 1


def test_velocity_of_nothing_and_of_a_wrong_threshold():
    nothing = np.full((2, 100), np.nan)
    code = gaze.classify_velocity(nothing, rate=RATE, threshold=30, degrees=True)
    np.testing.assert_array_equal(code, EYES_NOT_FOUND)
    alone = nothing.copy()
    alone[:, 50] = 1.0
    code = gaze.classify_velocity(alone, rate=RATE, threshold=30, degrees=True)
    assert code[50] == UNCLASSIFIED
    with pytest.raises(ValueError, match="threshold must be positive, got -1"):
        gaze.classify_velocity(nothing, rate=RATE, threshold=-1, degrees=True)


@pytest.mark.parametrize("rate", [60.0, 250.0, 1000.0])
def test_velocity_noise_is_that_of_the_tremor(rate):
    rng = np.random.default_rng(4)
    sd = np.array([[3.0], [4.0]])
    position = np.array([[500.0], [300.0]]) + sd * rng.standard_normal((2, int(60 * rate)))
    reach = 2 * max(1, round(0.01 * rate))
    # velocity is a difference of two samples; of 3 and 4 the quadratic mean is sqrt(12.5)
    want = np.sqrt(2 * 12.5) * rate / reach
    found = gaze.velocity_noise(position, rate=rate)
    # an MAD of 3600 samples is good to 2 %, here of samples that share noise: three times that
    np.testing.assert_allclose(found, want, rtol=0.06)
    lost = position.copy()
    lost[:, rng.random(position.shape[1]) < 0.2] = np.nan
    np.testing.assert_allclose(gaze.velocity_noise(lost, rate=rate), want, rtol=0.08)
    # a pursuit of 100 px/s at constant speed is no tremor
    moving = position + 100 * np.arange(position.shape[1]) / rate
    np.testing.assert_allclose(gaze.velocity_noise(moving, rate=rate), found, rtol=1e-6)


def test_saccades_hardly_change_the_velocity_noise():
    position, _ = scene(STEPS * 5, noise=2.0)
    want = 2.0 * np.sqrt(2) * RATE / 4
    # a tenth of the time is saccades: half of that shifts the median absolute deviation by some 10 %
    np.testing.assert_allclose(gaze.velocity_noise(position, rate=RATE), want, rtol=0.25)


def test_velocity_noise_of_too_little():
    assert np.isnan(gaze.velocity_noise(np.full((2, 100), np.nan), rate=RATE))
    assert np.isnan(gaze.velocity_noise(np.zeros((2, 10)), rate=RATE))
    assert gaze.velocity_noise(np.zeros((2, 100)), rate=RATE) == 0
