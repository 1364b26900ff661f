"""A tiny made-up copy of MMME, for examples and contracts."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.datasets._mes_eeg_layout import REST_MARKER
from mien.datasets._mmme_layout import (
    BIOPAC_FILE,
    BIOPAC_LABELS,
    BIOPAC_RATE,
    CHANNELS,
    CODING_FILE,
    COLUMNS,
    DIGITAL_HIGH,
    EEG_FILE,
    EEG_RATE,
    FACE_RATE,
    FRAME_COUNTER,
    FRAMES_FOLDER,
    TRIGGER_BASE,
    TRUTH,
    frame_name,
    session_name,
)

_CLIPS = (103, 106, 109)
_SECONDS = 31.0
_ROWS = (
    ("happy", 3, 103, 2.0, 2.2, 2.3, "AU6, AU12"),
    ("happy", 3, 103, 2.02, 2.2, 2.2, "AU12"),
    ("happy", 3, 103, 5.0, 5.4, 5.6, "AU12"),
    ("sad", 3, 109, 4.0, 4.14, 4.3, "AU4"),
)
_UNITS = (*("Volts",) * 3, "deg C", "microsiemens", "mV", "mV", "deg C", *("Volts",) * 8, "BPM")
_HOLD = 0.02
"""Seconds that a trigger stays on."""


def example(folder: str | Path | None = None) -> Path:
    """Writes one made-up person with three clips of 9 s and returns the root of the copy.

    EEG, BIOPAC and frames of two clips with coded expressions and a calm one, and the public form of the
    coding table (four rows, two of them of one event). All devices start at midnight, so that their clocks
    agree; noise, neither physiology nor faces.

    Parameters
    ----------
    folder
        Where to write; made if need be. None: a new temporary folder, which stays until it is deleted.
    """
    root = Path(tempfile.mkdtemp(prefix="mien-mmme-") if folder is None else folder)
    rng = np.random.default_rng(11)
    person, date = "alpha", "20230721"
    session = root / session_name(person, date)
    markers = [(0.1, 77), (0.2, 88)]
    markers += [m for i, clip in enumerate(_CLIPS) for m in ((_start(i), clip), (_start(i) + 9, REST_MARKER))]
    for path in (session / EEG_FILE, session / BIOPAC_FILE, session / FRAMES_FOLDER / "."):
        path.parent.mkdir(parents=True, exist_ok=True)
    _write_eeg(session / EEG_FILE, markers, rng)
    _write_biopac(session / BIOPAC_FILE, markers, rng)
    (session / FRAMES_FOLDER).mkdir(exist_ok=True)
    stamps = _write_frames(session / FRAMES_FOLDER, markers, rng)
    _write_table(root / CODING_FILE, person, date, stamps)
    truth = {"simulated": True, "n_rows": len(_ROWS), "subjects": [person]}
    (root / TRUTH).write_text(json.dumps(truth), "utf-8")
    return root


def _start(clip: int) -> float:
    """When a clip starts, in seconds."""
    return 1.0 + 10.0 * clip


def _codes(markers: Sequence[tuple[float, int]], rate: float) -> NDArray[np.int64]:
    """The code that is on at each sample."""
    codes = np.zeros(round(_SECONDS * rate), dtype=np.int64)
    for at, code in markers:
        codes[round(at * rate) : round((at + _HOLD) * rate)] = code
    return codes


def _write_eeg(path: Path, markers: Sequence[tuple[float, int]], rng: np.random.Generator) -> None:
    trigger = TRIGGER_BASE + _codes(markers, EEG_RATE)
    samples = rng.normal(scale=10.0, size=(len(trigger), len(CHANNELS))).astype("<f4")
    samples[:, -1] = trigger
    path.write_bytes(samples.tobytes())
    head: dict[str, object] = {"NumSamples": len(trigger), "NumChannels": len(CHANNELS)}
    head |= {"SampleFreqHz": f"{EEG_RATE:g}", "DataFormat": "FLOAT", "DataSampOrder": "SAMP"}
    fields = "".join(f"   {name} = {value}\n" for name, value in head.items())
    lines = [f"DATA_PARAMETERS START\n{fields}DATA_PARAMETERS END", "LABELS START_LIST", *CHANNELS]
    path.with_name(path.name + ".dpo").write_text("\n".join([*lines, "LABELS END_LIST\n"]), "utf-8")


def _write_biopac(path: Path, markers: Sequence[tuple[float, int]], rng: np.random.Generator) -> None:
    from scipy.io import savemat

    codes = _codes(markers, BIOPAC_RATE)
    data = rng.normal(size=(len(codes), len(BIOPAC_LABELS)))
    data[:, 8:16] = DIGITAL_HIGH * ((codes[:, None] >> np.arange(8)) & 1)
    about = {"isi": 1000 / BIOPAC_RATE, "isi_units": "ms", "start_sample": 0.0}
    texts = {"labels": np.array(BIOPAC_LABELS), "units": np.array(_UNITS)}
    savemat(path, {"data": data, **texts, **about}, appendmat=False)


def _write_frames(
    folder: Path, markers: Sequence[tuple[float, int]], rng: np.random.Generator
) -> dict[int, str]:
    """Frames of all expressions and on both sides of every change of the marker; number of a frame to the
    stamp of the table."""
    import cv2

    changes = [(at, code) for at, code in markers if code >= REST_MARKER]
    wanted = {round(at * FACE_RATE) + k for at, _ in changes for k in (-2, -1, 0, 1)}
    for _, _, marker, onset, _, offset, _ in _ROWS:
        first, last = (round((_start(_CLIPS.index(marker)) + t) * FACE_RATE) for t in (onset, offset))
        wanted |= set(range(first, last + 1))
    year, month, day = 2023, 7, 21
    stamps = {}
    for number in sorted(wanted):
        at, code = number / FACE_RATE, number % FRAME_COUNTER + 1
        on = [m for t, m in changes if t <= at + 1e-9]
        name = frame_name((year, month, day), at, code, on[-1] if on else 0)
        picture = rng.integers(0, 256, size=(16, 16, 3), dtype=np.uint8)
        (folder / name).write_bytes(cv2.imencode(".tif", picture)[1].tobytes())
        clock = name.split("-")
        stamps[number] = "-".join(clock[3:8])
    return stamps


def _write_table(path: Path, person: str, date: str, stamps: dict[int, str]) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(list(COLUMNS))
    for word, index, marker, onset, apex, offset, units in _ROWS:
        start = _start(_CLIPS.index(marker))
        numbers = [round((start + t) * FACE_RATE) for t in (onset, apex, offset)]
        video = f"{word}_{index}_{marker}_{person}_{date}.avi"
        cells = [person, video, marker, onset, apex, offset, *(stamps[n] for n in numbers), units, word]
        dif = numbers[1] - numbers[0] + 1
        book.active.append([*cells, "2024年06月06日-10时00分", dif])
    book.save(path)
