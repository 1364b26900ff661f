"""Writing an eye tracker's export as Tobii Pro Lab does: tabs, decimal commas, one row a sample."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MOVEMENTS = ("Unclassified", "Fixation", "Saccade", "EyesNotFound")
"""Words of the column ``Eye movement type``; elsewhere the position stands for the word."""
LOST = MOVEMENTS.index("EyesNotFound")
_ROWS = 100_000


def write_tsv(
    path: Path,
    *,
    microseconds: NDArray[np.int64],
    position: NDArray[np.float64],
    pupil: NDArray[np.float64],
    movement: NDArray[np.int8],
    rate: float,
    start: datetime.datetime,
    digits: int,
    participant: str,
) -> None:
    """Write one recording of gaze.

    Parameters
    ----------
    microseconds
        (times,): since the start of the recording.
    position
        (2, times): x to the right and y down on the screen in px; written as whole numbers.
    pupil
        (2, times): left and right in mm; written with three decimals.
    movement
        (times,): position in :data:`MOVEMENTS`; where it is :data:`LOST`, gaze and pupils are left empty.
    rate
        Samples per second, for the durations of events.
    start
        Date and time of day of the start.
    digits
        Decimals of the second in ``Recording start time``: 3 or 6.
    participant
        Name in the column ``Participant name``.
    """
    import pandas as pd

    seen = movement != LOST
    duration, number = _runs(movement, rate=rate)
    validity = np.where(seen, "Valid", "Invalid")
    x, y = (pd.array(np.rint(p), dtype="Float64").astype("Int64") for p in position)
    x[~seen], y[~seen] = pd.NA, pd.NA
    left, right = np.where(seen, pupil, np.nan)
    clock = start.strftime("%H:%M:%S.%f")[: 9 + digits]
    columns = {
        "Recording timestamp": microseconds,
        "Sensor": "Eye Tracker",
        "Participant name": participant,
        "Recording date": start.strftime("%d.%m.%Y"),
        "Recording start time": clock,
        "Gaze point X": x,
        "Gaze point Y": y,
        "Pupil diameter left": left,
        "Pupil diameter right": right,
        "Validity left": validity,
        "Validity right": validity,
        "Eye movement type": np.array(MOVEMENTS)[movement],
        "Gaze event duration": duration,
        "Eye movement type index": number,
    }
    with path.open("w", encoding="utf-8", newline="") as file:
        for first in range(0, len(movement), _ROWS):
            rows = {
                name: column if isinstance(column, str) else column[first : first + _ROWS]
                for name, column in columns.items()
            }
            pd.DataFrame(rows).to_csv(
                file,
                sep="\t",
                decimal=",",
                float_format="%.3f",
                header=first == 0,
                index=False,
                lineterminator="\r\n",
            )


def _runs(movement: NDArray[np.int8], *, rate: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each sample, how long its run of one movement lasts (ms) and its number among runs of that kind."""
    first = np.flatnonzero(np.diff(movement, prepend=-1))
    length = np.diff(first, append=len(movement))
    kind = movement[first]
    number = np.zeros(len(first), dtype=np.int64)
    for k in range(len(MOVEMENTS)):
        number[kind == k] = np.arange(1, (kind == k).sum() + 1)
    duration = np.rint(length * 1000 / rate).astype(np.int64)
    return np.repeat(duration, length), np.repeat(number, length)
