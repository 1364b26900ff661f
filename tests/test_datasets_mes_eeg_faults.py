"""What can be wrong with a copy of MEs-EEG: each fault is one clear line, and the rest is read."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from _mes_eeg_files import (
    COLUMNS,
    NAMES_68,
    Coded,
    default_rows,
    eeg_events,
    start_of,
    write_copy,
    write_eeg,
    write_faces,
    write_table,
)
from mien import datasets
from mien.core import InputError, Recording
from mien.core.pseudonyms import PUBLIC_KEY, pseudonym
from mien.datasets import DatasetWarning, Fault

ALPHA, BRAVO = (pseudonym(name, key=PUBLIC_KEY) for name in ("alpha", "bravo"))


def only_fault(root: Path) -> Fault:
    """The one fault that an inspection lists; one line without a name."""
    (fault,) = datasets.inspect("mes_eeg", root).faults
    text = str(fault)
    assert "\n" not in text
    assert not any(name in text for name in ("alpha", "bravo"))
    return fault


def load(root: Path, **options: Any) -> list[Recording]:
    with pytest.warns(DatasetWarning, match=r"mien inspect mes_eeg .* shows them all"):
        return datasets.load("mes_eeg", root, **options)


def n_events(recordings: list[Recording]) -> int:
    return sum(len(r.events) for r in recordings)


# --- the folder ----------------------------------------------------------------------------------------


def test_folders_that_are_no_copy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder; expected the folder that holds MEs-EEG"):
        datasets.load("mes_eeg", tmp_path / "nowhere")
    with pytest.raises(
        InputError, match=r"is no copy of MEs-EEG; expected coding_file_combined\.xlsx, eeg_py"
    ):
        datasets.inspect("mes_eeg", tmp_path)


def test_an_unreadable_truth(tmp_path: Path) -> None:
    (write_copy(tmp_path, eeg=()) / "truth.json").write_text("{")
    with pytest.raises(InputError, match=r"truth\.json: is not readable JSON"):
        datasets.load("mes_eeg", tmp_path)


def test_subjects_are_chosen_by_pseudonym(tmp_path: Path) -> None:
    root = write_copy(tmp_path, eeg=())
    with pytest.raises(
        InputError, match=r"no subject \(no pseudonym\), p000000; expected some of p"
    ) as caught:
        datasets.load("mes_eeg", root, subjects=["alpha", "p000000"])
    assert "alpha" not in str(caught.value)


# --- the coding table ----------------------------------------------------------------------------------

USED = [c for c in COLUMNS if c not in ("Date", "dif")]


@pytest.mark.parametrize("column", USED)
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    root = write_copy(tmp_path, eeg=())
    path = write_table(
        root / "coding_file_combined.xlsx", default_rows(), columns=[c for c in COLUMNS if c != column]
    )
    with pytest.raises(
        InputError, match=rf"^{path}: has no column '{column}'; expected the columns Subject, File"
    ):
        datasets.load("mes_eeg", root)
    assert f"has no column {column!r}" in only_fault(root).reason


def test_a_renamed_column_is_recognised(tmp_path: Path) -> None:
    root = write_copy(tmp_path, eeg=())
    columns = ["OnsetTime -> Onset Time" if c == "OnsetTime" else c for c in COLUMNS]
    write_table(root / "coding_file_combined.xlsx", default_rows(), columns=columns)
    with pytest.raises(InputError, match=r"has no column 'OnsetTime' \(is it 'Onset Time'\?\)"):
        datasets.load("mes_eeg", root)


def test_the_other_release_of_the_table(tmp_path: Path) -> None:
    columns = [c for c in COLUMNS if c != "Macro/Micro"]
    write_table(tmp_path / "coding_file.xlsx", default_rows(), columns=columns)
    with pytest.raises(
        InputError, match=r"MMME's coding_file\.xlsx lacks it; use coding_file_combined\.xlsx"
    ):
        datasets.load("mes_eeg", _made_up(tmp_path))


@pytest.mark.parametrize("column", ["Date", "dif"])
def test_columns_that_nothing_reads_may_be_missing(tmp_path: Path, column: str) -> None:
    root = write_copy(tmp_path, eeg=())
    write_table(
        root / "coding_file_combined.xlsx", default_rows(), columns=[c for c in COLUMNS if c != column]
    )
    fault = only_fault(root)
    assert (fault.item, fault.severity) == (f"column {column}", "kept")
    assert n_events(load(root)) == 4


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"PK\x03\x04broken" + bytes(60), b"\xd0\xcf\x11\xe0" + bytes(60)]
)
def test_a_table_that_is_no_workbook(tmp_path: Path, content: bytes) -> None:
    root = write_copy(tmp_path)
    (root / "coding_file_combined.xlsx").write_bytes(content)
    with pytest.raises(InputError, match=r"coding_file_combined\.xlsx: .*expected an Excel workbook"):
        datasets.load("mes_eeg", root)
    found = datasets.inspect("mes_eeg", root)
    assert any("coding_file_combined.xlsx" in f.file for f in found.faults)
    assert found.counts["EEG trials"] == (5, None)


def _made_up(root: Path) -> Path:
    (root / "truth.json").write_text('{"simulated": true}')
    return root


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"Filename": "happy-103-alpha.avi"}, "Filename is not EMOTION_INDEX_MARKER_SUBJECT_yyyymmdd.avi"),
        ({"Filename": None}, "Filename is not EMOTION_INDEX_MARKER_SUBJECT_yyyymmdd.avi"),
        ({"Marker": 104}, "Marker is 104 but 103 in Filename"),
        (
            {"Marker": 150, "Filename": "happy_2_150_alpha_20230718.avi"},
            "no label: marker 150 is none of the clips 101 to 148",
        ),
        (
            {"Marker": 106, "Filename": "happy_2_106_alpha_20230718.avi"},
            "no label: marker 106 is a clip of 'calm', in which nothing is coded",
        ),
        (
            {"Filename": "sad_2_103_alpha_20230718.avi"},
            "Filename says 'sad', but marker 103 is a clip of 'happy'",
        ),
        ({"Subject": "bravo"}, "Subject and Filename name different people"),
        ({"OnsetTime": 2.3}, "onset 2.3 s is not before apex 2.2 s"),
        ({"OnsetTime": 2.2}, "onset 2.2 s is not before apex 2.2 s"),
        ({"OffsetTime": 2.1}, "offset 2.1 s is before apex 2.2 s"),
        ({"ApexTime": None, "OffsetTime": 1.0}, "offset 1 s is before onset 2 s"),
        ({"ApexTime": "2,2"}, "ApexTime is '2,2'; expected seconds"),
        ({"OnsetTime": None}, "OnsetTime is None; expected seconds"),
        ({"OnsetTime": -1.5}, "OnsetTime is -1.5; expected seconds"),
        ({"ApexTime": None, "OffsetTime": None}, "neither ApexTime nor OffsetTime is coded"),
        ({"Macro/Micro": "micro"}, "Macro/Micro is 'micro'; expected Macro or Micro"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path: Path, cells: dict[str, Any], reason: str) -> None:
    bad = Coded(onset=2.0, apex=2.2, offset=2.4, cells=cells)
    good = Coded(marker=101)
    root = write_copy(tmp_path, [bad, good], stages=(), eeg=())
    write_faces(root, [good], "cropped")
    fault = only_fault(root)
    assert (fault.reason, fault.severity) == (reason, "left out")
    assert fault.item.startswith("row 2")
    assert fault.file.endswith("coding_file_combined.xlsx")
    assert n_events(load(root)) == 1


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"Estimated Emotion": "fear"}, "Estimated Emotion is 'fear', the clip's is 'happy', which is used"),
        ({"Action Units": "AU4,AU7"}, "Action Units 'AU4,AU7' are not AUn, AUn, …"),
        ({"ApexFrame": "10:00:02"}, "a frame's stamp is not HH-MM-SS-mmm; the seconds are used"),
        ({"ApexFrame": "10-61-02-000"}, "a frame's stamp is not HH-MM-SS-mmm; the seconds are used"),
    ],
)
def test_rows_that_are_kept(tmp_path: Path, cells: dict[str, Any], reason: str) -> None:
    root = write_copy(tmp_path, [Coded(cells=cells)], eeg=())
    fault = only_fault(root)
    assert (fault.item, fault.reason, fault.severity) == ("row 2, marker 103", reason, "kept")
    assert n_events(load(root)) == 1


def test_faults_of_people_who_were_not_chosen_are_not_told(tmp_path: Path) -> None:
    rows = [Coded(), Coded(name="bravo", date="20230801", marker=104), Coded(cells={"OnsetTime": 9.0})]
    root = write_copy(tmp_path, rows, eeg=())
    assert only_fault(root).subject == ALPHA
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (recording,) = datasets.load("mes_eeg", root, subjects=[BRAVO])
    assert recording.subject == BRAVO
    assert len(load(root, subjects=[ALPHA])) == 1


def test_all_that_is_wrong_with_a_row_is_said(tmp_path: Path) -> None:
    root = write_copy(
        tmp_path, [Coded(cells={"Marker": 5, "OnsetTime": 9.0, "Macro/Micro": "?"})], stages=(), eeg=()
    )
    assert [f.reason.split()[0] for f in datasets.inspect("mes_eeg", root).faults] == [
        "onset",
        "Marker",
        "Macro/Micro",
    ]


def test_empty_rows_are_none(tmp_path: Path) -> None:
    empty = Coded(cells=dict.fromkeys(COLUMNS))
    root = write_copy(tmp_path, [Coded(), empty, Coded(marker=101), empty], stages=(), eeg=())
    found = datasets.inspect("mes_eeg", root)
    assert found.ok
    assert found.counts["rows"] == (2, None)


def test_nothing_but_unusable_rows(tmp_path: Path) -> None:
    root = write_copy(tmp_path, [Coded(cells={"OnsetTime": 9.0})], eeg=())
    with pytest.raises(
        InputError, match=r"nothing can be used: 1 fault, the first: .*onset 9 s is not before apex"
    ):
        datasets.load("mes_eeg", root)


# --- faces ---------------------------------------------------------------------------------------------


def of_alpha(root: Path, pattern: str) -> Path:
    return next(p for p in sorted(root.rglob(pattern)) if "alpha" in str(p))


def test_a_row_whose_folder_is_missing(tmp_path: Path) -> None:
    rows = [Coded(), Coded(marker=101)]
    root = write_copy(tmp_path, rows, stages=(), eeg=())
    write_faces(root, rows[:1], "cropped")
    fault = only_fault(root)
    assert (fault.item, fault.subject) == ("row 3, marker 101", ALPHA)
    assert fault.reason == f"no folder of the face: expected sad_{ALPHA}20230718_101_2.00_2.20_2.40 in it"
    (recording,) = load(root)
    shown = [recording.streams["face"].shows(e) for e in recording.events]
    assert sorted(shown) == [False, True]


def test_a_folder_with_one_picture(tmp_path: Path) -> None:
    root = write_copy(tmp_path, [Coded(), Coded(marker=101)], eeg=())
    next(root.rglob("sad_*/apex.png")).unlink()
    fault = only_fault(root)
    assert fault.file.endswith(f"sad_{ALPHA}20230718_101_2.00_2.20_2.40/apex.png")
    assert (fault.item, fault.reason) == ("row 3, marker 101", "no such picture")


def damaged_pictures() -> list[tuple[str, Callable[[Path], object], str]]:
    odd = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    return [
        ("empty", lambda p: p.write_bytes(b""), "is empty"),
        ("cut", lambda p: p.write_bytes(p.read_bytes()[:60]), "cut off|cannot be read"),
        ("text", lambda p: p.write_text("hello " * 20), "cannot be read as a picture"),
        ("size", lambda p: p.write_bytes(odd), "onset and apex are 16 x 16 and 8 x 8 px; expected one size"),
    ]


@pytest.mark.parametrize(
    ("name", "damage", "says"), damaged_pictures(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_pictures_that_are_damaged(
    tmp_path: Path, name: str, damage: Callable[[Path], object], says: str
) -> None:
    root = write_copy(tmp_path, [Coded()], eeg=())
    (recording,) = datasets.load("mes_eeg", root)
    damage(next(root.rglob("apex.png")))
    with pytest.raises(InputError, match=says) as caught:
        recording.streams["face"].clip(recording.events[0])
    assert "alpha" not in str(caught.value)
    fault = only_fault(root)
    assert (fault.item, fault.severity) == (recording.events[0].id, "kept")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda p: p.write_bytes(b""), "is empty"),
        (lambda p: p.write_bytes(b"hello " * 40), "cannot be read as a video"),
        (lambda p: p.write_bytes(p.read_bytes()[:1500]), r"\.avi: "),
    ],
)
def test_videos_that_are_damaged(tmp_path: Path, damage: Callable[[Path], object], says: str) -> None:
    root = write_copy(tmp_path, [Coded()], stages=("avi",), eeg=())
    (recording,) = datasets.load("mes_eeg", root)
    damage(next(root.rglob("*.avi")))
    with pytest.raises(InputError, match=says) as caught:
        recording.streams["face"].clip(recording.events[0])
    assert "alpha" not in str(caught.value)
    assert only_fault(root).severity == "kept"


def test_a_video_that_ends_before_the_apex(tmp_path: Path) -> None:
    row = Coded(onset=2.0, apex=2.3, offset=2.4)
    root = write_copy(tmp_path, [row], stages=(), eeg=())
    write_faces(root, [replace(row, apex=2.05, offset=2.1)], "avi")
    video = next(root.rglob("*.avi"))
    video.rename(video.with_name(f"video_{row.key}_100.avi"))
    assert (
        only_fault(root).reason == "ends 0.100 s after the onset; expected frames beyond the apex at 0.300 s"
    )


def test_a_picture_that_goes_away_after_loading(tmp_path: Path) -> None:
    root = write_copy(tmp_path, [Coded()], eeg=())
    (recording,) = datasets.load("mes_eeg", root)
    face, event = recording.streams["face"], recording.events[0]
    next(root.rglob("apex.png")).unlink()
    for ask in (face.source.files, lambda: face.source.files_of(event), lambda: face.clip(event)):
        with pytest.raises(InputError, match=r"is not there any more|no such file") as caught:
            ask()
        assert f"happy_{ALPHA}20230718" in str(caught.value)


def test_faces_of_no_row_are_counted(tmp_path: Path) -> None:
    root = write_copy(tmp_path, [Coded()], eeg=())
    write_faces(root, [Coded(name="charlie", marker=101)], "cropped")
    folder = root / "3.pics_selected_segmented_cropped" / "Micro"
    (folder / "happy_delta_pictures").mkdir()
    joined = "\n".join(datasets.inspect("mes_eeg", root).notes)
    assert "cropped: 1 match no usable row: sad_p" in joined
    assert "cropped: 1 names are not understood: happy_p" in joined
    assert not any(name in joined for name in ("charlie", "delta", "pictures"))


def test_faces_without_a_table(tmp_path: Path) -> None:
    write_faces(_made_up(tmp_path), [Coded()], "cropped")
    write_eeg(tmp_path, markers=(103,))
    assert "no coding table says when and what they are" in only_fault(tmp_path).reason
    (recording,) = load(tmp_path)
    assert recording.events == ()


# --- EEG -----------------------------------------------------------------------------------------------


def eeg_of_alpha(root: Path, ending: str) -> Path:
    return of_alpha(root, f"*{ending}")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda r: eeg_of_alpha(r, ".fdt").unlink(), "its .fdt, which holds the samples, is not there"),
        (
            lambda r: eeg_of_alpha(r, ".fdt").write_bytes(bytes(68 * 4 * 100)),
            "is short: 27,200 bytes (100 samples",
        ),
        (lambda r: eeg_of_alpha(r, ".set").write_bytes(b""), "is empty"),
        (lambda r: _cut(eeg_of_alpha(r, ".set")), "is truncated or damaged"),
        (
            lambda r: write_eeg(r, channels=NAMES_68[1:]),
            "lacks the channels FP1; expected the 62 EEG channels",
        ),
    ],
)
def test_eeg_that_cannot_be_read(tmp_path: Path, damage: Callable[[Path], object], says: str) -> None:
    root = write_copy(tmp_path)
    damage(root)
    fault = only_fault(root)
    assert says in fault.reason
    assert fault.subject == ALPHA
    assert f"{ALPHA}_20230718" in fault.file
    recordings = {r.subject: r for r in load(root)}
    assert list(recordings[ALPHA].streams) == ["face"]
    assert "raw_eeg" in recordings[BRAVO].streams


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def test_eeg_with_a_name_that_tells_no_session(tmp_path: Path) -> None:
    root = write_copy(tmp_path, eeg=())
    write_eeg(root, "alpha", "20230718")
    path = next(root.rglob("*.set"))
    path.with_suffix(".fdt").rename(path.with_name("Zulu alpha.fdt"))
    path.rename(path.with_name("Zulu alpha.set"))
    fault = only_fault(root)
    assert "its name is not of the form SUBJECT_yyyymmdd.set" in fault.reason
    assert "zulu" not in str(fault).lower()


@pytest.mark.parametrize(
    ("events", "item", "says", "trials"),
    [
        ([("160", 600.0)], "marker 160", "at 2.396 s has no label; expected 101 to 148, 100, 77 or 88", 1),
        ([("hello", 600.0)], "event at 2.396 s", "has no label", 1),
        ([("103", 2100.0), ("100", 2200.0)], "marker 103", "comes again at 8.396 s; the first is used", 1),
        (
            [("101", 2100.0), ("104", 2150.0), ("100", 2200.0)],
            "marker 101",
            "no end (100) before marker 104",
            2,
        ),
    ],
)
def test_markers_that_are_wrong(
    tmp_path: Path, events: list[tuple[str, float]], item: str, says: str, trials: int
) -> None:
    root = _made_up(tmp_path)
    write_eeg(root, markers=(103,), events=[*eeg_events((103,)), *events], seconds=12)
    fault = only_fault(root)
    assert fault.item == item
    assert says in fault.reason
    (recording,) = load(root)
    assert len(recording.trials) == trials


def test_a_trial_without_an_end(tmp_path: Path) -> None:
    write_eeg(_made_up(tmp_path), markers=(103,), events=eeg_events((103,))[:-1])
    fault = only_fault(tmp_path)
    assert (fault.item, fault.severity) == ("marker 103", "kept")
    assert "no end (100) after it; the trial lasts to the end of the recording" in fault.reason
    (recording,) = load(tmp_path)
    assert recording.trials[0].span.stop == recording.streams["raw_eeg"].span.stop


def test_samples_that_are_no_numbers_and_channels_that_are_flat(tmp_path: Path) -> None:
    write_eeg(_made_up(tmp_path), markers=(103,))
    path = next(tmp_path.rglob("*.fdt"))
    data = np.fromfile(path, dtype="<f4").reshape(-1, 68)
    data[100, 3] = np.nan
    data[:, 5] = 1.0
    data.tofile(path)
    reasons = [f.reason for f in datasets.inspect("mes_eeg", tmp_path).faults]
    assert reasons == ["NaN or infinite values in AF3", "one value throughout in F7"]


def test_an_expression_after_the_end_of_its_trial(tmp_path: Path) -> None:
    root = write_copy(tmp_path, [Coded(onset=5.5, apex=5.8, offset=6.25)], eeg=())
    write_eeg(root, markers=(103,))
    fault = only_fault(root)
    assert (fault.item, fault.severity) == ("row 2, marker 103", "kept")
    assert fault.reason == "ends 0.250 s after the end of its trial in the EEG (6.000 s)"
    (recording,) = load(root)
    assert recording.events[0].span.stop == pytest.approx(start_of(0) + 6.25)
