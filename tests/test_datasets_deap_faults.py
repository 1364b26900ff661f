"""What the reader of DEAP does with files that are broken, missing or contradict one another."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _deap_files import (
    RAW_RATE,
    SHOWN,
    TRIALS,
    arrays,
    bdf_start,
    rating_rows,
    status_values,
    truth,
    write_bdf,
    write_dat,
    write_ratings,
    write_video,
)
from _xls import write_xls
from mien import datasets
from mien.core import InputError
from mien.datasets._deap_layout import RATINGS_COLUMNS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    truth(tmp_path)
    write_dat(tmp_path)
    write_ratings(tmp_path)
    return tmp_path


def faulty(root: Path, **options: Any) -> tuple[list[datasets.Recording], tuple[datasets.Fault, ...]]:
    """Recordings, and the faults of the one warning."""
    with pytest.warns(datasets.DatasetWarning) as told:
        recordings = datasets.load("deap", root, **options)
    (warning,) = told
    assert Path(warning.filename).name in ("__init__.py", Path(__file__).name)
    return recordings, warning.message.faults


class Call:
    def __init__(self, function: Callable[..., Any], *given: Any) -> None:
        self.reduced = (function, given)

    def __reduce__(self) -> Any:
        return self.reduced


def test_a_file_that_carries_code_is_refused_and_nothing_is_run(root: Path) -> None:
    flag, path = root / "run", write_dat(root, 2)
    data, labels = arrays(2)
    path.write_bytes(pickle.dumps({"data": data, "labels": labels, "x": Call(os.mkdir, str(flag))}, 2))
    recordings, (fault,) = faulty(root)
    assert [r.id for r in recordings] == ["s01"]
    assert (fault.file, fault.subject, fault.severity) == (str(path), "s02", "left out")
    assert "mkdir, which is refused" in fault.reason
    assert not flag.exists()
    with pytest.raises(InputError, match=r"nothing can be used.*s02\.dat.*mkdir, which is refused"):
        datasets.load("deap", root, subjects=[2])
    assert not flag.exists()


BAD: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "truncated": (lambda raw: raw[: len(raw) // 2], "is no readable pickle"),
    "empty": (lambda raw: b"", "is empty"),
    "text": (lambda raw: b"valence,arousal\n5,5\n", "is no readable pickle"),
    "web page": (lambda raw: b"<html>log in</html>", "is a web page"),
    "list": (lambda raw: pickle.dumps([1.0], 2), "holds a list; expected a dictionary"),
    "no labels": (lambda raw: pickle.dumps({"data": np.zeros(3)}, 2), "holds nothing as 'labels'"),
    "words": (lambda raw: pickle.dumps({"data": "x", "labels": "y"}, 2), "holds str as 'data'"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_broken_file_is_left_out(root: Path, kind: str) -> None:
    change, says = BAD[kind]
    path = write_dat(root, 2)
    path.write_bytes(change(path.read_bytes()))
    recordings, (fault,) = faulty(root)
    assert [r.id for r in recordings] == ["s01"]
    assert says in fault.reason
    assert datasets.inspect("deap", root).faults == (fault,)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"data": np.zeros((TRIALS, 32, 1152))},
            r"shape \(4, 32, 1152\); expected \(4, 40, 1152\)",
        ),
        ({"data": np.zeros((TRIALS, 40, 1024))}, r"data are of shape \(4, 40, 1024\)"),
        ({"data": np.zeros(TRIALS)}, r"data are of shape \(4,\)"),
        ({"labels": np.full((3, 4), 5.0)}, r"labels are of shape \(3, 4\); expected \(4, 4\)"),
    ],
)
def test_the_wrong_shape(root: Path, changed: dict[str, np.ndarray], says: str) -> None:
    write_dat(root, **changed)
    with pytest.raises(InputError, match=says):
        datasets.load("deap", root)


def test_a_name_that_is_no_participants(root: Path) -> None:
    path = write_dat(root)
    for name in ("s1.dat", "s33.dat", "copy of s01.dat"):
        (path.parent / name).write_bytes(path.read_bytes())
    recordings, faults = faulty(root)
    assert len(recordings) == 1
    assert len(faults) == 3
    assert all("its name is no participant's; expected s01.dat to s32.dat" in f.reason for f in faults)


@pytest.mark.parametrize("bad", [0.5, 9.5, np.nan, -3.0])
def test_labels_off_the_scale_are_refused(root: Path, bad: float) -> None:
    labels = arrays()[1]
    labels[1, 2] = bad
    write_dat(root, labels=labels)
    (recording,), (fault,) = faulty(root)
    assert [t.stimulus for t in recording.trials] == ["video01", "video03", "video04"]
    assert (fault.item, fault.severity) == ("video 2", "left out")
    assert "not from 1 to 9" in fault.reason
    write_dat(root, labels=np.full((TRIALS, 4), bad))
    with pytest.raises(InputError, match="labels of 4 of 4 videos are not from 1 to 9"):
        datasets.load("deap", root)


def test_labels_that_the_table_contradicts_are_kept_and_told(root: Path) -> None:
    rows = rating_rows()
    labels = arrays()[1]
    rows[0][4] = round(10 - float(labels[SHOWN[0] - 1, 0]), 2)
    rows[1][5] = float(labels[SHOWN[1] - 1, 1]) + 0.004  # agrees to two decimals
    write_ratings(root, rows)
    (recording,), (fault,) = faulty(root)
    assert recording.trials[2].labels["valence"].value == labels[2, 0]
    assert (fault.item, fault.severity, fault.subject) == ("video 3", "kept", "s01")
    assert f"valence {labels[2, 0]:.2f} here" in fault.reason


@pytest.mark.parametrize(
    ("column", "bad"), [(4, 0), (5, 9.01), (6, "high"), (2, 5), (1, 0), (0, 33), (2, 1.5)]
)
def test_a_row_off_its_scale_is_left_out(root: Path, column: int, bad: object) -> None:
    rows = rating_rows()
    rows[2][column] = bad
    write_ratings(root, rows)
    for place in (1, 3):
        write_video(root, place)
    (recording,), faults = faulty(root)
    row, video = faults
    assert (row.item, row.severity) == ("row 4", "left out")
    assert "does not tell which video trial 3 of s01 was" in video.reason
    assert len(recording.trials) == TRIALS
    assert "familiarity" not in recording.trials[SHOWN[2] - 1].labels
    assert len(recording.streams["face"].source.files()) == 1


def test_an_impossible_familiarity_costs_nothing_else(root: Path) -> None:
    rows = rating_rows()
    rows[0][8] = 7
    write_ratings(root, rows)
    (recording,), (fault,) = faulty(root)
    assert "familiarity is 7.0; expected 1 to 5" in fault.reason
    assert "familiarity" not in recording.trials[SHOWN[0] - 1].labels


def test_rows_that_repeat(root: Path) -> None:
    rows = rating_rows()
    write_ratings(root, [*rows, rows[1]])
    (recording,), (fault,) = faulty(root)
    assert (fault.item, fault.severity) == ("rows 3, 6", "kept")
    assert all("familiarity" in t.labels for t in recording.trials)
    changed = [*rows[1]]
    changed[2] = 4
    write_ratings(root, [*rows, changed])
    (recording,), faults = faulty(root)
    assert {f.item for f in faults} == {"rows 3, 6", "rows 4, 6"}
    assert all("contradict one another" in f.reason for f in faults)
    known = [t.stimulus for t in recording.trials if "familiarity" in t.labels]
    assert known == ["video02", "video03"]


def test_without_a_table_stored_trials_are_read_and_the_rest_refuses(root: Path) -> None:
    (root / "metadata_csv" / "participant_ratings.csv").unlink()
    write_video(root, 1)
    write_bdf(root)
    (recording,), (fault,) = faulty(root)
    assert "face" not in recording.streams
    assert len(recording.trials) == TRIALS
    assert "order of presentation" in fault.reason
    assert "there is no table participant_ratings" in fault.reason
    with pytest.raises(InputError, match=r"there is no table participant_ratings.*order of presentation"):
        datasets.load("deap", root, raw=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        datasets.load("deap", root, faces=False)


def test_a_broken_table_is_told_and_the_next_one_used(root: Path) -> None:
    broken = root / "metadata_csv" / "participant_ratings.csv"
    broken.write_text("Participant_id,Trial\n1,1\n")
    write_bdf(root)
    with pytest.raises(InputError, match=r"cannot be used \(.*has no column Experiment_id"):
        datasets.load("deap", root, raw=True)
    write_xls(root / "participant_ratings.xls", [RATINGS_COLUMNS, *rating_rows()])
    (recording,), (fault,) = faulty(root, raw=True)
    assert fault.file == str(broken)
    assert [t.id for t in recording.trials] == [f"s01_v{v:02d}" for v in SHOWN]


# -- faces -----------------------------------------------------------------------------------------------


def test_a_video_shorter_than_its_trial_ends_early(root: Path) -> None:
    path = write_video(root, 1, seconds=4)
    (recording,), (fault,) = faulty(root)
    assert (fault.file, fault.severity) == (str(path), "kept")
    assert "lasts 4.00 s, its trial 6 s: the film ends early" in fault.reason
    face, trial = recording.streams["face"], recording.trials[SHOWN[0] - 1]
    assert face.covers(trial.span)
    film = face.film(trial.span)
    assert (film.n_frames, film.span) == (40, trial.span)
    assert film.times[-1] == pytest.approx(trial.span.start + 3.9)
    assert datasets.inspect("deap", root).faults == (fault,)


def test_a_video_a_little_shorter_is_no_fault(root: Path) -> None:
    """Published videos are said to last about 59 of 60 s."""
    write_video(root, 1, seconds=5.1)
    assert datasets.inspect("deap", root).ok


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"RIFF and no more than this text", "cannot be read as a video"),
        (b"trial,frame\n1,2\n", "cannot be read as a video"),
    ],
)
def test_a_video_that_is_none(root: Path, content: bytes, says: str) -> None:
    write_video(root, 1)
    write_video(root, 2).write_bytes(content)
    (recording,), (fault,) = faulty(root)
    assert says in fault.reason
    assert fault.severity == "left out"
    assert len(recording.streams["face"].source.files()) == 1


def test_a_cut_video_gives_the_frames_before_the_cut(root: Path) -> None:
    path = write_video(root, 1)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    assert any("is cut or damaged" in f.reason for f in datasets.inspect("deap", root).faults)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", datasets.DatasetWarning)
        (recording,) = datasets.load("deap", root)
    film = recording.streams["face"].film(recording.trials[SHOWN[0] - 1].span)
    assert 0 < film.n_frames < 60
    assert len(list(film.frames(np.arange(film.n_frames)))) == film.n_frames


def test_names_of_videos_and_participants_without_a_recording(root: Path) -> None:
    path = write_video(root, 1)
    path.rename(path.with_name("s01_trial1.avi"))
    write_video(root, 1, participant=2)
    _, faults = faulty(root)
    assert {Path(f.file).name for f in faults} == {"s01_trial1.avi", "s02"}
    _, faults = faulty(root, subjects=[1])
    assert {Path(f.file).name for f in faults} == {"s01_trial1.avi"}


# -- original recordings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "says"),
    [
        (
            (1, 2, 4),
            r"has 3 starts of a video \(code 4\), of 1 \(1 times\), 3 \(3 times\).*expected 4,",
        ),
        ((), "has 0 starts of a video"),
    ],
)
def test_a_lost_start_leaves_nobody_guessing(root: Path, places: tuple[int, ...], says: str) -> None:
    write_bdf(root, status=status_values(places=places))
    with pytest.raises(InputError, match=says):
        datasets.load("deap", root, raw=True)
    assert datasets.inspect("deap", root).found[0]["original_trials"] == 0


def test_a_start_too_many(root: Path) -> None:
    values = status_values()
    values[bdf_start(2) * RAW_RATE + 40] = 0
    write_bdf(root, status=values)
    with pytest.raises(InputError, match="has 5 starts of a video"):
        datasets.load("deap", root, raw=True)
    values = status_values(places=(1, 2, 3))
    values[bdf_start(2) * RAW_RATE + 40] = 0
    write_bdf(root, status=values)
    with pytest.raises(InputError, match=r"starts videos 2 and 3 within 0\.64 s; expected at least 6 s"):
        datasets.load("deap", root, raw=True)


def test_a_recording_without_status(root: Path) -> None:
    write_bdf(root, with_status=False)
    with pytest.raises(InputError, match=r"s01\.bdf.*has no channel 'Status'"):
        datasets.load("deap", root, raw=True)


def test_a_cut_recording(root: Path) -> None:
    path = write_bdf(root)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match=r"is cut: it holds \d+ of the \d+ records"):
        datasets.load("deap", root, raw=True)


def test_a_recording_that_ends_in_its_last_trial(root: Path) -> None:
    write_bdf(root, status=status_values()[: (bdf_start(TRIALS) + 3) * RAW_RATE])
    (recording,), (fault,) = faulty(root, raw=True)
    assert [t.id for t in recording.trials] == [f"s01_v{v:02d}" for v in SHOWN[:-1]]
    assert fault.item == f"trial {TRIALS}"


def test_rows_of_ratings_are_needed_for_each_trial(root: Path) -> None:
    write_bdf(root)
    write_ratings(root, rating_rows()[1:])
    (recording,), (fault,) = faulty(root, raw=True)
    assert [t.id for t in recording.trials] == [f"s01_v{v:02d}" for v in SHOWN[1:]]
    assert (fault.item, fault.subject) == ("trial 1", "s01")
    write_ratings(root, rating_rows((2,)))
    with pytest.raises(InputError, match="has no row of this participant"):
        datasets.load("deap", root, raw=True)


# -- folders ---------------------------------------------------------------------------------------------


def test_what_is_asked_for_is_not_there(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(InputError, match="holds no original recordings; expected a folder data_original"):
        datasets.load("deap", root, raw=True)
    other = truth(tmp_path_factory.mktemp("raw"))
    write_bdf(other)
    with pytest.raises(InputError, match=r"holds no preprocessed files, only data_original.*raw=True"):
        datasets.load("deap", other)
    with pytest.raises(InputError, match=r"data_preprocessed_python: holds s01\.dat.*Give the folder above"):
        datasets.load("deap", root / "data_preprocessed_python")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not readable JSON"),
        ('{"dataset": "seed"}', "is of 'seed'; expected a made-up copy of 'deap'"),
        ('{"dataset": "deap"}', "its 'layout' is None"),
        ('{"dataset": "deap", "layout": {"trials": 41, "seconds": 6, "baseline": 3}}', "its 'layout' is"),
    ],
)
def test_a_truth_that_is_none(root: Path, text: str, says: str) -> None:
    (root / "truth.json").write_text(text)
    with pytest.raises(InputError, match=says):
        datasets.load("deap", root)


def test_inspect_finds_holes_and_flat_channels(root: Path) -> None:
    data = arrays()[0]
    data[2, 5, 100] = np.nan
    data[:2, 33] = 4.0
    write_dat(root, data=data)
    faults = datasets.inspect("deap", root).faults
    assert [(f.item, f.severity) for f in faults] == [
        ("video 3", "kept"),
        ("channel vEOG, video 1-2", "kept"),
    ]
