"""What every data set must offer; walks the registry."""

from __future__ import annotations

import itertools
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mien import datasets
from mien.core import InputError, Recording, UnknownNameError

ALL = datasets.names()


@pytest.fixture(params=ALL)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_known_names() -> None:
    assert "seed_vii" in ALL


def test_names_import_no_reader() -> None:
    code = (
        "import sys, mien.datasets as d; assert d.names(); "
        "heavy = {'scipy', 'h5py', 'openpyxl', 'pandas', 'torch', 'mne', 'mien.datasets.seed_vii'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_card_is_filled_in(name: str) -> None:
    card = datasets.card(name)
    for text in (card.title, card.version, card.licence, card.citation, card.doi, card.obtain):
        assert text
    assert card.counts["subjects"] > 0
    assert json.loads(json.dumps(card.to_dict()))["known_faults"]


def test_example_is_read_without_a_fault(name: str, tmp_path: Path) -> None:
    root = datasets.example(name, tmp_path / "made" / "copy")
    inspection = datasets.inspect(name, root)
    assert inspection.ok, inspection.faults
    assert inspection.dataset == name
    assert json.loads(json.dumps(inspection.to_dict()))["ok"] is True
    assert all(found == expected for found, expected in inspection.counts.values() if expected is not None)


def test_recordings_keep_their_promises(name: str, tmp_path: Path) -> None:
    recordings = datasets.load(name, datasets.example(name, tmp_path))
    assert len({r.id for r in recordings}) == len(recordings) > 0
    trial_ids = [t.id for r in recordings for t in r.trials]
    assert len(set(trial_ids)) == len(trial_ids)
    for recording in recordings:
        assert isinstance(recording, Recording)
        assert recording.dataset == name
        spans = [t.span for t in recording.trials]
        assert not any(a.overlaps(b) for a, b in itertools.pairwise(spans))
        for trial in recording.trials:
            owner = (trial.recording, trial.subject, trial.session)
            assert owner == (recording.id, recording.subject, recording.session)
            for stream in recording.streams.values():
                if stream.modality == "face":
                    continue  # frames of events: below
                assert stream.covers(trial.span)
                signal = stream.read(trial.span)
                assert signal.channels == stream.channels
                assert signal.n_times == pytest.approx(trial.span.duration * stream.rate, abs=1)
                assert np.isfinite(signal.data).all()


def test_events_lie_in_their_trials_and_a_camera_shows_them(name: str, tmp_path: Path) -> None:
    recordings = datasets.load(name, datasets.example(name, tmp_path))
    coded = [(r, e) for r in recordings for e in r.events if e.id is not None]
    assert len({e.id for _, e in coded}) == len(coded)
    for recording, event in coded:
        (trial,) = [t for t in recording.trials if t.id == event.trial]
        assert trial.span.start <= event.span.start
        assert event.span.stop <= trial.span.stop + 1e-9  # rounding of sums of seconds
        assert event.labels
        for stream in (s for s in recording.streams.values() if s.modality == "face"):
            assert stream.shows(event)
            clip = stream.clip(event)
            assert clip.apex is not None
            assert clip.n_frames >= 2
            for moment in (event.span.start, event.apex):
                clip.at(moment, tolerance=1 / stream.rate)
            assert all(path.is_file() for path in stream.source.files_of(event))
            assert set(stream.source.files_of(event)) <= set(stream.source.files())
            with pytest.raises(InputError, match=r"frames are read with clip\(event\)"):
                stream.read(trial.span)


def test_recordings_travel_to_another_process(name: str, tmp_path: Path) -> None:
    recordings = datasets.load(name, datasets.example(name, tmp_path))
    again = pickle.loads(pickle.dumps(recordings[0]))  # noqa: S301  our own bytes
    trial = recordings[0].trials[0]
    for key, stream in recordings[0].streams.items():
        if hasattr(stream.source, "film"):
            seen = next(t for t in recordings[0].trials if stream.covers(t.span))
            ours, theirs = stream.film(seen.span), again.streams[key].film(seen.span)
            np.testing.assert_array_equal(theirs.times, ours.times)
            np.testing.assert_array_equal(next(theirs.frames([2])), next(ours.frames([2])))
            continue
        if stream.modality == "face":
            event = next(e for e in recordings[0].events if e.id is not None)
            np.testing.assert_array_equal(again.streams[key].clip(event).frames, stream.clip(event).frames)
            continue
        np.testing.assert_array_equal(again.streams[key].read(trial.span).data, stream.read(trial.span).data)


def test_unknown_name_and_unknown_option(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown data set"):
        datasets.load(name + "x", tmp_path)
    with pytest.raises(UnknownNameError, match=r"unknown option .*'subject'; did you mean 'subjects'"):
        datasets.load(name, tmp_path, subject=["1"])
