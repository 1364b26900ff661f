"""MMME: devices that fail, files that are damaged or mixed up, and what is said about them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from _mes_eeg_files import NAMES_68
from _mmme_files import (
    CLIP_SECONDS,
    FPS,
    RATE,
    Coded,
    Person,
    bravo,
    write_body,
    write_copy,
    write_eeg,
    write_frames,
    write_table,
)
from mien import datasets
from mien.core import InputError, Recording
from mien.datasets import DatasetWarning, Fault
from mien.run.clocks import align_all
from mien.timeline import AlignmentWarning, align

ONE_SAMPLE = 1 / RATE + 1e-9
"""Markers are at the nearest sample of each device."""


def loaded(root: Path) -> tuple[Recording, tuple[Fault, ...]]:
    """The only recording, and the faults of the warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        (recording,) = datasets.load("mmme", root)
    found = [w.message.faults for w in caught if isinstance(w.message, DatasetWarning)]
    return recording, found[0] if found else ()


def texts(faults: Sequence[Fault]) -> str:
    return "\n".join(map(str, faults))


def session_of(root: Path) -> Path:
    return next(root.glob("alpha*"))


class TestDevices:
    @pytest.mark.parametrize("absent", ["eeg", "biopac", "camera"])
    def test_a_session_without_a_device_is_used_without_it(self, tmp_path: Path, absent: str) -> None:
        devices = tuple(d for d in ("eeg", "biopac", "camera") if d != absent)
        root = write_copy(tmp_path, [Person(devices=devices), bravo()])
        with pytest.warns(DatasetWarning, match="not there: the session is used without it"):
            recordings = datasets.load("mmme", root)
        (recording,) = (r for r in recordings if r.session == "20230721")
        assert {s.clock for s in recording.streams.values()} == set(devices)
        assert len(recording.trials) == 4
        aligned = align(recording)
        assert set(aligned.clocks) == set(devices)
        # the recording clock is that of the first device there is
        main = next(iter(recording.clocks))
        assert main == devices[0]

    def test_a_device_that_no_session_has_is_a_note(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, [Person(devices=("eeg",))])
        found = datasets.inspect("mmme", root)
        assert found.ok
        assert "no session has BIOPAC, frames" in found.notes

    def test_faces_alone(self, tmp_path: Path) -> None:
        recording, faults = loaded(write_copy(tmp_path, [Person(devices=("camera",), jitter=0.03)]))
        assert set(recording.streams) == {"face"}
        assert not faults
        events = [e for e in align(recording).events if e.id]
        assert len(events) == 3
        assert all(align(recording).streams["face"].shows(e) for e in events)

    def test_a_lost_start_is_placed_by_another_device(self, tmp_path: Path) -> None:
        person = Person(lost=(("eeg", 106, 0),), drift={"biopac": 2e-4})
        recording, faults = loaded(write_copy(tmp_path, [person]))
        (trial,) = (t for t in recording.trials if t.stimulus == "106")
        # 8 s from the nearest clip at 200 ppm: 1.6 ms
        assert trial.span.start == pytest.approx(person.start(106), abs=2 * ONE_SAMPLE + 0.0016)
        assert trial.span.duration == pytest.approx(CLIP_SECONDS, abs=2 * ONE_SAMPLE + 0.0016)
        assert "clips 106: no trigger of their start here; another device has it (kept)" in texts(faults)

    def test_a_lost_end_is_placed_by_another_device(self, tmp_path: Path) -> None:
        recording, faults = loaded(write_copy(tmp_path, [Person(lost=(("eeg", 100, 0),))]))
        assert [t.stimulus for t in recording.trials] == ["103", "106", "101", "104"]
        assert recording.trials[0].span.duration == pytest.approx(CLIP_SECONDS, abs=2 * ONE_SAMPLE)
        assert "clips 103: no trigger of their end here; another device has it (kept)" in texts(faults)

    def test_an_end_that_no_device_has(self, tmp_path: Path) -> None:
        person = Person(lost=(("eeg", 100, 0),), devices=("eeg",))
        recording, faults = loaded(write_copy(tmp_path, [person]))
        assert [t.stimulus for t in recording.trials] == ["106", "101", "104"]
        assert "marker 103: no device marks its end" in texts(faults)
        assert "no device marks its clip, so that it has no time" in texts(faults)

    @pytest.mark.parametrize("code", [103, 100])
    def test_a_doubled_trigger_changes_no_trial(self, tmp_path: Path, code: int) -> None:
        recording, _ = loaded(write_copy(tmp_path, [Person(doubled=(("eeg", code, 0),))]))
        starts = [t.span.start for t in recording.trials]
        wanted = [Person().start(int(t.stimulus)) for t in recording.trials]
        np.testing.assert_allclose(starts, wanted, atol=ONE_SAMPLE)
        assert len(starts) == 4
        assert align(recording).clocks["biopac"].residual < ONE_SAMPLE

    def test_an_eeg_that_was_started_late(self, tmp_path: Path) -> None:
        # after the first clip; its device time 0 is true time 7 s
        person = Person(late={"eeg": 7.0, "biopac": -1.5})
        recording, faults = loaded(write_copy(tmp_path, [person]))
        (trial,) = (t for t in recording.trials if t.stimulus == "103")
        assert trial.span.start == pytest.approx(person.start(103) - 7, abs=2 * ONE_SAMPLE)
        aligned = align(recording)
        assert not aligned.streams["raw_eeg"].covers(trial.span)
        assert aligned.streams["body"].covers(trial.span)
        assert "clips 103: no trigger of their start here" in texts(faults)
        event = next(e for e in aligned.events if e.id)
        assert aligned.streams["face"].shows(event)

    def test_a_biopac_that_was_stopped_early(self, tmp_path: Path) -> None:
        person = Person(early={"biopac": 10.0})
        recording, faults = loaded(write_copy(tmp_path, [person]))
        aligned = align(recording)
        last = aligned.trials[-1]
        assert aligned.streams["raw_eeg"].covers(last.span)
        assert not aligned.streams["body"].covers(last.span)
        assert "clips 104: no trigger of their start here; another device has it (kept)" in texts(faults)

    def test_an_eeg_that_was_stopped_within_the_last_clip(self, tmp_path: Path) -> None:
        recording, _ = loaded(write_copy(tmp_path, [Person(early={"eeg": 4.0})]))
        last = recording.trials[-1]
        # its end is the other devices'
        assert last.span.duration == pytest.approx(CLIP_SECONDS, abs=2 * ONE_SAMPLE)
        assert not recording.streams["raw_eeg"].covers(last.span)

    def test_no_shared_triggers(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, [Person(devices=("eeg", "camera"))])
        write_body(session_of(root) / "BIOPAC" / "a.mat", Person(), markers=[])
        recording, faults = loaded(root)
        assert "holds no marker; expected 101 to 148 and 100: it shares no clock (kept)" in texts(faults)
        with pytest.raises(InputError, match=r"clock 'biopac' .* shares 0 markers with the recording"):
            align(recording)
        with pytest.warns(AlignmentWarning, match="left out"):
            (aligned,), wrong = align_all([recording])
        assert "body" not in aligned.streams
        assert {"raw_eeg", "face"} <= set(aligned.streams)
        assert "shares 0 markers" in wrong[0].reason

    def test_markers_without_a_label_are_one_fault(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, [Person(devices=("eeg", "camera"))])
        person = Person()
        markers = [(round(at * RATE), code) for at, code in person.on("biopac")]
        markers = sorted([*markers, (1200, 250), (1300, 7), (3000, 7)])
        write_body(session_of(root) / "BIOPAC" / "a.mat", person, markers=markers)
        recording, faults = loaded(root)
        assert "markers 7, 250: 3 markers without a label; expected 101 to 148, 100, 77 or 88" in texts(
            faults
        )
        assert align(recording).clocks["biopac"].residual < ONE_SAMPLE

    def test_markers_of_another_session(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, [Person(devices=("eeg", "camera"))])
        rng = np.random.default_rng(3)
        at = np.sort(rng.choice(np.arange(500, 8000, 60), 8, replace=False)).tolist()
        codes = [104, 100, 101, 100, 103, 100, 106, 100]
        markers = list(zip(at, codes, strict=True))
        write_body(session_of(root) / "BIOPAC" / "a.mat", Person(), markers=markers)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DatasetWarning)
            (recording,) = datasets.load("mmme", root)
        with pytest.raises(InputError, match=r"clock 'biopac' of recording"):
            align(recording)


class TestFiles:
    def test_a_cut_eeg_leaves_the_rest(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path)
        path = session_of(root) / "EEG" / "Acquisition 01.cdt"
        path.write_bytes(path.read_bytes()[:-1000])
        recording, faults = loaded(root)
        assert "raw_eeg" not in recording.streams
        assert next(iter(recording.clocks)) == "biopac"
        assert "promises" in texts(faults)

    def test_an_eeg_without_its_parameters(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path)
        (session_of(root) / "EEG" / "Acquisition 01.cdt.dpo").unlink()
        _, faults = loaded(root)
        assert "its parameter file is missing" in texts(faults)

    def test_an_eeg_that_lacks_channels(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, [Person(devices=("biopac", "camera"))])
        names = [name for name in NAMES_68 if name not in ("FCZ", "CZ")]
        write_eeg(session_of(root) / "EEG" / "a.cdt", Person(), channels=names)
        _, faults = loaded(root)
        assert "lacks the channels FCZ, CZ; expected the 62 EEG channels by name" in texts(faults)

    def test_an_eeg_without_a_trigger_channel(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, [Person(devices=("biopac", "camera"))])
        write_eeg(session_of(root) / "EEG" / "a.cdt", Person(), trigger="Status")
        _, faults = loaded(root)
        assert "lacks the channel Trigger; expected the markers of the clips in it" in texts(faults)

    def test_a_second_recording_is_listed(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path)
        write_eeg(session_of(root) / "EEG" / "Acquisition 02.cdt", Person())
        recording, faults = loaded(root)
        assert "Acquisition 02.cdt: a second file of its kind in this session" in texts(faults)
        assert recording.streams["raw_eeg"].source.files()[0].name == "Acquisition 01.cdt"

    @pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><html></html>" * 10, b"\0" * 200])
    def test_a_biopac_file_that_is_none(self, tmp_path: Path, content: bytes) -> None:
        root = write_copy(tmp_path)
        path = session_of(root) / "BIOPAC" / "Untitled1 (001).mat"
        path.write_bytes(content)
        recording, faults = loaded(root)
        assert "body" not in recording.streams
        assert [fault.file for fault in faults] == [str(path).replace("alpha", recording.subject)]

    def test_a_wrong_number_of_columns(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, [Person(devices=("eeg", "camera"))])
        write_body(session_of(root) / "BIOPAC" / "a.mat", Person(), keep=range(16), labels=None)
        recording, faults = loaded(root)
        assert "ppg" not in recording.streams
        assert "has 16 columns" in texts(faults)
        assert "expected 17 columns" in texts(faults)

    def test_labels_that_nobody_knows(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, [Person(devices=("eeg", "camera"))])
        labels = [f"Channel {k}" for k in range(17)]
        write_body(session_of(root) / "BIOPAC" / "a.mat", Person(), labels=labels)
        _, faults = loaded(root)
        assert "none of its labels is known (Channel 0, Channel 1," in texts(faults)

    def test_still_channels_are_listed_by_inspect(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, [Person(devices=("camera",))])
        write_body(session_of(root) / "BIOPAC" / "a.mat", Person(), still=(4,))
        found = datasets.inspect("mmme", root)
        assert [(f.item, f.reason, f.severity) for f in found.faults] == [
            ("body", "one value throughout in eda", "kept")
        ]

    def test_an_eeg_channel_of_zeros_is_listed_by_inspect(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, [Person(devices=("eeg", "camera"))])
        path = session_of(root) / "EEG" / "Acquisition 01.cdt"
        samples = np.frombuffer(path.read_bytes(), dtype="<f4").reshape(-1, 69).copy()
        samples[:, 7] = 0
        samples[5, 8] = np.nan
        path.write_bytes(samples.tobytes())
        reasons = {f.reason for f in datasets.inspect("mmme", root).faults}
        assert reasons == {"one value throughout in F3", "NaN or infinite values in F1"}

    def test_nothing_to_read(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no such folder"):
            datasets.load("mmme", tmp_path / "nowhere")
        with pytest.raises(InputError, match=r"is no copy of MMME; expected coding_file.xlsx, or folders"):
            datasets.load("mmme", tmp_path)
        write_table(tmp_path / "coding_file.xlsx", [Person()])
        (tmp_path / "truth.json").write_text('{"simulated": true}')
        with pytest.raises(InputError, match="is in the coding table and has no folder"):
            datasets.load("mmme", tmp_path)
        found = datasets.inspect("mmme", tmp_path)  # the public table alone can be counted
        assert found.counts["rows"] == (4, None)
        assert len(found.events) == 3

    def test_a_table_that_is_no_table(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, kinds=False)
        (root / "coding_file.xlsx").write_bytes(b"PK\3\4 not a workbook")
        with pytest.raises(InputError, match=r"coding_file.xlsx"):
            datasets.load("mmme", root)
        assert not datasets.inspect("mmme", root).ok

    def test_a_copy_without_a_table_has_trials(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, kinds=False)
        (root / "coding_file.xlsx").unlink()
        recording, _ = loaded(root)
        assert len(recording.trials) == 4
        assert not [e for e in recording.events if e.id]
        assert "not there: coding table" in datasets.inspect("mmme", root).notes


class TestFrames:
    def test_names_that_do_not_parse(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path)
        folder = session_of(root) / "Frames"
        names = ["2023-07-21-16-45-38-257-410.tif", "snapshot.tif", "2023-13-21-16-45-38-257-410-112.tif"]
        for name in names:
            (folder / name).write_bytes(b"")
        recording, faults = loaded(root)
        (fault,) = faults
        assert names[0] in fault.item
        assert "….tif" in fault.item  # a word may be a name
        assert "no name of a frame; expected Year-Month-Day-Hour" in fault.reason
        assert "face" in recording.streams

    def test_a_folder_in_which_nothing_parses(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, [Person(devices=("eeg", "biopac"))])
        (session_of(root) / "Frames").mkdir()
        (session_of(root) / "Frames" / "a.tif").write_bytes(b"x")
        recording, faults = loaded(root)
        assert "face" not in recording.streams
        assert "do not parse" in texts(faults)

    def test_frames_of_another_day_are_left_out(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path)
        write_frames(session_of(root) / "Frames", bravo(), date="20230801")
        recording, faults = loaded(root)
        assert "frames of 20230801" in texts(faults)
        assert "of another day than the session (20230721): of another recording" in texts(faults)
        event = next(e for e in recording.events if e.id)
        assert recording.streams["face"].shows(event)
        assert align(recording).clocks["camera"].residual < 0.005

    def test_frames_of_two_people_of_one_day(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path)
        other = Person(name="bravo", clips=(103, 106, 101))
        folder = session_of(root) / "Frames"
        write_frames(folder / "more", replace(other, drift={"camera": 20.0}))  # hours later
        recording, faults = loaded(root)
        assert "face" not in recording.streams
        assert "frames of two recordings in one folder" in texts(faults)
        assert "101, 103, 106" in texts(faults)
        assert len(recording.trials) == 4  # by the other devices

    def test_past_midnight(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import _mmme_files

        monkeypatch.setattr(_mmme_files, "MIDNIGHT", 86_400.0 - 10.0)
        names = _mmme_files.frame_name

        def named(person: Person, number: int, date: str | None = None) -> str:
            name = names(person, number, date)
            past = _mmme_files.stamp(person, number) >= 86_400
            return name.replace("-21-24-", "-22-0-", 1) if past else name

        monkeypatch.setattr(_mmme_files, "frame_name", named)
        person = Person(rows=(Coded(onset=1.0, apex=1.5, offset=2.0, kind="Macro"),))
        recording, faults = loaded(write_copy(tmp_path, [person]))
        assert not faults
        event = next(e for e in recording.events if e.id)
        aligned = align(recording)
        assert aligned.clocks["camera"].n_markers == 8
        clip = aligned.streams["face"].clip(event)
        assert clip.onset == pytest.approx(event.span.start, abs=0.01)

    def test_a_frame_that_is_missing(self, tmp_path: Path) -> None:
        person = Person(rows=(Coded(),))
        root = write_copy(tmp_path, [person])
        shown = align(loaded(root)[0])
        event = next(e for e in shown.events if e.id)
        files = shown.streams["face"].source.files_of(event)  # type: ignore[attr-defined]
        files[round(0.2 * FPS)].unlink()
        recording, faults = loaded(root)
        assert "face" not in recording.streams
        assert "row 2, marker 103: no frame of its apex (13:53:2" in texts(faults)

    def test_a_damaged_frame_is_an_error_when_it_is_read(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path)
        recording, _ = loaded(root)
        event = next(e for e in recording.events if e.id)
        path = recording.streams["face"].source.files_of(event)[0]  # type: ignore[attr-defined]
        path.write_bytes(b"II*\0")
        with pytest.raises(InputError, match=path.name):
            recording.streams["face"].clip(event)
        found = datasets.inspect("mmme", root)
        assert [fault.item for fault in found.faults] == [event.id]

    def test_events_without_frames(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path)
        recording, _ = loaded(root)
        marker = next(e for e in recording.events if not e.id)
        assert not recording.streams["face"].shows(marker)
        with pytest.raises(InputError, match=r"no frames of event None"):
            recording.streams["face"].clip(marker)

    def test_a_counter_that_does_not_fit_the_stamps(self, tmp_path: Path) -> None:
        root = write_copy(tmp_path, [Person(jitter=2.0)])  # saved up to 2 s late, in any order
        recording, _ = loaded(root)
        with pytest.raises(InputError, match=r"clock 'camera' of recording .*"):
            align(recording)
        with pytest.warns(AlignmentWarning):
            (aligned,), wrong = align_all([recording])
        assert "face" not in aligned.streams
        assert wrong[0].item == "face"


class TestEvents:
    def test_an_expression_after_the_end_of_its_clip(self, tmp_path: Path) -> None:
        row = Coded(onset=5.8, apex=6.4, offset=6.8)
        _, faults = loaded(write_copy(tmp_path, [Person(rows=(row,))]))
        assert "s after the end of its clip (6.000 s) (kept)" in texts(faults)

    def test_an_expression_in_a_clip_that_nothing_marks(self, tmp_path: Path) -> None:
        person = Person()
        root = write_copy(tmp_path, [replace(person, clips=(103, 106, 104), rows=person.rows[:1])])
        write_table(root / "coding_file_combined.xlsx", [person], kinds=True)
        _, faults = loaded(root)
        assert "row 5, marker 101: no device marks its clip, so that it has no time" in texts(faults)
