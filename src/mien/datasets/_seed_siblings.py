"""What SEED, SEED-IV and SEED-V have in common: three sessions of clips, one array per clip and stream.

A reader surveys its files into a :class:`Survey` (headers and shapes only); everything after that - checks of
lengths, recordings, counts, the look at all data - is the same for the three and stands here.
"""

from __future__ import annotations

import json
import re
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.text import natural_key
from mien.core.types import Label, Recording, Span, Stream, Trial
from mien.datasets._inspection import DatasetWarning, Fault, Inspection, fault_of
from mien.datasets._seed_layout import BANDS, CHANNELS, EEG_RATE, TRUTH
from mien.datasets._seed_siblings_layout import N_SESSIONS, Design
from mien.datasets._seed_survey import ranges
from mien.io.clips import Clip, ClipFile, ClipSource
from mien.io.mat import MatFile

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


def numbered_rows(rows: int) -> tuple[str, ...]:
    """Names of EEG features, band by band, where the data set does not say what the rows are."""
    return tuple(f"{band}:row_{row}" for band in BANDS for row in range(1, rows + 1))


def numbered_eye(n_features: int) -> tuple[str, ...]:
    """Names of eye features whose order the data set does not give."""
    return tuple(f"eye_{k}" for k in range(1, n_features + 1))


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


# -- arrays ------------------------------------------------------------------------------------------------


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


# -- files -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class MatClips:
    """Variables of a MATLAB file, asked for by clip number.

    The names of the EEG variables begin with letters that may be a subject's initials, so names are neither
    kept here nor told: they are looked up when a clip is read, and messages say "clip 3".
    """

    path: Path
    pattern: str

    def read(self, name: str, /) -> Array:
        """The array of a clip."""
        mat = remembered(MatFile, self.path)
        for key in mat.names():
            if clip_of(self.pattern, key) == int(name):
                with told_as(key, f"clip {name}"):
                    return mat.read(key)
        raise InputError(f"clip {name} is no longer there", file=self.path, remedy="load the data again")


T = TypeVar("T")


def remembered(read: Callable[[Path], T], path: Path) -> T:
    """What ``read`` makes of a file; the last results are kept while the file stays as it is.

    Clips of one file are asked for one after another: without this each would cost a look at the whole file.
    """
    try:
        stat = path.stat()
    except OSError:
        return read(path)  # which says what is wrong
    result: T = _remembered(read, path, stat.st_size, stat.st_mtime_ns)
    return result


@lru_cache(maxsize=2)
def _remembered(read: Callable[[Path], Any], path: Path, size: int, changed: int) -> Any:
    del size, changed
    return read(path)


@contextmanager
def told_as(key: str, shown: str) -> Iterator[None]:
    """Names a variable otherwise in the errors raised inside."""
    try:
        yield
    except InputError as error:
        raise InputError(
            error.what.replace(f"variable {key!r}", shown),
            file=error.file,
            expected=error.expected,
            remedy=error.remedy,
        ) from None


def clip_of(pattern: str, key: str) -> int | None:
    """Clip number of a variable of this kind, or None."""
    match = re.fullmatch(pattern, key)
    return int(match["clip"]) if match else None


def mat_pieces(
    path: Path, kinds: Iterable[Kind], *, clips: Collection[int], n_clips: int, subject: str
) -> tuple[dict[int, dict[str, Piece]], list[Fault]]:
    """Pieces of all kinds in one MATLAB file by clip and stream, and what is wrong with the rest of it."""
    pieces: dict[int, dict[str, Piece]] = {}
    try:
        mat = MatFile(path)
    except InputError as error:
        return {}, [fault_of(error, subject=subject)]
    faults: list[Fault] = []
    strange = set(mat.names())
    lacking: dict[tuple[int, ...], list[str]] = {}
    for kind in kinds:
        keys: dict[int, list[str]] = {}
        for key in mat.names():
            clip = clip_of(kind.key, key)
            if clip is not None and 1 <= clip <= n_clips:
                keys.setdefault(clip, []).append(key)
                strange.discard(key)
        missing = tuple(clip for clip in clips if clip not in keys)
        if missing:
            lacking.setdefault(missing, []).append(kind.stream)
        rows: int | None = None
        for clip, names in sorted(keys.items()):
            try:
                piece = _mat_piece(mat, kind, clip, names)
                rows = piece.rows if rows is None else rows
                if piece.rows != rows:
                    raise InputError(
                        f"{kind.stream} has {piece.rows} rows", file=path, expected=f"{rows}, as before"
                    )
            except InputError as error:
                faults.append(fault_of(error, item=f"clip {clip}", subject=subject))
            else:
                pieces.setdefault(clip, {})[kind.stream] = piece
    faults += [
        Fault(
            file=str(path),
            item=f"clip {ranges(missing)}",
            reason=f"no variable of {', '.join(streams)}; the file has {len(mat.names())} variables",
            subject=subject,
        )
        for missing, streams in lacking.items()
    ]
    if strange:
        faults.append(
            Fault(
                file=str(path),
                item=f"{len(strange)} variable{'s' * (len(strange) > 1)}",
                reason=f"not of clips 1-{n_clips}; expected {n_clips} of each kind",
                subject=subject,
            )
        )
    return pieces, faults


def _mat_piece(mat: MatFile, kind: Kind, clip: int, names: list[str]) -> Piece:
    if len(names) > 1:
        raise InputError(
            f"{len(names)} variables of {kind.stream} claim to be this clip", file=mat.path, expected="one"
        )
    with told_as(names[0], f"{kind.stream} of the clip"):
        mat.dtype(names[0])
    return checked_piece(
        kind, clip, MatClips(path=mat.path, pattern=kind.key), key=str(clip), shape=mat.shape(names[0])
    )


def checked_piece(kind: Kind, clip: int, file: ClipFile, *, key: str, shape: tuple[int, ...]) -> Piece:
    """A piece, if its shape is that of its kind."""
    sizes = kind.sizes(shape)
    if sizes is None:
        raise InputError(f"{kind.stream} has shape {shape}", file=file.path, expected=kind.shape_text)
    return Piece(kind=kind, clip=clip, file=file, key=key, n_times=sizes[0], rows=sizes[1])


def locate(root: str | Path, places: Mapping[str, Iterable[str]]) -> dict[str, Path]:
    """Where each kind of folder is below ``root``.

    Parameters
    ----------
    places
        Name of a folder to the paths at which copies keep it; the first that is there counts.

    Raises
    ------
    InputError
        The root is missing, a file, or holds none of them.
    """
    root = Path(root)
    expected = f"a folder with at least one of {', '.join(places)}"
    if not root.exists():
        raise InputError("no such folder", file=root, expected=expected)
    if not root.is_dir():
        raise InputError("is a file", file=root, expected=expected)
    found: dict[str, Path] = {}
    for name, paths in places.items():
        there = [root / path for path in paths if (root / path).is_dir()]
        if there:
            found[name] = there[0]
    if found:
        return found
    inside = sorted((p.name + "/" * p.is_dir() for p in root.iterdir()), key=natural_key)
    if not inside:
        raise InputError("is an empty folder", file=root, expected=expected)
    shown = ", ".join(inside[:10]) + (f", … ({len(inside)} in all)" if len(inside) > 10 else "")
    known = {path.split("/")[-1] for paths in places.values() for path in paths}
    remedy = f"give the folder above it: {root.parent}" if root.resolve().name in known else None
    raise InputError(f"holds {shown}", file=root, expected=expected, remedy=remedy)


def wants_raw(folders: Collection[str], raw_folder: str, raw: bool | None) -> bool:
    """Whether raw sessions are to be read; an error where what is asked for is not there."""
    has_raw, has_more = raw_folder in folders, bool(set(folders) - {raw_folder})
    wanted = not has_more if raw is None else raw
    if wanted and not has_raw:
        raise InputError(
            f"holds no raw recordings, only {', '.join(folders)}", expected=f"a folder {raw_folder}"
        )
    if not wanted and not has_more:
        raise InputError("holds raw recordings only", remedy="leave raw=False out to read the raw recordings")
    return wanted


def named_files(
    folder: Path, pattern: str, *, expected: str, ignore: Collection[str] = ()
) -> tuple[list[tuple[Path, re.Match[str]]], list[Fault]]:
    """Files of a folder whose names match, in counting order; others of the same ending are faults."""
    suffix = Path(expected).suffix
    found: list[tuple[Path, re.Match[str]]] = []
    faults: list[Fault] = []
    for path in sorted(folder.iterdir(), key=lambda p: natural_key(p.name)):
        if path.name.startswith(".") or path.is_dir() or path.name in ignore or path.suffix != suffix:
            continue
        match = re.fullmatch(pattern, path.name)
        if match is None:
            faults.append(
                Fault(
                    file=str(path), reason=f"its name says neither subject nor session; expected {expected}"
                )
            )
        else:
            found.append((path, match))
    return found, faults


# -- made-up copies ----------------------------------------------------------------------------------------


def read_truth(root: str | Path, dataset: str) -> dict[str, Any] | None:
    """``truth.json`` of a made-up copy, or None where there is none or it does not say "simulated"."""
    path = Path(root) / TRUTH
    if not path.is_file():
        return None
    remedy = f"make the data again with: mien simulate {dataset}"
    try:
        truth = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError):
        raise InputError("is not readable JSON", file=path, remedy=remedy) from None
    if not isinstance(truth, dict) or truth.get("simulated") is not True:
        return None
    if truth.get("dataset", dataset) != dataset:
        raise InputError(f"is of a made-up {truth['dataset']}", file=path, expected=f"one of {dataset}")
    return truth


def expected_clips(root: Path, design: Design, truth: Mapping[str, Any] | None) -> dict[int, tuple[int, ...]]:
    """Clips of each session: all, or those whose stimuli a made-up copy lists."""
    every = {session: tuple(range(1, design.clips + 1)) for session in SESSIONS}
    if truth is None:
        return every
    stimuli = truth.get("clips")
    known = {design.stimulus(s, c) for s in SESSIONS for c in every[s]}
    if not isinstance(stimuli, list) or not all(type(n) is int and n in known for n in stimuli):
        raise InputError(
            f"its 'clips' are {stimuli!r}",
            file=root / TRUTH,
            expected=f"a list of numbers from 1 to {max(known)}",
        )
    return {s: tuple(c for c in every[s] if design.stimulus(s, c) in stimuli) for s in SESSIONS}


# -- from a survey to recordings ---------------------------------------------------------------------------


def sitting_of(
    subject: str, session: int, pieces: Mapping[int, Mapping[str, Piece]]
) -> tuple[Sitting | None, list[Fault]]:
    """One subject's session without the clips whose streams contradict one another."""
    usable: dict[int, Mapping[str, Piece]] = {}
    faults: list[Fault] = []
    for clip in sorted(pieces):
        fault = _length_fault(subject, session, clip, pieces[clip])
        if fault is None:
            usable[clip] = pieces[clip]
        else:
            faults.append(fault)
    return Sitting(subject=subject, session=session, clips=usable) if usable else None, faults


def _length_fault(subject: str, session: int, clip: int, pieces: Mapping[str, Piece]) -> Fault | None:
    """A fault where the streams of a clip differ by more than one of its longest windows."""
    window = max((1 / p.kind.rate for p in pieces.values() if p.kind.windowed), default=None)
    if window is None or len(pieces) == 1:
        return None
    lengths = {stream: int(piece.seconds // window) for stream, piece in pieces.items()}
    if max(lengths.values()) - min(lengths.values()) <= 1:
        return None
    text = ", ".join(f"{stream} {n}" for stream, n in lengths.items())
    return Fault(
        file=", ".join(dict.fromkeys(str(piece.file.path) for piece in pieces.values())),
        item=f"session {session} clip {clip}",
        reason=f"lengths in windows of {window:g} s differ: {text}; expected a difference of at most one",
        subject=subject,
    )


def merge(
    parts: Iterable[tuple[str, int, Mapping[int, Mapping[str, Piece]]]],
) -> tuple[tuple[Sitting, ...], list[Fault]]:
    """Pieces from several files as sittings, in the order of subjects and sessions."""
    together: dict[tuple[str, int], dict[int, dict[str, Piece]]] = {}
    for subject, session, pieces in parts:
        for clip, streams in pieces.items():
            together.setdefault((subject, session), {}).setdefault(clip, {}).update(streams)
    sittings: list[Sitting] = []
    faults: list[Fault] = []
    for subject, session in sorted(together, key=lambda key: (natural_key(key[0]), key[1])):
        sitting, wrong = sitting_of(subject, session, together[subject, session])
        faults.extend(wrong)
        if sitting is not None:
            sittings.append(sitting)
    return tuple(sittings), faults


def load(
    survey: Callable[[Collection[str] | None], Survey],
    *,
    subjects: Collection[str | int] | None,
    sessions: Collection[str | int] | None,
) -> list[Recording]:
    """Recordings of the chosen subjects and sessions; one warning for all that was left out.

    Raises
    ------
    InputError
        A chosen subject or session does not exist, a file contradicts the known labels, or nothing can be
        used.
    """
    wanted = chosen_sessions(sessions)
    names = None if subjects is None else [str(s) for s in subjects]
    seen = survey(names)
    return finish(
        [_recording(seen, s) for s in seen.sittings if s.session in wanted],
        dataset=seen.dataset,
        root=seen.root,
        faults=seen.faults,
        disagreement=seen.disagreement,
        wanted=names,
        there={sitting.subject for sitting in seen.sittings},
    )


def finish(
    recordings: list[Recording],
    *,
    dataset: str,
    root: Path,
    faults: tuple[Fault, ...],
    disagreement: InputError | None,
    wanted: Collection[str] | None,
    there: Collection[str],
) -> list[Recording]:
    """The recordings, with one warning for all faults; an error where there is nothing or it is in doubt."""
    if disagreement is not None:
        raise disagreement
    known = {*there, *(fault.subject for fault in faults)}
    missing = [name for name in wanted or () if name not in known]
    if missing:
        raise InputError(f"no files of subject {', '.join(missing)}", file=root)
    n = len(faults)
    remedy = f"to see all faults: mien inspect {dataset} {root}"
    if not recordings:
        why = f"{n} fault{'s' * (n != 1)}, the first: {faults[0]}" if n else "no clips of these sessions"
        raise InputError(
            f"nothing can be used: {why}", file=root, expected="at least one readable clip", remedy=remedy
        )
    if faults:
        text = f"{n} fault{'s' * (n != 1)} in {root}, the first: {faults[0]}; {remedy}"
        warnings.warn(DatasetWarning(text, faults=faults), stacklevel=5)
    return recordings


def chosen_sessions(sessions: Collection[str | int] | None) -> tuple[int, ...]:
    names = [str(s) for s in (SESSIONS if sessions is None else sessions)]
    unknown = [name for name in names if name not in map(str, SESSIONS)]
    if unknown:
        raise InputError(f"no session {', '.join(unknown)}", expected="some of 1, 2, 3")
    return tuple(s for s in SESSIONS if str(s) in names)


def _recording(seen: Survey, sitting: Sitting) -> Recording:
    """The clips of a session one after another, from 0, without what was between them."""
    trials: list[Trial] = []
    clips: dict[str, list[Clip]] = {}
    first: dict[str, Piece] = {}
    start = 0.0
    for number, pieces in sitting.clips.items():
        span = Span(start=start, duration=_seconds(pieces))
        trials.append(trial_of(seen.design, sitting.subject, sitting.session, number, span))
        for stream, piece in pieces.items():
            first.setdefault(stream, piece)
            clips.setdefault(stream, []).append(
                Clip(
                    name=str(number),
                    start=span.start,
                    duration=span.duration,
                    n_times=piece.n_times,
                    file=piece.file,
                    key=piece.key,
                )
            )
        start = span.stop
    return Recording(
        id=sitting.name,
        dataset=seen.dataset,
        subject=sitting.subject,
        session=str(sitting.session),
        streams={
            kind.stream: Stream(
                name=kind.stream,
                modality=kind.modality,
                unit=kind.unit,
                rate=kind.rate,
                channels=first[kind.stream].channels,
                span=Span(start=0.0, duration=start),
                source=ClipSource(
                    clips=tuple(clips[kind.stream]),
                    rate=kind.rate,
                    n_channels=len(first[kind.stream].channels),
                    arrange=kind.arrange,
                    windowed=kind.windowed,
                ),
            )
            for kind in seen.kinds
            if kind.stream in clips
        },
        trials=tuple(trials),
    )


def trial_of(design: Design, subject: str, session: int, clip: int, span: Span) -> Trial:
    """The trial of a subject's session (from 1) and its clip (from 1)."""
    recording = f"sub-{subject}_ses-{session}"
    stimulus = design.stimulus(session, clip)
    emotion = Label(value=design.emotion(session, clip), scale=design.emotions, rater="stimulus")
    return Trial(
        id=f"{recording}_clip-{stimulus}",
        recording=recording,
        subject=subject,
        session=str(session),
        stimulus=str(stimulus),
        span=span,
        labels={"emotion": emotion},
    )


def _seconds(pieces: Mapping[str, Piece]) -> float:
    """Length of a clip: that of its EEG, else of the longest of its other streams."""
    if "eeg" in pieces:
        return pieces["eeg"].seconds
    return max(piece.seconds for piece in pieces.values())


# -- inspection --------------------------------------------------------------------------------------------


def inspect(seen: Survey, *, progress: Callable[[int, int, str], None] | None = None) -> Inspection:
    """Counts, faults and notes of a survey; reads every array once, one at a time."""
    faults = list(seen.faults)
    if seen.disagreement is not None:
        faults.append(fault_of(seen.disagreement))
    total = sum(len(pieces) for sitting in seen.sittings for pieces in sitting.clips.values())
    done = 0
    for sitting in seen.sittings:
        holes: dict[tuple[str, str], list[int]] = {}
        for piece in _by_file(seen, sitting):
            if progress is not None:
                progress(done, total, str(piece.file.path))
            done += 1
            try:
                whole = bool(np.isfinite(piece.read()).all())
            except InputError as error:
                faults.append(fault_of(error, item=f"clip {piece.clip}", subject=sitting.subject))
                continue
            if not whole:
                holes.setdefault((str(piece.file.path), piece.kind.stream), []).append(piece.clip)
        faults.extend(
            Fault(
                file=file,
                item=f"session {sitting.session} clip {ranges(clips)}",
                reason=f"NaN or infinite values in {stream}; expected numbers",
                subject=sitting.subject,
                severity="kept",
            )
            for (file, stream), clips in holes.items()
        )
    if progress is not None:
        progress(total, total, "")
    notes = list(seen.notes)
    if seen.simulated:
        notes.insert(0, "made-up data: counts are compared with the clips in truth.json, not with the card")
    absent = dict.fromkeys(kind.folder for kind in seen.kinds if kind.folder not in seen.n_files)
    if absent:
        notes.append(f"folders that are not there: {', '.join(absent)}")
    return Inspection(
        dataset=seen.dataset,
        root=str(seen.root),
        found=tuple(_found(seen)),
        counts=_counts(seen) if seen.n_files else {},
        faults=tuple(faults),
        notes=tuple(notes),
    )


def _by_file(seen: Survey, sitting: Sitting) -> Iterator[Piece]:
    for kind in seen.kinds:
        for pieces in sitting.clips.values():
            if kind.stream in pieces:
                yield pieces[kind.stream]


def _found(seen: Survey) -> Iterator[dict[str, Any]]:
    """One row a subject: sessions, trials and clips per stream that can be used, seconds."""
    there = [k.stream for k in seen.kinds if k.folder in seen.n_files]
    for subject in dict.fromkeys(sitting.subject for sitting in seen.sittings):
        own = [sitting for sitting in seen.sittings if sitting.subject == subject]
        clips = [pieces for sitting in own for pieces in sitting.clips.values()]
        yield {
            "subject": subject,
            "sessions": len(own),
            "trials": len(clips),
            **{stream: sum(stream in pieces for pieces in clips) for stream in there},
            "seconds": sum(_seconds(pieces) for pieces in clips),
        }


def _counts(seen: Survey) -> dict[str, tuple[float, float | None]]:
    subjects = {sitting.subject for sitting in seen.sittings}
    n_subjects = len(subjects) if seen.simulated else len(seen.design.subjects)
    expected = [(s, c) for s in SESSIONS for c in seen.expected[s]]
    sessions = [s for s in SESSIONS if seen.expected[s]]
    there = [(sitting.session, clip) for sitting in seen.sittings for clip in sitting.clips]
    stimuli = {seen.design.stimulus(*where) for where in expected}
    emotions = Counter(seen.design.emotion(*where) for where in expected)
    have = Counter(seen.design.emotion(*where) for where in there)
    return {
        "subjects": (len(subjects), None if seen.simulated else n_subjects),
        **{f"files {folder}": counts for folder, counts in seen.n_files.items()},
        "recordings": (len(seen.sittings), n_subjects * len(sessions)),
        "clips": (len({seen.design.stimulus(*where) for where in there}), len(stimuli)),
        "trials": (len(there), n_subjects * len(expected)),
        **{f"trials {e}": (have[e], n_subjects * emotions[e]) for e in seen.design.emotions},
    }
