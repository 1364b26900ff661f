"""The faces of MEs-EEG: where the pictures and videos of each coded row lie, and frames of an event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, UnknownNameError
from mien.core.pseudonyms import Veil
from mien.core.types import Clip, Event
from mien.datasets._mes_eeg_layout import FACE_FOLDERS, FACE_PICTURES, KEY, TYPES, VIDEO_NAME
from mien.io.images import read_image
from mien.io.video import open_video

STAGES = tuple(FACE_FOLDERS)
BEST = "best"
Frames = Literal["key", "all"]
FRAMES: tuple[Frames, ...] = ("key", "all")
_CLIP_BYTES = 256 << 20
"""Frames of one clip in memory, at most; of a longer one, every second, third, … frame is taken."""
_SAME_RATE = 0.02
"""Share by which the rate in a video's header may miss the one in its name."""


@dataclass(frozen=True, kw_only=True, repr=False)
class FaceFiles:
    """Where the faces of the rows lie.

    Attributes
    ----------
    rows
        Stage to a row's key to its files: the video, or the pictures of onset and apex.
    incomplete
        Folders in which a picture is missing, by stage and key.
    strange
        Stage to names that are no row's key.
    """

    rows: Mapping[str, Mapping[str, tuple[Path, ...]]]
    incomplete: Mapping[tuple[str, str], tuple[Path, ...]]
    strange: Mapping[str, tuple[str, ...]]

    @property
    def names(self) -> set[str]:
        """People's names in the names of files and folders."""
        keys = [KEY.fullmatch(key) for rows in self.rows.values() for key in rows]
        keys += [KEY.fullmatch(key) for _, key in self.incomplete]
        return {match["subject"] for match in keys if match}


def find_faces(root: Path) -> FaceFiles:
    """Looks through the folders of all stages; reads no picture."""
    rows: dict[str, dict[str, tuple[Path, ...]]] = {}
    incomplete: dict[tuple[str, str], tuple[Path, ...]] = {}
    strange: dict[str, tuple[str, ...]] = {}
    for stage, folders in FACE_FOLDERS.items():
        there = [root / folder for folder in folders if (root / folder).is_dir()]
        if not there:
            continue
        rows[stage] = {}
        odd: list[str] = []
        for folder in (sub for top in there for sub in (top, *(top / word for word in TYPES))):
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if path.name in TYPES or path.name.startswith("."):
                    continue
                match = (VIDEO_NAME if stage == "avi" else KEY).fullmatch(path.name)
                if match is None:
                    odd.append(path.name)
                elif stage == "avi":
                    rows[stage].setdefault(match["key"], (path,))
                else:
                    pictures = tuple(path / name for name in FACE_PICTURES[stage])
                    lacking = tuple(p for p in pictures if not p.is_file())
                    if lacking:
                        incomplete[stage, path.name] = lacking
                    else:
                        rows[stage].setdefault(path.name, pictures)
        strange[stage] = tuple(odd)
    return FaceFiles(rows=rows, incomplete=incomplete, strange=strange)


def choose_stage(wanted: str, files: FaceFiles, events: Iterable[Sequence[str | None]]) -> str | None:
    """The stage to read, or None where there are no faces.

    ``best`` is the stage with files of the most events (each given by the keys of its rows), so that all
    clips are of one kind; among equals the first of :data:`STAGES`.

    Raises
    ------
    UnknownNameError
        There is no such stage.
    """
    if wanted != BEST:
        if wanted not in STAGES:
            raise UnknownNameError("stage", wanted, (BEST, *STAGES))
        return wanted if wanted in files.rows else None
    events = [tuple(keys) for keys in events]
    there = {
        stage: sum(any(key in rows for key in keys) for keys in events) for stage, rows in files.rows.items()
    }
    return max(there, key=lambda stage: there[stage]) if there else None


@dataclass(frozen=True, kw_only=True, repr=False)
class Face:
    """The files of one event, and when its moments are.

    Attributes
    ----------
    paths
        One video, or the pictures of onset and apex.
    coded
        Onset, apex and offset (None where it was not coded) in seconds of the clip's video, by the row that
        these files were cut for.
    times
        The same moments on the recording clock.
    """

    paths: tuple[Path, ...]
    coded: tuple[float, float, float | None]
    times: tuple[float, float, float | None]


@dataclass(frozen=True, kw_only=True, repr=False)
class FaceSource:
    """Frames of a recording's events, read when asked for; names of people stay out of its errors."""

    faces: Mapping[str, Face]
    veil: Veil
    frames: Frames = "key"

    def __repr__(self) -> str:
        return f"FaceSource({len(self.faces)} events)"

    @property
    def version(self) -> str:
        """What a clip depends on besides the files: part of the key under which results are stored."""
        return f"1 {self.frames}"

    def covers(self, start: float, duration: float) -> bool:
        """False: there are frames of events only."""
        return False

    def read(self, start: float, duration: float) -> NDArray[np.float64]:
        """Not possible: frames are no evenly sampled signal."""
        raise InputError("frames are read with clip(event)", expected="an event of the recording")

    def shows(self, event: Event) -> bool:
        """Whether there are frames of an event."""
        return event.id in self.faces

    def clip(self, event: Event) -> Clip:
        """The frames of an event.

        Raises
        ------
        InputError
            There are none, or a file is missing or damaged.
        """
        face = self._face(event)
        with self.veil.over():
            return _from_video(face, self.frames) if len(face.paths) == 1 else _from_pictures(face)

    def files_of(self, event: Event) -> tuple[Path, ...]:
        """The files an event is read from.

        Raises
        ------
        InputError
            There are none, or one is not there any more.
        """
        return self.veil.readable(self._face(event).paths)

    def files(self) -> tuple[Path, ...]:
        """The files of all events."""
        return self.veil.readable(path for face in self.faces.values() for path in face.paths)

    def _face(self, event: Event) -> Face:
        face = self.faces.get(str(event.id))
        if face is None:
            raise InputError(f"no frames of event {event.id}", expected="an event that the stream shows")
        return face


def _from_pictures(face: Face) -> Clip:
    frames = [read_image(path) for path in face.paths]
    if frames[0].shape != frames[1].shape:
        sizes = " and ".join(f"{f.shape[1]} x {f.shape[0]}" for f in frames)
        raise InputError(
            f"the pictures of onset and apex are {sizes} px", file=face.paths[0].parent, expected="one size"
        )
    onset, apex, offset = face.times
    return Clip(frames=np.stack(frames), times=np.array([onset, apex]), onset=onset, apex=apex, offset=offset)


def _from_video(face: Face, which: Frames) -> Clip:
    """Frames of a video whose first frame is the onset: those of onset, apex and offset, or all."""
    path = face.paths[0]
    video = open_video(path)
    seconds = video.times - video.times[0]
    if not video.has_timestamps:
        seconds = seconds * rate_factor(path, video.rate)
    moments = [t - face.coded[0] for t in face.coded if t is not None]
    frame = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1 / video.rate
    if seconds[-1] < moments[1] - 1.5 * frame:
        raise InputError(
            f"ends {seconds[-1]:.3f} s after the onset",
            file=path,
            expected=f"frames beyond the apex at {moments[1]:.3f} s",
        )
    at = np.abs(seconds[:, None] - np.array(moments)).argmin(axis=0)
    if which == "all":
        size = 3 * video.size[0] * video.size[1]
        step = -(-len(seconds) * size // _CLIP_BYTES)
        at = np.concatenate([at, np.arange(0, len(seconds), step)])
    at = np.unique(at)
    frames, _ = video.read(video.times[at])
    known = [i for i, t in enumerate(face.coded) if t is not None]
    onset, apex, offset = face.times
    # seconds of the video where the coded moments are, to their times on the clock; beyond them, as they run
    times = seconds[at] + onset
    knots = np.array([face.times[i] for i in known], dtype=np.float64)
    coded = onset + np.array(moments)
    if not np.allclose(knots, coded, rtol=0, atol=1e-6):
        times = np.interp(times, coded, knots) + np.maximum(times - coded[-1], 0)
    return Clip(frames=frames, times=times, onset=onset, apex=apex, offset=offset)


def rate_factor(path: Path, rate: float) -> float:
    """By what to multiply the times of a video without time stamps: its name knows the rate better than its
    header, where the two differ by more than rounding."""
    match = VIDEO_NAME.fullmatch(path.name)
    named = float(match["fps"]) if match else 0.0
    if named == 0 or abs(rate / named - 1) <= _SAME_RATE:
        return 1.0
    return rate / named
