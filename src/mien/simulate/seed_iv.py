"""A made-up SEED-IV in the layout of the real one, with the truth beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError, registered
from mien.datasets._seed_siblings_layout import N_SESSIONS, SEED_IV
from mien.simulate import _siblings
from mien.simulate._files import write_mat
from mien.simulate._gaze import eye_features
from mien.simulate._siblings import World
from mien.simulate._write import Progress

KINDS = ("eeg_raw_data", "eeg_feature_smooth", "eye_feature_smooth")
"""What can be written; the names of the folders of the real data set."""

_EYE_COLUMNS = [k for k in range(33) if k not in (27, 28)]
"""31 of the 33 made-up features: which ones the real files hold is not documented."""


@registered
def simulate(
    out: str | Path,
    *,
    seed: int,
    subjects: int = 4,
    clips: int = 24,
    seconds: float = 24.0,
    effect: float = 1.0,
    kinds: Sequence[str] = KINDS,
    workers: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write a made-up SEED-IV: three sessions with clips of their own.

    Parameters
    ----------
    out
        Folder to make; must not exist or be empty. It appears whole or not at all.
    seed
        Same seed, same bytes, whatever ``workers`` is.
    subjects
        How many people, 1-15.
    clips
        24 (the first two of each emotion in each session), 48 (the first four) or 72 (all).
    seconds
        Mean length of a clip; at least 8.
    effect
        Strength of emotion: 0 is none, 1 the calibrated default.
    kinds
        Any of :data:`KINDS`.
    workers
        Processes that write subjects side by side.

    Returns
    -------
    Path
        The folder, laid out as the real data set, with ``truth.json`` in it.
    """
    out = Path(out)
    if clips not in (24, 48, 72):
        raise InputError(f"--clips {clips}", expected="24, 48 or 72 (equal classes in every session)")
    _siblings.check(
        out, design=SEED_IV, subjects=subjects, seconds=seconds, effect=effect, kinds=kinds, known=KINDS,
        workers=workers,
    )  # fmt: skip
    world = _siblings.draw(
        "seed_iv", SEED_IV, choose_clips(clips), seed=seed, subjects=subjects, seconds=seconds, effect=effect
    )
    return _siblings.write(
        out, world, _write_subject, kinds=kinds, seconds=seconds, workers=workers, progress=progress
    )


def choose_clips(n_clips: int) -> list[tuple[int, int]]:
    """Session and clip of those that are in: the first of each emotion in each session, equally many."""
    each = n_clips // (N_SESSIONS * len(SEED_IV.emotions))
    chosen = []
    for session, labels in enumerate(SEED_IV.labels, start=1):
        for clip, label in enumerate(labels, start=1):
            if labels[: clip - 1].count(label) < each:
                chosen.append((session, clip))
    return chosen


def _write_subject(world: World, subject: int, kinds: tuple[str, ...], folder: Path) -> str:
    """All files of one subject, one clip of EEG in memory at a time."""
    name = world.latent.subjects[subject]
    for session in range(1, N_SESSIONS + 1):
        features: dict[str, NDArray[np.float64]] = {}

        def path(kind: str, session: int = session) -> Path:
            (folder / kind / str(session)).mkdir(parents=True, exist_ok=True)
            return folder / kind / str(session) / f"{name}_2016{session:02d}{subject + 1:02d}.mat"

        if "eeg_feature_smooth" in kinds or "eeg_raw_data" in kinds:
            eeg = _eeg(world, subject, session, features=features if "eeg_feature_smooth" in kinds else None)
            if "eeg_raw_data" in kinds:
                write_mat(path("eeg_raw_data"), eeg)
            else:
                for _ in eeg:
                    pass
        if "eeg_feature_smooth" in kinds:
            write_mat(path("eeg_feature_smooth"), features.items())
        if "eye_feature_smooth" in kinds:
            eyes = ((f"eye_{clip}", _eyes(world, subject, p)) for p, clip in world.of_session(session))
            write_mat(path("eye_feature_smooth"), eyes)
    return name


def _eeg(
    world: World, subject: int, session: int, *, features: dict[str, NDArray[np.float64]] | None
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Name and EEG of each clip; on the way puts what is made of it into ``features``."""
    for p, clip in world.of_session(session):
        data = world.eeg(subject, p)
        if features is not None:
            made = _siblings.shipped(data, window_seconds=4.0)
            features |= {f"{key}{clip}": values for key, values in made.items()}
        yield f"{chr(ord('a') + subject)}x_eeg{clip}", data


def _eyes(world: World, subject: int, p: int) -> NDArray[np.float64]:
    """(31, windows)."""
    return eye_features(world.gaze(subject, p))[:, _EYE_COLUMNS].T


def example() -> dict[str, Any]:
    """Options of the smallest sensible call."""
    return {"seed": 0, "subjects": 1, "clips": 24, "seconds": 8.0}
