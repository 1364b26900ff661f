"""Curry's recordings (``.cdt``): the parameter file at once, samples when they are asked for.

A recording is ``NAME.cdt`` (little-endian 32-bit floats, all channels of one moment, then the next) with a
text file ``NAME.cdt.dpa`` or ``NAME.cdt.dpo`` that says what they are, and often one of events,
``NAME.cdt.cef`` or ``NAME.cdt.ceo``. What the words in them mean is taken from what public readers agree on
(Compumedics' own ``curryreader``, MNE). Of two such files the first named is read, as those readers do.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core import Event, InputError, UnknownNameError
from mien.io._codes import code_runs, markers_of_runs
from mien.io._content import first_bytes
from mien.io._curry_text import AGAIN, ITEM, Parameters, told_events
from mien.io._units import to_si
from mien.io.sampled import Sampled

__all__ = ["Curry", "open_curry"]

_EXPECTED = "a recording of Curry (.cdt)"
_PARAMETERS, _EVENTS = (".dpa", ".dpo"), (".cef", ".ceo")
_BLOCK = 1 << 20
"""Stored values that are turned into volts at a time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Curry(Sampled):
    """An opened ``.cdt`` file. Holds no open file, so it can be kept, copied and sent to another process.

    Attributes
    ----------
    path
        The ``.cdt``.
    channels
        Names in file order.
    units
        Unit of what :meth:`read` gives, one for each channel: ``"V"``, or ``"arbitrary"`` where the parameter
        file names a unit that is none of those known here (the values are then as stored).
    rate
        Samples per second.
    n_samples
        Samples of each channel.
    events
        What the events' file tells, of kind ``"event"`` (``value``: the type as a number), in the order of
        the file; empty where there is none. The software writes it; the trigger channel itself is read by
        :meth:`markers`.
    started
        Wall clock at the first sample, as the recording computer had it; None where it is not told.
    """

    path: Path
    channels: tuple[str, ...]
    units: tuple[str, ...]
    rate: float
    n_samples: int
    events: tuple[Event, ...]
    started: datetime.datetime | None
    _parameters: Path = field(repr=False)
    _gain: NDArray[np.float64] = field(repr=False)
    _offset: NDArray[np.float64] = field(repr=False)

    def files(self) -> tuple[Path, ...]:
        """The files it is made of."""
        return (self.path, self._parameters)

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
        for at, block in self._blocks(first, stop):
            part = out[:, at - first : at - first + len(block)]
            np.multiply(block.T[rows], self._gain[rows, None], out=part)
            part += self._offset[rows, None]
        return out

    def markers(self, *, channel: str = "Trigger", mask: int = 0xFF) -> tuple[Event, ...]:
        """The codes of the trigger channel; reads the whole file, a piece at a time.

        Parameters
        ----------
        channel
            Name of the channel, in any case.
        mask
            Bits of the stored number that are the code. In MMME they are the lower eight: the channel holds
            0xFF00, and 0xFF00 + code while a code is on.

        Returns
        -------
        tuple of Event
            Of kind ``"marker"``, without duration, ``value`` the code, one at each change to a code that is
            not 0. A code that is on at the first sample has no known onset and is left out; a wrong code of
            one sample on the way to another is not counted. Empty where the channel never shows a code.

        Raises
        ------
        UnknownNameError
            There is no such channel.
        InputError
            The channel holds no whole numbers, or the file has become shorter.
        """
        names = [name.lower() for name in self.channels]
        if channel.lower() not in names:
            raise UnknownNameError("channel", channel, self.channels)
        row = names.index(channel.lower())
        starts, codes, n = code_runs(self._codes(row, mask))
        return markers_of_runs(starts, codes, n_samples=n, rate=self.rate)

    def _codes(self, row: int, mask: int) -> Iterator[NDArray[np.int64]]:
        for at, block in self._blocks(0, self.n_samples):
            stored = block[:, row].astype(np.float64)
            whole = np.rint(stored)
            # a float32 keeps whole numbers up to 2**24 exactly; NaN fails the comparison too
            wrong = np.flatnonzero(~(np.abs(stored - whole) < 1e-3) | (np.abs(stored) > 2**24))
            if len(wrong):
                raise InputError(
                    f"channel {self.channels[row]!r} holds {stored[wrong[0]]:g} at sample {at + wrong[0]:,}",
                    file=self.path,
                    expected="codes, which are whole numbers",
                    remedy="name the channel that holds the triggers",
                )
            yield whole.astype(np.int64) & mask

    def _blocks(self, first: int, stop: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """(number of the first sample, stored values (samples, channels)), a piece at a time."""
        length = max(1, _BLOCK // self.n_channels)
        with self.path.open("rb") as handle:
            handle.seek(first * ITEM * self.n_channels)
            for at in range(first, stop, length):
                n = min(length, stop - at)
                stored = np.fromfile(handle, dtype="<f4", count=n * self.n_channels)
                if len(stored) < n * self.n_channels:
                    raise InputError(
                        f"ends within sample {at + len(stored) // self.n_channels} of {self.n_samples}",
                        file=self.path,
                        expected="the file as it was when it was opened",
                        remedy=AGAIN,
                    )
                yield at, stored.reshape(n, self.n_channels)


def open_curry(path: str | Path) -> Curry:
    """Opens a recording of Curry 7, 8 or 9; reads its parameter file and its events.

    Parameters
    ----------
    path
        The ``.cdt``; its parameter file (``.cdt.dpa`` or ``.cdt.dpo``) lies beside it. A group of channels
        whose unit is not named is taken to be in µV, which is what Curry records in.

    Raises
    ------
    InputError
        A file is missing, empty, cut, a web page, or not what its name says; the samples are text,
        compressed, cut into epochs, or stored channel after channel; the parameter file contradicts itself or
        the size of the ``.cdt``; channel names repeat.
    """
    path = Path(path)
    _check_name(path)
    size = path.stat().st_size if path.is_file() else 0
    if not size:
        first_bytes(path, 16, expected=_EXPECTED)  # says what is wrong
    parameters = _beside(path, _PARAMETERS)
    if parameters is None:
        raise InputError(
            "its parameter file is missing",
            file=path,
            expected=f"{path.name}.dpa or {path.name}.dpo beside it",
            remedy="copy that file too, and keep both names as they were",
        )
    text = Parameters(parameters)
    channels, units = text.channels()
    rate, n_samples = text.rate(), text.n_samples(size, path)
    scales = [to_si(word) or ("arbitrary", 1.0, 0.0) for word in units]
    events = _beside(path, _EVENTS)
    return Curry(
        path=path,
        channels=channels,
        units=tuple(unit for unit, _, _ in scales),
        rate=rate,
        n_samples=n_samples,
        events=() if events is None else told_events(events, rate),
        started=text.started(),
        _parameters=parameters,
        _gain=np.array([gain for _, gain, _ in scales]),
        _offset=np.array([offset for _, _, offset in scales]),
    )


def _check_name(path: Path) -> None:
    for ending in (*_PARAMETERS, *_EVENTS):
        if path.name.lower().endswith(f".cdt{ending}"):
            raise InputError(
                "is a file that belongs to a recording", file=path, expected=f"the recording, {path.stem}"
            )


def _beside(path: Path, endings: Sequence[str]) -> Path | None:
    found = (path.with_name(path.name + ending) for ending in endings)
    return next((p for p in found if p.exists()), None)
