"""The frames of one session of MMME: which files they are, and whether they are one recording's."""

from __future__ import annotations

import datetime
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.datasets._inspection import Fault, fault_of
from mien.datasets._me_clips import MarkedClip, clips_in
from mien.datasets._me_people import masked
from mien.datasets._mes_eeg_layout import MARKER_EMOTION, REST_MARKER
from mien.io.frames import FrameFolder, open_frames

_DAY = 24 * 3600.0
_LATE = 3600.0
"""Seconds without a frame after which the next day's frames are no longer of the same recording."""
_APART = 0.1
"""Seconds between two frames beyond which a change of the marker between them is too vague to use."""
_SHOWN = 3


def frames_of(paths: Sequence[Path], *, date: str, folder: Path) -> tuple[FrameFolder | None, list[Fault]]:
    """The frames of a session among the files of its folder, and what is wrong with the others.

    Names that do not parse are left out, as are frames of another day, but for those that go on past
    midnight. Where clips are marked twice, the frames are of two recordings, nobody knows which are whose,
    and none is used.

    Parameters
    ----------
    paths
        All files of frames.
    date
        ``yyyymmdd`` of the session.
    folder
        To name in faults.
    """
    try:
        found = open_frames(paths, strict=False, max_gap=math.inf)
    except InputError as error:
        return None, [fault_of(error, item="frames")]
    faults = [_unparsed(found.skipped, folder)] if found.skipped else []
    own = _of_the_day(found, date)
    days = (found.stamps[~own] // _DAY).astype(int).tolist()
    for day, n in sorted(Counter(days).items()):
        other = (found.date + datetime.timedelta(days=day)).strftime("%Y%m%d")
        reason = f"{n} frames are of another day than the session ({date}): of another recording"
        faults.append(Fault(file=str(folder), item=f"frames of {other}", reason=reason))
    if not own.any():
        return None, faults
    frames = found if own.all() else _some(found, own)
    twice = _marked_twice(frames.markers)
    if twice:
        shown = ", ".join(map(str, twice[:_SHOWN])) + ("" if len(twice) <= _SHOWN else ", …")
        reason = (
            f"the clips {shown} are marked in two stretches of frames each, with other clips between: frames "
            "of two recordings in one folder, and nobody can tell whose is whose"
        )
        faults.append(Fault(file=str(folder), item="frames", reason=reason))
        return None, faults
    return frames, faults


def _of_the_day(found: FrameFolder, date: str) -> NDArray[np.bool_]:
    """Which frames are of a day, or go on from it past midnight."""
    day = (datetime.datetime.strptime(date, "%Y%m%d").date() - found.date).days
    since = found.stamps - day * _DAY
    own = (since >= 0) & (since < _DAY)
    after = np.flatnonzero(since >= _DAY)
    if own.any() and len(after) and since[after[0]] - since[own].max() < _LATE:
        own |= (since >= _DAY) & (since < 2 * _DAY)
    return own


def _some(found: FrameFolder, which: NDArray[np.bool_]) -> FrameFolder:
    """Some of the frames, their stamps still seconds since midnight of their first day."""
    at = np.flatnonzero(which)
    days = int(found.stamps[at[0]] // _DAY)
    return replace(
        found,
        names=tuple(found.names[i] for i in at.tolist()),
        date=found.date + datetime.timedelta(days=days),
        stamps=found.stamps[at] - days * _DAY,
        codes=found.codes[at],
        markers=found.markers[at],
    )


def _unparsed(names: Sequence[str], folder: Path) -> Fault:
    shown = ", ".join(masked(Path(name).name) for name in names[:_SHOWN])
    more = f", … ({len(names)} in all)" if len(names) > _SHOWN else ""
    return Fault(
        file=str(folder),
        item=f"{shown}{more}",
        reason="no name of a frame; expected Year-Month-Day-Hour-Minute-Second-Millisecond-Code-Marker.tif",
    )


def _marked_twice(markers: NDArray[np.int64]) -> list[int]:
    """Clips whose marker is on in two stretches, with another clip's between them; fewer than two are a slip
    of the trigger box."""
    clips = markers[np.isin(markers, list(MARKER_EMOTION))]
    stretches = Counter(clips[np.flatnonzero(np.diff(clips, prepend=-1))].tolist())
    twice = sorted(marker for marker, n in stretches.items() if n > 1)
    return twice if len(twice) > 1 else []


def changes(times: NDArray[np.float64], markers: NDArray[np.int64]) -> list[tuple[float, int]]:
    """(seconds, marker) at each change of the marker, midway between the two frames."""
    half = np.diff(times) / 2
    at = np.flatnonzero((markers[1:] != markers[:-1]) & (markers[1:] != 0) & (half <= _APART / 2))
    return [(float(times[i] + half[i]), int(markers[i + 1])) for i in at]


def clips_shown(frames: FrameFolder) -> list[MarkedClip]:
    """Clips that the frames delimit, in seconds of their stamps."""
    wanted = {*MARKER_EMOTION, REST_MARKER}
    return clips_in([m for m in changes(frames.stamps, frames.markers) if m[1] in wanted])[0]
