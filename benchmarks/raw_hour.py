"""One simulated hour of raw EEG, 67 channels at 1 kHz, from the .cnt file to features: time, peak memory.

Beside it the notebook way: the whole file in a data frame, then a periodogram of every second of every
channel in a loop. It neither cleans nor smooths, so it is set against the same job in mien (band powers of
every second of the raw recording) as well as against all of it. It is measured on ten minutes and scaled: an
hour as a data frame takes 1.8 GiB for itself. Times are seconds of one core, so that other work on the
machine does not count; seconds on the clock stand beside their sum.

Writes 1.1 GB to a temporary folder. Run: python benchmarks/raw_hour.py [minutes]
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _machine import describe

N_CHANNELS, RATE = 67, 1000
STRETCH = 600
BANDS = {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 14), "beta": (14, 31), "gamma": (31, 50)}
FILTERS, LAST = ("high_pass", "notch", "resample"), "low_pass"
CLOCK = "on the clock"
Times = dict[str, float]


def write_hour(root: Path, minutes: float) -> Times:
    """One session of 20 clips with rests of 15 to 20 s between them."""
    from mien.simulate import _latent
    from mien.simulate._eeg import draw_head
    from mien.simulate._raw import plan, write_session
    from mien.simulate._truth import Person

    seconds = (60 * minutes - 21 * 17.5) / 20
    latent = _latent.draw(1, n_subjects=1, n_clips=80, seconds=seconds, effect=1.0)
    person = Person.of(latent, draw_head(1, n_sources=_latent.N_EEG), 0)
    root.mkdir()
    write_session(person, plan(latent, 0, 1), kinds=("eeg_raw",), folder=root)
    (root / "truth.json").write_text(json.dumps({"simulated": True, "clips": list(latent.clips)}))
    return {}


def ours(root: Path, store: Path) -> Times:
    """Load, clean by the default steps, features of all clips."""
    from mien import datasets, timeline
    from mien.run.cleaning import clean_recordings
    from mien.run.extract import FeatureSpec, extract
    from mien.run.store import Store
    from mien.signal.cleaning import DEFAULT

    lap = Laps()
    recordings = [timeline.align(r) for r in datasets.load("seed_vii", root, raw=True)]
    kept = Store(store)
    lap("open, find the clips")
    (path,) = (root / "EEG_raw").iterdir()
    kept.fingerprint(path)
    lap("hash the file")
    running = ["clean: keys"]

    def progress(done: int, total: int, text: str) -> None:
        """A step is announced when it begins; filters that run as one are announced at once."""
        step = text.partition(": ")[2] or ("spectrum before" if not done else "index")
        if step in FILTERS[1:]:
            return
        lap(running[0])
        running[0] = "clean: " + (", ".join(FILTERS) if step == FILTERS[0] else step)
        if step == LAST:
            running[0] += ", spectrum after, page"

    made = clean_recordings(recordings, DEFAULT, kept, progress=progress)
    lap("index")
    extract(made.recordings, [FeatureSpec(modality="eeg", name="de_lds")], kept)
    lap("features (de_lds) of the clips")
    return {**lap.times, CLOCK: lap.clock()}


def same_job(root: Path) -> Times:
    """Band powers of every second of the raw recording, a minute at a time."""
    from mien import datasets, features
    from mien.core import Span

    lap = Laps()
    (recording,) = datasets.load("seed_vii", root, raw=True)
    stream = recording.streams["raw_eeg"]
    for start in range(0, int(stream.span.duration) - 60, 60):
        signal = stream.read(Span(start=float(start), duration=60.0))
        features.compute("psd", signal, window_seconds=1.0, stride_seconds=1.0)
    lap("psd of every second, raw")
    return {**lap.times, CLOCK: lap.clock()}


def notebook(root: Path) -> Times:
    """Everything into a data frame, then second by second and channel by channel; on a stretch."""
    import pandas as pd
    from scipy.signal import periodogram

    from mien.datasets._seed_layout import CHANNELS
    from mien.io.neuroscan import open_cnt

    (path,) = (root / "EEG_raw").iterdir()
    cnt = open_cnt(path)
    lap = Laps()
    stretch = min(STRETCH, int(cnt.span.duration))
    frame = pd.DataFrame(cnt.read(0.0, float(stretch)).T, columns=list(cnt.channels))
    lap("data frame")
    powers = []
    for second in range(stretch):
        part = frame.iloc[second * RATE : (second + 1) * RATE]
        for name in CHANNELS:
            frequency, density = periodogram(part[name], fs=RATE)
            powers.append(
                [density[(frequency >= low) & (frequency < high)].mean() for low, high in BANDS.values()]
            )
    np.log2(np.array(powers))
    lap("periodograms in a loop")
    return {name: t * cnt.span.duration / stretch for name, t in (lap.times | {CLOCK: lap.clock()}).items()}


class Laps:
    """Seconds of the processor between calls, by name, and on the clock in all."""

    def __init__(self) -> None:
        self.times: Times = {}
        self._last, self._begin = time.process_time(), time.perf_counter()

    def __call__(self, name: str) -> None:
        now = time.process_time()
        self.times[name] = self.times.get(name, 0.0) + now - self._last
        self._last = now

    def clock(self) -> float:
        """Seconds on the clock since the beginning."""
        return time.perf_counter() - self._begin


def alone(function: Callable[..., Times], *given: Any) -> tuple[Times, float]:
    """A function in a process of its own, with that process's peak memory in MiB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (function, given))


def _measured(function: Callable[..., Times], given: tuple[Any, ...]) -> tuple[Times, float]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        times = function(*given)
    return times, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def show(title: str, times: Times, memory: float) -> float:
    """Print the laps and give their sum."""
    clock = times.pop(CLOCK)
    whole = sum(times.values())
    print(title)
    for name, seconds in times.items():
        if seconds >= 0.05:
            print(f"  {name:<44} {seconds:8.1f} s")
    print(f"  {'together':<44} {whole:8.1f} s   ({clock:.0f} s on the clock)   peak {memory:,.0f} MiB")
    return whole


def main() -> None:
    """Write the recording, and measure each way in a process of its own, one thread each."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    print(describe("mne", "python-picard", "pandas"))
    with tempfile.TemporaryDirectory() as folder:
        root, store = Path(folder) / "data", Path(folder) / "store"
        alone(write_hour, root, minutes)
        (path,) = (root / "EEG_raw").iterdir()
        frames = path.stat().st_size / (4 * N_CHANNELS * RATE)
        print(
            f"{path.stat().st_size / 1e9:.2f} GB, {N_CHANNELS} channels, {frames / 60:.1f} minutes at 1 kHz\n"
        )
        whole = show("mien, cleaned, one process", *alone(ours, root, store))
        same = show("mien, the notebook's job", *alone(same_job, root))
        title = (
            f"notebook way, nothing cleaned (measured on {STRETCH} s and scaled; peak is that of the stretch)"
        )
        loop = show(title, *alone(notebook, root))
    print(f"\nnotebook / mien: same job {loop / same:.1f} x, with cleaning {loop / whole:.2f} x")


if __name__ == "__main__":
    main()
