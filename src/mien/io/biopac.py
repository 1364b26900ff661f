"""What BIOPAC's AcqKnowledge exports to MATLAB: a table of samples, and beside it the names of its columns.

``data`` (samples, columns), ``labels`` and ``units`` (a text for each column), ``isi`` with ``isi_units``
(time between two samples) are AcqKnowledge's names; a file that was saved again may lack all but the table. A
unit that neither the file nor the caller tells stays unknown (``"arbitrary"``): it is never guessed from the
size of numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core import Event, InputError, UnknownNameError
from mien.io._codes import code_runs, markers_of_runs
from mien.io._mat_columns import Table
from mien.io._mat_text import number_of, texts_of
from mien.io._units import to_si
from mien.io.mat import MatFile
from mien.io.sampled import Sampled

__all__ = ["Biopac", "markers_of", "open_biopac"]

DIGITAL = re.compile(r"Digital \(STP Input (\d+)\)|Digital (?:Input|input|Channel) ?(\d+)")
"""Label of a digital line; the number is its bit."""
HIGH = 2.5
"""Volts above which a digital line (0 or 5 V) is on."""
_BLOCK = 1 << 18
"""Samples of the digital lines that are looked at at a time."""
_SECONDS = {"ms": 1e-3, "msec": 1e-3, "milliseconds": 1e-3, "s": 1.0, "sec": 1.0, "seconds": 1.0}
_SECONDS |= {"us": 1e-6, "usec": 1e-6, "microseconds": 1e-6}


@dataclass(frozen=True, kw_only=True, eq=False)
class Biopac(Sampled):
    """An opened export. Holds no open file, so it can be kept, copied and sent to another process.

    Attributes
    ----------
    path
        The file.
    variable
        Name of the table.
    channels
        The labels, ``"column 0"``, … where there are none. A label that comes again gets its column's number.
    units
        Unit of what :meth:`read` gives, one for each channel: SI, or ``"arbitrary"`` where nobody told it
        (the values are then as stored).
    words
        The words for the units, from the file or the caller; ``""`` where nobody told.
    rate
        Samples per second.
    n_samples
        Samples of each channel.
    """

    path: Path
    variable: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    words: tuple[str, ...]
    rate: float
    n_samples: int
    _table: Table = field(repr=False)
    _gain: NDArray[np.float64] = field(repr=False)
    _offset: NDArray[np.float64] = field(repr=False)

    def read(
        self, start: float, duration: float, *, channels: Sequence[str] | None = None
    ) -> NDArray[np.float64]:
        """Samples of a span in the units of ``units``.

        Costs the memory of the result and some megabytes. From a file of version 5 whose table is compressed
        the first read inflates it once (seconds for an hour of 17 columns), the next ones a few megabytes.

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
            The span is not within the recording, or the file is damaged.
        UnknownNameError
            There is no such channel.
        """
        rows = self._rows(channels)
        first, stop = self._samples(start, duration)
        data = self._table.read(rows, first, stop)
        data *= self._gain[rows, None]
        data += self._offset[rows, None]
        return data

    def markers(self, *, lines: Sequence[str] | None = None) -> tuple[Event, ...]:
        """The codes of the digital lines; reads these columns whole, a piece at a time.

        Parameters
        ----------
        lines
            Names of the channels of the lines, the lowest bit first. None: those labelled
            ``Digital (STP Input 0)`` and so on; in a table of 17 columns without labels the columns 8 to 15,
            as in MMME.

        Returns
        -------
        tuple of Event
            As :func:`markers_of`; empty where no line is ever on.

        Raises
        ------
        InputError
            No channel is labelled as a digital line.
        UnknownNameError
            There is no such channel.
        """
        bits = self._bits() if lines is None else {k: i for i, k in enumerate(self._rows(lines).tolist())}
        starts, codes, n = code_runs(self._codes(bits))
        return markers_of_runs(starts, codes, n_samples=n, rate=self.rate)

    def _bits(self) -> dict[int, int]:
        """Column of each digital line to its bit."""
        found = digital_lines(self.channels)
        if not found and self.n_channels == 17 and all(name.startswith("column ") for name in self.channels):
            found = {8 + bit: bit for bit in range(8)}
        if not found:
            raise InputError(
                "no channel is labelled as a digital line",
                file=self.path,
                expected="labels such as 'Digital (STP Input 0)'",
                remedy=f"name the lines among {', '.join(self.channels)[:200]}",
            )
        return found

    def _codes(self, bits: Mapping[int, int]) -> Iterator[NDArray[np.int64]]:
        columns = np.array(list(bits), dtype=np.intp)
        for first in range(0, self.n_samples, _BLOCK):
            volts = self._table.read(columns, first, min(first + _BLOCK, self.n_samples))
            volts = volts * self._gain[columns, None] + self._offset[columns, None]
            yield codes_of(volts, list(bits.values()))


def digital_lines(labels: Sequence[str]) -> dict[int, int]:
    """Place of each digital line among labels, to its bit."""
    matches = ((place, DIGITAL.search(label)) for place, label in enumerate(labels))
    return {place: int(match[1] or match[2]) for place, match in matches if match}


def markers_of(lines: ArrayLike, rate: float) -> tuple[Event, ...]:
    """Markers of digital lines.

    Parameters
    ----------
    lines
        Volts (lines, samples), the lowest bit first: 0 V is off, 5 V is on, the border 2.5 V.
    rate
        Samples per second.

    Returns
    -------
    tuple of Event
        Of kind ``"marker"``, without duration, in seconds since the first sample; ``value`` is the sum of
        ``2**k`` over the lines k that are on. One at each change to a code that is not 0; a code that is on
        at the first sample has no known onset and is left out, and a wrong code of one sample, while the
        lines switch, is not counted.
    """
    volts = np.asarray(lines, dtype=np.float64)
    starts, codes, n = code_runs([codes_of(volts, range(len(volts)))])
    return markers_of_runs(starts, codes, n_samples=n, rate=rate)


def codes_of(volts: NDArray[np.float64], bits: Sequence[int]) -> NDArray[np.int64]:
    """Code of each sample of some lines (lines, samples): the sum of ``2**bit`` over those that are on."""
    return (volts > HIGH).astype(np.int64).T @ (1 << np.array(bits, dtype=np.int64))


def open_biopac(
    path: str | Path,
    *,
    variable: str | None = None,
    width: int | None = None,
    rate: float | None = None,
    units: Mapping[str, str] | None = None,
) -> Biopac:
    """Opens a MATLAB file of version 5 or 7.3 that holds a recording; reads no samples.

    Parameters
    ----------
    path
        The file.
    variable
        Name of the table. None: ``data``; where there is none, the only table of numbers (of ``width``
        columns).
    width
        Columns that the table must have, 17 in MMME. Its samples then run along the other axis.
    rate
        Samples per second, where the file does not tell.
    units
        Label to the word for its unit (``"mV"``, ``"µS"``, ``"deg C"``), for columns of which the file does
        not tell it.

    Raises
    ------
    InputError
        The file is missing, empty, cut or no MATLAB file; it holds no such table, or several; the labels or
        units are not one for each column; nobody tells the rate; a given unit is not known.
    UnknownNameError
        ``units`` names a label that is not there.
    """
    file = MatFile(path)
    name = _variable(file, variable, width)
    shape = file.shape(name)
    columns = _n_columns(file, name, shape, width)
    table = Table(file, name, transposed=columns != shape[1])
    labels = _texts(file, "labels", table.n_columns)
    channels = distinct_names(labels or [f"column {k}" for k in range(table.n_columns)])
    told = _texts(file, "units", table.n_columns) or ("",) * table.n_columns
    words = words_with(channels, told, units or {})
    scales = [scale_of(word) for word in words]
    return Biopac(
        path=file.path,
        variable=name,
        channels=channels,
        units=tuple(unit for unit, _, _ in scales),
        words=words,
        rate=_rate(file, rate),
        n_samples=table.n_samples,
        _table=table,
        _gain=np.array([gain for _, gain, _ in scales]),
        _offset=np.array([offset for _, _, offset in scales]),
    )


def scale_of(word: str) -> tuple[str, float, float]:
    """SI unit of a word, the factor to it, and what is added after the factor; an unknown word is
    ``("arbitrary", 1, 0)``."""
    return to_si(word) or ("arbitrary", 1.0, 0.0)


def _variable(file: MatFile, variable: str | None, width: int | None) -> str:
    if variable is not None:
        file.shape(variable)  # says so where there is none
        return variable
    tables = [n for n in file.names() if len(s := file.shape(n)) == 2 and min(s) > 1 and _is_numeric(file, n)]
    fitting = [n for n in tables if width is None or width in file.shape(n)]
    if "data" in (fitting or tables):
        return "data"
    if len(fitting) == 1:
        return fitting[0]
    shapes = ", ".join(f"{n} {'x'.join(map(str, file.shape(n)))}" for n in tables[:8]) or "none"
    wanted = "a table of numbers" if width is None else f"a table of {width} columns"
    raise InputError(
        f"holds {len(fitting) or 'no'} table{'s' * (len(fitting) != 1)} that could be the recording "
        f"(tables: {shapes})",
        file=file.path,
        expected=wanted,
        remedy="name the variable" if fitting else None,
    )


def _is_numeric(file: MatFile, name: str) -> bool:
    try:
        return file.dtype(name).kind in "fiu"
    except InputError:
        return False


def _n_columns(file: MatFile, name: str, shape: tuple[int, ...], width: int | None) -> int:
    """Columns of the table, whichever axis they are."""
    if len(shape) != 2 or not min(shape):
        raise InputError(
            f"variable {name!r} has the shape {'x'.join(map(str, shape)) or '()'}",
            file=file.path,
            expected="a table of samples and columns",
        )
    if width is None:
        return min(shape) if shape[0] < shape[1] else shape[1]
    if width not in shape:
        raise InputError(
            f"variable {name!r} has {min(shape)} columns ({'x'.join(map(str, shape))})",
            file=file.path,
            expected=f"{width} columns",
            remedy="export all channels, as they were recorded",
        )
    return width


def _texts(file: MatFile, name: str, n: int) -> tuple[str, ...] | None:
    found = texts_of(file, name)
    if found is not None and len(found) != n:
        raise InputError(
            f"{name!r} holds {len(found)} texts for {n} columns",
            file=file.path,
            expected="one for each column",
            remedy="export it again",
        )
    return found


def distinct_names(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels; one that is empty or comes again gets the number of its column."""
    return tuple(
        label if label and label not in labels[:k] else f"{label} (column {k})".strip()
        for k, label in enumerate(labels)
    )


def words_with(channels: Sequence[str], told: Sequence[str], given: Mapping[str, str]) -> tuple[str, ...]:
    """Words for the units of channels: the file's, and where it has none that is known, the one given.

    Raises
    ------
    InputError
        A given word is not known.
    UnknownNameError
        There is no such channel.
    """
    for name, word in given.items():
        if name not in channels:
            raise UnknownNameError("channel", name, channels)
        if to_si(word) is None:
            raise InputError(
                f"unit {word!r} of channel {name!r} is not known", expected="such as V, mV, µV, S, µS, deg C"
            )
    return tuple(
        word if to_si(word) is not None else given.get(name, word)
        for name, word in zip(channels, told, strict=True)
    )


def _rate(file: MatFile, given: float | None) -> float:
    step = number_of(file, "isi")
    word = (texts_of(file, "isi_units") or ("ms",))[0].lower()
    if step is not None and step > 0 and math.isfinite(step) and word in _SECONDS:
        return 1 / (step * _SECONDS[word])
    if given is not None and given > 0:
        return float(given)
    what = "does not tell its rate" if step is None else f"gives {step:g} {word} between two samples"
    raise InputError(what, file=file.path, expected="isi and isi_units", remedy="give the rate")
