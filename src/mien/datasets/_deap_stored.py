"""DEAP's preprocessed trials: one array per participant, in a pickle of Python 2 or a MATLAB file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.types import Span, Stream
from mien.datasets._deap_copy import Layout
from mien.datasets._deap_layout import BAND, EEG, PERIPHERAL, RATE, RATED
from mien.io.mat import MatFile
from mien.io.pickled import read_pickle
from mien.io.sampled import ChannelSource, Sampled

CHANNELS = EEG + PERIPHERAL
_MICROVOLT = 1e-6
_SCALE = np.array([1.0 if name in ("GSR", "Resp", "Plet", "Temp") else _MICROVOLT for name in CHANNELS])
STREAMS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("eeg", "eeg", "V", EEG),
    ("eog", "eog", "V", ("hEOG", "vEOG")),
    ("emg", "emg", "V", ("zEMG", "tEMG")),
    ("eda", "eda", "ohm", ("GSR",)),
    ("rsp", "rsp", "arbitrary", ("Resp",)),
    ("ppg", "ppg", "arbitrary", ("Plet",)),
    ("skt", "skt", "arbitrary", ("Temp",)),
    ("peripheral", "peripheral", "mixed", PERIPHERAL),
)
"""Name, modality, unit and channels of each stream."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stored(Sampled):
    """The stored trials of one participant, end to end in the order of videos; time 0 is the first sample.

    Holds no samples: the last file read is kept by the process.
    """

    path: Path
    n_samples: int
    trial_samples: int
    channels: tuple[str, ...] = CHANNELS
    rate: float = RATE

    def read(
        self, start: float, duration: float, *, channels: Sequence[str] | None = None
    ) -> NDArray[np.float64]:
        """Samples (channels, times) of a span: V, ohm (GSR), or as they are stored.

        Raises
        ------
        InputError
            The span is not within the recording, or the file is not what it was.
        """
        rows = self._rows(channels)
        first, stop = self._samples(start, duration)
        data = content(self.path)[0]
        if data.shape != (self.n_samples // self.trial_samples, len(CHANNELS), self.trial_samples):
            raise InputError(
                f"has changed: data are {data.shape}", file=self.path, remedy="load the data again"
            )
        out = np.empty((len(rows), stop - first))
        for trial in range(first // self.trial_samples, -(-stop // self.trial_samples)):
            begin = trial * self.trial_samples
            a, b = max(first, begin), min(stop, begin + self.trial_samples)
            out[:, a - first : b - first] = data[trial, rows, a - begin : b - begin]
        return out * _SCALE[rows, None]


@dataclass(frozen=True, kw_only=True)
class StoredSource(ChannelSource):
    """Some channels of the stored trials."""

    version = "1"


def open_stored(path: Path, layout: Layout) -> tuple[Stored, NDArray[np.float64]]:
    """A participant's trials and labels (videos, 4), shapes checked.

    Of a pickle everything is read for it, of a MATLAB file the labels alone.

    Raises
    ------
    InputError
        The file is missing, empty, cut, holds something else (a pickle that would run code among it, which is
        not run), or arrays of another shape.
    """
    if path.suffix.lower() == ".mat":
        mat = MatFile(path)
        shape = mat.shape("data")
        mat.dtype("data")
        labels = mat.read("labels")
    else:
        data, labels = content(path)
        shape = data.shape
    if shape != layout.shape:
        raise InputError(
            f"data are of shape {shape}",
            file=path,
            expected=f"{layout.shape} (videos, channels, samples)",
            remedy="is it the preprocessed file of the data set?",
        )
    expected = (layout.trials, len(RATED))
    if labels.shape != expected:
        raise InputError(
            f"labels are of shape {labels.shape}", file=path, expected=f"{expected} ({', '.join(RATED)})"
        )
    return Stored(path=path, n_samples=shape[0] * shape[2], trial_samples=shape[2]), labels.astype(np.float64)


def streams(stored: Stored) -> dict[str, Stream]:
    """The streams of one participant."""
    return {
        name: Stream(
            name=name,
            modality=modality,
            unit=unit,
            rate=stored.rate,
            channels=channels,
            span=Span(start=0.0, duration=stored.n_samples / stored.rate),
            source=StoredSource(recording=stored, channels=channels),
            band=BAND if name == "eeg" else None,
        )
        for name, modality, unit, channels in STREAMS
    }


_KEPT: dict[tuple[Path, int, int], tuple[NDArray[Any], NDArray[Any]]] = {}
"""The last file that was read, as it was then."""


def content(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """``data`` and ``labels`` of a file; the last one is kept while it stays as it is (about 100 MB)."""
    try:
        stat = path.stat()
    except OSError:
        raise InputError("no such file", file=path, expected="a preprocessed file") from None
    key = (path, stat.st_size, stat.st_mtime_ns)
    found = _KEPT.get(key)
    if found is None:
        _KEPT.clear()  # before the next is read, so that there are never two
        found = _KEPT[key] = _content(path)
    return found


def _content(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    if path.suffix.lower() == ".mat":
        mat = MatFile(path)
        return mat.read("data"), mat.read("labels")
    given = read_pickle(path)
    expected = "a dictionary of the arrays data and labels"
    if not isinstance(given, dict):
        raise InputError(f"holds a {type(given).__name__}", file=path, expected=expected)
    for name in ("data", "labels"):
        array = given.get(name)
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
            what = type(array).__name__ if array is not None else "nothing"
            raise InputError(f"holds {what} as {name!r}", file=path, expected=expected)
    return given["data"], given["labels"]
