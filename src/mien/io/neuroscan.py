"""Neuroscan's continuous recordings (``.cnt``): the header at once, samples when they are asked for.

Layout (little-endian), after P. Bourke's description of the format and what other readers agree on: 900 bytes
of header, 75 bytes for each channel, the samples (all channels of one moment, then the next), and a table of
events that the header points to. ``volts = (stored - baseline) * sensitivity * calibration / 204.8 * 1e-6``.
"""

from __future__ import annotations

import datetime
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.types import Event, Span
from mien.io._content import first_bytes
from mien.io.sampled import Sampled

__all__ = ["Cnt", "open_cnt"]

_EXPECTED = "a Neuroscan recording (.cnt)"
_AGAIN = "copy or download the file again"
_HEADER, _CHANNEL = 900, 75
_CHANNEL_FIELDS = np.dtype(
    {
        "names": ["name", "baseline", "sensitivity", "calibration"],
        "formats": ["S10", "<i2", "<f4", "<f4"],
        "offsets": [0, 47, 59, 71],
        "itemsize": _CHANNEL,
    }
)
_TABLE = struct.Struct("<Bii")
"""Kind of the events, bytes they take, an offset that is always 0; the events follow."""
_EVENT_BYTES = {1: 8, 2: 19, 3: 19}
_WRAP = 1 << 32
_BLOCK = 1 << 20
"""Stored values that are turned into volts at a time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cnt(Sampled):
    """An opened ``.cnt`` file. Holds no open file, so it can be kept, copied and sent to another process.

    Attributes
    ----------
    path
        The file.
    channels
        Names in file order.
    rate
        Samples per second.
    n_samples
        Samples of each channel that the file holds (the header's own number is not relied upon).
    events
        Of kind ``"marker"`` (``value``: the trigger code), ``"keypad"`` or ``"keyboard"`` (``value``: the
        key), or ``"rejected"`` (a stretch that was marked as bad), in the order of the file. The sample an
        event belongs to is the one whose bytes the table points at, ``to_samples(event.span.start, rate)``.
        MNE subtracts one from it.
    overflowed
        Whether the header's pointer to the event table was too small for the file. The table is then looked
        for where the pointer wrapped round to and after the header's number of samples; if it is in neither
        place, the samples run to the end of the file and there are no events.
    started
        Wall clock at the first sample, in whole seconds; None where the header does not tell.
    """

    path: Path
    channels: tuple[str, ...]
    rate: float
    n_samples: int
    events: tuple[Event, ...]
    overflowed: bool
    started: datetime.datetime | None
    _dtype: str = field(repr=False)
    _baseline: NDArray[np.float64] = field(repr=False)
    _gain: NDArray[np.float64] = field(repr=False)

    def read(
        self, start: float, duration: float, *, channels: Sequence[str] | None = None
    ) -> NDArray[np.float64]:
        """Samples of a span in volts.

        Costs the memory of the result and a few megabytes, however long the file is.

        Parameters
        ----------
        start, duration
            Seconds since the first sample.
        channels
            Names of the channels wanted, in the order wanted; None means all.

        Returns
        -------
        ndarray of shape (channels, times)

        Raises
        ------
        InputError
            The span is not within the recording, or the file has become shorter.
        UnknownNameError
            There is no such channel.
        """
        rows = self._rows(channels)
        first, stop = self._samples(start, duration)
        out = np.empty((len(rows), stop - first))
        with self.path.open("rb") as handle:
            for at, block in self._blocks(handle, first, stop):
                part = out[:, at - first : at - first + len(block)]
                np.subtract(block.T[rows], self._baseline[rows, None], out=part)
                part *= self._gain[rows, None]
        return out

    def limits(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest value of each channel in volts; reads the whole file, a piece at a time."""
        low = np.full(self.n_channels, np.inf)
        high = -low
        with self.path.open("rb") as handle:
            for _, block in self._blocks(handle, 0, self.n_samples):
                np.minimum(low, block.min(axis=0), out=low)
                np.maximum(high, block.max(axis=0), out=high)
        ends = (np.stack([low, high]) - self._baseline) * self._gain
        return ends.min(axis=0), ends.max(axis=0)

    def _blocks(self, handle: BinaryIO, first: int, stop: int) -> Iterable[tuple[int, NDArray[np.integer]]]:
        """(number of the first sample, stored values (samples, channels)), a piece at a time."""
        width = self.n_channels * np.dtype(self._dtype).itemsize
        handle.seek(_HEADER + _CHANNEL * self.n_channels + first * width)
        length = max(1, _BLOCK // self.n_channels)
        for at in range(first, stop, length):
            n = min(length, stop - at)
            stored = np.fromfile(handle, dtype=self._dtype, count=n * self.n_channels)
            if len(stored) < n * self.n_channels:
                raise InputError(
                    f"ends within sample {at + len(stored) // self.n_channels} of {self.n_samples}",
                    file=self.path,
                    expected="the file as it was when it was opened",
                    remedy=_AGAIN,
                )
            yield at, stored.reshape(n, self.n_channels)


def open_cnt(path: str | Path, *, events: bool = True) -> Cnt:
    """Opens a Neuroscan recording; reads its header and, unless told otherwise, its events.

    Parameters
    ----------
    path
        The file.
    events
        False: the event table is not read (for files whose table is known to be wrong).

    Raises
    ------
    InputError
        The file is missing, empty, cut, a web page, or no Neuroscan recording; its header promises more than
        the file holds; the table of events is damaged; an event lies outside the recording.
    """
    path = Path(path)
    head = first_bytes(path, _HEADER, expected=_EXPECTED)
    if head.startswith(b"RIFF"):
        raise InputError(
            "is a recording of ANT Neuro, which is also called .cnt",
            file=path,
            expected=_EXPECTED,
            remedy="convert it, for example with mne.io.read_raw_ant",
        )
    size = path.stat().st_size
    if len(head) < _HEADER:
        raise InputError(
            f"has {size} bytes, less than a header", file=path, expected=_EXPECTED, remedy=_AGAIN
        )
    n_channels, rate = struct.unpack_from("<H", head, 370)[0], struct.unpack_from("<H", head, 376)[0]
    _check_header(path, head, size, n_channels, rate)
    with path.open("rb") as handle:
        table = _channel_table(path, handle, n_channels)
        extent = _extent(path, handle, head, n_channels=n_channels, size=size)
        found = _events(path, handle, extent, n_channels=n_channels, rate=rate) if events else ()
    gain = table["sensitivity"].astype(np.float64) * table["calibration"].astype(np.float64)
    return Cnt(
        path=path,
        channels=_names(path, table["name"]),
        rate=float(rate),
        n_samples=extent.n_samples,
        events=found,
        overflowed=extent.overflowed,
        started=_started(head),
        _dtype=extent.dtype,
        _baseline=table["baseline"].astype(np.float64),
        _gain=gain * 1e-6 / 204.8,
    )


@dataclass(frozen=True, kw_only=True)
class _Extent:
    """How the samples are stored, how many there are, and where the event table is (None: nowhere)."""

    dtype: str
    n_samples: int
    table: int | None
    overflowed: bool


def _check_header(path: Path, head: bytes, size: int, n_channels: int, rate: int) -> None:
    if n_channels == 0:
        raise InputError("its header promises 0 channels", file=path, expected=_EXPECTED)
    begin = _HEADER + _CHANNEL * n_channels
    if begin > size:
        raise InputError(
            f"its header promises {n_channels} channels, which take {begin:,} bytes before the first sample; "
            f"the file has {size:,}",
            file=path,
            expected=_EXPECTED,
            remedy=_AGAIN,
        )
    if rate == 0:
        raise InputError(
            "its header gives a rate of 0 samples per second", file=path, expected=_EXPECTED, remedy=_AGAIN
        )
    block = struct.unpack_from("<i", head, 894)[0]
    if block > 4:
        raise InputError(
            f"its channels are stored in blocks of {block} bytes",
            file=path,
            expected="channels that alternate from sample to sample",
            remedy="convert it, for example with mne.io.read_raw_cnt",
        )


def _channel_table(path: Path, handle: BinaryIO, n_channels: int) -> NDArray[np.void]:
    handle.seek(_HEADER)
    return np.frombuffer(handle.read(_CHANNEL * n_channels), dtype=_CHANNEL_FIELDS)


def _names(path: Path, stored: NDArray[np.bytes_]) -> tuple[str, ...]:
    """Channel names; an error where they are no names, as when the number of channels is wrong."""
    names = tuple(bytes(s).split(b"\0")[0].decode("latin-1").strip() for s in stored.tolist())
    strange = [i for i, name in enumerate(names) if not name or not name.isprintable()]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if strange:
        raise InputError(
            f"the name of channel {strange[0] + 1} of {len(names)} is {names[strange[0]]!r}",
            file=path,
            expected="a name for each channel that the header promises",
            remedy=_AGAIN,
        )
    if repeated:
        raise InputError(
            f"channel names repeat: {', '.join(repeated[:6])}", file=path, expected="a name for each channel"
        )
    return names


def _extent(path: Path, handle: BinaryIO, head: bytes, *, n_channels: int, size: int) -> _Extent:
    """Where the samples end. What a table of events proves counts more than the header's numbers."""
    promised = struct.unpack_from("<I", head, 864)[0]
    pointer = struct.unpack_from("<i", head, 886)[0]
    begin, width = _HEADER + _CHANNEL * n_channels, 4 * n_channels
    promised_end = begin + promised * width
    if pointer == size or (pointer >= begin and _table_at(handle, pointer, size) is not None):
        narrow = promised > 0 and pointer - begin == promised * width // 2
        n_samples, rest = divmod(pointer - begin, width // 2 if narrow else width)
        if rest or n_samples == 0:
            raise InputError(
                f"its header promises {promised:,} samples of {n_channels} channels ({promised * width:,} "
                f"bytes), but {pointer - begin:,} bytes lie before its event table",
                file=path,
                expected="a header that agrees with the file",
                remedy=_AGAIN,
            )
        table = pointer if pointer < size else None
        return _Extent(dtype="<i2" if narrow else "<i4", n_samples=n_samples, table=table, overflowed=False)
    if promised_end > size:
        raise InputError(
            f"its header promises {n_channels} channels of {promised:,} samples, which take "
            f"{promised_end:,} bytes; the file has {size:,} (it was cut, or the header is wrong)",
            file=path,
            expected="a whole recording",
            remedy=_AGAIN,
        )
    wrapped = (p for p in range(pointer % _WRAP, size, _WRAP) if p >= begin and (p - begin) % width == 0)
    places = [*wrapped, *([promised_end] if promised else [])]
    table = next((p for p in places if _table_at(handle, p, size) is not None), None)
    if table is None and begin <= pointer < size:
        raise _no_table(path, handle, pointer, size)
    end = size if table is None else table
    if end - begin < width:
        raise InputError("holds no samples", file=path, expected="a whole recording", remedy=_AGAIN)
    return _Extent(dtype="<i4", n_samples=(end - begin) // width, table=table, overflowed=True)


def _table_at(handle: BinaryIO, at: int, size: int) -> tuple[int, int] | None:
    """(kind, number of events) of a whole event table at a place; None where there is none."""
    if at + _TABLE.size > size:
        return None
    handle.seek(at)
    kind, n_bytes, _ = _TABLE.unpack(handle.read(_TABLE.size))
    fits = kind in _EVENT_BYTES and 0 <= n_bytes <= size - at - _TABLE.size
    return (kind, n_bytes // _EVENT_BYTES[kind]) if fits and n_bytes % _EVENT_BYTES[kind] == 0 else None


def _no_table(path: Path, handle: BinaryIO, at: int, size: int) -> InputError:
    """What is wrong where the header's pointer leads to no whole table."""
    handle.seek(at)
    start = handle.read(_TABLE.size)
    what = f"no event table at byte {at:,}, where the header says it is"
    if len(start) == _TABLE.size and start[0] in _EVENT_BYTES and at + _TABLE.unpack(start)[1] > size:
        n_bytes = _TABLE.unpack(start)[1]
        what = f"its event table of {n_bytes:,} bytes is cut after {size - at - _TABLE.size:,}"
    return InputError(what, file=path, expected="a table of events of type 1, 2 or 3", remedy=_AGAIN)


def _events(
    path: Path, handle: BinaryIO, extent: _Extent, *, n_channels: int, rate: int
) -> tuple[Event, ...]:
    """Events of the table, each at the sample whose bytes it points at."""
    if extent.table is None:
        return ()
    size = path.stat().st_size
    found = _table_at(handle, extent.table, size)
    assert found is not None
    kind, n_events = found
    handle.seek(extent.table + _TABLE.size)
    fields = np.dtype(
        {
            "names": ["code", "keyboard", "keypad", "place"],
            "formats": ["<u2", "u1", "u1", "<i4"],
            "offsets": [0, 2, 3, 4],
            "itemsize": _EVENT_BYTES[kind],
        }
    )
    rows = np.frombuffer(handle.read(n_events * _EVENT_BYTES[kind]), dtype=fields)
    begin, width = _HEADER + _CHANNEL * n_channels, np.dtype(extent.dtype).itemsize * n_channels
    place = rows["place"].astype(np.int64)
    if extent.overflowed and kind != 3:
        place = _unwrapped(place)
    sample = (place * width - begin if kind == 3 else place - begin) // width
    outside = np.flatnonzero((sample < 0) | (sample > extent.n_samples))
    if len(outside):
        n = int(sample[outside[0]])
        where = f"{-n} samples before the first" if n < 0 else f"{n - extent.n_samples + 1} after the last"
        more = f" ({len(outside)} such events in all)" if len(outside) > 1 else ""
        raise InputError(
            f"event {outside[0] + 1} of {n_events} (code {rows['code'][outside[0]]}) lies {where} of "
            f"{extent.n_samples:,} samples{more}",
            file=path,
            expected="events within the recording",
            remedy=_AGAIN,
        )
    return _described(rows, sample / rate, extent.n_samples / rate)


def _unwrapped(place: NDArray[np.int64]) -> NDArray[np.int64]:
    """Byte positions of events in time order, kept in 32 bits, as they would be without that limit."""
    positive = place % _WRAP
    turns = np.concatenate([[0], np.cumsum(np.diff(positive) < -_WRAP // 2)]) if len(positive) else 0
    return positive + turns * _WRAP


def _described(rows: NDArray[np.void], seconds: NDArray[np.float64], end: float) -> tuple[Event, ...]:
    """Markers, keys and rejected stretches (upper half of ``keypad``: C begins one, D ends it)."""
    marks, key = rows["keypad"] >> 4, rows["keypad"] & 15
    ends = seconds[marks == 0xD]
    events: list[Event] = []
    for i, at in enumerate(seconds.tolist()):
        if marks[i] == 0xD:
            continue
        if marks[i] == 0xC:
            after = ends[ends >= at]
            duration = (float(after[0]) if len(after) else end) - at
            events.append(Event(kind="rejected", span=Span(start=at, duration=duration)))
            continue
        kind, value = (
            ("keypad", key[i])
            if key[i]
            else ("keyboard", rows["keyboard"][i])
            if rows["keyboard"][i]
            else ("marker", rows["code"][i])
        )
        events.append(Event(kind=kind, span=Span(start=at, duration=0.0), value=int(value)))
    return tuple(events)


def _started(head: bytes) -> datetime.datetime | None:
    """Date (month/day/year) and time in the header, where they can be read."""
    text = " ".join(part.split(b"\0")[0].decode("latin-1").strip() for part in (head[225:235], head[235:247]))
    for pattern in ("%m/%d/%y %H:%M:%S", "%m/%d/%Y %H:%M:%S"):
        try:
            return datetime.datetime.strptime(text, pattern)
        except ValueError:
            continue
    return None
