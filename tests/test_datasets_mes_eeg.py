"""MEs-EEG from files to recordings: times, events, faces and EEG of small copies with known content."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _mes_eeg_files import (
    FOLDERS,
    NAMES_64,
    NAMES_68,
    Coded,
    default_rows,
    grey_of,
    start_of,
    write_copy,
    write_eeg,
    write_faces,
    write_table,
    write_video,
)
from mien import datasets
from mien.core import Event, InputError, Recording, Span, UnknownNameError
from mien.core.pseudonyms import PUBLIC_KEY, pseudonym
from mien.datasets import DatasetWarning
from mien.datasets._me_events import iou, merge, overlapping_pairs
from mien.datasets._me_table import read_table

ALPHA, BRAVO = (pseudonym(name, key=PUBLIC_KEY) for name in ("alpha", "bravo"))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people, five rows, cropped pictures and EEG; read only."""
    return write_copy(tmp_path_factory.mktemp("mes_eeg"))


def load(root: Path, **options: object) -> dict[str, Recording]:
    return {r.id: r for r in datasets.load("mes_eeg", root, **options)}


def events_of(recording: Recording) -> dict[str, Event]:
    return {str(e.id): e for e in recording.events}


def quiet_load(root: Path, **options: object) -> dict[str, Recording]:
    with pytest.warns(DatasetWarning):
        return load(root, **options)


# --- recordings, trials, labels ------------------------------------------------------------------------


def test_recordings_and_trials(copy: Path) -> None:
    found = load(copy)
    assert set(found) == {f"{ALPHA}_20230718", f"{BRAVO}_20230801"}
    alpha = found[f"{ALPHA}_20230718"]
    assert (alpha.dataset, alpha.subject, alpha.session) == ("mes_eeg", ALPHA, "20230718")
    assert [(t.id, t.stimulus) for t in alpha.trials] == [
        (f"{ALPHA}_20230718_{m}", str(m)) for m in (103, 106, 101)
    ]
    assert [(t.span.start, t.span.duration) for t in alpha.trials] == [(start_of(i), 6.0) for i in range(3)]


def test_labels(copy: Path) -> None:
    alpha = load(copy)[f"{ALPHA}_20230718"]
    happy, calm, sad = alpha.trials
    assert {k: v.value for k, v in happy.labels.items()} == {
        "emotion8": "happy",
        "emotion": "happy",
        "emotion3": "positive",
        "emotion5": "happy",
    }
    assert {k: v.value for k, v in calm.labels.items()} == {"emotion8": "calm"}
    assert sad.labels["emotion3"].value == "negative"
    assert happy.labels["emotion"].scale == (
        "angry",
        "disgust",
        "fear",
        "happy",
        "sad",
        "surprise",
        "tension",
    )
    assert happy.labels["emotion8"].scale[-1] == "calm"
    assert {label.rater for t in alpha.trials for label in t.labels.values()} == {"stimulus"}


def test_the_files_tense_is_tension(tmp_path: Path) -> None:
    rows = [Coded(marker=105, units="AU14")]
    (found,) = load(write_copy(tmp_path, rows, eeg=())).values()
    (event,) = found.events
    assert {k: v.value for k, v in event.labels.items()} == {
        "emotion": "tension",
        "emotion3": "negative",
        "emotion5": "fear_tension",
    }


def test_eeg_streams_are_chosen_by_name(tmp_path: Path) -> None:
    names = [*NAMES_68[::-1]]
    write_eeg(tmp_path, markers=(103,), channels=names)
    (tmp_path / "truth.json").write_text('{"simulated": true}')
    (found,) = load(tmp_path).values()
    eeg, every = found.streams["raw_eeg"], found.streams["raw_eeg_all"]
    assert list(eeg.channels) == [n for n in NAMES_64 if n not in ("M1", "M2")]
    assert list(every.channels) == names
    stored = np.fromfile(next(tmp_path.rglob("*.fdt")), dtype="<f4").reshape(-1, 68).T.astype(np.float64)
    span = Span(start=2.0, duration=1.5)
    want = stored[[names.index(n) for n in eeg.channels], 500:875] * 1e-6
    np.testing.assert_allclose(eeg.read(span).data, want, rtol=1e-12)  # one rounding of a product
    np.testing.assert_allclose(every.read(span).data, stored[:, 500:875] * 1e-6, rtol=1e-12)
    assert {n: s.channels for n, s in found.streams.items() if n not in ("raw_eeg", "raw_eeg_all")} == {
        "raw_reference": ("M1", "M2"),
        "raw_eog": ("HEO", "VEO"),
        "raw_ecg": ("EKG",),
        "raw_emg": ("EMG",),
    }


def test_chosen_subjects_and_kinds(copy: Path) -> None:
    assert set(load(copy, subjects=[BRAVO])) == {f"{BRAVO}_20230801"}
    micro = load(copy, kinds=("micro",))[f"{ALPHA}_20230718"]
    every = load(copy)[f"{ALPHA}_20230718"]
    assert {e.kind for e in micro.events} == {"micro"}
    assert {e.kind for e in every.events} == {"micro", "macro"}
    assert set(events_of(micro)) < set(events_of(every))
    assert all(events_of(every)[i].span == e.span for i, e in events_of(micro).items())
    assert micro.trials == every.trials
    (macro_face,) = [e for e in every.events if e.kind == "macro"]
    assert not micro.streams["face"].shows(macro_face)
    with pytest.raises(UnknownNameError, match="unknown kind 'mikro'; did you mean 'micro'"):
        load(copy, kinds=("mikro",))
    with pytest.raises(UnknownNameError, match="unknown stage 'crop'; did you mean 'cropped'"):
        load(copy, stage="crop")
    with pytest.raises(UnknownNameError, match="unknown frames 'some'"):
        load(copy, frames="some")


# --- events --------------------------------------------------------------------------------------------


def test_event_times_are_the_trials_start_and_the_coded_seconds(copy: Path) -> None:
    found = events_of(load(copy)[f"{ALPHA}_20230718"])
    assert list(found) == [f"{ALPHA}_20230718_{e}" for e in ("103_e01", "103_e02", "101_e01")]
    second = found[f"{ALPHA}_20230718_103_e02"]
    start = start_of(0)
    assert (second.kind, second.value, second.trial) == ("macro", "AU12", f"{ALPHA}_20230718_103")
    assert second.span.start == pytest.approx(start + 4.0)
    assert second.apex == pytest.approx(start + 4.5)
    assert second.span.stop == pytest.approx(start + 5.5)


def test_rows_of_one_event_become_the_first_that_codes_its_offset(copy: Path) -> None:
    event = events_of(load(copy)[f"{ALPHA}_20230718"])[f"{ALPHA}_20230718_103_e01"]
    assert (event.kind, event.value) == ("micro", "AU12")
    assert event.span.start == pytest.approx(start_of(0) + 2.0)
    assert event.span.stop == pytest.approx(start_of(0) + 2.4)
    assert dict(event.notes) == {"rows_merged": 2, "offset_coded": 1, "disagree_kind": 1, "disagree_aus": 1}


def test_the_order_of_such_rows_does_not_matter(tmp_path: Path) -> None:
    rows = default_rows()
    for name, order in (("a", rows), ("b", [rows[1], rows[0], *rows[2:]])):
        write_copy(tmp_path / name, order)
    a, b = (load(tmp_path / name)[f"{ALPHA}_20230718"].events for name in "ab")
    assert a == b


def test_an_offset_that_repeats_the_apex_was_not_coded(copy: Path) -> None:
    (event,) = load(copy)[f"{BRAVO}_20230801"].events
    assert event.apex == event.span.stop
    assert event.notes["offset_coded"] == 0
    assert load(copy)[f"{BRAVO}_20230801"].streams["face"].clip(event).offset is None


def test_an_apex_that_was_not_coded(tmp_path: Path) -> None:
    row = Coded(cells={"ApexTime": None})
    write_table(tmp_path / "coding_file_combined.xlsx", [row])
    write_eeg(tmp_path, markers=(103,))
    (event,) = next(iter(load(_made_up(tmp_path)).values())).events
    assert event.apex is None
    assert event.span.duration == pytest.approx(0.4)


def _made_up(root: Path) -> Path:
    (root / "truth.json").write_text('{"simulated": true}')
    return root


@pytest.mark.parametrize(
    ("shift", "moved"), [(0.04, 0.0), (-0.04, 0.0), (0.2, 0.2), (-0.06, -0.06), (3.0, 0.0)]
)
def test_stamps_place_apex_and_offset_where_seconds_contradict(
    tmp_path: Path, shift: float, moved: float
) -> None:
    rows = [Coded(onset=2.0, apex=2.5, offset=3.0, stamp_shift=shift, kind="Macro")]
    root = write_copy(tmp_path, rows, stages=(), eeg=())
    write_eeg(root, markers=(103,))
    (event,) = next(iter(load(root).values())).events
    start = start_of(0)
    assert event.span.start == pytest.approx(start + 2.0)
    assert event.apex == pytest.approx(start + 2.5 + moved)
    assert event.span.stop == pytest.approx(start + 3.0 + moved)
    listed = [n for n in datasets.inspect("mes_eeg", root).notes if "stamps and seconds disagree" in n]
    assert bool(listed) == (abs(shift) > 0.05)
    assert not listed or f"rows 2 ({abs(shift):.2f} s)" in listed[0]


def test_stamps_may_pass_midnight(tmp_path: Path) -> None:
    stamps = {"OnsetFrame": "23-59-59-900", "ApexFrame": "00-00-00-200", "OffsetFrame": "00-00-00-300"}
    path = write_table(tmp_path / "t.xlsx", [Coded(onset=2.0, apex=2.2, offset=2.4, cells=stamps)])
    (row,) = read_table(path).rows
    assert row.disagreement == pytest.approx(0.1)
    assert row.on_the_clock() == pytest.approx((2.0, 2.3, 2.4))


spans = st.tuples(st.integers(0, 300), st.integers(1, 100)).map(lambda p: (p[0] / 100, (p[0] + p[1]) / 100))


@given(st.lists(spans, min_size=1, max_size=8))
def test_merging_is_by_connected_components_whatever_the_order(times: list[tuple[float, float]]) -> None:
    rows = [_row(i, a, b) for i, (a, b) in enumerate(times)]
    ((_, events),) = merge(rows).items()
    again = merge(rows[::-1])[rows[0].video]
    assert {frozenset(r.number for r in e.rows) for e in events} == {
        frozenset(r.number for r in e.rows) for e in again
    }
    assert [e.row.number for e in events] == [e.row.number for e in again]
    assert sorted(r.number for e in events for r in e.rows) == list(range(len(times)))
    together = {r.number: i for i, e in enumerate(events) for r in e.rows}
    assert all(together[a.number] == together[b.number] for a, b in overlapping_pairs(rows))
    # no part of an event can be taken off it without cutting a pair
    linked = {frozenset((a.number, b.number)) for a, b in overlapping_pairs(rows)}
    for event in events:
        reached = {event.rows[0].number}
        while grown := {n for pair in linked if pair & reached for n in pair} - reached:
            reached |= grown
        assert reached == {r.number for r in event.rows}


def _row(number: int, onset: float, end: float):  # type: ignore[no-untyped-def]
    from mien.datasets._me_rows import Row

    return Row(
        number=number, name="alpha", date="20230718", marker=103, emotion="happy", kind="micro", units="AU12",
        onset=onset, apex=end, offset=None, stamps=(None, None, None), dif=None, key=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        ((0.0, 1.0), (0.0, 1.0), 1.0),
        ((0.0, 1.0), (0.5, 1.0), 0.5),
        ((0.0, 1.0), (1.0, 2.0), 0.0),
        ((0.0, 2.0), (1.0, 3.0), 1 / 3),
    ],
)
def test_overlap(a: tuple[float, float], b: tuple[float, float], wanted: float) -> None:
    assert iou(_row(0, *a), _row(1, *b)) == iou(_row(1, *b), _row(0, *a)) == pytest.approx(wanted)


def test_half_an_overlap_is_enough_in_spite_of_rounding() -> None:
    assert (
        len(overlapping_pairs([_row(0, 0.1, 0.4), _row(1, 0.2, 0.5)])) == 1
    )  # 0.2 of 0.4 s, but for rounding


# --- time without EEG ----------------------------------------------------------------------------------


def test_trials_without_eeg_lie_one_after_another(tmp_path: Path) -> None:
    rows = [Coded(marker=104, offset=2.4), Coded(marker=101, onset=1.0, apex=1.5, offset=1.9)]
    root = write_copy(tmp_path, rows, eeg=())
    (found,) = load(root).values()
    assert [(t.stimulus, t.span.start, t.span.duration) for t in found.trials] == [
        ("101", 0.0, pytest.approx(1.9)),
        ("104", pytest.approx(1.9), pytest.approx(2.4)),
    ]
    assert [e.span.start for e in found.events] == pytest.approx([1.0, 1.9 + 2.0])
    assert list(found.streams) == ["face"]


def test_coded_trials_that_the_eeg_lacks_lie_after_its_end(tmp_path: Path) -> None:
    root = write_copy(tmp_path, [*default_rows(), Coded(marker=111)], eeg=(("alpha", "20230718"),))
    alpha = load(root)[f"{ALPHA}_20230718"]
    late = alpha.trials[-1]
    assert late.stimulus == "111"
    assert late.span.start == alpha.streams["raw_eeg"].span.stop == 23.0
    assert not alpha.streams["raw_eeg"].covers(late.span)
    assert alpha.streams["face"].shows(alpha.events[-1])
    bravo = load(root)[f"{BRAVO}_20230801"]
    assert list(bravo.streams) == ["face"]


@pytest.mark.parametrize("listed", [True, False], ids=["markers beyond", "markers lost"])
def test_a_recording_that_ends_within_a_trial(tmp_path: Path, listed: bool) -> None:
    markers = (103, 101, 111)
    rows = [Coded(), Coded(marker=101), Coded(marker=111)]
    root = write_copy(tmp_path, rows, eeg=())
    seconds = start_of(1) + 2.0
    events = None
    if not listed:
        from _mes_eeg_files import RATE, eeg_events

        events = [e for e in eeg_events(markers) if (e[1] - 1) / RATE < seconds]
    write_eeg(root, markers=markers, seconds=seconds, **({} if events is None else {"events": events}))
    (found,) = quiet_load(root).values()
    eeg = found.streams["raw_eeg"]
    whole, cut, lost = found.trials
    assert [t.stimulus for t in found.trials] == ["103", "101", "111"]
    assert eeg.covers(whole.span)
    assert cut.span.start == start_of(1)
    assert not eeg.covers(lost.span)
    if listed:  # the events' places are known, so the trials have their true time
        assert cut.span.duration == 6.0
        assert lost.span.start == start_of(2)
        assert not eeg.covers(cut.span)
    else:
        assert cut.span.stop == lost.span.start == pytest.approx(seconds)
    texts = [str(f) for f in datasets.inspect("mes_eeg", root).faults]
    assert any("marker 101" in t and ("the recording ends at" in t or "no end (100)" in t) for t in texts)


def test_a_trial_that_nobody_recorded_or_coded_is_none(tmp_path: Path) -> None:
    root = write_copy(tmp_path, [Coded()], eeg=())
    write_eeg(root, markers=(103, 106, 101), seconds=start_of(1) - 0.5)
    (found,) = quiet_load(root).values()
    assert [t.stimulus for t in found.trials] == ["103"]


# --- faces ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", list(FOLDERS))
def test_pictures_and_videos_of_every_stage(tmp_path: Path, stage: str) -> None:
    row = Coded(onset=2.0, apex=2.2, offset=2.4)
    root = write_copy(tmp_path, [row], stages=(stage,), eeg=())
    (found,) = load(root).values()
    (event,) = found.events
    clip = found.streams["face"].clip(event)
    moments = [2.0, 2.2] if stage != "avi" else [2.0, 2.2, 2.4]
    first = "align_onset_by_nose.png" if stage == "aligned" else "onset.png"
    greys = [0, 40, 80] if stage == "avi" else [grey_of(row, first), grey_of(row, "apex.png")]
    np.testing.assert_allclose(clip.times, moments, atol=1e-9)
    # 100 frames a second, 2 grey levels a frame; video goes through YUV, which costs a level or two
    np.testing.assert_allclose(clip.frames[:, 0, 0, 1].astype(int), greys, atol=2 if stage == "avi" else 0)
    assert (clip.onset, clip.apex, clip.offset) == (event.span.start, event.apex, pytest.approx(2.4))
    assert {p.suffix for p in found.streams["face"].source.files_of(event)} == {
        ".avi" if stage == "avi" else ".png"
    }


def test_all_frames_of_a_video(tmp_path: Path) -> None:
    root = write_copy(tmp_path, [Coded(onset=2.0, apex=2.2, offset=2.4)], stages=("avi",), eeg=())
    (found,) = load(root, frames="all").values()
    clip = found.streams["face"].clip(found.events[0])
    assert clip.n_frames == 41
    np.testing.assert_allclose(clip.times, 2.0 + np.arange(41) / 100, atol=1e-9)


def test_a_long_video_is_thinned_and_keeps_its_moments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mien.datasets import _mes_eeg_face

    root = write_copy(tmp_path, [Coded(onset=2.0, apex=2.2, offset=2.4)], stages=("avi",), eeg=())
    (found,) = load(root, frames="all").values()
    monkeypatch.setattr(_mes_eeg_face, "_CLIP_BYTES", 3 * 16 * 16 * 10)
    clip = found.streams["face"].clip(found.events[0])
    assert 9 <= clip.n_frames <= 13
    for moment in (2.0, 2.2, 2.4):
        assert clip.at(moment, tolerance=1e-6) >= 0


def test_dropped_frames_bend_the_times_of_a_video(tmp_path: Path) -> None:
    row = Coded(onset=2.0, apex=2.2, offset=2.4, stamp_shift=0.1)
    root = write_copy(tmp_path, [row], stages=("avi",), eeg=())
    (found,) = load(root, frames="all").values()
    (event,) = found.events
    clip = found.streams["face"].clip(event)
    assert event.apex == pytest.approx(2.3)
    # frame 20 is the apex: coded at 0.2 s of the video, shown at 0.3 s by the stamps
    assert clip.times[20] == pytest.approx(2.3)
    assert clip.times[10] == pytest.approx(2.15)
    assert clip.times[-1] == pytest.approx(2.5)
    assert clip.apex == event.apex


def test_a_videos_name_knows_its_rate_better_than_its_header(tmp_path: Path) -> None:
    row = Coded(onset=2.0, apex=2.2, offset=2.4)
    root = write_copy(tmp_path, [row], stages=("avi",), eeg=())
    path = next(root.rglob("*.avi"))
    path.unlink()
    write_video(path, seconds=0.4 * 100 / 150, fps=150)  # 41 frames; the header says 150, the name 100
    (found,) = load(root, frames="all").values()
    clip = found.streams["face"].clip(found.events[0])
    np.testing.assert_allclose(clip.times, 2.0 + np.arange(41) / 100, atol=1e-6)
    notes = datasets.inspect("mes_eeg", root).notes
    assert any(f"{ALPHA}_20230718_103_e01 (150.0, not 100)" in n for n in notes)


def test_an_event_shows_the_first_of_its_rows_that_has_files(tmp_path: Path) -> None:
    rows = default_rows()
    root = write_copy(tmp_path, rows, stages=())
    write_faces(root, [rows[1]], "cropped")
    recordings = quiet_load(root)
    face = recordings[f"{ALPHA}_20230718"].streams["face"]
    event = events_of(recordings[f"{ALPHA}_20230718"])[f"{ALPHA}_20230718_103_e01"]
    clip = face.clip(event)
    # its own row was cut from 2.02 to 2.30 s
    np.testing.assert_allclose(clip.times, start_of(0) + np.array([2.02, 2.3]))
    assert clip.frames[0, 0, 0, 0] == grey_of(rows[1], "onset.png")


def test_the_best_stage_is_the_fullest_and_then_the_first(tmp_path: Path) -> None:
    rows = default_rows()
    root = write_copy(tmp_path, rows, stages=("cropped", "full"))
    write_faces(root, rows[2:3], "avi")
    assert any(
        "read from full; also there: avi, cropped" in n for n in datasets.inspect("mes_eeg", root).notes
    )
    face = load(root)[f"{ALPHA}_20230718"].streams["face"]
    assert all("1.pics_selected" in str(p) for p in face.source.files())
    face = quiet_load(root, stage="avi")[f"{ALPHA}_20230718"].streams["face"]
    assert [p.suffix for p in face.source.files()] == [".avi"]


def test_a_clip_has_times_of_its_own_whatever_the_source(copy: Path) -> None:
    recording = load(copy)[f"{ALPHA}_20230718"]
    face = pickle.loads(pickle.dumps(recording.streams["face"]))  # noqa: S301  our own bytes
    for event in recording.events:
        clip = face.clip(event)
        assert clip.times[0] == event.span.start
        assert clip.at(event.apex, tolerance=1e-9) == 1
    stranger = replace(recording.events[0], id="nobody")
    assert not face.shows(stranger)
    with pytest.raises(InputError, match="no frames of event nobody"):
        face.clip(stranger)
    assert not face.covers(recording.trials[0].span)


def test_what_a_clip_depends_on_is_in_its_version(copy: Path) -> None:
    one, other = (
        load(copy, frames=frames)[f"{ALPHA}_20230718"].streams["face"].source for frames in ("key", "all")
    )
    assert one.version != other.version


# --- inspection ----------------------------------------------------------------------------------------


def test_inspection_counts_and_lists(copy: Path) -> None:
    found = datasets.inspect("mes_eeg", copy)
    assert found.ok, found.faults
    counts = {name: n for name, (n, _) in found.counts.items()}
    assert counts == {
        "subjects": 2,
        "coded subjects": 2,
        "rows": 5,
        "rows macro": 2,
        "rows micro": 3,
        "rows of batch 1": 2,
        "rows of batch 2": 2,
        "rows of batch 3": 1,
        "rows without a coded offset": 2,
        "rows with dif as the annotators' program made it": 5,
        "videos": 3,
        "markers": 3,
        "pairs of rows of one event": 1,
        "rows in such pairs": 2,
        "events": 4,
        "EEG files": 2,
        "EEG trials": 5,
        "events with a face": 4,
    }
    assert all(expected is None for _, expected in found.counts.values())
    assert [row["recording"] for row in found.found] == sorted([f"{ALPHA}_20230718", f"{BRAVO}_20230801"])
    joined = "\n".join(found.notes)
    assert "events coded more than once: 1, by 2 rows" in joined
    assert (
        f"disagree about the type in 1: {ALPHA}_20230718_103_e01 (rows 2, 3, marker 103: micro / macro)"
        in joined
    )
    assert "disagree about the action units in 1" in joined


def test_progress_counts_up_and_names_nobody(copy: Path) -> None:
    said: list[tuple[int, int, str]] = []
    datasets.inspect("mes_eeg", copy, progress=lambda *a: said.append(a))
    assert [done for done, _, _ in said] == list(range(7))
    assert {total for _, total, _ in said} == {6}
    assert not any("alpha" in text or "bravo" in text for _, _, text in said)


def test_real_data_are_compared_with_the_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "config"))
    found = datasets.inspect("mes_eeg", write_copy(tmp_path / "copy", simulated=False))
    assert found.counts["rows"] == (5, 944)
    assert found.counts["rows of batch 2"] == (2, 269)
    assert found.counts["EEG trials"] == (5, 1006)


def test_made_up_data_are_compared_with_their_truth(tmp_path: Path) -> None:
    root = write_copy(tmp_path, eeg=())
    (root / "truth.json").write_text('{"simulated": true, "n_rows": 6, "subjects": ["a", "b"], "events": []}')
    counts = datasets.inspect("mes_eeg", root).counts
    assert (counts["rows"], counts["subjects"], counts["events"]) == ((5, 6), (2, 2), (4, 0))
    assert counts["videos"] == (3, None)


def test_the_table_alone_can_be_counted(tmp_path: Path) -> None:
    write_table(tmp_path / "coding_file_combined.xlsx", default_rows())
    found = datasets.inspect("mes_eeg", _made_up(tmp_path))
    assert found.ok
    assert found.counts["events"] == (4, None)
    assert any("not there: EEG, faces" in note for note in found.notes)
    with pytest.raises(InputError, match="holds the coding table alone, neither EEG nor faces"):
        load(tmp_path)


def test_eeg_alone_gives_trials(tmp_path: Path) -> None:
    write_eeg(tmp_path)
    (found,) = load(_made_up(tmp_path)).values()
    assert [t.stimulus for t in found.trials] == ["103", "106", "101"]
    assert found.events == ()
    assert "face" not in found.streams


def test_the_order_of_columns_does_not_matter(copy: Path, tmp_path: Path) -> None:
    from _mes_eeg_files import COLUMNS

    root = shutil.copytree(copy, tmp_path / "copy")
    write_table(root / "coding_file_combined.xlsx", default_rows(), columns=COLUMNS[::-1])
    assert [r.events for r in load(root).values()] == [r.events for r in load(copy).values()]
