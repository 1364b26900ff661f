"""Small made-up copies of MMME, written with the writers of the package; the layout is written out again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openpyxl

from _mes_eeg_files import COLUMNS, NAMES_68
from mien.simulate._biopac import write_biopac
from mien.simulate._curry import write_curry

RATE = 250
FPS = 150.0
LABELS = [
    *("PPG, X, PPGED-R", "RSP, X, RSPEC-R", "EMG A, X, EMG2-R", "SKT A, X, SKT2-R"),
    *("EDA, X, PPGED-R", "ECG, X, RSPEC-R", "EMG B, X, EMG2-R", "SKT B, X, SKT2-R"),
    *(f"Digital (STP Input {k})" for k in range(8)),
    "ECG rate (.5 - 35 Hz)",
]
UNITS = ["Volts", "Volts", "mV", "deg C", "microsiemens", "mV", "mV", "deg C", *["Volts"] * 8, "BPM"]
STREAMS = ("ppg", "rsp", "emg_a", "skt_a", "eda", "ecg", "emg_b", "skt_b")
WORDS = {103: ("happy", 2), 106: ("calm", 1), 101: ("sad", 1), 104: ("fear", 2), 102: ("disgust", 2)}
CLIPS = (103, 106, 101, 104)
CLIP_SECONDS, REST_SECONDS, LEAD_SECONDS = 6.0, 2.004, 3.0
MIDNIGHT = 50_000.0
"""Seconds from midnight to the first sample of the EEG."""


@dataclass(frozen=True, kw_only=True)
class Coded:
    """One row; times are seconds of the clip. ``coded`` says whether stamps have the counter."""

    marker: int = 103
    onset: float = 2.0
    apex: float = 2.2
    offset: float = 2.4
    units: str = "AU12"
    kind: str = "Micro"
    coded: bool = True
    stamps: bool = True
    cells: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Person:
    """One session. ``late`` and ``early`` are seconds by which a device starts after, or stops before, the
    EEG's plan; ``lost`` and ``doubled`` are (device, marker, number of times that marker was seen before)."""

    name: str = "alpha"
    date: str = "20230721"
    clips: tuple[int, ...] = CLIPS
    rows: tuple[Coded, ...] = (
        Coded(),
        Coded(onset=2.02, apex=2.3, offset=2.3, units="AU6, AU12", kind="Macro"),
        Coded(onset=4.0, apex=4.5, offset=5.1, kind="Macro"),
        Coded(marker=101, onset=1.0, apex=1.1, offset=1.3, units="AU4", coded=False),
    )
    devices: tuple[str, ...] = ("eeg", "biopac", "camera")
    late: Mapping[str, float] = field(default_factory=lambda: {"biopac": -1.5})
    early: Mapping[str, float] = field(default_factory=dict)
    drift: Mapping[str, float] = field(default_factory=dict)
    lost: tuple[tuple[str, int, int], ...] = ()
    doubled: tuple[tuple[str, int, int], ...] = ()
    jitter: float = 0.0
    folder: str = ""

    @property
    def seconds(self) -> float:
        return LEAD_SECONDS + len(self.clips) * (CLIP_SECONDS + REST_SECONDS)

    def start(self, marker: int) -> float:
        """When a clip starts, in true time: seconds since the EEG's first sample."""
        return LEAD_SECONDS + self.clips.index(marker) * (CLIP_SECONDS + REST_SECONDS)

    def triggers(self) -> list[tuple[float, int]]:
        found = [(0.4, 77), (0.8, 88)]
        for clip in self.clips:
            found += [(self.start(clip), clip), (self.start(clip) + CLIP_SECONDS, 100)]
        return found

    def on(self, device: str) -> list[tuple[float, int]]:
        """The triggers that a device was given and kept, in its own seconds."""
        begin, end = self.late.get(device, 0.0), self.seconds - self.early.get(device, 0.0)
        seen: dict[int, int] = {}
        found = []
        for at, code in self.triggers():
            number = seen[code] = seen.get(code, -1) + 1
            if (device, code, number) in self.lost or not begin < at < end:
                continue
            found.append((self.device_time(device, at), code))
            if (device, code, number) in self.doubled:
                found.append((self.device_time(device, at + 0.2), code))
        return found

    def device_time(self, device: str, true: float) -> float:
        """True seconds on a device's clock (the camera's: since midnight)."""
        if device == "camera":
            return MIDNIGHT + true * (1 + self.drift.get(device, 0.0))
        return (true - self.late.get(device, 0.0)) * (1 + self.drift.get(device, 0.0))

    def true_time(self, device: str, seconds: float) -> float:
        """The other way round."""
        if device == "camera":
            return (seconds - MIDNIGHT) / (1 + self.drift.get(device, 0.0))
        return seconds / (1 + self.drift.get(device, 0.0)) + self.late.get(device, 0.0)


def course(true: np.ndarray, k: int) -> np.ndarray:
    """What channel k of any device measures at a true time."""
    return np.sin(2 * np.pi * (0.3 + 0.05 * (k % 8)) * true)


def write_person(root: Path, person: Person) -> Path:
    """Files of one session; returns its folder."""
    folder = root / (person.folder or f"{person.name}{person.date}")
    folder.mkdir(parents=True, exist_ok=True)
    if "eeg" in person.devices:
        write_eeg(folder / "EEG" / "Acquisition 01.cdt", person)
    if "biopac" in person.devices:
        write_body(folder / "BIOPAC" / "Untitled1 (001).mat", person)
    if "camera" in person.devices:
        write_frames(folder / "Frames", person)
    return folder


def _times(person: Person, device: str) -> np.ndarray:
    """True times of a device's samples."""
    n = round((person.seconds - person.late.get(device, 0.0) - person.early.get(device, 0.0)) * RATE)
    return np.array([person.true_time(device, k / RATE) for k in range(n)])


def write_eeg(path: Path, person: Person, *, channels: Sequence[str] = NAMES_68, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    times = _times(person, "eeg")
    data = np.stack([10 * course(times, k) for k in range(len(channels))]).astype("f4")
    markers = [(round(at * RATE), code) for at, code in person.on("eeg")]
    options = {"events": False} | options
    write_curry(
        path, [data], channels=channels, rate=RATE, n_samples=len(times), markers=markers, hold=5, **options
    )
    return path


def write_body(
    path: Path,
    person: Person,
    *,
    labels: Sequence[str] | None = LABELS,
    units: Sequence[str] | None = UNITS,
    keep: Sequence[int] = range(17),
    markers: Sequence[tuple[int, int]] | None = None,
    still: Sequence[int] = (),
) -> Path:
    """``keep`` chooses columns, ``still`` holds 0 in some; ``labels=None`` leaves all but the table out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = _times(person, "biopac")
    triggers = [(round(at * RATE), code) for at, code in person.on("biopac")]
    others = [k for k in range(17) if not 8 <= k < 16]
    data = np.stack([np.zeros(len(times)) if k in still else course(times, k) for k in others])
    write_biopac(
        path, [data], labels=labels or LABELS, units=units, rate=RATE, n_samples=len(times),
        markers=triggers if markers is None else markers, hold=5,
    )  # fmt: skip
    if labels is None or tuple(keep) != tuple(range(17)):
        from scipy.io import loadmat, savemat

        content = loadmat(path)
        fields: dict[str, Any] = {"data": content["data"][:, list(keep)]}
        if labels is not None:
            fields |= {"labels": np.array(labels)[list(keep)], "isi": 1000 / RATE, "isi_units": "ms"}
            fields |= {} if units is None else {"units": np.array(units)[list(keep)]}
        savemat(path, fields, appendmat=False)
    return path


def frame_number(person: Person, marker: int, seconds: float) -> int:
    """The exposure that is on at a second of a clip."""
    return round((person.start(marker) + seconds) * FPS)


def exposure(person: Person, number: int) -> float:
    """When it was, in seconds on the camera's clock."""
    return person.device_time("camera", number / FPS)


def stamp(person: Person, number: int) -> float:
    """When its file was saved: up to ``jitter`` later, by whole milliseconds."""
    late = person.jitter * ((number * 7919) % 101) / 100
    return round(exposure(person, number) + late, 3)


def frame_name(person: Person, number: int, date: str | None = None) -> str:
    at = round(stamp(person, number) * 1000)
    day = date or person.date
    on = 0
    for time, code in person.triggers():
        if code >= 100 and time <= number / FPS + 1e-9:
            on = code
    clock = f"{at // 3_600_000}-{at // 60_000 % 60}-{at // 1000 % 60}-{at % 1000}"
    return f"{int(day[:4])}-{int(day[4:6])}-{int(day[6:])}-{clock}-{number % 1000 + 1}-{on}.tif"


def frame_numbers(person: Person) -> list[int]:
    """Two frames on each side of every change of the marker, and those of all expressions."""
    begin, end = person.late.get("camera", 0.0), person.seconds - person.early.get("camera", 0.0)
    wanted = {round(at * FPS) + k for at, code in person.triggers() if code >= 100 for k in (-2, -1, 0, 1)}
    for row in person.rows:
        first, last = (frame_number(person, row.marker, t) for t in (row.onset, row.offset))
        wanted |= set(range(first - 2, last + 3))
    return sorted(n for n in wanted if begin <= n / FPS < end)


def write_frames(folder: Path, person: Person, *, date: str | None = None) -> None:
    """Pictures of one colour, which tells the number of the exposure: see :func:`shown`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in frame_numbers(person):
        picture = np.zeros((8, 8, 3), dtype=np.uint8)
        picture[..., 2], picture[..., 1] = number % 250, number // 250  # blue, green, red
        content = cv2.imencode(".tif", picture)[1].tobytes()
        (folder / frame_name(person, number, date)).write_bytes(content)


def shown(frames: np.ndarray) -> np.ndarray:
    """Numbers of the exposures that RGB frames (frames, height, width, 3) show."""
    return frames[:, 0, 0, 0].astype(int) + 250 * frames[:, 0, 0, 1].astype(int)


def table_rows(person: Person) -> list[dict[str, Any]]:
    found = []
    for row in person.rows:
        word, index = WORDS[row.marker]
        times = (row.onset, row.apex, row.offset)
        numbers = [frame_number(person, row.marker, t) for t in times]
        stamps = [_clock(stamp(person, n), n % 1000 + 1 if row.coded else None) for n in numbers]
        if not row.stamps:
            stamps = ["?"] * 3
        filename = f"{word}_{index}_{row.marker}_{person.name}_{person.date}.avi"
        values = [person.name, filename, row.marker, *times, *stamps, row.units, word, row.kind]
        values += ["2024年06月06日-10时00分", numbers[1] - numbers[0] + 1]
        found.append(dict(zip(COLUMNS, values, strict=True)) | dict(row.cells))
    return found


def _clock(seconds: float, code: int | None) -> str:
    ms = round(seconds * 1000)
    text = f"{ms // 3_600_000:02d}-{ms // 60_000 % 60:02d}-{ms // 1000 % 60:02d}-{ms % 1000:03d}"
    return text if code is None else f"{text}-{code}"


def write_table(path: Path, people: Iterable[Person], *, kinds: bool = False) -> Path:
    """The public form of 13 columns, or with ``Macro/Micro``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [c for c in COLUMNS if kinds or c != "Macro/Micro"]
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(columns)
    for person in people:
        for row in table_rows(person):
            book.active.append([row[c] for c in columns])
    book.save(path)
    return path


def write_copy(
    root: Path, people: Sequence[Person] = (Person(),), *, kinds: bool = True, simulated: bool = True
) -> Path:
    """A whole copy."""
    root.mkdir(parents=True, exist_ok=True)
    for person in people:
        write_person(root, person)
    name = "coding_file_combined.xlsx" if kinds else "coding_file.xlsx"
    write_table(root / name, people, kinds=kinds)
    if simulated:
        (root / "truth.json").write_text(json.dumps({"simulated": True}), encoding="utf-8")
    return root


def bravo(**changes: Any) -> Person:
    """Another person of another day."""
    rows = (Coded(marker=104, onset=3.0, apex=3.2, offset=3.2, units="AU1, AU4"),)
    return replace(Person(name="bravo", date="20230801", clips=(104, 102), rows=rows), **changes)
