"""The reader of EDF and BDF against known files, MNE, and broken files."""

from __future__ import annotations

import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest

from _edf import LARGEST, write_edf
from mien.core import InputError, Source, UnknownNameError
from mien.io.edf import open_edf

NAMES = ["Fp1.", "Cz..", "EEG O2-REF"]
STEP = {".edf": 400e-6 / LARGEST[2], ".bdf": 400e-6 / LARGEST[3]}
"""Volts between two values that the test files can store."""


@pytest.fixture
def volts() -> np.ndarray:
    """Three channels, six seconds at 100 Hz."""
    return np.random.default_rng(0).uniform(-390e-6, 390e-6, size=(3, 600))


def written(path: Path, volts: np.ndarray, **options: Any) -> Path:
    return write_edf(path, volts * 1e6, rates=[100] * 3, names=NAMES, **options)


@pytest.mark.parametrize("ending", [".edf", ".bdf"])
def test_what_was_written_comes_back_in_volts(tmp_path: Path, volts: np.ndarray, ending: str) -> None:
    edf = open_edf(written(tmp_path / f"a{ending}", volts))
    assert (edf.channels, edf.rate, edf.n_samples, edf.span.duration) == (tuple(NAMES), 100.0, 600, 6.0)
    assert dict(edf.others) == {}
    assert isinstance(edf, Source)
    assert edf.files() == (tmp_path / f"a{ending}",)
    # rounding to what the file stores
    np.testing.assert_allclose(edf.read(0, 6), volts, atol=0.51 * STEP[ending], rtol=0)
    np.testing.assert_array_equal(edf.read(1.5, 2.03), edf.read(0, 6)[:, 150:353])
    np.testing.assert_array_equal(edf.read(0, 1, channels=["Cz..", "Fp1."]), edf.read(0, 1)[[1, 0]])


def test_equal_to_mne_and_the_same_in_another_process(tmp_path: Path, volts: np.ndarray) -> None:
    path = written(tmp_path / "a.edf", volts)
    edf = pickle.loads(pickle.dumps(open_edf(path)))  # noqa: S301
    np.testing.assert_array_equal(edf.read(0, 6), mne.io.read_raw_edf(path, verbose="error").get_data())


def test_other_rates_and_units_are_left_aside_and_named(tmp_path: Path) -> None:
    """MNE alone would resample the slow channel and call its numbers volts."""
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=n) for n in (200, 200, 20, 200)]
    path = write_edf(
        tmp_path / "a.edf",
        rows,
        rates=[100, 100, 10, 100],
        names=["Fz", "Pz", "slow", "Status"],
        units=["mV", "V", "uV", ""],
    )
    edf = open_edf(path)
    assert edf.channels == ("Fz", "Pz")
    assert dict(edf.others) == {"slow": "10 Hz", "Status": "unit ''"}
    # half of the smallest step of 400 / 32767 units
    np.testing.assert_allclose(edf.read(0, 2), [rows[0] * 1e-3, rows[1]], atol=0.01, rtol=0)
    np.testing.assert_allclose(edf.read(0, 2)[0], rows[0] * 1e-3, atol=1e-5, rtol=0)


def test_a_span_outside_and_an_unknown_channel_are_named(tmp_path: Path, volts: np.ndarray) -> None:
    edf = open_edf(written(tmp_path / "a.edf", volts))
    assert edf.covers(0, 6)
    assert not edf.covers(-0.1, 1)
    assert not edf.covers(5.5, 0.6)
    with pytest.raises(InputError, match=r"a\.edf.*not within the recording.*\[0 s, 6 s\)"):
        edf.read(5.5, 0.6)
    with pytest.raises(UnknownNameError, match=r"'Cz\.'.*did you mean 'Cz\.\.'"):
        edf.read(0, 1, channels=["Cz."])


def test_a_block_of_a_long_file_costs_the_block(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(16, 60_000))
    path = write_edf(tmp_path / "a.edf", rows, rates=[100] * 16, names=[f"E{i}" for i in range(16)])
    edf = open_edf(path)
    edf.read(0, 1)
    tracemalloc.start()
    edf.read(300, 10)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2e6  # the block is 128 kB in float64, the recording 7.7 MB; MNE copies a few times


def cut(path: Path, at: int) -> None:
    path.write_bytes(path.read_bytes()[:at])


def put(path: Path, at: int, content: bytes) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + content + whole[at + len(content) :])


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda p: p.unlink(), "no such file"),
        (lambda p: p.write_bytes(b""), "is empty"),
        (lambda p: p.write_bytes(b"<html>login</html>"), "web page"),
        (lambda p: p.write_bytes(b"SR_RESEARCH_COMBINED_FILE" + bytes(400)), "EyeLink"),
        (lambda p: p.write_bytes(bytes(2000)), "does not begin like one"),
        (lambda p: cut(p, 200), "does not begin like one"),
        (lambda p: cut(p, 700), "is cut: it has 700 bytes, its header alone 1,024"),
        (lambda p: cut(p, 1024 + 3 * 600 + 10), "is cut: it holds 3 of the 6 records"),
        (lambda p: (put(p, 236, b"-1      "), cut(p, 1024)), "holds no samples"),
        (lambda p: put(p, 236, b"six     "), "letters where numbers belong"),
        (lambda p: put(p, 252, b"90  "), "contradicts itself"),
        (lambda p: put(p, 192, b"EDF+D"), "is interrupted"),
        (lambda p: put(p, 256 + 16, b"Fp1.            "), "channel names repeat: Fp1."),
        (lambda p: put(p, 256 + 3 * 96, b"bpm     " * 3), "no channel in volts: the units are 'bpm'"),
        (lambda p: put(p, 256 + 3 * 216, b"0       "), "a channel without samples"),
        (lambda p: put(p, 256 + 3 * 216, b"many    "), "letters where numbers belong"),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path: Path, volts: np.ndarray, damage: Any, match: str) -> None:
    path = written(tmp_path / "rest.edf", volts)
    damage(path)
    with pytest.raises(InputError, match=rf"rest\.edf: .*{match}"):
        open_edf(path)


def test_a_wrong_ending_says_what_to_rename_it_to(tmp_path: Path, volts: np.ndarray) -> None:
    path = written(tmp_path / "a.edf", volts).rename(tmp_path / "a.rec")
    with pytest.raises(InputError, match=r"not named \*\.edf\. Rename it to a\.edf"):
        open_edf(path)


def test_a_recording_that_was_not_stopped_is_read_to_its_last_whole_record(
    tmp_path: Path, volts: np.ndarray
) -> None:
    path = written(tmp_path / "a.edf", volts)
    put(path, 236, b"-1      ")
    cut(path, 1024 + 4 * 600 + 7)
    assert open_edf(path).n_samples == 400
