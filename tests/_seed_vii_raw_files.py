"""Writes raw recordings in the layout of SEED-VII for tests of its reader."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from _cnt import write_cnt
from _gaze import write_gaze, write_triggers

DATE = datetime.datetime(2022, 10, 15)
START = DATE.replace(hour=14)
_NAMES = (
    "FP1 FPZ FP2 AF3 AF4 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8 T7 C5 C3 C1 CZ C2 C4 "
    "C6 T8 M1 TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 M2 P7 P5 P3 P1 PZ P2 P4 P6 P8 PO7 PO5 PO3 POZ PO4 PO6 PO8 "
    "CB1 O1 OZ O2 CB2 ECG HEO VEO"
)
CHANNELS = _NAMES.split()
"""The 62 EEG channels with the mastoids between them, then heart and eyes."""
CLIPS = ((2.0, 6.5), (8.0, 11.25), (12.5, 17.0))
"""Start and end in seconds after the start of the EEG."""
LENGTH = 18.0


def stored(seconds: float = LENGTH, *, seed: int = 0) -> NDArray[np.int32]:
    """Converter values (samples, 67) at 1000 Hz."""
    rng = np.random.default_rng(seed)
    return rng.integers(-(2**16), 2**16, size=(round(seconds * 1000), 67), dtype=np.int32)


def write_session(
    root: Path,
    *,
    subject: str = "1",
    session: int = 1,
    clips: Sequence[tuple[float, float]] = CLIPS,
    gaze_offset: float = 1.5,
    gaze_length: float = 20.0,
    eeg: NDArray[np.int32] | None = None,
    channels: Sequence[str] = CHANNELS,
    codes: Sequence[int] = (1, 2),
    eeg_start: datetime.datetime = START,
    lost: Sequence[tuple[float, float]] = (),
    digits: int = 3,
) -> str:
    """EEG, gaze that starts ``gaze_offset`` seconds earlier, and triggers; returns the files' stem."""
    stem = f"{subject}_{eeg_start:%Y%m%d}_{session}"
    values = stored() if eeg is None else eeg
    edges = [at for clip in clips for at in clip]
    write_cnt(
        root / "EEG_raw" / f"{stem}.cnt",
        values,
        names=channels,
        events=[(round(at * 1000), codes[k % 2]) for k, at in enumerate(edges)],
        started=(f"{eeg_start:%m/%d/%y}", f"{eeg_start:%H:%M:%S}"),
    )
    gaze_start = eeg_start - datetime.timedelta(seconds=gaze_offset)
    write_gaze(
        root / "EYE_raw" / f"{stem}.tsv",
        seconds=gaze_length,
        started=gaze_start.time(),
        lost=lost,
        digits=digits,
    )
    write_triggers(
        root / "save_info" / f"{stem}_trigger_info.csv",
        [(1 + k % 2, eeg_start + datetime.timedelta(seconds=at)) for k, at in enumerate(edges)],
    )
    return stem
