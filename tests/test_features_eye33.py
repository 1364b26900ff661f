"""The 33 eye features in both recipes, on gaze whose events are known."""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from mien import features
from mien.core import InputError, Signal, UnknownNameError
from mien.datasets import _seed_layout
from mien.features import eye33
from mien.features._eye import NAMES, windows_of
from mien.signal import lds_smooth
from mien.signal.gaze import Screen, runs, visual_angles
from mien.simulate._gaze import Gaze, eye_features, gaze_clip

RATE = 250.0
CHANNELS = ("gaze_x", "gaze_y", "pupil_left", "pupil_right", "eye_movement")
AT = {name: i for i, name in enumerate(NAMES)}


def signal(x, y, pupil=None, code=None, *, rate=RATE, start=0.0):
    """Pupils in metres (one row or two); without codes the channel is left out."""
    n = len(x)
    left, right = np.broadcast_to(np.full(n, 3e-3) if pupil is None else pupil, (2, n))
    rows = [x, y, left, right] + ([] if code is None else [code])
    return Signal(
        data=np.array(rows, float), rate=rate, channels=CHANNELS[: len(rows)], unit="mixed", start=start
    )


def compute(made, recipe="corrected", **options):
    return features.compute("eye33", made, recipe=recipe, **options)


def column(found, name):
    return found.values[:, AT[name]]


# -- the order ----------------------------------------------------------------------------------------------


def test_names_are_those_of_the_files():
    assert _seed_layout.EYE_FEATURES == NAMES
    assert NAMES[24:] == eye33.CLIP_CONSTANT
    assert compute(eye33.example()).axes["feature"] == NAMES


def test_it_reads_the_recorded_gaze_whatever_the_options():
    assert features.stream_name("eye33") == "raw_gaze"
    assert features.stream_name("eye33", window_seconds=2.0) == "raw_gaze"
    assert features.info("eye33").reaches == "trial"
    assert features.info("eye33").modality == "eye"


def test_the_page_names_every_feature_and_its_examples_run():
    page = (Path(__file__).parent.parent / "docs" / "features" / "eye33.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `(\w+(?:[.-]\w+)*)` \|", page, re.MULTILINE)
    assert [(int(number), name) for number, name in rows] == list(enumerate(NAMES))
    code = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    for block in code:
        exec(compile(block, "eye33.md", "exec"), names)
    assert len(code) == 2


# -- released: sample by sample, from the text of the specification ------------------------------------------


def fill_forward(values):
    """Straight lines between known values, the last one held; nothing before the first."""
    out, last = list(values), None
    for i, value in enumerate(values):
        if math.isnan(value):
            continue
        if last is not None:
            for j in range(last + 1, i):
                out[j] = values[last] + (value - values[last]) * (j - last) / (i - last)
        last = i
    if last is not None:
        out[last + 1 :] = [values[last]] * (len(values) - last - 1)
    return out


def starts_and_ends(code, wanted):
    starts, ends = [], []
    for i, now in enumerate(code):
        before = code[i - 1] if i else None
        if now == wanted and before != wanted:
            starts.append(i)
        if now != wanted and before == wanted:
            ends.append(i - 1)
    return starts[: len(ends)], ends  # B10: what is open at the end has no end


def slow_blinks(x):
    starts, ends, seen = [], [], False
    for i in range(1, len(x) - 1):
        lost = math.isnan(x[i])
        seen = seen or not lost
        if seen and lost and not math.isnan(x[i - 1]):
            starts.append(i)
        if seen and lost and not math.isnan(x[i + 1]):
            ends.append(i)
    assert len(starts) - len(ends) in (0, 1)  # B11: they do not fall out of step, whatever is lost
    seconds = [(e - s) / RATE for s, e in zip(starts, ends, strict=False)]
    return [d for d in seconds if 0.05 < d < 0.4]


def slow_events(x, y, code):
    """Durations, spreads, drifts, amplitudes, latencies and blinks of one window."""
    blinks = slow_blinks(x)
    x, y = fill_forward(x), fill_forward(y)
    fixation_s, spread_x, spread_y, drift = [], [], [], []
    for s, e in zip(*starts_and_ends(code, 1), strict=True):
        fixation_s.append((e - s + 1) / RATE)
        spread_x.append(max(x[s : e + 1]) - min(x[s : e + 1]))
        spread_y.append(max(y[s : e + 1]) - min(y[s : e + 1]))
        drift.append(math.hypot(x[e] - x[s], y[e] - y[s]))
    saccades = [(s, e) for s, e in zip(*starts_and_ends(code, 2), strict=True) if (e - s + 1) / RATE > 0.01]
    saccade_s = [(e - s + 1) / RATE for s, e in saccades]
    reach = [math.hypot(x[e] - x[s], y[e] - y[s]) for s, e in saccades]
    latency = [s - e for s, e in saccades[:-1]]  # B12
    return fixation_s, spread_x, spread_y, drift, saccade_s, reach, latency, blinks


def mean(values):
    return sum(values) / len(values) if values else 0.0


def sd(values):
    return math.sqrt(mean([(v - mean(values)) ** 2 for v in values])) if values else 0.0


def slow_released(made):
    """(windows, 33), one window and one sample after the other."""
    rows = {name: list(row) for name, row in zip(made.channels, made.data, strict=True)}
    n = made.n_times // 1000
    out = np.zeros((n, 33))
    hann = [0.5 - 0.5 * math.cos(2 * math.pi * t / 999) for t in range(1000)]
    for side, name in enumerate(("pupil_left", "pupil_right")):
        known = fill_forward(rows[name])
        first = next((v for v in known if not math.isnan(v)), math.nan)
        pupil = [1e3 * (first if math.isnan(v) else v) for v in known]
        for w in range(n):
            part = pupil[1000 * w : 1000 * w + 1000]
            out[w, 8 + 2 * side], out[w, 9 + 2 * side] = mean(part), sd(part)
            tapered = np.array(part) * hann
            # B9: band 1 is the mean, and the bands share bins
            for band, bins in enumerate(([0], [0, 1], [1, 2], [2, 3, 4])):
                turn = [np.exp(-2j * np.pi * k * np.arange(1000) / 1000) for k in bins]
                out[w, 4 * side + band] = math.log2(mean([abs(tapered @ t) ** 2 for t in turn]))
    out[:, :8] = lds_smooth(out[:, :8])
    x, y, code = rows["gaze_x"], rows["gaze_y"], rows["eye_movement"]
    for w in range(n):
        cut = slice(1000 * w, 1000 * w + 1000)
        fixation_s, spread_x, spread_y, _, saccade_s, reach, _, blinks = slow_events(
            x[cut], y[cut], code[cut]
        )
        out[w, 12:24] = [
            *(mean(fixation_s), sd(fixation_s)),
            *(mean(spread_x), mean(spread_y), sd(spread_x), sd(spread_y)),
            *(mean(saccade_s), sd(saccade_s), mean(reach), sd(reach), mean(blinks), sd(blinks)),
        ]
    fixation_s, _, _, drift, saccade_s, reach, latency, blinks = slow_events(x, y, code)
    seconds = made.n_times / RATE
    out[:, 24:] = [
        *(len(blinks) / seconds, len(fixation_s) / seconds, max(fixation_s, default=0)),
        *(max(drift, default=0), sum(drift), len(saccade_s) / seconds),
        *(mean(saccade_s), mean(reach), mean(latency)),
    ]
    return out


def random_gaze(seed, *, seconds=18.5, lost_at=()):
    """Types that change at random times, wandering gaze, losses of all lengths."""
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE)
    lengths = rng.integers(1, 120, size=n)
    code = np.repeat(rng.choice([0.0, 1.0, 1.0, 2.0], size=n), lengths)[:n]
    x, y = 500 + np.cumsum(rng.normal(size=(2, n)), axis=1)
    lost = np.repeat(rng.random(n) < 0.15, rng.integers(1, 130, size=n))[:n]
    for first, stop in lost_at:
        lost[first:stop] = True
        lost[stop] = False
        lost[max(first - 1, 0)] = first == 0
    x[lost], y[lost], code[lost] = np.nan, np.nan, 3.0
    pupil = 3e-3 + 1e-5 * np.cumsum(rng.normal(size=(2, n)), axis=1) / 10
    pupil[:, lost] = np.nan
    return signal(x, y, pupil, code)


LOSSES = {
    "anywhere": (),
    "from the first sample": ((0, 300),),
    "from the second sample": ((1, 61), (1001, 1061), (2002, 2062)),
    "across a cut and to the last sample": ((980, 1030), (1999, 2050), (4600, 4625)),
    "a whole window": ((1000, 2000),),
}


@pytest.mark.parametrize("lost_at", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("seed", [0, 1])
def test_released_is_the_published_procedure(seed, lost_at):
    made = random_gaze(seed, lost_at=[(a, min(b, 4624)) for a, b in lost_at])
    found = compute(made, "released")
    want = slow_released(made)
    assert found.values.shape == want.shape == (4, 33)
    # sums of up to 1000 terms in another order; the power of a slow bin beside the mean's, which is 1e6 times
    # larger, keeps ten digits
    np.testing.assert_allclose(found.values, want, rtol=1e-8, atol=1e-8)


def test_released_reads_millimetres_and_drops_what_is_open():
    n = 2000
    code = np.full(n, 1.0)
    code[100:110] = 2.0
    x = np.where(np.arange(n) < 105, 0.0, 300.0)
    found = compute(signal(x, np.zeros(n), code=code), "released")
    assert column(found, "pupil_left_mean") == pytest.approx([3.0, 3.0])
    # B10: the fixation that fills the rest of window 1 and all of window 2 is open at each cut
    np.testing.assert_array_equal(column(found, "fixation_duration_mean"), [0.4, 0.0])
    np.testing.assert_array_equal(column(found, "clip_fixation_frequency"), [1 / 8] * 2)
    # B12: one saccade has no latency, as the last is left out
    np.testing.assert_array_equal(column(found, "clip_saccade_latency_mean"), [0, 0])


def test_released_latency_is_minus_the_duration_in_samples():
    code = np.tile(np.repeat([1.0, 2.0], [90, 10]), 10)
    found = compute(signal(np.zeros(1000), np.zeros(1000), code=code), "released")
    np.testing.assert_array_equal(column(found, "clip_saccade_latency_mean"), [-9])


def test_released_of_nothing_is_zeros():
    nothing = np.full(1000, np.nan)
    found = compute(signal(nothing, nothing, nothing, np.full(1000, 3.0)), "released")
    np.testing.assert_array_equal(found.values, np.zeros((1, 33)))


def test_released_takes_no_options_and_needs_types_and_pupils():
    made = eye33.example()
    with pytest.raises(InputError, match="expected no options"):
        compute(made, "released", window_seconds=2.0)
    bare = Signal(data=made.data[:3], rate=RATE, channels=made.channels[:3], unit="mixed")
    with pytest.raises(InputError, match=r"no channel pupil_right, eye_movement.*Use recipe 'corrected'"):
        compute(bare, "released")


def test_released_warns_at_another_rate():
    made = random_gaze(0)
    other = Signal(data=made.data, rate=500.0, channels=made.channels, unit="mixed")
    with pytest.warns(features.FeatureWarning, match="written for 250 Hz and got 500 Hz"):
        assert compute(other, "released").n_windows == 2


# -- made-up truth -----------------------------------------------------------------------------------------


def made_up(*, seed=0, seconds=60, blinks=True):
    rng = np.random.default_rng(seed)
    truth = gaze_clip(rng.normal(scale=0.5, size=(seconds // 4, 7)), seconds=seconds, rng=rng)
    if blinks:
        return truth
    return Gaze(
        pupil=truth.pupil,
        fixations=truth.fixations,
        saccades=truth.saccades,
        blinks=truth.blinks[:0],
        n_windows=truth.n_windows,
    )


def drawn(truth):
    """The gaze that has the fixations and saccades of a truth, blinks as losses over them."""
    n = truth.pupil.shape[1]
    code, x, y = np.zeros(n), np.full(n, 500.0), np.full(n, 500.0)
    for start, seconds, dx, dy in truth.fixations:
        a, b = round(start * RATE), round((start + seconds) * RATE)
        code[a:b] = 1
        x[a:b], y[a:b] = np.linspace(0, dx, b - a), np.linspace(0, dy, b - a)
    for start, seconds, reach in truth.saccades:
        a, b = round(start * RATE), round((start + seconds) * RATE)
        code[a:b] = 2
        share = np.arange(1, b - a + 1) / (b - a + 1)
        # all that follows moves along, so that the saccade has its size
        here = np.array([x[a - 1], y[a - 1]])
        following = np.array([x[b], y[b]]) if b < n else here
        shift = here + np.array([reach, 0.0]) - following
        x[a:b], y[a:b] = here[0] + reach * share, here[1]
        x[b:] += shift[0]
        y[b:] += shift[1]
    for start, seconds in truth.blinks:
        a, b = round(start * RATE), round((start + seconds) * RATE)
        x[a:b], y[a:b], code[a:b] = np.nan, np.nan, 3
    return signal(x, y, truth.pupil * 1e-3, code)


EVENTS = [n for n in NAMES[12:22] if "dispersion" not in n]
DISPERSION = [n for n in NAMES[12:22] if "dispersion" in n]


@pytest.mark.parametrize("recipe", ["corrected", "released"])
def test_pupil_size_is_that_of_the_truth(recipe):
    truth = made_up(blinks=False)
    found, want = compute(drawn(truth), recipe), eye_features(truth)
    for name in NAMES[8:12]:
        np.testing.assert_allclose(column(found, name), want[:, AT[name]], rtol=1e-9)


def test_released_pupil_bands_are_those_of_the_truth():
    truth = made_up(blinks=False)
    np.testing.assert_allclose(
        compute(drawn(truth), "released").values[:, :8], eye_features(truth)[:, :8], rtol=1e-9
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_events_are_those_of_the_truth(seed):
    truth = made_up(seed=seed, blinks=False)
    found, want = compute(drawn(truth)), eye_features(truth)
    for name in EVENTS:
        if "amplitude" in name:
            continue
        # either end of an event moves to the nearest sample, 2 ms at most
        np.testing.assert_allclose(column(found, name), want[:, AT[name]], rtol=0, atol=0.004, err_msg=name)
    for name in (*DISPERSION, "saccade_amplitude_mean", "saccade_amplitude_std"):
        np.testing.assert_allclose(column(found, name), want[:, AT[name]], rtol=1e-9, err_msg=name)
    for name in ("clip_fixation_frequency", "clip_saccade_frequency", "clip_fixation_dispersion_max"):
        np.testing.assert_allclose(column(found, name), want[:, AT[name]], rtol=1e-9, err_msg=name)
    # ours is by the second, so that it does not tell how long the clip was
    total = column(found, "clip_fixation_dispersion_total") * truth.pupil.shape[1] / RATE
    np.testing.assert_allclose(total, want[:, AT["clip_fixation_dispersion_total"]], rtol=1e-9)
    for name in ("clip_fixation_duration_max", "clip_saccade_duration_mean", "clip_saccade_latency_mean"):
        np.testing.assert_allclose(column(found, name), want[:, AT[name]], rtol=0, atol=0.004, err_msg=name)
    np.testing.assert_allclose(
        column(found, "clip_saccade_amplitude_mean"), want[:, AT["clip_saccade_amplitude_mean"]], rtol=1e-9
    )


def test_blinks_are_those_of_the_truth():
    truth = made_up(seed=3)
    # blinks of the truth may touch, and are then one loss; keep those that stand alone
    apart = np.diff(truth.blinks[:, 0]) > truth.blinks[:-1, 1] + 0.01
    alone = np.concatenate([[True], apart]) & np.concatenate([apart, [True]])
    kept = truth.blinks[alone]
    assert len(kept) > 5
    only = Gaze(
        pupil=truth.pupil,
        fixations=truth.fixations,
        saccades=truth.saccades,
        blinks=kept,
        n_windows=truth.n_windows,
    )
    found, want = compute(drawn(only)), eye_features(only)
    some = np.isin(np.arange(truth.n_windows), (kept[:, 0] // 4).astype(int))
    for name in ("blink_duration_mean", "blink_duration_std"):
        got = column(found, name)
        np.testing.assert_array_equal(np.isnan(got), ~some)
        np.testing.assert_allclose(got[some], want[some, AT[name]], rtol=0, atol=0.004)
    np.testing.assert_allclose(column(found, "clip_blink_frequency"), len(kept) / 60, rtol=1e-9)


# -- corrected ---------------------------------------------------------------------------------------------


def still(seconds, **other):
    """One fixation at one place, codes and all."""
    n = int(seconds * RATE)
    given = {"x": np.full(n, 500.0), "y": np.full(n, 500.0), "code": np.ones(n), **other}
    return signal(**given)


def test_an_event_counts_where_it_starts_and_keeps_its_length():
    n = 3000
    code = np.ones(n)
    code[250:260] = code[750:760] = 2.0
    found = compute(still(12, code=code))
    # the last fixation fills the second and third window, where no other starts
    np.testing.assert_allclose(
        column(found, "fixation_duration_mean"),
        np.array([np.mean([250, 490, 2240]), 2240, 2240]) / RATE,
        rtol=1e-12,
    )
    assert np.isnan(column(found, "saccade_duration_mean")).tolist() == [False, True, True]
    np.testing.assert_array_equal(column(found, "clip_fixation_frequency"), [3 / 12] * 3)
    # from the end of the first to the start of the second
    np.testing.assert_allclose(column(found, "clip_saccade_latency_mean"), 490 / RATE)


def test_latency_is_not_taken_across_a_loss():
    code = np.ones(3000)
    for start in (100, 300, 2000, 2100):
        code[start : start + 10] = 2.0
    x = np.full(3000, 500.0)
    x[1000:1500] = np.nan
    found = compute(still(12, x=x, code=np.where(np.isnan(x), 3.0, code)))
    np.testing.assert_allclose(column(found, "clip_saccade_latency_mean"), (190 + 90) / 2 / RATE)
    # two of twelve seconds were not tracked
    np.testing.assert_allclose(column(found, "clip_saccade_frequency"), 4 / 10)


def test_blinks_stay_in_step_when_the_record_starts_with_a_loss():
    x = np.full(2000, 500.0)
    x[:50] = x[300:340] = x[1500:1540] = np.nan
    found = compute(still(8, x=x))
    np.testing.assert_array_equal(column(found, "blink_duration_mean"), [0.16, 0.16])
    np.testing.assert_allclose(column(found, "clip_blink_frequency"), 2 / 7.8)


def test_degrees_where_the_screen_is_known():
    code = np.ones(1000)
    code[400:420] = 2.0
    x = np.where(np.arange(1000) < 410, 660.0, 1260.0)
    known = {"screen_px": [1920, 1080], "screen_width_m": 0.53, "distance_m": 0.65}
    made = still(4, x=x, y=np.full(1000, 540.0), code=code)
    found = compute(made, **known)
    # 300 px to either side of the middle
    want = 2 * np.degrees(np.arctan(300 * 0.53 / 1920 / 0.65))
    np.testing.assert_allclose(column(found, "saccade_amplitude_mean"), want)
    np.testing.assert_allclose(column(compute(made), "saccade_amplitude_mean"), 600)
    x = np.where(np.arange(1000) < 400, np.linspace(660, 1260, 1000), 1260.0)
    made = still(4, x=x, y=np.full(1000, 540.0), code=np.where(np.arange(1000) < 400, 1.0, 0.0))
    screen = Screen(size_px=(1920, 1080), width=0.53, distance=0.65)
    angle = visual_angles(made.data[:2, :400], screen)[0]
    np.testing.assert_allclose(
        column(compute(made, **known), "fixation_dispersion_x_mean"), np.ptp(angle), rtol=1e-12
    )


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"distance_m": 0.6}, "go together: give all three or none"),
        ({"screen_px": [1920], "screen_width_m": 0.5, "distance_m": 0.6}, "needs width and height"),
        ({"screen_px": [1920, 1080], "screen_width_m": -1.0, "distance_m": 0.6}, "all positive"),
        ({"screen_px": 1920, "screen_width_m": 0.5, "distance_m": 0.6}, "needs width and height"),
        ({"screen_px": [1920, 1080], "screen_width_m": "0.5", "distance_m": 0.6}, "the screen needs numbers"),
        ({"window_seconds": 0.0}, "at least one sample"),
        ({"pupil_seconds": 0.0}, "pupil_seconds must be positive"),
    ],
)
def test_wrong_options(options, match):
    with pytest.raises(InputError, match=match):
        compute(eye33.example(), **options)


def test_unknown_option():
    with pytest.raises(UnknownNameError, match="did you mean 'screen_px'"):
        compute(eye33.example(), screen_pix=[1, 1])


def test_each_pupil_wave_shows_in_its_band():
    t = np.arange(int(120 * RATE)) / RATE
    for number, hertz in enumerate((0.12, 0.3, 0.5, 0.8)):
        wave = 3e-3 + 2e-4 * np.sin(2 * np.pi * hertz * t)
        found = compute(still(120, pupil=wave)).values[15, :4]
        assert found.argmax() == number
        # a sine of 0.2 mm has the variance 0.02 mm²; averaging to 25 Hz takes up to 0.3 %, the edges of the
        # band as much
        variance = 2 ** (2 * found[number]) / (2 * np.pi * np.e)
        assert variance == pytest.approx(0.02, rel=0.01)


def test_the_size_of_the_pupil_is_not_in_its_bands():
    wave = 2e-4 * np.sin(2 * np.pi * 0.3 * np.arange(15000) / RATE)
    small, large = (compute(still(60, pupil=size + wave)).values for size in (2e-3, 6e-3))
    # the mean is taken off before the transform; ten digits are left of a power 1e-8 of the mean's
    np.testing.assert_allclose(large[:, :8], small[:, :8], rtol=0, atol=1e-8)
    np.testing.assert_allclose(large[:, 8], small[:, 8] + 4)
    released = [compute(still(60, pupil=size + wave), "released").values for size in (2e-3, 6e-3)]
    assert (released[1][:, 0] - released[0][:, 0]).min() > 3  # B9: 2 log2(3)


def test_a_band_too_slow_for_the_trial_has_no_number():
    found = compute(still(12, pupil=3e-3 + 1e-4 * np.random.default_rng(0).normal(size=3000)))
    bands = np.isfinite(found.values[:, :4]).all(axis=0)
    np.testing.assert_array_equal(bands, [False, True, True, True])
    assert np.isfinite(compute(still(24, pupil=3e-3 + 1e-4 * np.arange(6000) % 7)).values[:, :4]).all()


def test_lids_and_losses_do_not_reach_the_pupil():
    pupil = np.full((2, 2000), 3e-3)
    pupil[:, 478:522] = 1e-3  # half covered on either side of the blink
    pupil[:, 490:510] = np.nan
    pupil[1, 1100:1700] = np.nan
    found = compute(still(8, pupil=pupil))
    np.testing.assert_allclose(column(found, "pupil_left_mean"), 3.0)
    np.testing.assert_allclose(column(found, "pupil_left_std"), 0.0, atol=1e-9)
    # the right pupil was seen for 40 % of the second window
    assert np.isfinite(column(found, "pupil_right_mean")).tolist() == [True, False]


def test_single_lost_samples_cost_no_more_than_themselves():
    pupil = np.full(2000, 3e-3)
    pupil[::5] = np.nan
    assert np.isfinite(column(compute(still(8, pupil=pupil)), "pupil_left_mean")).all()


def test_windows_without_gaze_are_not_valid():
    x = np.full(5000, 500.0)
    x[1900:3500] = np.nan
    pupil = 3e-3 + 1e-5 * np.sin(np.arange(5000) / 100)
    found = compute(still(20, x=x, pupil=pupil, code=np.where(np.isnan(x), 3.0, 1.0)))
    # a tenth of the second window was lost, all of the third, half of the fourth
    assert found.valid.tolist() == [True, True, False, True, True]
    assert np.isnan(found.values[2, 12:24]).all()
    assert np.isfinite(found.values[2, 24:26]).all()
    nothing = np.full(1000, np.nan)
    blind = compute(signal(nothing, nothing, nothing, np.full(1000, 3.0)))
    assert np.isnan(blind.values).all()
    assert not blind.valid.any()


def test_a_window_is_as_valid_as_its_signal():
    made = eye33.example()
    mask = np.ones(made.n_times, dtype=bool)
    mask[1500] = False
    marked = Signal(data=made.data, rate=RATE, channels=CHANNELS, unit="mixed", valid=mask)
    for recipe in ("corrected", "released"):
        assert compute(marked, recipe).valid.tolist() == [True, False, True, True, True, True]


def test_without_types_they_are_found_by_velocity():
    made = eye33.example()
    bare = Signal(data=made.data[:4], rate=RATE, channels=CHANNELS[:4], unit="mixed")
    with pytest.warns(features.FeatureWarning, match="41 px taken for a degree"):
        found = compute(bare)
    want = compute(made)
    # a saccade comes out up to 10 ms longer at either end
    np.testing.assert_allclose(
        column(found, "saccade_duration_mean"), column(want, "saccade_duration_mean"), atol=0.02
    )
    np.testing.assert_allclose(
        column(found, "clip_saccade_frequency"), column(want, "clip_saccade_frequency"), rtol=0.05
    )
    unknown = made.data.copy()
    unknown[4] = np.nan
    with pytest.warns(features.FeatureWarning, match="41 px taken for a degree"):
        again = compute(Signal(data=unknown, rate=RATE, channels=CHANNELS, unit="mixed"))
    np.testing.assert_array_equal(again.values, found.values)


def test_a_missing_row_does_not_cut_a_fixation():
    code = np.ones(1000)
    code[[200, 500, 501]] = np.nan
    code[700:710] = np.nan
    found = compute(still(4, code=code))
    np.testing.assert_allclose(column(found, "clip_fixation_frequency"), 2 / 4)
    np.testing.assert_allclose(column(found, "clip_fixation_duration_max"), 700 / RATE)


def test_one_pupil_or_none():
    made = eye33.example()
    rows = [0, 1, 2, 4]
    one = Signal(data=made.data[rows], rate=RATE, channels=[CHANNELS[i] for i in rows], unit="mixed")
    found, both = compute(one), compute(made)
    right = [i for i, name in enumerate(NAMES) if name.startswith("pupil_right")]
    assert np.isnan(found.values[:, right]).all()
    rest = np.setdiff1d(np.arange(33), right)
    # the transform of two rows at once rounds otherwise than that of one
    np.testing.assert_allclose(found.values[:, rest], both.values[:, rest], rtol=1e-12)
    assert found.valid.all()


AU = {"area": lambda mm: 731.0 * mm**2, "diameter": lambda mm: 41.0 * mm}
"""A pupil in units of two cameras, by its diameter."""


def in_units(made, kind, *, sides=("left", "right")):
    """The same gaze with pupils in units of a camera; 0 where lost, as trackers write it."""
    data, channels = made.data.copy(), list(made.channels)
    for side in sides:
        row = channels.index(f"pupil_{side}")
        data[row] = np.nan_to_num(AU[kind](data[row] * 1e3))
        channels[row] = f"pupil_{side}_{kind}_au"
    return Signal(data=data, rate=made.rate, channels=channels, unit="mixed")


@pytest.mark.parametrize("kind", AU)
def test_a_pupil_in_units_of_a_camera_is_a_share_of_its_median(kind):
    made = random_gaze(0, seconds=41)
    with pytest.warns(features.FeatureWarning, match=f"pupil_left_{kind}_au and pupil_right_{kind}_au in un"):
        found = compute(in_units(made, kind))
    want = compute(made)
    # what is used of each pupil: not beside a loss of more than 50 ms
    for side, at in (("left", 2), ("right", 3)):
        pupil = 1e3 * made.data[at]
        for start, stop in runs(np.isnan(pupil)):
            if stop - start > 0.05 * RATE:
                pupil[max(start - 13, 0) : stop + 13] = np.nan
        median = np.nanmedian(pupil)
        for name in (f"pupil_{side}_mean", f"pupil_{side}_std"):
            np.testing.assert_allclose(column(found, name), column(want, name) / median, rtol=1e-9)
        for name in NAMES[:8]:
            if side in name:  # the entropy of a share is that of the size less log2 of the median
                np.testing.assert_allclose(
                    column(found, name), column(want, name) - np.log2(median), rtol=0, atol=1e-6
                )
    np.testing.assert_array_equal(found.values[:, 12:], want.values[:, 12:])
    np.testing.assert_array_equal(found.valid, want.valid)


def test_the_unit_of_the_camera_does_not_matter():
    made = in_units(eye33.example(), "area")
    twice = made.data.copy()
    twice[2:4] *= 17.0
    again = Signal(data=twice, rate=RATE, channels=made.channels, unit="mixed")
    with pytest.warns(features.FeatureWarning, match="in units of the camera"):
        # two scales differ in rounding alone
        np.testing.assert_allclose(compute(again).values, compute(made).values, rtol=1e-9, atol=1e-9)


def test_metres_go_before_units_of_a_camera():
    made = eye33.example()
    both = Signal(
        data=np.vstack([made.data, np.full((1, made.n_times), 900.0)]),
        rate=RATE,
        channels=(*made.channels, "pupil_left_area_au"),
        unit="mixed",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(compute(both).values, compute(made).values)


def test_released_does_not_take_units_of_a_camera():
    with pytest.raises(InputError, match=r"no channel pupil_left, pupil_right.*Use recipe 'corrected'"):
        compute(in_units(eye33.example(), "area"), "released")


def test_one_pupil_may_stand_for_both():
    made = eye33.example()
    rows = [0, 1, 2, 4]
    one = Signal(data=made.data[rows], rate=RATE, channels=[CHANNELS[i] for i in rows], unit="mixed")
    found = compute(one, one_pupil_for_both=True)
    left, right = ([i for i, n in enumerate(NAMES) if n.startswith(f"pupil_{s}")] for s in ("left", "right"))
    np.testing.assert_array_equal(found.values[:, right], found.values[:, left])
    assert np.isfinite(found.values[:, right]).all()
    # where both were seen each is its own
    np.testing.assert_array_equal(compute(made, one_pupil_for_both=True).values, compute(made).values)


SCREEN_OPTIONS = {"screen_px": [1920, 1080], "screen_width_m": 0.53, "distance_m": 0.65}


@pytest.mark.parametrize("rate", [60.0, 250.0, 1000.0])
def test_a_threshold_inside_the_tremor_is_warned_of(rate):
    rng = np.random.default_rng(1)
    px_per_degree = np.radians(1) * 0.65 / (0.53 / 1920)
    reach = 2 * max(1, round(0.01 * rate))
    for degrees_per_second, warns in ((20.0, True), (9.0, True), (6.0, False), (1.0, False)):
        sd = degrees_per_second * px_per_degree * reach / rate / np.sqrt(2)
        x, y = np.array([[960.0], [540.0]]) + sd * rng.standard_normal((2, int(60 * rate)))
        made = signal(x, y, rate=rate)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = compute(made, **SCREEN_OPTIONS)
        said = [str(w.message) for w in caught if "trembles" in str(w.message)]
        assert bool(said) == warns, degrees_per_second
        # the eye never moved: one fixation of a minute, which is cut wherever a sample seems fast
        longest = np.nan_to_num(column(found, "clip_fixation_duration_max")[0])
        if not warns:
            # at five times the tremor 4 in a million samples are, so 0.2 of the 60000 at 1000 Hz
            assert longest > 20
            continue
        assert longest < 20
        threshold = float(re.search(r"Plausible here: velocity_threshold=(\d+)$", said[0])[1])
        # five times the tremor, up to the next 5; the tremor as found is good to a few per cent
        assert 4.7 * degrees_per_second <= threshold <= 5.3 * degrees_per_second + 5
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            quiet = compute(made, velocity_threshold=threshold, **SCREEN_OPTIONS)
        assert column(quiet, "clip_fixation_duration_max")[0] > 20


def test_types_of_the_tracker_need_no_threshold():
    x, y = 500 + 200 * np.random.default_rng(2).standard_normal((2, 1000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compute(signal(x, y, code=np.ones(1000)))


def test_it_needs_gaze():
    with pytest.raises(InputError, match="channels FP1 and the unit 'V'; expected gaze_x and gaze_y"):
        compute(Signal(data=np.zeros((1, 2000)), rate=RATE, channels=("FP1",)))


@pytest.mark.parametrize("recipe", ["corrected", "released"])
def test_no_window(recipe):
    found = compute(still(3.9), recipe)
    assert found.values.shape == (0, 33)
    assert compute(still(4, code=np.ones(1000)), recipe).n_windows == 1


@pytest.mark.parametrize("recipe", ["corrected", "released"])
def test_times_follow_the_signal_and_the_input_stays(recipe):
    made = random_gaze(0)
    moved = Signal(data=made.data, rate=RATE, channels=CHANNELS, unit="mixed", start=100.0)
    before = made.data.copy()
    found = compute(moved, recipe)
    np.testing.assert_array_equal(found.starts, [100, 104, 108, 112])
    np.testing.assert_array_equal(made.data, before)
    np.testing.assert_array_equal(found.values, compute(made, recipe).values)


def test_windows_may_overlap_or_leave_gaps():
    spans = np.array([[0, 2], [3, 5], [5, 8], [9, 14], [14, 40]])
    for length, stride, n in ((4, 2, 6), (4, 4, 9), (2, 5, 7), (6, 1, 9)):
        event, window = windows_of(spans, n=n, length=length, stride=stride)
        want = []
        for w in range(n):
            inside = [e for e, (start, _) in enumerate(spans) if w * stride <= start < w * stride + length]
            open_ = [e for e, (start, stop) in enumerate(spans) if start < w * stride < stop]
            want += [(e, w) for e in inside or open_]
        assert sorted(zip(event.tolist(), window.tolist(), strict=True)) == sorted(want)
    none = windows_of(np.empty((0, 2), dtype=np.int64), n=3, length=4, stride=4)
    assert [len(part) for part in none] == [0, 0]
    made = eye33.example()
    dense = compute(made, stride_seconds=2.0)
    np.testing.assert_allclose(dense.values[::2, 8:], compute(made).values[:, 8:], rtol=1e-9)
