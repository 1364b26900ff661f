"""A recording from another place becomes what a model knows: names, missing electrodes, rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _cnt import write_cnt
from _edf import write_edf
from mien.core import InputError, Span
from mien.datasets._seed_layout import CHANNELS
from mien.run.recording import Adapted, adapted, electrode, is_recording
from mien.signal.cleaning.montage import positions

RATE, SECONDS = 250.0, 12
TIMES = np.arange(int(RATE * SECONDS)) / RATE


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Fc5.", "FC5"),
        ("C5..", "C5"),
        ("T10.", "T10"),
        ("EEG FC5-REF", "FC5"),
        ("EEG Fp1-LE", "FP1"),
        ("eeg_fp1", "FP1"),
        ("Cz", "CZ"),
        ("T3", "T7"),
        ("EEG T6-A1A2", "P8"),
        ("Fp1-F7", "FP1-F7"),  # the difference of two electrodes is neither of them
        ("A1", "A1"),
        ("Status", "STATUS"),
    ],
)
def test_labels_that_are_met_become_names(label: str, name: str) -> None:
    assert electrode(label) == name


def field() -> np.ndarray:
    """Volts of a rhythm of 10 Hz that grows evenly from the back of the head to the front, and upwards."""
    slope = positions(CHANNELS) @ np.array([0.0, 300e-6, 200e-6])
    return slope[:, None] * np.sin(2 * np.pi * 10 * TIMES)


def written(path: Path, *, leave_out: tuple[str, ...] = (), extra: float = 0.0, label: str = "{}..") -> Path:
    """All electrodes in another order, at another rate, with one channel that is no electrode."""
    rows = {name: row for name, row in zip(CHANNELS, field(), strict=True) if name not in leave_out}
    names = sorted(rows)
    data = [1e6 * (rows[name] + extra * np.sin(2 * np.pi * 115 * TIMES)) for name in names]
    return write_edf(
        path,
        [*data, np.zeros(len(TIMES))],
        rates=[RATE] * (len(names) + 1),
        names=[label.format(n.title()) for n in names] + ["Trigger"],
    )


def opened(path: Path, **options: Any) -> Any:
    plan = {"channels": CHANNELS, "rate": 200.0, "top": 50.0, "stream": "eeg", "dataset": "seed_vii"}
    return adapted(path, **(plan | options))


def read(found: Adapted, span: Span | None = None) -> np.ndarray:
    return found.recording.streams["eeg"].read(span).data


def test_channels_come_in_the_order_of_the_model(tmp_path: Path) -> None:
    with opened(written(tmp_path / "a.edf"), rate=RATE) as found:
        stream = found.recording.streams["eeg"]
        assert stream.channels == CHANNELS
        assert (stream.rate, stream.unit) == (RATE, "V")
        (trial,) = found.recording.trials
        assert (trial.span.start, trial.span.duration) == (0.0, SECONDS)
        # half a step of the file, 400 µV in 32767, and float32
        np.testing.assert_allclose(read(found), field(), atol=1e-8, rtol=0)
        np.testing.assert_array_equal(read(found, Span(start=3.0, duration=2.0)), read(found)[:, 750:1250])
    facts = dict(found.facts)
    assert facts["Interpolated"] == "none"
    assert facts["Not used"] == "Trigger"
    assert facts["Rate"] == "250 Hz, as recorded"
    assert "all channels were found; 250 Hz was kept" in found.warnings[0]


def test_missing_electrodes_are_made_from_their_neighbours(tmp_path: Path) -> None:
    gone = ("PO5", "PO6", "CB1", "CB2", "FCZ")
    with opened(written(tmp_path / "a.edf", leave_out=gone, label="EEG {}-REF"), rate=RATE) as found:
        data = read(found)
    kept = [i for i, name in enumerate(CHANNELS) if name not in gone]
    np.testing.assert_allclose(data[kept], field()[kept], atol=1e-8, rtol=0)
    lost = [CHANNELS.index(name) for name in gone]
    # an even field is what splines do best; the rim of the cap (CB1, CB2) has neighbours on one side only
    error = np.abs(data - field()).max(axis=1)[lost] / np.abs(field()).max()
    assert (error < 0.15).all()
    assert dict(found.facts)["Interpolated"] == ", ".join(n for n in CHANNELS if n in gone)
    assert "5 of 62 channels are not in the recording and were interpolated" in found.warnings[0]


def test_the_rate_changes_without_anything_folding_back(tmp_path: Path) -> None:
    """115 Hz would come out as 85 Hz if every so-many-th sample were taken."""
    with opened(written(tmp_path / "a.edf", extra=50e-6)) as found:
        data = read(found)
    assert data.shape == (62, 200 * SECONDS)
    expected = np.interp(np.arange(data.shape[1]) / 200.0, TIMES, field()[0])
    middle = slice(200, -200)  # a filter has nothing to look at beyond the ends
    row = data[0, middle]
    power = np.abs(np.fft.rfft(row * np.hanning(len(row)))) ** 2
    frequency = np.fft.rfftfreq(len(row), 1 / 200.0)
    assert power[np.abs(frequency - 85) < 1].max() < 1e-6 * power[np.abs(frequency - 10) < 1].max()
    # linear interpolation, the comparison, is itself off by up to 0.8 % of the amplitude at 25 samples a wave
    assert np.abs(row - expected[middle]).max() < 0.015 * np.abs(expected).max()


def test_the_steps_of_the_run_are_done_on_what_was_recorded(tmp_path: Path) -> None:
    gone = ("PO5",)
    with opened(
        written(tmp_path / "a.edf", leave_out=gone),
        cleaning=[{"step": "resample", "rate": 125.0}, {"step": "rereference", "to": "average"}],
        rate=125.0,
    ) as found:
        data, rate = read(found), found.recording.streams["eeg"].rate
    assert rate == 125.0
    kept = [i for i, name in enumerate(CHANNELS) if name not in gone]
    assert np.abs(data[kept].mean(axis=0)).max() < 1e-9  # float32
    assert dict(found.facts)["Cleaning"] == "rereference"


def test_a_quarter_of_the_channels_may_be_missing_and_no_more(tmp_path: Path) -> None:
    with opened(written(tmp_path / "a.edf", leave_out=CHANNELS[::5])):  # 13 of 62
        pass
    path = written(tmp_path / "b.edf", leave_out=CHANNELS[::3])
    with (
        pytest.raises(InputError, match=r"b\.edf: lacks 21 of the 62 channels.*FP1.*at least 75%"),
        opened(path),
    ):
        pass


def test_a_rate_too_low_for_the_features_is_refused(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "a.edf", np.zeros((62, 400)), rates=[100] * 62, names=list(CHANNELS))
    with (
        pytest.raises(InputError, match=r"a\.edf: has 100 Hz.*reach up to 50 Hz; expected at least 111 Hz"),
        opened(path),
    ):
        pass


def test_two_channels_of_one_electrode_are_refused(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "a.edf", np.zeros((2, 400)), rates=[200] * 2, names=["T3", "EEG T7-REF"])
    with pytest.raises(InputError, match="'T3' and 'EEG T7-REF' are both T7"), opened(path):
        pass


def test_a_neuroscan_recording_goes_the_same_way(tmp_path: Path) -> None:
    stored = np.random.default_rng(0).integers(-2000, 2000, size=(5000, 63))
    path = write_cnt(tmp_path / "a.cnt", stored, names=[*CHANNELS, "M1"], rate=500)
    with opened(path, rate=250.0) as found:
        assert read(found).shape == (62, 2500)
    assert dict(found.facts)["Not used"] == "M1"


def test_what_is_a_recording_and_what_is_not(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    assert not is_recording(tmp_path / "data")
    assert is_recording(tmp_path / "not there.edf")
    assert is_recording(tmp_path / "notes.txt")
    assert not is_recording(tmp_path / "not there")
    with (
        pytest.raises(InputError, match=r"notes\.txt: is neither a folder nor a recording.*\*\.edf"),
        opened(tmp_path / "notes.txt"),
    ):
        pass
    with pytest.raises(InputError, match=r"not there\.edf: no such file"), opened(tmp_path / "not there.edf"):
        pass
