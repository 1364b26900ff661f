"""The reader of SEED on made-up files in the published layout."""

from __future__ import annotations

import datetime
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from _seed_sibling_files import (
    DAMAGE,
    change_mat,
    content,
    load_with_warning,
    only_fault,
    write_npz,
)
from mien import features
from mien.core import InputError
from mien.datasets import example, inspect, load
from mien.datasets._seed_layout import CHANNELS
from mien.datasets._seed_siblings_layout import SEED_DATES, SEED_EYE_WINDOWS
from mien.simulate._cnt import Electrode, write_cnt

# typed from the data set's page: 1 positive, 0 neutral, -1 negative
LABELS = [1, 0, -1, -1, 0, 1, -1, 0, 1, 1, 0, -1, 0, 1, -1]
WORDS = {1: "positive", 0: "neutral", -1: "negative"}
DAYS = ("20131027", "20131030", "20131107")
"""The three days of subject 1."""
FOLDERS = ("Preprocessed_EEG", "ExtractedFeatures", "eeg_used_4s", "eye_tracking_feature")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return example("seed", tmp_path_factory.mktemp("seed") / "copy")


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "copy")


def eeg_file(root: Path, session: int = 1) -> Path:
    return root / "Preprocessed_EEG" / f"1_{DAYS[session - 1]}.mat"


def features_file(root: Path, session: int = 1) -> Path:
    return root / "ExtractedFeatures" / f"1_{DAYS[session - 1]}.mat"


# -- what is read ----------------------------------------------------------------------------------------


def test_recordings_and_trials(root: Path) -> None:
    recordings = load("seed", root)
    assert [r.id for r in recordings] == ["sub-1_ses-1", "sub-1_ses-2", "sub-1_ses-3"]
    trials = [t for r in recordings for t in r.trials]
    assert [t.id for t in trials[:3]] == ["sub-1_ses-1_clip-1", "sub-1_ses-1_clip-2", "sub-1_ses-2_clip-1"]
    # the same clips in each session: sessions share stimuli
    assert [t.stimulus for t in trials] == ["1", "2"] * 3
    assert [t.session for t in trials] == ["1", "1", "2", "2", "3", "3"]
    assert [t.labels["emotion"].value for t in trials] == ["positive", "neutral"] * 3
    assert trials[0].labels["emotion"].scale == ("negative", "neutral", "positive")
    assert [(t.span.start, t.span.duration) for t in recordings[0].trials] == [(0.0, 9.0), (9.0, 9.0)]


def test_every_clip_has_its_published_label(root: Path) -> None:
    for session in (1, 2, 3):
        change_mat(
            eeg_file(root, session),
            lambda v: v.update({f"xx_eeg{k}": v["xx_eeg1"] for k in range(1, 16)}),
        )
        features_file(root, session).unlink()
    for folder in FOLDERS[1:]:
        shutil.rmtree(root / folder)
    (root / "truth.json").unlink()
    recordings = load("seed", root)
    for recording in recordings:
        assert [t.labels["emotion"].value for t in recording.trials] == [WORDS[k] for k in LABELS]
    counts = inspect("seed", root).counts
    assert counts["subjects"] == (1, 15)
    assert counts["files Preprocessed_EEG"] == (3, 45)
    assert counts["trials"] == (45, 675)
    assert counts["trials positive"] == (15, 225)


def test_eeg_is_in_volts(root: Path) -> None:
    recording = load("seed", root)[1]
    stored = content(eeg_file(root, 2))["xx_eeg2"]
    signal = recording.streams["eeg"].read(recording.trials[1].span)
    assert (signal.unit, signal.rate, len(signal.channels)) == ("V", 200.0, 62)
    np.testing.assert_allclose(signal.data, stored * 1e-6, rtol=1e-12)  # one rounding


@pytest.mark.parametrize(
    ("variant", "key", "rows"),
    [
        ("de_lds", "de_LDS", 62),
        ("de_moving_average", "de_movingAve", 62),
        ("psd_lds", "psd_LDS", 62),
        ("dasm_lds", "dasm_LDS", 27),
        ("rasm_moving_average", "rasm_movingAve", 27),
        ("asm_lds", "asm_LDS", 54),
        ("dcau_lds", "dcau_LDS", 23),
    ],
)
def test_shipped_features_are_windows_of_one_second_band_by_band(
    root: Path, variant: str, key: str, rows: int
) -> None:
    recording = load("seed", root)[0]
    stored = content(features_file(root))[f"{key}2"]
    assert stored.shape == (rows, 9, 5)
    made = features.compute("shipped", recording, variant=variant, trial="sub-1_ses-1_clip-2")
    assert made.values.shape == (9, 5, rows)
    assert list(made.axes["band"]) == ["delta", "theta", "alpha", "beta", "gamma"]
    np.testing.assert_array_equal(made.values, stored.transpose(1, 2, 0))
    np.testing.assert_array_equal(made.durations, np.ones(9))
    np.testing.assert_array_equal(made.starts, 9.0 + np.arange(9))


def test_multimodal_features_are_cut_at_the_clips(root: Path) -> None:
    recording = load("seed", root)[2]
    eye = pickle.loads((root / "eye_tracking_feature" / "1_3").read_bytes())  # noqa: S301  our own bytes
    second = features.compute("shipped", recording, modality="eye", trial="sub-1_ses-3_clip-2")
    np.testing.assert_array_equal(second.values, eye["train_data_eye"][2:4])
    np.testing.assert_array_equal(second.durations, [4.0, 4.0])
    with np.load(root / "eeg_used_4s" / "1_3.npz") as npz:
        bands = pickle.loads(npz["train_data"].tobytes())  # noqa: S301  our own bytes
    de = features.compute("shipped", recording, variant="de_4s", trial="sub-1_ses-3_clip-1")
    assert list(de.axes) == ["window", "band", "channel"]
    np.testing.assert_array_equal(de.values, np.stack(list(bands.values()), axis=1)[:2])


def test_windows_of_four_seconds_may_be_shipped_beside_those_of_one(root: Path) -> None:
    (root / "ExtractedFeatures_4s").mkdir()
    for session, day in enumerate(DAYS, start=1):
        variables = {k: v[:, :2] for k, v in content(features_file(root, session)).items()}
        savemat(root / "ExtractedFeatures_4s" / f"1_{day}.mat", variables)
    recording = load("seed", root)[0]
    made = features.compute("shipped", recording, variant="de_lds_4s", trial="sub-1_ses-1_clip-1")
    np.testing.assert_array_equal(made.durations, [4.0, 4.0])
    np.testing.assert_array_equal(
        made.values, content(features_file(root))["de_LDS1"][:, :2].transpose(1, 2, 0)
    )
    assert recording.streams["shipped_eeg_de_lds"].rate == 1.0


@pytest.mark.parametrize("name", ["de", "psd", "de_lds"])
def test_features_of_our_own_from_the_eeg(root: Path, name: str) -> None:
    made = features.compute(name, load("seed", root)[0])
    assert made.values.shape == (4, 5, 62)


def test_chosen_subjects_and_sessions(root: Path) -> None:
    assert [r.session for r in load("seed", root, subjects=[1], sessions=[3, 1])] == ["1", "3"]
    with pytest.raises(InputError, match="no files of subject 2"):
        load("seed", root, subjects=["2"])
    with pytest.raises(InputError, match="no session 4; expected some of 1, 2, 3"):
        load("seed", root, sessions=[4])


def test_the_folders_may_lie_where_the_new_release_has_them(root: Path) -> None:
    new = root.parent / "new"
    (new / "SEED_EEG").mkdir(parents=True)
    chinese = new / "SEED_Multimodal" / "Chinese"
    shutil.copytree(root / "Preprocessed_EEG", new / "SEED_EEG" / "Preprocessed_EEG")
    shutil.copytree(root / "ExtractedFeatures", new / "SEED_EEG" / "ExtractedFeatures_1s")
    shutil.copytree(root / "eeg_used_4s", chinese / "02-EEG-DE-feature" / "eeg_used_4s")
    shutil.copytree(root / "eye_tracking_feature", chinese / "04-Eye-tracking-feature/eye_tracking_feature")
    shutil.copy(root / "truth.json", new)
    assert set(load("seed", new)[0].streams) == set(load("seed", root)[0].streams)


# -- sessions --------------------------------------------------------------------------------------------


def test_the_dates_are_in_order_and_belong_to_one_session() -> None:
    for subject in range(15):
        days = [row[subject] for row in SEED_DATES]
        assert days == sorted(set(days))
    # the spelling of the file names of subjects 6, 7 and 15 in the list of the published files
    assert [row[5] for row in SEED_DATES] == ["20130712", "20131016", "20131113"]
    assert [row[6] for row in SEED_DATES] == ["20131027", "20131030", "20131106"]
    assert [row[14] for row in SEED_DATES] == ["20130709", "20131016", "20131105"]


def test_windows_of_the_multimodal_part() -> None:
    # ranges of windows as published, first and last: nine clips to train, six to test
    train = [
        (0, 57),
        (58, 115),
        (116, 165),
        (166, 225),
        (226, 271),
        (272, 319),
        (320, 378),
        (379, 432),
        (433, 498),
    ]
    test = [(0, 58), (59, 116), (117, 174), (175, 232), (233, 291), (292, 342)]
    assert [b - a + 1 for a, b in train + test] == list(SEED_EYE_WINDOWS)


def test_a_missing_day_does_not_shift_the_sessions(root: Path) -> None:
    for folder in FOLDERS[:2]:
        (root / folder / f"1_{DAYS[0]}.mat").unlink()
    for folder, name in (("eeg_used_4s", "1_1.npz"), ("eye_tracking_feature", "1_1")):
        (root / folder / name).unlink()
    assert [r.id for r in load("seed", root)] == ["sub-1_ses-2", "sub-1_ses-3"]
    found = inspect("seed", root)
    assert found.ok
    assert found.counts["files Preprocessed_EEG"] == (2, 3)


def test_an_unknown_date_is_left_out(root: Path) -> None:
    path = eeg_file(root, 2)
    path.rename(path.with_name("1_20131031.mat"))
    fault = only_fault("seed", root)
    assert fault.file.endswith("1_20131031.mat")
    assert fault.reason == "20131031 is no day of subject 1; expected one of 20131027, 20131030, 20131107"
    assert fault.subject == "1"
    streams = {r.session: set(r.streams) for r in load_with_warning("seed", root)}
    assert "eeg" not in streams["2"]
    assert {"eeg", "shipped_eye"} <= streams["1"] & streams["3"]


def test_of_four_dates_the_one_that_is_not_published_is_left_out(root: Path) -> None:
    shutil.copy(eeg_file(root, 3), eeg_file(root, 3).with_name("1_20130101.mat"))
    fault = only_fault("seed", root)
    assert "20130101 is no day of subject 1" in fault.reason
    # by counting sorted dates the first session would now be another
    recordings = load_with_warning("seed", root)
    assert [r.session for r in recordings] == ["1", "2", "3"]
    for session, recording in enumerate(recordings, start=1):
        stored = content(eeg_file(root, session))["xx_eeg1"]
        read = recording.streams["eeg"].read(recording.trials[0].span).data
        np.testing.assert_allclose(read, stored * 1e-6, rtol=1e-12)  # one rounding


def test_an_unknown_subject_is_left_out(root: Path) -> None:
    shutil.copy(eeg_file(root), root / "Preprocessed_EEG" / "16_20131027.mat")
    fault = only_fault("seed", root)
    assert "subject 16 is not in the data set; expected 1 to 15" in fault.reason


# -- initials --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["abc", "q_r", "Zz9"])
def test_any_letters_may_stand_before_eeg_and_none_leave_the_reader(root: Path, prefix: str) -> None:
    def rename(variables: dict[str, Any]) -> None:
        for key in list(variables):
            variables[key.replace("xx", prefix)] = variables.pop(key)

    for session in (1, 2, 3):
        change_mat(eeg_file(root, session), rename)
    change_mat(eeg_file(root), lambda v: v.update({f"{prefix}_eeg16": v[f"{prefix}_eeg1"]}))
    change_mat(eeg_file(root, 2), lambda v: v.update({f"{prefix}_eeg2": np.zeros((61, 1800))}))
    change_mat(eeg_file(root, 3), lambda v: v.update({f"{prefix}_eeg2": "text"}))
    found = inspect("seed", root)
    assert [f.item for f in found.faults] == ["1 variable", "clip 2", "clip 2"]
    recordings = load_with_warning("seed", root)
    assert "eeg" in recordings[0].streams
    told = repr(found.to_dict()) + repr(recordings) + repr(pickle.dumps(recordings))
    assert f"{prefix}_" not in told
    assert f"'{prefix}" not in told


def test_damage_in_a_variable_is_told_without_its_name(root: Path) -> None:
    path = eeg_file(root)
    savemat(path, content(path), do_compression=True)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 3] ^= 0xFF  # in the middle of the first clip's compressed samples
    path.write_bytes(bytes(raw))
    fault = only_fault("seed", root)
    assert (fault.item, fault.subject) == ("clip 1", "1")
    assert "clip 1 is damaged" in fault.reason
    assert "xx" not in str(fault)


def test_two_variables_of_one_clip_are_not_chosen_from(root: Path) -> None:
    change_mat(eeg_file(root), lambda v: v.update(yy_eeg1=v["xx_eeg1"]))
    fault = only_fault("seed", root)
    assert (fault.item, fault.reason) == ("clip 1", "2 variables of eeg claim to be this clip; expected one")


# -- faults ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("says", DAMAGE)
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_broken_file_is_left_out(root: Path, folder: str, says: str) -> None:
    path = sorted((root / folder).glob("1_*"))[1]
    DAMAGE[says](path)
    fault = only_fault("seed", root)
    assert (fault.file, fault.subject, fault.severity) == (str(path), "1", "left out")
    if (folder, says) == ("eye_tracking_feature", "is truncated"):
        says = "is no readable pickle"
    assert says in fault.reason
    recordings = load_with_warning("seed", root)
    lost = {
        "Preprocessed_EEG": {"eeg"},
        "ExtractedFeatures": {s for s in recordings[0].streams if s.endswith(("_lds", "_average"))},
        "eeg_used_4s": {"shipped_eeg_de_4s"},
        "eye_tracking_feature": {"shipped_eye"},
    }[folder]
    assert set(recordings[0].streams) - set(recordings[1].streams) == lost


def test_a_missing_variable(root: Path) -> None:
    change_mat(eeg_file(root), lambda v: v.pop("xx_eeg2"))
    fault = only_fault("seed", root)
    assert (fault.item, fault.reason) == ("clip 2", "no variable of eeg; the file has 1 variables")
    recording = load_with_warning("seed", root)[0]
    assert recording.streams["eeg"].covers(recording.trials[0].span)
    assert not recording.streams["eeg"].covers(recording.trials[1].span)
    assert recording.streams["shipped_eye"].covers(recording.trials[1].span)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        (
            "de_LDS1",
            np.zeros((61, 9, 5)),
            r"shipped_eeg_de_lds has shape (61, 9, 5); expected (62, windows, 5)",
        ),
        (
            "de_LDS1",
            np.zeros((62, 5, 9)),
            r"shipped_eeg_de_lds has shape (62, 5, 9); expected (62, windows, 5)",
        ),
        ("psd_LDS1", np.zeros((62, 9)), "shape (62, 9); expected (62, windows, 5)"),
        ("dcau_LDS2", np.zeros((22, 9, 5)), "shipped_eeg_dcau_lds has 22 rows; expected 23, as before"),
        ("de_LDS1", "text", "shipped_eeg_de_lds of the clip is of class char; expected a real numeric array"),
    ],
)
def test_a_wrong_shape(root: Path, key: str, value: Any, says: str) -> None:
    change_mat(features_file(root), lambda v: v.update({key: value}))
    fault = only_fault("seed", root)
    assert fault.item == f"clip {key[-1]}"
    assert says in fault.reason


def test_clips_whose_streams_differ_in_length_are_left_out(root: Path) -> None:
    change_mat(eeg_file(root), lambda v: v.update(xx_eeg1=np.ones((62, 3400))))
    fault = only_fault("seed", root)
    assert fault.item == "session 1 clip 1"
    assert "lengths in windows of 4 s differ: eeg 4, shipped_eeg_de_lds 2" in fault.reason
    assert [t.stimulus for t in load_with_warning("seed", root)[0].trials] == ["2"]


def test_a_second_more_or_less_is_no_fault(root: Path) -> None:
    change_mat(eeg_file(root), lambda v: v.update(xx_eeg1=v["xx_eeg1"][:, :1650]))
    assert inspect("seed", root).ok
    trial = load("seed", root)[0].trials[0]
    assert trial.span.duration == 8.25


def test_values_that_are_no_numbers_are_told_and_kept(root: Path) -> None:
    def spoil(variables: dict[str, Any]) -> None:
        variables["de_LDS2"][3, 4, 1] = np.nan

    change_mat(features_file(root), spoil)
    fault = only_fault("seed", root)
    assert (fault.item, fault.severity) == ("session 1 clip 2", "kept")
    assert "NaN or infinite values in shipped_eeg_de_lds" in fault.reason


@pytest.mark.parametrize("name", ["one_20131027.mat", "1.mat", "1_2013.mat", "1_20131027_eeg.mat"])
def test_a_name_without_subject_and_date(root: Path, name: str) -> None:
    shutil.copy(eeg_file(root), root / "Preprocessed_EEG" / name)
    fault = only_fault("seed", root)
    assert fault.file.endswith(name)
    assert "expected {subject}_{yyyymmdd}.mat" in fault.reason


def test_a_multimodal_file_with_other_windows(root: Path) -> None:
    eye = {"train_data_eye": np.zeros((5, 33)), "test_data_eye": np.zeros((0, 33))}
    (root / "eye_tracking_feature" / "1_2").write_bytes(pickle.dumps(eye, 3))
    fault = only_fault("seed", root)
    assert "train and test have shapes (5, 33) and (0, 33); expected 4 and 0 windows" in fault.reason


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda c: c.pop("train_data_eye"),
            "'train_data_eye' is missing; expected an array (windows, features)",
        ),
        (lambda c: c.update(train_data_eye=np.zeros(4)), "'train_data_eye' is (4,)"),
        (lambda c: c.update(train_data_eye=print), "holds the name builtins.print, which is refused"),
    ],
)
def test_a_multimodal_file_with_something_else(
    root: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    path = root / "eye_tracking_feature" / "1_2"
    eye = pickle.loads(path.read_bytes())  # noqa: S301  our own bytes
    change(eye)
    path.write_bytes(pickle.dumps(eye, 3))
    assert says in only_fault("seed", root).reason


def test_multimodal_labels_that_change_elsewhere(root: Path) -> None:
    path = root / "eeg_used_4s" / "1_2.npz"
    with np.load(path) as npz:
        arrays = {key: npz[key] for key in npz.files}
    np.savez(path, **arrays | {"train_label": arrays["train_label"] * 2 + 3})  # other numbers are fine
    assert inspect("seed", root).ok
    np.savez(path, **arrays | {"train_label": np.array([1, 0, 0, 0])})
    assert "labels change at other windows than the clips do" in only_fault("seed", root).reason


def test_a_multimodal_file_without_a_band(root: Path) -> None:
    path = root / "eeg_used_4s" / "1_2.npz"
    write_npz(path, {"train_data": {"delta": np.zeros((4, 62))}, "test_data": {}})
    assert "'theta' is missing; expected an array (windows, 62)" in only_fault("seed", root).reason


def test_labels_that_contradict_the_table_stop_the_reader(root: Path) -> None:
    savemat(root / "Preprocessed_EEG" / "label.mat", {"label": -np.array([LABELS])})
    with pytest.raises(InputError, match=r"label\.mat: says \[-1, 0, .*expected the labels of the published"):
        load("seed", root)
    assert "says [-1, 0" in only_fault("seed", root).reason


def test_a_broken_label_file_is_a_fault(root: Path) -> None:
    DAMAGE["is a web page"](root / "Preprocessed_EEG" / "label.mat")
    found = inspect("seed", root)
    assert [f.reason.split(",")[0] for f in found.faults] == ["is a web page (HTML)"]
    assert "no readable label.mat: labels come from the built-in table" in found.notes


# -- raw -------------------------------------------------------------------------------------------------


def write_raw(root: Path, *, seconds: int = 8) -> None:
    """Three sessions of subject 2; sample ``k`` of every channel is ``k`` µV."""
    folder = root / "SEED_Multimodal" / "Chinese" / "01-EEG-raw"
    folder.mkdir(parents=True, exist_ok=True)
    data = np.tile(np.arange(1000.0 * seconds), (62, 1))
    for session in (1, 2, 3):
        write_cnt(
            folder / f"2_{session}.cnt", [data],
            electrodes=[Electrode(name=n, sensitivity=1.0) for n in CHANNELS],
            rate=1000, events=[], start=datetime.datetime(2014, 4, 4), subject="",
        )  # fmt: skip
    starts = [1000, 4000, *(10000 + 2000 * k for k in range(13))]
    ends = [3000, 6000, *(11000 + 2000 * k for k in range(13))]
    (folder / "time.txt").write_text(f"start_point_list = {starts}\nend_point_list = {ends}\n")


def test_raw_recordings(root: Path) -> None:
    write_raw(root)
    assert {r.subject for r in load("seed", root)} == {"1"}
    recording = load("seed", root, raw=True)[2]
    assert (recording.id, list(recording.streams)) == ("sub-2_ses-3", ["raw_eeg"])
    assert [(t.stimulus, t.span.start, t.span.stop) for t in recording.trials] == [
        ("1", 1.0, 3.0),
        ("2", 4.0, 6.0),
    ]
    signal = recording.streams["raw_eeg"].read(recording.trials[1].span)
    # half a step of the converter, 1 µV / 204.8 / 2
    np.testing.assert_allclose(signal.data[61], np.arange(4000, 6000) * 1e-6, atol=2.5e-9)
    found = inspect("seed", root)
    assert found.ok
    assert [row["subject"] for row in found.found] == ["1", "2"]
    with pytest.raises(InputError, match="no files of subject 1"):
        load("seed", root, subjects=[1], raw=True)


def test_raw_recordings_need_their_table_of_times(root: Path) -> None:
    write_raw(root)
    path = root / "SEED_Multimodal" / "Chinese" / "01-EEG-raw" / "time.txt"
    path.rename(path.parent.parent / "time.txt")  # one above is fine
    assert load("seed", root, raw=True)
    (path.parent.parent / "time.txt").write_text("start_point_list = [1, 2]")
    with pytest.raises(InputError, match=r"time\.txt: has 1 lists of starts and 0 of ends"):
        load("seed", root, raw=True)
    (path.parent.parent / "time.txt").unlink()
    with pytest.raises(InputError, match=r"time\.txt: no such file; expected a table of the clips' times"):
        load("seed", root, raw=True)
    assert "no such file" in only_fault("seed", root).reason


# -- roots -----------------------------------------------------------------------------------------------


def test_no_copy_of_the_data_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder; expected a folder with at least one of"):
        load("seed", tmp_path / "nowhere")
    with pytest.raises(InputError, match="is an empty folder"):
        load("seed", tmp_path)
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(InputError, match=r"holds holiday\.jpg; expected .*Preprocessed_EEG"):
        inspect("seed", tmp_path)
    with pytest.raises(InputError, match="is a file"):
        load("seed", tmp_path / "holiday.jpg")


def test_a_folder_too_deep_is_pointed_out(root: Path) -> None:
    with pytest.raises(InputError, match=f"Give the folder above it: {re.escape(str(root))}"):
        load("seed", root / "Preprocessed_EEG")


def test_nothing_that_can_be_used(root: Path) -> None:
    for folder in FOLDERS:
        for path in (root / folder).glob("1_*"):
            path.write_bytes(b"")
    with pytest.raises(InputError, match=r"nothing can be used: 12 faults, the first: .*is empty"):
        load("seed", root)


def test_truth_of_another_data_set(root: Path) -> None:
    (root / "truth.json").write_text('{"simulated": true, "dataset": "seed_iv", "clips": [1]}')
    with pytest.raises(InputError, match=r"truth\.json: is of a made-up seed_iv; expected one of seed"):
        load("seed", root)
    (root / "truth.json").write_text('{"simulated": true, "clips": [16]}')
    with pytest.raises(InputError, match=r"its 'clips' are \[16\]; expected a list of numbers from 1 to 15"):
        load("seed", root)
    (root / "truth.json").write_text("{")
    with pytest.raises(InputError, match="is not readable JSON"):
        load("seed", root)
