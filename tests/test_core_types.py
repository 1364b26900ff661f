"""The types check themselves, and never look into an array."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien import core
from mien.core import (
    AuditReport,
    Batch,
    Clip,
    Clock,
    Event,
    Features,
    Finding,
    Label,
    Prediction,
    Recording,
    Sample,
    Signal,
    Span,
    Split,
    Stream,
    Trial,
    Window,
)


class Untouchable:
    """Stands for a huge array: has a shape and a type; anything else that is done to it is an error."""

    def __init__(self, shape: tuple[int, ...], dtype: str) -> None:
        self.shape, self.ndim, self.dtype = shape, len(shape), np.dtype(dtype)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"looked into the array ({name})")

    def __getitem__(self, index: object) -> Any:
        raise AssertionError("looked into the array")

    def __array__(self, *args: object, **options: object) -> Any:
        raise AssertionError("looked into the array")


class Nothing:
    """A source without samples."""

    def read(self, start: float, duration: float) -> np.ndarray:
        return np.zeros((2, round(duration * 10)))


def signal(**changes: Any) -> Signal:
    return Signal(**{"data": np.zeros((2, 30)), "rate": 10.0, "channels": ("A", "B"), **changes})


def stream(**changes: Any) -> Stream:
    span = Span(start=0.0, duration=3.0)
    plain = {"name": "eeg", "modality": "eeg", "unit": "V", "rate": 10.0, "channels": ("A", "B")}
    return Stream(**{**plain, "span": span, "source": Nothing(), **changes})


def features(**changes: Any) -> Features:
    plain = {
        "values": np.zeros((3, 2, 4)),
        "axes": {"window": (), "band": ("low", "high"), "channel": tuple("ABCD")},
        "starts": np.arange(3.0),
        "durations": np.ones(3),
        "extractor": "de",
        "version": "1",
        "valid": np.ones(3, bool),
    }
    return Features(**{**plain, **changes})


def batch(**changes: Any) -> Batch:
    plain = {
        "ids": ("a", "b"),
        "inputs": {"eeg": np.zeros((2, 5), np.float32)},
        "present": {"eeg": np.ones(2, bool)},
        "label": np.zeros(2, np.int64),
        "domain": np.zeros(2, np.int64),
        "weight": np.ones(2, np.float32),
    }
    return Batch(**{**plain, **changes})


def trial(**changes: Any) -> Trial:
    plain = {"id": "t", "recording": "r", "subject": "1", "session": "1", "stimulus": "5"}
    return Trial(**{**plain, "span": Span(start=0.0, duration=3.0), **changes})


def recording(**changes: Any) -> Recording:
    plain = {"id": "r", "dataset": "d", "subject": "1", "session": "1", "streams": {"eeg": stream()}}
    return Recording(**{**plain, **changes})


def split(**changes: Any) -> Split:
    plain = {"fold": "1", "train": ("a",), "val": (), "test": ("b",), "held_out": {}, "unit": "trial"}
    return Split(**{**plain, **changes})


def test_all_types_are_frozen_and_take_keywords_only():
    types = [t for t in vars(core).values() if dataclasses.is_dataclass(t)]
    assert len(types) == 20
    for t in types:
        assert t.__dataclass_params__.frozen, t
        assert all(f.kw_only for f in dataclasses.fields(t)), t


def test_types_that_hold_arrays_are_not_compared_value_by_value():
    for t in (Signal, Clip, Features, Batch, Prediction, Stream):
        assert not t.__dataclass_params__.eq, t


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (signal, {"data": np.zeros(30)}, r"data must be \(channels, times\), got shape \(30,\)"),
        (signal, {"data": np.zeros((2, 30), int)}, "data must be floating point, got int64"),
        (signal, {"data": np.zeros((2, 30), complex)}, "data must be floating point, got complex128"),
        (signal, {"data": np.zeros((3, 30))}, "3 rows of data but 2 channel names"),
        (signal, {"channels": ("A", "A")}, "channel names repeat"),
        (signal, {"rate": 0.0}, "rate must be positive, got 0.0"),
        (signal, {"rate": float("nan")}, "rate must be positive, got nan"),
        (signal, {"unit": "uV"}, "unit 'uV' is not one of"),
        (signal, {"valid": np.ones(29, bool)}, r"valid must be boolean of shape \(30,\)"),
        (signal, {"valid": np.ones(30)}, "valid must be boolean"),
        (stream, {"name": ""}, "Stream.name must be a non-empty string"),
        (stream, {"unit": "microvolt"}, "unit 'microvolt' is not one of"),
        (stream, {"rate": -1.0}, "rate must be positive"),
        (stream, {"channels": ("A", "A")}, "eeg: channel names repeat"),
        (stream, {"source": object()}, r"eeg: source has no read\(start, duration\)"),
        (features, {"axes": {"band": ("a",)}}, "the first axis must be 'window'"),
        (features, {"axes": {}}, "the first axis must be 'window'"),
        (features, {"axes": {"window": (), "band": ("low", "high")}}, "3 axes of values but 2 names"),
        (
            features,
            {"axes": {"window": (), "band": ("low",), "channel": tuple("ABCD")}},
            "axis 'band': 1 labels for 2 values",
        ),
        (features, {"starts": np.arange(2.0)}, r"starts must have shape \(3,\)"),
        (features, {"durations": np.ones((3, 1))}, r"durations must have shape \(3,\)"),
        (features, {"valid": np.ones(3)}, "valid must be boolean"),
        (features, {"extractor": ""}, "Features.extractor must be a non-empty string"),
        (batch, {"label": np.zeros(3, np.int64)}, r"label must have shape \(2,\)"),
        (batch, {"inputs": {"eye": np.zeros((2, 5))}}, "inputs and present must name the same streams"),
        (batch, {"inputs": {"eeg": np.zeros((3, 5))}}, "eeg: 3 rows for 2 ids"),
        (batch, {"present": {"eeg": np.ones(2)}}, r"present\['eeg'\] must be boolean"),
        (trial, {"stimulus": ""}, "Trial.stimulus must be a non-empty string"),
        (recording, {"streams": {"eye": stream()}}, "r: stream 'eeg' is filed under 'eye'"),
        (recording, {"trials": (trial(), trial())}, "r: trial ids repeat"),
        (split, {"test": ()}, "fold 1: train and test must not be empty"),
        (split, {"train": ("a", "a")}, "fold 1: ids repeat in train"),
        (split, {"held_out": {"person": ("1",)}}, r"held_out has unknown keys \['person'\]"),
        (Span, {"start": 0.0, "duration": -1.0}, "duration must not be negative"),
        (Span, {"start": float("nan"), "duration": 1.0}, "span must be finite"),
        (Event, {"kind": "", "span": Span(start=0.0, duration=0.0)}, "Event.kind must be a non-empty"),
        (Window, {"id": "w", "trial": "", "span": Span(start=0.0, duration=1.0)}, "Window.trial must be"),
        (Label, {"value": "sad", "scale": ("happy",), "rater": "self"}, "label 'sad' is not on its scale"),
        (Label, {"value": "sad", "scale": ("sad",), "rater": ""}, "Label.rater must be a non-empty"),
        (
            Sample,
            {"id": "s", "trial": "t", "subject": "1", "session": "1", "stimulus": ""},
            "Sample.stimulus must be a non-empty string",
        ),
        (
            Prediction,
            {"ids": ("a",), "probabilities": np.zeros((1, 3)), "classes": ("x", "y")},
            r"probabilities must have shape \(1, 2\), got \(1, 3\)",
        ),
        (AuditReport, {"verdict": "leaks"}, "the verdict must follow from the findings"),
        (
            AuditReport,
            {"verdict": "clean", "findings": (Finding(kind="index", where="f", evidence="e"),)},
            "the verdict must follow from the findings",
        ),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(make, changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)


def test_a_caution_leaves_the_verdict_clean():
    caution = Finding(kind="stimulus", where="loso", evidence="shared clips", severity="caution")
    assert AuditReport(verdict="clean", findings=(caution,)).findings == (caution,)


def test_what_is_made_cannot_be_changed():
    made = signal()
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.rate = 20.0  # type: ignore[misc]


def test_arrays_are_never_looked_into():
    data = Untouchable((2, 1_000_000), "float32")
    assert signal(data=data).n_times == 1_000_000
    values = Untouchable((3, 2, 4), "float64")
    made = features(
        values=values,
        starts=Untouchable((3,), "float64"),
        durations=Untouchable((3,), "float64"),
        valid=Untouchable((3,), "bool"),
    )
    assert made.values is values
    assert made.n_windows == 3
    rows = Untouchable((2, 5), "float32")
    assert batch(inputs={"eeg": rows}, present={"eeg": Untouchable((2,), "bool")}).inputs["eeg"] is rows
    Prediction(ids=("a",), probabilities=Untouchable((1, 2), "float32"), classes=("x", "y"))


def test_a_memory_map_stays_one(tmp_path: Path):
    data = np.memmap(tmp_path / "data", dtype="float32", mode="w+", shape=(2, 30))
    assert signal(data=data).data is data


def test_a_stream_reads_when_asked():
    made = stream().read(Span(start=1.0, duration=0.5))
    assert made.data.shape == (2, 5)
    assert (made.start, made.unit, made.channels) == (1.0, "V", ("A", "B"))
    assert made.span == Span(start=1.0, duration=0.5)
    assert stream().read().n_times == 30


def test_a_stream_covers_what_its_source_covers():
    class Gap(Nothing):
        def covers(self, start: float, duration: float) -> bool:
            return start >= 1.0

    assert stream().covers(Span(start=0.0, duration=3.0))
    assert not stream().covers(Span(start=0.0, duration=3.2))
    assert not stream().covers(Span(start=-0.1, duration=1.0))
    assert not stream(source=Gap()).covers(Span(start=0.0, duration=3.0))
    assert stream(source=Gap()).covers(Span(start=1.0, duration=2.0))


def test_spans_are_half_open():
    first, second = Span(start=0.0, duration=2.0), Span(start=2.0, duration=2.0)
    assert first.stop == 2.0
    assert not first.overlaps(second)
    assert not second.overlaps(first)
    assert first.overlaps(Span(start=1.9, duration=5.0))


def test_a_clock_is_the_recording_clock_unless_it_says_otherwise():
    assert (Clock().offset, Clock().drift) == (0.0, 0.0)
