"""EEGLAB's continuous recordings (``.set``, mostly with a ``.fdt``): the header at once, samples on demand.

A ``.set`` is a MATLAB file of version 5 or 7.3 that holds the structure ``EEG``, or its fields. Its ``data``
is the name of the ``.fdt`` beside it, float32, all channels of one moment and then the next; or the samples
themselves. EEGLAB keeps microvolts.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.types import Event, Span
from mien.io._content import first_bytes
from mien.io.sampled import Sampled

__all__ = ["EeglabSet", "open_set"]

_EXPECTED = "an EEGLAB recording (.set)"
_AGAIN = "copy or download the file again"
_FIELDS = ("nbchan", "pnts", "trials", "srate", "chanlocs", "event", "data")
_VOLTS = 1e-6
_BLOCK = 1 << 20
"""Stored values that are turned into volts at a time."""

_Where = Literal["fdt", "set5", "set73"]


@dataclass(frozen=True, kw_only=True, eq=False)
class EeglabSet(Sampled):
    """An opened recording. Holds no open file, so it can be kept, copied and sent to another process.

    Attributes
    ----------
    path
        The ``.set``.
    data_path
        The file that holds the samples: a ``.fdt``, or the ``.set`` itself.
    channels
        Names in file order.
    rate
        Samples per second.
    n_samples
        Samples of each channel.
    events
        In order of time, as they are stored, which may be beyond the last sample. Of kind ``"boundary"``
        (EEGLAB's mark of a cut) or ``"marker"``; ``value`` is the event's type as text, ``"101"`` for a
        number.
    """

    path: Path = field(repr=False)
    data_path: Path = field(repr=False)
    channels: tuple[str, ...]
    rate: float
    n_samples: int
    events: tuple[Event, ...] = field(repr=False)
    _where: _Where = field(repr=False, default="fdt")

    def files(self) -> tuple[Path, ...]:
        """The files it is made of."""
        return tuple(dict.fromkeys((self.path, self.data_path)))

    def read(
        self, start: float, duration: float, *, channels: Sequence[str] | None = None
    ) -> NDArray[np.float64]:
        """Samples of a span in volts.

        Costs the memory of the result and a few megabytes, however long the file is; where the samples are
        inside a ``.set`` of version 5, the file's whole data, which are kept until another such file is read.

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
            The span is not within the recording, or the file changed since it was opened.
        UnknownNameError
            There is no such channel.
        """
        rows = self._rows(channels)
        first, stop = self._samples(start, duration)
        out = np.empty((len(rows), stop - first))
        for at, block in self._blocks(first, stop):
            part = out[:, at - first : at - first + len(block)]
            np.multiply(block.T[rows], _VOLTS, out=part, dtype=np.float64)  # else the product is float32
        return out

    def limits(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest value of each channel in volts (NaN where one is not a number); reads the whole
        file, a piece at a time."""
        low = np.full(self.n_channels, np.inf)
        high = -low
        for _, block in self._blocks(0, self.n_samples):
            np.minimum(low, block.min(axis=0), out=low)
            np.maximum(high, block.max(axis=0), out=high)
        return low.astype(np.float64) * _VOLTS, high.astype(np.float64) * _VOLTS

    def _blocks(self, first: int, stop: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """(number of the first sample, stored values (samples, channels)), a piece at a time."""
        length = max(1, _BLOCK // self.n_channels)
        with _damage_named(self.data_path):
            if self._where == "set73":
                yield from self._blocks_73(first, stop, length)
                return
            data = self._fdt() if self._where == "fdt" else _data_5(*_unchanged(self.data_path)).T
            if data.shape != (self.n_samples, self.n_channels):
                raise ValueError("the file changed since it was opened")
            for at in range(first, stop, length):
                yield at, data[at : min(at + length, stop)]

    def _fdt(self) -> NDArray[np.float32]:
        _check_size(self.data_path, self.n_channels, self.n_samples)
        shape = (self.n_samples, self.n_channels)
        return np.memmap(self.data_path, dtype="<f4", mode="r", shape=shape)

    def _blocks_73(self, first: int, stop: int, length: int) -> Iterator[tuple[int, NDArray[Any]]]:
        import h5py

        with h5py.File(self.data_path, "r") as file:
            data = _group_73(file)["data"]
            for at in range(first, stop, length):
                yield at, data[at : min(at + length, stop)].reshape(-1, self.n_channels)


def open_set(path: str | Path) -> EeglabSet:
    """Opens an EEGLAB recording: reads its header and its events.

    Parameters
    ----------
    path
        The ``.set``. Its ``.fdt``, where it has one, is looked for beside it, under the name that the
        ``.set`` gives and under its own.

    Raises
    ------
    InputError
        The file is missing, empty, cut, damaged, a web page, or no EEGLAB recording; it is cut in epochs; a
        field is missing or contradicts another; its ``.fdt`` is missing or not as long as the header says.
    """
    path = Path(path)
    head = first_bytes(path, 520, expected=_EXPECTED)
    is_73 = head.startswith(b"MATLAB 7.3") or head[:4] == b"\x89HDF" or head[512:516] == b"\x89HDF"
    if not is_73 and not head.startswith(b"MATLAB") and head[126:128] not in (b"IM", b"MI"):
        raise InputError(
            f"is not a MATLAB file (it starts with {head[:12]!r})",
            file=path,
            expected=_EXPECTED,
            remedy=_AGAIN,
        )
    with _damage_named(path):
        fields = _fields_73(path) if is_73 else _fields_5(path)
    missing = [name for name in _FIELDS if name not in fields]
    if missing:
        raise InputError(f"lacks the fields {', '.join(missing)}", file=path, expected=_EXPECTED)
    n_channels, n_samples, n_trials = (_count(path, fields, n) for n in ("nbchan", "pnts", "trials"))
    rate = _number(fields["srate"])
    if n_trials > 1:
        raise InputError(f"is cut in {n_trials} epochs", file=path, expected="a continuous EEGLAB recording")
    if not (math.isfinite(rate) and rate > 0):
        raise InputError(f"gives a rate of {rate:g} samples per second", file=path, expected=_EXPECTED)
    channels = _channels(path, fields["chanlocs"], n_channels)
    where, data_path = _data(path, fields["data"], is_73, n_channels, n_samples)
    return EeglabSet(
        path=path,
        data_path=data_path,
        channels=channels,
        rate=rate,
        n_samples=n_samples,
        events=_events(path, fields["event"], rate),
        _where=where,
    )


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Turns what a damaged file does to the libraries into one clear line."""
    from scipy.io.matlab import MatReadError

    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError("no such file", file=path, expected=_EXPECTED) from None
    except (
        *(OSError, EOFError, KeyError, IndexError, TypeError, ValueError, RuntimeError, AttributeError),
        *(MatReadError, NotImplementedError, MemoryError, struct.error, zlib.error),
    ) as error:
        text = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(
            f"is truncated or damaged ({text})", file=path, expected=_EXPECTED, remedy=_AGAIN
        ) from None


def _data(path: Path, data: Any, is_73: bool, n_channels: int, n_samples: int) -> tuple[_Where, Path]:
    """Where the samples are, and the file that holds them, checked for its size."""
    if not isinstance(data, str):
        shape = tuple(n for n in data if n != 1) or (1,)
        if math.prod(shape) != n_channels * n_samples:
            raise InputError(
                f"holds data of shape {tuple(data)} for {n_channels} channels of {n_samples} samples",
                file=path,
                expected="a header that agrees with the data",
            )
        return ("set73" if is_73 else "set5"), path
    named = path.with_name(data.replace("\\", "/").rpartition("/")[2] or path.name)
    own = path.with_suffix(".fdt")
    found = named if named.suffix.lower() in (".fdt", ".dat") and named.is_file() else own
    if not found.is_file():
        raise InputError(
            "its .fdt, which holds the samples, is not there", file=path, expected=f"{own.name} beside it"
        )
    if found.suffix.lower() == ".dat":
        raise InputError(
            "its samples are in a .dat, channel by channel",
            file=path,
            expected="samples in a .fdt",
            remedy="open and save it in EEGLAB",
        )
    _check_size(found, n_channels, n_samples)
    return "fdt", found


def _check_size(path: Path, n_channels: int, n_samples: int) -> None:
    size, wanted = path.stat().st_size, 4 * n_channels * n_samples
    if size != wanted:
        held = size // (4 * n_channels)
        raise InputError(
            f"is {'short' if size < wanted else 'too long'}: {size:,} bytes ({held:,} samples of "
            f"{n_channels} channels)",
            file=path,
            expected=f"{wanted:,} bytes ({n_samples:,} samples), as its .set says",
            remedy=_AGAIN,
        )


def _number(value: Any) -> float:
    try:
        return float(np.asarray(value, dtype=np.float64).reshape(-1)[0])
    except (IndexError, TypeError, ValueError):
        return math.nan


def _count(path: Path, fields: Mapping[str, Any], name: str) -> int:
    number = _number(fields[name])
    if not number.is_integer() or number < 1:
        raise InputError(f"gives {name} as {fields[name]!r}", file=path, expected="a whole number above 0")
    return int(number)


def _text(value: Any) -> str:
    """A type or name as text: ``101`` for 101.0."""
    if isinstance(value, str):
        return value.strip()
    number = _number(value)
    if math.isnan(number):
        return ""
    return str(int(number)) if number.is_integer() else str(number)


def _channels(path: Path, chanlocs: Sequence[Mapping[str, Any]], n_channels: int) -> tuple[str, ...]:
    names = tuple(_text(place.get("labels", "")) for place in chanlocs)
    if len(names) != n_channels or not all(names):
        raise InputError(
            f"names {sum(map(bool, names))} channels and has {n_channels}",
            file=path,
            expected="a name for each channel",
        )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"channel names repeat: {', '.join(repeated[:6])}", file=path, expected="a name for each channel"
        )
    return names


def _events(path: Path, events: Sequence[Mapping[str, Any]], rate: float) -> tuple[Event, ...]:
    """EEGLAB counts samples from 1, in fractions."""
    found = []
    for number, event in enumerate(events, start=1):
        latency = _number(event.get("latency"))
        if not math.isfinite(latency):
            raise InputError(f"event {number} has no latency", file=path, expected="a sample number")
        duration = _number(event.get("duration"))
        name = _text(event.get("type"))
        found.append(
            Event(
                kind="boundary" if name == "boundary" else "marker",
                span=Span(
                    start=(latency - 1) / rate,
                    duration=duration / rate if math.isfinite(duration) and duration > 0 else 0.0,
                ),
                value=name,
            )
        )
    return tuple(sorted(found, key=lambda e: e.span.start))


# --- version 5 -----------------------------------------------------------------------------------------


def _fields_5(path: Path) -> dict[str, Any]:
    """The fields of a version-5 file; ``data`` as a name, or as the shape of the samples."""
    from scipy.io import loadmat, whosmat

    shapes = {name: (shape, kind) for name, shape, kind in whosmat(str(path), appendmat=False)}
    inside = "EEG" in shapes
    data_shape, data_kind = shapes.get("data", ((), "char"))
    numeric = not inside and data_kind != "char"
    wanted = ["EEG"] if inside else [name for name in _FIELDS if not (numeric and name == "data")]
    found = loadmat(
        str(path), variable_names=wanted, simplify_cells=True, chars_as_strings=True, appendmat=False
    )
    fields = found["EEG"] if inside else found
    if not isinstance(fields, dict):
        raise InputError("its EEG is no single structure", file=path, expected=_EXPECTED)
    out = {name: fields[name] for name in _FIELDS if name in fields}
    for name in ("chanlocs", "event"):
        if name in out:
            out[name] = _listed(out[name])
    if numeric:
        out["data"] = data_shape
    elif "data" in out and not isinstance(out["data"], str):
        out["data"] = np.shape(out["data"])
    return out


def _listed(value: Any) -> list[dict[str, Any]]:
    """A structure array as a list: one structure comes as itself, none as an empty array."""
    if isinstance(value, dict):
        return [value]
    return [item for item in np.asarray(value, dtype=object).reshape(-1) if isinstance(item, dict)]


def _unchanged(path: Path) -> tuple[Path, int, int]:
    found = path.stat()
    return path, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=1)
def _data_5(path: Path, size: int, changed: int) -> NDArray[Any]:
    """Samples (channels, times) inside a version-5 file, in its units; those of the last file are kept."""
    from scipy.io import loadmat

    found = loadmat(str(path), variable_names=["EEG", "data"], simplify_cells=True, appendmat=False)
    data = np.atleast_2d(found["EEG"]["data"] if "EEG" in found else found["data"])
    data.flags.writeable = False
    return data


# --- version 7.3 ---------------------------------------------------------------------------------------


def _group_73(file: Any) -> Any:
    return file.get("EEG", file)


def _fields_73(path: Path) -> dict[str, Any]:
    """The fields of a version-7.3 file, which is HDF5 with the axes in reverse order."""
    import h5py

    with h5py.File(path, "r") as file:
        group = _group_73(file)
        out: dict[str, Any] = {}
        for name in _FIELDS:
            if name not in group:
                continue
            item = group[name]
            if name in ("chanlocs", "event"):
                out[name] = _structures_73(file, item)
            elif name == "data" and not _is_text(item):
                out[name] = tuple(reversed(item.shape))
            else:
                out[name] = _value_73(item)
        return out


def _is_text(item: Any) -> bool:
    return item.attrs.get("MATLAB_class", b"") in (b"char", "char")


def _value_73(item: Any) -> Any:
    """Text or number of a data set."""
    if item.attrs.get("MATLAB_empty", 0):
        return "" if _is_text(item) else math.nan
    values = item[()]
    if _is_text(item):
        return "".join(map(chr, np.asarray(values).T.reshape(-1).tolist()))
    return values


def _structures_73(file: Any, item: Any) -> list[dict[str, Any]]:
    """A structure array: each field holds references to its values, or the value itself of a single one."""
    import h5py

    if isinstance(item, h5py.Dataset):  # an empty array
        return []
    columns: dict[str, list[Any]] = {}
    for name in ("labels", "type", "latency", "duration"):
        if name not in item:
            continue
        one = item[name]
        many = h5py.check_ref_dtype(one.dtype) is not None
        refs: Iterable[Any] = one[()].reshape(-1) if many else ()
        columns[name] = [_value_73(file[ref]) for ref in refs] if many else [_value_73(one)]
    n = max(map(len, columns.values()), default=0)
    return [{name: values[i] for name, values in columns.items() if i < len(values)} for i in range(n)]
