"""Real recordings for tests, as signals of mien; a test that needs one skips where it is absent."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.core import InputError, Signal
from mien.core.assets import find_asset
from mien.io.edf import open_edf

COMMAND = "python scripts/assets.py"


def asset(name: str) -> Path:
    """Where an asset lies; the test is skipped, with the command that fetches it, where it does not."""
    try:
        return find_asset(name)
    except InputError:
        pytest.skip(f"run: {COMMAND}")


def eyes_closed() -> Signal:
    """One minute of 64-channel EEG with eyes closed at 160 Hz, 10-10 names."""
    edf = open_edf(asset("eeg_eyes_closed/S001R02.edf"))
    names = tuple(name.rstrip(".").upper() for name in edf.channels)
    return Signal(data=edf.read(0, edf.span.duration), rate=edf.rate, channels=names)


def tobii() -> list[Signal]:
    """Five sessions of about 5 s at 60 Hz, written by a PsychoPy controller of Tobii trackers.

    Not Tobii's own export (:mod:`mien.io.tobii` reads that): a table for each session, gaze in pixels from
    the middle of a screen of 1600 x 1200 with y upwards, pupils in mm, NaN where an eye was lost.
    """
    sessions: list[list[list[float]]] = []
    for line in asset("gaze/test03_ptc.tsv").read_text(encoding="utf-8").splitlines():
        fields = line.split("\t")
        if line == "Session Start":
            sessions.append([])
        elif sessions and len(fields) == 11 and fields[0] != "TimeStamp":
            sessions[-1].append([float(field) for field in fields])
    made = []
    for rows in map(np.array, sessions):
        seconds, x, y = rows[:, 0] * 1e-3, rows[:, 9] + 800, 600 - rows[:, 10]
        columns = {
            "gaze_x": x,
            "gaze_y": y,
            "pupil_left": rows[:, 3] * 1e-3,
            "pupil_right": rows[:, 7] * 1e-3,
        }
        made.append(on_grid(seconds, columns, rate=60.0))
    return made


@dataclass(frozen=True)
class Jumps:
    """Gaze that followed a target, and when the target jumped where."""

    gaze: Signal
    seconds: np.ndarray
    target: np.ndarray


def jumping_target(name: str, rate: float) -> list[Jumps]:
    """Two trials of about 11 s: a target jumped once a second on a screen of 1920 x 1080.

    SimpleGazeTracker's format: lines of ``#``, and samples with y upwards from the lower left corner.
    """
    trials: list[tuple[list[list[float]], list[list[float]]]] = []
    for line in asset(f"gaze/{name}").read_text(encoding="utf-8").splitlines():
        fields = line.split(",")
        if fields[0] == "#START_REC":
            trials.append(([], []))
        elif fields[0] == "#MESSAGE" and len(words := fields[2].split()) == 3:
            trials[-1][1].append([float(fields[1]) * 1e-3, *map(float, words[1:])])
        elif not line.startswith("#") and trials:
            seen = fields[1].lstrip("-")[:1].isdigit()  # else a word for what went wrong
            x, y = map(float, fields[1:3]) if seen else (np.nan, np.nan)
            trials[-1][0].append([float(fields[0]) * 1e-3, x, y])
    made = []
    for samples, jumps in trials:
        seconds, x, y = np.array(samples).T
        at, target_x, target_y = np.array(jumps).T
        gaze = on_grid(seconds, {"gaze_x": x, "gaze_y": 1080 - y}, rate=rate)
        made.append(Jumps(gaze, at, np.stack([target_x, 1080 - target_y])))
    return made


def on_grid(seconds: np.ndarray, columns: dict[str, np.ndarray], *, rate: float) -> Signal:
    """Samples put at the nearest point of an even grid; NaN where there is none."""
    place = np.rint((seconds - seconds[0]) * rate).astype(int)
    data = np.full((len(columns), place[-1] + 1), np.nan)
    seen = np.isfinite(next(iter(columns.values())))
    for row, column in zip(data, columns.values(), strict=True):
        row[place[seen]] = column[seen]
    return Signal(data=data, rate=rate, channels=tuple(columns), unit="mixed")


@dataclass(frozen=True)
class EyeLink:
    """Gaze of the left eye, and what the tracker itself found: (events, 2) of start and stop in seconds.

    ``eyes``: which were followed; the pupil of each is an area in units of the camera.
    """

    gaze: Signal
    typed: Signal
    fixations: np.ndarray
    saccades: np.ndarray
    blinks: np.ndarray
    eyes: tuple[str, ...]


_READ = """
import json, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import eyelinkio
found = eyelinkio.read_edf(sys.argv[2])
names = found["info"]["sample_fields"]
left = [names.index(n if n in names else n + "_left") for n in ("xpos", "ypos")]
eyes = [e for e in ("left", "right") if "ps_" + e in names] or [found["info"]["eye"][:-4].lower()]
pupils = [names.index(n) for n in names if n.startswith("ps")]
events = {"eyes": eyes, "pupils": found["samples"][pupils]}
for kind in ("fixations", "saccades", "blinks"):
    rows = found["discrete"][kind]
    rows = rows[rows["eye"] == 0]
    events[kind] = np.stack([rows["stime"], rows["etime"]], axis=1)
np.savez(sys.argv[3], gaze=found["samples"][left], rate=found["info"]["sfreq"], **events)
print(json.dumps({"pupil": found["info"]["ps_units"]}))
"""


def eyelink(name: str, folder: Path) -> EyeLink:
    """Read by the tracker maker's library, in a process of its own."""
    home = asset("eyelink")
    out = folder / "eyelink.npz"
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(home), str(home / name), str(out)], capture_output=True, text=True
    )
    if done.returncode and "OSError" in done.stderr:
        pytest.skip("the library that reads EyeLink files does not run on this system")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"pupil": "PUPIL_AREA"}  # not mm
    found: dict[str, Any] = dict(np.load(out))
    rate, gaze = float(found["rate"]), found["gaze"].astype(float)
    eyes = tuple(found["eyes"].tolist())
    rows = np.vstack([gaze, found["pupils"].astype(float)])
    channels = ("gaze_x", "gaze_y", *(f"pupil_{eye}_area_au" for eye in eyes))
    code = np.zeros(gaze.shape[1])
    for number, kind in enumerate(("fixations", "saccades", "blinks"), start=1):
        for start, stop in np.rint(found[kind] * rate).astype(int):
            code[start : stop + 1] = number
    return EyeLink(
        gaze=Signal(data=rows, rate=rate, channels=channels, unit="mixed"),
        typed=Signal(
            data=np.vstack([rows, code]), rate=rate, channels=(*channels, "eye_movement"), unit="mixed"
        ),
        fixations=found["fixations"],
        saccades=found["saccades"],
        blinks=found["blinks"],
        eyes=eyes,
    )
