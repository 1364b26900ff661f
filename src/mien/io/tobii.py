"""Tobii's gaze exports (``.tsv``): columns at once, samples when they are asked for."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.time import to_samples
from mien.core.types import Span
from mien.io._content import first_bytes

__all__ = ["CHANNELS", "EYE_MOVEMENTS", "Gaze", "open_tsv", "parse_clock_time", "seconds_after"]

CHANNELS: tuple[str, ...] = (
    "gaze_x",
    "gaze_y",
    "pupil_left",
    "pupil_right",
    "eye_movement",
    "eye_movement_duration",
)
"""Channels of what is read: px, px, m, m, a code of :data:`EYE_MOVEMENTS`, s."""

EYE_MOVEMENTS: Mapping[str, int] = {"Unclassified": 0, "Fixation": 1, "Saccade": 2, "EyesNotFound": 3}
"""Words of the column ``Eye movement type`` to the codes of the channel ``eye_movement``."""

_EXPECTED = "a gaze export of Tobii (.tsv, tab-separated, UTF-8)"
_TIME, _STARTED, _MOVEMENT = "Recording timestamp", "Recording start time", "Eye movement type"
_NUMBERS: Mapping[str, tuple[int, float]] = {
    "Gaze point X": (0, 1.0),
    "Gaze point Y": (1, 1.0),
    "Pupil diameter left": (2, 1e-3),
    "Pupil diameter right": (3, 1e-3),
    "Gaze event duration": (5, 1e-3),
}
"""Column to its channel and the factor to the channel's unit."""
_UNITS: Mapping[str, tuple[str, ...]] = {
    _TIME: ("μs", "µs", "us"),
    "Gaze point X": ("px", "DACS px"),
    "Gaze point Y": ("px", "DACS px"),
    "Pupil diameter left": ("mm",),
    "Pupil diameter right": ("mm",),
    "Gaze event duration": ("ms",),
}
"""What may stand in brackets after a column's name."""
_COLUMNS = (_TIME, _STARTED, _MOVEMENT, *_NUMBERS)
_SENSOR, _EYE_TRACKER = "Sensor", "Eye Tracker"
_PIECE = 8 << 20
"""Bytes of text that are parsed at a time."""
_LOOK = 1 << 16
"""Bytes that are looked at to learn about a file's rows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Gaze:
    """An opened gaze export. Holds no open file, so it can be kept, copied and sent to another process.

    Attributes
    ----------
    path
        The file.
    rate
        Samples per second of what is read.
    span
        From the first to the last row, in seconds of the tracker's ``Recording timestamp``.
    started
        Wall clock (time of day) at second 0.
    """

    path: Path
    rate: float
    span: Span
    started: datetime.time
    _columns: Mapping[str, int] = field(repr=False)
    _n_columns: int = field(repr=False)
    _body: int = field(repr=False)

    def read(self, start: float, duration: float) -> NDArray[np.float64]:
        """Samples ``(6, times)`` of a span, the channels of :data:`CHANNELS`, on an even grid.

        The row nearest to a grid point gives its values; a lost value, and a point without a row, are NaN. Of
        rows at one point, one that has gaze is preferred. Costs the memory of the result and of a few
        megabytes of text: rows are found by bisection, not by reading the file from its start.

        Raises
        ------
        InputError
            The span is not within the recording, or rows in it are damaged.
        """
        if not self.covers(start, duration):
            raise InputError(
                f"[{start:g} s, {start + duration:g} s) is not within the recording",
                file=self.path,
                expected=f"a span within [{self.span.start:g} s, {self.span.stop:g} s)",
            )
        half = 0.5 / self.rate
        n_times = to_samples(duration, self.rate)
        out = np.full((len(CHANNELS), n_times), np.nan)
        for seconds, rows in self._tables(start - half, start + duration - half):
            place = np.floor((seconds - start) * self.rate + 0.5).astype(np.int64)
            inside = (place >= 0) & (place < n_times)
            lost = np.isnan(rows[0])
            for chosen in (inside & lost, inside & ~lost):
                out[:, place[chosen]] = rows[:, chosen]
        return out

    def covers(self, start: float, duration: float) -> bool:
        """Whether the span lies within the recording."""
        half = 0.5 / self.rate
        return start >= self.span.start - half and start + duration <= self.span.stop + half

    def files(self) -> tuple[Path, ...]:
        """The file it reads from."""
        return (self.path,)

    def _tables(self, start: float, stop: float) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """(seconds (rows,), values (6, rows)) of the rows of ``[start, stop)``, a piece at a time."""
        with self.path.open("rb") as handle:
            at = _find(self, handle, start)
            end = _find(self, handle, stop)
            before = -np.inf
            while at < end:
                handle.seek(at)
                text = handle.read(min(_PIECE, end - at))
                if at + len(text) < end:
                    text = text[: text.rfind(b"\n") + 1]
                if not text:
                    raise self._damaged(f"a line of more than {_PIECE:,} bytes at byte {at:,}")
                seconds, rows = self._parse(text)
                back = np.flatnonzero(np.diff(seconds, prepend=before) < 0)
                if len(back):
                    raise self._damaged(f"times go back at {seconds[back[0]]:.3f} s")
                if len(seconds):
                    before = float(seconds[-1])
                yield seconds, rows
                at += len(text)

    def _parse(self, text: bytes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(seconds (rows,), values (6, rows)) of whole lines."""
        import pyarrow as pa
        import pyarrow.compute as pc
        from pyarrow import csv

        try:
            table = csv.read_csv(
                pa.BufferReader(text),
                read_options=csv.ReadOptions(
                    column_names=[str(i) for i in range(self._n_columns)], use_threads=False
                ),
                parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
                convert_options=csv.ConvertOptions(
                    include_columns=[str(i) for i in self._columns.values()],
                    column_types={str(i): pa.string() for i in self._columns.values()},
                    null_values=["", "NaN"],
                    strings_can_be_null=True,
                ),
            ).rename_columns(list(self._columns))
        except pa.ArrowInvalid as error:
            raise self._damaged(str(error).splitlines()[0][:160]) from None
        if _SENSOR in self._columns:
            table = table.filter(pc.fill_null(pc.equal(table[_SENSOR], _EYE_TRACKER), True))

        def numbers(name: str) -> NDArray[np.float64]:
            try:
                points = pc.replace_substring(table[name], ",", ".")
                return np.asarray(pc.cast(points, pa.float64()).to_numpy(), dtype=np.float64)
            except pa.ArrowInvalid as error:
                raise self._damaged(f"in column {name!r}: {str(error)[:80]}") from None

        seconds = numbers(_TIME) * 1e-6
        if np.isnan(seconds).any():
            raise self._damaged(f"a row without {_TIME!r}")
        rows = np.empty((len(CHANNELS), len(seconds)))
        for name, (channel, factor) in _NUMBERS.items():
            rows[channel] = numbers(name) * factor
        words = pc.dictionary_encode(table[_MOVEMENT].combine_chunks(), null_encoding="encode")
        rows[4] = self._codes(words.dictionary.to_pylist())[words.indices.to_numpy()]
        return seconds, rows

    def _codes(self, words: list[str | None]) -> NDArray[np.float64]:
        unknown = [word for word in words if word is not None and word not in EYE_MOVEMENTS]
        if unknown:
            raise self._damaged(
                f"in column {_MOVEMENT!r}: {unknown[0]!r}", expected=f"one of {', '.join(EYE_MOVEMENTS)}"
            )
        return np.array([0 if word is None else EYE_MOVEMENTS[word] for word in words], dtype=np.float64)

    def _damaged(self, what: str, *, expected: str | None = None) -> InputError:
        return InputError(f"damaged: {what}", file=self.path, expected=expected or _EXPECTED)


def open_tsv(path: str | Path, *, rate: float | None = None) -> Gaze:
    """Opens a gaze export; reads its first and last rows.

    Decimal commas and decimal points are read alike, and so are column names with a unit in brackets
    (``Gaze point X [DACS px]``).

    Parameters
    ----------
    path
        The file.
    rate
        Samples per second; None: from the times of the first rows, a whole number where one is within 0.05 %.

    Raises
    ------
    InputError
        The file is missing, empty, cut, a web page, not tab-separated, or lacks columns or rows.
    """
    path = Path(path)
    head = first_bytes(path, _LOOK, expected=_EXPECTED)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError("is text in UTF-16", file=path, expected=_EXPECTED, remedy="save it as UTF-8")
    line, _, rest = head.partition(b"\n")
    names = _names(path, line)
    columns = _columns(path, names)
    lines = rest.splitlines()[: -1 if len(head) == _LOOK else None]
    rows = [fields for x in lines if len(fields := x.split(b"\t")) == len(names)]
    if not rows:
        what = "holds no rows" if not any(x.strip() for x in lines) else "is cut: its first row is not whole"
        raise InputError(what, file=path, expected=_EXPECTED)
    times = np.array([_time(path, fields, columns) for fields in rows])
    started = parse_clock_time(rows[0][columns[_STARTED]].decode("utf-8", "replace"), file=path)
    if rate is None:
        rate = _rate(path, times)
    last = _last_time(path, columns, len(names))
    return Gaze(
        path=path,
        rate=rate,
        span=Span(start=float(times[0]), duration=max(last - float(times[0]), 0.0) + 1 / rate),
        started=started,
        _columns=columns,
        _n_columns=len(names),
        _body=len(line) + 1,
    )


def parse_clock_time(text: str, *, file: str | Path | None = None) -> datetime.time:
    """Time of day from ``HH:MM:SS`` with up to six digits of a second after a point or a comma."""
    match = re.fullmatch(r"\s*(\d{1,2}):(\d\d):(\d\d)(?:[.,](\d{1,6}))?\s*", text)
    try:
        hour, minute, second, fraction = match.groups("") if match else ("24", "0", "0", "")
        return datetime.time(int(hour), int(minute), int(second), int(fraction.ljust(6, "0")))
    except ValueError:
        raise InputError(
            f"{_STARTED!r} is {text[:40]!r}", file=file, expected="HH:MM:SS with 3 or 6 digits of a second"
        ) from None


def seconds_after(started: datetime.time, times: Sequence[datetime.datetime]) -> NDArray[np.float64]:
    """Seconds from a time of day to moments in order of time, of which the first is less than 12 h away.

    The day of ``started`` is not needed: a recording that goes on past midnight, or starts just before it, is
    put right. Negative where a moment lies before the start.
    """
    if not times:
        return np.empty(0)
    day = datetime.datetime.combine(times[0].date(), started)
    first = (times[0] - day).total_seconds()
    first -= 86400 * round(first / 86400)
    return np.array([first + (at - times[0]).total_seconds() for at in times])


def _names(path: Path, line: bytes) -> list[str]:
    """The header's names; says what separates them if it is no tab."""
    try:
        text = line.removeprefix(b"\xef\xbb\xbf").decode("utf-8").rstrip("\r")
    except UnicodeDecodeError:
        raise InputError("does not start with a line of text", file=path, expected=_EXPECTED) from None
    if "\t" not in text:
        for mark, word in ((",", "commas"), (";", "semicolons")):
            if mark in text:
                raise InputError(
                    f"is separated by {word}, not by tabs",
                    file=path,
                    expected=_EXPECTED,
                    remedy="export it again as tab-separated values",
                )
        raise InputError(
            f"starts with {text[:60]!r}, not with names of columns", file=path, expected=_EXPECTED
        )
    return [name.strip() for name in text.split("\t")]


def _columns(path: Path, names: list[str]) -> dict[str, int]:
    """Column to its place; an error that names all that are missing."""
    found: dict[str, int] = {}
    for place, name in enumerate(names):
        plain, _, unit = name.partition(" [")
        if unit and plain in _UNITS and unit.rstrip("]") not in _UNITS[plain]:
            raise InputError(
                f"column {name!r}", file=path, expected=f"{plain} in {' or '.join(_UNITS[plain])}"
            )
        if plain in (*_COLUMNS, _SENSOR):
            found.setdefault(plain, place)
    missing = [name for name in _COLUMNS if name not in found]
    if missing:
        raise InputError(
            f"lacks the column{'s' * (len(missing) > 1)} {', '.join(map(repr, missing))}",
            file=path,
            expected=f"the columns {', '.join(_COLUMNS)}",
            remedy="export it again with them",
        )
    return found


def _time(path: Path, fields: list[bytes], columns: Mapping[str, int]) -> float:
    """Seconds of a row."""
    text = fields[columns[_TIME]] if len(fields) > columns[_TIME] else b""
    try:
        return float(text.replace(b",", b".")) * 1e-6
    except ValueError:
        raise InputError(
            f"damaged: {_TIME!r} is {text[:40].decode('utf-8', 'replace')!r}", file=path, expected=_EXPECTED
        ) from None


def _rate(path: Path, times: NDArray[np.float64]) -> float:
    steps = np.diff(times)
    steps = steps[steps > 0]
    if not len(steps):
        raise InputError(f"has {len(times)} row(s), too few to tell its rate", file=path, expected=_EXPECTED)
    rate = 1 / float(np.median(steps))
    whole = round(rate)
    return float(whole) if whole and abs(rate / whole - 1) < 5e-4 else rate


def _last_time(path: Path, columns: Mapping[str, int], n_columns: int) -> float:
    """Seconds of the last row; an error if the file ends within it."""
    size = path.stat().st_size
    with path.open("rb") as handle:
        handle.seek(max(0, size - _LOOK))
        lines = handle.read().rstrip(b"\r\n").split(b"\n")
    fields = lines[-1].split(b"\t")
    if len(fields) != n_columns:
        raise InputError(
            f"is cut: its last row has {len(fields)} of {n_columns} columns",
            file=path,
            expected=_EXPECTED,
            remedy="export or copy it again",
        )
    return _time(path, fields, columns)


def _find(gaze: Gaze, handle: BinaryIO, seconds: float) -> int:
    """Where the first line at or after a time begins; rows are in order of time."""
    low, high = gaze._body, gaze.path.stat().st_size

    def line_at(place: int) -> tuple[int, bytes]:
        """(where it begins, the line) of the first line that begins at or after a place."""
        handle.seek(place)
        if place > gaze._body:
            handle.seek(place - 1)
            handle.readline()
        return handle.tell(), handle.readline()

    while low < high:
        begin, line = line_at((low + high) // 2)
        if begin >= high or not line.strip():
            high = (low + high) // 2
        elif _time(gaze.path, line.split(b"\t"), gaze._columns) < seconds:
            low = begin + len(line)
        else:
            high = (low + high) // 2
    return line_at(low)[0]
