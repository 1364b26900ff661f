"""MMME: what a healthy copy gives, and on which clock."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from _mmme_files import (
    CLIP_SECONDS,
    FPS,
    LABELS,
    MIDNIGHT,
    RATE,
    STREAMS,
    UNITS,
    Coded,
    Person,
    bravo,
    course,
    frame_number,
    shown,
    write_body,
    write_copy,
    write_table,
)
from mien import datasets
from mien.core import InputError, Recording, UnknownNameError
from mien.core.types import Event
from mien.timeline import align

HALF_FRAME = 0.5 / FPS


def coded(recording: Recording) -> list[Event]:
    return [event for event in recording.events if event.id is not None]


@pytest.fixture
def one(tmp_path: Path) -> Recording:
    (recording,) = datasets.load("mmme", write_copy(tmp_path))
    return recording


def test_streams_have_units_and_their_devices_clocks(one: Recording) -> None:
    clocks = {name: stream.clock for name, stream in one.streams.items()}
    body = dict.fromkeys((*STREAMS, "body"), "biopac")
    raw = ("raw_eeg", "raw_eeg_all", "raw_reference", "raw_eog", "raw_ecg", "raw_emg")
    assert clocks == {**dict.fromkeys(raw, "eeg"), **body, "face": "camera"}
    units = [one.streams[name].unit for name in STREAMS]
    assert units == ["V", "V", "V", "K", "S", "V", "V", "K"]
    assert one.streams["body"].unit == "mixed"
    assert one.streams["body"].channels == STREAMS
    assert len(one.streams["raw_eeg"].channels) == 62
    assert len(one.streams["raw_eeg_all"].channels) == 68
    assert one.streams["ppg"].rate == RATE


def test_values_are_in_si_units(one: Recording) -> None:
    person = Person()
    span = replace(one.trials[0].span, duration=2.0)
    true = span.start + np.arange(2 * RATE) / RATE
    eeg = one.streams["raw_eeg"].read(span).data
    # 32-bit floats of 10 uV
    np.testing.assert_allclose(eeg[3], 10e-6 * course(true, 3), atol=2e-12)
    aligned = align(one)
    assert aligned.clocks["biopac"].offset == pytest.approx(person.late["biopac"], abs=1e-9)
    for k, (name, unit) in enumerate(zip(STREAMS, UNITS, strict=False)):
        got = aligned.streams[name].read(span).data[0]
        factor, offset = {"Volts": (1, 0), "mV": (1e-3, 0), "deg C": (1, 273.15), "microsiemens": (1e-6, 0)}[
            unit
        ]
        np.testing.assert_allclose(got, factor * course(true, k) + offset, rtol=1e-9, atol=1e-12)
    together = aligned.streams["body"].read(span).data
    np.testing.assert_array_equal(together[4], aligned.streams["eda"].read(span).data[0])


def test_trials_and_labels(one: Recording) -> None:
    person = Person()
    assert [t.stimulus for t in one.trials] == ["103", "106", "101", "104"]
    for trial in one.trials:
        # markers are at the nearest of the samples, 4 ms apart
        assert trial.span.start == pytest.approx(person.start(int(trial.stimulus)), abs=0.5 / RATE + 1e-9)
        assert trial.span.duration == pytest.approx(CLIP_SECONDS, abs=1 / RATE + 1e-9)
    assert [t.labels["emotion8"].value for t in one.trials] == ["happy", "calm", "sad", "fear"]
    assert one.trials[0].labels["emotion3"].value == "positive"
    assert set(one.trials[1].labels) == {"emotion8"}


def test_events_are_merged_and_named_as_in_mes_eeg(one: Recording) -> None:
    events = coded(one)
    first = f"{one.id}_103_e01"
    assert [e.id for e in events] == [first, f"{one.id}_103_e02", f"{one.id}_101_e01"]
    assert [e.kind for e in events] == ["micro", "macro", "micro"]
    assert events[0].notes["rows_merged"] == 2
    assert events[0].notes["disagree_kind"] == 1
    assert events[0].value == "AU12"
    assert events[0].span.start == pytest.approx(5.0)
    assert events[0].apex == pytest.approx(5.2)
    assert events[2].labels["emotion"].value == "sad"
    assert one.id.endswith("_20230721")
    assert one.subject.startswith("p")


def test_markers_are_events_on_each_devices_clock(one: Recording) -> None:
    person = Person()
    for clock in ("eeg", "biopac"):
        seen = [(e.span.start, e.value) for e in one.events if e.clock == clock]
        wanted = person.on(clock)
        assert [code for _, code in seen] == [code for _, code in wanted]
        # written to the nearest sample
        np.testing.assert_allclose([t for t, _ in seen], [t for t, _ in wanted], atol=0.5 / RATE + 1e-9)
    seen = [(e.span.start, e.value) for e in one.events if e.clock == "camera"]
    wanted = [(t, code) for t, code in person.on("camera") if code >= 100]
    assert [code for _, code in seen] == [code for _, code in wanted]
    # known to one frame
    np.testing.assert_allclose([t for t, _ in seen], [t for t, _ in wanted], atol=1 / FPS)
    assert MIDNIGHT < seen[0][0] < MIDNIGHT + person.seconds


@pytest.mark.parametrize("jitter", [0.0, 0.03])
def test_frames_lie_within_half_a_frame_on_the_recording_clock(tmp_path: Path, jitter: float) -> None:
    person = Person(jitter=jitter, drift={"camera": 1e-4, "biopac": -1e-4}, late={"biopac": 2.0})
    (recording,) = datasets.load("mmme", write_copy(tmp_path, [person]))
    aligned = align(recording)
    errors = []
    for event in coded(aligned):
        clip = aligned.streams["face"].clip(event)
        errors += list(clip.times - shown(clip.frames) / FPS)
        assert clip.apex is not None
        assert event.apex is not None
        assert abs(clip.apex - event.apex) < 0.02  # hundredths of seconds, and the nearest frame
    assert np.abs(errors).max() < HALF_FRAME + 1e-9


def test_events_get_the_times_of_their_frames(tmp_path: Path) -> None:
    # the stamps are late by up to 0.1 s, and differ from the seconds by more than 50 ms in many rows
    person = Person(jitter=0.1, drift={"camera": -2e-4})
    (recording,) = datasets.load("mmme", write_copy(tmp_path, [person]))
    aligned = align(recording)
    for event in coded(aligned):
        clip = aligned.streams["face"].clip(event)
        assert event.notes["timed_by"] == "camera"
        assert (event.span.start, event.apex) == (clip.onset, clip.apex)
    apexes = [(103, 2.2), (103, 4.5), (101, 1.1)]
    for event, (marker, apex) in zip(coded(aligned), apexes, strict=True):
        true = frame_number(person, marker, apex) / FPS
        # stamps that scatter by 0.1 s place the exposures of few frames to some milliseconds
        assert event.apex == pytest.approx(true, abs=0.01)
    assert align(aligned).events == aligned.events
    (alone,) = datasets.load("mmme", write_copy(tmp_path / "no face", [replace(person, devices=("eeg",))]))
    assert "timed_by" not in coded(align(alone))[0].notes


def test_all_frames_of_an_event_in_the_order_of_exposure(tmp_path: Path) -> None:
    # stamps jump by more than a frame, so that files saved later were exposed earlier
    person = Person(jitter=0.03)
    (recording,) = datasets.load("mmme", write_copy(tmp_path, [person]), frames="all")
    event = coded(recording)[1]
    clip = align(recording).streams["face"].clip(event)
    first, last = (frame_number(person, 103, t) for t in (4.0, 5.1))
    assert clip.n_frames == last - first + 1
    np.testing.assert_array_equal(shown(clip.frames), np.arange(first, last + 1))
    np.testing.assert_allclose(np.diff(clip.times), 1 / FPS, rtol=1e-3)
    assert clip.at(clip.apex or 0.0, tolerance=1e-6) == frame_number(person, 103, 4.5) - first


def test_key_frames_are_onset_apex_and_coded_offset(one: Recording) -> None:
    person = Person()
    clips = [one.streams["face"].clip(event) for event in coded(one)]
    assert [clip.n_frames for clip in clips] == [3, 3, 3]
    assert shown(clips[0].frames).tolist() == [frame_number(person, 103, t) for t in (2.0, 2.2, 2.4)]
    assert clips[0].offset is not None


def test_an_offset_that_was_not_coded(tmp_path: Path) -> None:
    (recording,) = datasets.load("mmme", write_copy(tmp_path, [bravo()]))
    (event,) = coded(recording)
    clip = recording.streams["face"].clip(event)
    assert clip.offset is None
    assert clip.n_frames == 2
    assert event.notes["offset_coded"] == 0


def test_rows_without_stamps_find_their_frames_by_the_seconds(tmp_path: Path) -> None:
    person = Person(rows=(Coded(stamps=False),))
    with pytest.warns(datasets.DatasetWarning, match="stamp is not HH-MM-SS-mmm"):
        (recording,) = datasets.load("mmme", write_copy(tmp_path, [person]))
    (event,) = coded(recording)
    numbers = shown(recording.streams["face"].clip(event).frames)
    wanted = [frame_number(person, 103, t) for t in (2.0, 2.2, 2.4)]
    # the clip's start is known to one frame
    assert np.abs(numbers - wanted).max() <= 1


class TestKinds:
    def test_without_the_column_no_event_is_micro_or_macro(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, kinds=False)
        (recording,) = datasets.load("mmme", root)
        assert {e.kind for e in coded(recording)} == {"expression"}
        (recording,) = datasets.load("mmme", root, kinds=["micro"])
        assert coded(recording) == []
        notes = datasets.inspect("mmme", root).notes
        assert any("does not say which of its 4 rows are micro" in note for note in notes)

    def test_kinds_from_the_table_of_mes_eeg(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path / "copy", kinds=False)
        other = write_table(tmp_path / "coding_file_combined.xlsx", [bravo(), Person()], kinds=True)
        (recording,) = datasets.load("mmme", root, kinds_from=other)
        assert [e.kind for e in coded(recording)] == ["micro", "macro", "micro"]

    def test_rows_that_the_other_table_lacks_stay_unknown_and_are_listed(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path / "copy", kinds=False)
        person = Person()
        other = write_table(tmp_path / "kinds.xlsx", [replace(person, rows=person.rows[:3])], kinds=True)
        with pytest.warns(datasets.DatasetWarning, match=r"row 5, marker 101: no such row in kinds.xlsx"):
            (recording,) = datasets.load("mmme", root, kinds_from=other)
        assert [e.kind for e in coded(recording)] == ["micro", "macro", "expression"]

    def test_unknown_kind(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownNameError, match=r"unknown kind 'mikro'; did you mean 'micro'"):
            datasets.load("mmme", write_copy(tmp_path), kinds=["mikro"])


class TestUnits:
    def test_units_that_nobody_told_are_arbitrary_and_listed(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, [Person(devices=("eeg", "camera"))])
        path = write_body(next(root.glob("alpha*")) / "BIOPAC" / "a.mat", Person(), units=None)
        with pytest.warns(datasets.DatasetWarning, match="does not tell the unit, and it is not guessed"):
            (recording,) = datasets.load("mmme", root)
        assert {recording.streams[name].unit for name in STREAMS} == {"arbitrary"}
        span = replace(recording.trials[0].span, duration=1.0)
        stored = recording.streams["skt_a"].read(span).data
        assert np.abs(stored).max() <= 1  # as stored, no degrees
        assert path.exists()

    def test_units_as_given(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, [Person(devices=("eeg", "camera"))])
        write_body(next(root.glob("alpha*")) / "BIOPAC" / "a.mat", Person(), units=None)
        given = {"eda": "µS", "skt_a": "deg C", "skt_b": "deg C"} | dict.fromkeys(
            ("ppg", "rsp", "ecg", "emg_a", "emg_b"), "mV"
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            (recording,) = datasets.load("mmme", root, units=given)
        assert [recording.streams[n].unit for n in STREAMS] == ["V", "V", "V", "K", "S", "V", "V", "K"]
        span = replace(recording.trials[0].span, duration=1.0)
        assert np.abs(recording.streams["skt_a"].read(span).data - 273.15).max() <= 1

    def test_what_the_file_tells_is_not_overruled(self, tmp_path: Path) -> None:
        (recording,) = datasets.load("mmme", write_copy(tmp_path), units={"ecg": "V"})
        span = replace(recording.trials[0].span, duration=1.0)
        assert np.abs(recording.streams["ecg"].read(span).data).max() <= 1e-3  # mV in the file

    def test_unknown_stream(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownNameError, match=r"unknown stream of BIOPAC: 'gsr'"):
            datasets.load("mmme", write_copy(tmp_path), units={"gsr": "V"})


class TestBiopac:
    def load(self, root: Path) -> Recording:
        (recording,) = datasets.load("mmme", root, rate=RATE)
        return recording

    def test_seventeen_columns_without_labels_are_taken_by_place(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, [Person(devices=("eeg", "camera"))])
        write_body(next(root.glob("alpha*")) / "BIOPAC" / "a.mat", Person(), labels=None)
        with pytest.warns(datasets.DatasetWarning, match="not guessed"):
            recording = self.load(root)
        assert recording.streams["body"].channels == STREAMS
        assert align(recording).clocks["biopac"].n_markers == 10  # markers by the columns 8 to 15, too

    def test_other_columns_with_labels_are_taken_by_label(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, [Person(devices=("eeg", "camera"))])
        keep = [5, 4, *range(8, 16)]
        write_body(next(root.glob("alpha*")) / "BIOPAC" / "a.mat", Person(), keep=keep)
        with pytest.warns(datasets.DatasetWarning, match=r"2 of 8 streams are there"):
            recording = self.load(root)
        assert {"ecg", "eda"} <= set(recording.streams)
        assert not {"ppg", "body"} & set(recording.streams)
        span = replace(recording.trials[0].span, duration=1.0)
        true = Person().true_time("biopac", span.start) + np.arange(RATE) / RATE
        np.testing.assert_allclose(
            recording.streams["eda"].read(span).data[0], 1e-6 * course(true, 4), atol=1e-12
        )

    def test_short_labels(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, [Person(devices=("eeg", "camera"))])
        labels = [label.partition(",")[0].lower() for label in LABELS[:8]] + LABELS[8:]
        write_body(next(root.glob("alpha*")) / "BIOPAC" / "a.mat", Person(), labels=labels)
        assert self.load(root).streams["body"].channels == STREAMS


def test_folders_by_patterns(tmp_path: Path) -> None:
    root = write_copy(tmp_path / "copy")
    session = next(root.glob("alpha*"))
    (session / "EEG").rename(session / "brain")
    (session / "BIOPAC").rename(session / "physiology")
    (session / "Frames").rename(session / "pictures")
    (root / "raw").mkdir()
    session.rename(root / "raw" / "alpha_20230721")
    (root / "coding_file_combined.xlsx").rename(root / "table.xlsx")
    layout = {
        "table": "table.xlsx",
        "session": "raw/*",
        "eeg": "brain/*.cdt",
        "biopac": ["BIOPAC/*.mat", "physiology/*.mat"],
        "frames": "pictures/*.tif",
    }
    (recording,) = datasets.load("mmme", root, layout=layout)
    assert {"raw_eeg", "body", "face"} <= set(recording.streams)
    assert len(coded(recording)) == 3
    assert datasets.inspect("mmme", root, layout=layout).ok
    with pytest.raises(UnknownNameError, match=r"unknown pattern 'camera'"):
        datasets.load("mmme", root, layout={"camera": "x"})
    with pytest.raises(InputError, match=r"is no copy of MMME"):
        datasets.load("mmme", root, layout={"session": "nothing*"})


def test_subjects_are_chosen_by_pseudonym(tmp_path: Path) -> None:
    root = write_copy(tmp_path, [Person(), bravo()])
    both = datasets.load("mmme", root)
    assert len(both) == 2
    (again,) = datasets.load("mmme", root, subjects=[both[1].subject])
    assert again.id == both[1].id
    with pytest.raises(InputError, match=r"no subject p000000"):
        datasets.load("mmme", root, subjects=["p000000"])


def test_counts_of_the_inspection(tmp_path: Path) -> None:
    root = write_copy(tmp_path, [Person(), bravo(devices=("eeg", "camera"))])
    found = datasets.inspect("mmme", root)
    counts = {name: n for name, (n, _) in found.counts.items()}
    assert counts["subjects"] == 2
    assert (counts["rows"], counts["rows micro"], counts["rows macro"]) == (5, 3, 2)
    assert (counts["events"], counts["events with a face"], counts["trials"]) == (4, 4, 6)
    assert (counts["sessions with EEG"], counts["sessions with BIOPAC"]) == (2, 1)
    assert [fault.item for fault in found.faults] == ["BIOPAC"]
    assert "not there: the session is used without it" in found.faults[0].reason
    assert len(found.events) == 4
    first = next(row for row in found.events if str(row["event"]).endswith("_103_e01"))
    assert (first["kind"], first["emotion"], first["aus"], first["offset"]) == ("micro", "happy", "AU12", 2.4)


def test_a_second_read_of_the_triggers_is_spared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mien.io.curry import Curry

    root = write_copy(tmp_path)
    datasets.load("mmme", root)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(Curry, "markers", refuse)
    assert len(datasets.load("mmme", root)) == 1
