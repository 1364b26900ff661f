"""The made-up SEED-VII on disk.

The seeds here (531 to 536) are used nowhere else; no constant of the model was chosen on them.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.fft

from mien import batches, datasets, features, metrics, models, protocols, simulate
from mien.batches import Table
from mien.core import InputError
from mien.datasets._seed_layout import CHANNELS, EEG_RATE
from mien.simulate import _latent
from mien.simulate import seed_vii as made_up
from mien.simulate._eeg import BAND_EDGES, BLINK_MICROVOLT, draw_bad_channels, draw_head, eeg_clip
from mien.simulate._head import electrode_positions


def digests(root: Path) -> dict[str, str]:
    files = (p for p in sorted(root.rglob("*")) if p.is_file())
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people, 28 short clips, everything that can be written."""
    out = tmp_path_factory.mktemp("made_up") / "data"
    return simulate.simulate("seed_vii", out, seed=531, subjects=2, seconds=10.0)


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(small: Path, tmp_path: Path):
    again = simulate.simulate("seed_vii", tmp_path / "again", seed=531, subjects=2, seconds=10.0, workers=2)
    expected = {"truth.json", "emotion_label_and_stimuli_order.xlsx"}
    folders = ("EEG_preprocessed", "EEG_features", "EYE_features", "continuous_labels")
    expected |= {f"{folder}/{subject}.mat" for folder in folders for subject in (1, 2)}
    assert set(digests(small)) == expected
    assert digests(again) == digests(small)


def test_another_seed_gives_other_bytes_in_every_file_but_the_workbook(small: Path, tmp_path: Path):
    other = simulate.simulate("seed_vii", tmp_path / "other", seed=532, subjects=2, seconds=10.0)
    first, second = digests(small), digests(other)
    same = {name for name in first if first[name] == second[name]}
    assert same == {"emotion_label_and_stimuli_order.xlsx"}


def test_what_is_not_asked_for_does_not_change_the_rest(small: Path, tmp_path: Path):
    part = simulate.simulate(
        "seed_vii",
        tmp_path / "part",
        seed=531,
        subjects=2,
        seconds=10.0,
        kinds=("eye_features", "eeg_features"),
    )
    found = digests(part)
    assert set(found) == {"truth.json"} | {
        f"{f}/{s}.mat" for f in ("EEG_features", "EYE_features") for s in (1, 2)
    }
    assert all(found[name] == digests(small)[name] for name in found if name != "truth.json")


def test_the_reader_finds_everything_and_no_fault(small: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the reader warns of what it leaves out
        recordings = datasets.load("seed_vii", small)
    truth = json.loads((small / "truth.json").read_text(encoding="utf-8"))
    trials = [t for r in recordings for t in r.trials]
    assert {t.subject for t in trials} == set(truth["subjects"])
    assert sorted({int(t.stimulus) for t in trials}) == truth["clips"]
    assert len(trials) == 2 * 28
    emotions = dict(zip(truth["clips"], truth["clip_emotions"], strict=True))
    assert all(t.labels["emotion"].value == emotions[int(t.stimulus)] for t in trials)
    seconds = dict(zip(truth["clips"], truth["clip_seconds"], strict=True))
    assert all(t.span.duration == seconds[int(t.stimulus)] for t in trials)
    found = datasets.inspect("seed_vii", small)
    assert found.ok
    assert found.faults == ()


def test_the_ratings_are_the_intensities_of_the_truth(small: Path):
    truth = json.loads((small / "truth.json").read_text(encoding="utf-8"))["model"]["intensity"]
    clips = _latent.choose_clips(28)
    for r in datasets.load("seed_vii", small):
        for t in r.trials:
            felt = r.streams["intensity"].read(t.span).data[0]
            expected = truth[int(t.subject) - 1][clips.index(int(t.stimulus))]
            np.testing.assert_allclose(felt, expected, atol=5e-7)  # truth.json keeps six decimals


def test_the_released_features_of_the_eeg_are_the_shipped_ones(small: Path):
    recording = datasets.load("seed_vii", small, subjects=["1"], sessions=[2])[0]
    for t in recording.trials:
        ours = features.compute("de_lds", recording.streams["eeg"].read(t.span), recipe="released")
        theirs = recording.streams["shipped_eeg_de_lds"].read(t.span).data.T
        # the reader turns uV into V and the feature turns them back: a rounding of 1e-16 of the signal, which
        # powers, logarithm and smoothing leave far below 1e-9 of values between -10 and 20
        np.testing.assert_allclose(ours.values.reshape(len(theirs), -1), theirs, rtol=0, atol=1e-9)


def test_eye_features_are_whole_or_one_window_short(small: Path):
    short = 0
    for r in datasets.load("seed_vii", small):
        for t in r.trials:
            eye = r.streams["shipped_eye"].read(t.span).n_times
            eeg = r.streams["shipped_eeg_de"].read(t.span).n_times
            assert eeg - 1 <= eye <= eeg
            short += eye < eeg
    # one clip in twenty on average: of 56, none has probability 0.06, ten or more 0.0004
    assert 0 < short < 10


def test_bad_channels_are_where_the_truth_says(tmp_path: Path):
    root = simulate.simulate(
        "seed_vii", tmp_path / "data", seed=536, subjects=6, seconds=8.0, kinds=("eeg_preprocessed",)
    )
    said = json.loads((root / "truth.json").read_text(encoding="utf-8"))["eeg"]["bad_channels"]
    assert {fault for channels in said.values() for fault in channels.values()} == {"dead", "noisy"}
    found = {}
    for r in datasets.load("seed_vii", root):
        data = r.streams["eeg"].read(r.trials[0].span).data * 1e6
        n = data.shape[1]
        above_60_hz = np.abs(scipy.fft.rfft(data, axis=1)[:, int(60 * n / EEG_RATE) :]) / n
        fast = np.sqrt(2 * (above_60_hz**2).sum(axis=1))
        # dead is 0.02 uV of noise; noisy is 150 uV of white noise, 95 uV of it above 60 Hz, where the brain's
        # bands have ended and muscle bursts add a few uV
        faults = {c: "dead" for c, x in zip(CHANNELS, data.std(axis=1), strict=True) if x < 0.1}
        faults |= {c: "noisy" for c, x in zip(CHANNELS, fast, strict=True) if x > 50}
        if faults:
            found[f"{r.subject}/{r.session}"] = faults
    assert found == said


def test_about_one_recording_in_seven_has_a_bad_channel():
    drawn = [draw_bad_channels(seed, subject, 1) for seed in range(40) for subject in range(25)]
    # 1000 draws of probability 0.15: standard error 0.011
    assert np.mean([bool(d) for d in drawn]) == pytest.approx(0.15, abs=0.045)


@pytest.fixture(scope="module")
def head():
    return draw_head(531, n_sources=_latent.N_EEG)


def test_band_powers_follow_the_sources(head):
    rng = np.random.default_rng(531)
    n_windows = 120
    z = 1.5 * rng.standard_normal((n_windows, _latent.N_EEG))
    quiet = np.empty((0, 2))
    eeg = eeg_clip(z, seconds=4 * n_windows, head=head, blinks=quiet, bad={}, rng=rng)
    windows = eeg.reshape(62, n_windows, 800)
    power = np.abs(scipy.fft.rfft(windows * np.hanning(800), axis=-1)) ** 2
    frequency = scipy.fft.rfftfreq(800, 1 / EEG_RATE)
    # the window spreads each bin over its neighbours, so the outermost bins show the next band, too
    inside = [(frequency >= low + 0.5) & (frequency < high - 0.75) for low, high in BAND_EDGES]
    found = np.stack([np.log(power[..., band].mean(axis=-1)).T for band in inside], axis=1)
    expected = np.einsum("bck,tk->tbc", head.mixing, z)
    # muscle bursts cover the temples' fast bands
    middle = np.abs(electrode_positions(CHANNELS)[:, 0]) < 0.55
    found = (found - found.mean(axis=0))[..., middle]
    expected = (expected - expected.mean(axis=0))[..., middle]
    slope = (found * expected).sum(axis=(0, 2)) / (expected**2).sum(axis=(0, 2))
    # the power of a window is exp(source); what is left is how badly 7 (delta) to 70 (gamma) tapered bins
    # tell a power: sd 0.5 down to 0.17 over thousands of values; six other seeds gave slopes of 0.93 to 1.06
    np.testing.assert_allclose(slope, 1.0, atol=0.1)
    assert ((found - expected).std(axis=(0, 2)) < [0.65, 0.55, 0.45, 0.35, 0.35]).all()


def test_the_baseline_is_the_power_in_microvolt(head):
    rng = np.random.default_rng(1)
    z = np.zeros((60, _latent.N_EEG))
    eeg = eeg_clip(z, seconds=240, head=head, blinks=np.empty((0, 2)), bad={}, rng=rng)
    spectrum = 2 * np.abs(scipy.fft.rfft(eeg, axis=1) / eeg.shape[1]) ** 2
    frequency = scipy.fft.rfftfreq(eeg.shape[1], 1 / EEG_RATE)
    middle = np.abs(electrode_positions(CHANNELS)[:, 0]) < 0.55
    for b, (low, high) in enumerate(BAND_EDGES):
        power = spectrum[:, (frequency >= low) & (frequency < high)].sum(axis=1)
        # 720 bins of delta under a 1/f weighting tell a power to about 6 %; neighbours share their noise
        assert np.median(np.log(power[middle]) - head.baseline[b, middle]) == pytest.approx(0, abs=0.15)


def test_blinks_show_at_the_forehead_and_not_at_the_back(head):
    blinks = np.array([[2.0, 0.15], [9.0, 0.2], [17.0, 0.1]])
    z = np.zeros((5, _latent.N_EEG))
    made = [
        eeg_clip(z, seconds=20, head=head, blinks=b, bad={}, rng=np.random.default_rng(1))
        for b in (blinks, np.empty((0, 2)))
    ]
    added = made[0] - made[1]
    fp1, oz = added[CHANNELS.index("FP1")], added[CHANNELS.index("OZ")]
    peaks = [round((start + (duration + 0.15) / 2) * EEG_RATE) for start, duration in blinks]
    # float32 sums of 100 uV
    np.testing.assert_allclose(fp1[peaks] / fp1.max(), 1, rtol=0.01)
    assert fp1.max() > 0.9 * BLINK_MICROVOLT
    assert np.abs(oz).max() < 0.01 * BLINK_MICROVOLT
    moving = np.flatnonzero(np.abs(fp1) > 1) / EEG_RATE
    assert all(((moving > s) & (moving < s + d + 0.15)).any() for s, d in blinks)
    assert all((((s <= moving) & (moving <= s + d + 0.15)).sum() > 0) for s, d in blinks)
    assert np.isin(moving.astype(int), [2, 9, 17]).all()


def test_windows_change_at_four_seconds_and_the_last_one_lasts(head):
    z = np.zeros((2, _latent.N_EEG))
    z[1] = 3.0
    quiet = np.empty((0, 2))
    eeg, flat = (
        eeg_clip(s, seconds=11, head=head, blinks=quiet, bad={}, rng=np.random.default_rng(1))
        for s in (z, 0 * z)
    )
    assert eeg.shape == (62, 11 * 200)
    np.testing.assert_array_equal(eeg[:, :800], flat[:, :800])
    assert (np.abs(eeg - flat)[:, 800:].max(axis=0) > 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clips": 30}, "--clips 30; expected 28, 56 or 80"),
        ({"subjects": 0}, "--subjects 0; expected 1 to 60"),
        ({"seconds": 3.0}, "--seconds 3.0; expected 8 to 600"),
        ({"effect": -1.0}, "--effect -1.0; expected a number of 0 or more"),
        ({"effect": float("nan")}, "--effect nan"),
        ({"kinds": ("eeg",)}, "--kinds eeg; expected any of eeg_preprocessed"),
        ({"workers": 0}, "--workers 0; expected 1 or more"),
    ],
)
def test_impossible_options_are_refused_before_anything_is_written(
    tmp_path: Path, options: dict[str, Any], message
):
    with pytest.raises(InputError, match=message):
        simulate.simulate("seed_vii", tmp_path / "data", seed=1, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"exists and is not empty.*Choose another folder"):
        simulate.simulate("seed_vii", tmp_path, seed=1)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "mine"
    assert not tmp_path.with_name(tmp_path.name + ".partial").exists()


def test_what_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full_disk(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(made_up, "write_workbook", full_disk)
    with pytest.raises(OSError, match="no space left"):
        simulate.simulate("seed_vii", tmp_path / "data", seed=1, subjects=1, seconds=8.0, kinds=("workbook",))
    assert list(tmp_path.iterdir()) == []


def test_the_truth_holds_the_oracles_and_every_parameter(small: Path):
    truth = json.loads((small / "truth.json").read_text(encoding="utf-8"))
    assert truth["simulated"] is True
    assert (truth["seed"], truth["effect"], truth["subjects"]) == (531, 1.0, ["1", "2"])
    assert set(truth["oracle"]) == {"inductive", "subject_known", "stimulus_known"}
    for by_stream in truth["oracle"].values():
        assert set(by_stream) == {"eeg+eye", "eeg", "eye"}
        for by_level in by_stream.values():
            assert set(by_level) == {"window", "trial"}
            assert by_level["trial"]["n"] == 56
            assert all(0 <= s["accuracy"] <= 1 and s["se"] > 0 for s in by_level.values())
    model = truth["model"]
    drawn = _latent.draw(531, n_subjects=2, n_clips=28, seconds=10.0, effect=1.0)
    for name in ("offset", "fingerprint", "pattern"):
        np.testing.assert_array_equal(model[name], getattr(drawn, name))
    assert model["gain"] == drawn.gain


# -- what can be learnt from the shipped features ------------------------------------------------------------


def shipped_table(root: Path) -> Table:
    """The shipped EEG and eye features of a data set, window by window."""
    made, trials = {}, []
    for r in datasets.load("seed_vii", root):
        trials += r.trials
        for t in r.trials:
            for stream, source in (("eeg", "shipped_eeg_de_lds"), ("eye", "shipped_eye")):
                made[stream, t.id] = features.compute("shipped", r.streams[source].read(t.span))
    words = trials[0].labels["emotion"].scale
    return batches.pair(made, trials, streams=("eeg", "eye"), classes=words)[0]


def predict(
    table: Table, train: np.ndarray, test: np.ndarray, *, labels: np.ndarray, mode: str, **config: Any
) -> np.ndarray:
    """Class probabilities of the test rows from logistic regression on the training rows."""
    fitted = train if mode == "train" else np.arange(len(table))
    scaler = batches.fit_scaler(table, fitted, mode=mode)
    learn, tell = (
        batches.make_batch(table, rows, scaler=scaler, streams=("eeg", "eye"), labels=labels)
        for rows in (train, test)
    )
    model = models.create("logistic_regression", n_classes=int(labels.max()) + 1, **config)
    return model.fit(learn).predict_proba(tell)


def identity_probe(table: Table) -> float:
    """Share of windows whose person is named, trained on other clips (four folds)."""
    people = np.unique(table.subjects, return_inverse=True)[1]
    fold = np.array([(int(s.stimulus) - 1) % 20 // 5 for s in table.samples])
    hits = 0
    for k in range(4):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        # people differ in many features at once, so little penalty (scikit-learn's default)
        told = predict(table, train, test, labels=people, mode="train", C=1.0)
        hits += (told.argmax(axis=1) == people[test]).sum()
    return hits / len(table)


def accuracy_by_trial(table: Table, protocol: str, *, level: float) -> tuple[float, metrics.Interval]:
    """Accuracy of logistic regression by trial, and the interval of that level from permuted clips."""
    total = np.zeros((len(table), 7))
    for split in protocols.create(protocol).splits(table.samples, seed=0):
        rows = table.rows(split.test)
        train = table.rows(split.train + split.val)
        total[rows] = predict(table, train, rows, labels=table.labels, mode="subject")
    ids, trial = np.unique([s.trial for s in table.samples], return_inverse=True)
    summed = np.zeros((len(ids), 7))
    np.add.at(summed, trial, total)
    first = np.unique(trial, return_index=True)[1]
    y, p = table.labels[first], summed.argmax(axis=1)
    clip = np.array([table.samples[i].stimulus for i in first])
    chance = metrics.permutation_interval(
        y, p, n_classes=7, stimulus=clip, cross_validated=True, metrics=["accuracy"], level=level
    )
    return float((y == p).mean()), chance["accuracy"]


@pytest.mark.parametrize(
    ("seed", "seconds", "least"),
    [
        (533, 24.0, 0.85),  # fewer windows to learn people from than at the default length
        pytest.param(534, 60.0, 0.9, marks=pytest.mark.slow),
        pytest.param(535, 60.0, 0.9, marks=pytest.mark.slow),
    ],
)
def test_without_emotion_people_are_known_and_clips_give_labels_away(
    tmp_path: Path, seed: int, seconds: float, least: float
):
    root = simulate.simulate(
        "seed_vii",
        tmp_path / "data",
        seed=seed,
        seconds=seconds,
        effect=0.0,
        kinds=("eeg_features", "eye_features"),
    )
    table = shipped_table(root)
    assert identity_probe(table) >= least
    # clips are recognised: more than one data set in forty would show by chance (one in ten for short clips,
    # in which clips leave fewer traces)
    loso, chance = accuracy_by_trial(table, "loso", level=0.95 if seconds >= 60 else 0.8)
    assert loso >= 1.5 / 7
    assert loso > chance.high
    # and where clips are new there is nothing: missed by one data set in a thousand
    fair, chance = accuracy_by_trial(table, "loso_stimulus", level=0.999)
    assert chance.low <= fair <= chance.high
    assert fair < loso
