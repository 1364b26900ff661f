"""A tiny made-up copy of MEs-EEG, for examples and contracts."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from mien.datasets._mes_eeg_layout import (
    CHANNELS,
    CODING_FILE,
    COLUMNS,
    EEG_FOLDERS,
    EEG_RATE,
    FACE_FOLDERS,
    REST_MARKER,
    TRUTH,
    row_key,
)


def example(folder: str | Path | None = None) -> Path:
    """Writes one made-up person with three clips of 9 s and returns the root of the copy.

    EEG of two clips with coded expressions and a calm one, the coding table (four rows, two of them of one
    event), and cropped pictures; noise, neither physiology nor faces.

    Parameters
    ----------
    folder
        Where to write; made if need be. None: a new temporary folder, which stays until it is deleted.
    """
    import cv2
    import openpyxl
    from scipy.io import savemat

    root = Path(tempfile.mkdtemp(prefix="mien-mes_eeg-") if folder is None else folder)
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    person, date = "alpha", "20230718"
    markers = [77, 88, *(m for clip in (103, 106, 109) for m in (clip, REST_MARKER))]
    at = [100, 200, *(s for i in range(3) for s in (1000 + 10_000 * i, 10_000 + 10_000 * i))]
    n_times = 31_000
    eeg = {
        **{"nbchan": len(CHANNELS), "pnts": n_times, "trials": 1, "srate": EEG_RATE, "xmin": 0.0},
        "chanlocs": np.array([(name,) for name in CHANNELS], dtype=[("labels", object)]),
        "event": np.array(
            [(str(m), s + 1.0) for m, s in zip(markers, at, strict=True)],
            dtype=[("type", object), ("latency", object)],
        ),
        "data": f"{person}_{date}.fdt",
    }
    (root / EEG_FOLDERS[0]).mkdir(parents=True, exist_ok=True)
    path = root / EEG_FOLDERS[0] / f"{person}_{date}.set"
    savemat(path, {"EEG": eeg}, appendmat=False)
    noise = rng.normal(scale=10.0, size=(n_times, len(CHANNELS))).astype("<f4")
    path.with_suffix(".fdt").write_bytes(noise.tobytes())
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(list(COLUMNS))
    pictures = root / FACE_FOLDERS["cropped"][0]
    for word, index, marker, onset, apex, offset, units, kind in (
        ("happy", 3, 103, 2.0, 2.2, 2.3, "AU6, AU12", "Micro"),
        ("happy", 3, 103, 2.02, 2.2, 2.2, "AU12", "Micro"),
        ("happy", 3, 103, 5.0, 5.6, 6.5, "AU12", "Macro"),
        ("sad", 3, 109, 4.0, 4.15, 4.3, "AU4", "Micro"),
    ):
        times = (onset, apex, offset)
        video = f"{word}_{index}_{marker}_{person}_{date}.avi"
        rest = (units, word, kind, "2024年06月06日-10时00分", round((apex - onset) * 1000) + 1)
        book.active.append([person, video, marker, *times, *(_stamp_text(t) for t in times), *rest])
        own = pictures / kind / row_key(word, person, date, marker, *times)
        own.mkdir(parents=True, exist_ok=True)
        for name in ("onset.png", "apex.png"):
            picture = rng.integers(0, 256, size=(32, 32, 3), dtype=np.uint8)
            (own / name).write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    book.save(root / CODING_FILE)
    (root / TRUTH).write_text(json.dumps({"simulated": True, "n_rows": 4, "subjects": [person]}), "utf-8")
    return root


def _stamp_text(seconds: float) -> str:
    """Wall clock of a moment of a clip that began at ten o'clock."""
    thousandths = round(seconds * 1000)
    return f"10-00-{thousandths // 1000:02d}-{thousandths % 1000:03d}"
