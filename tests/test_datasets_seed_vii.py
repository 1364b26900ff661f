"""What the reader of SEED-VII makes of files that are as they should be."""

from __future__ import annotations

import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

from _seed_vii_files import eeg, eeg_features, eye, intensity, write_copy, write_folder, write_workbook
from mien.core import InputError, Label, Recording
from mien.datasets import _seed_layout as layout
from mien.datasets import inspect, load
from mien.datasets.seed_vii import is_simulated

EMOTIONS = ("disgust", "fear", "sad", "neutral", "happy", "anger", "surprise")


def load_quietly(root: Path, **options: object) -> list[Recording]:
    """Loads; any warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load("seed_vii", root, **options)


@pytest.fixture(params=["5", "7.3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_copy(tmp_path, version=request.param)


def test_recordings_trials_and_labels(root: Path) -> None:
    first, second = load_quietly(root)
    assert (first.id, first.subject, first.session, first.dataset) == ("sub-1_ses-1", "1", "1", "seed_vii")
    assert (second.id, second.session) == ("sub-1_ses-2", "2")
    assert [t.id for t in first.trials] == ["sub-1_ses-1_clip-1", "sub-1_ses-1_clip-2"]
    (trial,) = second.trials
    assert (trial.id, trial.stimulus) == ("sub-1_ses-2_clip-25", "25")
    assert trial.labels == {"emotion": Label(value="surprise", scale=EMOTIONS, rater="stimulus")}
    assert [t.labels["emotion"].value for t in first.trials] == ["happy", "neutral"]


def test_clips_follow_one_another(root: Path) -> None:
    first, second = load_quietly(root)
    assert [(t.span.start, t.span.duration) for t in first.trials] == [(0.0, 10.0), (10.0, 8.5)]
    assert (second.trials[0].span.start, second.trials[0].span.duration) == (0.0, 13.0)
    assert first.streams["eeg"].span.duration == 18.5


def test_eeg_is_in_volts_under_the_published_names(root: Path) -> None:
    stored = eeg({1: 2000, 2: 1700, 25: 2600})
    first, _ = load_quietly(root)
    stream = first.streams["eeg"]
    assert (stream.modality, stream.unit, stream.rate, stream.clock) == ("eeg", "V", 200.0, "recording")
    assert stream.channels == layout.CHANNELS
    for trial in first.trials:
        np.testing.assert_array_equal(stream.read(trial.span).data, stored[trial.stimulus] * 1e-6)


def test_shipped_features_are_band_major(root: Path) -> None:
    first, _ = load_quietly(root)
    for name in ("shipped_eeg_psd", "shipped_eeg_de", "shipped_eeg_de_lds"):
        stream = first.streams[name]
        assert (stream.modality, stream.unit, stream.rate) == ("eeg", "mixed", 0.25)
        assert stream.channels[:2] == ("delta:FP1", "delta:FPZ")
        assert stream.channels[62] == "theta:FP1"
        assert stream.channels[309] == "gamma:CB2"
        data = stream.read(first.trials[1].span).data
        assert data.shape == (310, 2)
        # the stored value tells window, band and channel
        assert data[62 * 3 + 5, 1] == 10000 * 1 + 100 * 3 + 5


def test_eye_and_intensity(root: Path) -> None:
    first, second = load_quietly(root)
    stream = first.streams["shipped_eye"]
    assert (stream.modality, stream.unit, stream.rate) == ("eye", "mixed", 0.25)
    assert stream.channels == layout.EYE_FEATURES
    assert stream.read(first.trials[0].span).data[32, 1] == 132
    course = second.streams["intensity"]
    assert (course.modality, course.unit, course.channels) == ("annotation", "1", ("intensity",))
    np.testing.assert_array_equal(course.read(second.trials[0].span).data, [[0.0, 0.5, 1.0]])


def test_a_difference_of_one_window_is_no_fault(tmp_path: Path) -> None:
    root = write_copy(tmp_path, lengths={1: 2400, 2: 2600}, eye_windows={1: 2, 2: 4})
    (recording,) = load_quietly(root)
    eye_stream = recording.streams["shipped_eye"]
    # 3 windows of EEG: the eye has one less, then one more, which lies outside the trial
    assert [eye_stream.read(t.span).n_times for t in recording.trials] == [2, 3]
    assert all(eye_stream.covers(t.span) for t in recording.trials)


def test_subjects_are_sorted_as_people_count(tmp_path: Path) -> None:
    root = write_copy(tmp_path, subjects=("10", "2", "1"), lengths={3: 900, 70: 900})
    ids = [r.id for r in load_quietly(root)]
    assert ids == [f"sub-{s}_ses-{k}" for s in ("1", "2", "10") for k in (1, 4)]
    assert [f["subject"] for f in inspect("seed_vii", root).found] == ["1", "2", "10"]


def test_clips_are_sorted_as_people_count(tmp_path: Path) -> None:
    root = write_copy(tmp_path, lengths={10: 900, 2: 900, 1: 900})
    (recording,) = load_quietly(root)
    assert [t.stimulus for t in recording.trials] == ["1", "2", "10"]


def test_chosen_subjects_and_sessions(tmp_path: Path) -> None:
    root = write_copy(tmp_path, subjects=("1", "2"), lengths={3: 900, 30: 900, 70: 900})
    assert [r.id for r in load_quietly(root, subjects=[2], sessions=["4", 1])] == [
        "sub-2_ses-1",
        "sub-2_ses-4",
    ]
    with pytest.raises(InputError, match="no files of subject 3; expected some of the subjects there: 1, 2"):
        load_quietly(root, subjects=["3"])
    with pytest.raises(InputError, match="no session 5; expected some of 1, 2, 3, 4"):
        load_quietly(root, sessions=[5])
    with pytest.raises(InputError, match="nothing can be used"):
        load_quietly(root, sessions=[3])


WRITERS = {
    "EEG_preprocessed": (lambda: eeg({1: 2000, 2: 1700}), {"eeg"}),
    "EEG_features": (
        lambda: eeg_features({1: 2, 2: 2}),
        {"shipped_eeg_psd", "shipped_eeg_de", "shipped_eeg_de_lds"},
    ),
    "EYE_features": (lambda: eye({1: 2, 2: 2}), {"shipped_eye"}),
    "continuous_labels": (lambda: intensity({1: 2, 2: 2}), {"intensity"}),
}


@pytest.mark.parametrize("folder", list(WRITERS))
def test_any_one_folder_is_enough(tmp_path: Path, folder: str) -> None:
    content, streams = WRITERS[folder]
    write_folder(tmp_path, folder, "4", content())
    with pytest.warns(UserWarning, match="mien inspect seed_vii"):  # 78 clips are missing
        (recording,) = load("seed_vii", tmp_path)
    assert set(recording.streams) == streams
    durations = [t.span.duration for t in recording.trials]
    assert durations == ([10.0, 8.5] if folder == "EEG_preprocessed" else [8.0, 8.0])
    for trial in recording.trials:
        for stream in recording.streams.values():
            assert stream.read(trial.span).n_times > 0
    absent = ", ".join(f for f in layout.FOLDERS if f != folder)
    assert f"folders that are not there: {absent}" in inspect("seed_vii", tmp_path).notes


def test_workbook_that_agrees(tmp_path: Path) -> None:
    root = write_copy(tmp_path)
    write_workbook(root)
    without_labels = [t.labels for r in load_quietly(root) for t in r.trials]
    assert [x["emotion"].value for x in without_labels] == ["happy", "neutral", "surprise"]
    inspection = inspect("seed_vii", root)
    assert inspection.ok
    assert any("agrees with the built-in table on 3 of 3 clips" in n for n in inspection.notes)


def test_absent_workbook_is_said(tmp_path: Path) -> None:
    notes = inspect("seed_vii", write_copy(tmp_path)).notes
    assert "emotion_label_and_stimuli_order.xlsx is not there: emotions come from the built-in table" in notes


def test_counts_of_a_made_up_copy(tmp_path: Path) -> None:
    root = write_copy(tmp_path, subjects=("1", "2"))
    assert is_simulated(root)
    inspection = inspect("seed_vii", root)
    assert inspection.notes[0].startswith("made-up data")
    assert inspection.counts["subjects"] == (2, None)
    assert inspection.counts["trials"] == (6, 6)
    assert inspection.counts["recordings"] == (4, 4)
    assert inspection.counts["clips surprise"] == (1, 1)
    assert inspection.counts["clips fear"] == (0, 0)
    assert inspection.found[0] == {
        "subject": "1",
        "clips": 3,
        **dict.fromkeys(("eeg", "shipped_eeg_psd", "shipped_eeg_de", "shipped_eeg_de_lds"), 3),
        "shipped_eye": 3,
        "intensity": 3,
        "seconds": 31.5,
        "windows": 7,
        "intensity_min": 0.0,
        "intensity_max": 1.0,
    }


def test_counts_of_a_real_copy_are_those_of_the_card(tmp_path: Path) -> None:
    windows = dict.fromkeys(range(1, 81), 2)
    write_folder(tmp_path, "EYE_features", "1", eye(windows))
    write_workbook(tmp_path)
    assert not is_simulated(tmp_path)
    inspection = inspect("seed_vii", tmp_path)
    assert inspection.ok
    assert inspection.counts["subjects"] == (1, 20)
    assert inspection.counts["files EYE_features"] == (1, 20)
    assert inspection.counts["recordings"] == (4, 80)
    assert inspection.counts["clips"] == (80, 80)
    assert inspection.counts["trials"] == (80, 1600)
    assert inspection.counts["clips neutral"] == (8, 8)
    assert inspection.counts["clips anger"] == (12, 12)


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    inspect("seed_vii", write_copy(tmp_path), progress=lambda done, total, file: seen.append((done, total)))
    assert seen == [(k, 18) for k in range(19)]  # 6 kinds of 3 clips


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_one_clip_costs_one_clip(tmp_path: Path, version: str) -> None:
    rng = np.random.default_rng(0)
    clips = {str(k): rng.integers(0, 9, size=(62, 16_000)).astype(float) for k in range(1, 9)}
    write_folder(tmp_path, "EEG_preprocessed", "1", clips, version=version)
    (tmp_path / "truth.json").write_text('{"simulated": true, "clips": [1, 2, 3, 4, 5, 6, 7, 8]}')
    load_quietly(tmp_path)  # imports are not what is measured
    tracemalloc.start()
    began = time.perf_counter()
    (recording,) = load_quietly(tmp_path)
    took = time.perf_counter() - began
    opened = tracemalloc.get_traced_memory()[1]
    recording.streams["eeg"].read(recording.trials[5].span)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    one = clips["1"].nbytes
    assert opened < 0.1 * one
    assert peak < 1.2 * one  # one clip in place, buffers of a few hundred KiB beside it
    assert took < 1.0  # headers only; 0.01 s where nothing else runs
