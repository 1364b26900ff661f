"""The faces of MMME: which frames show an event, and when they were exposed on the camera's clock."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.pseudonyms import Veil
from mien.core.types import Clip, Event
from mien.datasets._me_events import Merged
from mien.datasets._me_rows import Row, Stamp
from mien.datasets._mes_eeg_face import Frames
from mien.datasets._mmme_layout import FACE_RATE, FRAME_COUNTER
from mien.io.frames import FrameFolder
from mien.io.images import read_image

_DAY = 24 * 3600.0
_SAME = 0.0015
"""Seconds by which the stamp of a row and that of its frame may differ: both have whole milliseconds."""
_NEAR = 1.0
"""Seconds around an event in which its frames were saved."""
_CLIP_BYTES = 256 << 20
"""Frames of one clip in memory, at most; of a longer one, every second, third, … frame is taken."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shot:
    """The frames of an event, from onset to offset (to the apex where the offset was not coded).

    ``frames`` are positions among all frames of the recording, ``onset``, ``apex`` and ``offset`` positions
    among these, ``offset`` None where it was not coded; ``times`` are seconds on the camera's clock.
    """

    paths: tuple[Path, ...]
    frames: NDArray[np.intp]
    times: NDArray[np.float64]
    onset: int
    apex: int
    offset: int | None


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class FaceSource:
    """Frames of a recording's events, read when asked for; names of people stay out of its errors.

    ``stamps``, ``codes`` and ``markers`` are those of all frames of the recording, by which
    :func:`mien.timeline.align` finds when each was exposed and gives them to :meth:`timed`. Until then the
    times of an event's frames are those of the counter at the nominal rate, through the stamps.
    """

    shots: Mapping[str, Shot]
    veil: Veil
    which: Frames = "key"
    stamps: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    codes: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    markers: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __repr__(self) -> str:
        return f"FaceSource({len(self.shots)} events)"

    @property
    def version(self) -> str:
        """What a clip depends on besides the files: part of the key under which results are stored."""
        digest = hashlib.sha256()
        for name, shot in sorted(self.shots.items()):
            digest.update(f"{name} {shot.onset} {shot.apex} {shot.offset}".encode())
            digest.update(shot.times.tobytes())
        return f"1 {self.which} {digest.hexdigest()[:12]}"

    def timed(self, times: NDArray[np.float64]) -> FaceSource:
        """The same source, whose frames were exposed at these times (all frames,), in seconds on the
        camera's clock. It no longer needs stamps and codes, and has none."""
        shots = {name: replace(shot, times=times[shot.frames]) for name, shot in self.shots.items()}
        return FaceSource(shots=shots, veil=self.veil, which=self.which)

    def covers(self, start: float, duration: float) -> bool:
        """False: there are frames of events only."""
        return False

    def read(self, start: float, duration: float) -> NDArray[np.float64]:
        """Not possible: frames are no evenly sampled signal."""
        raise InputError("frames are read with clip(event)", expected="an event of the recording")

    def shows(self, event: Event) -> bool:
        """Whether there are frames of an event."""
        return event.id in self.shots

    def moments(self, event: Event) -> tuple[float, float, float | None]:
        """When the frames of onset, apex and offset (None where it was not coded) were exposed, in seconds on
        the camera's clock.

        Raises
        ------
        InputError
            There are no frames of the event.
        """
        shot = self._shot(event)
        offset = None if shot.offset is None else float(shot.times[shot.offset])
        return float(shot.times[shot.onset]), float(shot.times[shot.apex]), offset

    def clip(self, event: Event) -> Clip:
        """The frames of an event, with times on the camera's clock.

        Raises
        ------
        InputError
            There are none, or a file is missing or damaged.
        """
        shot = self._shot(event)
        moments = [i for i in (shot.onset, shot.apex, shot.offset) if i is not None]
        with self.veil.over():
            first = read_image(shot.paths[moments[0]])
            at = np.array(moments)
            if self.which == "all":
                step = -(-len(shot.paths) * first.size // _CLIP_BYTES)
                at = np.concatenate([at, np.arange(0, len(shot.paths), step)])
            at = np.unique(at)
            frames = np.empty((len(at), *first.shape), dtype=np.uint8)
            for k, i in enumerate(at.tolist()):
                frames[k] = first if i == moments[0] else self._frame(shot.paths[i], first.shape)
        onset, apex, offset = self.moments(event)
        return Clip(frames=frames, times=shot.times[at], onset=onset, apex=apex, offset=offset)

    def files_of(self, event: Event) -> tuple[Path, ...]:
        """The files an event is read from.

        Raises
        ------
        InputError
            There are none, or one is not there any more.
        """
        return self.veil.readable(self._shot(event).paths)

    def files(self) -> tuple[Path, ...]:
        """The files of all events."""
        return self.veil.readable(path for shot in self.shots.values() for path in shot.paths)

    def _shot(self, event: Event) -> Shot:
        shot = self.shots.get(str(event.id))
        if shot is None:
            raise InputError(f"no frames of event {event.id}", expected="an event that the stream shows")
        return shot

    @staticmethod
    def _frame(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        frame = read_image(path)
        if frame.shape != shape:
            raise InputError(
                f"is {frame.shape[1]} x {frame.shape[0]} px",
                file=path,
                expected=f"{shape[1]} x {shape[0]}, as the frame of the onset",
            )
        return frame


def shot_of(merged: Merged, frames: FrameFolder, start: float | None) -> tuple[Shot | None, str]:
    """The frames of an expression, by the first of its rows whose onset and apex are among them, or why there
    are none.

    Parameters
    ----------
    merged
        The rows.
    frames
        Of the recording.
    start
        When its clip starts, in seconds of the stamps; None where the frames do not tell. Used where a row
        has no stamp.
    """
    reason = "no row of it has an apex"
    for row in merged.rows:
        if row.apex is None:
            continue
        places = [_place(row, which, frames, start) for which in range(3)]
        onset, apex, offset = places
        if row.offset is None:
            offset = None
        if onset is None or apex is None:
            reason = (
                f"no frame of its {'onset' if onset is None else 'apex'} ({_moment(row, onset is not None)})"
            )
            continue
        shot = _shot(frames, onset, apex, offset)
        if shot is not None:
            return shot, ""
        reason = "the frames of onset, apex and offset are not one after another"
    return None, reason


def _moment(row: Row, of_apex: bool) -> str:
    """Stamp or seconds of a moment of a row."""
    stamp = row.stamps[1 if of_apex else 0]
    if stamp is None:
        return f"{row.apex if of_apex else row.onset:g} s"
    rest, hours = stamp.seconds, int(stamp.seconds // 3600)
    minutes = int(rest // 60) % 60
    return f"{hours:02d}:{minutes:02d}:{rest % 60:06.3f}"


def _place(row: Row, which: int, frames: FrameFolder, start: float | None) -> int | None:
    """Position of the frame of onset (0), apex (1) or offset (2) of a row."""
    stamp, seconds = row.stamps[which], (row.onset, row.apex, row.offset)[which]
    if stamp is not None:
        return _stamped(stamp, frames)
    if seconds is None or start is None:
        return None
    i = int(np.abs(frames.stamps - (start + seconds)).argmin())
    return i if abs(frames.stamps[i] - start - seconds) <= 2 / FACE_RATE else None


def _stamped(stamp: Stamp, frames: FrameFolder) -> int | None:
    """The frame with a stamp, today or past midnight, and with its code where it has one."""
    for seconds in (stamp.seconds, stamp.seconds + _DAY):
        first, stop = np.searchsorted(frames.stamps, [seconds - _SAME, seconds + _SAME])
        near = np.arange(first, stop)
        if stamp.code is not None:
            near = near[frames.codes[near] == stamp.code]
        if len(near):
            return int(near[np.abs(frames.stamps[near] - seconds).argmin()])
    return None


def _shot(frames: FrameFolder, onset: int, apex: int, offset: int | None) -> Shot | None:
    """The frames from onset to offset or apex in the order of the counter, each once; None where it puts the
    apex or the offset before the onset."""
    last = apex if offset is None else offset
    span = frames.stamps[[onset, last]] + [-_NEAR, _NEAR]
    near = np.arange(*np.searchsorted(frames.stamps, span))
    # exposures since the onset: the counter, its wraps by the stamps
    code = (frames.codes[near] - frames.codes[onset]) % FRAME_COUNTER
    passed = (frames.stamps[near] - frames.stamps[onset]) * FACE_RATE
    count = code + FRAME_COUNTER * np.round((passed - code) / FRAME_COUNTER).astype(np.int64)
    since = dict(zip(near.tolist(), count.tolist(), strict=True))
    if not 0 < since[apex] <= since[last]:
        return None
    inside = (count >= 0) & (count <= since[last])
    count, first = np.unique(count[inside], return_index=True)
    positions = near[inside][first]
    stamps = frames.stamps[positions]
    times = count / FACE_RATE + float(np.median(stamps - count / FACE_RATE))
    where = {int(n): i for i, n in enumerate(count)}
    return Shot(
        paths=tuple(frames.path(p) for p in positions.tolist()),
        frames=positions,
        times=times,
        onset=where[0],
        apex=where[since[apex]],
        offset=None if offset is None else where[since[last]],
    )
