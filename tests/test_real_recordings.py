"""Real recordings through our own features and cleaning: known rhythms, known targets, plausible eyes.

They come inside other packages; ``python scripts/assets.py`` fetches them. They are different people doing
different things: what is shown is that real input goes through, never that emotion is recognised.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from _real import asset, eyelink, eyes_closed, jumping_target, tobii
from mien import features
from mien.core import Features, Signal
from mien.features import _eye
from mien.report.qc import write_qc
from mien.signal.cleaning import (
    DEFAULT,
    ICA,
    BadChannels,
    Cleaned,
    CleaningWarning,
    HighPass,
    Interpolate,
    Notch,
    Rereference,
    Resample,
    Step,
    clean,
)

OCCIPITAL = ("O1", "OZ", "O2", "PO3", "POZ", "PO4", "PO7", "PO8")
SMALL_CAP = """
    FP1 FP2 F7 F3 FZ F4 F8 T7 C3 CZ C4 T8 TP7 CP3 CP4 TP8 P7 P3 PZ P4 P8 O1 OZ O2
"""
FREQUENCIES = np.arange(4.0, 30.5, 0.5)
FINE = {f"{f:g}": (f - 0.25, f + 0.25) for f in FREQUENCIES}


def spectrum(signal: Signal) -> np.ndarray:
    """Median over windows of the power in bands of 0.5 Hz: (bands, channels)."""
    found = features.compute("psd", signal, bands=FINE)
    assert found.valid.all()
    return np.median(found.values, axis=0)


def assert_alpha_over_the_back(signal: Signal) -> None:
    """Eyes closed: a rhythm between 9 and 11 Hz at the back, many times what is beside it."""
    power = spectrum(signal)
    back = [signal.channels.index(name) for name in OCCIPITAL if name in signal.channels]
    assert len(back) >= 3
    peaks = FREQUENCIES[power[:, back].argmax(axis=0)]
    # this subject's rhythm is at 10 Hz; with windows of 4 s a channel may miss it by two bins of 0.5 Hz
    np.testing.assert_allclose(peaks, 10.0, atol=1.0)
    alpha = power[(FREQUENCIES >= 8) & (FREQUENCIES <= 12)][:, back].mean(axis=0)
    beta = power[(FREQUENCIES >= 15) & (FREQUENCIES <= 25)][:, back].mean(axis=0)
    assert (alpha > 5 * beta).all()  # without the rhythm the ratio is about 2, by the 1/f fall


def test_eyes_closed_ten_hertz_at_the_back() -> None:
    assert_alpha_over_the_back(eyes_closed())


def test_both_recipes_of_de_see_alpha_as_the_largest_rise() -> None:
    """The alpha band stands out of its neighbours at the back more than at the front."""
    signal = eyes_closed()
    corrected = features.compute("de_lds", signal)
    resampled = clean(signal, (Resample(200.0),)).signal
    released = features.compute("de_lds", resampled, recipe="released")
    for found in (corrected, released):
        assert np.isfinite(found.values).all()
        assert found.values.shape == (15, 5, 64)  # 61 s in windows of 4 s
        level = found.values.mean(axis=0)
        rise = level[2] - (level[1] + level[3]) / 2
        front = [signal.channels.index(name) for name in ("FP1", "FPZ", "FP2")]
        back = [signal.channels.index(name) for name in OCCIPITAL]
        assert rise[back].mean() > rise[front].mean() + 0.3  # in bits; the front carries some of it
    # DE in bits of a few tens of µV: log2(sqrt(2 pi e) * 1 µV) = 2.05, of 30 µV = 6.95
    assert (corrected.values > 0).all()
    assert (corrected.values < 9).all()


# -- cleaning ----------------------------------------------------------------------------------------------


def components(done: Cleaned) -> list[dict[str, object]]:
    (entry,) = (e for e in done.record["steps"] if e["step"] == "ica")
    return entry["found"]["components"]


def assert_sensible(done: Cleaned, raw: Signal, folder: Path) -> None:
    """A good minute of an undamaged cap stays nearly as it was, and its page says what went."""
    labels = [part["label"] for part in components(done)]
    n = len(raw.channels)
    # the average reference costs one; of more than the step asks for the strongest are taken
    assert len(labels) == min(n - 1, ICA().components)
    assert labels.count("brain") > len(labels) / 2
    assert labels.count("line") <= 2
    assert done.record["bad"] == []
    shares = {e["step"]: e["percent"] for e in done.record["steps"]}
    assert all(0 <= share <= 100 for share in shares.values())
    assert shares["ica"] < 25  # eyes closed: little to take off
    removed = [part for part in components(done) if part["removed"]]
    assert {part["label"] for part in removed} <= {"eye", "muscle", "heart", "channel"}
    assert len(removed) <= n / 8
    assert_alpha_over_the_back(done.signal)
    done.save(folder)
    page = write_qc(folder, title="S001R02").read_text("utf-8")
    assert "No channel was found bad." in page
    assert f"{len(removed)} of {len(labels)} components taken off" in page
    assert "Made-up data" not in page


def test_cleaning_a_small_cap(tmp_path: Path) -> None:
    """24 electrodes, as a small lab has them; a quicker fit."""
    whole = eyes_closed()
    names = SMALL_CAP.split()
    rows = [whole.channels.index(name) for name in names]
    raw = Signal(data=whole.data[rows], rate=whole.rate, channels=tuple(names))
    steps: tuple[Step, ...] = (
        HighPass(1.0),
        Notch(60.0),
        Resample(200.0),
        BadChannels(),
        Interpolate(),
        Rereference("average"),
        ICA(tolerance=1e-2),
    )
    done = clean(raw, steps)
    assert_sensible(done, raw, tmp_path)


@pytest.mark.slow
def test_cleaning_the_whole_cap_with_the_default_steps(tmp_path: Path) -> None:
    raw = eyes_closed()
    with pytest.warns(CleaningWarning, match="samples per weight"):  # one minute is short for 32
        done = clean(raw, DEFAULT)
    assert_sensible(done, raw, tmp_path)


# -- eyes --------------------------------------------------------------------------------------------------


def columns(found: Features) -> dict[str, np.ndarray]:
    return dict(zip(_eye.NAMES, found.values.T, strict=True))


PLAUSIBLE = {
    "pupil_left_mean": (2.0, 8.0),  # mm; the human pupil
    "pupil_right_mean": (2.0, 8.0),
    "pupil_left_std": (0.01, 0.6),  # mm within 4 s of steady light
    "pupil_right_std": (0.01, 0.6),
    "fixation_duration_mean": (0.1, 0.8),  # s; looking around a picture, Rayner 1998
    "saccade_duration_mean": (0.015, 0.15),  # s; 2 ms a degree + 20, and two samples of 60 Hz
    "clip_saccade_frequency": (0.5, 6.0),  # 1/s; two to four are usual
    "clip_fixation_frequency": (0.5, 5.0),
    "clip_fixation_duration_max": (0.2, 2.0),
}


@pytest.mark.filterwarnings("ignore:the gaze has no eye movement types")
def test_tobii_pupils_and_fixations() -> None:
    """Gaze of this tracker trembles by some 25 degrees/s; the threshold is the one that the warning names."""
    sessions = tobii()
    assert len(sessions) == 5
    for signal in sessions:
        with pytest.warns(features.FeatureWarning, match="gaze trembles by") as caught:
            too_low = columns(features.compute("eye33", signal))
        assert too_low["clip_saccade_frequency"][0] > 6  # more than anybody makes
        (said,) = (str(w.message) for w in caught if "trembles" in str(w.message))
        threshold = float(said.rpartition("=")[2])
        assert 80 <= threshold <= 150
        found = features.compute("eye33", signal, velocity_threshold=threshold)
        assert found.n_windows == 1
        assert found.valid.all()
        values = columns(found)
        for name, (low, high) in PLAUSIBLE.items():
            assert low <= values[name][0] <= high, f"{name}: {values[name][0]}"
        # 5 s hold no wave of 0.05 Hz; everything else of the pupil is a number
        for name, value in values.items():
            if name.startswith("pupil"):
                assert np.isfinite(value[0]) == ("0.05-0.2" not in name), name


@pytest.mark.parametrize(("name", "rate"), [("test01.csv", 400.0), ("test02.csv", 200.0)])
def test_a_jumping_target_gives_a_saccade_and_a_fixation_a_second(name: str, rate: float) -> None:
    screen = {"screen_px": [1920, 1080], "screen_width_m": 1920 / 3770, "distance_m": 0.573}
    for trial in jumping_target(name, rate):
        found = features.compute("eye33", trial.gaze, velocity_threshold=80.0, **screen)
        assert found.valid.all()
        # these are one number for the trial, repeated
        values = {k: float(column[0]) for k, column in columns(found).items() if k.startswith("clip_")}
        jumps = np.hypot(*np.diff(trial.target, axis=1)) / 37.7  # cm on the screen: degrees at 57.3 cm
        n = len(jumps)
        assert n == 10
        seconds = trial.gaze.n_times / rate
        # a small jump may hide in the tremor of a camera tracker, a large one may take a second saccade
        assert 0.5 * n <= values["clip_saccade_frequency"] * seconds <= 1.6 * n
        assert 0.5 * n <= values["clip_fixation_frequency"] * seconds <= 2.5 * n
        assert abs(values["clip_saccade_amplitude_mean"] / jumps.mean() - 1) < 0.5
        # where it looked, half a second after each jump: within 2.5 degrees of the target in the median
        late = ((trial.seconds + 0.6) * rate).astype(int)
        looked = np.stack(
            [np.nanmedian(trial.gaze.data[:, i : i + int(0.3 * rate)], axis=1) for i in late], axis=1
        )
        assert np.nanmedian(np.hypot(*(looked - trial.target))) / 37.7 < 2.5


AREA = "ignore:pupil_left_area_au.*in units of the camera"


@pytest.mark.filterwarnings("ignore:the gaze has no eye movement types", AREA)
def test_eyelink_agrees_with_the_tracker_itself(tmp_path: Path) -> None:
    """A two-minute recording with a target every 3 s; the tracker's own events are the known answer."""
    found = eyelink("test_2_raw.edf", tmp_path)
    rate = found.gaze.rate
    seconds = found.gaze.n_times / rate
    fixation_s = np.diff(found.fixations, axis=1)[:, 0]
    typed = columns(features.compute("eye33", found.typed))
    assert rate == 1000.0
    # with the tracker's own types our numbers are its own: to a sample at each end, and to the few fixations
    # that a blink or the end of the file cuts
    assert np.isclose(typed["clip_fixation_frequency"][0] * seconds, len(found.fixations), rtol=0.05)
    assert np.isclose(typed["clip_fixation_duration_max"][0], fixation_s.max(), atol=0.01)
    assert np.isclose(typed["clip_blink_frequency"][0] * seconds, len(found.blinks), atol=4)
    assert np.isclose(
        np.nanmean(typed["blink_duration_mean"]), np.diff(found.blinks, axis=1).mean(), atol=0.03
    )
    # by velocity alone, with nothing known of the screen, at least the same order
    ours = columns(features.compute("eye33", found.gaze))
    for name in ("clip_fixation_frequency", "clip_saccade_frequency", "clip_saccade_amplitude_mean"):
        assert 0.6 < ours[name][0] / typed[name][0] < 1.6, name
    for values in (typed, ours):
        counted = [k for k in values if not k.startswith("pupil") and "blink" not in k]
        assert all(
            np.isfinite(values[k]).mean() > 0.8 for k in counted
        )  # a window of 4 s may hold no saccade


@pytest.mark.filterwarnings("ignore:the gaze has no eye movement types", AREA)
@pytest.mark.filterwarnings("ignore:gaze trembles")  # of the binocular record
@pytest.mark.parametrize("name", ["test_raw.edf", "test_raw_binocular.edf"])
def test_other_eyelink_recordings_go_through(name: str, tmp_path: Path) -> None:
    """Steady gaze with blinks, and a poor binocular record that lost a third of its samples."""
    found = eyelink(name, tmp_path)
    for signal in (found.gaze, found.typed):
        made = features.compute("eye33", signal)
        assert made.valid.mean() > 0.5
        values = columns(made)
        assert np.isfinite([v[0] for k, v in values.items() if k.startswith("clip_")]).all()
        assert (values["clip_blink_frequency"] > 0).all()
        blinks = values["blink_duration_mean"]
        # by definition between 50 and 400 ms
        assert ((blinks[np.isfinite(blinks)] > 0.05) & (blinks[np.isfinite(blinks)] < 0.4)).all()


@pytest.mark.parametrize(
    ("name", "eyes"),
    [
        ("test_2_raw.edf", ("left",)),
        ("test_raw.edf", ("left",)),
        ("test_raw_binocular.edf", ("left", "right")),
    ],
)
def test_all_33_of_eyelink_are_numbers(name: str, eyes: tuple[str, ...], tmp_path: Path) -> None:
    """Pupils are areas in units of the camera: their diameter is taken as a share of its median."""
    found = eyelink(name, tmp_path)
    assert found.eyes == eyes
    with pytest.warns(features.FeatureWarning, match="pupil_left_area_au.*not of millimetres"):
        made = features.compute("eye33", found.typed, one_pupil_for_both=len(eyes) == 1)
    values = columns(made)
    assert made.valid.mean() > 0.5
    for feature, column in values.items():
        # a window without a blink has no duration of blinks; each feature has a number where there is one
        assert np.isfinite(column[made.valid]).any(), feature
        if "blink" not in feature and "saccade" not in feature:
            assert np.isfinite(column[made.valid]).mean() > 0.5, feature
    full = np.isfinite(made.values).all(axis=1)
    assert full.any()  # a window with fixations, saccades and blinks has all 33
    for eye in ("left", "right"):
        mean, spread = values[f"pupil_{eye}_mean"], values[f"pupil_{eye}_std"]
        # the share of one's own median: a human pupil goes from 2 to 8 mm, so by no more than a factor of
        # four either way; within 4 s by less than half
        assert 0.25 < np.nanmin(mean) <= np.nanmax(mean) < 4
        assert 0.9 < np.nanmedian(mean) < 1.1
        assert 1e-4 < np.nanmedian(spread) < 0.5
        # entropy in bits of waves between a thousandth and one whole of the pupil's size
        bands = np.stack([v for k, v in values.items() if k.startswith(f"pupil_{eye}_de")])
        low, high = (np.log2(np.sqrt(2 * np.pi * np.e) * size) for size in (1e-3, 1.0))
        assert low < np.nanmin(bands) <= np.nanmax(bands) < high


def test_every_recording_is_the_one_that_was_measured() -> None:
    for name in ("eeg_eyes_closed", "gaze", "eyelink"):
        assert asset(name).is_dir()
