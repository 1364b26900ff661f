"""The reader of EEGLAB recordings against known files, against MNE, and against broken files."""

from __future__ import annotations

import pickle
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _mes_eeg_files import write_set
from mien.core import InputError, UnknownNameError
from mien.io.eeglab import EeglabSet, open_set
from mien.io.sampled import ChannelSource

CHANNELS = list("ABCDE")
EVENTS = [("77", 1.0), ("101", 500.0), ("100", 2500.5)]
FORMS: list[dict[str, Any]] = [
    {},
    {"flat": True},
    {"inside": True},
    {"inside": True, "flat": True},
    {"inside": True, "compressed": True},
    {"form": "7.3"},
    {"form": "7.3", "flat": True},
    {"form": "7.3", "inside": True},
]


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    """3000 samples of 5 channels in microvolts, as float32 can hold them."""
    return np.random.default_rng(0).normal(scale=20.0, size=(5, 3000)).astype(np.float32).astype(np.float64)


@pytest.fixture(params=FORMS, ids=lambda f: "-".join(f"{k}={v}" for k, v in f.items()) or "plain")
def form(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


def test_every_form_gives_the_same(tmp_path: Path, data: np.ndarray, form: dict[str, Any]) -> None:
    found = open_set(write_set(tmp_path / "a.set", data, CHANNELS, EVENTS, rate=1000, **form))
    assert (found.channels, found.rate, found.n_samples) == (tuple(CHANNELS), 1000.0, 3000)
    assert (found.span.start, found.span.duration) == (0.0, 3.0)
    assert [(e.kind, e.value, e.span.start) for e in found.events] == [
        ("marker", "77", 0.0),
        ("marker", "101", 0.499),
        ("marker", "100", 2.4995),
    ]
    # microvolts times 1e-6 in float64: one rounding
    np.testing.assert_allclose(found.read(0, 3), data * 1e-6, rtol=1e-15)
    np.testing.assert_array_equal(
        found.read(1.0, 0.5, channels=["D", "B"]), found.read(0, 3)[[3, 1], 1000:1500]
    )
    low, high = found.limits()
    np.testing.assert_allclose([low, high], [data.min(axis=1) * 1e-6, data.max(axis=1) * 1e-6], rtol=1e-15)


@pytest.mark.parametrize("events", [EVENTS, [("101", 10.0)], []], ids=["some", "one", "none"])
@pytest.mark.parametrize("inside", [False, True])
def test_as_mne_reads_it(tmp_path: Path, data: np.ndarray, events: list[Any], inside: bool) -> None:
    import mne

    path = write_set(tmp_path / "a.set", data, CHANNELS, events, rate=1000, inside=inside)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about positions of electrodes
        raw = mne.io.read_raw_eeglab(path, verbose="error")
    ours = open_set(path)
    # both are float32 microvolts times 1e-6
    np.testing.assert_allclose(ours.read(0, 3), raw.get_data(), rtol=1e-12)
    assert list(ours.channels) == raw.ch_names
    assert [e.value for e in ours.events] == list(raw.annotations.description)
    np.testing.assert_allclose([e.span.start for e in ours.events], raw.annotations.onset, atol=1e-12)


@pytest.mark.parametrize("form", ["5", "7.3"])
@pytest.mark.parametrize("n", [0, 1, 3])
def test_any_number_of_events(tmp_path: Path, data: np.ndarray, form: str, n: int) -> None:
    events = [("100", 30.0), (101.0, 10.0), ("boundary", 20.5)][:n]
    found = open_set(write_set(tmp_path / "a.set", data, CHANNELS, events, rate=1000, form=form))
    wanted = [(0.009, "marker", "101"), (0.0195, "boundary", "boundary"), (0.029, "marker", "100")]
    there = {str(kind).removesuffix(".0") for kind, _ in events}
    assert [(round(e.span.start, 6), e.kind, e.value) for e in found.events] == [
        w for w in wanted if w[2] in there
    ]


def test_a_pair_that_was_renamed_is_read(tmp_path: Path, data: np.ndarray) -> None:
    path = write_set(tmp_path / "old.set", data, CHANNELS)
    path.with_suffix(".fdt").rename(tmp_path / "new.fdt")
    found = open_set(path.rename(tmp_path / "new.set"))
    assert found.data_path.name == "new.fdt"
    np.testing.assert_allclose(found.read(0, 1), data[:, :250] * 1e-6, rtol=1e-15)


def test_the_name_inside_may_be_a_path_of_another_system(tmp_path: Path, data: np.ndarray) -> None:
    path = write_set(tmp_path / "a.set", data, CHANNELS, data="C:\\recordings\\other.fdt")
    path.with_suffix(".fdt").rename(tmp_path / "other.fdt")
    assert open_set(path).data_path.name == "other.fdt"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(first=st.integers(0, 2999), length=st.integers(0, 3000), rows=st.lists(st.integers(0, 4), max_size=5))
def test_any_span_of_any_channels(
    tmp_path: Path, data: np.ndarray, first: int, length: int, rows: list[int]
) -> None:
    path = tmp_path / "a.set"
    if not path.exists():
        write_set(path, data, CHANNELS, rate=1000)
    length = min(length, 3000 - first)
    found = open_set(path).read(first / 1000, length / 1000, channels=[CHANNELS[r] for r in rows])
    np.testing.assert_allclose(found, data[rows, first : first + length] * 1e-6, rtol=1e-15)


def test_reading_a_piece_costs_a_piece(tmp_path: Path) -> None:
    path = write_set(tmp_path / "a.set", np.zeros((20, 400_000)), [f"c{i}" for i in range(20)], rate=1000)
    recording = open_set(path)
    tracemalloc.start()
    recording.read(10.0, 1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 160 kB of result and what belongs to it; the file has 32 MB
    assert peak < 1e6


def test_travels_to_another_process_and_keeps_no_open_file(tmp_path: Path, data: np.ndarray) -> None:
    source = ChannelSource(
        recording=open_set(write_set(tmp_path / "a.set", data, CHANNELS, rate=1000)), channels=("C",)
    )
    again = pickle.loads(pickle.dumps(source))  # noqa: S301  our own bytes
    np.testing.assert_array_equal(again.read(0.5, 1), source.read(0.5, 1))
    assert [p.name for p in source.files()] == ["a.set", "a.fdt"]
    assert source.covers(0, 3)
    assert not source.covers(0, 3.01)
    assert not source.covers(-0.01, 1)


def test_spans_and_channels_that_are_not_there(tmp_path: Path, data: np.ndarray) -> None:
    found = open_set(write_set(tmp_path / "a.set", data, CHANNELS, rate=1000))
    with pytest.raises(
        InputError, match=r"a\.set: \[2 s, 4 s\) is not within .*expected a span within \[0 s, 3 s\)"
    ):
        found.read(2, 2)
    with pytest.raises(UnknownNameError, match="unknown channel 'X'"):
        found.read(0, 1, channels=["X"])


def test_the_repr_names_no_file(tmp_path: Path, data: np.ndarray) -> None:
    assert str(tmp_path) not in repr(open_set(write_set(tmp_path / "a.set", data, CHANNELS, EVENTS)))


# --- faults --------------------------------------------------------------------------------------------


def refused(path: Path, match: str) -> None:
    with pytest.raises(InputError, match=match) as caught:
        open_set(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(str(caught.value.file))


def test_files_that_are_something_else(tmp_path: Path) -> None:
    path = tmp_path / "a.set"
    refused(path, "no such file; expected an EEGLAB recording")
    for content, match in (
        (b"", "is empty"),
        (b"<!DOCTYPE html><html></html>", "is a web page"),
        (b"PK\x03\x04" + bytes(60), "is a ZIP archive"),
        (b"hello world " * 60, "is not a MATLAB file"),
    ):
        path.write_bytes(content)
        refused(path, match)


@pytest.mark.parametrize("form", ["5", "7.3"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_set_that_is_cut(tmp_path: Path, data: np.ndarray, form: str, share: float) -> None:
    path = write_set(tmp_path / "a.set", data, CHANNELS, EVENTS, form=form)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(path, "truncated or damaged|lacks the fields")


def test_a_set_with_data_inside_that_is_cut(tmp_path: Path, data: np.ndarray) -> None:
    path = write_set(tmp_path / "a.set", data, CHANNELS, EVENTS, inside=True)
    path.write_bytes(path.read_bytes()[:-1000])
    refused(path, "truncated or damaged")


def test_an_fdt_that_is_missing_short_or_long(tmp_path: Path, data: np.ndarray) -> None:
    path = write_set(tmp_path / "a.set", data, CHANNELS)
    fdt = path.with_suffix(".fdt")
    content = fdt.read_bytes()
    fdt.write_bytes(content[:-4000])
    refused(
        path, r"a\.fdt: is short: 56,000 bytes \(2,800 samples of 5 channels\); expected 60,000 bytes \(3,000"
    )
    fdt.write_bytes(content + b"1234")
    refused(path, r"a\.fdt: is too long")
    fdt.unlink()
    refused(path, r"a\.set: its \.fdt, which holds the samples, is not there; expected a\.fdt beside it")


def test_an_fdt_that_becomes_short_after_opening(tmp_path: Path, data: np.ndarray) -> None:
    found = open_set(write_set(tmp_path / "a.set", data, CHANNELS))
    found.data_path.write_bytes(found.data_path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"a\.fdt: is short"):
        found.read(0, 1)
    found.data_path.unlink()
    with pytest.raises(InputError, match=r"a\.fdt: no such file"):
        found.limits()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"trials": 12.0}, "is cut in 12 epochs; expected a continuous"),
        ({"srate": 0.0}, "gives a rate of 0 samples per second"),
        ({"pnts": 0.0}, "gives pnts as .*expected a whole number"),
        ({"nbchan": 4.0}, "names 5 channels and has 4; expected a name for each"),
        ({"pnts": None, "event": None}, "lacks the fields pnts, event"),
        ({"chanlocs": [{"labels": "A"}] * 5}, "channel names repeat: A"),
        ({"chanlocs": []}, "names 0 channels and has 5"),
        ({"event": [{"type": "101"}]}, "event 1 has no latency"),
    ],
)
@pytest.mark.parametrize("form", ["5", "7.3"])
def test_headers_that_contradict(
    tmp_path: Path, data: np.ndarray, changes: dict[str, Any], match: str, form: str
) -> None:
    refused(write_set(tmp_path / "a.set", data, CHANNELS, form=form, **changes), match)


def test_data_inside_that_contradict_the_header(tmp_path: Path, data: np.ndarray) -> None:
    path = write_set(tmp_path / "a.set", data, CHANNELS, inside=True, pnts=2000.0)
    refused(path, r"holds data of shape \(5, 3000\) for 5 channels of 2000 samples")


def test_samples_channel_by_channel_are_refused(tmp_path: Path, data: np.ndarray) -> None:
    path = write_set(tmp_path / "a.set", data, CHANNELS, data="a.dat")
    path.with_suffix(".fdt").rename(tmp_path / "a.dat")
    refused(path, r"its samples are in a \.dat, channel by channel")


def test_types(tmp_path: Path, data: np.ndarray) -> None:
    assert isinstance(open_set(write_set(tmp_path / "a.set", data, CHANNELS)), EeglabSet)
