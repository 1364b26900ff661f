"""Pairing of streams, presence masks, and batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from mien.batches import Table, fit_scaler, make_batch, pair
from mien.core import Features, Label, Sample, Signal, Span, Trial

WORDS = ("sad", "happy")


def trial(name: str, *, start: float = 0.0, subject: str = "1", word: str | None = "happy") -> Trial:
    labels = {} if word is None else {"emotion": Label(value=word, scale=WORDS, rater="stimulus")}
    span = Span(start=start, duration=16.0)
    return Trial(
        id=name,
        recording="r",
        subject=subject,
        session="1",
        stimulus=f"clip of {name}",
        span=span,
        labels=labels,
    )


def feats(
    starts: Sequence[float],
    *,
    n: int = 2,
    first: float = 0.0,
    valid: Sequence[bool] | None = None,
    **changes: Any,
) -> Features:
    """Windows whose value is the start time plus a hundredth of the feature's number, plus ``first``."""
    starts = np.asarray(starts, np.float64)
    plain: dict[str, Any] = {
        "values": starts[:, None] + np.arange(n) / 100 + first,
        "axes": {"window": (), "feature": tuple(f"f{i}" for i in range(n))},
        "starts": starts,
        "durations": np.full(len(starts), 4.0),
        "extractor": "made_up",
        "version": "1",
        "valid": np.ones(len(starts), bool) if valid is None else np.asarray(valid),
    }
    return Features(**{**plain, **changes})


def table_of(features: dict[tuple[str, str], Features], trials: list[Trial], **options: Any) -> Any:
    return pair(features, trials, streams=("eeg", "eye"), classes=WORDS, **options)


def test_windows_are_matched_by_start_time():
    eeg, eye = feats([0, 4, 8, 12]), feats([12, 8, 4, 0][::-1], n=3, first=100)
    table, dropped = table_of({("eeg", "a"): eeg, ("eye", "a"): eye}, [trial("a")])
    assert [s.id for s in table.samples] == ["a@0.000", "a@4.000", "a@8.000", "a@12.000"]
    assert table.inputs["eeg"][:, 0].tolist() == [0, 4, 8, 12]
    assert table.inputs["eye"][:, 0].tolist() == [100, 104, 108, 112]
    assert {k: v.shape for k, v in table.inputs.items()} == {"eeg": (4, 2), "eye": (4, 3)}
    assert all(m.all() for m in table.present.values())
    assert dropped == []
    sample = table.samples[1]
    assert (sample.trial, sample.subject, sample.session, sample.stimulus) == ("a", "1", "1", "clip of a")
    assert (sample.start, sample.duration, sample.label) == (4.0, 4.0, 1)


def test_start_times_may_differ_by_rounding():
    # 0.1 + 0.2 != 0.3: streams on other rates reach a start by other sums; windows are seconds apart
    table, dropped = table_of(
        {("eeg", "a"): feats([0.3, 4.3]), ("eye", "a"): feats([0.1 + 0.2, 4.3 + 1e-9])}, [trial("a")]
    )
    assert len(table) == 2
    assert dropped == []


def test_a_window_that_one_stream_lacks_is_dropped_and_counted():
    table, dropped = table_of(
        {("eeg", "a"): feats([0, 4, 8, 12]), ("eye", "a"): feats([0, 4, 12])}, [trial("a")]
    )
    assert [s.start for s in table.samples] == [0.0, 4.0, 12.0]
    assert table.inputs["eeg"][:, 0].tolist() == table.inputs["eye"][:, 0].tolist() == [0, 4, 12]
    assert dropped == [
        {
            "what": "window",
            "id": "a",
            "subject": "1",
            "reason": "one of the trial's streams has no such window",
            "count": 1,
        }
    ]


def test_a_stream_that_a_trial_lacks_is_absent_in_all_its_samples():
    made = {("eeg", "a"): feats([0, 4]), ("eye", "a"): feats([0, 4]), ("eeg", "b"): feats([16, 20])}
    table, dropped = table_of(made, [trial("a"), trial("b", start=16.0)])
    assert table.present["eeg"].tolist() == [True] * 4
    assert table.present["eye"].tolist() == [True, True, False, False]
    assert np.isnan(table.inputs["eye"][2:]).all()
    assert [s.id for s in table.samples][2:] == ["b@0.000", "b@4.000"]  # counted from the start of the trial
    assert dropped == []


def test_a_stream_without_windows_counts_as_absent():
    table, _ = table_of({("eeg", "a"): feats([0, 4]), ("eye", "a"): feats([])}, [trial("a")])
    assert table.present["eye"].tolist() == [False, False]


def test_a_trial_with_nothing_is_named():
    table, dropped = table_of(
        {("eeg", "a"): feats([0]), ("eye", "a"): feats([0])}, [trial("a"), trial("b", subject="2")]
    )
    assert len(table) == 1
    assert [(d["id"], d["subject"], d["reason"]) for d in dropped] == [
        ("b", "2", "no stream has a window of this trial")
    ]


def test_an_invalid_window_is_absent_and_dropped_only_where_nothing_is_left():
    made = {
        ("eeg", "a"): feats([0, 4, 8], valid=[True, False, False]),
        ("eye", "a"): feats([0, 4, 8], valid=[True, True, False]),
    }
    table, dropped = table_of(made, [trial("a")])
    assert [s.start for s in table.samples] == [0.0, 4.0]
    assert table.present["eeg"].tolist() == [True, False]
    assert np.isnan(table.inputs["eeg"][1]).all()
    assert table.present["eye"].tolist() == [True, True]
    assert [(d["reason"], d["count"]) for d in dropped] == [("invalid in every stream", 1)]


def test_a_stream_may_be_invalid_in_all_of_a_trial():
    features = {
        ("eeg", "a"): feats([0, 4], valid=[True, True]),
        ("eye", "a"): feats([0, 4], valid=[False, False]),
        ("eye", "b"): feats([0, 4], valid=[False, False]),
    }
    table, dropped = table_of(features, [trial("a"), trial("b")])
    assert [s.trial for s in table.samples] == ["a", "a"]
    assert table.present["eeg"].all()
    assert not table.present["eye"].any()
    assert np.isnan(table.inputs["eye"]).all()
    assert [(d["id"], d["reason"], d["count"]) for d in dropped] == [("b", "invalid in every stream", 2)]


def test_a_missing_value_stays_nan_in_the_table_and_is_zero_in_a_batch():
    values = np.array([[1.0, np.nan], [3.0, 5.0], [5.0, 9.0]])
    made = {("eeg", "a"): feats([0, 4, 8], values=values), ("eye", "a"): feats([0, 4, 8])}
    table, _ = table_of(made, [trial("a")])
    assert np.isnan(table.inputs["eeg"][0, 1])
    rows = np.arange(3)
    batch = make_batch(table, rows, scaler=fit_scaler(table, rows, mode="train"), streams=("eeg", "eye"))
    assert batch.inputs["eeg"][0, 1] == 0
    assert batch.inputs["eeg"][1:, 1].tolist() == [
        -1.0,
        1.0,
    ]  # 5 and 9: mean 7, sd 2, without the missing one
    assert batch.present["eeg"].all()


def test_features_of_several_axes_are_flattened_in_their_order():
    values = np.arange(12.0).reshape(1, 3, 4)
    axes = {"window": (), "band": ("x", "y", "z"), "channel": tuple("abcd")}
    table, _ = pair(
        {("eeg", "a"): feats([0], values=values, axes=axes)}, [trial("a")], streams=("eeg",), classes=WORDS
    )
    assert table.inputs["eeg"].tolist() == [list(range(12))]
    assert table.axes["eeg"] == {"band": ("x", "y", "z"), "channel": tuple("abcd")}


def test_trials_must_agree_on_the_axes():
    with pytest.raises(ValueError, match="b: the features of stream 'eeg' have other axes"):
        table_of({("eeg", "a"): feats([0]), ("eeg", "b"): feats([0], n=3)}, [trial("a"), trial("b")])


def test_a_stream_nobody_has_is_an_error():
    with pytest.raises(ValueError, match="no trial has features of stream eye"):
        table_of({("eeg", "a"): feats([0])}, [trial("a")])


def test_a_trial_without_a_label_has_samples_without_one():
    table, _ = table_of({("eeg", "a"): feats([0]), ("eye", "a"): feats([0])}, [trial("a", word=None)])
    assert table.samples[0].label is None
    assert table.labels.tolist() == [-1]


def test_a_window_takes_the_rating_at_its_middle():
    rating = Signal(data=np.array([[0.1, 0.2, 0.3]]), rate=0.25, channels=("felt",), unit="1", start=16.0)
    fine = feats([16, 18, 20, 22, 24, 28], durations=np.full(6, 2.0))
    made = {("eeg", "b"): fine, ("eye", "b"): fine}
    table, _ = table_of(made, [trial("b", start=16.0)], intensity={"b": rating})
    # ratings hold for 16-20, 20-24 and 24-28 s; nothing is known of the window at 28 s
    np.testing.assert_array_equal(table.intensity, [0.1, 0.1, 0.2, 0.2, 0.3, np.nan])
    table, _ = table_of(made, [trial("b", start=16.0)])
    assert np.isnan(table.intensity).all()


def small_table() -> Table:
    people = ["1", "1", "2", "2", "3"]
    samples = tuple(
        Sample(id=f"s{i}", trial=f"t{i}", subject=p, session="1", stimulus="1", label=i % 2)
        for i, p in enumerate(people)
    )
    return Table(
        samples=samples,
        inputs={"eeg": np.arange(10, dtype=np.float32).reshape(5, 2), "eye": np.ones((5, 1), np.float32)},
        present={"eeg": np.ones(5, bool), "eye": np.array([True, True, False, True, True])},
        axes={"eeg": {"feature": ("a", "b")}, "eye": {"feature": ("a",)}},
        intensity=np.full(5, np.nan),
    )


def test_a_batch_keeps_the_asked_rows_streams_and_masks():
    table = small_table()
    scaler = fit_scaler(table, np.arange(5), mode="train")
    batch = make_batch(table, table.rows(["s3", "s2"]), scaler=scaler, streams=("eye",))
    assert batch.ids == ("s3", "s2")
    assert list(batch.inputs) == ["eye"]
    assert batch.present["eye"].tolist() == [True, False]
    assert batch.label.tolist() == [1, 0]
    assert batch.weight.tolist() == [1.0, 1.0]
    assert batch.inputs["eye"].dtype == np.float32


def test_domains_number_the_training_subjects_and_nobody_else():
    table = small_table()
    scaler = fit_scaler(table, np.arange(5), mode="train")
    batch = make_batch(table, np.arange(5), scaler=scaler, streams=("eeg",), domains={"1": 0, "3": 1})
    assert batch.domain.tolist() == [0, 0, -1, -1, 1]
    assert make_batch(table, np.arange(5), scaler=scaler, streams=("eeg",)).domain.tolist() == [-1] * 5


def test_labels_can_be_replaced_for_the_control():
    table = small_table()
    scaler = fit_scaler(table, np.arange(5), mode="train")
    other = np.array([9, 8, 7, 6, 5])
    batch = make_batch(table, np.array([4, 0]), scaler=scaler, streams=("eeg",), labels=other)
    assert batch.label.tolist() == [5, 9]
    assert table.labels.tolist() == [0, 1, 0, 1, 0]


def test_a_table_counts_its_rows():
    with pytest.raises(ValueError, match="eeg: 1 rows for 0 samples"):
        Table(samples=(), inputs={"eeg": np.zeros((1, 2))}, present={}, axes={}, intensity=np.empty(0))
