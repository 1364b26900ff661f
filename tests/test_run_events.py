"""Studies of events: which ones, the table a run keeps, the study file, and what the models looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Command, refused
from mien.batches import Table
from mien.core import Event, InputError, Label, Recording, Sample, Span, Trial
from mien.run import given as given_module
from mien.run import predict
from mien.run.events import choose_events, events_frame
from mien.run.given import given
from mien.run.importance import LEAST_FACES, write_importance
from mien.run.study_file import load_study

ROOT = "data/faces"


def coded(name: str, kind: str, onset: float, *, trial: str = "t1", **more: Any) -> Event:
    labels = {"emotion": Label(value="sad", scale=("happy", "sad"), rater="stimulus")}
    span = Span(start=onset, duration=0.4)
    return Event(kind=kind, span=span, id=name, trial=trial, labels=labels, **more)


def recording(*events: Event) -> Recording:
    trials = tuple(
        Trial(
            id=name, recording="r", subject="p1", session="1", stimulus=f"c{name[1]}",
            span=Span(start=start, duration=30.0),
        )
        for name, start in (("t1", 100.0), ("t2", 200.0))
    )  # fmt: skip
    return Recording(id="r", dataset="d", subject="p1", session="1", streams={}, events=events, trials=trials)


def both() -> Recording:
    return recording(
        coded("e1", "micro", 110.0, apex=110.1, value="AU4, AU7"),
        coded("e2", "macro", 112.0),
        coded(
            "e3", "micro", 203.0, trial="t2", notes={"rows_merged": 3, "disagree_kind": 1, "disagree_aus": 0}
        ),
        Event(kind="marker", span=Span(start=100.0, duration=0.0)),  # not coded: has no id
    )


# --- which ones


@pytest.mark.parametrize(
    ("kinds", "ids"),
    [
        (None, ["e1", "e2", "e3"]),
        (["micro"], ["e1", "e3"]),
        (("macro", "micro"), ["e1", "e2", "e3"]),
        (["macro"], ["e2"]),
    ],
)
def test_events_take_the_place_of_trials(kinds, ids):
    (found,) = choose_events([both()], kinds, name="faces", root=ROOT)
    assert [t.id for t in found.trials] == ids
    assert all(t.part_of is not None and t.event is not None for t in found.trials)
    assert found.events == both().events


def test_a_recording_without_events_stays_without_trials():
    empty = replace(recording(), id="other")
    _, found = choose_events([both(), empty], None, name="faces", root=ROOT)
    assert found.trials == ()


def test_a_kind_that_no_event_has():
    with pytest.raises(
        InputError, match=r"data/faces: no event is 'mirco' \(did you mean 'micro'\?\); expected macro, micro"
    ):
        choose_events([both()], ["macro", "mirco"], name="faces", root=ROOT)
    with pytest.raises(InputError, match=r"no event is 'marker'; expected macro, micro"):
        choose_events([both()], ["marker"], name="faces", root=ROOT)


def test_a_data_set_without_coded_events():
    marker = Event(kind="marker", span=Span(start=100.0, duration=0.0))
    with pytest.raises(InputError, match=r"data/faces: faces has no coded event.*[Cc]lassify windows"):
        choose_events([recording(marker)], None, name="faces", root=ROOT)


# --- the table of them


def table_of(recordings: list[Recording], *ids: str) -> Table:
    pieces = {t.id: t for r in recordings for t in r.trials}
    samples = tuple(
        Sample(
            id=i, trial=(pieces[i].part_of or pieces[i]).id, subject=pieces[i].subject, session="1",
            stimulus=pieces[i].stimulus, event=i, label=None if i == "e2" else 1,
        )
        for i in ids
    )  # fmt: skip
    return Table(samples=samples, inputs={}, present={}, axes={}, intensity=np.full(len(ids), np.nan))


def test_the_table_has_a_row_for_every_sample_in_its_order():
    recordings = choose_events([both()], None, name="faces", root=ROOT)
    frame = events_frame(table_of(recordings, "e3", "e1", "e2"), recordings)
    assert list(frame.columns) == [
        *("event", "trial", "subject", "stimulus", "kind", "onset", "apex", "offset", "aus", "label"),
        *("rows_merged", "disagree_kind", "disagree_aus"),
    ]
    assert frame["event"].tolist() == ["e3", "e1", "e2"]
    assert frame["trial"].tolist() == ["t2", "t1", "t1"]
    assert frame["stimulus"].tolist() == ["c2", "c1", "c1"]
    assert frame["kind"].tolist() == ["micro", "micro", "macro"]
    assert frame["aus"].tolist() == ["", "AU4, AU7", ""]
    assert frame["label"].tolist() == [1, 1, -1]
    assert frame["rows_merged"].tolist() == [3, 1, 1]
    assert frame["disagree_kind"].tolist() == [True, False, False]
    assert frame["disagree_aus"].tolist() == [False, False, False]


def test_times_are_seconds_from_the_start_of_the_trial():
    recordings = choose_events([both()], None, name="faces", root=ROOT)
    frame = events_frame(table_of(recordings, "e1", "e2", "e3"), recordings)
    # differences of numbers of some hundred seconds, rounded at 1e-14
    np.testing.assert_allclose(frame["onset"], [10.0, 12.0, 3.0], atol=1e-12)
    np.testing.assert_allclose(frame["offset"], [10.4, 12.4, 3.4], atol=1e-12)
    np.testing.assert_allclose(frame["apex"], [10.1, np.nan, np.nan], atol=1e-12)


def test_the_apex_is_a_number_even_where_nobody_coded_one():
    recordings = choose_events([both()], ["macro"], name="faces", root=ROOT)
    assert events_frame(table_of(recordings, "e2"), recordings)["apex"].dtype == np.float64


def test_samples_that_are_no_events_are_refused():
    with pytest.raises(ValueError, match="t1 is no event"):
        events_frame(table_of([both()], "t1"), [both()])


# --- the study file


def plan(samples: dict[str, Any], **eeg: Any) -> dict[str, Any]:
    return {
        "system": "mes_eeg",
        "data": {"name": "mes_eeg", "root": "data"},
        "features": {"eeg": {"name": "power_sequence", **eeg}, "me": "flow"},
        "model": {"name": "mes_eeg_fusion"},
        "protocol": {"names": ["loso"]},
        "samples": samples,
    }


def test_samples_of_a_study():
    study = load_study(plan({"of": "event", "kinds": ["micro"]}, cut="apex:4"))
    assert (study.samples.of, study.samples.kinds) == ("event", ("micro",))
    assert study.features["eeg"].cut == "apex:4"
    assert load_study(plan({"of": "event"})).samples.kinds is None
    assert load_study(plan({})).samples.of == "window"


@pytest.mark.parametrize(
    ("samples", "eeg", "says"),
    [
        ({"of": "events"}, {}, r"samples\.of: Input should be 'window', 'trial' or 'event'"),
        ({"of": "event", "kinds": []}, {}, r"samples\.kinds: .*at least 1 item"),
        ({"of": "event", "kinds": "micro"}, {}, r"samples\.kinds: "),
        ({"kinds": ["micro"]}, {}, 'samples: kinds chooses among events; add of = "event"'),
        ({"of": "window", "kinds": ["micro"]}, {}, "kinds chooses among events"),
        ({"of": "event", "kind": ["micro"]}, {}, r"unknown key 'samples\.kind' \(did you mean 'kinds'\?\)"),
        ({}, {"cut": "apex:4"}, r'features\.eeg\.cut is for events; add \[samples\] with of = "event"'),
        (
            {"of": "event"},
            {"cut": "apex"},
            r"features\.eeg\.cut: cut 'apex' is none of event, trial, apex:SECONDS, end:SECONDS",
        ),
        ({"of": "event"}, {"cut": "end:0"}, r"features\.eeg\.cut: cut 'end:0' is none of"),
        ({"of": "event"}, {"cut": "apex:-4"}, r"features\.eeg\.cut: cut 'apex:-4' is none of"),
        ({"of": "trial"}, {"cut": "apex:8"}, r"features\.eeg\.cut is for events; whole trials have"),
        ({"of": "event"}, {"luminance": True}, r"features\.eeg\.luminance is for windows of whole clips"),
    ],
)
def test_what_cannot_be_classified_is_one_line(samples, eeg, says):
    with pytest.raises(InputError, match=says) as caught:
        load_study(plan(samples, **eeg))
    assert "\n" not in str(caught.value)


# --- what the models looked at


def maps_table(values: np.ndarray, people: list[str], present: list[bool], names: tuple[str, ...]) -> Table:
    """Maps (samples, maps, rows, columns) as the stream "me"."""
    samples = tuple(
        Sample(id=f"e{i}", trial="t", subject=person, session="1", stimulus="c", event=f"e{i}")
        for i, person in enumerate(people)
    )
    rows, columns = (tuple(map(str, range(n))) for n in values.shape[2:])
    return Table(
        samples=samples,
        inputs={"me": values.reshape(len(values), -1).astype(np.float32)},
        present={"me": np.array(present)},
        axes={"me": {"map": names, "row": rows, "column": columns}},
        intensity=np.full(len(samples), np.nan),
    )


def test_maps_of_the_face_are_averaged_over_fits_and_subjects(tmp_path: Path):
    names = ("u", "apex")
    values = np.zeros((4, 2, 1, 2))
    values[:, 0] = np.array([0.0, 2.0, 10.0, 99.0])[:, None, None]
    values[0, 0, 0, 1] = np.nan  # counts as 0
    table = maps_table(values, ["p1", "p1", "p2", "p3"], [True, True, True, False], names)
    fits = [np.array([1.0, 2.0, 3.0, 4.0], np.float32), np.array([3.0, 2.0, 1.0, 0.0], np.float32)]
    write_importance(tmp_path, table, {"me": fits})
    with np.load(tmp_path / "saliency_me.npz") as found:
        assert sorted(found.files) == ["maps", "mean", "n", "values"]
        assert found["maps"].tolist() == ["u", "apex"]
        np.testing.assert_array_equal(found["values"], np.full((2, 1, 2), 2.0))
        # p1 has 1 on average of two samples, p2 has 10; the absent sample of p3 does not count
        np.testing.assert_allclose(found["mean"][0], [[5.5, 5.5]], rtol=1e-6)
        assert np.isnan(found["mean"][1]).all()  # too few people for an average face
        assert found["n"] == 3


@pytest.mark.parametrize(("people", "shown"), [(LEAST_FACES - 1, False), (LEAST_FACES, True)])
def test_an_average_face_is_of_enough_people(tmp_path: Path, people: int, shown: bool):
    values = np.arange(people, dtype=float)[:, None, None, None] * np.ones((people, 1, 2, 2))
    table = maps_table(values, [f"p{i}" for i in range(people)], [True] * people, ("apex",))
    write_importance(tmp_path, table, {"me": [np.ones(4, np.float32)]})
    with np.load(tmp_path / "saliency_me.npz") as found:
        expected = (people - 1) / 2 if shown else np.nan
        np.testing.assert_allclose(found["mean"], np.full((1, 2, 2), expected), rtol=1e-6)


def eeg_table(axes: dict[str, tuple[str, ...]]) -> Table:
    size = int(np.prod([len(v) for v in axes.values()]))
    return Table(
        samples=(Sample(id="e", trial="t", subject="p", session="1", stimulus="c", event="e"),),
        inputs={"eeg": np.zeros((1, size), np.float32)},
        present={"eeg": np.array([True])},
        axes={"eeg": axes},
        intensity=np.full(1, np.nan),
    )


def test_bands_of_channels_are_summed_over_seconds(tmp_path: Path):
    axes = {"window": ("0", "1", "2"), "channel": ("A", "B"), "band": ("delta", "theta")}
    values = np.arange(12, dtype=np.float32).reshape(3, 2, 2)  # window, channel, band
    write_importance(tmp_path, eeg_table(axes), {"eeg": [values.ravel(), 3 * values.ravel()]})
    with np.load(tmp_path / "informative_bands.npz") as found:
        assert found["bands"].tolist() == ["delta", "theta"]
        assert found["channels"].tolist() == ["A", "B"]
        np.testing.assert_allclose(found["values"], 2 * values.sum(axis=0).T, rtol=1e-6)
        np.testing.assert_allclose(found["windows"], 2 * values.sum(axis=(1, 2)), rtol=1e-6)


def test_one_window_needs_no_sum(tmp_path: Path):
    axes = {"band": ("delta", "theta", "alpha"), "channel": ("A", "B")}
    values = np.arange(6, dtype=np.float32)
    write_importance(tmp_path, eeg_table(axes), {"eeg": [values]})
    with np.load(tmp_path / "informative_bands.npz") as found:
        assert sorted(found.files) == ["bands", "channels", "values"]
        np.testing.assert_array_equal(found["values"], values.reshape(3, 2))


def test_features_that_are_neither_leave_no_file(tmp_path: Path):
    write_importance(tmp_path, eeg_table({"feature": ("a", "b")}), {"eeg": [np.ones(2, np.float32)]})
    assert not list(tmp_path.iterdir())


# --- a model of events on something new


def meta(kinds: list[str] | None = None) -> dict[str, Any]:
    return {"dataset": "mes_eeg", "samples": {"of": "event", "kinds": kinds}}


@pytest.mark.parametrize("name", ["rest.edf", "rest.bdf", "rest.cnt"])
def test_one_recording_has_no_events(tmp_path: Path, name: str):
    path = tmp_path / name
    path.write_bytes(b"")
    with (
        pytest.raises(
            InputError,
            match=rf"{name}: the model tells coded events apart, and one recording has none; "
            "expected a folder in the layout of mes_eeg with its coding",
        ),
        given(path, meta()),
    ):
        pass


def test_the_command_refuses_one_recording_for_a_model_of_events(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(predict, "open_checkpoint", lambda run: (None, {}, meta()))
    path = tmp_path / "rest.edf"
    path.write_bytes(b"")
    refused(command("predict", path, "--run", tmp_path), str(path), "tells coded events apart")


def test_a_folder_whose_events_are_of_other_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(given_module, "load_dataset", lambda name, root: ([both()], []))
    with given(tmp_path, meta(["micro"])) as asked:
        assert [t.id for r in asked.recordings for t in r.trials] == ["e1", "e3"]
    with given(tmp_path, meta()) as asked:
        assert [t.id for r in asked.recordings for t in r.trials] == ["e1", "e2", "e3"]
    with (
        pytest.raises(InputError, match=r"has no coded event; expected nano"),
        given(tmp_path, meta(["nano"])),
    ):
        pass
