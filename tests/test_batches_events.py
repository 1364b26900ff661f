"""One row per event."""

from __future__ import annotations

import numpy as np
import pytest

from mien.batches import Table, fit_scaler, pair_events
from mien.core import Event, Features, Label, Sample, Span, Trial


def label(word: str) -> dict[str, Label]:
    return {"emotion": Label(value=word, scale=("happy", "sad"), rater="stimulus")}


def piece(name: str, *, trial: str = "t1", word: str = "sad", start: float = 5.0) -> Trial:
    shared = {"recording": "r", "subject": "p1", "session": "1", "stimulus": "c1"}
    span = Span(start=start, duration=0.4)
    event = Event(kind="micro", span=span, id=name, trial=trial)
    whole = Trial(id=trial, span=Span(start=0.0, duration=30.0), **shared)
    return Trial(id=name, span=span, labels=label(word), part_of=whole, event=event, **shared)


def sequence(n: int = 3, *, start: float = 1.0, valid: list[bool] | None = None) -> Features:
    """Windows of two bands: window w, band b holds 10 w + b."""
    values = 10.0 * np.arange(n)[:, None] + np.arange(2)
    return Features(
        values=values,
        axes={"window": (), "band": ("a", "b")},
        starts=start + np.arange(n, dtype=float),
        durations=np.full(n, 2.0),
        extractor="x",
        version="1",
        valid=np.array(valid if valid is not None else [True] * n, dtype=bool),
    )


def test_windows_of_an_event_lie_side_by_side():
    made = {("eeg", "e1"): sequence(), ("me", "e1"): sequence(1, start=5.0)}
    table, dropped = pair_events(made, [piece("e1")], streams=("eeg", "me"), classes=("happy", "sad"))
    assert not dropped
    (sample,) = table.samples
    assert (sample.id, sample.event, sample.trial, sample.label) == ("e1", "e1", "t1", 1)
    assert (sample.start, sample.duration) == (1.0, 6.0)  # from the first window of EEG to the end of me's
    assert table.axes["eeg"] == {"window": ("0", "1", "2"), "band": ("a", "b")}
    assert table.axes["me"] == {"band": ("a", "b")}
    assert table.inputs["eeg"].tolist() == [[0, 1, 10, 11, 20, 21]]
    assert table.inputs["me"].tolist() == [[0, 1]]


def test_a_missing_stream_is_absent_and_an_event_without_any_is_dropped():
    made = {("eeg", "e1"): sequence(), ("me", "e2"): sequence(1)}
    pieces = [piece("e1"), piece("e2"), piece("e3")]
    table, dropped = pair_events(made, pieces, streams=("eeg", "me"), classes=("happy", "sad"))
    assert [s.id for s in table.samples] == ["e1", "e2"]
    assert table.present["eeg"].tolist() == [True, False]
    assert table.present["me"].tolist() == [False, True]
    assert np.isnan(table.inputs["eeg"][1]).all()
    assert [(d["what"], d["id"]) for d in dropped] == [("event", "e3")]


def test_too_few_windows_and_invalid_ones():
    made = {
        ("eeg", "e1"): sequence(),
        ("eeg", "e2"): sequence(),
        ("eeg", "e3"): sequence(2),
        ("eeg", "e4"): sequence(valid=[True, False, True]),
        ("eeg", "e5"): sequence(valid=[False, False, False]),
        ("me", "e3"): sequence(1),
        ("me", "e5"): sequence(1),
    }
    pieces = [piece(f"e{i}") for i in range(1, 6)]
    table, dropped = pair_events(made, pieces, streams=("eeg", "me"), classes=("happy", "sad"))
    assert table.present["eeg"].tolist() == [True, True, False, True, False]
    assert np.isnan(table.inputs["eeg"][3]).tolist() == [False, False, True, True, False, False]
    assert [(d["id"], d["reason"]) for d in dropped] == [
        ("e3", "2 windows where others have 3"),
        ("e5", "not valid"),
    ]


def test_an_event_without_the_label_stays_unlabelled():
    table, _ = pair_events(
        {("eeg", "e1"): sequence()}, [piece("e1")], streams=("eeg",), classes=(), label="other"
    )
    assert table.samples[0].label is None


def test_streams_and_axes_must_fit():
    with pytest.raises(ValueError, match="no event has features of stream 'me'"):
        pair_events({("eeg", "e1"): sequence()}, [piece("e1")], streams=("eeg", "me"), classes=("sad",))
    odd = sequence()
    odd = Features(**{**vars(odd), "axes": {"window": (), "band": ("a", "z")}})
    with pytest.raises(ValueError, match="other axes"):
        pair_events(
            {("eeg", "e1"): sequence(), ("eeg", "e2"): odd},
            [piece("e1"), piece("e2")], streams=("eeg",), classes=("sad",),
        )  # fmt: skip


def test_seconds_and_pixels_share_their_constants():
    rng = np.random.default_rng(0)
    n, shape = 200, (2, 3, 3)
    values = rng.normal([[[[1.0]], [[-2.0]]]], [[[[0.5]], [[4.0]]]], (n, *shape)).reshape(n, -1)
    samples = tuple(
        Sample(id=str(i), trial=str(i), subject="p", session="1", stimulus="c", label=0) for i in range(n)
    )
    table = Table(
        samples=samples,
        inputs={"me": values.astype(np.float32)},
        present={"me": np.ones(n, bool)},
        axes={"me": {"map": ("u", "v"), "row": tuple("012"), "column": tuple("012")}},
        intensity=np.full(n, np.nan),
    )
    scaler = fit_scaler(table, np.arange(n), mode="train")
    mean, sd = (a.reshape(shape) for a in scaler.constants["me", "*"])
    assert (mean == mean[:, :1, :1]).all()
    assert (sd == sd[:, :1, :1]).all()
    pooled = values.astype(np.float32).reshape(n, *shape)
    # float32 of sums in float64
    np.testing.assert_allclose(mean[:, 0, 0], pooled.mean(axis=(0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(sd[:, 0, 0], pooled.std(axis=(0, 2, 3)), rtol=1e-5)
