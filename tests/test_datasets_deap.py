"""The reader of DEAP on known copies: streams, labels, and the two orders of trials."""

from __future__ import annotations

import os
import pickle
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from _deap_files import (
    BASELINE,
    RATE,
    RAW_RATE,
    SECONDS,
    SHOWN,
    TRIALS,
    arrays,
    bdf_start,
    rating_rows,
    truth,
    write_bdf,
    write_dat,
    write_ratings,
    write_video,
)
from mien import datasets
from mien.core import InputError, Span
from mien.datasets._deap_layout import EEG, N_SAMPLES, RATINGS, RATINGS_COLUMNS
from mien.datasets._deap_stored import _KEPT
from test_io_tables import every_format


@pytest.fixture
def root(tmp_path: Path) -> Path:
    truth(tmp_path)
    write_dat(tmp_path)
    write_ratings(tmp_path)
    return tmp_path


def one(root: Path, **options: object) -> datasets.Recording:
    (found,) = datasets.load("deap", root, **options)
    return found


def test_trials_are_in_the_order_of_videos_with_their_baselines(root: Path) -> None:
    recording = one(root)
    assert (recording.id, recording.subject, recording.session) == ("s01", "s01", "1")
    assert [t.id for t in recording.trials] == [f"s01_v{v:02d}" for v in range(1, TRIALS + 1)]
    assert [t.stimulus for t in recording.trials] == [f"video{v:02d}" for v in range(1, TRIALS + 1)]
    whole = BASELINE + SECONDS
    assert [t.span.start for t in recording.trials] == [BASELINE + k * whole for k in range(TRIALS)]
    assert {t.span.duration for t in recording.trials} == {SECONDS}
    events = [(e.kind, e.trial, e.span.start, e.span.duration) for e in recording.events]
    assert events == [("baseline", t.id, t.span.start - BASELINE, BASELINE) for t in recording.trials]


def test_samples_are_those_of_the_file_in_si_units(root: Path) -> None:
    recording, (data, _) = one(root), arrays()
    wanted = {
        **{"eeg": ("V", "eeg", range(32), 1e-6), "eog": ("V", "eog", (32, 33), 1e-6)},
        **{"emg": ("V", "emg", (34, 35), 1e-6), "eda": ("ohm", "eda", (36,), 1)},
        **{"rsp": ("arbitrary", "rsp", (37,), 1), "ppg": ("arbitrary", "ppg", (38,), 1)},
        **{"skt": ("arbitrary", "skt", (39,), 1)},
    }
    assert set(recording.streams) == {*wanted, "peripheral"}
    trial = recording.trials[2]
    for name, (unit, modality, rows, scale) in wanted.items():
        stream = recording.streams[name]
        assert (stream.unit, stream.modality, stream.rate) == (unit, modality, RATE)
        assert stream.band == ((4.0, 45.0) if name == "eeg" else None)
        known = data[2][list(rows), BASELINE * RATE :] * scale
        np.testing.assert_array_equal(stream.read(trial.span).data, known)
    assert recording.streams["eeg"].channels == EEG
    assert recording.streams["eeg"].read(trial.span).band == (4.0, 45.0)
    body = recording.streams["peripheral"]
    assert body.channels == ("hEOG", "vEOG", "zEMG", "tEMG", "GSR", "Resp", "Plet", "Temp")
    assert (body.unit, body.modality) == ("mixed", "peripheral")
    np.testing.assert_array_equal(body.read(trial.span).data[4:], data[2][36:, BASELINE * RATE :])


def test_a_span_may_cross_trials_and_stays_within_the_recording(root: Path) -> None:
    stream, (data, _) = one(root).streams["eda"], arrays()
    end_to_end = np.concatenate(list(data), axis=1)[36]
    np.testing.assert_array_equal(stream.read().data[0], end_to_end)
    crossing = stream.read(Span(start=8.5, duration=11.0)).data[0]
    np.testing.assert_array_equal(crossing, end_to_end[int(8.5 * RATE) : int(19.5 * RATE)])
    with pytest.raises(InputError, match=r"s01\.dat: \[35\.5 s, 36\.5 s\) is not within the recording"):
        stream.read(Span(start=35.5, duration=1.0))


def test_labels_of_the_participant_and_of_strangers(root: Path) -> None:
    (root / "metadata_csv" / "video_list.csv").write_text(
        "Online_id,Experiment_id,AVG_Valence,AVG_Arousal,AVG_Dominance\n7,,1,1,1\n9,2,3.5,8.25,\n"
    )
    labels = arrays()[1]
    for video, trial in enumerate(one(root).trials, start=1):
        own = {name: label for name, label in trial.labels.items() if label.rater == "self"}
        assert list(own) == ["valence", "arousal", "dominance", "liking", "familiarity"]
        assert [own[n].value for n in list(own)[:4]] == labels[video - 1].tolist()
        assert {own[n].scale for n in list(own)[:4]} == {(1.0, 9.0)}
        assert (own["familiarity"].value, own["familiarity"].scale) == (1 + video % 5, (1.0, 5.0))
        others = {name: label.value for name, label in trial.labels.items() if label.rater == "stimulus"}
        assert others == ({"valence_stimulus": 3.5, "arousal_stimulus": 8.25} if video == 2 else {})


@every_format
@pytest.mark.parametrize("folder", ["metadata_csv", "metadata_xls", "metadata_ods", "."])
def test_ratings_in_every_format_and_place(
    tmp_path: Path, folder: str, ending: str, write: Callable[..., Path]
) -> None:
    truth(tmp_path)
    write_dat(tmp_path)
    write_bdf(tmp_path)
    file = tmp_path / folder / f"{RATINGS}{ending}"
    file.parent.mkdir(exist_ok=True)
    write(file, [list(RATINGS_COLUMNS), *rating_rows()])
    assert datasets.inspect("deap", tmp_path).ok
    assert [t.id for t in one(tmp_path, raw=True).trials] == [f"s01_v{v:02d}" for v in SHOWN]
    found = [t.labels["familiarity"].value for t in one(tmp_path).trials]
    assert found == [1 + v % 5 for v in range(1, TRIALS + 1)]


def test_familiarity_may_be_missing(root: Path) -> None:
    write_dat(root, 2)
    write_ratings(root, rating_rows((1, 2)))
    first, second = datasets.load("deap", root)
    assert "familiarity" in first.trials[0].labels
    assert "familiarity" not in second.trials[0].labels
    assert "no familiarity of s02 (as published)" in datasets.inspect("deap", root).notes


def test_subjects_are_chosen_by_name_or_number(root: Path) -> None:
    write_dat(root, 12)
    assert [r.id for r in datasets.load("deap", root)] == ["s01", "s12"]
    for chosen in (["s12"], [12], ["12"]):
        assert [r.id for r in datasets.load("deap", root, subjects=chosen)] == ["s12"]
    with pytest.raises(InputError, match="no files of subject s03"):
        datasets.load("deap", root, subjects=[3])
    with pytest.raises(InputError, match=r"no subject 'bob'; expected s01 to s32"):
        datasets.load("deap", root, subjects=["bob"])


def test_the_matlab_file_gives_the_same(root: Path) -> None:
    ours, (data, labels) = one(root), arrays()
    folder = root / "data_preprocessed_matlab"
    folder.mkdir()
    scipy.io.savemat(folder / "s01.mat", {"data": data, "labels": labels})
    assert datasets.inspect("deap", root).ok
    (root / "data_preprocessed_python" / "s01.dat").unlink()
    theirs = one(root)
    assert theirs.streams["eeg"].source.files() == (folder / "s01.mat",)
    assert theirs.trials == ours.trials
    for name, stream in theirs.streams.items():
        np.testing.assert_array_equal(stream.read().data, arrays_of(data, name))


def arrays_of(data: np.ndarray, name: str) -> np.ndarray:
    rows = {"eeg": slice(32), "eog": slice(32, 34), "emg": slice(34, 36), "peripheral": slice(32, 40)}
    rows |= {k: slice(36 + i, 37 + i) for i, k in enumerate(("eda", "rsp", "ppg", "skt"))}
    scale = np.where(np.arange(40) < 36, 1e-6, 1.0)[:, None]
    return (np.concatenate(list(data), axis=1) * scale)[rows[name]]


def test_matlab_labels_that_differ_are_told(root: Path) -> None:
    data, labels = arrays()
    folder = root / "data_preprocessed_matlab"
    folder.mkdir()
    scipy.io.savemat(folder / "s01.mat", {"data": data, "labels": labels + 0.5})
    (fault,) = datasets.inspect("deap", root).faults
    assert "labels differ from those of s01.dat" in fault.reason


def test_one_file_at_most_is_kept_and_a_recording_holds_none(root: Path) -> None:
    write_dat(root, 2)
    first, second = datasets.load("deap", root)
    # two recordings of three small arrays each in the file: what travels are paths and numbers
    assert len(pickle.dumps(first)) < 20_000
    for recording in (first, second, first):
        recording.streams["eeg"].read(recording.trials[0].span)
        ((path, _, _),) = _KEPT
        assert path.stem == recording.id


def test_a_file_that_changed_is_read_anew(root: Path) -> None:
    recording, (data, labels) = one(root), arrays()
    stream, span = recording.streams["skt"], recording.trials[0].span
    before = stream.read(span).data
    write_dat(root, data=data + 5, labels=labels.copy())
    os.utime(stream.source.files()[0], ns=(1, 1))  # a clock may be too coarse to tell two writes apart
    np.testing.assert_array_equal(stream.read(span).data, before + 5)
    write_dat(root, data=data[:2])
    with pytest.raises(InputError, match=r"has changed: data are \(2, 40, 1152\).*Load the data again"):
        stream.read(span)


def test_without_truth_the_published_shape_is_demanded(root: Path) -> None:
    (root / "truth.json").unlink()
    with pytest.raises(InputError, match=r"data are of shape \(4, 40, 1152\); expected \(40, 40, 8064\)"):
        datasets.load("deap", root)
    rng = np.random.default_rng(0)
    labels = rng.uniform(1, 9, size=(40, 4))
    data = np.zeros((40, 40, N_SAMPLES))
    write_dat(root, data=data, labels=labels)
    (root / "metadata_csv" / "participant_ratings.csv").unlink()
    tracemalloc.start()
    recording = one(root)
    peak = tracemalloc.get_traced_memory()[1] / data.nbytes
    tracemalloc.stop()
    assert [t.stimulus for t in recording.trials] == [f"video{v:02d}" for v in range(1, 41)]
    assert recording.trials[39].span == Span(start=39 * 63.0 + 3.0, duration=60.0)
    # the array, and its bytes as text and as bytes while it is made
    assert peak < 3.3


# -- faces -----------------------------------------------------------------------------------------------


def test_face_videos_go_to_the_trials_the_table_tells(root: Path) -> None:
    """The video of the first presentation belongs to video 3, not to video 1."""
    for place in (1, 2, 4):
        write_video(root, place)
    recording = one(root)
    face = recording.streams["face"]
    assert (face.modality, face.unit, face.channels, face.rate) == ("face", "1", ("r", "g", "b"), 10.0)
    by_video = {SHOWN[place - 1]: place for place in (1, 2, 4)}
    for video, trial in enumerate(recording.trials, start=1):
        assert face.covers(trial.span) == (video in by_video)
        if video not in by_video:
            with pytest.raises(InputError, match="no video covers"):
                face.film(trial.span)
            continue
        film = face.film(trial.span)
        np.testing.assert_allclose(film.times, trial.span.start + np.arange(60) / 10, atol=1e-9, rtol=0)
        (frame,) = film.frames([30])
        assert (frame.shape, frame.dtype) == ((32, 48, 3), np.uint8)
        # the right half is even; the codec moves grey by a few steps
        assert np.abs(frame[:, 30:].astype(float) - 50 * by_video[video]).max() < 6
    assert len(face.source.files()) == 3
    with pytest.raises(InputError, match=r"frames, no samples; expected film\(span\)"):
        face.read(recording.trials[0].span)


def test_frames_of_a_window_are_those_of_the_whole_film(root: Path) -> None:
    write_video(root, 1)
    recording = one(root)
    face, start = recording.streams["face"], recording.trials[2].span.start
    whole = face.film(recording.trials[2].span)
    part = face.film(Span(start=start + 2.0, duration=3.0))
    np.testing.assert_array_equal(part.times, whole.times[20:50])
    for a, b in zip(part.frames([0, 7, 29]), whole.frames([20, 27, 49]), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not face.covers(Span(start=start - 1.0, duration=3.0))


def test_another_table_makes_another_version(root: Path) -> None:
    """What is stored of a film must not be taken for that of another trial."""
    for place in (1, 2):
        write_video(root, place)
    before = one(root).streams["face"].source.version
    assert one(root).streams["face"].source.version == before
    rows = rating_rows()
    rows[0][2], rows[1][2] = rows[1][2], rows[0][2]
    rows[0][4:8], rows[1][4:8] = rows[1][4:8], rows[0][4:8]
    write_ratings(root, rows)
    assert one(root).streams["face"].source.version != before


def test_faces_can_be_left_out(root: Path) -> None:
    write_video(root, 1)
    assert "face" not in one(root, faces=False).streams


# -- original recordings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("participant", "upper"), [(1, 0), (23, 0x18FF00), (24, 0x58FF00)], ids=["twente", "geneva", "other"]
)
def test_raw_trials_are_mapped_and_channels_taken_by_name(
    tmp_path: Path, participant: int, upper: int
) -> None:
    truth(tmp_path)
    write_bdf(tmp_path, participant, upper=upper)
    write_ratings(tmp_path, rating_rows((participant,)))
    recording = one(tmp_path, raw=True)
    subject, labels = f"s{participant:02d}", arrays(participant)[1]
    assert [t.id for t in recording.trials] == [f"{subject}_v{v:02d}" for v in SHOWN]
    for place, trial in enumerate(recording.trials, start=1):
        assert trial.span == Span(start=bdf_start(place), duration=SECONDS)
        assert trial.labels["valence"].value == labels[SHOWN[place - 1] - 1, 0]
    eeg = recording.streams["raw_eeg"]
    assert (eeg.channels, eeg.rate, eeg.unit, eeg.band) == (EEG, RAW_RATE, "V", None)
    read = eeg.read(recording.trials[0].span)
    # half a step of the 24 bits over 400 uV
    np.testing.assert_allclose(read.data[:, 0], 1e-6 * np.arange(1, 33), atol=3e-11, rtol=0)
    assert {"raw_eog", "raw_emg", "raw_eda", "raw_rsp", "raw_ppg", "raw_skt"} < set(recording.streams)
    codes = [e.value for e in recording.events if e.kind == "marker"]
    assert codes == [1, *(3, 4, 5) * TRIALS]
    assert [e.span.start for e in recording.events if e.kind == "baseline"] == [
        bdf_start(k) - BASELINE for k in range(1, TRIALS + 1)
    ]


def test_a_face_is_placed_on_the_clock_of_the_original_recording(tmp_path: Path) -> None:
    truth(tmp_path)
    write_bdf(tmp_path)
    write_ratings(tmp_path)
    write_video(tmp_path, 2)
    recording = one(tmp_path, raw=True)
    assert recording.streams["face"].covers(recording.trials[1].span)
    assert recording.streams["face"].film(recording.trials[1].span).times[0] == bdf_start(2)


def test_original_recordings_travel_to_another_process(tmp_path: Path) -> None:
    truth(tmp_path)
    write_bdf(tmp_path)
    write_ratings(tmp_path)
    recording = one(tmp_path, raw=True)
    again = pickle.loads(pickle.dumps(recording))  # noqa: S301  our own bytes
    span = recording.trials[0].span
    for name, stream in recording.streams.items():
        np.testing.assert_array_equal(again.streams[name].read(span).data, stream.read(span).data)
        assert (stream.source.version, stream.source.files()) == ("1", again.streams[name].source.files())


def test_inspect_counts_what_is_there(root: Path) -> None:
    write_video(root, 1)
    write_bdf(root)
    seen: list[tuple[int, int, str]] = []
    found = datasets.inspect("deap", root, progress=lambda *told: seen.append(told))
    assert found.ok
    assert {name: n for name, (n, _) in found.counts.items()} == {
        "subjects": 1,
        "trials": TRIALS,
        "ratings": TRIALS,
        "subjects with face video": 1,
        "face videos": 1,
        "original recordings": 1,
    }
    assert found.found[0]["original_trials"] == TRIALS
    assert seen[-1][0] == seen[-1][1] == 3


def test_nothing_is_warned_of_a_good_copy(root: Path) -> None:
    write_video(root, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one(root)
