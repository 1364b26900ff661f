"""Small made-up copies of MEs-EEG, and EEGLAB files in every form; apart from the package's own writers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import openpyxl
from scipy.io import savemat

RATE = 250.0
NAMES_64 = (  # noqa: SIM905  as it is published
    "FP1 FPZ FP2 AF3 AF4 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8 T7 C5 C3 C1 CZ C2 C4 "
    "C6 T8 M1 TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 M2 P7 P5 P3 P1 PZ P2 P4 P6 P8 PO7 PO5 PO3 POZ PO4 PO6 PO8 "
    "CB1 O1 OZ O2 CB2"
).split()
NAMES_68 = [*NAMES_64, "HEO", "VEO", "EKG", "EMG"]
COLUMNS = [
    *("Subject", "Filename", "Marker", "OnsetTime", "ApexTime", "OffsetTime"),
    *(
        "OnsetFrame",
        "ApexFrame",
        "OffsetFrame",
        "Action Units",
        "Estimated Emotion",
        "Macro/Micro",
        "Date",
        "dif",
    ),
]

# --- EEGLAB --------------------------------------------------------------------------------------------


def write_set(
    path: Path,
    samples: np.ndarray,
    channels: Sequence[str],
    events: Sequence[tuple[Any, float]] = (),
    *,
    rate: float = RATE,
    form: str = "5",
    inside: bool = False,
    flat: bool = False,
    compressed: bool = False,
    **changes: Any,
) -> Path:
    """A ``.set`` of (channels, times) in microvolts, and its ``.fdt``; events as (type, sample from 1).

    ``flat`` writes the fields without the structure EEG; ``changes`` replaces fields, or removes
    those given as None.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fields: dict[str, Any] = {
        "nbchan": float(samples.shape[0]),
        "pnts": float(samples.shape[1]),
        "trials": 1.0,
        "srate": float(rate),
        "xmin": 0.0,
        "chanlocs": [{"labels": name} for name in channels],
        "event": [{"type": kind, "latency": float(at), "duration": 0.0} for kind, at in events],
        "data": samples.astype(np.float32) if inside else path.with_suffix(".fdt").name,
        "icawinv": np.zeros((0, 0)),
        "icasphere": np.zeros((0, 0)),
        "icaweights": np.zeros((0, 0)),
        "ref": "common",
        "filename": path.name,
    }
    fields = {k: v for k, v in (fields | changes).items() if v is not None}
    if form == "7.3":
        _write_73(path, fields, flat=flat)
    else:
        fields |= {k: _structures(fields[k]) for k in ("chanlocs", "event") if k in fields}
        content = fields if flat else {"EEG": fields}
        savemat(path, content, appendmat=False, do_compression=compressed)
    if not inside:
        path.with_suffix(".fdt").write_bytes(samples.T.astype("<f4").tobytes())
    return path


def _structures(items: Any) -> Any:
    if not isinstance(items, list):
        return items
    if not items:
        return np.zeros((0, 0))
    names = list(items[0])
    return np.array([tuple(i[n] for n in names) for i in items], dtype=[(n, object) for n in names])[None]


def _write_73(path: Path, fields: Mapping[str, Any], *, flat: bool) -> None:
    """As MATLAB lays out a version-7.3 file."""
    with h5py.File(path, "w", userblock_size=512) as file:
        group = file if flat else file.create_group("EEG")
        refs = file.create_group("#refs#")

        def value(place: Any, name: str, item: Any) -> Any:
            if isinstance(item, str):
                made = place.create_dataset(name, data=np.array([[ord(c)] for c in item], dtype=np.uint16))
                made.attrs["MATLAB_class"] = np.bytes_("char")
                return made
            array = np.atleast_2d(np.asarray(item))
            made = place.create_dataset(name, data=array.T)
            made.attrs["MATLAB_class"] = np.bytes_("single" if array.dtype == np.float32 else "double")
            return made

        for key, item in fields.items():
            if not isinstance(item, list):
                value(group, key, item)
            elif not item:
                empty = group.create_dataset(key, data=np.zeros(2, dtype=np.uint64))
                empty.attrs["MATLAB_empty"] = np.uint8(1)
            else:
                struct = group.create_group(key)
                for name in item[0]:
                    if len(item) == 1:
                        value(struct, name, item[0][name])
                        continue
                    made = [value(refs, f"{key}{name}{i}", one[name]) for i, one in enumerate(item)]
                    struct.create_dataset(name, data=np.array([[m.ref] for m in made], dtype=h5py.ref_dtype))
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    with path.open("r+b") as file:
        file.write(head)


# --- coding table --------------------------------------------------------------------------------------

_INDEX = {103: ("happy", 2), 111: ("happy", 3), 101: ("sad", 1), 104: ("fear", 2), 105: ("tense", 2)}
_INDEX |= {102: ("disgust", 2), 107: ("angry", 2), 108: ("surprise", 2), 106: ("calm", 1)}


@dataclass(frozen=True, kw_only=True)
class Coded:
    """One row; ``cells`` overrides cells by the name of their column."""

    name: str = "alpha"
    date: str = "20230718"
    marker: int = 103
    onset: float = 2.0
    apex: float = 2.2
    offset: float = 2.4
    units: str = "AU12"
    kind: str = "Micro"
    stamp_shift: float = 0.0
    code: int | None = None
    cells: Mapping[str, Any] | None = None

    @property
    def word(self) -> str:
        return _INDEX[self.marker][0]

    @property
    def key(self) -> str:
        times = f"{self.onset:.2f}_{self.apex:.2f}_{self.offset:.2f}"
        return f"{self.word}_{self.name}{self.date}_{self.marker}_{times}"

    def row(self) -> dict[str, Any]:
        at = [self.onset, self.apex + self.stamp_shift, self.offset + self.stamp_shift]
        stamps = [_stamp(t, None if self.code is None else round(self.code + 150 * (t - at[0]))) for t in at]
        if self.code is None:
            dif = round((at[1] - at[0]) * 1000) % 1000 + 1
        else:
            dif = round(150 * (at[1] - at[0])) + 1
        filename = f"{self.word}_{_INDEX[self.marker][1]}_{self.marker}_{self.name}_{self.date}.avi"
        values = [
            *(self.name, filename, self.marker, self.onset, self.apex, self.offset, *stamps),
            *(self.units, self.word, self.kind, "2024年06月06日-10时00分", dif),
        ]
        return dict(zip(COLUMNS, values, strict=True)) | dict(self.cells or {})


def _stamp(seconds: float, code: int | None) -> str:
    ms = round((36_000 + seconds) * 1000)
    text = f"{ms // 3_600_000:02d}-{ms // 60_000 % 60:02d}-{ms // 1000 % 60:02d}-{ms % 1000:03d}"
    return text if code is None else f"{text}-{(code - 1) % 1000 + 1}"


def write_table(path: Path, rows: Iterable[Coded], *, columns: Sequence[str] = COLUMNS) -> Path:
    """The workbook; ``columns`` may leave some out, reorder or rename them (``"old -> new"``)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append([c.rpartition(" -> ")[2] for c in columns])
    for row in rows:
        cells = row.row()
        sheet.append([cells[c.partition(" -> ")[0]] for c in columns])
    book.save(path)
    return path


# --- faces ---------------------------------------------------------------------------------------------

FOLDERS = {
    "avi": "0.videos/combined",
    "full": "1.pics_selected",
    "masked": "2.pics_selected_segmented",
    "cropped": "3.pics_selected_segmented_cropped",
    "aligned": "4.pics_selected_segmented_cropped_align",
    "flat": "codes/data/MEs/pics_selected_segmented_cropped",
}


def grey_of(row: Coded, which: str) -> int:
    """The grey level of a row's picture."""
    return (
        sum(map(ord, row.key)) * 7 + {"onset.png": 0, "apex.png": 20, "align_onset_by_nose.png": 40}[which]
    ) % 250


def write_faces(root: Path, rows: Iterable[Coded], stage: str, *, fps: int = 100, size: int = 16) -> None:
    """Pictures of one grey, or a video that starts at the onset and gets brighter by 2 a frame."""
    for row in rows:
        folder = root / FOLDERS[stage] / ("" if stage == "flat" else row.kind)
        folder.mkdir(parents=True, exist_ok=True)
        if stage == "avi":
            write_video(
                folder / f"video_{row.key}_{fps}.avi", seconds=row.offset - row.onset, fps=fps, size=size
            )
            continue
        (folder / row.key).mkdir(exist_ok=True)
        names = ("onset.png", "apex.png") + ("align_onset_by_nose.png",) * (stage == "aligned")
        for name in names:
            picture = np.full((size, size, 3), grey_of(row, name), dtype=np.uint8)
            if size > 16:  # something to see, for flow
                noise = np.random.default_rng(size).integers(
                    0, 256, (size // 4, size // 4, 3), dtype=np.uint8
                )
                picture = cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
            (folder / row.key / name).write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def write_video(path: Path, *, seconds: float, fps: float, size: int = 16) -> Path:
    """Lossless grey video of whole frames, ``2 * k`` in frame k."""
    n = round(seconds * fps) + 1
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), fps, (size, size))
    for k in range(n):
        writer.write(np.full((size, size, 3), 2 * k % 256, dtype=np.uint8))
    writer.release()
    return path


# --- a copy --------------------------------------------------------------------------------------------

CLIP_SECONDS, REST_SECONDS, LEAD_SECONDS = 6.0, 1.0, 2.0


def eeg_events(markers: Sequence[int], *, rate: float = RATE) -> list[tuple[str, float]]:
    """Markers of clips of 6 s with 1 s of rest between them, from second 2 on."""
    found = [("77", 1.0), ("88", 0.5 * rate + 1)]
    for i, marker in enumerate(markers):
        start = LEAD_SECONDS + i * (CLIP_SECONDS + REST_SECONDS)
        found += [(str(marker), start * rate + 1), ("100", (start + CLIP_SECONDS) * rate + 1)]
    return found


def start_of(i: int) -> float:
    """Second at which the i-th clip starts in the EEG."""
    return LEAD_SECONDS + i * (CLIP_SECONDS + REST_SECONDS)


def write_eeg(
    root: Path,
    name: str = "alpha",
    date: str = "20230718",
    markers: Sequence[int] = (103, 106, 101),
    *,
    seconds: float | None = None,
    seed: int = 0,
    **options: Any,
) -> Path:
    """One session; ``seconds`` cuts the samples and not the events."""
    whole = LEAD_SECONDS + len(markers) * (CLIP_SECONDS + REST_SECONDS)
    n = round((whole if seconds is None else seconds) * RATE)
    data = np.random.default_rng(seed).normal(scale=10.0, size=(len(NAMES_68), n))
    path = root / "eeg_py" / "eeg_for_mne" / f"{name}_{date}.set"
    options = {"events": eeg_events(markers), "channels": NAMES_68} | options
    return write_set(path, data[: len(options["channels"])], **options)


def default_rows() -> list[Coded]:
    """Two people; alpha's first smile is coded twice."""
    first = Coded()
    return [
        first,
        replace(first, onset=2.02, apex=2.3, offset=2.3, units="AU6, AU12", kind="Macro"),
        Coded(onset=4.0, apex=4.5, offset=5.5, kind="Macro", code=990),
        Coded(marker=101, onset=1.0, apex=1.1, offset=1.3, units="AU4", code=1),
        Coded(name="bravo", date="20230801", marker=104, onset=3.0, apex=3.2, offset=3.2, units="AU1, AU4"),
    ]


def write_copy(
    root: Path,
    rows: Sequence[Coded] | None = None,
    *,
    stages: Sequence[str] = ("cropped",),
    eeg: Sequence[tuple[str, str]] = (("alpha", "20230718"), ("bravo", "20230801")),
    simulated: bool = True,
    size: int = 16,
) -> Path:
    """A whole copy: table, faces and EEG; each clip of the EEG lasts 6 s."""
    rows = default_rows() if rows is None else rows
    write_table(root / "coding_file_combined.xlsx", rows)
    for stage in stages:
        write_faces(root, rows, stage, size=size)
    for i, (name, date) in enumerate(eeg):
        write_eeg(root, name, date, markers=(103, 106, 101) if name == "alpha" else (104, 102), seed=i)
    if simulated:
        (root / "truth.json").write_text(json.dumps({"simulated": True}), encoding="utf-8")
    return root
