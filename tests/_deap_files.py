"""Small made-up copies of DEAP for the tests of its reader."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from _edf import write_edf
from mien.datasets._deap_example import python_2_pickle, write_grey_video
from mien.datasets._deap_layout import EEG, EEG_TWENTE, FOLDERS, RATINGS, RATINGS_COLUMNS, TRUTH

TRIALS, SECONDS, BASELINE, RATE = 4, 6, 3, 128
SHOWN = (3, 1, 4, 2)
"""Video ids in the order of presentation."""
N = RATE * (SECONDS + BASELINE)


def truth(root: Path, **layout: int) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    given = {"trials": TRIALS, "seconds": SECONDS, "baseline": BASELINE, **layout}
    (root / TRUTH).write_text(json.dumps({"dataset": "deap", "seed": 0, "layout": given}))
    return root


def arrays(participant: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """``data[v, c]`` counts from ``1000 v + 10 c`` on, a thousandth a sample; labels to two decimals."""
    base = 1000.0 * np.arange(1, TRIALS + 1)[:, None, None] + 10.0 * np.arange(40)[None, :, None]
    data = base + np.arange(N) / 1000
    labels = np.random.default_rng(participant).uniform(1, 9, size=(TRIALS, 4)).round(2)
    return data, labels


def write_dat(root: Path, participant: int = 1, **changed: np.ndarray) -> Path:
    data, labels = arrays(participant)
    path = root / FOLDERS["preprocessed"] / f"s{participant:02d}.dat"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(python_2_pickle({"labels": labels, "data": data} | changed))
    return path


def rating_rows(participants: Iterable[int] = (1,)) -> list[list[object]]:
    rows: list[list[object]] = []
    for p in participants:
        labels = arrays(p)[1]
        for trial, video in enumerate(SHOWN, start=1):
            familiar = "" if p == 2 else 1 + video % 5
            rows.append([p, trial, video, 10**6 * trial, *labels[video - 1].tolist(), familiar])
    return rows


def write_ratings(
    root: Path, rows: Sequence[Sequence[object]] | None = None, *, name: str = f"{RATINGS}.csv"
) -> Path:
    path = root / "metadata_csv" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([RATINGS_COLUMNS, *(rating_rows() if rows is None else rows)])
    return path


def write_video(root: Path, trial: int, *, participant: int = 1, seconds: float = SECONDS) -> Path:
    """A film whose brightness is 50 times the number in the order of presentation."""
    folder = root / FOLDERS["video"] / f"s{participant:02d}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"s{participant:02d}_trial{trial:02d}.avi"
    write_grey_video(path, level=50 * trial, seconds=seconds)
    return path


RAW_RATE = 64
GAP, LEAD = 4, 5
"""Seconds between two trials, and before the first."""


def bdf_start(place: int) -> int:
    """Second at which the n-th trial starts."""
    return LEAD + (place - 1) * (SECONDS + GAP)


def status_values(*, places: Iterable[int] = range(1, TRIALS + 1), upper: int = 0) -> np.ndarray:
    """Status of a recording: 1 at the start, 3 before, 4 during and 5 after each trial."""
    values = np.zeros((bdf_start(TRIALS) + SECONDS + GAP) * RAW_RATE, np.int64)
    values[:RAW_RATE] = 1
    for place in places:
        at = bdf_start(place) * RAW_RATE
        values[at - 2 * RAW_RATE : at] = 3
        values[at : at + SECONDS * RAW_RATE] = 4
        values[at + SECONDS * RAW_RATE : at + (SECONDS + 2) * RAW_RATE] = 5
    return values | upper


def write_bdf(
    root: Path,
    participant: int = 1,
    *,
    status: np.ndarray | None = None,
    with_status: bool = True,
    upper: int = 0,
) -> Path:
    """Each channel's value in uV is the place of its name in the order of Geneva, plus 1; 64 Hz."""
    names = [*(EEG_TWENTE if participant <= 22 else EEG), *(f"EXG{k}" for k in range(1, 9))]
    names += ["GSR1", "GSR2", "Erg1", "Erg2", "Resp", "Plet", "Temp"]
    values = status_values(upper=upper) if status is None else status
    rows = [np.full(len(values), 1.0 + EEG.index(n) if n in EEG else 100.0 + k) for k, n in enumerate(names)]
    units = ["uV"] * len(names)
    if with_status:
        names, units = [*names, "Status"], [*units, "Boolean"]
        rows.append(np.zeros(len(values)))
    path = root / FOLDERS["original"] / f"s{participant:02d}.bdf"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_edf(path, rows, rates=[RAW_RATE] * len(names), names=names, units=units)
    if with_status:
        _store_status(path, values, len(names))
    return path


def _store_status(path: Path, values: np.ndarray, n_channels: int) -> None:
    """Writes the 24 bits of the last channel as they are."""
    raw = np.frombuffer(path.read_bytes(), np.uint8).copy()
    head = 256 * (n_channels + 1)
    records = raw[head:].reshape(-1, n_channels, RAW_RATE, 3)
    records[:, -1] = values.astype("<u4").view(np.uint8).reshape(-1, RAW_RATE, 4)[..., :3]
    path.write_bytes(raw.tobytes())
