"""A folder of single frames whose names tell when each was saved.

``Y-M-D-H-M-S-ms-code-marker.tif``, for example ``2023-07-21-16-45-38-257-410-112.tif``: the clock of the
recording computer when the frame was saved (some tens of milliseconds late, and not evenly so), the camera's
counter, which goes up by one with every exposure and starts again at 1 after 1000, and the marker that was
on. The names sort by their numbers, never as text: ``…-38-9-…`` is 9 ms, before ``…-38-10-…``.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core import InputError
from mien.io.images import read_image

__all__ = ["FrameFolder", "open_frames"]

_NAME = re.compile(r"(\d{4})" + r"-(\d{1,2})" * 5 + r"-(\d{1,3})-(\d{1,4})-(\d{1,3})\.tiff?", re.IGNORECASE)
_EXPECTED = "Y-M-D-H-M-S-ms-code-marker.tif, such as 2023-07-21-16-45-38-257-410-112.tif"
_HIGHEST = np.array([9999, 12, 31, 23, 59, 59, 999, 1000, 255])
_LOWEST = np.array([1, 1, 1, 0, 0, 0, 0, 1, 0])
_WRAP = 1000
_DAY = 86400.0
_ENDINGS = (".tif", ".tiff")
_PIECE = 1 << 15
"""Names that are parsed at a time."""
_NOTHING = "0 " * 9


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameFolder:
    """Frames in the order of time; a frame is read when it is asked for.

    Attributes
    ----------
    root
        The folder that holds all of them.
    names
        Their paths below ``root``.
    date
        Day of the first frame.
    stamps
        float64 (frames,): when each was saved, in seconds since midnight of ``date``; it goes on beyond
        86400 after midnight.
    codes
        int64 (frames,): the camera's counter, 1 to 1000.
    markers
        int64 (frames,): the marker that was on.
    skipped
        Names that do not parse, below ``root``; only with ``strict=False``.
    """

    root: Path
    names: tuple[str, ...] = field(repr=False)
    date: datetime.date
    stamps: NDArray[np.float64] = field(repr=False)
    codes: NDArray[np.int64] = field(repr=False)
    markers: NDArray[np.int64] = field(repr=False)
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Paths of all frames, made anew each time; :meth:`path` gives one."""
        return tuple(self.root / name for name in self.names)

    def path(self, i: int) -> Path:
        """Path of a frame."""
        return self.root / self.names[i]

    def read(self, i: int) -> NDArray[np.uint8]:
        """A frame as uint8 (height, width, 3), RGB.

        Raises
        ------
        InputError
            The file is gone, empty, cut or no picture.
        """
        return read_image(self.path(i))

    def frames(self, positions: ArrayLike) -> Iterator[NDArray[np.uint8]]:
        """Frames at some positions, one in memory at a time."""
        for i in np.asarray(positions, dtype=np.intp).reshape(-1).tolist():
            yield self.read(i)


def open_frames(
    folder: str | Path | Iterable[str | Path], *, strict: bool = True, max_gap: float = 1800.0
) -> FrameFolder:
    """Finds the frames of one recording and reads their names; opens no picture.

    Parameters
    ----------
    folder
        A folder, whose ``.tif`` and ``.tiff`` files are taken with those of the folders in it; or the paths
        of the frames.
    strict
        True: a name that does not parse is an error. False: such files are left out and listed in
        ``skipped``.
    max_gap
        Seconds between two neighbouring frames beyond which they are of two recordings.

    Raises
    ------
    InputError
        There is no frame; a name does not parse; the frames are of two recordings (two days, or a pause
        longer than ``max_gap``); two frames have the same time and counter.
    """
    root, names = _found(folder)
    rows, good = _parsed(names)
    skipped = tuple(sorted(name for name, is_good in zip(names, good.tolist(), strict=True) if not is_good))
    if skipped and (strict or not len(rows)):
        raise _unparsed(root, skipped, len(names))
    stamps, day = _stamps(rows)
    order = _order(stamps, rows[:, 7])
    found = FrameFolder(
        root=root,
        names=tuple(names[i] for i in np.flatnonzero(good)[order].tolist()),
        date=day,
        stamps=stamps[order],
        codes=rows[order, 7],
        markers=rows[order, 8],
        skipped=skipped,
    )
    _check_one_recording(found, max_gap)
    return found


def _found(folder: str | Path | Iterable[str | Path]) -> tuple[Path, list[str]]:
    """The folder that holds all frames, and their paths below it."""
    if isinstance(folder, str | Path):
        root = Path(folder)
        if not root.is_dir():
            what = "is a file" if root.exists() else "no such folder"
            raise InputError(what, file=root, expected="a folder of frames")
        paths = [
            os.path.join(where, name)
            for where, _, files in os.walk(root)
            for name in files
            if name.lower().endswith(_ENDINGS)
        ]
    else:
        paths = [os.path.abspath(p) for p in folder]
        root = Path(os.path.commonpath({os.path.dirname(p) for p in paths})) if paths else Path()
    start = len(os.path.join(root, ""))  # strings: a Path for each of half a million takes a minute
    names = [p[start:] for p in paths]
    if not names:
        raise InputError("holds no frame", file=root, expected=f"files named {_EXPECTED}")
    return root, names


def _parsed(names: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Year, month, day, hour, minute, second, millisecond, code and marker of each name that parses; and
    which names do."""
    rows = np.zeros((len(names), 9), dtype=np.int64)
    for first in range(0, len(names), _PIECE):
        matches = (_NAME.fullmatch(os.path.basename(name)) for name in names[first : first + _PIECE])
        numbers = " ".join(" ".join(match.groups()) if match else _NOTHING for match in matches)
        rows[first : first + _PIECE] = np.fromstring(numbers, dtype=np.int64, sep=" ").reshape(-1, 9)
    good = np.asarray(((rows >= _LOWEST) & (rows <= _HIGHEST)).all(axis=1))
    dates, which = np.unique(rows[:, :3], axis=0, return_inverse=True)
    good &= np.array([_is_date(*date) for date in dates.tolist()])[which.reshape(-1)]
    return rows[good], good


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        datetime.date(year, month, day)
    except ValueError:
        return False
    return True


def _unparsed(root: Path, skipped: Sequence[str], n: int) -> InputError:
    shown = ", ".join(skipped[:3]) + (", …" if len(skipped) > 3 else "")
    return InputError(
        f"{len(skipped)} of {n} names do not parse: {shown}",
        file=root,
        expected=_EXPECTED,
        remedy="take these files away, or open with strict=False to leave them out",
    )


def _stamps(rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], datetime.date]:
    """Seconds since midnight of the first day, and that day."""
    dates, which = np.unique(rows[:, :3], axis=0, return_inverse=True)
    days = np.array([datetime.date(*date).toordinal() for date in dates.tolist()], dtype=np.int64)
    first = int(days.min())
    of_day = rows[:, 3:7] @ np.array([3_600_000, 60_000, 1000, 1])
    milliseconds = of_day + (days[which.reshape(-1)] - first) * 86_400_000
    return milliseconds / 1000.0, datetime.date.fromordinal(first)


def _order(stamps: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.intp]:
    """By stamp; those of one millisecond by their counter, 1 after 1000."""
    _, group = np.unique(stamps, return_inverse=True)
    highest = np.zeros(group.max() + 1, dtype=np.int64)
    np.maximum.at(highest, group, codes)
    wrapped = codes + _WRAP * (highest[group] - codes > _WRAP // 2)
    return np.lexsort((wrapped, stamps))


def _check_one_recording(found: FrameFolder, max_gap: float) -> None:
    gaps = np.diff(found.stamps)
    if len(gaps) and (gaps > max_gap).any():
        i = int(gaps.argmax())
        days = int(found.stamps[-1] // _DAY)
        when = f"{gaps[i]:.0f} s" if not days else f"{gaps[i] / 3600:.1f} h ({days + 1} days)"
        raise InputError(
            f"holds frames of two recordings: {when} lie between {found.names[i]} and {found.names[i + 1]}",
            file=found.root,
            expected=f"one recording, without a pause of more than {max_gap:g} s",
            remedy="put each person's frames into a folder of its own, or raise max_gap",
        )
    repeated = np.flatnonzero((gaps == 0) & (np.diff(found.codes) == 0))
    if len(repeated):
        i = int(repeated[0])
        raise InputError(
            f"holds {found.names[i]} and {found.names[i + 1]}, two frames of one moment "
            f"({len(repeated)} such pairs)",
            file=found.root,
            expected="each frame once",
            remedy="remove the copies, or put each person's frames into a folder of its own",
        )
