"""BIOPAC's own recordings (``.acq``): channels with rates of their own, units, and event markers.

The headers are read by the package bioread, which knows the revisions of AcqKnowledge from 3 to 5. The
samples of an uncompressed file are interleaved: at tick t of the file's clock there is one of each channel
whose divider divides t, in the order of the channels, until that channel ends. So the place of any sample is
known, and a stretch costs the memory of that stretch. A channel of a compressed file is one block, which
bioread inflates; the channels that were read are kept as stored (2 bytes a sample for those that were
recorded).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Event, InputError, UnknownNameError
from mien.io._acq_bioread import (
    AGAIN,
    EXPECTED,
    Layout,
    check_whole,
    events_of,
    inflated,
    layout_of,
    read_headers,
)
from mien.io._codes import code_runs, markers_of_runs
from mien.io._content import first_bytes
from mien.io.biopac import codes_of, digital_lines, distinct_names, scale_of, words_with
from mien.io.sampled import Sampled

__all__ = ["Acq", "AcqChannel", "AcqTable", "open_acq"]

_BLOCK = 1 << 17
"""Samples of a channel that are looked up at a time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AcqChannel(Sampled):
    """One channel of a recording as the source of a stream; time 0 is the first sample.

    Attributes
    ----------
    path
        The file.
    channels
        Its name, alone.
    rate, n_samples
        Samples per second, and how many.
    unit
        Unit of what :meth:`read` gives.
    """

    path: Path
    channels: tuple[str, ...]
    rate: float
    n_samples: int
    unit: str
    _place: int = field(repr=False)
    _dtype: np.dtype[Any] = field(repr=False)
    _layout: Layout | None = field(repr=False)
    _gain: float = field(repr=False)
    _offset: float = field(repr=False)
    _kept: dict[str, NDArray[Any]] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": {}}

    def read(
        self, start: float, duration: float, *, channels: Sequence[str] | None = None
    ) -> NDArray[np.float64]:
        """Samples (1, times) of a span in ``unit``.

        Raises
        ------
        InputError
            The span is not within the channel, or the file is damaged.
        UnknownNameError
            ``channels`` names another one.
        """
        rows = self._rows(channels)
        first, stop = self._samples(start, duration)
        return np.repeat(self.samples(first, stop)[None], len(rows), axis=0)

    def samples(self, first: int, stop: int) -> NDArray[np.float64]:
        """Samples by their numbers, (times,) in ``unit``."""
        data = self._stored(first, stop).astype(np.float64)
        data *= self._gain
        data += self._offset
        return data

    def _stored(self, first: int, stop: int) -> NDArray[Any]:
        if self._layout is None:
            if "raw" not in self._kept:
                self._kept["raw"] = inflated(self.path, self._place, self.n_samples)
            return self._kept["raw"][first:stop]
        out = np.empty(stop - first, dtype=self._dtype)
        with self.path.open("rb") as handle:
            for at in range(first, stop, _BLOCK):
                n = min(_BLOCK, stop - at)
                places = self._layout.places(self._place, at, at + n)
                length = int(places[-1] - places[0]) + self._dtype.itemsize
                handle.seek(int(places[0]))
                stored = np.fromfile(handle, dtype=np.uint8, count=length)
                if len(stored) < length:
                    raise InputError(
                        "ends early", file=self.path, expected="it as it was opened", remedy=AGAIN
                    )
                bytes_of = (places - places[0])[:, None] + np.arange(self._dtype.itemsize)
                out[at - first : at - first + n] = stored[bytes_of].view(self._dtype)[:, 0]
        return out


@dataclass(frozen=True, kw_only=True, eq=False)
class Acq:
    """An opened recording. Holds no open file, so it can be kept, copied and sent to another process.

    Attributes
    ----------
    path
        The file.
    channels
        Names in file order; one that comes again gets its number.
    rates, units, n_samples
        Of each channel: samples per second, unit of what is read (SI, or ``"arbitrary"`` where the file's
        word is not known), number of samples.
    words
        The words for the units, from the file or the caller.
    events
        The markers that were set in AcqKnowledge by hand or by its analyses, of kind ``"event"``: ``value``
        is the text, ``notes`` tell the ``type`` and, where it belongs to one, the ``channel``. The codes on
        digital lines are read by :meth:`markers`.
    """

    path: Path
    channels: tuple[str, ...]
    rates: tuple[float, ...]
    units: tuple[str, ...]
    words: tuple[str, ...]
    n_samples: tuple[int, ...]
    events: tuple[Event, ...]
    _sources: Mapping[str, AcqChannel] = field(repr=False)

    def source(self, channel: str) -> AcqChannel:
        """One channel, to be read on demand.

        Raises
        ------
        UnknownNameError
            There is no such channel.
        """
        if channel not in self._sources:
            raise UnknownNameError("channel", channel, self.channels)
        return self._sources[channel]

    def markers(self, *, lines: Sequence[str] | None = None) -> tuple[Event, ...]:
        """The codes of the digital lines, see :meth:`AcqTable.markers`; they must share a rate."""
        if lines is not None:
            return self.table(lines).markers(lines=lines)
        found = [self.channels[place] for place in digital_lines(self.channels)]
        return self.table(found or None).markers()

    def table(self, channels: Sequence[str] | None = None) -> AcqTable:
        """Channels of one rate as one source.

        Parameters
        ----------
        channels
            Their names, in the order wanted. None: those of the rate that most channels have, the higher one
            where two are as common.

        Raises
        ------
        UnknownNameError
            There is no such channel.
        InputError
            Their rates differ.
        """
        if channels is None:
            counts = Counter(self.rates)
            rate = max(counts, key=lambda r: (counts[r], r))
            channels = [name for name, own in zip(self.channels, self.rates, strict=True) if own == rate]
        sources = tuple(self.source(name) for name in channels)
        rates = sorted({source.rate for source in sources})
        if len(rates) != 1:
            found = " and ".join(f"{rate:g} Hz" for rate in rates) or "no channel"
            raise InputError(f"{found} in one table", file=self.path, expected="channels of one rate")
        return AcqTable(
            path=self.path,
            channels=tuple(channels),
            units=tuple(source.unit for source in sources),
            rate=rates[0],
            n_samples=min(source.n_samples for source in sources),
            _sources=sources,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class AcqTable(Sampled):
    """Channels of one rate, as :class:`mien.io.biopac.Biopac` has them.

    Attributes
    ----------
    path
        The file.
    channels, units
        Of each channel its name, and the unit of what is read.
    rate
        Samples per second.
    n_samples
        Samples of each channel; of the shortest, where AcqKnowledge stopped within a round.
    """

    path: Path
    channels: tuple[str, ...]
    units: tuple[str, ...]
    rate: float
    n_samples: int
    _sources: tuple[AcqChannel, ...] = field(repr=False)

    def read(
        self, start: float, duration: float, *, channels: Sequence[str] | None = None
    ) -> NDArray[np.float64]:
        """Samples (channels, times) of a span in the units of ``units``.

        Raises
        ------
        InputError
            The span is not within the recording, or the file is damaged.
        UnknownNameError
            There is no such channel.
        """
        rows = self._rows(channels)
        first, stop = self._samples(start, duration)
        out = np.empty((len(rows), stop - first))
        for line, row in zip(out, rows.tolist(), strict=True):
            line[:] = self._sources[row].samples(first, stop)
        return out

    def markers(self, *, lines: Sequence[str] | None = None) -> tuple[Event, ...]:
        """The codes of the digital lines, as :meth:`mien.io.biopac.Biopac.markers`.

        Parameters
        ----------
        lines
            Names of the channels of the lines, the lowest bit first; None: those labelled
            ``Digital (STP Input 0)`` and so on.

        Raises
        ------
        InputError
            No channel is labelled as a digital line.
        UnknownNameError
            There is no such channel.
        """
        bits = digital_lines(self.channels)
        if lines is not None:
            bits = {row: bit for bit, row in enumerate(self._rows(lines).tolist())}
        if not bits:
            raise InputError(
                "no channel is labelled as a digital line",
                file=self.path,
                expected="labels such as 'Digital (STP Input 0)'",
                remedy=f"name the lines among {', '.join(self.channels)[:200]}",
            )
        starts, codes, n = code_runs(self._codes(bits))
        return markers_of_runs(starts, codes, n_samples=n, rate=self.rate)

    def _codes(self, bits: Mapping[int, int]) -> Iterator[NDArray[np.int64]]:
        for first in range(0, self.n_samples, _BLOCK):
            stop = min(first + _BLOCK, self.n_samples)
            volts = np.array([self._sources[row].samples(first, stop) for row in bits])
            yield codes_of(volts, list(bits.values()))


def open_acq(path: str | Path, *, units: Mapping[str, str] | None = None) -> Acq:
    """Opens a recording of AcqKnowledge 3 to 5; reads its headers and markers through bioread, no samples.

    Parameters
    ----------
    path
        The file.
    units
        Channel to the word for its unit, for channels whose own word is not known (``"Volts"``, where an
        amplifier's output was never scaled, is known).

    Raises
    ------
    InputError
        The file is missing, empty, cut, a web page, or no recording of AcqKnowledge; a given unit is not
        known.
    UnknownNameError
        ``units`` names a channel that is not there.
    """
    path = Path(path)
    head = first_bytes(path, 128, expected=EXPECTED)
    if head.startswith((b"MATLAB", b"\x89HDF")):
        raise InputError("is a MATLAB file", file=path, expected=EXPECTED, remedy="use open_biopac")
    reader = read_headers(path)
    layout = None if reader.is_compressed else layout_of(reader)
    check_whole(path, reader, layout)
    channels = reader.datafile.channels
    names = distinct_names([" ".join(c.name.split()) for c in channels])
    told = [" ".join((c.units or "").split()) for c in channels]
    words = words_with(names, told, units or {})
    sources = {
        name: _channel(path, name, word, place, channel, layout)
        for place, (name, word, channel) in enumerate(zip(names, words, channels, strict=True))
    }
    return Acq(
        path=path,
        channels=names,
        rates=tuple(s.rate for s in sources.values()),
        units=tuple(s.unit for s in sources.values()),
        words=words,
        n_samples=tuple(s.n_samples for s in sources.values()),
        events=events_of(reader),
        _sources=sources,
    )


def _channel(path: Path, name: str, word: str, place: int, channel: Any, layout: Layout | None) -> AcqChannel:
    unit, gain, offset = scale_of(word)
    return AcqChannel(
        path=path,
        channels=(name,),
        rate=float(channel.samples_per_second),
        n_samples=int(channel.point_count),
        unit=unit,
        _place=place,
        _dtype=channel.dtype,
        _layout=layout,
        # stored numbers become the file's unit, and that SI
        _gain=float(channel.raw_scale_factor) * gain,
        _offset=float(channel.raw_offset) * gain + offset,
    )
