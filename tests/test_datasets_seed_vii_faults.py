"""What the reader of SEED-VII makes of broken files: named, left out, and the rest still read."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from _seed_vii_files import (
    eeg,
    eeg_features,
    eye,
    intensity,
    write_copy,
    write_folder,
    write_truth,
    write_workbook,
)
from mien.core import InputError, Recording
from mien.datasets import DatasetWarning, Fault, inspect, load

LENGTHS = {1: 2000, 2: 1700, 25: 2600}
WINDOWS = {1: 2, 2: 2, 25: 3}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two subjects without fault."""
    return write_copy(tmp_path / "copy", subjects=("1", "2"), lengths=LENGTHS)


def load_with_warning(root: Path) -> list[Recording]:
    with pytest.warns(DatasetWarning, match="mien inspect seed_vii"):
        return load("seed_vii", root)


def only_fault(root: Path) -> Fault:
    (fault,) = inspect("seed_vii", root).faults
    return fault


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def make_html(path: Path) -> None:
    path.write_text("<!DOCTYPE html><html>please log in</html>")


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(truncate, "is truncated"), (make_html, "is a web page"), (make_empty, "is empty")],
)
@pytest.mark.parametrize("folder", ["EEG_preprocessed", "EEG_features", "EYE_features", "continuous_labels"])
def test_a_broken_file_is_left_out(
    root: Path, damage: Callable[[Path], None], reason: str, folder: str
) -> None:
    path = root / folder / "1.mat"
    damage(path)
    fault = only_fault(root)
    assert (fault.file, fault.subject, fault.severity) == (str(path), "1", "left out")
    assert reason in fault.reason
    assert "Download the file again" in fault.reason
    recordings = load_with_warning(root)
    assert [r.id for r in recordings] == ["sub-1_ses-1", "sub-1_ses-2", "sub-2_ses-1", "sub-2_ses-2"]
    gone = {r.subject: set(recordings[2].streams) - set(r.streams) for r in recordings}
    assert not gone["2"]
    assert (
        gone["1"]
        == {
            "EEG_preprocessed": {"eeg"},
            "EEG_features": {"shipped_eeg_psd", "shipped_eeg_de", "shipped_eeg_de_lds"},
            "EYE_features": {"shipped_eye"},
            "continuous_labels": {"intensity"},
        }[folder]
    )


@pytest.mark.parametrize("name", ["subject1.mat", "1 (1).mat", "01.mat", "0.mat"])
def test_a_renamed_file_is_not_guessed(root: Path, name: str) -> None:
    (root / "EYE_features" / "1.mat").rename(root / "EYE_features" / name)
    fault = only_fault(root)
    assert Path(fault.file).name == name
    assert "its name is not a subject number" in fault.reason
    streams = [set(r.streams) for r in load_with_warning(root)]
    assert ["shipped_eye" in s for s in streams] == [False, False, True, True]


def test_a_missing_key_leaves_the_clip_to_the_other_streams(root: Path) -> None:
    content = eeg_features(WINDOWS)
    del content["de_LDS_2"]
    path = write_folder(root, "EEG_features", "1", content)
    fault = only_fault(root)
    assert (fault.file, fault.item, fault.subject) == (str(path), "clip 2", "1")
    assert "missing key de_LDS_" in fault.reason
    first = load_with_warning(root)[0]
    span = first.trials[1].span
    assert not first.streams["shipped_eeg_de_lds"].covers(span)
    assert first.streams["shipped_eeg_de"].covers(span)
    with pytest.raises(InputError, match="not within one clip"):
        first.streams["shipped_eeg_de_lds"].read(span)


def test_many_missing_keys_are_one_fault(tmp_path: Path) -> None:
    write_folder(tmp_path, "EYE_features", "1", eye({1: 2, 2: 2, 5: 2}))
    fault = only_fault(tmp_path)
    assert fault.item == "clip 3-4, 6-80"


SHAPES = [
    ("EEG_preprocessed", "2", np.ones((61, 1700)), r"\(61, 1700\); expected \(62, samples\)"),
    ("EEG_preprocessed", "2", np.ones((1700, 62)), r"\(1700, 62\)"),
    ("EEG_preprocessed", "2", np.ones((62, 0)), r"\(62, 0\)"),
    ("EEG_features", "de_2", np.ones((2, 62, 5)), r"\(2, 62, 5\); expected \(windows, 5, 62\)"),
    ("EEG_features", "de_2", np.ones((2, 310)), r"\(2, 310\)"),
    ("EYE_features", "2", np.ones((2, 31)), r"\(2, 31\); expected \(windows, 33\)"),
    ("continuous_labels", "2", np.ones((2, 1)), r"\(2, 1\); expected \(1, windows\)"),
    ("continuous_labels", "2", np.array([["ab"]], dtype=object), "of class cell; expected a real numeric"),
]


@pytest.mark.parametrize(("folder", "key", "values", "reason"), SHAPES)
def test_wrong_shape_or_class(root: Path, folder: str, key: str, values: np.ndarray, reason: str) -> None:
    content = {
        "EEG_preprocessed": lambda: eeg(LENGTHS),
        "EEG_features": lambda: eeg_features(WINDOWS),
        "EYE_features": lambda: eye(WINDOWS),
        "continuous_labels": lambda: intensity(WINDOWS),
    }[folder]()
    path = write_folder(root, folder, "1", content | {key: values})
    fault = only_fault(root)
    assert (fault.file, fault.item, fault.severity) == (str(path), "clip 2", "left out")
    assert re.search(rf"variable '{key}' (has shape|is) {reason}", fault.reason)
    first = load_with_warning(root)[0]
    assert sum(not s.covers(first.trials[1].span) for s in first.streams.values()) == 1
    assert all(s.covers(first.trials[0].span) for s in first.streams.values())


def test_nan_is_found_kept_and_read(root: Path) -> None:
    content = eeg(LENGTHS)
    content["2"][7, 100:200] = np.nan
    content["25"][7] = np.nan
    content["1"][3, 5] = np.inf
    path = write_folder(root, "EEG_preprocessed", "2", content)
    faults = inspect("seed_vii", root).faults
    assert [(f.file, f.subject, f.severity) for f in faults] == [(str(path), "2", "kept")] * 2
    assert {f.item: f.reason.partition(";")[0] for f in faults} == {
        "clip 1": "NaN or infinite values in eeg, channel AF3",
        "clip 2, 25": "NaN or infinite values in eeg, channel F3",
    }
    recording = load("seed_vii", root)[2]  # headers do not show it
    data = recording.streams["eeg"].read(recording.trials[1].span).data
    assert np.flatnonzero(np.isnan(data).any(axis=1)).tolist() == [7]
    assert np.isnan(data).sum() == 100


def test_nan_in_labels_does_not_hide_their_range(root: Path) -> None:
    content = intensity(WINDOWS)
    content["25"][0, 0] = np.nan
    write_folder(root, "continuous_labels", "1", content)
    found = inspect("seed_vii", root).found[0]
    assert (found["intensity_min"], found["intensity_max"]) == (0.0, 1.0)


@pytest.mark.parametrize("n_eye", [1, 5])
def test_lengths_that_differ_by_two_windows(tmp_path: Path, n_eye: int) -> None:
    root = write_copy(tmp_path, lengths={1: 2400, 2: 2400}, eye_windows={2: n_eye})
    fault = only_fault(root)
    assert (fault.item, fault.subject, fault.severity) == ("clip 2", "1", "left out")
    assert str(root / "EYE_features" / "1.mat") in fault.file
    assert f"shipped_eye {n_eye}, intensity 3" in fault.reason
    (recording,) = load_with_warning(root)
    assert [t.stimulus for t in recording.trials] == ["1"]


@pytest.mark.parametrize("key", ["81", "0", "05", "x_3", "100"])
def test_keys_that_are_no_clips(root: Path, key: str) -> None:
    path = write_folder(root, "EYE_features", "1", eye(WINDOWS) | {key: np.ones((2, 33))})
    fault = only_fault(root)
    assert fault.file == str(path)
    assert fault.reason == "no clip's; expected 1 … 80"
    assert len(load_with_warning(root)[0].trials) == 2


def test_damage_that_only_reading_shows(root: Path) -> None:
    path = root / "EYE_features" / "2.mat"
    raw = bytearray(path.read_bytes())
    raw[-40] ^= 0xFF  # in the last variable's compressed bytes
    path.write_bytes(raw)
    fault = only_fault(root)
    assert (fault.file, fault.item, fault.subject) == (str(path), "clip 25", "2")
    assert "is damaged" in fault.reason


def test_nothing_usable(root: Path) -> None:
    for path in root.glob("*/*.mat"):
        make_html(path)
    assert len(inspect("seed_vii", root).faults) == 8
    with pytest.raises(
        InputError, match=r"nothing can be used: 8 faults, the first: .*1\.mat: is a web page"
    ):
        load("seed_vii", root)


def test_root_that_is_not_there_empty_or_a_file(tmp_path: Path) -> None:
    for function in (load, inspect):
        with pytest.raises(InputError, match="absent: no such folder; expected a folder with"):
            function("seed_vii", tmp_path / "absent")
        with pytest.raises(InputError, match="is an empty folder"):
            function("seed_vii", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        load("seed_vii", tmp_path / "file")


def test_root_beside_the_right_one(root: Path) -> None:
    with pytest.raises(InputError, match=rf"holds 1\.mat, 2\.mat; .*Give the folder above it: {root}$"):
        load("seed_vii", root / "EEG_features")
    with pytest.raises(InputError, match=rf"holds copy/; .*Give the folder inside it: {root}$"):
        load("seed_vii", root.parent)


def test_renamed_folders_are_not_guessed(root: Path) -> None:
    for folder in ("EEG_preprocessed", "EYE_features", "continuous_labels"):
        shutil.rmtree(root / folder)
    (root / "EEG_features").rename(root / "eeg-features")
    with pytest.raises(
        InputError, match=r"holds eeg-features/, truth\.json; .*Rename eeg-features to EEG_features"
    ):
        load("seed_vii", root)


def test_workbook_that_disagrees(root: Path) -> None:
    path = write_workbook(root, {2: "Happy", 25: "sad"})
    text = r"contradicts the known emotions of clip 2 \(C2: 'Happy', table: 'neutral'\), clip 25 \(F4: 'sad'"
    with pytest.raises(InputError, match=text):
        load("seed_vii", root)
    fault = only_fault(root)
    assert fault.file == str(path)
    assert "clip 25 (F4: 'sad', table: 'surprise')" in fault.reason


def test_workbook_that_disagrees_about_clips_nobody_has(root: Path) -> None:
    write_workbook(root, {80: "happy"})
    assert inspect("seed_vii", root).ok


@pytest.mark.parametrize("word", ["Happiness", "HAPPY", " happy "])
def test_other_spellings_are_understood(root: Path, word: str) -> None:
    write_workbook(root, {1: word})
    assert load("seed_vii", root)[0].trials[0].labels["emotion"].value == "happy"


@pytest.mark.parametrize(
    ("word", "reason"), [("bored", "unknown emotion 'bored' in cell B2"), (None, "cell B2 is empty")]
)
def test_unknown_word_is_named_and_the_label_left_out(root: Path, word: str | None, reason: str) -> None:
    path = write_workbook(root, {1: word})
    fault = only_fault(root)
    assert (fault.file, fault.item) == (str(path), "clip 1")
    assert fault.reason.startswith(reason)
    first = load_with_warning(root)[0]
    assert first.trials[0].labels == {}
    assert first.trials[1].labels["emotion"].value == "neutral"


def test_broken_workbook_leaves_the_built_in_table(root: Path) -> None:
    path = write_workbook(root)
    truncate(path)
    assert only_fault(root).file == str(path)
    assert any("built-in table, unchecked" in note for note in inspect("seed_vii", root).notes)
    assert load_with_warning(root)[0].trials[0].labels["emotion"].value == "happy"


def test_workbook_of_another_layout(root: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["clip", "emotion"])
    sheet.append([1, "happy"])
    book.save(root / "emotion_label_and_stimuli_order.xlsx")
    assert "cell B1 holds 'emotion'; expected a clip number" in only_fault(root).reason


def test_truth_that_cannot_be_read(root: Path) -> None:
    (root / "truth.json").write_text('{"simulated": tru')
    with pytest.raises(InputError, match=r"truth\.json: is not readable JSON"):
        load("seed_vii", root)
    write_truth(root, [1, 81])
    with pytest.raises(InputError, match=r"its 'clips' are \[1, 81\]"):
        load("seed_vii", root)


def test_other_files_are_mentioned(root: Path) -> None:
    (root / "EYE_features" / "1.mat.part").write_bytes(b"x")
    (root / "EYE_features" / ".DS_Store").write_bytes(b"x")
    inspection = inspect("seed_vii", root)
    assert inspection.ok
    assert "EYE_features: files that are not .mat were ignored: 1.mat.part" in inspection.notes
