"""The raw recordings of the made-up SEED-VII: real files, read back, against the truth.

The seeds here (541 to 545) are used nowhere else; no constant was chosen on them.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import struct
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from mien import datasets, simulate, timeline
from mien.core import InputError, UnknownNameError
from mien.datasets._seed_layout import CHANNELS
from mien.io import neuroscan, tobii, triggers
from mien.simulate import _latent, _raw, _screen, _truth
from mien.simulate._cnt import Electrode, write_cnt
from mien.simulate._eeg import draw_head
from mien.simulate._gaze import EYE_RATE, Gaze, eye_features, gaze_clip
from mien.simulate._mixing import DRIFT_HZ, RAW_CHANNELS
from mien.simulate._tsv import LOST, MOVEMENTS, write_tsv
from mien.simulate.seed_vii import RAW_KINDS

SEED = 541
START = datetime.datetime(2022, 10, 1, 12, 0, 0)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One person's raw recordings: 28 clips of 8 to 9 s in four sessions, and the rests between them."""
    out = tmp_path_factory.mktemp("raw") / "data"
    return simulate.simulate("seed_vii", out, seed=SEED, subjects=1, seconds=8.0, kinds=("raw",), workers=2)


@pytest.fixture(scope="module")
def truth(root: Path) -> dict[str, Any]:
    return json.loads((root / "truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def first(truth: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and truth of the first session's recording."""
    return next(iter(sorted(truth["raw"]["recordings"].items())))


@pytest.fixture(scope="module")
def raw(root: Path, first: tuple[str, dict[str, Any]]) -> Any:
    """The first session as MNE reads it."""
    import mne

    return mne.io.read_raw_cnt(root / "EEG_raw" / f"{first[0]}.cnt", preload=True, verbose="error")


@pytest.fixture(scope="module")
def microvolt(raw: Any) -> np.ndarray:
    return raw.get_data() * 1e6


@pytest.fixture(scope="module")
def gaze_table(root: Path, first: tuple[str, dict[str, Any]]) -> Any:
    import pandas as pd

    return pd.read_csv(root / "EYE_raw" / f"{first[0]}.tsv", sep="\t", decimal=",")


def latent_of(seed: int, *, subjects: int = 1, seconds: float = 8.0) -> _latent.Latent:
    return _latent.draw(seed, n_subjects=subjects, n_clips=28, seconds=seconds, effect=1.0)


def person_of(latent: _latent.Latent, subject: int = 0) -> _truth.Person:
    return _truth.Person.of(latent, draw_head(latent.seed, n_sources=_latent.N_EEG), subject)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def band(data: np.ndarray, low: float | None, high: float | None, rate: float = 1000.0) -> np.ndarray:
    kind, edges = {
        (True, True): ("bandpass", (low, high)),
        (True, False): ("highpass", low),
        (False, True): ("lowpass", high),
    }[low is not None, high is not None]
    return scipy.signal.sosfiltfilt(
        scipy.signal.butter(4, edges, btype=kind, fs=rate, output="sos"), data, axis=-1
    )


# -- files ---------------------------------------------------------------------------------------------------


def test_the_files_are_those_of_the_data_set(root: Path, truth: dict[str, Any]):
    names = list(truth["raw"]["recordings"])
    expected = {"truth.json"}
    for name in names:
        subject, date, session = name.split("_")
        assert subject == "1"
        assert datetime.datetime.strptime(date, "%Y%m%d").year == 2022
        assert truth["raw"]["recordings"][name]["session"] == session
        expected |= {f"EEG_raw/{name}.cnt", f"EYE_raw/{name}.tsv", f"save_info/{name}_trigger_info.csv"}
    assert sorted(n.split("_")[2] for n in names) == ["1", "2", "3", "4"]
    assert {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()} == expected
    assert truth["kinds"] == list(RAW_KINDS)


def test_a_recording_has_the_same_bytes_whoever_writes_it(
    root: Path, first: tuple[str, dict[str, Any]], tmp_path: Path
):
    latent = latent_of(SEED)
    for kinds in (RAW_KINDS, ("eye_raw",)):
        folder = tmp_path / kinds[0]
        folder.mkdir()
        session = int(first[1]["session"])
        _raw.write_session(person_of(latent), _raw.plan(latent, 0, session), kinds=kinds, folder=folder)
        written = [p for p in folder.rglob("*") if p.is_file()]
        assert len(written) == len(kinds)
        for path in written:  # two worker processes wrote these
            assert digest(path) == digest(root / path.relative_to(folder))


def test_raw_recordings_leave_the_other_files_as_they_are(tmp_path: Path):
    options: dict[str, Any] = {"seed": 542, "subjects": 1, "seconds": 8.0}
    a = simulate.simulate("seed_vii", tmp_path / "a", kinds=("eye_features",), **options)
    b = simulate.simulate("seed_vii", tmp_path / "b", kinds=("eye_features", "save_info"), **options)
    assert digest(a / "EYE_features" / "1.mat") == digest(b / "EYE_features" / "1.mat")
    with_raw, without = (json.loads((r / "truth.json").read_text(encoding="utf-8")) for r in (b, a))
    assert "raw" not in without
    assert len(with_raw.pop("raw")["recordings"]) == 4
    with_raw.pop("kinds"), without.pop("kinds")
    assert with_raw == without


# -- the .cnt format -----------------------------------------------------------------------------------------


def small_cnt(path: Path, data: np.ndarray, pieces: list[int]) -> list[Electrode]:
    channels = [
        Electrode(name="CZ", sensitivity=6.103515625),
        Electrode(name="OZ", sensitivity=3.0, calibration=1.25, baseline=-17),
        Electrode(name="VEO", sensitivity=6.103515625, baseline=1000, position=(0.5, 0.25)),
    ]
    blocks = np.split(data, np.cumsum(pieces)[:-1], axis=1)
    n = write_cnt(
        path, blocks, electrodes=channels, rate=500, events=[(0, 1), (7, 254)], start=START, subject="3"
    )
    assert n == data.shape[1]
    return channels


def test_what_is_written_is_what_mne_reads(tmp_path: Path):
    import mne

    data = np.random.default_rng(0).normal(0, 100, (3, 50))
    channels = small_cnt(tmp_path / "a.cnt", data, [20, 1, 29])
    read = mne.io.read_raw_cnt(tmp_path / "a.cnt", verbose="error")
    assert read.ch_names == ["CZ", "OZ", "VEO"]
    assert (read.info["sfreq"], read.n_times) == (500.0, 50)
    steps = np.array([[c.microvolt_per_count] for c in channels])
    # the nearest step of the converter, and the rounding of 1e-6
    assert (np.abs(read.get_data() * 1e6 - data) <= 0.5 * steps + 1e-9).all()
    assert [a["description"] for a in read.annotations] == ["1", "254"]
    # MNE takes one sample off, but not below 0
    np.testing.assert_allclose(read.annotations.onset * 500, [0, 6], atol=1e-9)
    small_cnt(tmp_path / "b.cnt", data, [50])
    assert digest(tmp_path / "b.cnt") == digest(tmp_path / "a.cnt")


def test_every_byte_of_the_layout(tmp_path: Path):
    data = np.zeros((3, 4))
    small_cnt(tmp_path / "a.cnt", data, [4])
    content = (tmp_path / "a.cnt").read_bytes()
    table = 900 + 3 * 75 + 4 * 3 * 4
    assert len(content) == table + 9 + 2 * 19
    assert struct.unpack_from("<H", content, 370) == (3,)
    assert struct.unpack_from("<H", content, 376) == (500,)
    assert struct.unpack_from("<I", content, 864) == (4,)
    assert struct.unpack_from("<i", content, 886) == (table,)
    assert content[225:235] + content[235:243] == b"10/01/22\0\x0012:00:00"
    assert content[975:985] == b"OZ".ljust(10, b"\0")
    assert struct.unpack_from("<h", content, 975 + 47) == (-17,)
    assert struct.unpack_from("<f", content, 975 + 59) == (3.0,)
    assert struct.unpack_from("<f", content, 975 + 71) == (1.25,)
    stored = np.frombuffer(content, "<i4", 12, 900 + 225).reshape(4, 3)
    np.testing.assert_array_equal(stored, np.tile([0, -17, 1000], (4, 1)))
    assert struct.unpack_from("<Bii", content, table) == (2, 38, 0)
    assert struct.unpack_from("<HBBi", content, table + 9 + 19) == (254, 0, 0, 900 + 225 + 7 * 12)


def test_values_beyond_32_bits_are_cut_and_positions_wrap(tmp_path: Path):
    small_cnt(tmp_path / "a.cnt", np.array([[1e12, -1e12]] * 3), [2])
    stored = np.frombuffer((tmp_path / "a.cnt").read_bytes(), "<i4", 6, 900 + 225)
    np.testing.assert_array_equal(stored, [2**31 - 1] * 3 + [-(2**31)] * 3)
    from mien.simulate._cnt import _wrap

    assert [_wrap(p) for p in (5, 2**31 - 1, 2**31, 2**32, 2**32 + 7)] == [5, 2**31 - 1, -(2**31), 0, 7]


# -- the EEG -------------------------------------------------------------------------------------------------


def test_names_rate_length_and_triggers(raw: Any, first: tuple[str, dict[str, Any]], truth: dict[str, Any]):
    assert tuple(raw.ch_names) == RAW_CHANNELS == tuple(truth["raw"]["eeg_channels"])
    assert len(raw.ch_names) == 67
    assert [n for n in raw.ch_names if n not in ("M1", "M2", "ECG", "HEO", "VEO")] == list(CHANNELS)
    assert (raw.ch_names.index("M1"), raw.ch_names.index("M2")) == (32, 42)
    assert raw.ch_names[-3:] == ["ECG", "HEO", "VEO"]
    assert raw.info["sfreq"] == 1000.0
    assert raw.n_times == first[1]["n_samples"]
    assert [a["description"] for a in raw.annotations] == ["1", "2"] * len(first[1]["clips"])
    triggers_of = np.array(first[1]["trigger_samples"])
    # MNE's onsets are one sample early
    np.testing.assert_allclose(raw.annotations.onset * 1000 + 1, triggers_of.ravel(), atol=1e-6)
    lengths = [truth["clip_seconds"][truth["clips"].index(c)] for c in first[1]["clips"]]
    np.testing.assert_array_equal(np.diff(triggers_of, axis=1)[:, 0], 1000 * np.array(lengths))
    rests = np.array(first[1]["rests"])
    assert ((np.diff(rests, axis=1) >= 15) & (np.diff(rests, axis=1) <= 20)).all()
    np.testing.assert_allclose(rests[1:, 0] * 1000, triggers_of[:, 1])
    np.testing.assert_allclose(rests[:-1, 1] * 1000, triggers_of[:, 0])


def test_the_true_brain_is_the_one_of_the_processed_files(tmp_path: Path):
    root = simulate.simulate(
        "seed_vii", tmp_path / "data", seed=543, subjects=2, seconds=8.0, kinds=("eeg_preprocessed",)
    )
    clip = simulate_clip = json.loads((root / "truth.json").read_text(encoding="utf-8"))["clips"][3]
    shipped = scipy.io.loadmat(root / "EEG_preprocessed" / "2.mat")[str(clip)]
    brain = simulate.true_brain(root, subject="2", clip=simulate_clip)
    assert (brain.unit, brain.rate, brain.channels) == ("V", 200.0, CHANNELS)
    row = CHANNELS.index("CZ")
    # at the vertex the processed files add 0.4 uV of hum and 0.4 % of a blink of 90 uV, and no muscle
    assert np.abs(shipped[row] - brain.data[row] * 1e6).max() < 0.4 + 0.004 * 2 * 90 + 0.01
    fast = simulate.true_brain(root / "truth.json", subject="2", clip=clip, rate=1000.0)
    # float32 of 100 uV
    np.testing.assert_allclose(fast.data[:, ::5], brain.data, rtol=0, atol=1e-11)
    assert fast.n_times == 5 * brain.n_times


def test_the_true_brain_has_no_hum_and_nothing_fast(truth: dict[str, Any]):
    brain = simulate.true_brain(truth, subject="1", clip=truth["clips"][0], rate=1000.0)
    frequency, power = scipy.signal.welch(brain.data, fs=1000, nperseg=4000)
    # the bands end at 50 Hz, but powers step every four seconds; the interpolation ends at 113 Hz
    assert (power[:, frequency > 113].sum(axis=1) < 1e-6 * power.sum(axis=1)).all()
    line, beside = power[:, frequency == 50], power[:, (frequency >= 46) & (frequency < 50)]
    assert (line < 3 * beside.mean(axis=1, keepdims=True)).all()


def test_the_brain_is_in_the_raw_recording(
    microvolt: np.ndarray, first: tuple[str, dict[str, Any]], truth: dict[str, Any]
):
    filtered = band(microvolt, 2, 40)
    by_clip = []
    for clip, (start, stop) in zip(first[1]["clips"], first[1]["trigger_samples"], strict=True):
        brain = simulate.true_brain(truth, subject="1", clip=clip, rate=1000.0)
        expected = band(brain.data, 2, 40)
        inside = slice(500, -500)  # half a second, in which the filter sees the edge of the clip
        by_clip.append(
            [
                np.corrcoef(filtered[RAW_CHANNELS.index(c), start:stop][inside], e[inside])[0, 1]
                for c, e in zip(CHANNELS, expected, strict=True)
            ]
        )
    r = np.median(by_clip, axis=0)
    bad = [CHANNELS.index(c) for c in first[1]["bad_channels"]]
    good = [i for i in range(62) if i not in bad]
    # most electrodes are far from eyes and muscles
    assert np.median(r[good]) > 0.95
    # a dead channel knows nothing of the brain; a noisy one drowns it
    assert np.abs(r[bad]).max() < 0.5


def test_drift_hum_and_noise(microvolt: np.ndarray, first: tuple[str, dict[str, Any]]):
    good = [i for i, c in enumerate(RAW_CHANNELS) if c not in first[1]["bad_channels"] and c != "ECG"]
    n = microvolt.shape[1]
    spectrum = 2 * np.abs(np.fft.rfft(microvolt[good] * np.hanning(n), axis=1) / (n / 2)) ** 2
    frequency = np.fft.rfftfreq(n, 1e-3)

    def rms(low: float, high: float) -> np.ndarray:
        # the Hann window leaves 3/8 of the power, and its sum is half of n
        inside = (frequency >= low) & (frequency < high)
        return np.sqrt(spectrum[:, inside].sum(axis=1) / 4 / (3 / 8))

    assert DRIFT_HZ.max() < 0.1
    assert np.median(rms(1 / (n * 1e-3), 0.1)) > 10  # uV
    hum, third = rms(49.9, 50.1), rms(149.9, 150.1)
    assert 3 < np.median(hum) < 10  # 8 uV is the height of the wave, 5.7 its root mean square
    np.testing.assert_allclose(np.median(third / hum), 0.3, atol=0.05)
    # 0.5 uV of white noise over 500 Hz, and what muscle bursts add in a minority of places
    fast = rms(410, 449)
    assert np.median(fast) == pytest.approx(0.5 * np.sqrt(39 / 500), rel=0.3)


def test_blinks_show_in_veo_and_at_the_forehead(
    raw: Any, microvolt: np.ndarray, first: tuple[str, dict[str, Any]], truth: dict[str, Any]
):
    veo = band(microvolt[raw.ch_names.index("VEO")], 1, 20)
    heights = []
    for clip, (start, stop) in zip(first[1]["clips"], first[1]["trigger_samples"], strict=True):
        for begin, duration in simulate.true_gaze(truth, subject="1", clip=clip).blinks:
            a = start + round(1000 * begin)
            b = min(a + round(1000 * (duration + 0.15)), stop)
            heights.append(np.ptp(veo[a:b]))
    assert len(heights) > 5
    assert np.median(heights) > 120  # uV; the bump is 240 uV high before the filter
    quiet = np.median(np.abs(veo))
    assert np.median(heights) > 5 * quiet


def test_gaze_to_the_right_shows_in_heo_and_on_both_sides(
    raw: Any, microvolt: np.ndarray, first: tuple[str, dict[str, Any]], truth: dict[str, Any]
):
    slow = band(microvolt, 0.5, 10)
    x, parts = [], []
    for clip, (start, stop) in zip(first[1]["clips"], first[1]["trigger_samples"], strict=True):
        gaze = simulate.true_gaze(truth, subject="1", clip=clip)
        n = stop - start
        at = np.arange(n) / 1000
        x.append(np.interp(at, np.arange(gaze.position.shape[1]) / gaze.rate, gaze.position[0]))
        parts.append(slow[:, start:stop])
    course, eeg = band(np.concatenate(x), 0.5, 10), np.concatenate(parts, axis=1)
    r = {name: np.corrcoef(course, eeg[i])[0, 1] for i, name in enumerate(raw.ch_names)}
    assert r["HEO"] > 0.9
    bad = first[1]["bad_channels"]
    right = [r[c] for c in ("F8", "FT8", "F6", "AF4", "F4") if c not in bad]
    left = [r[c] for c in ("F7", "FT7", "F5", "AF3", "F3") if c not in bad]
    assert np.median(right) > 0.1
    assert np.median(left) < -0.1
    assert abs(r["OZ"]) < 0.2 or "OZ" in bad


def test_the_heart_beats_at_the_rate_of_the_truth(
    raw: Any, microvolt: np.ndarray, first: tuple[str, dict[str, Any]]
):
    ecg = band(microvolt[raw.ch_names.index("ECG")], 5, 40)
    peaks, _ = scipy.signal.find_peaks(ecg, height=300, distance=300)
    seconds = microvolt.shape[1] / 1000
    # one beat at either end may be missing
    assert abs(len(peaks) - first[1]["heart_rate_hz"] * seconds) <= 2
    assert 0.9 < first[1]["heart_rate_hz"] < 1.6


def test_muscles_burst_where_and_when_the_truth_says(
    raw: Any, microvolt: np.ndarray, first: tuple[str, dict[str, Any]]
):
    at = {0: "FT7", 1: "FT8", 2: "CB1"}
    fast = {k: band(microvolt[raw.ch_names.index(c)], 60, 95) for k, c in at.items()}
    ratios = []
    for start, duration, muscle in first[1]["muscle"]:
        if at[muscle] not in first[1]["bad_channels"]:
            burst = fast[muscle][round(1000 * start) : round(1000 * (start + duration))]
            ratios.append(burst.std() / np.median(np.abs(fast[muscle])))
    assert len(ratios) >= 3
    assert np.median(ratios) > 5  # a noise of one strength would have 1.5


def test_bad_channels_are_where_the_truth_says(root: Path, truth: dict[str, Any]):
    faults = set()
    for name, recording in truth["raw"]["recordings"].items():
        said = recording["bad_channels"]
        assert 2 <= len(said) <= 5
        assert set(said) <= set(CHANNELS)
        cnt = neuroscan.open_cnt(root / "EEG_raw" / f"{name}.cnt")
        data = cnt.read(20.0, 30.0, channels=CHANNELS) * 1e6
        # dead is 0.05 uV; noisy at least 120 uV of white noise, half of its power above 250 Hz
        found = {c: "dead" for c, x in zip(CHANNELS, data.std(axis=1), strict=True) if x < 0.2}
        fast = band(data, 260, None).std(axis=1)
        found |= {c: "noisy" for c, x in zip(CHANNELS, fast, strict=True) if x > 40}
        assert found == said
        faults |= set(said.values())
    assert faults == {"dead", "noisy"}


def test_rests_join_the_clips_without_a_step():
    latent = latent_of(544)
    person, session = person_of(latent), _raw.plan(latent, 0, 2)
    pieces = [brain for _, brain, _ in _raw._brains(person, session)]
    assert [first for first, _, _ in _raw._brains(person, session)] == session.edges[:-1].tolist()
    for before, after in pairwise(pieces):
        # the edges meet; float32 of some hundred uV
        np.testing.assert_allclose(before[:, -1], after[:, 0], atol=1e-2)


def test_blocks_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Everything but the amplifier's noise is the same wherever the blocks are cut."""
    latent = latent_of(544)
    person, session = person_of(latent), _raw.plan(latent, 0, 4)
    eyes = _raw._eyes(person, session)
    size = np.ones(len(eyes.blinks))
    time = np.arange(30_000, 42_000) / 1000
    whole = _raw._courses(session, eyes, time, size, seed=544)
    halves = [_raw._courses(session, eyes, part, size, seed=544) for part in np.split(time, [5_003])]
    np.testing.assert_allclose(np.concatenate(halves, axis=1), whole, atol=1e-9)
    assert (np.abs(whole).max(axis=1) > 0)[[0, 1, 2, 6]].all()


def test_interpolation_keeps_samples_and_is_band_limited():
    rate, n = 200, 600
    time, fine = np.arange(n) / rate, np.arange(5 * n) / (5 * rate)
    for hz in (1.0, 17.3, 60.0, 85.0):
        old = np.sin(2 * np.pi * hz * time + 0.3)[None].astype(np.float32)
        new = _truth.interpolate(old)
        np.testing.assert_array_equal(new[:, ::5], old)
        inside = slice(100, -100)
        # the window's ripple is 80 dB down: 1e-4
        np.testing.assert_allclose(new[0, inside], np.sin(2 * np.pi * hz * fine + 0.3)[inside], atol=2e-4)
    noise = np.random.default_rng(0).standard_normal((2, n)).astype(np.float32)
    whole = _truth.interpolate(noise)
    for first, stop in ((0, 7), (333, 1401), (2990, 3000)):
        np.testing.assert_array_equal(_truth.interpolate(noise, first=first, stop=stop), whole[:, first:stop])


# -- the eyes ------------------------------------------------------------------------------------------------


def eye_rows(table: Any, recording: dict[str, Any], clip: int) -> tuple[Any, np.ndarray]:
    """Rows of a gaze table within a clip, and their times since its start by the truth's clock."""
    clock = recording["clocks"]["eye"]
    seconds = clock["offset"] + (1 + clock["drift"]) * table["Recording timestamp"].to_numpy() * 1e-6
    start, stop = recording["trigger_samples"][recording["clips"].index(clip)]
    inside = (seconds >= start / 1000) & (seconds < stop / 1000)
    return table[inside], seconds[inside] - start / 1000


def test_the_gaze_file_follows_the_truth(
    gaze_table: Any, first: tuple[str, dict[str, Any]], truth: dict[str, Any]
):
    for clip in first[1]["clips"]:
        gaze = simulate.true_gaze(truth, subject="1", clip=clip)
        rows, seconds = eye_rows(gaze_table, first[1], clip)
        n = gaze.position.shape[1]
        assert abs(len(rows) - n) <= 1
        j = np.clip(np.rint(seconds * EYE_RATE).astype(int), 0, n - 1)
        movement = rows["Eye movement type"].map(MOVEMENTS.index).to_numpy()
        # a row shows the moment nearest to it, at most half a sample away
        assert np.mean(movement == gaze.movement[j]) > 0.98
        seen = (movement != LOST) & (gaze.movement[j] == movement)
        for name, course in (("X", gaze.position[0]), ("Y", gaze.position[1])):
            error = rows[f"Gaze point {name}"].to_numpy()[seen] - course[j][seen]
            assert np.mean(np.abs(error) <= 0.51) > 0.95  # whole px; in a saccade 4 ms are many px
        for name, course in zip(("left", "right"), gaze.pupil, strict=True):
            error = rows[f"Pupil diameter {name}"].to_numpy()[seen] - course[j][seen]
            assert np.abs(error).max() < 0.0005 + 0.005  # three decimals; pupils move slowly
        lost = movement == LOST
        for column in ("Gaze point X", "Gaze point Y", "Pupil diameter left", "Pupil diameter right"):
            np.testing.assert_array_equal(rows[column].isna(), lost)
        assert lost.any() == bool(len(gaze.lost))


def test_the_columns_of_the_gaze_file(root: Path, gaze_table: Any, first: tuple[str, dict[str, Any]]):
    stamp = gaze_table["Recording timestamp"].to_numpy()
    assert stamp[0] == 0
    assert (np.diff(stamp) > 3900).all()
    assert (np.diff(stamp) < 4100).all()
    assert (gaze_table["Eye movement type"][:200] == "EyesNotFound").all()
    assert set(gaze_table["Eye movement type"]) == set(MOVEMENTS)
    kind = gaze_table["Eye movement type"].map(MOVEMENTS.index).to_numpy()
    starts = np.flatnonzero(np.diff(kind, prepend=-1))
    lengths = np.diff(starts, append=len(kind))
    np.testing.assert_array_equal(gaze_table["Gaze event duration"].to_numpy()[starts], 4 * lengths)
    assert (gaze_table["Validity left"] == "Invalid").equals(
        gaze_table["Eye movement type"] == "EyesNotFound"
    )
    text = (root / "EYE_raw" / f"{first[0]}.tsv").read_bytes()
    assert text.count(b"\r\n") == text.count(b"\n") == len(gaze_table) + 1
    assert b"," in text.split(b"\r\n")[2000]
    assert b"." not in text.split(b"\r\n")[2000].replace(text.split(b"\t")[15], b"").split(b"\t")[7]


def test_starts_have_three_or_six_digits_and_one_session_passes_midnight(root: Path, truth: dict[str, Any]):
    digits, past_midnight = set(), 0
    for name, recording in truth["raw"]["recordings"].items():
        row = (root / "EYE_raw" / f"{name}.tsv").read_text(encoding="utf-8").splitlines()[1].split("\t")
        written = row[4]
        fraction = written.split(".")[1]
        digits.add(len(fraction))
        start = datetime.datetime.fromisoformat(recording["eye_start"])
        assert start.strftime("%H:%M:%S.%f")[: len(written)] == written
        assert start.strftime("%H:%M:%S.%f")[len(written) :].strip("0") == ""  # nothing is lost
        clips = triggers.read_trigger_csv(root / "save_info" / f"{name}_trigger_info.csv")
        past_midnight += clips[0].start.date() != clips[-1].end.date()
        assert name.split("_")[1] == datetime.datetime.fromisoformat(recording["eeg_start"]).strftime(
            "%Y%m%d"
        )
    assert digits == {3, 6}
    assert past_midnight == 1


def test_the_trigger_files_fit_the_truth_s_clocks(root: Path, truth: dict[str, Any]):
    for name, recording in truth["raw"]["recordings"].items():
        lines = (root / "save_info" / f"{name}_trigger_info.csv").read_text(encoding="utf-8").splitlines()
        assert [line[:2] for line in lines] == ["1,", "2,"] * len(recording["clips"])
        start = datetime.datetime.fromisoformat(recording["eeg_start"])
        wall = np.array(
            [
                (datetime.datetime.strptime(line[2:], "%Y-%m-%d %H:%M:%S.%f") - start).total_seconds()
                for line in lines
            ]
        )
        drift = recording["clocks"]["wall"]["drift"]
        assert abs(drift) <= 20e-6
        error = (1 + drift) * wall - np.array(recording["trigger_samples"]).ravel() / 1000
        assert np.abs(error).max() < 0.0025  # five standard deviations of the logging
        assert error.std() > 1e-5
        eye = datetime.datetime.fromisoformat(recording["eye_start"])
        offset = (eye - start).total_seconds() * (1 + drift)
        assert recording["clocks"]["eye"]["offset"] == pytest.approx(offset, abs=1e-9)


def test_true_gaze_has_the_events_of_the_shipped_features(tmp_path: Path):
    root = simulate.simulate(
        "seed_vii", tmp_path / "data", seed=543, subjects=2, seconds=12.0, kinds=("eye_features",)
    )
    shipped = scipy.io.loadmat(root / "EYE_features" / "2.mat")
    for clip in (1, 30):
        if str(clip) not in shipped:
            continue
        gaze = simulate.true_gaze(root, subject="2", clip=clip)
        ours = eye_features(gaze.events)[: len(shipped[str(clip)])]
        np.testing.assert_array_equal(ours, shipped[str(clip)])
        np.testing.assert_array_equal(gaze.fixations[:, :4], gaze.events.fixations)
        np.testing.assert_array_equal(gaze.saccades[:, :3], gaze.events.saccades)


def made_gaze(seed: int = 0, windows: int = 15) -> Gaze:
    rng = np.random.default_rng([545, seed])
    return gaze_clip(rng.standard_normal((windows, 7)), seconds=4 * windows, rng=rng)


def test_fixations_and_saccades_have_the_sizes_drawn():
    events = made_gaze()
    gaze = _screen.look(events, rng=np.random.default_rng(545))
    for start, duration, wide, high, x, y in gaze.fixations:
        a, b = _screen._samples(start, duration, gaze.position.shape[1])
        np.testing.assert_allclose(np.ptp(gaze.position[:, a:b], axis=1), [wide, high], rtol=1e-9)
        np.testing.assert_allclose(gaze.position[:, a], [x, y])
        assert set(gaze.movement[a:b].tolist()) <= {1, LOST}
    for start, duration, amplitude, *places in gaze.saccades:
        vector = np.subtract(places[2:], places[:2])
        assert np.hypot(*vector) == pytest.approx(amplitude)
        a, b = _screen._samples(start, duration, gaze.position.shape[1])
        assert set(gaze.movement[a:b].tolist()) <= {2, LOST}
        assert gaze.movement[max(a - 1, 0)] in (0, 1, LOST)
    # a saccade starts where the fixation before it ends
    a, b = _screen._samples(*gaze.fixations[0, :2], gaze.position.shape[1])
    np.testing.assert_allclose(gaze.saccades[0, 3:5], gaze.position[:, b - 1])
    size = np.array(_screen.SCREEN)
    on = ((gaze.position >= 0) & (gaze.position <= size[:, None])).all(axis=0)
    assert on.mean() > 0.95  # a saccade wider than the way to every edge leaves the screen


def test_blinks_and_dropouts_lose_the_gaze_and_nothing_else_does():
    events = made_gaze(1, windows=60)
    gaze = _screen.look(events, rng=np.random.default_rng(545))
    time = np.arange(gaze.position.shape[1]) / gaze.rate
    closed = np.zeros(len(time), dtype=bool)
    for start, duration in gaze.blinks:
        closed |= (time >= start) & (time < start + duration)
    lost = gaze.movement == LOST
    assert lost[closed].all()
    dropouts = [d for _, d in gaze.lost if d > 0.45]
    # 0.4 a minute in four minutes: none with probability 0.2, more than eight 0.0001
    assert len(dropouts) <= 8
    assert (lost & ~closed).sum() / gaze.rate <= sum(dropouts) + 0.01


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 80)), max_size=12))
def test_joined_spans_cover_what_the_spans_cover(spans: list[tuple[int, int]]):
    joined = _screen._joined(np.array(spans, dtype=float).reshape(-1, 2))
    at = np.arange(400) + 0.5
    covered = np.zeros((2, 400), dtype=int)
    for row, given_spans in enumerate((spans, joined.tolist())):
        for start, duration in given_spans:
            covered[row] += (at > start) & (at < start + duration)
    np.testing.assert_array_equal(covered[0] > 0, covered[1] > 0)
    assert covered[1].max(initial=0) <= 1


def test_a_gaze_file_of_three_rows(tmp_path: Path):
    write_tsv(
        tmp_path / "a.tsv",
        microseconds=np.array([0, 4012, 8001]),
        position=np.array([[100.4, 7.6, 3.0], [-20.2, 1.0, 2.0]]),
        pupil=np.array([[3.12345, 4.0, 1.0], [3.0, 12.0, 1.0]]),
        movement=np.array([1, 1, 3], dtype=np.int8),
        rate=250.0,
        start=START + datetime.timedelta(microseconds=7_000),
        digits=3,
        participant="12",
    )
    lines = (tmp_path / "a.tsv").read_bytes().decode().split("\r\n")
    assert lines[0].split("\t")[4:9] == [
        "Recording start time", "Gaze point X", "Gaze point Y", "Pupil diameter left", "Pupil diameter right",
    ]  # fmt: skip
    head = "Eye Tracker\t12\t01.10.2022\t12:00:00.007"
    assert lines[1:] == [
        f"0\t{head}\t100\t-20\t3,123\t3,000\tValid\tValid\tFixation\t8\t1",
        f"4012\t{head}\t8\t1\t4,000\t12,000\tValid\tValid\tFixation\t8\t1",
        f"8001\t{head}\t\t\t\t\tInvalid\tInvalid\tEyesNotFound\t4\t1",
        "",
    ]


# -- what the readers make of it -----------------------------------------------------------------------------


def test_our_reader_gives_the_values_of_mne(root: Path, raw: Any, first: tuple[str, dict[str, Any]]):
    cnt = neuroscan.open_cnt(root / "EEG_raw" / f"{first[0]}.cnt")
    assert (cnt.channels, cnt.rate, cnt.n_samples) == (RAW_CHANNELS, 1000.0, raw.n_times)
    # two orders of the same multiplications
    np.testing.assert_allclose(cnt.read(33.0, 2.0), raw.get_data(start=33_000, stop=35_000), rtol=1e-12)
    at = [round(e.span.start * 1000) for e in cnt.events]
    np.testing.assert_array_equal(at, np.array(first[1]["trigger_samples"]).ravel())
    assert cnt.started == datetime.datetime.fromisoformat(first[1]["eeg_start"]).replace(microsecond=0)
    gaze = tobii.open_tsv(root / "EYE_raw" / f"{first[0]}.tsv")
    assert gaze.rate == 250.0
    assert gaze.started == datetime.datetime.fromisoformat(first[1]["eye_start"]).time()


def test_the_data_set_s_reader_finds_clips_and_clocks(root: Path, truth: dict[str, Any]):
    for recording in datasets.load("seed_vii", root):
        said = next(r for r in truth["raw"]["recordings"].values() if r["session"] == recording.session)
        assert [int(t.stimulus) for t in recording.trials] == said["clips"]
        for trial, (start, stop) in zip(recording.trials, said["trigger_samples"], strict=True):
            assert trial.span.start == pytest.approx(start / 1000, abs=1e-9)
            assert trial.span.stop == pytest.approx(stop / 1000, abs=1e-9)
        aligned = timeline.align(recording)
        eye = aligned.clocks[aligned.streams["raw_gaze"].clock]
        clock = said["clocks"]["eye"]
        middle = said["n_samples"] / 2000
        # 14 or more markers logged to 0.5 ms; drift over two minutes is told to a few millionths
        assert eye.offset + eye.drift * middle == pytest.approx(
            clock["offset"] + clock["drift"] * middle, abs=0.001
        )
        assert eye.residual < 0.002


# -- what is asked for ---------------------------------------------------------------------------------------


def test_what_is_not_there_is_said(truth: dict[str, Any], tmp_path: Path):
    with pytest.raises(UnknownNameError, match="unknown subject '2'; known: 1"):
        simulate.true_brain(truth, subject="2", clip=truth["clips"][0])
    missing = next(c for c in range(1, 81) if c not in truth["clips"])
    with pytest.raises(UnknownNameError, match=f"unknown clip '{missing}'"):
        simulate.true_gaze(truth, subject="1", clip=missing)
    with pytest.raises(ValueError, match="rate must be 200 or 1000, got 250"):
        simulate.true_brain(truth, subject="1", clip=truth["clips"][0], rate=250.0)
    with pytest.raises(InputError, match=r"truth\.json: is not there; expected the truth\.json of a made-up"):
        simulate.true_brain(tmp_path, subject="1", clip=1)
    (tmp_path / "truth.json").write_text('{"dataset": "deap"}', encoding="utf-8")
    with pytest.raises(InputError, match="is about 'deap'; expected a made-up seed_vii"):
        simulate.true_gaze(tmp_path, subject="1", clip=1)
    old = {**truth, "model": {**truth["model"], "gain": 1.001 * truth["model"]["gain"]}}
    with pytest.raises(InputError, match=r"made by another version of mien.*Simulate it again"):
        simulate.true_brain(old, subject="1", clip=truth["clips"][0])
    with pytest.raises(InputError, match=r"--kinds raws; expected any of .*save_info, raw"):
        simulate.simulate("seed_vii", tmp_path / "data", seed=1, kinds=("raws",))


def test_two_recordings_have_the_broken_triggers_of_the_real_data_set():
    latent = latent_of(545, subjects=14)
    for subject, session, name, start in (
        (13, 1, "14_20221015_1", "14:25:34"),
        (8, 3, "9_20221111_3", "14:01:27"),
    ):
        plan = _raw.plan(latent, subject, session)
        assert plan.name == name
        assert plan.eeg_start.strftime("%H:%M:%S") == start
        assert not plan.kept.all()
        assert len(plan.logged) == len(plan.clips)
    assert _raw.plan(latent, 8, 2).kept.all()


@pytest.mark.slow
def test_everything_raw_has_the_same_bytes_for_one_worker(root: Path, tmp_path: Path):
    again = simulate.simulate(
        "seed_vii", tmp_path / "again", seed=SEED, subjects=1, seconds=8.0, kinds=("raw",)
    )
    files = [p for p in root.rglob("*") if p.is_file()]
    assert all(digest(p) == digest(again / p.relative_to(root)) for p in files)
    assert len(files) == len([p for p in again.rglob("*") if p.is_file()])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_session(tmp_path: Path):
    peaks = []
    for seconds in (60.0, 120.0):
        latent = latent_of(544, seconds=seconds)
        person, session = person_of(latent), _raw.plan(latent, 0, 2)
        folder = tmp_path / str(seconds)
        folder.mkdir()
        tracemalloc.start()
        _raw.write_session(person, session, kinds=("eeg_raw",), folder=folder)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        written = sum(p.stat().st_size for p in folder.rglob("*.cnt"))
        assert peaks[-1] < 0.8 * written
    assert peaks[1] < 300e6
