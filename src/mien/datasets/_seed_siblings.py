"""What SEED, SEED-IV and SEED-V have in common: three sessions of clips, one array per clip and stream.

A reader surveys its files into a :class:`Survey` (headers and shapes only, :mod:`._seed_siblings_files`);
recordings (:mod:`._seed_siblings_load`) and the look at all data (:mod:`._seed_siblings_inspect`) are made of
that in the same way for the three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.datasets._inspection import Fault
from mien.datasets._seed_layout import BANDS, CHANNELS, EEG_RATE
from mien.datasets._seed_siblings_layout import N_SESSIONS, Design
from mien.io.clips import ClipFile

Array = NDArray[Any]

SESSIONS = tuple(range(1, N_SESSIONS + 1))
BY_BAND = tuple(f"{band}:{channel}" for band in BANDS for channel in CHANNELS)
"""The 310 EEG features, band by band."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of array: where it lies, what its shape must be, and the stream it becomes.

    Attributes
    ----------
    stream, modality, unit, rate
        Of the stream; one sample every ``1 / rate`` seconds, which a window of features sums up.
    folder
        What the files lie in, for messages and counts.
    shape
        The stored shape: None for time, -1 for a number of rows that is taken from the file.
    key
        Regular expression of the variable's name, with the clip's number as its group ``clip``.
    channels
        Names of the stream's channels, or a function that names them for a number of rows.
    arrange
        The stored array as (channels, times) in SI units.
    """

    stream: str
    folder: str
    modality: str
    shape: tuple[int | None, ...]
    channels: tuple[str, ...] | Callable[[int], tuple[str, ...]]
    arrange: Callable[[Array], Array]
    key: str = ""
    unit: str = "mixed"
    rate: float = 0.25

    @property
    def windowed(self) -> bool:
        """Whether a sample sums up the time to the next one."""
        return self.modality != "eeg" or self.unit == "mixed"

    def sizes(self, shape: tuple[int, ...]) -> tuple[int, int] | None:
        """Samples along time and rows (0 where they are fixed), or None where the shape is another."""
        if len(shape) != len(self.shape):
            return None
        if any(want not in (None, -1, have) for want, have in zip(self.shape, shape, strict=True)):
            return None
        n_times = shape[self.shape.index(None)]
        rows = shape[self.shape.index(-1)] if -1 in self.shape else 0
        return (n_times, rows) if n_times and (rows or -1 not in self.shape) else None

    @property
    def shape_text(self) -> str:
        """The shape for messages."""
        words = {None: "windows" if self.windowed else "samples", -1: "rows"}
        return f"({', '.join(words.get(n, str(n)) for n in self.shape)})"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One clip of one kind, as it lies in a file."""

    kind: Kind
    clip: int
    file: ClipFile
    key: str
    n_times: int
    rows: int = 0

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.n_times / self.kind.rate

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of its channels."""
        names = self.kind.channels
        return names(self.rows) if callable(names) else names

    def read(self) -> Array:
        """Its samples ``(channels, times)`` in SI units."""
        return self.kind.arrange(self.file.read(self.key))


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """What can be used of one subject's session: clip to stream to piece, clips in order."""

    subject: str
    session: int
    clips: Mapping[int, Mapping[str, Piece]]

    @property
    def name(self) -> str:
        """Id of the recording."""
        return f"sub-{self.subject}_ses-{self.session}"


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What the headers say.

    ``expected`` gives the clips of each session, ``n_files`` the number of files found and expected in each
    folder; ``disagreement`` is set where a file contradicts the known labels of all clips.
    """

    dataset: str
    design: Design
    root: Path
    kinds: tuple[Kind, ...]
    sittings: tuple[Sitting, ...]
    expected: Mapping[int, tuple[int, ...]]
    simulated: bool
    n_files: Mapping[str, tuple[int, int]]
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    disagreement: InputError | None = None


def checked_piece(kind: Kind, clip: int, file: ClipFile, *, key: str, shape: tuple[int, ...]) -> Piece:
    """A piece, if its shape is that of its kind."""
    sizes = kind.sizes(shape)
    if sizes is None:
        raise InputError(f"{kind.stream} has shape {shape}", file=file.path, expected=kind.shape_text)
    return Piece(kind=kind, clip=clip, file=file, key=key, n_times=sizes[0], rows=sizes[1])


# -- names and arrangements of stored arrays ---------------------------------------------------------------


def numbered_rows(rows: int) -> tuple[str, ...]:
    """Names of EEG features, band by band, where the data set does not say what the rows are."""
    return tuple(f"{band}:row_{row}" for band in BANDS for row in range(1, rows + 1))


def numbered_eye(n_features: int) -> tuple[str, ...]:
    """Names of eye features whose order the data set does not give."""
    return tuple(f"eye_{k}" for k in range(1, n_features + 1))


def microvolts(stored: Array) -> Array:
    """Microvolts (channels, samples) to volts, in place where the array allows it."""
    data = stored.astype(np.float64, copy=False)
    data *= 1e-6
    return data


def bands_last(stored: Array) -> Array:
    """(rows, windows, bands) to (bands x rows, windows), band by band."""
    data = stored.astype(np.float64, copy=False).transpose(2, 0, 1)
    return data.reshape(-1, data.shape[2])


def channel_major(stored: Array) -> Array:
    """(windows, 310), the five bands of a channel side by side, to (310, windows), band by band."""
    data = stored.astype(np.float64, copy=False).reshape(len(stored), len(CHANNELS), len(BANDS))
    return data.transpose(2, 1, 0).reshape(len(BANDS) * len(CHANNELS), len(stored))


def windows_first(stored: Array) -> Array:
    """(windows, features) to (features, windows)."""
    return stored.astype(np.float64, copy=False).T


def as_stored(stored: Array) -> Array:
    """(features, windows)."""
    return stored.astype(np.float64, copy=False)


def eeg_kind(folder: str) -> Kind:
    """Preprocessed EEG at 200 Hz in microvolts; the names begin with letters that say who it was."""
    return Kind(
        stream="eeg",
        folder=folder,
        modality="eeg",
        unit="V",
        rate=EEG_RATE,
        shape=(len(CHANNELS), None),
        channels=CHANNELS,
        arrange=microvolts,
        key=r".*_eeg(?P<clip>\d+)",
    )
