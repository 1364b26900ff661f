"""The original recordings of the made-up DEAP, and the writer of BDF.

The seed here (951) is used nowhere else; no constant of the model was chosen on it.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.signal

from mien import datasets, simulate
from mien.datasets import _deap_layout as layout
from mien.simulate._bdf import BdfChannel, write_bdf

TRIALS, SECONDS = 8, 6


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people, the last two of Geneva, none filmed."""
    out = tmp_path_factory.mktemp("made_up") / "data"
    return simulate.simulate(
        "deap", out, seed=951, subjects=6, trials=TRIALS, seconds=SECONDS, video_subjects=0,
        kinds=("preprocessed", "ratings", "original"),
    )  # fmt: skip


def opened(path: Path):
    mne = pytest.importorskip("mne")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mne.io.read_raw_bdf(path, verbose="error")


def test_what_is_written_is_what_another_reader_reads(tmp_path: Path):
    rng = np.random.default_rng(951)
    records = [np.stack([100 * rng.standard_normal(64), np.arange(64.0)]) for _ in range(3)]
    channels = [
        BdfChannel(name="Cz", unit="uV", low=-262144, high=262143),
        BdfChannel(name="Status", unit=""),
    ]
    write_bdf(tmp_path / "a.bdf", channels, records, rate=64, n=3)
    raw = opened(tmp_path / "a.bdf")
    assert raw.ch_names == ["Cz", "Status"]
    assert raw.info["sfreq"] == 64
    whole = np.concatenate(records, axis=1)
    # half a step of 1/32 µV, and the reader's own rounding
    np.testing.assert_allclose(raw.get_data()[0] * 1e6, whole[0], atol=0.02)
    np.testing.assert_allclose(raw.get_data()[1], whole[1])


def test_channels_are_in_the_order_of_the_site(made: Path):
    for name, eeg in (("s01", layout.EEG_TWENTE), ("s23", layout.EEG)):
        raw = opened(made / "data_original" / f"{name}.bdf")
        assert tuple(raw.ch_names) == (*eeg, *layout.RAW_OTHERS)
        assert raw.info["sfreq"] == layout.RAW_RATE


@pytest.mark.parametrize(("name", "bits"), [("s01", 0), ("s23", 0x18FF00), ("s24", 0x58FF00)])
def test_status_has_the_codes_and_the_upper_bits_of_the_site(made: Path, name: str, bits: int):
    path = made / "data_original" / f"{name}.bdf"
    content = path.read_bytes()
    n = len(opened(path).ch_names)
    data = np.frombuffer(content[256 * (n + 1) :], np.uint8).reshape(-1, n, 512, 3)[:, -1].reshape(-1, 3)
    status = data.astype(np.int64) @ [1, 256, 65536]
    assert set((status & ~0xFF).tolist()) == {bits}
    code = status & 0xFF
    starts = np.flatnonzero(np.diff(code, prepend=0) > 0)
    codes = code[starts].tolist()
    assert codes[:3] == [layout.START, layout.START, layout.SYNC]
    assert codes[-1] == layout.END
    assert codes.count(layout.VIDEO) == codes.count(layout.FIXATION) == codes.count(layout.AFTER) == TRIALS
    assert codes.count(layout.SYNC) == 4
    at = {c: starts[[k for k, x in enumerate(codes) if x == c]] / 512 for c in set(codes)}
    # times are of hundredths of a second, samples of 1/512
    np.testing.assert_allclose(at[layout.VIDEO] - at[layout.FIXATION], 5, atol=0.003)
    np.testing.assert_allclose(at[layout.AFTER] - at[layout.VIDEO], SECONDS, atol=0.003)
    truth = json.loads((made / "truth.json").read_bytes())
    np.testing.assert_allclose(at[layout.VIDEO], truth["video_starts"][name], atol=0.002)


@pytest.mark.parametrize("name", ["s02", "s24"])
def test_the_trials_are_those_of_the_preprocessed_files_by_way_of_the_table(made: Path, name: str):
    (raw,) = datasets.load("deap", made, subjects=[name], raw=True)
    (stored,) = datasets.load("deap", made, subjects=[name])
    right, wrong = [], []
    shorter = {t.id: t for t in stored.trials}
    others = list(shorter.values())
    for k, trial in enumerate(sorted(raw.trials, key=lambda t: t.id)):
        heard = raw.streams["raw_eeg"].read(trial.span).data
        x = scipy.signal.resample_poly(heard, 1, 4, axis=-1, padtype="line")
        sos = scipy.signal.butter(4, (6, 40), "bandpass", fs=128, output="sos")
        x = scipy.signal.sosfiltfilt(sos, x - x.mean(axis=0), axis=-1)[:, 128:-128]  # without its ends
        for other, found in ((shorter[trial.id], right), (others[(k + 3) % TRIALS], wrong)):
            y = np.asarray(stored.streams["eeg"].read(other.span).data, dtype=float)
            y = scipy.signal.sosfiltfilt(sos, y, axis=-1)[:, 128:-128]
            n = min(x.shape[-1], y.shape[-1])
            found.append(np.mean([np.corrcoef(a[:n], b[:n])[0, 1] for a, b in zip(x, y, strict=True)]))
    # the recording adds blinks and noise, and times are rounded to samples
    assert min(right) > 0.8, right
    assert max(np.abs(wrong)) < 0.3, wrong
