"""psd, de and de_lds of one made-up subject, 80 clips x 62 channels x 3 min at 200 Hz, through the store.

The clips are written one by one to a single file of 0.7 GB (float32) in a temporary folder and read lazily;
the file is deleted at the end.

Run: python benchmarks/features_subject.py [workers]
"""

from __future__ import annotations

import resource
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _machine import describe, once

from mien.core import Recording, Span, Stream, Trial
from mien.run.extract import FeatureSpec, extract
from mien.run.store import Store

N_CLIPS, N_CHANNELS, SECONDS, RATE = 80, 62, 180, 200.0
N_TIMES = int(SECONDS * RATE)


@dataclass(frozen=True)
class Clips:
    """Clips of raw float32, one after another in a file."""

    path: Path

    def files(self) -> tuple[Path, ...]:
        """The one file."""
        return (self.path,)

    def read(self, start: float, duration: float) -> np.ndarray:
        """One clip (channels, times) in volts."""
        clip = round(start / SECONDS)
        count = N_CHANNELS * N_TIMES
        data = np.fromfile(self.path, np.float32, count, offset=clip * count * 4)
        return data.reshape(N_CHANNELS, N_TIMES).astype(np.float64)


def subject(path: Path) -> Recording:
    """Write the file and describe it."""
    rng = np.random.default_rng(0)
    with open(path, "wb") as file:
        for _ in range(N_CLIPS):
            noise = rng.standard_normal((N_CHANNELS, N_TIMES), dtype=np.float32)
            (noise * np.float32(1e-5)).tofile(file)
    spans = [Span(start=float(i * SECONDS), duration=float(SECONDS)) for i in range(N_CLIPS)]
    stream = Stream(
        name="eeg",
        modality="eeg",
        unit="V",
        rate=RATE,
        channels=tuple(f"C{i}" for i in range(N_CHANNELS)),
        span=Span(start=0.0, duration=float(N_CLIPS * SECONDS)),
        source=Clips(path),
    )
    trials = tuple(
        Trial(id=f"1/{i + 1}", recording="1", subject="1", session="1", stimulus=str(i + 1), span=span)
        for i, span in enumerate(spans)
    )
    return Recording(
        id="1", dataset="made_up", subject="1", session="1", streams={"eeg": stream}, trials=trials
    )


def main() -> None:
    """Print times and peak memory of the first run and of one that finds everything stored."""
    workers = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    print(describe("pandas", "pyarrow"))
    with tempfile.TemporaryDirectory() as folder:
        recording = subject(Path(folder) / "subject.raw")
        size = (Path(folder) / "subject.raw").stat().st_size
        specs = [FeatureSpec(modality=name, name=name) for name in ("psd", "de", "de_lds")]

        def run() -> None:
            extract([recording], specs, Store(Path(folder) / "store"), workers=workers)

        first, second = once(run), once(run)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    what = f"{N_CLIPS} clips x {N_CHANNELS} channels x {SECONDS} s"
    print(f"{what}, {size / 2**30:.2f} GiB, {workers} worker(s)")
    print(f"psd, de, de_lds, first run       {first:8.2f} s   (hashing the file is in it)")
    print(f"all found in the store           {second:8.2f} s")
    print(f"peak memory of the main process  {own:8.0f} MiB")
    print(f"peak memory of a worker          {child:8.0f} MiB" if workers > 1 else "no other process")


if __name__ == "__main__":
    main()
