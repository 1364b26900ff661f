"""What BIOPAC recorded in a session of MMME: eight streams of the body, and markers on digital lines."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path

from mien.core.errors import InputError, UnknownNameError
from mien.core.pseudonyms import Veil
from mien.core.types import Event, Stream
from mien.datasets._inspection import Fault, fault_of
from mien.datasets._me_streams import Opened, VeiledSource
from mien.datasets._mmme_devices import Device, device, remembered
from mien.datasets._mmme_layout import (
    BIOPAC_CLOCK,
    BIOPAC_LABELS,
    BODY_LABELS,
    BODY_MODALITY,
    BODY_STREAM,
    DIGITAL_LABELS,
)
from mien.io.acq import open_acq
from mien.io.biopac import Biopac, open_biopac, scale_of

UNKNOWN = "arbitrary"


def check_units(units: Mapping[str, str]) -> None:
    """Whether units are given for streams that exist, by words that are known.

    Raises
    ------
    UnknownNameError
        There is no such stream.
    InputError
        There is no such unit.
    """
    for name, word in units.items():
        if name not in BODY_LABELS:
            raise UnknownNameError("stream of BIOPAC:", name, BODY_LABELS)
        if scale_of(word)[0] == UNKNOWN:
            raise InputError(
                f"unit {word!r} of stream {name!r} is not known",
                expected="a word such as V, mV, µV, S, µS, kohm, deg C",
            )


def open_body(
    path: Path, veil: Veil, *, units: Mapping[str, str], rate: float | None
) -> tuple[Device, list[Fault]]:
    """A recording of BIOPAC; reads the header, and all of the digital lines.

    Parameters
    ----------
    path
        A ``.mat`` or ``.acq``.
    veil
        Hides names.
    units
        Stream to the word for its unit, where the file does not tell it, or by a word that is not known.
    rate
        Samples per second, where a ``.mat`` does not tell it.

    Raises
    ------
    InputError
        The file cannot be used.
    """
    if path.suffix.lower() == ".acq":
        return _open_acq(path, veil, units=units)
    recording = open_table(path, rate=rate)
    columns = known_columns(path, recording.channels)
    given = {columns[name]: word for name, word in units.items() if name in columns}
    if given:
        recording = open_biopac(
            path, variable=recording.variable, width=recording.n_channels, rate=rate, units=given
        )
    unit = dict(zip(recording.channels, recording.units, strict=True))
    streams = {
        name: _stream(name, recording, {name: label}, unit=unit[label], veil=veil)
        for name, label in columns.items()
    }
    if len(columns) == len(BODY_LABELS):
        streams[BODY_STREAM] = _stream(BODY_STREAM, recording, columns, unit="mixed", veil=veil)
    lines = _lines(recording.channels)
    markers = _markers(path, _mat_markers, recording.variable, recording.rate, lines)
    return _device(path, streams, columns, markers)


def _open_acq(path: Path, veil: Veil, *, units: Mapping[str, str]) -> tuple[Device, list[Fault]]:
    """A recording as AcqKnowledge keeps it: channels may have rates of their own."""
    recording = open_acq(path)
    columns = known_columns(path, recording.channels)
    given = {columns[name]: word for name, word in units.items() if name in columns}
    if given:
        recording = open_acq(path, units=given)
    sources = {name: recording.source(label) for name, label in columns.items()}
    streams = {
        name: _stream(name, source, {name: columns[name]}, unit=source.unit, veil=veil)
        for name, source in sources.items()
    }
    if len(columns) == len(BODY_LABELS) and len({source.rate for source in sources.values()}) == 1:
        table = recording.table(tuple(columns.values()))
        streams[BODY_STREAM] = _stream(BODY_STREAM, table, columns, unit="mixed", veil=veil)
    return _device(path, streams, columns, _markers(path, _acq_markers, _lines(recording.channels)))


def _stream(name: str, recording: Opened, names: Mapping[str, str], *, unit: str, veil: Veil) -> Stream:
    """A stream of some channels of a recording; ``names`` maps the stream's channels to the file's."""
    return Stream(
        name=name,
        modality=BODY_MODALITY.get(name, "peripheral"),
        unit=unit,
        rate=recording.rate,
        channels=tuple(names),
        span=recording.span,
        source=VeiledSource(recording=recording, channels=tuple(names.values()), veil=veil),
        clock=BIOPAC_CLOCK,
    )


def _device(
    path: Path,
    streams: Mapping[str, Stream],
    columns: Mapping[str, str],
    markers: tuple[tuple[Event, ...], list[Fault]],
) -> tuple[Device, list[Fault]]:
    """The device, and what is wrong with its columns, units and markers."""
    stop = max(stream.span.stop for stream in streams.values())
    made, faults = device(BIOPAC_CLOCK, path, streams=streams, markers=markers[0], stop=stop)
    return made, [*_lacking(path, columns), *_unknown_units(path, streams), *markers[1], *faults]


def open_table(path: Path, *, rate: float | None) -> Biopac:
    """A table of 17 columns, or one of any width whose columns have the labels of MMME.

    Raises
    ------
    InputError
        It is neither.
    """
    try:
        return open_biopac(path, width=len(BIOPAC_LABELS), rate=rate)
    except InputError:
        other = _labelled(path, rate)
        if other is None:
            raise
        return other


def _labelled(path: Path, rate: float | None) -> Biopac | None:
    """A table of any width with labels of MMME, or None."""
    try:
        found = open_biopac(path, rate=rate)
    except InputError:
        return None
    return found if columns_of(found.channels) else None


def columns_of(channels: Sequence[str]) -> dict[str, str]:
    """Stream to its channel: by the label, or what stands before its first comma; in a table of 17 columns
    without labels by its place."""
    n = len(BIOPAC_LABELS)
    if len(channels) == n and all(name == f"column {k}" for k, name in enumerate(channels)):
        return dict(zip(BODY_LABELS, channels, strict=False))
    exact = {_plain(name): name for name in reversed(channels)}
    short = {_plain(name.partition(",")[0]): name for name in reversed(channels)}
    found = {
        name: exact.get(_plain(label)) or short.get(_plain(label.partition(",")[0]))
        for name, label in BODY_LABELS.items()
    }
    return {name: label for name, label in found.items() if label is not None}


def _plain(label: str) -> str:
    return " ".join(label.casefold().split())


def known_columns(path: Path, channels: Sequence[str]) -> dict[str, str]:
    """:func:`columns_of` a file.

    Raises
    ------
    InputError
        None of them is known.
    """
    columns = columns_of(channels)
    if not columns:
        raise InputError(
            f"none of its labels is known ({', '.join(channels)[:120]})",
            file=path,
            expected=f"labels such as {BODY_LABELS['ppg']!r}",
        )
    return columns


def _lacking(path: Path, columns: Mapping[str, str]) -> list[Fault]:
    """Streams that have no column."""
    missing = [f"{name} ({label})" for name, label in BODY_LABELS.items() if name not in columns]
    if not missing:
        return []
    reason = f"no column is labelled so; {len(columns)} of {len(BODY_LABELS)} streams are there"
    return [Fault(file=str(path), item=", ".join(missing), reason=reason)]


def _unknown_units(path: Path, streams: Mapping[str, Stream]) -> list[Fault]:
    """Streams whose unit nobody told."""
    names = [name for name, stream in streams.items() if stream.unit == UNKNOWN]
    if not names:
        return []
    why = "the file does not tell the unit, and it is not guessed"
    if path.suffix.lower() == ".acq":
        why = "the file's word for the unit is not known; values are as stored"
    reason = f"{why}: give it as units={{stream: word}}"
    return [Fault(file=str(path), item=", ".join(names), reason=reason, severity="kept")]


def _lines(channels: Sequence[str]) -> tuple[str, ...] | None:
    """The digital lines, the lowest bit first; None where the labels do not tell all eight."""
    known = {_plain(name): name for name in reversed(channels)}
    found = tuple(known[_plain(label)] for label in DIGITAL_LABELS if _plain(label) in known)
    return found if len(found) == len(DIGITAL_LABELS) else None


def _markers(
    path: Path, read: Callable[..., tuple[Event, ...]], *options: Hashable
) -> tuple[tuple[Event, ...], list[Fault]]:
    """Markers of the digital lines, or why there are none."""
    try:
        return remembered(read, path, *options), []
    except InputError as error:
        return (), [fault_of(error, item="markers", severity="kept")]


def _mat_markers(path: Path, variable: str, rate: float, lines: tuple[str, ...] | None) -> tuple[Event, ...]:
    return open_biopac(path, variable=variable, rate=rate).markers(lines=lines)


def _acq_markers(path: Path, lines: tuple[str, ...] | None) -> tuple[Event, ...]:
    return open_acq(path).markers(lines=lines)
