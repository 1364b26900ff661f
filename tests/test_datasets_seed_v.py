"""The reader of SEED-V on made-up files in the published layout."""

from __future__ import annotations

import datetime
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _seed_sibling_files import DAMAGE, load_with_warning, npz_content, only_fault, write_npz
from mien import features
from mien.core import InputError
from mien.datasets import example, inspect, load
from mien.datasets._seed_layout import CHANNELS
from mien.datasets._seed_siblings_layout import SEED_V_TIMES
from mien.simulate._cnt import Electrode, write_cnt

# typed from the data set's page: 0 disgust, 1 fear, 2 sad, 3 neutral, 4 happy
LABELS = [int(c) for c in "413204132041320" + 2 * "213044032134120"]
WORDS = ("disgust", "fear", "sad", "neutral", "happy")
FOLDERS = ("EEG_DE_features", "Eye_movement_features")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return example("seed_v", tmp_path_factory.mktemp("seed_v") / "copy")


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "copy")


def change(root: Path, folder: str, edit: Callable[[dict[str, Any]], object]) -> Path:
    path = root / folder / "1_123.npz"
    arrays = npz_content(path)
    edit(arrays)
    write_npz(path, arrays)
    return path


def test_recordings_and_trials(root: Path) -> None:
    recordings = load("seed_v", root)
    assert [r.id for r in recordings] == ["sub-1_ses-1", "sub-1_ses-2", "sub-1_ses-3"]
    trials = [t for r in recordings for t in r.trials]
    assert [t.stimulus for t in trials] == ["1", "2", "16", "17", "31", "32"]
    assert [t.labels["emotion"].value for t in trials] == ["happy", "fear", "sad", "fear", "sad", "fear"]
    assert trials[0].labels["emotion"].scale == WORDS
    assert trials[0].span.duration == 16.0


def test_every_clip_has_its_published_label(root: Path) -> None:
    for folder in FOLDERS:
        write_npz(
            root / folder / "1_123.npz",
            {
                "data": {k: np.zeros((3, 310 if folder == FOLDERS[0] else 33)) for k in range(45)},
                "label": {k: np.full(3, LABELS[k]) for k in range(45)},
            },
        )
    (root / "truth.json").unlink()
    trials = [t for r in load("seed_v", root) for t in r.trials]
    assert [int(t.stimulus) for t in trials] == list(range(1, 46))
    assert [t.labels["emotion"].value for t in trials] == [WORDS[k] for k in LABELS]
    counts = inspect("seed_v", root).counts
    assert counts["subjects"] == (1, 16)
    assert counts["files EEG_DE_features"] == (1, 16)
    assert counts["trials"] == (45, 720)
    assert all(counts[f"trials {word}"] == (9, 144) for word in WORDS)


def test_eeg_features_are_stored_channel_by_channel(root: Path) -> None:
    w, c, b = np.meshgrid(np.arange(4), np.arange(62), np.arange(5), indexing="ij")
    table = (10000.0 * w + 100.0 * c + b).reshape(4, 310)  # the five bands of a channel side by side
    change(root, "EEG_DE_features", lambda a: a["data"].update({15: table}))
    recording = load("seed_v", root)[1]
    made = features.compute("shipped", recording, variant="de", trial="sub-1_ses-2_clip-16")
    assert list(made.axes) == ["window", "band", "channel"]
    assert made.axes["channel"] == CHANNELS
    assert made.values[3, 2, 61] == 30000 + 6100 + 2
    np.testing.assert_array_equal(made.values, table.reshape(4, 62, 5).transpose(0, 2, 1))


def test_eye_features(root: Path) -> None:
    stored = npz_content(root / "Eye_movement_features" / "1_123.npz")["data"][31]
    made = features.compute("shipped", load("seed_v", root)[2], modality="eye", trial="sub-1_ses-3_clip-32")
    np.testing.assert_array_equal(made.values, stored)


def test_what_is_read_can_be_changed_without_harm(root: Path) -> None:
    recording = load("seed_v", root)[0]
    for stream in recording.streams.values():
        first = stream.read(recording.trials[0].span).data
        kept = first.copy()
        first[:] = 0.0
        np.testing.assert_array_equal(stream.read(recording.trials[0].span).data, kept)


def test_a_file_that_changed_is_read_anew(root: Path) -> None:
    recording = load("seed_v", root)[0]
    span = recording.trials[0].span
    before = recording.streams["shipped_eye"].read(span).data
    path = change(root, "Eye_movement_features", lambda a: a["data"].update({0: np.full((4, 33), 7.0)}))
    os.utime(path, ns=(1, 1))  # the clock of a file system may be coarser than this test
    after = recording.streams["shipped_eye"].read(span).data
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, np.full((33, 4), 7.0))


# -- faults ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("says", DAMAGE)
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_broken_file_is_left_out(root: Path, folder: str, says: str) -> None:
    path = root / folder / "1_123.npz"
    DAMAGE[says](path)
    fault = only_fault("seed_v", root)
    assert (fault.file, fault.subject, fault.severity) == (str(path), "1", "left out")
    assert says in fault.reason
    lost = {"EEG_DE_features": "shipped_eeg_de", "Eye_movement_features": "shipped_eye"}[folder]
    assert all(lost not in r.streams for r in load_with_warning("seed_v", root))


class Call:
    """Pickles as a call."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.flag),)


@pytest.mark.parametrize("name", ["data", "label"])
def test_a_malicious_file_is_left_out_and_not_run(root: Path, name: str) -> None:
    flag = root / "run"
    path = change(root, "EEG_DE_features", lambda a: a[name].update({0: Call(flag)}))
    fault = only_fault("seed_v", root)
    assert fault.file == str(path)
    assert f"array {name!r} holds the name posix.mkdir, which is refused" in fault.reason
    load_with_warning("seed_v", root)
    assert not flag.exists()


def test_a_pickled_array_of_objects_is_left_out(root: Path) -> None:
    change(root, "EEG_DE_features", lambda a: a["data"].update({0: np.array([{}], dtype=object)}))
    assert "array 'data' holds an array of 'O8', which is refused" in only_fault("seed_v", root).reason


def test_an_archive_of_objects_is_left_out(root: Path) -> None:
    np.savez(root / "EEG_DE_features" / "1_123.npz", data=np.array([{}], dtype=object), label=np.bytes_(b"x"))
    assert "array 'data' holds Python objects" in only_fault("seed_v", root).reason


@pytest.mark.parametrize(
    ("edit", "item", "says"),
    [
        (lambda a: a["data"].pop(16), "clip 17", "missing key (clip number less 1); the file has 5 clips"),
        (lambda a: a["data"].update({45: np.zeros((4, 310))}), "key 45", "no clip's; expected 0 to 44"),
        (
            lambda a: a["data"].update({1: np.zeros((4, 62, 5))}),
            "clip 2",
            "shipped_eeg_de has shape (4, 62, 5); expected (windows, 310)",
        ),
        (lambda a: a["data"].update({1: np.zeros((0, 310))}), "clip 2", "shape (0, 310)"),
        (lambda a: a["label"].update({1: np.zeros(4)}), "clip 2", "its labels are [0.0]; expected 1 (fear)"),
        (lambda a: a["label"].update({1: np.array([1, 1, 1, 2])}), "clip 2", "its labels are [1, 2]"),
        (lambda a: a["label"].pop(1), "clip 2", "its labels are []; expected 1 (fear) in every window"),
        (lambda a: a.pop("label"), "", "no array 'label'; expected one of: data"),
        (lambda a: a.update(data=[1, 2]), "", "'data' holds a list; expected a dictionary of arrays"),
        (lambda a: a["data"].update({"x": np.zeros(3)}), "", "'data' holds a dict; expected a dictionary of"),
    ],
)
def test_faults_inside_a_file(
    root: Path, edit: Callable[[dict[str, Any]], object], item: str, says: str
) -> None:
    change(root, "EEG_DE_features", edit)
    fault = only_fault("seed_v", root)
    assert (fault.item, fault.subject) == (item, "1")
    assert says in fault.reason
    assert load_with_warning("seed_v", root)


@pytest.mark.parametrize("name", ["1_12.npz", "one_123.npz", "1.npz"])
def test_a_strange_name(root: Path, name: str) -> None:
    path = root / "EEG_DE_features" / "1_123.npz"
    path.rename(path.with_name(name))
    assert "expected {subject}_123.npz" in only_fault("seed_v", root).reason


def test_other_files_do_not_matter(root: Path) -> None:
    (root / "EEG_DE_features" / "load_data.ipynb").write_text("{}")  # the real folder has one
    assert inspect("seed_v", root).ok


def test_lengths_that_differ_by_more_than_a_window(root: Path) -> None:
    change(
        root,
        "EEG_DE_features",
        lambda a: (a["data"].update({0: np.zeros((6, 310))}), a["label"].update({0: np.full(6, 4)})),
    )
    fault = only_fault("seed_v", root)
    assert fault.item == "session 1 clip 1"
    assert "windows of 4 s differ: shipped_eeg_de 6, shipped_eye 4" in fault.reason


# -- raw -------------------------------------------------------------------------------------------------

TIMES = {1: ([1, 4], [3, 6]), 2: ([1, 5], [4, 7]), 3: ([2, 5], [4, 8])}
"""Made-up seconds of the first two clips of each session; the others follow, a second each."""


def write_times(root: Path) -> None:
    lines = []
    for session, (starts, ends) in TIMES.items():
        starts = [*starts, *(10 + 2 * k for k in range(13))]
        ends = [*ends, *(11 + 2 * k for k in range(13))]
        lines += [f"Session {session}:", f"start_second: {starts}", f"end_second: {ends}", ""]
    (root / "trial_start_end_timestamp.txt").write_text("\n".join(lines), encoding="utf-8")


def write_raw(
    root: Path, name: str, *, seconds: int = 9, channels: tuple[str, ...] = CHANNELS, rate: int = 1000
) -> Path:
    """A recording whose every channel holds its number in µV, and that of the second in the first channel."""
    (root / "EEG_raw").mkdir(exist_ok=True)
    names = (*channels, "M1", "M2", "VEO", "HEO")
    data = np.repeat(np.arange(len(names), dtype=float)[:, None], rate * seconds, axis=1)
    data += np.sin(np.arange(rate * seconds))  # a channel of one value would be a fault
    data[0] = 100 * (np.arange(rate * seconds) // rate)
    path = root / "EEG_raw" / name
    write_cnt(
        path, [data], electrodes=[Electrode(name=n, sensitivity=1.0) for n in names], rate=rate, events=[],
        start=datetime.datetime(2018, 5, 7), subject="",
    )  # fmt: skip
    return path


@pytest.fixture
def raw(root: Path) -> Path:
    """Three raw sessions of subject 7, and no features."""
    for folder in FOLDERS:
        shutil.rmtree(root / folder)
    write_times(root)
    for session in (1, 2, 3):
        write_raw(root, f"7_{session}_2018041{session}.cnt")
    return root


def test_raw_recordings(raw: Path) -> None:
    recordings = load("seed_v", raw)
    assert [r.id for r in recordings] == ["sub-7_ses-1", "sub-7_ses-2", "sub-7_ses-3"]
    recording = recordings[1]
    assert list(recording.streams) == ["raw_eeg", "raw_reference", "raw_eog"]
    assert recording.streams["raw_eog"].channels == ("HEO", "VEO")
    assert recording.streams["raw_eeg"].rate == 1000.0
    assert [(t.id, t.span.start, t.span.stop) for t in recording.trials] == [
        ("sub-7_ses-2_clip-16", 1.0, 4.0),
        ("sub-7_ses-2_clip-17", 5.0, 7.0),
    ]
    assert [t.labels["emotion"].value for t in recording.trials] == ["sad", "fear"]
    signal = recording.streams["raw_eeg"].read(recording.trials[1].span)
    assert signal.data.shape == (62, 2000)
    # half a step of the converter, 1 µV / 204.8 / 2
    np.testing.assert_allclose(signal.data[0, [0, 1999]], [500e-6, 600e-6], atol=2.5e-9)
    found = inspect("seed_v", raw)
    assert found.ok
    assert found.counts["files EEG_raw"] == (3, 3)
    assert found.counts["raw trials"] == (6, 6)
    assert found.found[0]["raw_minutes"] == pytest.approx(27 / 60)


def test_features_unless_raw_is_asked_for(root: Path, raw: Path) -> None:
    assert raw == root
    example("seed_v", root)
    assert {r.subject for r in load("seed_v", root)} == {"1"}
    assert {r.subject for r in load("seed_v", root, raw=True)} == {"7"}
    found = inspect("seed_v", root)
    assert [row["subject"] for row in found.found] == ["1", "7"]
    assert len({tuple(row) for row in found.found}) == 1  # one table
    shutil.rmtree(root / "EEG_raw")
    with pytest.raises(InputError, match="holds no raw recordings, only EEG_DE_features, Eye_movement_f"):
        load("seed_v", root, raw=True)


def test_a_repaired_file_takes_the_place_of_the_plain_one(raw: Path) -> None:
    write_raw(raw, "7_1_20180411_repaired.cnt", seconds=10)
    recording = load("seed_v", raw)[0]
    assert recording.streams["raw_eeg"].span.duration == 10.0
    assert recording.streams["raw_eeg"].source.files()[0].name == "7_1_20180411_repaired.cnt"
    found = inspect("seed_v", raw)
    assert found.ok
    assert found.counts["files EEG_raw"] == (3, 3)
    assert "7_1_20180411.cnt: passed over for 7_1_20180411_repaired.cnt" in found.notes


def test_a_broken_plain_file_does_not_matter_where_there_is_a_repaired_one(raw: Path) -> None:
    write_raw(raw, "7_1_20180411_repaired.cnt")
    (raw / "EEG_raw" / "7_1_20180411.cnt").write_bytes(b"")
    assert inspect("seed_v", raw).ok


@pytest.mark.parametrize("other", ["7_1_20180501.cnt", "7_1_20180501_repaired.cnt"])
def test_two_dates_of_one_session_are_not_chosen_from(raw: Path, other: str) -> None:
    write_raw(raw, other)
    fault = only_fault("seed_v", raw)
    assert f"2 files of one session: 7_1_20180411.cnt, {other}; expected one, or one and its" in fault.reason
    assert [r.session for r in load_with_warning("seed_v", raw)] == ["2", "3"]


@pytest.mark.parametrize("says", ["is empty", "is a web page", "is truncated"])
def test_a_broken_raw_file_is_left_out(raw: Path, says: str) -> None:
    path = raw / "EEG_raw" / "7_2_20180412.cnt"
    DAMAGE[says](path)
    fault = only_fault("seed_v", raw)
    assert (fault.file, fault.subject) == (str(path), "7")
    if says != "is truncated":  # in the words of the reader of .cnt
        assert says in fault.reason
    assert [r.session for r in load_with_warning("seed_v", raw)] == ["1", "3"]


def test_a_raw_file_without_a_channel(raw: Path) -> None:
    write_raw(raw, "7_2_20180412.cnt", channels=CHANNELS[:-2])
    assert "lacks channel O2, CB2; expected the 62 EEG channels" in only_fault("seed_v", raw).reason


def test_a_raw_file_of_another_rate(raw: Path) -> None:
    write_raw(raw, "7_2_20180412.cnt", rate=500)
    assert "has 500 samples per second; expected 1000" in only_fault("seed_v", raw).reason


def test_a_clip_beyond_the_end_of_a_raw_file(raw: Path) -> None:
    write_raw(raw, "7_3_20180413.cnt", seconds=7)
    fault = only_fault("seed_v", raw)
    assert (fault.item, fault.severity) == ("clip 2", "left out")
    assert "ends at 8 s by the table of times; the recording ends at 7.0 s" in fault.reason
    assert [t.stimulus for t in load_with_warning("seed_v", raw)[2].trials] == ["31"]


def test_a_strange_raw_name(raw: Path) -> None:
    (raw / "EEG_raw" / "7_2_20180412.cnt").rename(raw / "EEG_raw" / "7_20180412.cnt")
    assert "expected {subject}_{session}_{yyyymmdd}.cnt" in only_fault("seed_v", raw).reason


def real_times(root: Path, edit: Callable[[str], str] = lambda text: text) -> None:
    lines = []
    for session, (starts, ends) in enumerate(SEED_V_TIMES, start=1):
        lines += [f"Session {session}:", f"start_second: {list(starts)}", f"end_second: {list(ends)}"]
    (root / "trial_start_end_timestamp.txt").write_text(edit("\n".join(lines)), encoding="utf-8")
    (root / "truth.json").unlink(missing_ok=True)


def test_the_published_table_of_times() -> None:
    for starts, ends in SEED_V_TIMES:
        assert len(starts) == len(ends) == 15
        flat = [t for pair in zip(starts, ends, strict=True) for t in pair]
        assert flat == sorted(set(flat))
        assert starts[0] == 30
    assert [SEED_V_TIMES[s][0][8] for s in range(3)] == [1730, 1657, 1451]
    assert [SEED_V_TIMES[s][1][14] for s in range(3)] == [3359, 2817, 3066]


def test_the_table_of_times_must_be_the_published_one(raw: Path) -> None:
    real_times(raw)
    with pytest.raises(InputError, match=r"clip 1-15: ends at 3359 s by the table of times"):
        load("seed_v", raw)  # the recordings of this test are too short
    real_times(raw, lambda text: text.replace("1730", "1731"))
    with pytest.raises(InputError, match=r"timestamp\.txt: is not the published table of times"):
        load("seed_v", raw)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda text: "", "has 0 lists of starts and 0 of ends"),
        (lambda text: text.replace("start_second", "start", 1), "has 2 lists of starts and 3 of ends"),
        (lambda text: text.replace("30, ", "", 1), "14 starts and 15 ends"),
        (lambda text: text.replace("132, ", "13, ", 1), "or not one after another"),
    ],
)
def test_a_broken_table_of_times(raw: Path, edit: Callable[[str], str], says: str) -> None:
    real_times(raw, edit)
    with pytest.raises(InputError, match=says):
        load("seed_v", raw)
    assert any(says in fault.reason for fault in inspect("seed_v", raw).faults)


def test_raw_recordings_travel_to_another_process(raw: Path) -> None:
    recording = load("seed_v", raw)[0]
    again = pickle.loads(pickle.dumps(recording))  # noqa: S301  our own bytes
    span = recording.trials[0].span
    np.testing.assert_array_equal(
        again.streams["raw_eog"].read(span).data, recording.streams["raw_eog"].read(span).data
    )
