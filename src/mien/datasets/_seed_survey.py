"""What lies in a copy of SEED-VII, from the headers of its files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.text import natural_key
from mien.datasets._inspection import Fault, fault_of
from mien.datasets._seed_layout import (
    BANDS,
    CHANNELS,
    EEG_FOLDER,
    EEG_RATE,
    EYE_FEATURES,
    EYE_FOLDER,
    FEATURES_FOLDER,
    FOLDERS,
    LABELS_FOLDER,
    N_CLIPS,
    RAW_FOLDERS,
    TRUTH,
    WINDOW_SECONDS,
)
from mien.io.mat import MatFile

_MICROVOLT = 1e-6


def _eeg(stored: NDArray[Any]) -> NDArray[Any]:
    """Microvolts ``(62, T)`` to volts, in place."""
    data = stored.astype(np.float64, copy=False)
    data *= _MICROVOLT
    return data


def _features(stored: NDArray[Any]) -> NDArray[Any]:
    """``(windows, bands, channels)`` to ``(310, windows)``, band by band."""
    return stored.astype(np.float64, copy=False).reshape(len(stored), -1).T


def _transposed(stored: NDArray[Any]) -> NDArray[Any]:
    """``(windows, 33)`` to ``(33, windows)``."""
    return stored.astype(np.float64, copy=False).T


def _as_it_is(stored: NDArray[Any]) -> NDArray[Any]:
    """``(1, windows)``."""
    return stored.astype(np.float64, copy=False)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of variable: where it lies, what its shape must be, and the stream it becomes.

    ``shape`` is the stored shape with None for time; ``prefix`` stands before the clip's number in the key.
    """

    stream: str
    folder: str
    modality: str
    unit: str
    shape: tuple[int | None, ...]
    channels: tuple[str, ...]
    arrange: Callable[[NDArray[Any]], NDArray[Any]]
    prefix: str = ""
    rate: float = 1 / WINDOW_SECONDS

    @property
    def windowed(self) -> bool:
        """Whether a sample sums up a window of 4 s."""
        return self.rate != EEG_RATE

    def n_times(self, shape: tuple[int, ...]) -> int | None:
        """Samples along time, or None if the shape is not that of this kind."""
        fits = len(shape) == len(self.shape) and all(
            want is None or want == have for want, have in zip(self.shape, shape, strict=True)
        )
        n = shape[self.shape.index(None)] if fits else 0
        return n or None

    def n_windows(self, n_times: int) -> int:
        """Whole windows of 4 s."""
        return n_times if self.windowed else int(n_times // (EEG_RATE * WINDOW_SECONDS))

    @property
    def shape_text(self) -> str:
        """The shape for messages."""
        name = "windows" if self.windowed else "samples"
        return f"({', '.join(name if n is None else str(n) for n in self.shape)})"


_SHIPPED = partial(
    Kind,
    folder=FEATURES_FOLDER,
    modality="eeg",
    unit="mixed",
    shape=(None, len(BANDS), len(CHANNELS)),
    channels=tuple(f"{band}:{channel}" for band in BANDS for channel in CHANNELS),
    arrange=_features,
)

KINDS: tuple[Kind, ...] = (
    Kind(
        stream="eeg",
        folder=EEG_FOLDER,
        modality="eeg",
        unit="V",
        shape=(len(CHANNELS), None),
        channels=CHANNELS,
        arrange=_eeg,
        rate=EEG_RATE,
    ),
    _SHIPPED(stream="shipped_eeg_psd", prefix="psd_"),
    _SHIPPED(stream="shipped_eeg_de", prefix="de_"),
    _SHIPPED(stream="shipped_eeg_de_lds", prefix="de_LDS_"),
    Kind(
        stream="shipped_eye",
        folder=EYE_FOLDER,
        modality="eye",
        unit="mixed",
        shape=(None, len(EYE_FEATURES)),
        channels=EYE_FEATURES,
        arrange=_transposed,
    ),
    Kind(
        stream="intensity",
        folder=LABELS_FOLDER,
        modality="annotation",
        unit="1",
        shape=(1, None),
        channels=("intensity",),
        arrange=_as_it_is,
    ),
)
"""Every kind of variable the reader knows."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One clip of one kind, as it lies in a file."""

    kind: Kind
    clip: int
    file: MatFile
    key: str
    n_times: int

    @property
    def n_windows(self) -> int:
        """Whole windows of 4 s it holds."""
        return self.kind.n_windows(self.n_times)

    def read(self) -> NDArray[Any]:
        """Its samples ``(channels, times)`` in SI units."""
        return self.kind.arrange(self.file.read(self.key))


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What can be used of one subject: clip to stream name to piece, clips in order."""

    name: str
    clips: Mapping[int, Mapping[str, Piece]]

    def pieces(self) -> Iterator[Piece]:
        """All pieces, file by file."""
        for kind in KINDS:
            for streams in self.clips.values():
                if kind.stream in streams:
                    yield streams[kind.stream]


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What the headers say: usable pieces of each subject, and faults."""

    root: Path
    folders: tuple[str, ...]
    expected_clips: tuple[int, ...]
    simulated: bool
    subjects: tuple[Subject, ...]
    n_files: Mapping[str, int]
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()


def survey(root: str | Path, *, subjects: Collection[str] | None = None) -> Survey:
    """Opens every subject file (of the chosen subjects) and sorts what is usable from what is not.

    Raises
    ------
    InputError
        The folder is missing, or is no copy of the data set, or a chosen subject is not there.
    """
    root = Path(root)
    folders = tuple(name for name in find_folders(root) if name in FOLDERS)
    truth = _truth(root)
    expected = clips_expected(root)
    files, faults, notes = _subject_files(root, folders)
    there = sorted({name for by_subject in files.values() for name in by_subject}, key=natural_key)
    missing = [name for name in subjects or () if name not in there]
    if missing:
        raise InputError(
            f"no files of subject {', '.join(missing)}",
            file=root,
            expected=f"some of the subjects there: {', '.join(there) or '(none)'}",
        )
    found: list[Subject] = []
    for name in there if subjects is None else [n for n in there if n in set(subjects)]:
        paths = [by_subject[name] for by_subject in files.values() if name in by_subject]
        subject, wrong = _survey_subject(name, paths, expected)
        faults.extend(wrong)
        found.append(subject)
    return Survey(
        root=root,
        folders=folders,
        expected_clips=expected,
        simulated=truth is not None,
        subjects=tuple(found),
        n_files={folder: len(by_subject) for folder, by_subject in files.items()},
        faults=tuple(faults),
        notes=tuple(notes),
    )


def find_folders(root: Path) -> tuple[str, ...]:
    """Which of the known folders are in ``root``; says where to point instead if there are none."""
    known = (*FOLDERS, *RAW_FOLDERS)
    expected = f"a folder with at least one of {', '.join(known)}"
    if not root.exists():
        raise InputError("no such folder", file=root, expected=expected)
    if not root.is_dir():
        raise InputError("is a file", file=root, expected=expected)
    # the names as they are listed: a file system that ignores case would also find eeg_features
    inside = sorted((p.name + "/" * p.is_dir() for p in root.iterdir()), key=natural_key)
    folders = tuple(name for name in known if f"{name}/" in inside)
    if folders:
        return folders
    if not inside:
        raise InputError("is an empty folder", file=root, expected=expected)
    shown = ", ".join(inside[:10]) + (f", … ({len(inside)} in all)" if len(inside) > 10 else "")
    raise InputError(f"holds {shown}", file=root, expected=expected, remedy=_where_instead(root))


def _where_instead(root: Path) -> str | None:
    """What a user who pointed near the right folder should do."""
    known = (*FOLDERS, *RAW_FOLDERS)
    real = root.resolve()
    if real.name in known:
        return f"give the folder above it: {root.parent if root.name else real.parent}"
    for child in sorted(p for p in root.iterdir() if p.is_dir()):
        if any((child / name).is_dir() for name in known):
            return f"give the folder inside it: {child}"
        for name in known:
            if re.sub(r"[^a-z]", "", child.name.lower()) == name.replace("_", "").lower():
                return f"rename {child.name} to {name} if it is that folder"
    return None


def is_simulated(root: str | Path) -> bool:
    """Whether a copy is made-up data: its ``truth.json`` says so."""
    return _truth(Path(root)) is not None


def clips_expected(root: Path) -> tuple[int, ...]:
    """All 80 clips, or those that the ``truth.json`` of a made-up copy lists."""
    truth = _truth(root)
    return tuple(range(1, N_CLIPS + 1)) if truth is None else _clips_of(root, truth)


def _truth(root: Path) -> dict[str, Any] | None:
    """What ``truth.json`` says, or None where there is none or it does not say that the data are made up."""
    path = root / TRUTH
    if not path.is_file():
        return None
    try:
        truth = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError):
        raise InputError(
            "is not readable JSON", file=path, remedy="make the data again with: mien simulate seed_vii"
        ) from None
    return truth if isinstance(truth, dict) and truth.get("simulated") is True else None


def _clips_of(root: Path, truth: Mapping[str, Any]) -> tuple[int, ...]:
    clips = truth.get("clips")
    if not isinstance(clips, list) or not all(type(c) is int and 1 <= c <= N_CLIPS for c in clips):
        raise InputError(
            f"its 'clips' are {clips!r}", file=root / TRUTH, expected=f"a list of numbers from 1 to {N_CLIPS}"
        )
    return tuple(sorted(set(clips)))


def _subject_files(
    root: Path, folders: Iterable[str]
) -> tuple[dict[str, dict[str, Path]], list[Fault], list[str]]:
    """Folder to subject to file; files whose names are no subject number are faults."""
    files: dict[str, dict[str, Path]] = {}
    faults: list[Fault] = []
    notes: list[str] = []
    for folder in folders:
        paths = sorted((root / folder).iterdir(), key=lambda p: natural_key(p.name))
        mats = [p for p in paths if p.suffix.lower() == ".mat"]
        files[folder] = {p.stem: p for p in mats if re.fullmatch(r"[1-9]\d*", p.stem)}
        for path in mats:
            if path.stem not in files[folder]:
                reason = "its name is not a subject number; expected 1.mat, 2.mat, …"
                faults.append(
                    Fault(file=str(path), reason=f"{reason} Rename it if you know whose data it holds")
                )
        others = [p.name for p in paths if p not in mats and not p.name.startswith(".")]
        if others:
            notes.append(f"{folder}: files that are not .mat were ignored: {', '.join(others[:10])}")
    return files, faults, notes


def _survey_subject(
    name: str, paths: Iterable[Path], expected: Collection[int]
) -> tuple[Subject, list[Fault]]:
    """Usable pieces of one subject, and what is wrong with the rest."""
    pieces: dict[int, dict[str, Piece]] = {}
    faults: list[Fault] = []
    for path in paths:
        try:
            file = MatFile(path)
        except InputError as error:
            faults.append(fault_of(error, subject=name))
            continue
        kinds = [kind for kind in KINDS if kind.folder == path.parent.name]
        faults.extend(_strange_keys(file, kinds, name))
        for kind in kinds:
            found, wrong = _pieces_of(file, kind, name, expected)
            faults.extend(wrong)
            for piece in found:
                pieces.setdefault(piece.clip, {})[kind.stream] = piece
    usable: dict[int, dict[str, Piece]] = {}
    for clip in sorted(pieces):
        fault = _length_fault(name, clip, pieces[clip])
        if fault is None:
            usable[clip] = pieces[clip]
        else:
            faults.append(fault)
    return Subject(name=name, clips=usable), faults


def _clip_of(key: str, kind: Kind) -> int | None:
    """Clip number of a key of this kind, or None."""
    match = re.fullmatch(re.escape(kind.prefix) + r"([1-9]\d?)", key)
    number = int(match[1]) if match else 0
    return number if 1 <= number <= N_CLIPS else None


def _strange_keys(file: MatFile, kinds: Iterable[Kind], subject: str) -> list[Fault]:
    """A fault that lists the variables that are no clip's."""
    kinds = tuple(kinds)
    strange = [key for key in file.names() if all(_clip_of(key, kind) is None for kind in kinds)]
    if not strange:
        return []
    keys = " or ".join(f"{kind.prefix}1 … {kind.prefix}{N_CLIPS}" for kind in kinds)
    shown = ", ".join(strange[:10]) + (f", … ({len(strange)} in all)" if len(strange) > 10 else "")
    return [
        Fault(file=str(file.path), item=f"key {shown}", reason=f"no clip's; expected {keys}", subject=subject)
    ]


def _pieces_of(
    file: MatFile, kind: Kind, subject: str, expected: Collection[int]
) -> tuple[list[Piece], list[Fault]]:
    """Pieces of one kind in one file; a missing key or a wrong shape is a fault."""
    found: list[Piece] = []
    faults: list[Fault] = []
    missing = [clip for clip in expected if f"{kind.prefix}{clip}" not in file]
    if missing:
        faults.append(
            Fault(
                file=str(file.path),
                item=f"clip {ranges(missing)}",
                reason=f"missing key {kind.prefix}{{clip}}; the file has {len(file.names())} variables",
                subject=subject,
            )
        )
    for key in file.names():
        clip = _clip_of(key, kind)
        if clip is None:
            continue
        try:
            file.dtype(key)
            n_times = kind.n_times(file.shape(key))
            if n_times is None:
                raise InputError(
                    f"variable {key!r} has shape {file.shape(key)}", file=file.path, expected=kind.shape_text
                )
        except InputError as error:
            faults.append(fault_of(error, item=f"clip {clip}", subject=subject))
            continue
        found.append(Piece(kind=kind, clip=clip, file=file, key=key, n_times=n_times))
    return found, faults


def _length_fault(subject: str, clip: int, pieces: Mapping[str, Piece]) -> Fault | None:
    """A fault where the streams of a clip differ by more than one window."""
    lengths = {stream: piece.n_windows for stream, piece in pieces.items()}
    if max(lengths.values()) - min(lengths.values()) <= 1:
        return None
    files = dict.fromkeys(str(piece.file.path) for piece in pieces.values())
    text = ", ".join(f"{stream} {n}" for stream, n in lengths.items())
    return Fault(
        file=", ".join(files),
        item=f"clip {clip}",
        reason=f"lengths in windows of 4 s differ: {text}; expected a difference of at most one",
        subject=subject,
    )


def ranges(numbers: Iterable[int]) -> str:
    """``[1, 2, 3, 7]`` as ``"1-3, 7"``."""
    parts: list[list[int]] = []
    for n in sorted(numbers):
        if parts and n == parts[-1][-1] + 1:
            parts[-1].append(n)
        else:
            parts.append([n])
    return ", ".join(str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts)
