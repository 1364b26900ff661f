"""The raw recordings of SEED-VII: EEG, gaze and triggers, whole and broken."""

from __future__ import annotations

import datetime
import itertools
import pickle
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from _cnt import write_cnt
from _gaze import write_triggers
from _seed_vii_files import write_copy, write_truth, write_workbook
from _seed_vii_raw_files import CHANNELS, CLIPS, DATE, LENGTH, stored, write_session
from mien.core import InputError, Label, Recording, Span, UnknownNameError
from mien.datasets import DatasetWarning, Fault, inspect, load
from mien.datasets import _seed_layout as layout
from mien.run import cli
from mien.timeline import align

EMOTIONS = ("disgust", "fear", "sad", "neutral", "happy", "anger", "surprise")
EDGES = [at for clip in CLIPS for at in clip]


def load_quietly(root: Path, **options: object) -> list[Recording]:
    """Loads; any warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load("seed_vii", root, **options)


def load_with_warning(root: Path, match: str) -> list[Recording]:
    with pytest.warns(DatasetWarning, match=match):
        return load("seed_vii", root)


def only_fault(root: Path) -> Fault:
    (fault,) = inspect("seed_vii", root).faults
    return fault


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One session of one person with clips 1 to 3."""
    write_session(tmp_path)
    write_truth(tmp_path, [1, 2, 3])
    return tmp_path


def cnt_of(root: Path, stem: str = "1_20221015_1") -> Path:
    return root / "EEG_raw" / f"{stem}.cnt"


def tsv_of(root: Path, stem: str = "1_20221015_1") -> Path:
    return root / "EYE_raw" / f"{stem}.tsv"


def triggers_of(root: Path, stem: str = "1_20221015_1") -> Path:
    return root / "save_info" / f"{stem}_trigger_info.csv"


def test_layout() -> None:
    assert layout.RAW_FOLDERS == ("EEG_raw", "EYE_raw", "save_info")
    assert (layout.RAW_EEG_RATE, layout.GAZE_RATE) == (1000, 250)
    assert layout.UNUSABLE_TRIGGERS == {"14_20221015_1": "14:25:34", "9_20221111_3": "14:01:27"}
    extra = [name for names in layout.RAW_EXTRA_CHANNELS.values() for name in names]
    assert sorted([*layout.CHANNELS, *extra]) == sorted(CHANNELS)


def test_streams(root: Path) -> None:
    (recording,) = load_quietly(root)
    assert (recording.id, recording.subject, recording.session) == ("sub-1_ses-1", "1", "1")
    described = {n: (s.modality, s.unit, s.rate, s.clock) for n, s in recording.streams.items()}
    assert described == {
        "raw_eeg": ("eeg", "V", 1000.0, "eeg"),
        "raw_reference": ("reference", "V", 1000.0, "eeg"),
        "raw_ecg": ("ecg", "V", 1000.0, "eeg"),
        "raw_eog": ("eog", "V", 1000.0, "eeg"),
        "raw_gaze": ("eye", "mixed", 250.0, "eye"),
    }
    assert recording.streams["raw_eeg"].channels == layout.CHANNELS
    assert recording.streams["raw_eog"].channels == ("HEO", "VEO")
    assert recording.streams["raw_eeg"].span == Span(start=0, duration=LENGTH)


def test_trials_lie_between_the_triggers_on_the_clock_of_the_eeg(root: Path) -> None:
    (recording,) = load_quietly(root)
    assert [(t.span.start, t.span.stop) for t in recording.trials] == [pytest.approx(c) for c in CLIPS]
    assert [t.id for t in recording.trials] == [f"sub-1_ses-1_clip-{k}" for k in (1, 2, 3)]
    assert recording.trials[1].labels == {"emotion": Label(value="neutral", scale=EMOTIONS, rater="stimulus")}
    assert list(recording.clocks) == ["eeg"]
    markers = [(e.clock, e.value, e.span.start) for e in recording.events if e.kind == "marker"]
    assert markers[:6] == [("eeg", 1 + k % 2, pytest.approx(at)) for k, at in enumerate(EDGES)]
    # the gaze starts 1.5 s before the EEG
    assert markers[6:] == [("eye", 1 + k % 2, pytest.approx(at + 1.5)) for k, at in enumerate(EDGES)]


def test_eeg_in_volts_channel_by_name(root: Path) -> None:
    (recording,) = load_quietly(root)
    values = stored()
    for name, channels in (("raw_eeg", ("FP1", "TP7", "CB2")), ("raw_reference", ("M1", "M2"))):
        stream = recording.streams[name]
        signal = stream.read(recording.trials[1].span)
        for channel in channels:
            expected = values[8000:11_250, CHANNELS.index(channel)] * 1e-6 / 204.8
            row = signal.data[stream.channels.index(channel)]
            np.testing.assert_allclose(row, expected, rtol=1e-12)


def test_aligned_gaze_is_read_by_the_clock_of_the_eeg(root: Path) -> None:
    (recording,) = load_quietly(root)
    aligned = align(recording)
    clock = aligned.clocks["eye"]
    # a row is a whole millisecond, a trigger a microsecond, a sample of the EEG a millisecond
    assert clock.offset == pytest.approx(-1.5, abs=1e-3)
    assert (clock.n_markers, clock.residual < 1e-3) == (6, True)
    for trial in aligned.trials:
        gaze = aligned.streams["raw_gaze"].read(trial.span)
        seconds = trial.span.start + 1.5 + np.arange(gaze.n_times) / 250
        # half a sample of 4 ms, and three decimals
        np.testing.assert_allclose(gaze.data[0], seconds, atol=2.6e-3)
        assert gaze.data[2].tolist() == pytest.approx([3.5e-3] * gaze.n_times)


@pytest.mark.parametrize("digits", [3, 6])
@pytest.mark.parametrize("hour", ["23:59:50", "23:59:59.9", "00:00:00"])
def test_midnight(tmp_path: Path, hour: str, digits: int) -> None:
    start = datetime.datetime.combine(DATE, datetime.time.fromisoformat(hour))
    write_session(tmp_path, eeg_start=start, digits=digits)
    write_truth(tmp_path, [1, 2, 3])
    (recording,) = load_quietly(tmp_path)
    assert align(recording).clocks["eye"].offset == pytest.approx(-1.5, abs=1e-3)
    assert inspect("seed_vii", tmp_path).ok


def test_recordings_travel_and_name_their_files(root: Path) -> None:
    (recording,) = load_quietly(root)
    again: Recording = pickle.loads(pickle.dumps(align(recording)))  # noqa: S301  our own bytes
    span = recording.trials[0].span
    for name, stream in align(recording).streams.items():
        np.testing.assert_array_equal(again.streams[name].read(span).data, stream.read(span).data)
        assert stream.source.files() == ((tsv_of if name == "raw_gaze" else cnt_of)(root),)


def test_either_device_alone(root: Path) -> None:
    cnt_of(root).rename(root / "elsewhere.cnt")
    (recording,) = load_quietly(root)
    assert (list(recording.streams), list(recording.clocks)) == (["raw_gaze"], ["eye"])
    assert [t.span.start for t in recording.trials] == pytest.approx([c[0] + 1.5 for c in CLIPS])
    assert align(recording) is recording
    (root / "elsewhere.cnt").rename(cnt_of(root))
    tsv_of(root).unlink()
    triggers_of(root).unlink()
    (recording,) = load_quietly(root)
    assert set(recording.streams) == {"raw_eeg", "raw_reference", "raw_ecg", "raw_eog"}
    assert [t.span.start for t in recording.trials] == pytest.approx([c[0] for c in CLIPS])


def test_raw_or_preprocessed(root: Path) -> None:
    with pytest.raises(InputError, match=r"holds no preprocessed clips, only EEG_raw, EYE_raw, save_info"):
        load("seed_vii", root, raw=False)
    write_copy(root, lengths={1: 2000, 2: 1700, 3: 2600})
    (clips,) = load_quietly(root)
    (raw,) = load_quietly(root, raw=True)
    assert set(clips.streams) == {
        "eeg", "shipped_eeg_psd", "shipped_eeg_de", "shipped_eeg_de_lds", "shipped_eye", "intensity"
    }  # fmt: skip
    assert load_quietly(root, raw=False)[0].trials == clips.trials
    # ids and labels are the same, times are not
    assert (raw.id, [t.id for t in raw.trials]) == (clips.id, [t.id for t in clips.trials])
    assert [t.labels for t in raw.trials] == [t.labels for t in clips.trials]
    assert not any(name in clips.streams for name in raw.streams)


def test_raw_asked_for_where_there_is_none(tmp_path: Path) -> None:
    write_copy(tmp_path)
    with pytest.raises(
        InputError, match=r"holds no raw recordings, only EEG_preprocessed, .*expected EEG_raw or"
    ):
        load("seed_vii", tmp_path, raw=True)
    (tmp_path / "save_info").mkdir()
    with pytest.raises(InputError, match="holds no raw recordings"):
        load("seed_vii", tmp_path, raw=True)


def test_chosen_subjects_and_sessions(tmp_path: Path) -> None:
    for subject, session in itertools.product(("2", "10"), (1, 2)):
        write_session(tmp_path, subject=subject, session=session)
    write_truth(tmp_path, [1, 2, 3, 21, 22, 23])
    assert [r.id for r in load_quietly(tmp_path)] == [f"sub-{s}_ses-{k}" for s in (2, 10) for k in (1, 2)]
    (only,) = load_quietly(tmp_path, subjects=[10], sessions=[2])
    assert [t.stimulus for t in only.trials] == ["21", "22", "23"]
    with pytest.raises(InputError, match="no files of subject 3; expected some of the subjects there: 2, 10"):
        load_quietly(tmp_path, subjects=["3"])
    with pytest.raises(InputError, match="no session 5"):
        load_quietly(tmp_path, sessions=[5])
    with pytest.raises(InputError, match="nothing can be used: no clips of these sessions"):
        load_quietly(tmp_path, sessions=[3])
    with pytest.raises(UnknownNameError, match="'row'; did you mean 'raw'"):
        load("seed_vii", tmp_path, row=True)


def test_a_whole_session_of_real_data_has_twenty_clips(tmp_path: Path) -> None:
    clips = [(1 + 0.8 * k, 1.5 + 0.8 * k) for k in range(20)]
    write_session(tmp_path, session=3, clips=clips)
    (recording,) = load_quietly(tmp_path)
    assert [t.stimulus for t in recording.trials] == [str(k) for k in range(41, 61)]
    assert [t.labels["emotion"].value for t in recording.trials][:5] == [
        "happy", "surprise", "disgust", "fear", "anger"
    ]  # fmt: skip


def test_other_trigger_codes_are_taken_in_pairs(tmp_path: Path) -> None:
    write_session(tmp_path, codes=(11, 12))
    write_truth(tmp_path, [1, 2, 3])
    (recording,) = load_quietly(tmp_path)
    assert [t.span.start for t in recording.trials] == pytest.approx([c[0] for c in CLIPS])
    assert align(recording).clocks["eye"].n_markers == 6


@pytest.mark.parametrize(("stem", "start"), [("14_20221015_1", "14:25:34"), ("9_20221111_3", "14:01:27")])
def test_files_whose_triggers_cannot_be_used(tmp_path: Path, stem: str, start: str) -> None:
    subject, date, session = stem.split("_")
    began = datetime.datetime.strptime(f"{date} {start}", "%Y%m%d %H:%M:%S")
    assert write_session(tmp_path, subject=subject, session=int(session), eeg_start=began) == stem
    first = 20 * (int(session) - 1) + 1
    write_truth(tmp_path, [first, first + 1, first + 2])
    # whatever its own triggers say
    write_cnt(cnt_of(tmp_path, stem), stored(), names=CHANNELS, events=[(-7, 3), (5, 3), (90_000, 250)])
    (recording,) = load_with_warning(tmp_path, f"{stem}.cnt: session {session}: its triggers cannot be used")
    assert [t.span.start for t in recording.trials] == pytest.approx([c[0] for c in CLIPS])
    assert align(recording).clocks["eye"].offset == pytest.approx(-1.5, abs=1e-6)
    fault = only_fault(tmp_path)
    assert fault.severity == "kept"
    assert f"the file's known start, {start}, to within 1 s" in fault.reason
    triggers_of(tmp_path, stem).unlink()
    with pytest.raises(InputError, match=r"nothing can be used: 2 faults"):
        load("seed_vii", tmp_path)
    reasons = [f.reason for f in inspect("seed_vii", tmp_path).faults]
    assert "its triggers cannot be used, and there is no usable trigger file in save_info" in reasons


# what inspect says


def test_inspection(tmp_path: Path) -> None:
    write_session(tmp_path, subject="1", lost=[(3.5, 4.5), (9.5, 10.0)])
    write_session(tmp_path, subject="2", session=2)
    tsv_of(tmp_path, "2_20221015_2").unlink()
    write_truth(tmp_path, [1, 2, 3, 21, 22, 23])
    found = inspect("seed_vii", tmp_path)
    assert found.ok
    assert found.found == ()
    assert [s["subject"] for s in found.sessions] == ["1", "2"]
    first, second = found.sessions
    clip_seconds = sum(b - a for a, b in CLIPS)
    assert first == {
        "subject": "1",
        "session": "1",
        "eeg_minutes": LENGTH / 60,
        "eeg_markers": 6,
        "gaze_minutes": pytest.approx(20 / 60),
        "trigger_rows": 6,
        "clips": 3,
        "clip_minutes": pytest.approx(clip_seconds / 60),
        # the clips start at 3.5, 9.5 and 14 s of the gaze
        "lost_gaze_percent": pytest.approx(100 * 1.5 / clip_seconds, abs=0.1),
    }
    assert (second["gaze_minutes"], second["lost_gaze_percent"], second["trigger_rows"]) == (None, None, 6)
    assert found.counts == {
        "raw subjects": (2, None),
        "files EEG_raw": (2, 4),
        "files EYE_raw": (1, 4),
        "files save_info": (2, 4),
        "raw sessions": (2, 4),
        "raw trials": (6, 12),
    }
    assert found.to_dict()["sessions"][1]["clips"] == 3


def test_inspection_of_both(root: Path) -> None:
    write_copy(root, lengths={1: 2000, 2: 1700, 3: 2600})
    write_workbook(root)
    seen: list[tuple[int, int]] = []
    found = inspect("seed_vii", root, progress=lambda done, total, _: seen.append((done, total)))
    assert found.ok
    assert (len(found.found), len(found.sessions)) == (1, 1)
    assert found.counts["trials"] == found.counts["raw trials"] == (3, 3)
    assert seen == [(k, 19) for k in range(20)]  # 6 kinds of 3 clips, and a session
    assert not any("folders that are not there" in note for note in found.notes)


def test_counts_of_real_data_are_those_of_the_card(tmp_path: Path) -> None:
    write_session(tmp_path, clips=[(1 + 0.8 * k, 1.5 + 0.8 * k) for k in range(20)])
    counts = inspect("seed_vii", tmp_path).counts
    assert counts["raw subjects"] == (1, 20)
    assert counts["files EEG_raw"] == counts["raw sessions"] == (1, 80)
    assert counts["raw trials"] == (20, 1600)


def test_faults_that_only_reading_shows(tmp_path: Path) -> None:
    eeg = stored()
    eeg[:, CHANNELS.index("CZ")] = 7
    write_session(tmp_path, eeg=eeg, gaze_length=17.0, lost=[(9.5, 12.0)])
    write_truth(tmp_path, [1, 2, 3])
    faults = {f.item: f for f in inspect("seed_vii", tmp_path).faults}
    assert {f.severity for f in faults.values()} == {"kept"}
    assert faults.pop("channel CZ").reason == "holds one value all through; expected a signal"
    assert faults.pop("clip 2").reason == "has no gaze in 77 % of its samples"
    assert faults.pop("clip 3").reason == "ends at 18.5 s, the recording at 17.0 s"
    assert not faults
    (recording,) = load_quietly(tmp_path)  # headers do not show it
    aligned = align(recording)
    covered = [aligned.streams["raw_gaze"].covers(t.span) for t in aligned.trials]
    assert covered == [True, True, False]


def test_lengths_that_differ_between_eeg_and_trigger_file(root: Path) -> None:
    start = DATE.replace(hour=14)
    rows = [(1 + k % 2, start + datetime.timedelta(seconds=at)) for k, at in enumerate(EDGES)]
    rows[3] = (2, rows[3][1] + datetime.timedelta(seconds=0.5))
    write_triggers(triggers_of(root), rows)
    fault = only_fault(root)
    assert (fault.item, fault.severity) == ("clip 2", "kept")
    assert fault.reason == "lasts 3.25 s by its triggers, 3.75 s by the trigger file"


def test_another_rate_and_channels_that_are_not_there(root: Path) -> None:
    names = [c for c in CHANNELS if c not in ("ECG", "M2")]
    events = [(round(at * 500), 1 + k % 2) for k, at in enumerate(EDGES)]
    write_cnt(cnt_of(root), stored(9.0)[:, : len(names)], names=names, events=events, rate=500)
    faults = inspect("seed_vii", root).faults
    assert [f.reason for f in faults] == [
        "has 500 samples per second; expected 1000",
        "is not there, and so its stream is left out",
    ]
    (recording,) = load_quietly(root)
    assert set(recording.streams) == {"raw_eeg", "raw_eog", "raw_gaze"}


# broken files: left out and named, and the rest still read


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 3])


def html(path: Path) -> None:
    path.write_text("<!DOCTYPE html><html>please log in</html>")


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, html, empty])
@pytest.mark.parametrize("file", [cnt_of, tsv_of])
def test_a_broken_file_is_left_out(
    root: Path, file: Callable[[Path], Path], damage: Callable[[Path], None]
) -> None:
    damage(file(root))
    fault = only_fault(root)
    assert (fault.file, fault.subject, fault.severity) == (str(file(root)), "1", "left out")
    (recording,) = load_with_warning(root, "mien inspect seed_vii")
    kept = {cnt_of: {"raw_gaze"}, tsv_of: {"raw_eeg", "raw_reference", "raw_ecg", "raw_eog"}}[file]
    assert set(recording.streams) == kept
    assert len(recording.trials) == 3


def test_a_trigger_file_with_one_row_missing(root: Path) -> None:
    path = triggers_of(root)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2] + lines[3:]))
    (recording,) = load_with_warning(root, "2 faults")
    assert "raw_gaze" not in recording.streams
    faults = inspect("seed_vii", root).faults
    assert [f.file for f in faults] == [str(path), str(tsv_of(root))]
    assert faults[0].reason.startswith("row 3 is the end of a clip (code 2), where the start of clip 2")
    assert "no usable trigger file tells where its clips are" in faults[1].reason


def test_a_trigger_file_with_a_clip_missing(root: Path) -> None:
    path = triggers_of(root)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:4]))
    faults = inspect("seed_vii", root).faults
    assert faults[0].reason == "holds 2 clips; expected 3 (clips 1-3)"


def test_lost_eeg_triggers_are_made_good_by_the_trigger_file(root: Path) -> None:
    events = [(round(at * 1000), 1 + k % 2) for k, at in enumerate(EDGES) if k != 2]
    write_cnt(cnt_of(root), stored(), names=CHANNELS, events=events)
    (recording,) = load_with_warning(
        root, "has 5 triggers; expected 6, the start and the end of each of clips"
    )
    assert list(recording.clocks) == ["eye"]
    aligned = align(recording)
    assert aligned.clocks["eeg"].offset == pytest.approx(1.5, abs=1e-3)
    second = aligned.streams["raw_eeg"].read(aligned.trials[1].span).data[0]
    np.testing.assert_allclose(second, stored()[8000:11_250, 0] * 1e-6 / 204.8, rtol=1e-12)
    assert only_fault(root).severity == "kept"


@pytest.mark.parametrize("events", [[], [(2000, 1)]])
def test_eeg_without_triggers_is_left_out(root: Path, events: list[tuple[int, int]]) -> None:
    write_cnt(cnt_of(root), stored(), names=CHANNELS, events=events)
    (recording,) = load_with_warning(root, f"has {len(events)} triggers; expected 6")
    assert set(recording.streams) == {"raw_gaze"}
    triggers_of(root).unlink()
    with pytest.raises(InputError, match="nothing can be used: 2 faults"):
        load("seed_vii", root)


def test_triggers_out_of_order(root: Path) -> None:
    codes = [1, 2, 2, 1, 1, 2]
    events = [(round(at * 1000), c) for at, c in zip(EDGES, codes, strict=True)]
    write_cnt(cnt_of(root), stored(), names=CHANNELS, events=events)
    assert only_fault(root).reason.startswith("trigger 3 of 6 is 2; expected 1 (start) and 2 (end) in turn")
    (recording,) = load_with_warning(root, "the trigger file is used")
    assert list(recording.clocks) == ["eye"]


def test_gaze_that_starts_after_the_first_trigger(tmp_path: Path) -> None:
    write_session(tmp_path, gaze_offset=-4.0)
    write_truth(tmp_path, [1, 2, 3])
    (recording,) = load_with_warning(tmp_path, r"starts 2\.0 s after the first trigger of the session")
    assert "raw_gaze" not in recording.streams


def test_eeg_without_the_channels_of_the_data_set(root: Path) -> None:
    names = [f"E{k}" if name in ("CZ", "OZ") else name for k, name in enumerate(CHANNELS)]
    write_cnt(cnt_of(root), stored(), names=names, events=[(10, 1)])
    assert only_fault(root).reason.startswith("lacks the channels CZ, OZ; expected the 62 channels")


@pytest.mark.parametrize("name", ["1_1_20221015.cnt", "1_20221015_5.cnt", "01_20221015_1.cnt", "copy.CNT"])
def test_a_renamed_file_is_not_guessed(root: Path, name: str) -> None:
    cnt_of(root).rename(root / "EEG_raw" / name)
    fault = only_fault(root)
    assert (Path(fault.file).name, fault.severity) == (name, "left out")
    assert "is not of the form SUBJECT_yyyymmdd_SESSION.cnt" in fault.reason


def test_two_files_of_one_session(root: Path) -> None:
    (root / "EEG_raw" / "1_20221016_1.cnt").write_bytes(cnt_of(root).read_bytes())
    fault = only_fault(root)
    assert fault.item == "session 1"
    assert fault.reason.startswith("1_20221015_1.cnt, 1_20221016_1.cnt are of the same session")


def test_other_files_are_mentioned(root: Path) -> None:
    (root / "save_info" / "1_20221015_1_self_score.csv").write_text("1,2")
    (root / "EYE_raw" / ".DS_Store").write_bytes(b"x")
    found = inspect("seed_vii", root)
    assert found.ok
    assert (
        "save_info: files that are not *_trigger_info.csv were ignored: 1_20221015_1_self_score.csv"
        in found.notes
    )


def test_nothing_usable(root: Path) -> None:
    for path in root.glob("*/1_*"):
        html(path)
    with pytest.raises(InputError, match=r"nothing can be used: 3 faults, the first: .*is a web page"):
        load("seed_vii", root)
    assert [f.file for f in inspect("seed_vii", root).faults] == [
        str(f(root)) for f in (triggers_of, tsv_of, cnt_of)
    ]


def run_command(*words: object, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["mien", *map(str, words)])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # main() sets it
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


def events_before_the_start(root: Path) -> tuple[Path, str]:
    write_cnt(cnt_of(root), stored(), names=CHANNELS, events=[(-3, 1), (5, 2)])
    return cnt_of(root), "event 1 of 2 (code 1) lies 3 samples before the first of 18,000 samples"


def more_channels_than_bytes(root: Path) -> tuple[Path, str]:
    write_cnt(cnt_of(root), stored(), names=CHANNELS, n_channels=9000, events=[(5, 2)])
    return cnt_of(root), "its header promises 18,000 samples of 9000 channels (648,000,000 bytes)"


def cut_in_the_middle(root: Path) -> tuple[Path, str]:
    cut(cnt_of(root))
    return cnt_of(root), "its header promises 67 channels of 18,000 samples"


def comma_separated(root: Path) -> tuple[Path, str]:
    path = tsv_of(root)
    path.write_text(path.read_text().replace(",", ".").replace("\t", ","))
    return path, "is separated by commas, not by tabs"


def a_row_missing(root: Path) -> tuple[Path, str]:
    path = triggers_of(root)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    return path, "row 1 is the end of a clip (code 2), where the start of clip 1 (code 1) should be"


@pytest.mark.parametrize(
    "damage",
    [events_before_the_start, more_channels_than_bytes, cut_in_the_middle, comma_separated, a_row_missing],
)
def test_what_the_command_line_says(
    root: Path,
    damage: Callable[[Path], tuple[Path, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, reason = damage(root)
    assert run_command("inspect", "seed_vii", root, monkeypatch=monkeypatch) == 1
    assert f"{path}" in (out := capsys.readouterr().out)
    assert reason in out
    # nothing else to fall back on
    (tsv_of if path == cnt_of(root) else cnt_of)(root).unlink()
    assert run_command("features", "seed_vii", root, "--out", root / "f", monkeypatch=monkeypatch) == 2
    shown = capsys.readouterr().err.strip()
    assert shown.startswith(f"mien: {root}: nothing can be used: ")
    assert f"{path}: " in shown
    assert reason in shown
    assert "\n" not in shown


def test_the_page_names_the_raw_streams_and_files() -> None:
    page = (Path(__file__).parents[1] / "docs" / "datasets" / "seed_vii.md").read_text(encoding="utf-8")
    for stream in ("raw_eeg", "raw_reference", "raw_ecg", "raw_eog", "raw_gaze"):
        assert f"`{stream}`" in page
    for folder, ending in layout.RAW_ENDINGS.items():
        assert f"{folder}/{{subject}}_{{yyyymmdd}}_{{session}}{ending}" in page
    for stem in layout.UNUSABLE_TRIGGERS:
        assert stem in page


def test_a_workbook_that_disagrees(root: Path) -> None:
    write_workbook(root, {2: "happy"})
    with pytest.raises(InputError, match="contradicts the known emotions of clip 2"):
        load("seed_vii", root)
