"""Seventy made-up minutes of MMME, 69 channels of EEG and 17 of BIOPAC at 1 kHz, onto one clock and into
features: time by recorded hour, peak memory.

Ours: open the files, fit the clocks, and for every clip power of the EEG's bands second by second and the
measures of the body. Beside it the notebook way: the whole recording in a data frame, then a periodogram of
every second of every channel in a loop, and the whole of BIOPAC's file in memory; nothing is aligned there,
and the body is only read. The loop is measured on a stretch and scaled. Times are seconds of one core.

Writes 1.8 GB to a temporary folder. Run: python benchmarks/mmme_hour.py [minutes]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from _machine import describe
from raw_hour import CLOCK, Laps, Times, alone, show

STRETCH = 300
REST = 6.0
N_CLIPS = 48
BANDS = {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 30), "gamma": (30, 47)}


def write(root: Path, minutes: float) -> Times:
    """One recording of 48 clips."""
    from mien import simulate

    seconds = 60 * minutes / N_CLIPS - REST
    simulate.simulate("mmme", root, seed=1, subjects=1, clips=N_CLIPS, seconds=seconds)
    return {}


def ours(root: Path, store: Path) -> Times:
    """Load, align, features of all clips."""
    import warnings

    from mien import datasets, timeline
    from mien.run.extract import FeatureSpec, extract
    from mien.run.store import Store

    lap = Laps()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", datasets.DatasetWarning)
        recordings = datasets.load("mmme", root)
    lap("open, find clips and expressions")
    recordings = [timeline.align(r) for r in recordings]
    lap("one clock")
    kept = Store(store)
    for path in sorted(root.glob("*/EEG/*.cdt")) + sorted(root.glob("*/BIOPAC/*.mat")):
        kept.fingerprint(path)
    lap("hash the files")
    extract(recordings, [FeatureSpec(modality="eeg", name="power_sequence")], kept)
    lap("EEG: power of five bands every second")
    extract(recordings, [FeatureSpec(modality="body", name="body_windows")], kept)
    lap("body: all measures of all channels")
    return {**lap.times, CLOCK: lap.clock()}


def notebook(root: Path) -> Times:
    """Everything into a data frame, then second by second and channel by channel; on a stretch."""
    import mne
    from scipy.io import loadmat
    from scipy.signal import periodogram

    (eeg,), (body,) = root.glob("*/EEG/*.cdt"), root.glob("*/BIOPAC/*.mat")
    lap = Laps()
    raw = mne.io.read_raw_curry(eeg, preload=True, verbose="error")
    frame = raw.to_data_frame()
    lap("the whole EEG in a data frame")
    rate = int(raw.info["sfreq"])
    n_seconds = len(frame) // rate
    powers = []
    stretch = min(STRETCH, n_seconds)
    for second in range(stretch):
        part = frame.iloc[second * rate : (second + 1) * rate]
        for name in frame.columns[1:63]:
            frequency, density = periodogram(part[name], fs=rate)
            powers.append([density[(frequency >= a) & (frequency <= b)].mean() for a, b in BANDS.values()])
    np.log(np.array(powers))
    lap("periodograms in a loop")
    times = lap.times | {"periodograms in a loop": lap.times["periodograms in a loop"] * n_seconds / stretch}
    loadmat(body)
    lap("the whole of BIOPAC's file")
    times["the whole of BIOPAC's file"] = lap.times["the whole of BIOPAC's file"]
    return {**times, CLOCK: lap.clock()}


def main() -> None:
    """Write the recording, and measure each way in a process of its own, one thread each."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 70.0
    print(describe("mne", "pandas", "neurokit2"))
    with tempfile.TemporaryDirectory() as folder:
        root, store = Path(folder) / "data", Path(folder) / "store"
        alone(write, root, minutes)
        size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
        print(f"{size / 1e9:.2f} GB, {minutes:g} minutes at 1 kHz\n")
        whole = show("mien: aligned, EEG and body", *alone(ours, root, store))
        loop = show(
            f"notebook way: EEG, nothing aligned (the loop measured on {STRETCH} s and scaled)",
            *alone(notebook, root),
        )
    print(f"\nmien: {60 * whole / minutes:.1f} s of one core for each recorded hour")
    print(f"notebook / mien: {loop / whole:.1f} x")


if __name__ == "__main__":
    main()
