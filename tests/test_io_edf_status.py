"""The trigger channel of BDF recordings, as runs of one value."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mien.io.edf
from _edf import write_edf
from mien.core import InputError
from mien.io.edf import open_edf, read_status

RATE = 32


def write_bdf(path: Path, values: np.ndarray, *, first: bool = False, name: str = "Status") -> Path:
    """Two channels of noise, and 24 bits of status behind them or before them."""
    rng = np.random.default_rng(0)
    names, units = ["Fp1", "Cz"], ["uV", "uV"]
    at = 0 if first else 2
    names.insert(at, name)
    units.insert(at, "Boolean")
    rows = [rng.normal(size=len(values)) for _ in names]
    write_edf(path, rows, rates=[RATE] * 3, names=names, units=units)
    raw = np.frombuffer(path.read_bytes(), np.uint8).copy()
    records = raw[256 * 4 :].reshape(-1, 3, RATE, 3)
    records[:, at] = values.astype("<u4").view(np.uint8).reshape(-1, RATE, 4)[..., :3]
    path.write_bytes(raw.tobytes())
    return path


def expanded(path: Path, **options: int) -> np.ndarray:
    found = read_status(path, **options)
    return np.repeat(found.values, np.diff(np.append(found.starts, found.n_samples)))


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(st.integers(0, 2**24 - 1), min_size=1, max_size=6),
    block=st.sampled_from([1, 3 * RATE, 7 * RATE, 1 << 20]),
    first=st.booleans(),
)
def test_all_24_bits_come_back_whatever_is_read_at_a_time(
    tmp_path_factory: pytest.TempPathFactory, values: list[int], block: int, first: bool
) -> None:
    each = np.resize(np.repeat(np.array(values), 5), 4 * RATE)
    path = write_bdf(tmp_path_factory.mktemp("bdf") / "a.bdf", each, first=first)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mien.io.edf, "_BLOCK_BYTES", block)
        np.testing.assert_array_equal(expanded(path, mask=0xFFFFFF), each)
        np.testing.assert_array_equal(expanded(path, mask=0xFF), each & 0xFF)


def test_runs_are_whole_and_times_are_those_of_the_samples(tmp_path: Path) -> None:
    values = np.zeros(3 * RATE, int)
    values[10:50] = 4  # crosses a record
    found = read_status(write_bdf(tmp_path / "a.bdf", values | 0x18FF00), mask=0xFF)
    assert (found.starts.tolist(), found.values.tolist()) == ([0, 10, 50], [0, 4, 0])
    assert (found.rate, found.n_samples) == (RATE, 96)
    upper = read_status(write_bdf(tmp_path / "a.bdf", values | 0x58FF00), mask=0xFF)
    np.testing.assert_array_equal(upper.starts, found.starts)
    np.testing.assert_array_equal(upper.values, found.values)


def test_equal_to_mne(tmp_path: Path) -> None:
    values = np.zeros(3 * RATE, int)
    values[10:50], values[60:61] = 4, 200
    path = write_bdf(tmp_path / "a.bdf", values)
    found = read_status(path)
    raw = mne.io.read_raw_bdf(path, stim_channel="Status", verbose="error")
    theirs = mne.find_events(raw, min_duration=0, shortest_event=1, verbose="error")
    ours = np.column_stack([found.starts, found.values])[found.values > 0]
    np.testing.assert_array_equal(ours, theirs[:, [0, 2]])


def test_memory_does_not_grow_with_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_bdf(tmp_path / "a.bdf", np.zeros(20_000 * RATE, int))  # 1.9 MB of status
    monkeypatch.setattr(mien.io.edf, "_BLOCK_BYTES", 30_000)
    tracemalloc.start()
    read_status(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # a block is 30 kB of bytes and 80 kB for each array of 8-byte integers made of it
    assert peak < 1_000_000


def test_the_channel_is_found_in_any_case(tmp_path: Path) -> None:
    path = write_bdf(tmp_path / "a.bdf", np.full(RATE, 7), name="STATUS")
    assert read_status(path).values.tolist() == [7]
    assert "STATUS" in open_edf(path).others


def test_no_status(tmp_path: Path) -> None:
    path = write_bdf(tmp_path / "a.bdf", np.zeros(RATE, int), name="Trigger")
    with pytest.raises(
        InputError, match=r"a\.bdf: has no channel 'Status'; expected one among Fp1, Cz, Trigger"
    ):
        read_status(path)
    edf = write_edf(tmp_path / "a.edf", [np.zeros(RATE)], rates=[RATE], names=["Status"])
    with pytest.raises(InputError, match=r"a\.edf: has no status channel: it is EDF"):
        read_status(edf)


@pytest.mark.parametrize(
    ("keep", "says"),
    [(0, "is empty"), (100, "does not begin like one"), (600, "is cut"), (-10, "is cut: it holds 0 of")],
)
def test_a_cut_recording(tmp_path: Path, keep: int, says: str) -> None:
    path = write_bdf(tmp_path / "a.bdf", np.zeros(RATE, int))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=says):
        read_status(path)
