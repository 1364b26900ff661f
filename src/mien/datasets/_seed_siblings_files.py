"""Files of SEED, SEED-IV and SEED-V: where they lie, what is in them, what is wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from mien.core.errors import InputError
from mien.core.text import natural_key
from mien.datasets._inspection import Fault, fault_of
from mien.datasets._seed_layout import TRUTH
from mien.datasets._seed_siblings import SESSIONS, Array, Kind, Piece, checked_piece
from mien.datasets._seed_siblings_layout import Design
from mien.datasets._seed_survey import ranges
from mien.io.mat import MatFile

T = TypeVar("T")


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


def clip_of(pattern: str, key: str) -> int | None:
    """Clip number of a variable of this kind, or None."""
    match = re.fullmatch(pattern, key)
    return int(match["clip"]) if match else None


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
