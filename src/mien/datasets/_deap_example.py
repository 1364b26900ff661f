"""A tiny made-up copy of DEAP: one participant, three trials of six seconds, two face videos."""

from __future__ import annotations

import csv
import json
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np

from mien.datasets._deap_layout import (
    BASELINE_SECONDS,
    EEG,
    FOLDERS,
    PERIPHERAL,
    RATE,
    RATINGS,
    RATINGS_COLUMNS,
    TABLE_FOLDERS,
    TRUTH,
    VIDEO_LIST,
    subject_name,
)

TRIALS, SECONDS = 3, 6
SHOWN = (2, 3, 1)
"""Videos in the order of presentation."""
FILMED = (1, 2)
"""Of these presentations there is a face video."""
FRAME_RATE, SIZE = 10, (48, 32)


def write_example(root: Path) -> None:
    """Noise, not physiology; each face video is grey at a level that tells its trial."""
    rng = np.random.default_rng(7)
    n = int(RATE) * (BASELINE_SECONDS + SECONDS)
    data = rng.normal(scale=10.0, size=(TRIALS, len(EEG) + len(PERIPHERAL), n))
    data[:, : len(EEG)] -= data[:, : len(EEG)].mean(axis=1, keepdims=True)
    labels = np.round(rng.uniform(1, 9, size=(TRIALS, 4)), 2)
    layout = {"trials": TRIALS, "seconds": SECONDS, "baseline": BASELINE_SECONDS}
    root.mkdir(parents=True, exist_ok=True)
    (root / TRUTH).write_text(json.dumps({"simulated": True, "dataset": "deap", "seed": 0, "layout": layout}))
    stored = root / FOLDERS["preprocessed"] / f"{subject_name(1)}.dat"
    stored.parent.mkdir(exist_ok=True)
    stored.write_bytes(python_2_pickle({"labels": labels, "data": data}))
    _write_tables(root / TABLE_FOLDERS[0], labels)
    for trial in FILMED:
        path = root / FOLDERS["video"] / subject_name(1) / f"{subject_name(1)}_trial{trial:02d}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_grey_video(path, level=60 * trial, seconds=SECONDS)


def python_2_pickle(arrays: dict[str, np.ndarray]) -> bytes:
    """A dictionary of float64 arrays as Python 2 wrote it in protocol 2, where bytes are text."""
    parts = [b"\x80\x02}"]
    for name, array in arrays.items():
        raw = np.ascontiguousarray(array, "<f8").tobytes()
        shape = b"(" + b"".join(b"J" + struct.pack("<i", size) for size in array.shape) + b"t"
        parts += [
            b"U" + bytes([len(name)]) + name.encode("ascii"),
            b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01" + shape,
            b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            b"\x89T" + struct.pack("<i", len(raw)) + raw + b"tbs",
        ]
    return b"".join([*parts, b"."])


def write_grey_video(path: Path, *, level: int, seconds: float) -> None:
    """Motion JPEG; the left half of the picture is darker the later the frame is."""
    import av

    n = round(seconds * FRAME_RATE)
    with av.open(str(path), "w", format="avi", options={"fflags": "+bitexact"}) as file:
        stream = file.add_stream("mjpeg", rate=FRAME_RATE)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p"
        stream.codec_context.time_base = Fraction(1, FRAME_RATE)
        for k in range(n):
            picture = np.full((SIZE[1], SIZE[0], 3), level, np.uint8)
            picture[:, : SIZE[0] // 2] = level - round(level * k / n)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuvj420p")
            frame.pts, frame.time_base = k, Fraction(1, FRAME_RATE)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def _write_tables(folder: Path, labels: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    with (folder / f"{RATINGS}.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(RATINGS_COLUMNS)
        for trial, video in enumerate(SHOWN, start=1):
            writer.writerow([1, trial, video, 1_000_000 * trial, *labels[video - 1], 1 + trial])
    with (folder / f"{VIDEO_LIST}.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(
            ["Online_id", "Experiment_id", "Title", "AVG_Valence", "AVG_Arousal", "AVG_Dominance"]
        )
        writer.writerow([1, "", "not shown", 5.0, 5.0, 5.0])
        writer.writerows([10 + v, v, f"song {v}", 4.0 + v, 6.5 - v, 5.0] for v in range(1, TRIALS + 1))
