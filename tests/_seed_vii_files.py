"""Writes files in the layout of SEED-VII for tests of its reader; its numbers are literals of that layout."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

Variables = Mapping[str, NDArray[Any]]

SESSION_WORDS = (
    "happy neutral disgust sad anger anger sad disgust neutral happy " * 2,
    "anger sad fear neutral surprise surprise neutral fear sad anger " * 2,
    "happy surprise disgust fear anger anger fear disgust surprise happy " * 2,
    "disgust sad fear surprise happy happy surprise fear sad disgust " * 2,
)
"""The published order of the emotions, in words."""


def write_mat_73(path: Path, variables: Variables) -> None:
    """A MATLAB 7.3 file: HDF5 behind a block of 512 bytes, axes reversed, the class as an attribute."""
    classes = {"float64": "double", "float32": "single", "int16": "int16", "uint8": "uint8"}
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in variables.items():
            item = file.create_dataset(name, data=values.T)
            item.attrs["MATLAB_class"] = np.bytes_(classes[values.dtype.name])
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    with path.open("r+b") as raw:
        raw.write(header)


def write_folder(root: Path, folder: str, subject: str, variables: Variables, *, version: str = "5") -> Path:
    """One subject's file; returns its path."""
    path = root / folder / f"{subject}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    if version == "7.3":
        write_mat_73(path, variables)
    else:
        savemat(
            path, dict(variables), do_compression=folder != "EEG_preprocessed"
        )  # noise shrinks little, slowly
    return path


def eeg(lengths: Mapping[int, int], *, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Clip to samples: made-up EEG in microvolts."""
    rng = np.random.default_rng(seed)
    return {str(clip): rng.normal(scale=10.0, size=(62, n)) for clip, n in lengths.items()}


def eeg_features(windows: Mapping[int, int]) -> dict[str, NDArray[Any]]:
    """Clip to windows; a value tells its window w, band b and channel c: 10000 w + 100 b + c."""
    out: dict[str, NDArray[Any]] = {}
    for prefix in ("psd_", "de_", "de_LDS_"):
        for clip, n in windows.items():
            w, b, c = np.meshgrid(np.arange(n), np.arange(5), np.arange(62), indexing="ij")
            out[f"{prefix}{clip}"] = 10000.0 * w + 100.0 * b + c
    return out


def eye(windows: Mapping[int, int]) -> dict[str, NDArray[Any]]:
    """Clip to windows: value 100 w + feature number."""
    return {str(clip): 100.0 * np.arange(n)[:, None] + np.arange(33.0) for clip, n in windows.items()}


def intensity(windows: Mapping[int, int]) -> dict[str, NDArray[Any]]:
    """Clip to windows: rises from 0 to 1."""
    return {str(clip): np.linspace(0.0, 1.0, n)[None] for clip, n in windows.items()}


def write_copy(
    root: Path,
    *,
    subjects: Sequence[str] = ("1",),
    lengths: Mapping[int, int] | None = None,
    eye_windows: Mapping[int, int] | None = None,
    version: str = "5",
) -> Path:
    """A whole small copy; made-up, as its ``truth.json`` says. Clip to EEG samples: ``lengths``."""
    lengths = {1: 2000, 2: 1700, 25: 2600} if lengths is None else lengths
    windows = {clip: n // 800 for clip, n in lengths.items()}
    for subject in subjects:
        write_folder(root, "EEG_preprocessed", subject, eeg(lengths), version=version)
        write_folder(root, "EEG_features", subject, eeg_features(windows), version=version)
        write_folder(root, "EYE_features", subject, eye(windows | dict(eye_windows or {})), version=version)
        write_folder(root, "continuous_labels", subject, intensity(windows), version=version)
    write_truth(root, list(lengths))
    return root


def write_truth(root: Path, clips: list[int]) -> None:
    """Says that the copy is made up and which clips it holds."""
    (root / "truth.json").write_text(json.dumps({"simulated": True, "clips": clips}), encoding="utf-8")


def write_workbook(root: Path, changes: Mapping[int, str | None] | None = None) -> Path:
    """The stimulus workbook as published, with the words of some clips changed."""
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for session, words in enumerate(SESSION_WORDS):
        clips = range(20 * session + 1, 20 * session + 21)
        shown = [(changes or {}).get(c, w) for c, w in zip(clips, words.split(), strict=True)]
        sheet.append(["Video index", *clips])
        sheet.append(["Emotion label", *shown])
    path = root / "emotion_label_and_stimuli_order.xlsx"
    book.save(path)
    return path
