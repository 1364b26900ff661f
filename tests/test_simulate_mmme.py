"""The made-up MMME on disk, read back by other people's libraries and by the reader.

The seeds here (8831 to 8834) are used nowhere else; no constant of the model was chosen on them.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.signal

from mien import datasets, simulate, timeline
from mien.core import InputError
from mien.core.pseudonyms import PUBLIC_KEY, pseudonyms
from mien.datasets import _mes_eeg_layout as mes
from mien.datasets import _mmme_layout as layout
from mien.simulate import mmme

RATE = 250
OPTIONS: dict[str, Any] = {
    "subjects": 2, "clips": 7, "seconds": 12.0, "rate": RATE, "events_per_clip": 0.5,
}  # fmt: skip


def digests(root: Path) -> dict[str, str]:
    files = (p for p in sorted(root.rglob("*")) if p.is_file())
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people, one clip of each emotion."""
    out = tmp_path_factory.mktemp("made_up") / "data"
    return simulate.simulate("mmme", out, seed=8831, **OPTIONS)


@pytest.fixture(scope="module")
def truth(small: Path) -> dict[str, Any]:
    return dict(json.loads((small / "truth.json").read_text(encoding="utf-8")))


def sessions(truth: dict[str, Any], root: Path) -> list[tuple[str, Path]]:
    """Id and folder of each recording."""
    folders = [root / f"{n}{d}" for n, d in zip(truth["subjects"], truth["dates"], strict=True)]
    return list(zip(truth["recordings"], folders, strict=True))


def expected(truth: dict[str, Any], recording: str, device: str) -> list[tuple[float, int]]:
    """True time and code of the triggers in a device's file, with the faults that were planted."""
    own = [f for f in truth["faults"][recording] if f["device"] == device]
    lost = [f["time"] for f in own if f["kind"] == "lost"]
    every = [(t["time"], t["marker"]) for t in truth["triggers"] if t["time"] not in lost]
    return sorted(every + [(f["again"], f["marker"]) for f in own if f["kind"] == "doubled"])


def rises(codes: np.ndarray) -> list[tuple[int, int]]:
    """First sample and code of each stretch of a code other than 0."""
    change = np.flatnonzero(np.diff(np.concatenate([[0], codes])))
    return [(int(k), int(codes[k])) for k in change if codes[k]]


# --- the same bytes -------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(small: Path, tmp_path: Path):
    again = simulate.simulate("mmme", tmp_path / "again", seed=8831, workers=2, **OPTIONS)
    assert digests(again) == digests(small)


def test_what_is_not_asked_for_does_not_change_the_rest(small: Path, tmp_path: Path):
    part = simulate.simulate("mmme", tmp_path / "part", seed=8831, kinds=("table", "biopac"), **OPTIONS)
    found, whole = digests(part), digests(small)
    assert {re.sub(r"[a-z]+\d{8}", "*", name) for name in found} == {
        "truth.json", "coding_file.xlsx", "*/BIOPAC/Untitled1 (001).mat",
    }  # fmt: skip
    assert all(found[name] == whole[name] for name in found if name != "truth.json")


def test_names_are_made_up_and_change_with_the_seed(truth: dict[str, Any], tmp_path: Path):
    other = simulate.simulate("mmme", tmp_path / "other", seed=8832, kinds=("table",), **OPTIONS)
    names = json.loads((other / "truth.json").read_text(encoding="utf-8"))["subjects"]
    assert not set(names) & set(truth["subjects"])
    assert all(re.fullmatch("[a-z]{4,}", name) for name in names)


# --- EEG ------------------------------------------------------------------------------------------------


def test_the_eeg_is_read_by_mne_and_its_triggers_obey_the_truth(small: Path, truth: dict[str, Any]):
    mne = pytest.importorskip("mne")
    pytest.importorskip("curryreader")
    for recording, folder in sessions(truth, small):
        raw = mne.io.read_raw_curry(folder / "EEG" / "Acquisition 01.cdt", verbose="error")
        assert [name.upper() for name in raw.ch_names] == [name.upper() for name in layout.CHANNELS]
        assert raw.info["sfreq"] == RATE
        assert raw.n_times == truth["seconds"] * RATE
        brain = raw.get_data(picks=[raw.ch_names.index(c) for c in mes.EEG_CHANNELS]) * 1e6
        assert ((brain.std(axis=1) > 5) & (brain.std(axis=1) < 100)).all()  # µV of a brain
        stored = np.memmap(folder / "EEG" / "Acquisition 01.cdt", dtype="<f4", mode="r").reshape(-1, 69)
        assert set(stored[:, -1].astype(int) >> 8) == {0xFF}
        found = rises(stored[:, -1].astype(int) & 0xFF)
        want = expected(truth, recording, "eeg")
        assert [code for _, code in found] == [code for _, code in want]
        # a trigger is on from the first sample after it
        late = np.array([k for k, _ in found]) / RATE - np.array([t for t, _ in want])
        assert ((late >= -1e-6) & (late < 1 / RATE)).all()


def test_heart_in_the_eeg_and_in_biopac_is_one_heart(small: Path, truth: dict[str, Any]):
    for recording, folder in sessions(truth, small):
        eeg = np.memmap(folder / "EEG" / "Acquisition 01.cdt", dtype="<f4", mode="r").reshape(-1, 69)
        ekg = eeg[:, mes.CHANNELS.index("EKG")].astype(float)
        peaks = scipy.signal.find_peaks(ekg, height=450, distance=RATE * 0.4)[0] / RATE
        beats = np.array(truth["bodies"][recording]["beats"])
        # half a second at each seam of two blocks fades; a peak is known to half a sample, and noise of 8 µV
        # may move it by one
        near = np.abs(peaks[:, None] - beats).min(axis=1)
        assert np.quantile(near, 0.95) < 1.5 / RATE
        assert len(peaks) > 0.9 * ((beats > 0) & (beats < truth["seconds"])).sum()


# --- BIOPAC ---------------------------------------------------------------------------------------------


def test_biopac_is_read_by_scipy_and_its_markers_obey_its_clock(small: Path, truth: dict[str, Any]):
    for recording, folder in sessions(truth, small):
        file = scipy.io.loadmat(folder / "BIOPAC" / "Untitled1 (001).mat")
        data = file["data"]
        assert data.shape[1] == 17
        assert data.dtype == np.float64
        assert [name.rstrip() for name in file["labels"]] == list(layout.BIOPAC_LABELS)
        assert file["isi"].item() == 1000 / RATE
        assert set(np.unique(data[:, 8:16])) == {0.0, 5.0}
        found = rises(((data[:, 8:16] > 2.5) * 2 ** np.arange(8)).sum(axis=1))
        clock = truth["clocks"][recording]["biopac"]
        want = expected(truth, recording, "biopac")
        want = [(t, code) for t, code in want if t > clock["offset"]]  # it may start late
        assert [code for _, code in found] == [code for _, code in want]
        true = clock["offset"] + (1 + clock["drift"]) * np.array([k for k, _ in found]) / RATE
        late = true - np.array([t for t, _ in want])
        assert ((late > -1e-6) & (late < 1.001 / RATE)).all()


def test_the_body_in_the_file_is_the_one_of_the_truth(small: Path, truth: dict[str, Any]):
    for recording, folder in sessions(truth, small):
        data = scipy.io.loadmat(folder / "BIOPAC" / "Untitled1 (001).mat")["data"].T
        column = {name: data[k] for k, name in enumerate(layout.BODY_LABELS)}
        clock = truth["clocks"][recording]["biopac"]
        true = clock["offset"] + (1 + clock["drift"]) * np.arange(data.shape[1]) / RATE
        beats = np.array(truth["bodies"][recording]["beats"])
        inside = (beats > true[0] + 1) & (beats < true[-1] - 1)
        peaks = true[scipy.signal.find_peaks(column["ecg"], height=0.6, distance=RATE * 0.4)[0]]
        near = np.abs(peaks[:, None] - beats).min(axis=1)
        assert near.max() < 1 / RATE  # half a sample, and a little for the noise of 8 µV on 1.1 mV
        assert len(peaks) == pytest.approx(inside.sum(), abs=4)  # up to two at each end
        rate = 60 / np.diff(peaks)
        assert 45 < rate.min() < rate.max() < 130
        # AcqKnowledge's own rate is that of the last beat
        at = np.searchsorted(true, peaks[5:-5]) + 2
        np.testing.assert_allclose(data[16][at], rate[4:-5], rtol=0.02)  # peaks are known to a sample
        pulses = true[scipy.signal.find_peaks(column["ppg"], prominence=0.2, distance=RATE * 0.4)[0]]
        delay = pulses[1:-1] - beats[np.searchsorted(beats, pulses[1:-1]) - 1]
        assert ((delay > 0.25) & (delay < 0.55)).all()  # arrival, and 0.13 s to the top
        assert 1 <= column["eda"].min() < column["eda"].max() < 20
        for name in ("skt_a", "skt_b"):
            assert np.abs(column[name] - 32).max() < 3
        breath = column["rsp"] - column["rsp"].mean()
        smooth = scipy.signal.sosfiltfilt(scipy.signal.butter(2, 1, fs=RATE, output="sos"), breath)
        per_minute = ((smooth[1:] > 0) & (smooth[:-1] <= 0)).sum() / (true[-1] - true[0]) * 60
        assert 8 < per_minute < 24
        for name in ("emg_a", "emg_b"):
            assert 0.001 < column[name].std() < 0.05  # mV


# --- frames ---------------------------------------------------------------------------------------------


def frames_of(folder: Path, camera: dict[str, Any]) -> pd.DataFrame:
    """Stamps, counters and markers of the files, and the exposure that counter and stamp name together."""
    table = []
    for path in sorted((folder / "Frames").iterdir()):
        year, month, day, h, m, s, ms, code, marker = map(int, path.stem.split("-"))
        stamp = 3600 * h + 60 * m + s + ms / 1000
        table.append((path, f"{year:04d}{month:02d}{day:02d}", stamp, code, marker))
    found = pd.DataFrame(table, columns=["path", "date", "stamp", "code", "marker"])
    rough = (found["stamp"] - camera["first"]) * camera["rate"]
    first = (found["code"] - camera["code"]) % 1000
    found["exposure"] = (first + 1000 * ((rough - first) / 1000).round()).astype(int)
    return found.sort_values("exposure", ignore_index=True)


def test_frames_are_read_by_opencv(small: Path):
    paths = sorted(small.rglob("*.tif"))
    for path in paths[:: len(paths) // 10]:
        picture = cv2.imread(str(path))
        assert picture.shape == (256, 256, 3)
        assert 20 < picture.mean() < 235
        assert re.fullmatch(layout.FRAME_NAME, path.stem)
    assert max(p.stat().st_size for p in paths) < 60_000


def test_names_of_frames_obey_the_cameras_clock(small: Path, truth: dict[str, Any]):
    for (recording, folder), date in zip(sessions(truth, small), truth["dates"], strict=True):
        camera, clock = truth["cameras"][recording], truth["clocks"][recording]["camera"]
        found = frames_of(folder, camera)
        assert (found["date"] == date).all()
        assert found["exposure"].is_unique
        device = camera["first"] + found["exposure"] / camera["rate"]
        late = found["stamp"] - device
        assert late.min() >= 0.004
        assert 0.005 < late.median() < 0.06
        assert np.ptp(late) > 0.01
        true = np.array(clock["offset"] + (1 + clock["drift"]) * device)
        seen = [(t, code) for t, code in expected(truth, recording, "camera") if code not in (77, 88)]
        codes = np.array([100, *(code for _, code in seen)])
        want = codes[np.searchsorted([t for t, _ in seen], true, side="right")]
        assert (found["marker"] == want).all()
        # every trigger that makes a difference stands between two stored frames
        change = np.flatnonzero(np.diff(found["marker"]))
        gap = true[change + 1] - true[change]
        assert len(change) == len(seen)
        assert gap.max() < 7 / camera["rate"]  # next to each other, or a run of dropped frames between


def test_dropped_frames_are_missing_and_nothing_else_is(small: Path, truth: dict[str, Any]):
    for recording, folder in sessions(truth, small):
        camera = truth["cameras"][recording]
        stored = frames_of(folder, camera)["exposure"].to_numpy()
        dropped = {k for first, n in camera["dropped"] for k in range(first, first + n)}
        assert not dropped & set(stored)
        near = np.flatnonzero((np.diff(stored) > 1) & (np.diff(stored) < 0.29 * camera["rate"]))
        missing = {k for i in near for k in range(stored[i] + 1, stored[i + 1])}
        assert missing <= dropped
        assert len(missing) >= 3  # those of the longest expression


def test_the_face_moves_from_onset_to_apex_as_it_should(small: Path, truth: dict[str, Any]):
    """The two frames of the largest expression, by dense flow at the points that its action units move."""
    event = max(truth["events"], key=lambda e: max(e["action_units"].values()))
    recording = event["recording"]
    folder = dict(sessions(truth, small))[recording]
    camera, clock = truth["cameras"][recording], truth["clocks"][recording]["camera"]
    found = frames_of(folder, camera)
    true = clock["offset"] + (1 + clock["drift"]) * (camera["first"] + found["exposure"] / camera["rate"])
    start = truth["clip_starts"][truth["clips"].index(event["marker"])]
    pictures = []
    for name in ("onset", "apex"):
        k = int(np.abs(true - start - event[name]).argmin())
        assert abs(true[k] - start - event[name]) < 0.02  # half a frame, or a few dropped ones
        pictures.append(cv2.imread(str(found["path"][k]), cv2.IMREAD_GRAYSCALE))
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*pictures, None)
    moved = np.hypot(*np.moveaxis(flow - np.median(flow, axis=(0, 1)), -1, 0))[40:220, 50:206]
    assert 0.4 * max(event["action_units"].values()) < moved.max() < 12


def test_every_frame_of_an_expression_in_a_room_can_be_asked_for(tmp_path: Path):
    root = simulate.simulate(
        "mmme", tmp_path / "data", seed=8834, subjects=1, clips=1, seconds=12.0, rate=RATE,
        events_per_clip=0.5, kinds=("frames",), size=(192, 108), whole=True,
    )  # fmt: skip
    truth = json.loads((root / "truth.json").read_text(encoding="utf-8"))
    ((recording, folder),) = sessions(truth, root)
    camera, clock = truth["cameras"][recording], truth["clocks"][recording]["camera"]
    found = frames_of(folder, camera)
    assert cv2.imread(str(found["path"][0])).shape == (108, 192, 3)
    true = clock["offset"] + (1 + clock["drift"]) * (camera["first"] + found["exposure"] / camera["rate"])
    (event,) = truth["events"]
    begin = truth["clip_starts"][0]
    inside = (true > begin + event["onset"]) & (true < begin + event["offset"])
    length = (event["offset"] - event["onset"]) * camera["rate"]
    dropped = {k for first, n in camera["dropped"] for k in range(first, first + n)}
    lost = len(dropped & set(range(found["exposure"][inside].min(), found["exposure"][inside].max())))
    assert inside.sum() + lost == pytest.approx(length, abs=1)


# --- the table ------------------------------------------------------------------------------------------


def test_the_table_is_read_by_pandas_and_its_stamps_are_frames(small: Path, truth: dict[str, Any]):
    table = pd.read_excel(small / "coding_file.xlsx", sheet_name="Sheet1")
    assert tuple(table.columns) == layout.COLUMNS
    assert len(layout.COLUMNS) == 13
    assert len(table) == truth["n_rows"] == sum(len(e["rows"]) for e in truth["events"])
    names = {p.stem for p in small.rglob("*.tif")}
    clock = {"-".join(name.split("-")[3:8]) for name in names}
    short = {"-".join(stamp.split("-")[:4]) for stamp in clock}
    for _, row in table.iterrows():
        assert int(re.fullmatch(layout._mes.FILENAME, row["Filename"])["marker"]) == row["Marker"]
        for column in ("OnsetFrame", "ApexFrame"):
            h, m, s, ms, *code = row[column].split("-")
            assert "-".join([h, m, s, ms, *code]) in (clock if code else short)


def test_the_table_may_say_what_is_micro(truth: dict[str, Any], tmp_path: Path):
    root = simulate.simulate("mmme", tmp_path / "data", seed=8831, kinds=("table",), columns=14, **OPTIONS)
    assert not (root / "coding_file.xlsx").exists()
    table = pd.read_excel(root / "coding_file_combined.xlsx", sheet_name="Sheet1")
    assert tuple(table.columns) == mes.COLUMNS
    assert set(table["Macro/Micro"]) <= {"Micro", "Macro"}
    assert len(table) == truth["n_rows"]


# --- all together ---------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::mien.datasets.DatasetWarning")  # of the planted faults
def test_the_reader_puts_all_devices_on_one_clock(small: Path, truth: dict[str, Any]):
    stand_ins = pseudonyms(truth["subjects"], key=PUBLIC_KEY)
    recordings = datasets.load("mmme", small)
    assert [r.id for r in recordings] == sorted(truth["recordings"])
    assert {r.subject for r in recordings} == set(stand_ins.values())
    shown = {e.id for r in recordings for e in r.events if e.kind != "marker"}
    assert shown == {e["id"] for e in truth["events"]}
    for recording in recordings:
        clocks = timeline.align(recording).clocks
        true = truth["clocks"][recording.id]["biopac"]
        for at in (0.0, float(truth["seconds"])):
            said = clocks["biopac"].offset + (1 + clocks["biopac"].drift) * at
            # a trigger is known to a sample of 4 ms here
            assert said == pytest.approx(true["offset"] + (1 + true["drift"]) * at, abs=0.005)


def test_effect_zero_is_the_same_people_without_emotion(truth: dict[str, Any], tmp_path: Path):
    root = simulate.simulate("mmme", tmp_path / "none", seed=8831, effect=0.0, kinds=("table",), **OPTIONS)
    none = json.loads((root / "truth.json").read_text(encoding="utf-8"))
    for name in ("subjects", "clocks", "cameras", "faults", "clip_seconds", "clip_starts"):
        assert none[name] == truth[name]
    for modality, scores in none["oracle"]["subject_known"].items():
        assert scores["event"]["uar"] == pytest.approx(1 / 3), modality
    assert all(k == -1 for body in none["bodies"].values() for _, _, k in body["responses"])
    assert any(k >= 0 for body in truth["bodies"].values() for _, _, k in body["responses"])


def test_no_faults_and_no_drift_can_be_asked_for(tmp_path: Path):
    root = simulate.simulate(
        "mmme", tmp_path / "data", seed=8833, subjects=1, clips=2, seconds=12.0, rate=RATE, faults=0,
        drift=0.0, kinds=("biopac",),
    )  # fmt: skip
    truth = json.loads((root / "truth.json").read_text(encoding="utf-8"))
    (recording,) = truth["recordings"]
    assert truth["faults"][recording] == []
    assert {c["drift"] for c in truth["clocks"][recording].values()} == {0.0}


# --- options --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"subjects": 0}, "--subjects 0; expected 1 to 110"),
        ({"clips": 49}, "--clips 49; expected 1 to 48"),
        ({"events_per_clip": 3.0}, "--events_per_clip 3.0; expected 0.05 to 2"),
        ({"seconds": 8.0}, "--seconds 8.0; expected 12 to 600 seconds"),
        ({"rate": 333}, "--rate 333; expected one of 250, 500, 1000"),
        ({"effect": float("nan")}, "--effect nan; expected a number of 0 or more"),
        ({"drift": 2000.0}, "--drift 2000; expected 0 to 1000 millionths"),
        ({"faults": 8}, "--faults 8; expected 0 to the number of clips, 7"),
        ({"kinds": ("video",)}, "--kinds video; expected any of eeg, biopac, frames, table"),
        ({"size": (321, 180)}, "expected width and height, even numbers"),
        ({"columns": 12}, "--columns 12; expected 13, or 14"),
        ({"workers": 0}, "--workers 0; expected 1 or more"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_written(
    wrong: dict[str, Any], message: str, tmp_path: Path
):
    with pytest.raises(InputError, match=re.escape(message)):
        simulate.simulate("mmme", tmp_path / "data", seed=1, **{**OPTIONS, **wrong})
    assert list(tmp_path.iterdir()) == []


def test_the_example_can_be_called():
    known = set(mmme.simulate.__kwdefaults__) | {"seed"}
    assert set(simulate.example("mmme")) <= known
