"""The reader of SEED-IV on made-up files in the published layout."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _seed_sibling_files import DAMAGE, change_mat, content, load_with_warning, only_fault
from mien import features
from mien.core import InputError
from mien.datasets import example, inspect, load

# typed from the data set's page: 0 neutral, 1 sad, 2 fear, 3 happy
LABELS = [
    *(1, 2, 3, 0, 2, 0, 0, 1, 0, 1, 2, 1, 1, 1, 2, 3, 2, 2, 3, 3, 0, 3, 0, 3),
    *(2, 1, 3, 0, 0, 2, 0, 2, 3, 3, 2, 3, 2, 0, 1, 1, 2, 1, 0, 3, 0, 1, 3, 1),
    *(1, 2, 2, 1, 3, 3, 3, 1, 1, 2, 1, 0, 2, 3, 3, 0, 2, 3, 0, 0, 2, 0, 1, 0),
]
WORDS = ("neutral", "sad", "fear", "happy")
FOLDERS = ("eeg_raw_data", "eeg_feature_smooth", "eye_feature_smooth")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return example("seed_iv", tmp_path_factory.mktemp("seed_iv") / "copy")


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "copy")


def file_of(root: Path, folder: str, session: int) -> Path:
    return root / folder / str(session) / f"1_2016051{session}.mat"


def test_recordings_and_trials(root: Path) -> None:
    recordings = load("seed_iv", root)
    assert [r.id for r in recordings] == ["sub-1_ses-1", "sub-1_ses-2", "sub-1_ses-3"]
    trials = [t for r in recordings for t in r.trials]
    # each session has clips of its own
    assert [t.stimulus for t in trials] == ["1", "2", "25", "26", "49", "50"]
    assert trials[2].id == "sub-1_ses-2_clip-25"
    assert [t.labels["emotion"].value for t in trials] == ["sad", "fear", "fear", "sad", "sad", "fear"]
    assert trials[0].labels["emotion"].scale == WORDS


def test_every_clip_has_its_published_label(root: Path) -> None:
    for folder in FOLDERS[:2]:
        shutil.rmtree(root / folder)
    for session in (1, 2, 3):
        change_mat(
            file_of(root, "eye_feature_smooth", session),
            lambda v: v.update({f"eye_{k}": v["eye_1"] for k in range(1, 25)}),
        )
    (root / "truth.json").unlink()
    trials = [t for r in load("seed_iv", root) for t in r.trials]
    assert [int(t.stimulus) for t in trials] == list(range(1, 73))
    assert [t.labels["emotion"].value for t in trials] == [WORDS[k] for k in LABELS]
    counts = inspect("seed_iv", root).counts
    assert counts["clips"] == (72, 72)
    assert counts["trials"] == (72, 1080)
    assert counts["files eye_feature_smooth"] == (3, 45)
    assert all(counts[f"trials {word}"] == (18, 270) for word in WORDS)


def test_streams_hold_what_the_files_hold(root: Path) -> None:
    recording = load("seed_iv", root)[1]
    trial = recording.trials[1]
    eeg = recording.streams["eeg"].read(trial.span)
    np.testing.assert_allclose(  # one rounding
        eeg.data, content(file_of(root, "eeg_raw_data", 2))["xx_eeg2"] * 1e-6, rtol=1e-12
    )
    stored = content(file_of(root, "eeg_feature_smooth", 2))["de_LDS2"]
    made = features.compute("shipped", recording, trial=trial.id)
    np.testing.assert_array_equal(made.values, stored.transpose(1, 2, 0))
    np.testing.assert_array_equal(made.durations, [4.0] * 3)


def test_eye_features_are_turned_round(root: Path) -> None:
    stored = content(file_of(root, "eye_feature_smooth", 3))["eye_2"]
    assert stored.shape == (31, 3)
    recording = load("seed_iv", root)[2]
    made = features.compute("shipped", recording, modality="eye", trial="sub-1_ses-3_clip-50")
    np.testing.assert_array_equal(made.values, stored.T)


def test_as_many_windows_as_features_are_read_the_right_way(root: Path) -> None:
    """A square table has no shape to go by."""
    square = np.arange(31.0 * 31).reshape(31, 31)
    for folder in FOLDERS[:2]:
        shutil.rmtree(root / folder)
    change_mat(file_of(root, "eye_feature_smooth", 1), lambda v: v.update(eye_1=square))
    made = features.compute("shipped", load("seed_iv", root)[0], modality="eye", trial="sub-1_ses-1_clip-1")
    np.testing.assert_array_equal(made.values, square.T)


def test_eye_features_that_were_turned_already_are_a_fault(root: Path) -> None:
    change_mat(file_of(root, "eye_feature_smooth", 1), lambda v: v.update(eye_1=v["eye_1"].T.copy()))
    fault = only_fault("seed_iv", root)
    assert fault.reason == "shipped_eye has shape (3, 31); expected (31, windows)"
    assert fault.item == "clip 1"


@pytest.mark.parametrize("says", DAMAGE)
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_broken_file_is_left_out(root: Path, folder: str, says: str) -> None:
    path = file_of(root, folder, 2)
    DAMAGE[says](path)
    fault = only_fault("seed_iv", root)
    assert (fault.file, fault.subject, fault.severity) == (str(path), "1", "left out")
    assert says in fault.reason
    recordings = load_with_warning("seed_iv", root)
    lost = {
        "eeg_raw_data": {"eeg"},
        "eeg_feature_smooth": {
            f"shipped_eeg_{a}_{b}" for a in ("de", "psd") for b in ("lds", "moving_average")
        },
        "eye_feature_smooth": {"shipped_eye"},
    }[folder]
    assert set(recordings[0].streams) - set(recordings[1].streams) == lost


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_missing_variable(root: Path, folder: str) -> None:
    key = {"eeg_raw_data": "xx_eeg1", "eeg_feature_smooth": "psd_LDS1", "eye_feature_smooth": "eye_1"}[folder]
    change_mat(file_of(root, folder, 1), lambda v: v.pop(key))
    fault = only_fault("seed_iv", root)
    assert fault.item == "clip 1"
    assert fault.reason.startswith("no variable of ")
    assert "xx" not in fault.reason


def test_a_file_in_a_folder_of_no_session_is_not_read(root: Path) -> None:
    (root / "eye_feature_smooth" / "4").mkdir()
    shutil.copy(file_of(root, "eye_feature_smooth", 1), root / "eye_feature_smooth" / "4" / "1_20160514.mat")
    fault = only_fault("seed_iv", root)
    assert fault.file == str(root / "eye_feature_smooth" / "4")
    assert "is no session; expected folders 1, 2 and 3" in fault.reason


@pytest.mark.parametrize("folder", FOLDERS)
def test_two_dates_in_one_session_are_not_chosen_from(root: Path, folder: str) -> None:
    path = file_of(root, folder, 1)
    shutil.copy(path, path.with_name("1_20170101.mat"))
    fault = only_fault("seed_iv", root)
    assert fault.reason == ("subject 1 has files of 20160511, 20170101 in session 1; expected one date")
    assert str(path) in fault.file
    assert [r.session for r in load_with_warning("seed_iv", root)] == ["2", "3"]


def test_a_date_that_differs_between_folders(root: Path) -> None:
    path = file_of(root, "eye_feature_smooth", 3)
    path.rename(path.with_name("1_20170101.mat"))
    assert "files of 20160513, 20170101 in session 3" in only_fault("seed_iv", root).reason
    assert [r.session for r in load_with_warning("seed_iv", root)] == ["1", "2"]


def test_a_strange_name(root: Path) -> None:
    path = file_of(root, "eeg_raw_data", 1)
    path.rename(path.with_name("first.mat"))
    assert "expected {subject}_{yyyymmdd}.mat" in only_fault("seed_iv", root).reason


def test_lengths_that_differ_by_more_than_a_window(root: Path) -> None:
    change_mat(file_of(root, "eye_feature_smooth", 1), lambda v: v.update(eye_2=np.ones((31, 5))))
    fault = only_fault("seed_iv", root)
    assert fault.item == "session 1 clip 2"
    assert "lengths in windows of 4 s differ: eeg 3, " in fault.reason
    assert "shipped_eye 5; expected a difference of at most one" in fault.reason
    assert [t.stimulus for t in load_with_warning("seed_iv", root)[0].trials] == ["1"]


def test_one_window_more_than_the_eeg_is_no_fault(root: Path) -> None:
    change_mat(file_of(root, "eye_feature_smooth", 1), lambda v: v.update(eye_2=np.ones((31, 4))))
    assert inspect("seed_iv", root).ok
    recording = load("seed_iv", root)[0]
    # the trial lasts as long as its EEG: the window that lies beyond it is not given
    assert recording.streams["shipped_eye"].read(recording.trials[1].span).n_times == 3


def test_initials_are_told_nowhere(root: Path) -> None:
    def rename(variables: dict[str, Any]) -> None:
        for key in list(variables):
            variables[key.replace("xx", "abc")] = variables.pop(key)
        variables["abc_eeg99"] = np.zeros((62, 100))

    change_mat(file_of(root, "eeg_raw_data", 1), rename)
    found = inspect("seed_iv", root)
    assert [f.item for f in found.faults] == ["1 variable"]
    assert "abc" not in repr(found.to_dict()).replace("left out", "")
    assert "abc" not in repr(load_with_warning("seed_iv", root))


def test_chosen_subjects(root: Path) -> None:
    assert len(load("seed_iv", root, subjects=["1"], sessions=["2"])) == 1
    with pytest.raises(InputError, match="no files of subject 7"):
        load("seed_iv", root, subjects=[7])


def test_no_copy_of_the_data_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is an empty folder; expected a folder with at least one of eeg"):
        load("seed_iv", tmp_path)
