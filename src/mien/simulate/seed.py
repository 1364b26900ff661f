"""A made-up SEED in the layout of the real one, with the truth beside it."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError, registered
from mien.datasets._seed_layout import BANDS, CHANNELS
from mien.datasets._seed_siblings_layout import (
    N_SESSIONS,
    SEED,
    SEED_CODES,
    SEED_DATES,
    SEED_EYE_SUBJECTS,
    SEED_N_TRAIN,
)
from mien.simulate import _siblings, _siblings_raw
from mien.simulate._files import write_mat
from mien.simulate._gaze import eye_features
from mien.simulate._siblings import World
from mien.simulate._write import Progress

KINDS = ("preprocessed_eeg", "extractedfeatures", "eeg_used_4s", "eye_tracking_feature")
"""What is written; the names of the folders of the real data set in lower case."""
RAW_KINDS = ("eeg_raw",)
"""Can be written besides, into ``01-EEG-raw``: 66 channels at 1000 Hz, 16 MB a minute."""

_LEFT = [i for i, name in enumerate(CHANNELS) if name[-1] in "1357"]
_RIGHT = [CHANNELS.index(CHANNELS[i][:-1] + str(int(CHANNELS[i][-1]) + 1)) for i in _LEFT]
_FRONT = [CHANNELS.index(name) for name in ("FP1", "FPZ", "FP2", "AF3", "AF4")] + list(range(5, 23))
_BACK = [CHANNELS.index(name) for name in ("O1", "OZ", "O2", "CB1", "CB2")] + [*range(41, 50), *range(32, 41)]


@registered
def simulate(
    out: str | Path,
    *,
    seed: int,
    subjects: int = 4,
    clips: int = 15,
    seconds: float = 24.0,
    effect: float = 1.0,
    kinds: Sequence[str] = KINDS,
    workers: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write a made-up SEED: 15 clips, the same ones in each of three sessions.

    Parameters
    ----------
    out
        Folder to make; must not exist or be empty. It appears whole or not at all.
    seed
        Same seed, same bytes, whatever ``workers`` is.
    subjects
        How many people, 1-15. Subjects 6, 7 and 15 have no eye movements, as in the real data.
    clips
        15.
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
    if clips != SEED.clips:
        raise InputError(f"--clips {clips}", expected="15, all clips of a session")
    _siblings.check(
        out, design=SEED, subjects=subjects, seconds=seconds, effect=effect, kinds=kinds,
        known=(*KINDS, *RAW_KINDS),
        workers=workers,
    )  # fmt: skip
    shown = [(s, c) for s in range(1, N_SESSIONS + 1) for c in range(1, SEED.clips + 1)]
    world = _siblings.draw("seed", SEED, shown, seed=seed, subjects=subjects, seconds=seconds, effect=effect)
    windows = world.latent.n_windows[: SEED.clips].tolist()
    return _siblings.write(
        out, world, _write_subject, kinds=kinds, seconds=seconds, workers=workers, progress=progress,
        more={"eye_windows": windows},
    )  # fmt: skip


def _write_subject(world: World, subject: int, kinds: tuple[str, ...], folder: Path) -> str:
    """All files of one subject, one clip of EEG in memory at a time."""
    name = world.latent.subjects[subject]
    for session in range(1, N_SESSIONS + 1):
        shown = world.of_session(session)
        day = SEED_DATES[session - 1][int(name) - 1]
        features: dict[str, NDArray[np.float64]] = {}
        entropy: list[NDArray[np.float64]] = []
        eeg = _eeg(world, subject, session, kinds=kinds, features=features, entropy=entropy)
        if "preprocessed_eeg" in kinds:
            write_mat(_file(folder, "Preprocessed_EEG", f"{name}_{day}.mat"), eeg)
            write_mat(folder / "Preprocessed_EEG" / "label.mat", [("label", np.array([SEED_CODES], float))])
        elif {"extractedfeatures", "eeg_used_4s"} & set(kinds):
            for _ in eeg:
                pass
        if "extractedfeatures" in kinds:
            write_mat(_file(folder, "ExtractedFeatures", f"{name}_{day}.mat"), features.items())
        if "eeg_raw" in kinds:
            path = _file(folder, "01-EEG-raw", f"{name}_{session}.cnt")
            _siblings_raw.write_session(path, world, subject, session)
            starts, ends = ([_siblings_raw.RATE * t for t in edge] for edge in _siblings_raw.times(world, 1))
            text = f"start_point_list = {starts}\nend_point_list = {ends}\n"
            (path.parent / "time.txt").write_text(text, encoding="utf-8")
        if name not in SEED_EYE_SUBJECTS:
            continue
        if "eeg_used_4s" in kinds:
            _write_entropy(_file(folder, "eeg_used_4s", f"{name}_{session}.npz"), entropy)
        if "eye_tracking_feature" in kinds:
            eyes = [eye_features(world.gaze(subject, p)) for p, _ in shown]
            parts = {
                "train_data_eye": np.concatenate(eyes[:SEED_N_TRAIN]),
                "test_data_eye": np.concatenate(eyes[SEED_N_TRAIN:]),
            }
            path = _file(folder, "eye_tracking_feature", f"{name}_{session}")
            path.write_bytes(pickle.dumps(parts, protocol=3))
    return name


def _eeg(
    world: World,
    subject: int,
    session: int,
    *,
    kinds: tuple[str, ...],
    features: dict[str, NDArray[np.float64]],
    entropy: list[NDArray[np.float64]],
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Name and EEG of each clip; on the way puts what is made of it into ``features`` and ``entropy``."""
    for p, clip in world.of_session(session):
        data = world.eeg(subject, p)
        if "extractedfeatures" in kinds:
            features |= {f"{key}{clip}": values for key, values in _features(data).items()}
        if "eeg_used_4s" in kinds:
            entropy.append(_siblings.differential_entropy_4s(data))
        yield f"{_letters(subject)}_eeg{clip}", data


def _letters(subject: int) -> str:
    """What stands before the EEG variables of a subject; in the real files, letters of a name."""
    return f"{chr(ord('a') + subject)}x"


def _file(folder: Path, kind: str, name: str) -> Path:
    (folder / kind).mkdir(exist_ok=True)
    return folder / kind / name


def _features(data: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """The twelve kinds of shipped features of a clip, in windows of 1 s: (rows, windows, bands)."""
    made = _siblings.shipped(data, window_seconds=1.0)
    for word in ("movingAve", "LDS"):
        de = made[f"de_{word}"]
        made[f"dasm_{word}"] = de[_LEFT] - de[_RIGHT]
        made[f"rasm_{word}"] = de[_LEFT] / de[_RIGHT]
        made[f"asm_{word}"] = np.concatenate([made[f"dasm_{word}"], made[f"rasm_{word}"]])
        made[f"dcau_{word}"] = de[_FRONT] - de[_BACK]
    return made


def _write_entropy(path: Path, entropy: list[NDArray[np.float64]]) -> None:
    """One session of the multimodal part: pickled bands, labels 0, 1, 2."""
    labels = np.repeat(np.array(SEED_CODES) + 1, [len(values) for values in entropy])
    n_train = sum(len(values) for values in entropy[:SEED_N_TRAIN])
    arrays: dict[str, Any] = {"train_label": labels[:n_train], "test_label": labels[n_train:]}
    for part, clips in (("train", entropy[:SEED_N_TRAIN]), ("test", entropy[SEED_N_TRAIN:])):
        table = np.concatenate(clips)
        bands = {band: np.ascontiguousarray(table[:, b]) for b, band in enumerate(BANDS)}
        arrays[f"{part}_data"] = np.bytes_(pickle.dumps(bands, protocol=3))
    np.savez(path, **arrays)


def example() -> dict[str, Any]:
    """Options of the smallest sensible call."""
    return {"seed": 0, "subjects": 1, "seconds": 8.0}
