"""What bioread tells of an ``.acq``: headers, where the samples lie, event markers, inflated channels."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Event, InputError, Span

EXPECTED = "a recording of AcqKnowledge (.acq)"
AGAIN = "copy the file again"
_FIRST_SEGMENT = "Segment 1"
_DAMAGE = (ValueError, OSError, EOFError, IndexError, KeyError, AttributeError, TypeError, MemoryError)
"""What a file that is damaged, or of another kind, does to bioread."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """Where the samples lie: first byte; of each channel its divider, bytes of a sample and their number."""

    begin: int
    dividers: NDArray[np.int64]
    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]

    def places(self, channel: int, first: int, stop: int) -> NDArray[np.int64]:
        """First byte of some samples of a channel."""
        ticks = np.arange(first, stop, dtype=np.int64) * self.dividers[channel]
        place = np.full(len(ticks), self.begin, dtype=np.int64)
        for other, (divider, size, count) in enumerate(
            zip(self.dividers.tolist(), self.sizes.tolist(), self.counts.tolist(), strict=True)
        ):
            # samples of the other channel before this moment; those listed earlier have had this tick's too
            before = (ticks + divider - 1 + (other < channel)) // divider
            place += size * np.minimum(before, count)
        return place

    @property
    def end(self) -> int:
        """First byte after the samples."""
        return self.begin + int((self.sizes * self.counts).sum())


def layout_of(reader: Any) -> Layout:
    channels = reader.datafile.channels
    return Layout(
        begin=int(reader.data_start_offset),
        dividers=np.array([c.frequency_divider for c in channels], dtype=np.int64),
        sizes=np.array([c.sample_size for c in channels], dtype=np.int64),
        counts=np.array([c.point_count for c in channels], dtype=np.int64),
    )


def read_headers(path: Path) -> Any:
    """bioread's reader with the headers read."""
    from bioread.reader import Reader

    with _quiet():
        try:
            reader = Reader.read_headers(str(path))
        except (*_DAMAGE, struct.error) as error:
            raise _refused(path, str(error)) from None
    datafile = reader.datafile
    if datafile is None:
        raise _refused(path, "its headers make no sense")
    wrong = [c for c in datafile.channels if c.frequency_divider < 1 or c.point_count < 0]
    if not datafile.channels or wrong or not datafile.samples_per_second > 0:
        raise _refused(path, "its headers make no sense")
    return reader


def check_whole(path: Path, reader: Any, layout: Layout | None) -> None:
    size = path.stat().st_size
    if layout is not None and layout.end > size:
        what = f"is cut: its samples end at byte {layout.end:,}, the file at byte {size:,}"
    elif reader.event_markers is None or (layout is None and not reader.channel_compression_headers):
        what = "is cut, or its event markers are damaged"
    else:
        return
    raise InputError(what, file=path, expected="a whole recording", remedy=AGAIN)


def _refused(path: Path, why: str) -> InputError:
    reason = why.splitlines()[0] if why else "no reason given"
    return InputError(f"cannot be read as one ({reason})", file=path, expected=EXPECTED, remedy=AGAIN)


def events_of(reader: Any) -> tuple[Event, ...]:
    """Markers in the order of time; the file counts them in samples of its fastest clock.

    The first marker of a file, ``Segment 1``, is its first sample. In a real compressed file of version 5.0.1
    all are counted from another sample, and that one is at -34304; so they are counted from it.
    """
    found = []
    places = [_signed(marker.sample_index) for marker in reader.event_markers]
    first = places[0] if places and reader.event_markers[0].text == _FIRST_SEGMENT else 0
    for marker, place in zip(reader.event_markers, places, strict=True):
        at = (place - first) / reader.datafile.samples_per_second
        notes = {"type": str(marker.type)}
        if marker.channel_name is not None:
            notes["channel"] = str(marker.channel_name)
        span = Span(start=float(at), duration=0.0)
        found.append(Event(kind="event", span=span, value=str(marker.text), notes=notes))
    return tuple(sorted(found, key=lambda event: event.span.start))


def _signed(number: int) -> int:
    """A number of 32 bits that was read as if it had no sign."""
    return (int(number) + 2**31) % 2**32 - 2**31


def inflated(path: Path, place: int, n_samples: int) -> NDArray[Any]:
    """A channel of a compressed file, as stored."""
    import zlib

    from bioread.reader import Reader

    with _quiet():
        try:
            datafile = Reader.read(str(path), channel_indexes=[place]).datafile
            raw: NDArray[Any] = datafile.channels[place].raw_data
        except (*_DAMAGE, struct.error, zlib.error) as error:
            raise _refused(path, str(error)) from None
    if raw is None or len(raw) != n_samples:
        raise _refused(
            path, f"channel {place + 1} has {0 if raw is None else len(raw)} of {n_samples} samples"
        )
    return raw


@contextmanager
def _quiet() -> Iterator[None]:
    """bioread writes to the terminal what it also tells by exceptions."""
    logger = logging.getLogger("bioread")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before
