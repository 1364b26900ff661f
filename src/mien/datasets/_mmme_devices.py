"""One device of a session of MMME: its streams and markers on its own clock."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from mien.core.errors import InputError
from mien.core.pseudonyms import Veil
from mien.core.types import Event, Stream
from mien.datasets._inspection import Fault
from mien.datasets._me_clips import MarkedClip, clips_in
from mien.datasets._me_streams import check_eeg, eeg_streams
from mien.datasets._mes_eeg_layout import HOUSEKEEPING_MARKERS, MARKER_EMOTION, REST_MARKER
from mien.datasets._mmme_layout import EEG_CLOCK, TRIGGER_CHANNEL
from mien.io.curry import open_curry

T = TypeVar("T")
_KNOWN = frozenset({*MARKER_EMOTION, REST_MARKER, *HOUSEKEEPING_MARKERS})


@dataclass(frozen=True, kw_only=True, repr=False)
class Device:
    """What a device recorded.

    Attributes
    ----------
    clock
        Name of its clock.
    path
        Its file, or the folder of its frames.
    streams, markers
        On its clock.
    clips
        The clips that its markers delimit, in order of time.
    stop
        Its last moment in seconds on its clock.
    """

    clock: str
    path: Path
    streams: Mapping[str, Stream]
    markers: tuple[Event, ...]
    clips: tuple[MarkedClip, ...]
    stop: float

    @property
    def seconds(self) -> float:
        """How long its first stream is."""
        return next((s.span.duration for s in self.streams.values()), 0.0)


def open_eeg(path: Path, veil: Veil) -> tuple[Device, list[Fault]]:
    """The EEG; reads the header, and all of the trigger channel.

    Raises
    ------
    InputError
        The file cannot be used, or lacks a channel.
    """
    recording = open_curry(path)
    check_eeg(recording)
    trigger = [name for name in recording.channels if name.casefold() == TRIGGER_CHANNEL.casefold()]
    if not trigger:
        raise InputError(
            f"lacks the channel {TRIGGER_CHANNEL}", file=path, expected="the markers of the clips in it"
        )
    every = [name for name in recording.channels if name not in trigger]
    units = dict(zip(recording.channels, recording.units, strict=True))
    odd = [name for name in every if units[name] != "V"]
    if odd:
        raise InputError(
            f"the unit of {', '.join(odd[:6])} is none of voltage", file=path, expected="V, mV or µV"
        )
    return device(
        EEG_CLOCK,
        path,
        streams=eeg_streams(recording, veil, every=every, clock=EEG_CLOCK),
        markers=remembered(_eeg_markers, path),
        stop=recording.span.stop,
    )


def _eeg_markers(path: Path) -> tuple[Event, ...]:
    return open_curry(path).markers(channel=TRIGGER_CHANNEL)


def device(
    clock: str, path: Path, *, streams: Mapping[str, Stream], markers: Iterable[Event], stop: float
) -> tuple[Device, list[Fault]]:
    """A device with the clips that its markers delimit, and what is wrong with these markers."""
    own = tuple(replace(event, clock=clock) for event in markers)
    coded = [(event.span.start, int(str(event.value))) for event in own]
    clips, found = clips_in(marker for marker in coded if marker[1] in _KNOWN)
    faults = [
        Fault(file=str(path), item=item, reason=reason, severity="kept" if kept else "left out")
        for item, reason, kept in found
    ]
    odd = [code for _, code in coded if code not in _KNOWN]
    if odd:  # one fault for all: trigger lines are noisy
        faults.append(
            Fault(
                file=str(path),
                item=f"markers {', '.join(map(str, sorted(set(odd))))}",
                reason=f"{len(odd)} markers without a label; expected 101 to 148, {REST_MARKER}, 77 or 88",
                severity="kept",
            )
        )
    if not any(code in MARKER_EMOTION or code == REST_MARKER for _, code in coded):
        seen = f"{len(coded)} markers, none of a clip" if coded else "no marker"
        faults.append(
            Fault(
                file=str(path),
                item="markers",
                reason=f"holds {seen}; expected 101 to 148 and {REST_MARKER}: it shares no clock",
                severity="kept",
            )
        )
    made = Device(clock=clock, path=path, streams=streams, markers=own, clips=tuple(clips), stop=stop)
    return made, faults


def remembered(read: Callable[..., T], path: Path, *options: Hashable) -> T:
    """What ``read`` makes of a file, kept while the file stays as it is: a whole recording is looked through
    for its markers."""
    stat = path.stat()
    found: T = _remembered(read, path, options, stat.st_size, stat.st_mtime_ns)
    return found


@lru_cache(maxsize=256)
def _remembered(
    read: Callable[..., Any], path: Path, options: tuple[Hashable, ...], size: int, changed: int
) -> Any:
    del size, changed
    return read(path, *options)
