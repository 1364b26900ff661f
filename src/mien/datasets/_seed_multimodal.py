"""The multimodal part of SEED: pickled windows of 4 s of all clips of a session, first nine and last six."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.datasets._inspection import Fault, fault_of
from mien.datasets._seed_layout import BANDS, CHANNELS
from mien.datasets._seed_siblings import BY_BAND, Kind, Piece, checked_piece, numbered_eye, windows_first
from mien.datasets._seed_siblings_files import remembered
from mien.datasets._seed_siblings_layout import SEED_CODES, SEED_N_TRAIN
from mien.io.npz import NpzFile
from mien.io.pickled import read_pickle

DE_FOLDER = "eeg_used_4s"
EYE_FOLDER = "eye_tracking_feature"

DE = Kind(
    stream="shipped_eeg_de_4s",
    folder=DE_FOLDER,
    modality="eeg",
    shape=(None, len(BY_BAND)),
    channels=BY_BAND,
    arrange=windows_first,
)
EYE = Kind(
    stream="shipped_eye",
    folder=EYE_FOLDER,
    modality="eye",
    shape=(None, -1),
    channels=numbered_eye,
    arrange=windows_first,
)


@dataclass(frozen=True, kw_only=True)
class SessionClips:
    """One session's file, asked for by clip number; ``windows`` are the windows of each clip, in order."""

    path: Path
    windows: tuple[int, ...]
    eye: bool

    def read(self, name: str, /) -> NDArray[Any]:
        """A copy of the windows of a clip (windows, features); the whole file is read for it."""
        stop = np.cumsum(self.windows)[int(name) - 1]
        return self._table()[stop - self.windows[int(name) - 1] : stop].copy()

    def n_features(self) -> int:
        """Columns of the table, after a look at all that can be wrong with it."""
        table = self._table()
        if not self.eye:
            self._check_labels()
        return int(table.shape[1])

    def _table(self) -> NDArray[Any]:
        parts = remembered(_eye_parts if self.eye else _de_parts, self.path)
        wanted = (sum(self.windows[:SEED_N_TRAIN]), sum(self.windows[SEED_N_TRAIN:]))
        found = tuple(len(part) for part in parts)
        if found != wanted or parts[0].shape[1:] != parts[1].shape[1:]:
            raise InputError(
                f"train and test have shapes {parts[0].shape} and {parts[1].shape}",
                file=self.path,
                expected=f"{wanted[0]} and {wanted[1]} windows of the same features",
            )
        return np.concatenate(parts)

    def _check_labels(self) -> None:
        """The labels of the windows tell the clips apart as the known ones do, whatever their numbers."""
        npz = NpzFile(self.path)
        given = np.concatenate([npz.read(f"{part}_label").ravel() for part in ("train", "test")])
        known = np.repeat(SEED_CODES, self.windows)
        pairs = set() if given.shape != known.shape else set(zip(given.tolist(), known.tolist(), strict=True))
        if len(pairs) != len(set(known.tolist())) or len({a for a, _ in pairs}) != len(pairs):
            raise InputError(
                "its labels change at other windows than the clips do",
                file=self.path,
                expected="one label in each clip, the same in clips of one emotion",
            )


def _eye_parts(path: Path) -> list[NDArray[Any]]:
    content = read_pickle(path)
    return [_array(path, content, f"{part}_data_eye", None) for part in ("train", "test")]


def _de_parts(path: Path) -> list[NDArray[Any]]:
    npz = NpzFile(path)
    tables = []
    for part in ("train", "test"):
        content = npz.unpickle(f"{part}_data")
        bands = [_array(path, content, band, len(CHANNELS)) for band in BANDS]
        if len({len(band) for band in bands}) > 1:
            raise InputError(
                f"the bands of {part}_data have {[len(band) for band in bands]} windows",
                file=path,
                expected="as many in each",
            )
        tables.append(np.concatenate(bands, axis=1))
    return tables


def _array(path: Path, content: Any, key: str, columns: int | None) -> NDArray[Any]:
    values = content.get(key) if isinstance(content, dict) else None
    if not isinstance(values, np.ndarray) or values.ndim != 2 or columns not in (None, values.shape[1]):
        found = f"is {values.shape}" if isinstance(values, np.ndarray) else "is missing"
        raise InputError(
            f"{key!r} {found}",
            file=path,
            expected=f"an array (windows, {columns if columns else 'features'})",
        )
    return values


def session_pieces(
    path: Path, kind: Kind, *, windows: tuple[int, ...], subject: str
) -> tuple[dict[int, dict[str, Piece]], list[Fault]]:
    """The clips of one file, or what is wrong with it."""
    file = SessionClips(path=path, windows=windows, eye=kind is EYE)
    try:
        n_features = file.n_features()
    except InputError as error:
        return {}, [fault_of(error, subject=subject)]
    return {
        clip: {kind.stream: checked_piece(kind, clip, file, key=str(clip), shape=(n, n_features))}
        for clip, n in enumerate(windows, start=1)
        if n
    }, []
