"""The made-up MEs-EEG on disk, read back by other people's libraries and by the reader.

The seeds here (8731 to 8736) are used nowhere else; no constant of the model was chosen on them.
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
import scipy.signal

from mien import datasets, simulate
from mien.core import InputError, UnknownNameError
from mien.core.pseudonyms import PUBLIC_KEY, pseudonyms
from mien.datasets import _mes_eeg_layout as layout
from mien.simulate import _mes_camera, _mes_eeg_signal, _mes_plan
from mien.simulate._eeg import draw_head
from mien.simulate.mes_eeg import KINDS, MORE_KINDS

OPTIONS: dict[str, Any] = {"subjects": 2, "clips": 7, "seconds": 12.0, "rate": 250, "events_per_clip": 0.7}


def digests(root: Path) -> dict[str, str]:
    files = (p for p in sorted(root.rglob("*")) if p.is_file())
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people, one clip of each emotion, everything that can be written; one recording breaks off."""
    out = tmp_path_factory.mktemp("made_up") / "data"
    return simulate.simulate(
        "mes_eeg", out, seed=8731, kinds=(*KINDS, *MORE_KINDS), frame_size=(192, 108), truncated=1, **OPTIONS
    )


@pytest.fixture(scope="module")
def truth(small: Path) -> dict[str, Any]:
    return dict(json.loads((small / "truth.json").read_text(encoding="utf-8")))


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(small: Path, tmp_path: Path):
    again = simulate.simulate(
        "mes_eeg", tmp_path / "again", seed=8731, kinds=(*KINDS, *MORE_KINDS), frame_size=(192, 108),
        truncated=1, workers=2, **OPTIONS,
    )  # fmt: skip
    assert digests(again) == digests(small)


def test_what_is_not_asked_for_does_not_change_the_rest(small: Path, tmp_path: Path):
    part = simulate.simulate(
        "mes_eeg", tmp_path / "part", seed=8731, kinds=("pairs",), truncated=1, **OPTIONS
    )
    found, whole = digests(part), digests(small)
    assert {name.split("/")[0] for name in found} == {"truth.json", "3.pics_selected_segmented_cropped"}
    assert all(found[name] == whole[name] for name in found if name != "truth.json")


def test_another_seed_gives_other_people(small: Path, truth: dict[str, Any], tmp_path: Path):
    other = simulate.simulate("mes_eeg", tmp_path / "other", seed=8732, kinds=("coding",), **OPTIONS)
    names = json.loads((other / "truth.json").read_text(encoding="utf-8"))["subjects"]
    assert not set(names) & set(truth["subjects"])
    assert all(re.fullmatch("[a-z]{4,}", name) for name in names)


def test_the_table_is_read_by_pandas(small: Path, truth: dict[str, Any]):
    table = pd.read_excel(small / "coding_file_combined.xlsx", sheet_name="Sheet1")
    assert tuple(table.columns) == layout.COLUMNS
    assert len(table) == truth["n_rows"] == sum(len(e["rows"]) for e in truth["events"])
    assert set(table["Subject"]) <= set(truth["subjects"])
    first = {e["rows"][0]["key"]: e for e in truth["events"]}
    for _, row in table.iterrows():
        match = re.fullmatch(layout.FILENAME, row["Filename"])
        assert int(match["marker"]) == row["Marker"]
        assert (
            match["emotion"]
            == row["Estimated Emotion"]
            == layout.FILE_WORDS[layout.MARKER_EMOTION[row["Marker"]]]
        )
        assert re.fullmatch(layout.ACTION_UNITS, row["Action Units"])
        key = layout.row_key(
            match["emotion"], match["subject"], match["date"], row["Marker"],
            row["OnsetTime"], row["ApexTime"], row["OffsetTime"],
        )  # fmt: skip
        if key in first:  # the first coder sees what there is
            assert set(row["Action Units"].split(", ")) == set(first[key]["action_units"])
            assert row["Macro/Micro"].lower() == first[key]["kind"]


def test_the_eeg_is_read_by_mne(small: Path, truth: dict[str, Any]):
    mne = pytest.importorskip("mne")
    for s, (name, date) in enumerate(zip(truth["subjects"], truth["dates"], strict=True)):
        path = small / "eeg_py" / "eeg_for_mne" / f"{name}_{date}.set"
        raw = mne.io.read_raw_eeglab(path, verbose="error")
        assert tuple(raw.ch_names) == layout.CHANNELS
        assert raw.info["sfreq"] == 250.0
        marks = {a["description"]: a["onset"] for a in raw.annotations if a["description"] != "100"}
        whole = truth["eeg"]["whole_clips"][s]
        assert whole == (7 if s == 0 else 4)
        for marker, start in zip(truth["clips"][:whole], truth["clip_starts"][:whole], strict=True):
            assert marks[str(marker)] == pytest.approx(start, abs=1e-9)  # whole samples
        ends = [a["onset"] for a in raw.annotations if a["description"] == "100"]
        lengths = np.array(ends[:whole]) - truth["clip_starts"][:whole]
        np.testing.assert_allclose(lengths, truth["clip_seconds"][:whole], atol=1e-9)
        assert {"77", "88"} <= set(marks)
        last = truth["clip_starts"][-1] + truth["clip_seconds"][-1]
        assert (raw.times[-1] > last) == (s == 0)
        data = raw.get_data() * 1e6
        brain = [raw.ch_names.index(c) for c in layout.EEG_CHANNELS]
        assert ((data[brain].std(axis=1) > 5) & (data[brain].std(axis=1) < 100)).all()  # µV of a brain
        assert np.ptp(data[raw.ch_names.index("EKG")]) > 500


def test_pictures_and_videos_are_read_by_opencv_and_pyav(small: Path, truth: dict[str, Any]):
    av = pytest.importorskip("av")
    rows = [row for e in truth["events"] for row in e["rows"]]
    for row in rows:
        onset, _, offset = (float(t) for t in row["key"].split("_")[-3:])
        for folder, shape in (
            ("3.pics_selected_segmented_cropped", (256, 256, 3)),
            ("1.pics_selected", (108, 192, 3)),
        ):
            for name in ("onset", "apex"):
                picture = cv2.imread(str(small / folder / row["type"] / row["key"] / f"{name}.png"))
                assert picture.shape == shape
        path = small / "0.videos" / "combined" / row["type"] / f"video_{row['key']}_{row['fps']}.avi"
        with av.open(str(path)) as file:
            stream = file.streams.video[0]
            assert float(stream.average_rate) == row["fps"]
            times = [float(f.pts * f.time_base) for f in file.decode(stream)]
        assert 98 <= row["fps"] <= 157
        np.testing.assert_allclose(times, np.arange(len(times)) / row["fps"], atol=1e-6)
        assert times[-1] == pytest.approx(offset - onset, abs=0.51 / row["fps"])
    assert len(list(small.rglob("*.avi"))) == len(rows)


@pytest.mark.filterwarnings("ignore::mien.datasets.DatasetWarning")  # of the recording that breaks off
def test_the_reader_finds_every_event_with_its_pictures(small: Path, truth: dict[str, Any]):
    recordings = datasets.load("mes_eeg", small)
    known = {e["id"]: e for e in truth["events"]}
    events = [(r, e) for r in recordings for e in r.events]
    assert {e.id for _, e in events} == set(known)
    assert len({r.subject for r in recordings}) == 2
    start = dict(zip(truth["clips"], truth["clip_starts"], strict=True))
    for recording, event in events:
        said = known[event.id]
        assert event.labels["emotion"].value == said["emotion"]
        assert event.labels["emotion3"].value == said["class"]
        # a second coder is up to a tenth of the rise off, and a camera loses up to 0.3 s
        assert event.span.start == pytest.approx(start[said["marker"]] + said["onset"], abs=0.15)
        assert event.apex == pytest.approx(
            start[said["marker"]] + said["apex"] + said["lost_seconds"], abs=0.15
        )
        assert recording.streams["face"].shows(event)
    stand_ins = pseudonyms(truth["subjects"], key=PUBLIC_KEY)
    assert {r.subject for r in recordings} == set(stand_ins.values())


def test_full_frames_have_the_size_of_the_camera(tmp_path: Path):
    root = simulate.simulate(
        "mes_eeg", tmp_path / "data", seed=8733, subjects=1, clips=1, seconds=12.0, events_per_clip=0.5,
        kinds=("frames",),
    )  # fmt: skip
    pictures = [cv2.imread(str(p)) for p in sorted(root.rglob("*.png"))]
    assert len(pictures) >= 2
    assert all(p.shape == (1088, 2048, 3) for p in pictures)


# --- the signal -----------------------------------------------------------------------------------------


def test_log_power_follows_the_sources():
    """Band power of a long recording of one state after the other, against mixing and baseline."""
    head = draw_head(8734, n_sources=_mes_plan.N_SOURCES)
    z = np.zeros((120, _mes_plan.N_SOURCES))
    z[60:, 2] = 1.5
    made = _mes_eeg_signal._brain(z, head, np.random.default_rng(0))
    power = []
    for half in (made[:, : 60 * 250], made[:, 60 * 250 :]):
        f, density = scipy.signal.welch(half.astype(float), fs=250, nperseg=500)
        edges = zip(_mes_eeg_signal.EDGES, _mes_eeg_signal.EDGES[1:], strict=False)
        power.append([density[:, (f >= a) & (f < b)].sum(axis=1) * 0.5 for a, b in edges])
    change = np.log(np.array(power[1]) / np.array(power[0]))
    expected = 1.5 * head.mixing[..., 2]
    # 180 to 1000 independent values a half: errors of 5 to 11 %, less where bands leak into each other
    assert np.abs(change - expected).mean() < 0.12
    assert np.corrcoef(change.ravel(), expected.ravel())[0, 1] > 0.8
    level = np.log(np.array(power[0])) - head.baseline
    assert np.abs(level.mean(axis=1)).max() < 0.2


def test_other_rates_show_the_same_brain():
    plan = _mes_plan.draw(8735, subjects=1, clips=1, events_per_clip=0.5, seconds=12.0, effect=1.0)
    head = draw_head(8735, n_sources=_mes_plan.N_SOURCES)
    slow, fast = (
        np.concatenate(list(_mes_eeg_signal.recording(plan, head, 0, rate=rate)), axis=1)
        for rate in (250, 1000)
    )
    assert fast.shape == (68, 4 * slow.shape[1])
    # the amplifier's noise of 0.5 µV is drawn for each rate
    assert (fast[:, ::4] - slow).std() == pytest.approx(np.sqrt(2) * 0.5, rel=0.05)


# --- options --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"subjects": 0}, "--subjects 0; expected 1 to 60"),
        ({"clips": 49}, "--clips 49; expected 1 to 48"),
        ({"events_per_clip": 3.0}, "--events_per_clip 3.0; expected 0.05 to 2"),
        ({"seconds": 8.0}, "--seconds 8.0; expected 12 to 600 seconds"),
        ({"rate": 333}, "--rate 333; expected one of 250, 500, 1000"),
        ({"effect": float("nan")}, "--effect nan; expected a number of 0 or more"),
        ({"truncated": 3}, "--truncated 3; expected 0 to the number of subjects, 2"),
        ({"kinds": ("video",)}, "--kinds video; expected any of coding, eeg, pairs, frames, avi"),
        ({"frame_size": (321, 180)}, "expected width and height, even numbers"),
        ({"workers": 0}, "--workers 0; expected 1 or more"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_written(
    wrong: dict[str, Any], message: str, tmp_path: Path
):
    with pytest.raises(InputError, match=re.escape(message)):
        simulate.simulate("mes_eeg", tmp_path / "data", seed=1, **{**OPTIONS, **wrong})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_empty_is_left_alone(small: Path):
    before = digests(small)
    with pytest.raises(InputError, match="exists and is not empty"):
        simulate.simulate("mes_eeg", small, seed=1, **OPTIONS)
    assert digests(small) == before


def test_an_interrupted_simulation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    written = []

    def stop(self: Any, folder: Path, row: Any, kinds: Any) -> None:
        written.append(list(folder.rglob("*.set")))
        raise KeyboardInterrupt

    monkeypatch.setattr(_mes_camera.Camera, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        simulate.simulate("mes_eeg", tmp_path / "data", seed=1, **OPTIONS)
    assert len(written[0]) == 1  # it was at work
    assert list(tmp_path.iterdir()) == []


def test_effect_zero_is_the_same_table_of_clips_without_emotion(tmp_path: Path):
    roots = [
        simulate.simulate(
            "mes_eeg", tmp_path / str(effect), seed=8736, effect=effect, kinds=("coding",), **OPTIONS
        )
        for effect in (0.0, 1.0)
    ]
    none, one = (pd.read_excel(root / "coding_file_combined.xlsx") for root in roots)
    same = [c for c in layout.COLUMNS if c not in ("Action Units",)]
    first = none[same].merge(one[same], how="inner")
    # only second codings of action units draw on: everything else is equal
    assert len(first) >= 0.8 * len(one)


# --- the true flow --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::mien.datasets.DatasetWarning")  # of the recording that breaks off
def test_true_flow_knows_events_by_all_their_names(small: Path, truth: dict[str, Any]):
    said = next(e for e in truth["events"] if len(e["rows"]) == 1)
    event = next(e for r in datasets.load("mes_eeg", small) for e in r.events if e.id == said["id"])
    flows = [simulate.true_flow(small, name) for name in (event, said["id"], said["rows"][0]["key"])]
    assert flows[0].shape == (2, 256, 256)
    assert flows[0].dtype == np.float32
    assert all(np.array_equal(f, flows[0]) for f in flows)
    assert np.array_equal(simulate.true_flow(small / "truth.json", said["id"]), flows[0])


@pytest.mark.parametrize("name", ["p123456_20230718_101_e01", "sad_nobody20230718_101_1.00_2.00_3.00", ""])
def test_true_flow_of_no_event_is_refused(small: Path, name: str):
    with pytest.raises(UnknownNameError, match="unknown event"):
        simulate.true_flow(small, name)


def test_true_flow_needs_the_truth(tmp_path: Path):
    with pytest.raises(InputError, match=r"is not there; expected the truth\.json of a made-up data set"):
        simulate.true_flow(tmp_path, "x")
    (tmp_path / "truth.json").write_text('{"dataset": "seed_vii"}', encoding="utf-8")
    with pytest.raises(InputError, match="is about 'seed_vii'; expected a made-up mes_eeg"):
        simulate.true_flow(tmp_path, "x")


def test_a_truth_of_another_version_is_refused(small: Path, truth: dict[str, Any], tmp_path: Path):
    changed = {**truth, "model": {**truth["model"], "gain": truth["model"]["gain"] * 1.01}}
    (tmp_path / "truth.json").write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(InputError, match="was made by another version of mien"):
        simulate.true_flow(tmp_path, truth["events"][0]["id"])
