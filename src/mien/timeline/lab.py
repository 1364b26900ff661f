"""Any lab's recording on one clock: arrays and a table of markers in, aligned streams out."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core import Event, InputError, Recording, Span, Stream, to_samples
from mien.timeline.align import align

Markers = Mapping[str, tuple[ArrayLike, Iterable[Any]]]
"""Name of a device's clock to the times of its markers, in seconds on that clock, and what they say."""
MARKER_COLUMNS = ("clock", "time", "value")
"""Columns of a table of markers."""


def from_markers(
    markers: Markers | Iterable[Event] | str | Path,
    *,
    streams: Iterable[Stream] = (),
    reference: str | None = None,
    name: str = "recording",
    **limits: Any,
) -> Recording:
    """One clock for devices of any kind that were given the same markers.

    Parameters
    ----------
    markers
        Clock name to times and values; or events with the clock they were stamped with, such as those of
        :func:`mien.timeline.marker_changes`; or a CSV file, see :func:`read_markers`.
    streams
        What the devices recorded, each with the name of its ``clock`` (:func:`array_stream` makes one of an
        array).
    reference
        The device whose clock becomes the recording's; None: the one with most markers.
    name
        Of the recording.
    **limits
        Of :func:`mien.timeline.align`: ``min_markers``, ``max_residual``, ``max_drift``, ``strict``.

    Returns
    -------
    Recording
        Without trials. ``clocks`` has offset, drift and residual of every device
        (``to_recording(times, recording.clocks["camera"])`` moves any time), ``streams`` read by the common
        clock, ``events`` are the markers on it; :func:`mien.timeline.compare_markers` lists what was lost.

    Raises
    ------
    InputError
        A device shares too few markers, or they do not agree.
    """
    if isinstance(markers, str | Path):
        events = read_markers(markers)
    elif isinstance(markers, Mapping):
        events = tuple(e for clock, (times, values) in markers.items() for e in _events(clock, times, values))
    else:
        events = tuple(markers)
    made = {stream.name: stream for stream in streams}
    recording = Recording(id=name, dataset="own", subject="1", session="1", streams=made, events=events)
    return align(recording, reference=reference, **limits)


def read_markers(path: str | Path) -> tuple[Event, ...]:
    """The markers of a CSV file with the columns ``clock``, ``time`` (seconds on that clock) and ``value``.

    Values that are whole numbers become such; others stay text.

    Raises
    ------
    InputError
        The file or a column is missing, or a time is no number; names the line.
    """
    file = Path(path)
    remedy = "write one marker a line, with a head"
    if not file.is_file():
        raise InputError("is not there", file=file, expected="a CSV file of markers")
    events = []
    with file.open(newline="", encoding="utf-8-sig") as lines:
        rows = csv.DictReader(lines)
        lacking = [c for c in MARKER_COLUMNS if c not in (rows.fieldnames or ())]
        if lacking:
            raise InputError(
                f"lacks the column(s) {', '.join(lacking)}",
                file=file, expected=", ".join(MARKER_COLUMNS), remedy=remedy,
            )  # fmt: skip
        for row in rows:
            try:
                seconds = float(row["time"])
            except (TypeError, ValueError):
                seconds = float("nan")
            if not np.isfinite(seconds) or not row["clock"]:
                raise InputError(
                    f"line {rows.line_num}: clock {row['clock']!r}, time {row['time']!r}",
                    file=file, expected="the name of a clock and seconds", remedy=remedy,
                )  # fmt: skip
            events += _events(row["clock"], [seconds], [_value(row["value"])])
    return tuple(events)


def _value(text: str | None) -> int | str | None:
    try:
        return int(text or "")
    except ValueError:
        return text or None


def _events(clock: str, times: ArrayLike, values: Iterable[Any]) -> list[Event]:
    seconds, said = np.asarray(times, dtype=np.float64), list(values)
    if seconds.shape != (len(said),):
        raise InputError(
            f"clock {clock!r}: {seconds.shape} times and {len(said)} values of markers",
            expected="as many of one as of the other",
        )
    return [
        Event(kind="marker", span=Span(start=t, duration=0.0), value=v, clock=clock)
        for t, v in zip(seconds.tolist(), said, strict=True)
    ]


def array_stream(
    name: str,
    data: NDArray[Any],
    *,
    rate: float,
    clock: str,
    channels: tuple[str, ...] | None = None,
    start: float = 0.0,
    unit: str = "arbitrary",
    modality: str | None = None,
) -> Stream:
    """A stream of samples in memory (or a memory map).

    Parameters
    ----------
    name
        Of the stream.
    data
        (channels, times), or (times,) of one channel; in ``unit``.
    rate
        Samples per second.
    clock
        The device's, which its markers name as well.
    channels
        Names; default 1, 2, ….
    start
        Seconds on that clock of the first sample.
    unit, modality
        As in :class:`~mien.core.Stream`; the modality is the name by default.
    """
    rows = np.atleast_2d(data)
    return Stream(
        name=name,
        modality=modality or name,
        unit=unit,
        rate=rate,
        channels=channels or tuple(str(i + 1) for i in range(len(rows))),
        span=Span(start=start, duration=rows.shape[1] / rate),
        source=_Array(data=rows, rate=rate, start=start),
        clock=clock,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Array:
    data: NDArray[Any]
    rate: float
    start: float

    def read(self, start: float, duration: float) -> NDArray[Any]:
        first, n = to_samples(start - self.start, self.rate), to_samples(duration, self.rate)
        if first < 0 or first + n > self.data.shape[1]:
            stop = self.start + self.data.shape[1] / self.rate
            raise InputError(
                f"[{start:g} s, {start + duration:g} s) is not within the recording",
                expected=f"a span within [{self.start:g} s, {stop:g} s)",
            )
        return self.data[:, first : first + n]
