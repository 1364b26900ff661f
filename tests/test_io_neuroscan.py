"""The reader of Neuroscan recordings against known files, against MNE, and against broken files."""

from __future__ import annotations

import datetime
import pickle
import struct
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _cnt import write_cnt
from mien.core import InputError, UnknownNameError
from mien.io.neuroscan import Cnt, open_cnt
from mien.io.sampled import ChannelSource

EVENTS = [
    (10, 1),
    (100, 2),
    (500, 7, 3, 0),
    (600, 0, 0, 4),
    (700, 0, 0, 0xC0),
    (900, 0, 0, 0xD0),
    (1999, 65535),
]


@pytest.fixture
def stored() -> np.ndarray:
    """2000 samples of 7 channels."""
    return np.random.default_rng(0).integers(-(2**14), 2**14, size=(2000, 7))


def scaled(path: Path, stored: np.ndarray, **options: Any) -> Path:
    """A file whose channels differ in baseline, sensitivity and calibration."""
    return write_cnt(
        path,
        stored,
        baseline=range(-3, 4),
        sensitivity=[0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 0.1],
        calibration=[1.0, 0.9, 1.1, 1.0, 1.2, 1.3, 0.7],
        **options,
    )


def test_header(tmp_path: Path, stored: np.ndarray) -> None:
    names = ["FP1", "FPZ", "HEO", "M1", "M2", "ECG", "ABCDEFGHIJ"]
    cnt = open_cnt(write_cnt(tmp_path / "a.cnt", stored, names=names, rate=500, events=[(4, 9)]))
    assert (cnt.n_channels, cnt.rate, cnt.n_samples, cnt.overflowed) == (7, 500.0, 2000, False)
    assert cnt.channels == tuple(names)
    assert (cnt.span.start, cnt.span.duration) == (0.0, 4.0)
    assert cnt.started == datetime.datetime(2022, 10, 15, 14, 25, 34)
    assert [(e.kind, e.value, e.span.start, e.clock) for e in cnt.events] == [
        ("marker", 9, 0.008, "recording")
    ]


def test_values_are_volts_by_the_documented_formula(tmp_path: Path) -> None:
    stored = np.array([[2048, 0], [-1024, 100]])
    path = write_cnt(
        tmp_path / "a.cnt", stored, baseline=[0, 50], sensitivity=[1, 2.5], calibration=[1, 2], rate=2
    )
    # 2048 counts of 1/204.8 µV are 10 µV; (0 - 50) * 2.5 * 2 / 204.8 µV
    expected = np.array([[10.0, -5.0], [-1.220703125, 1.220703125]]) * 1e-6
    np.testing.assert_allclose(open_cnt(path).read(0, 1), expected, rtol=1e-15)


@pytest.mark.parametrize("event_type", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["<i4", "<i2"])
def test_equal_to_mne(tmp_path: Path, stored: np.ndarray, event_type: int, dtype: str) -> None:
    mne = pytest.importorskip("mne")
    path = scaled(tmp_path / "a.cnt", stored, events=EVENTS, event_type=event_type, dtype=dtype)
    cnt = open_cnt(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there are no electrode positions in the file
        raw = mne.io.read_raw_cnt(path, verbose="error")
    assert tuple(raw.ch_names) == cnt.channels
    assert (raw.info["sfreq"], raw.n_times) == (cnt.rate, cnt.n_samples)
    np.testing.assert_array_equal(cnt.read(0, 2.0), raw.get_data())
    np.testing.assert_array_equal(cnt.read(0.5, 0.25), raw.get_data(start=500, stop=750))
    words = {"keypad": "KeyPad Response {}", "keyboard": "Keyboard Response {}", "marker": "{}"}
    described = [words.get(e.kind, "BAD_0").format(e.value) for e in cnt.events]
    assert described == list(raw.annotations.description)
    samples = np.array([e.span.start for e in cnt.events]) * cnt.rate
    # MNE gives the sample before the one that the file names; both are exact to rounding
    np.testing.assert_allclose(samples - 1, raw.annotations.onset * cnt.rate, atol=1e-6)
    np.testing.assert_allclose([e.span.duration for e in cnt.events], raw.annotations.duration, atol=1e-9)


def test_event_at_the_first_sample_and_at_the_end(tmp_path: Path, stored: np.ndarray) -> None:
    cnt = open_cnt(write_cnt(tmp_path / "a.cnt", stored, events=[(0, 1), (2000, 2)]))
    assert [e.span.start for e in cnt.events] == [0.0, 2.0]


def test_rejected_stretch_without_an_end_runs_to_the_end(tmp_path: Path, stored: np.ndarray) -> None:
    (event,) = open_cnt(write_cnt(tmp_path / "a.cnt", stored, events=[(500, 0, 0, 0xC0)])).events
    assert (event.kind, event.span.start, event.span.duration) == ("rejected", 0.5, 1.5)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(first=st.integers(0, 2000), n=st.integers(0, 2000), rows=st.permutations(range(7)))
def test_any_part_equals_that_part_of_the_whole(
    tmp_path: Path, stored: np.ndarray, first: int, n: int, rows: list[int]
) -> None:
    path = tmp_path / "a.cnt"
    cnt = open_cnt(path if path.exists() else scaled(path, stored))
    n = min(n, 2000 - first)
    part = cnt.read(first / 1000, n / 1000, channels=[f"C{r + 1}" for r in rows[:3]])
    np.testing.assert_array_equal(part, cnt.read(0, 2)[rows[:3], first : first + n])


def test_spans_outside_and_unknown_channels(tmp_path: Path, stored: np.ndarray) -> None:
    cnt = open_cnt(write_cnt(tmp_path / "a.cnt", stored))
    for start, duration in ((-0.01, 1.0), (1.5, 0.51), (5.0, 0.0)):
        with pytest.raises(InputError, match=r"is not within the recording; expected a span within \[0 s, 2"):
            cnt.read(start, duration)
    with pytest.raises(UnknownNameError, match=r"unknown channel 'C99'"):
        cnt.read(0, 1, channels=["C99"])


def test_source_and_travel(tmp_path: Path, stored: np.ndarray) -> None:
    path = scaled(tmp_path / "a.cnt", stored, events=EVENTS)
    source = ChannelSource(recording=open_cnt(path), channels=("C3", "C1"))
    again: ChannelSource = pickle.loads(pickle.dumps(source))  # noqa: S301  our own bytes
    np.testing.assert_array_equal(again.read(0.1, 0.2), open_cnt(path).read(0.1, 0.2)[[2, 0]])
    assert again.files() == (path,)
    assert [source.covers(*span) for span in ((0, 2), (-0.1, 1), (1, 1.1))] == [True, False, False]


def test_limits(tmp_path: Path, stored: np.ndarray) -> None:
    cnt = open_cnt(scaled(tmp_path / "a.cnt", stored))
    low, high = cnt.limits()
    np.testing.assert_array_equal(low, cnt.read(0, 2).min(axis=1))
    np.testing.assert_array_equal(high, cnt.read(0, 2).max(axis=1))


def test_a_part_costs_that_part(tmp_path: Path) -> None:
    path = write_cnt(tmp_path / "a.cnt", np.zeros((300_000, 20), dtype=np.int32))  # 24 MB
    open_cnt(path).read(0, 0.1)  # imports are not what is measured
    tracemalloc.start()
    cnt = open_cnt(path)
    opened = tracemalloc.get_traced_memory()[1]
    data = cnt.read(100, 30)
    peak = tracemalloc.get_traced_memory()[1]
    cnt.limits()
    scanned = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert opened < 100_000
    # the result and one piece of 4 MiB stored values and its copy, whatever the length of the file
    assert peak < data.nbytes + 20e6
    assert scanned < data.nbytes + 20e6


# the pointer to the event table has wrapped round, or is nowhere, or never was


@pytest.mark.parametrize("pointer", [0, -1, -(2**31), 2**31 - 1])
def test_overflowed_pointer_without_a_table_runs_to_the_end(
    tmp_path: Path, stored: np.ndarray, pointer: int
) -> None:
    path = scaled(tmp_path / "a.cnt", stored, pointer=pointer, table=False, n_samples=0)
    cnt = open_cnt(path)
    assert (cnt.overflowed, cnt.n_samples, cnt.events) == (True, 2000, ())
    assert cnt.read(0, 2).shape == (7, 2000)


def test_overflowed_pointer_with_the_table_after_the_promised_samples(
    tmp_path: Path, stored: np.ndarray
) -> None:
    path = scaled(tmp_path / "a.cnt", stored, pointer=-12345, events=EVENTS)
    cnt, good = open_cnt(path), open_cnt(scaled(tmp_path / "b.cnt", stored, events=EVENTS))
    assert cnt.overflowed
    assert not good.overflowed
    assert cnt.events == good.events
    assert cnt.n_samples == 2000


def write_huge(path: Path, *, n_channels: int, n_samples: int, events: list[tuple[int, int]]) -> Path:
    """A sparse file beyond 2 GiB: header and events are real, the samples are holes on the disk."""
    write_cnt(path, np.zeros((1, n_channels), dtype=np.int32), n_samples=n_samples, table=False)
    begin, frame = 900 + 75 * n_channels, 4 * n_channels
    end = begin + n_samples * frame

    def wrapped(place: int) -> int:
        return (place + 2**31) % 2**32 - 2**31

    rows = b"".join(struct.pack("<HBBi", code, 0, 0, wrapped(begin + s * frame)) for s, code in events)
    with path.open("r+b") as handle:
        handle.seek(886)
        handle.write(struct.pack("<i", wrapped(end)))
        handle.seek(begin + (n_samples - 1) * frame)
        handle.write(np.full(n_channels, 2048, dtype="<i4").tobytes())
        handle.write(struct.pack("<Bii", 1, len(rows), 0) + rows)
    return path


@pytest.mark.parametrize("n_samples", [9_000_000, 20_000_000])  # 2.4 and 5.4 GB of holes
@pytest.mark.parametrize("promised", [True, False])
def test_files_beyond_two_gigabytes(tmp_path: Path, n_samples: int, promised: bool) -> None:
    events = [(5 + s, 1 + k % 2) for k, s in enumerate(range(0, n_samples, 50_000))]
    path = write_huge(tmp_path / "a.cnt", n_channels=67, n_samples=n_samples, events=events)
    assert path.stat().st_size > 2**31
    if not promised:
        with path.open("r+b") as handle:
            handle.seek(864)
            handle.write(bytes(4))
    cnt = open_cnt(path)
    assert (cnt.overflowed, cnt.n_samples) == (True, n_samples)
    assert [(round(e.span.start * 1000), e.value) for e in cnt.events] == events
    last = cnt.read((n_samples - 2) / 1000, 0.002)
    np.testing.assert_allclose(last, np.array([[0.0, 1e-5]] * 67), rtol=1e-12)


# broken files: one clear line each


def broken_cut(path: Path, stored: np.ndarray) -> str:
    scaled(path, stored, events=EVENTS)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return r"promises 7 channels of 2,000 samples, which take 57,425 bytes; the file has 28,\d+ \(it was cut"


def broken_cut_in_the_table(path: Path, stored: np.ndarray) -> str:
    scaled(path, stored, events=EVENTS)
    path.write_bytes(path.read_bytes()[:-30])
    return "its event table of 133 bytes is cut after 103"


def broken_cut_in_the_header(path: Path, stored: np.ndarray) -> str:
    scaled(path, stored)
    path.write_bytes(path.read_bytes()[:500])
    return "has 500 bytes, less than a header"


def broken_too_many_channels(path: Path, stored: np.ndarray) -> str:
    scaled(path, stored, n_channels=60_000)
    return r"promises 60000 channels, which take 4,500,900 bytes before the first sample; the file has 57"


def broken_some_more_channels(path: Path, stored: np.ndarray) -> str:
    scaled(path, stored, n_channels=9, events=EVENTS)
    return (
        r"promises 2,000 samples of 9 channels \(72,000 bytes\), but 55,850 bytes lie before its event table"
    )


def broken_fewer_channels(path: Path, stored: np.ndarray) -> str:
    # 57,425 bytes of header and samples, of which 6 channels' samples do not take up all
    scaled(path, stored, n_channels=6, events=EVENTS)
    return "promises 2,000 samples of 6 channels"


def broken_more_channels_that_fit(path: Path, stored: np.ndarray) -> str:
    write_cnt(path, stored[:1951], n_channels=14, n_samples=0, events=[(4, 1)])  # 54,628 - 525 = 966 x 56 + 7
    with path.open("r+b") as handle:
        raw = handle.read()
        at = 900 + 75 * 14 + 960 * 56
        handle.seek(886)
        handle.write(struct.pack("<i", at))
        handle.seek(at)
        handle.write(struct.pack("<Bii", 1, 0, 0))
        assert len(raw) > at + 9
    return r"the name of channel \d of 14 is ''"


def broken_no_channels(path: Path, stored: np.ndarray) -> str:
    scaled(path, stored, n_channels=0)
    return "promises 0 channels"


def broken_zero_rate(path: Path, stored: np.ndarray) -> str:
    scaled(path, stored, rate=0)
    return "a rate of 0 samples per second"


def broken_blocks(path: Path, stored: np.ndarray) -> str:
    scaled(path, stored, block=160)
    return "its channels are stored in blocks of 160 bytes; expected channels that alternate"


def broken_html(path: Path, stored: np.ndarray) -> str:
    path.write_text("<!DOCTYPE html><html>please log in</html>")
    return "is a web page"


def broken_empty(path: Path, stored: np.ndarray) -> str:
    path.write_bytes(b"")
    return "is empty"


def broken_absent(path: Path, stored: np.ndarray) -> str:
    return "no such file"


def broken_other_cnt(path: Path, stored: np.ndarray) -> str:
    path.write_bytes(b"RIFF" + bytes(2000))
    return "is a recording of ANT Neuro"


def broken_text(path: Path, stored: np.ndarray) -> str:
    path.write_text("Recording timestamp\tGaze point X\n" * 200)
    return "its header promises"


def broken_event_before_the_start(path: Path, stored: np.ndarray) -> str:
    scaled(path, stored, events=[(10, 1), (-3, 2), (-1, 2)])
    return r"event 2 of 3 \(code 2\) lies 3 samples before the first of 2,000 samples \(2 such events"


def broken_event_after_the_end(path: Path, stored: np.ndarray) -> str:
    scaled(path, stored, events=[(2001, 5)])
    return r"event 1 of 1 \(code 5\) lies 2 after the last of 2,000 samples"


def broken_pointer_into_the_samples(path: Path, stored: np.ndarray) -> str:
    scaled(path, np.full((2000, 7), 0x7F7F7F7F), pointer=20_000, n_samples=0)
    return "no event table at byte 20,000, where the header says it is"


def broken_no_samples(path: Path, stored: np.ndarray) -> str:
    scaled(path, stored[:0])
    return "promises 0 samples of 7 channels"


def broken_names(path: Path, stored: np.ndarray) -> str:
    write_cnt(path, stored, names=["FP1", "FP2", "FP1", "CZ", "C3", "C4", "CZ"])
    return "channel names repeat: CZ, FP1"


BROKEN = [function for name, function in sorted(globals().items()) if name.startswith("broken_")]


@pytest.mark.parametrize("damage", BROKEN, ids=[f.__name__.removeprefix("broken_") for f in BROKEN])
def test_broken_files(tmp_path: Path, stored: np.ndarray, damage: Callable[[Path, np.ndarray], str]) -> None:
    path = tmp_path / "a.cnt"
    reason = damage(path, stored)
    with pytest.raises(InputError, match=rf"a\.cnt: .*{reason}") as caught:
        open_cnt(path)
    assert "\n" not in str(caught.value)


def test_events_can_be_passed_over(tmp_path: Path, stored: np.ndarray) -> None:
    path = scaled(tmp_path / "a.cnt", stored, events=[(-3, 2)])
    assert open_cnt(path, events=False).events == ()


def test_a_file_that_shrinks_after_it_was_opened(tmp_path: Path, stored: np.ndarray) -> None:
    path = scaled(tmp_path / "a.cnt", stored)
    cnt = open_cnt(path)
    path.write_bytes(path.read_bytes()[:30_000])
    with pytest.raises(InputError, match="ends within sample 1020 of 2000"):
        cnt.read(0, 2)


def test_date_that_cannot_be_read(tmp_path: Path, stored: np.ndarray) -> None:
    def started(*text: str) -> datetime.datetime | None:
        cnt: Cnt = open_cnt(write_cnt(tmp_path / "a.cnt", stored, started=text))
        return cnt.started

    assert started("15/10/22", "14:25:34") is None
    assert started("", "") is None
    assert started("10/15/2022", "23:59:59") == datetime.datetime(2022, 10, 15, 23, 59, 59)
