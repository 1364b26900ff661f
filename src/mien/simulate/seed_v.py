"""A made-up SEED-V in the layout of the real one, with the truth beside it."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError, registered
from mien.datasets._seed_siblings_layout import N_SESSIONS, SEED_V, SEED_V_TIMES_FILE
from mien.simulate import _siblings, _siblings_raw
from mien.simulate._gaze import eye_features
from mien.simulate._siblings import World
from mien.simulate._write import Progress

KINDS = ("eeg_de_features", "eye_movement_features")
"""What is written; the names of the folders of the real data set in lower case."""
RAW_KINDS = ("eeg_raw",)
"""Can be written besides: 66 channels at 1000 Hz, 16 MB a minute."""

_FOLDERS = dict(zip(KINDS, ("EEG_DE_features", "Eye_movement_features"), strict=True))


@registered
def simulate(
    out: str | Path,
    *,
    seed: int,
    subjects: int = 4,
    clips: int = 45,
    seconds: float = 24.0,
    effect: float = 1.0,
    kinds: Sequence[str] = KINDS,
    workers: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write a made-up SEED-V: three sessions of 15 clips of their own.

    Parameters
    ----------
    out
        Folder to make; must not exist or be empty. It appears whole or not at all.
    seed
        Same seed, same bytes, whatever ``workers`` is.
    subjects
        How many people, 1-16.
    clips
        45.
    seconds
        Mean length of a clip; at least 8.
    effect
        Strength of emotion: 0 is none, 1 the calibrated default.
    kinds
        Any of :data:`KINDS` (the default) and :data:`RAW_KINDS`.
    workers
        Processes that write subjects side by side.

    Returns
    -------
    Path
        The folder, laid out as the real data set, with ``truth.json`` in it.
    """
    out = Path(out)
    if clips != SEED_V.clips * N_SESSIONS:
        raise InputError(f"--clips {clips}", expected="45, the clips of three sessions")
    _siblings.check(
        out, design=SEED_V, subjects=subjects, seconds=seconds, effect=effect, kinds=kinds,
        known=(*KINDS, *RAW_KINDS),
        workers=workers,
    )  # fmt: skip
    shown = [(s, c) for s in range(1, N_SESSIONS + 1) for c in range(1, SEED_V.clips + 1)]
    world = _siblings.draw(
        "seed_v", SEED_V, shown, seed=seed, subjects=subjects, seconds=seconds, effect=effect
    )
    return _siblings.write(
        out, world, _write_subject, kinds=kinds, seconds=seconds, workers=workers, progress=progress
    )


def _write_subject(world: World, subject: int, kinds: tuple[str, ...], folder: Path) -> str:
    """All files of one subject."""
    name = world.latent.subjects[subject]
    if "eeg_raw" in kinds:
        _write_raw(world, subject, folder)
    for kind in _FOLDERS:
        if kind not in kinds:
            continue
        (folder / _FOLDERS[kind]).mkdir(exist_ok=True)
        data: dict[int, NDArray[np.float64]] = {}
        label: dict[int, NDArray[np.float64]] = {}
        for p, where in enumerate(world.shown):
            key = SEED_V.stimulus(*where) - 1
            data[key] = _entropy(world, subject, p) if kind == "eeg_de_features" else _eye(world, subject, p)
            label[key] = np.full(len(data[key]), float(world.latent.labels[p]))
        np.savez(
            folder / _FOLDERS[kind] / f"{name}_123.npz",
            data=np.bytes_(pickle.dumps(data, protocol=3)),
            label=np.bytes_(pickle.dumps(label, protocol=3)),
        )
    return name


def _write_raw(world: World, subject: int, folder: Path) -> None:
    """The recordings of a subject, and the table of times, which is the same for everybody."""
    (folder / "EEG_raw").mkdir(exist_ok=True)
    lines: list[str] = []
    for session in range(1, N_SESSIONS + 1):
        file = f"{world.latent.subjects[subject]}_{session}_2018{session:02d}{subject + 1:02d}.cnt"
        _siblings_raw.write_session(folder / "EEG_raw" / file, world, subject, session)
        starts, ends = _siblings_raw.times(world, session)
        lines += [f"Session {session}:", f"start_second: {starts}", f"end_second: {ends}", ""]
    (folder / SEED_V_TIMES_FILE).write_text("\n".join(lines), encoding="utf-8")


def _entropy(world: World, subject: int, p: int) -> NDArray[np.float64]:
    """(windows, 310): the five bands of a channel side by side, as in the real files."""
    values = _siblings.differential_entropy_4s(world.eeg(subject, p))
    return np.ascontiguousarray(values.transpose(0, 2, 1)).reshape(len(values), -1)


def _eye(world: World, subject: int, p: int) -> NDArray[np.float64]:
    return eye_features(world.gaze(subject, p))


def example() -> dict[str, Any]:
    """Options of the smallest sensible call."""
    return {"seed": 0, "subjects": 1, "seconds": 8.0}
