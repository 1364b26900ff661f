"""Writes gaze exports and trigger files for tests; their names of columns are literals of the format."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS = (
    "Recording timestamp",
    "Participant name",
    "Recording start time",
    "Gaze point X",
    "Gaze point Y",
    "Pupil diameter left",
    "Pupil diameter right",
    "Eye movement type",
    "Gaze event duration",
)


def gaze_rows(
    n: int, *, first: int = 0, step: int = 4000, start: str = "14:25:34.123"
) -> list[dict[str, Any]]:
    """``n`` rows whose values tell their number k: x = k, y = 2 k, pupils 3 + k/1000 and 4 + k/1000 mm."""
    return [
        {
            "Recording timestamp": first + k * step,
            "Participant name": "P 1",
            "Recording start time": start,
            "Gaze point X": k,
            "Gaze point Y": 2 * k,
            "Pupil diameter left": 3 + k / 1000,
            "Pupil diameter right": 4 + k / 1000,
            "Eye movement type": ("Fixation", "Saccade", "Unclassified")[k % 3],
            "Gaze event duration": 100 + k,
        }
        for k in range(n)
    ]


def write_tsv(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    *,
    columns: Sequence[str] = COLUMNS,
    rename: Mapping[str, str] | None = None,
    decimal: str = ",",
    separator: str = "\t",
    newline: str = "\r\n",
    encoding: str = "utf-8",
) -> Path:
    """One gaze export; None is an empty cell."""

    def cell(value: Any) -> str:
        if value is None:
            return ""
        return f"{value:.3f}".replace(".", decimal) if isinstance(value, float) else str(value)

    header = separator.join((rename or {}).get(c, c) for c in columns)
    lines = [header, *(separator.join(cell(row.get(c)) for c in columns) for row in rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((newline.join(lines) + newline).encode(encoding))
    return path


def write_gaze(
    path: Path,
    *,
    seconds: float,
    started: datetime.time,
    rate: float = 250.0,
    lost: Sequence[tuple[float, float]] = (),
    digits: int = 3,
) -> Path:
    """A long export quickly: x is the second, y 500 px, pupils 3.5 mm; ``lost`` are spans without gaze."""
    n = round(seconds * rate)
    t = np.arange(n) / rate
    gone = np.zeros(n, dtype=bool)
    for begin, end in lost:
        gone |= (t >= begin) & (t < end)
    clock = started.strftime("%H:%M:%S.%f")[: 9 + digits]
    lines = [
        f"{round(at * 1e6)}\tP\t{clock}\t\t\t\t\tEyesNotFound\t4"
        if away
        else f"{round(at * 1e6)}\tP\t{clock}\t{at:.3f}\t500\t3,500\t3,500\tFixation\t200"
        for at, away in zip(t.tolist(), gone.tolist(), strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["\t".join(COLUMNS), *lines]) + "\n", encoding="utf-8")
    return path


def write_triggers(path: Path, rows: Sequence[tuple[int, datetime.datetime]], *, digits: int = 6) -> Path:
    """A trigger file: code and wall clock, no header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{code},{at.strftime('%Y-%m-%d %H:%M:%S.%f')[: 20 + digits]}\n" for code, at in rows)
    path.write_text(text, encoding="utf-8")
    return path
