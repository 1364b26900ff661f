"""EDF and BDF recordings: the header at once, samples when they are asked for (through MNE), and triggers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.io._content import first_bytes
from mien.io.sampled import Sampled

__all__ = ["Edf", "Status", "open_edf", "read_status"]

_EXPECTED = "a recording in EDF or BDF"
_AGAIN = "copy or download the file again"
_HEADER, _CHANNEL = 256, 256
_FIELDS = (("label", 16), ("sensor", 80), ("unit", 8), ("range", 32), ("filter", 80), ("samples", 8))
_BLOCK_BYTES = 4 << 20
"""Of a trigger channel, read at a time."""
_ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
_VOLTS = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "\u00b5V": 1e-6, "\u03bcV": 1e-6}
"""Units of voltage in headers (both letters that look like a mu are met), in volts, as MNE reads them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Edf(Sampled):
    """An opened EDF or BDF file, and the source of a stream. Holds no open file.

    Attributes
    ----------
    path
        The file.
    channels
        Names of the channels in volts, as they stand in the file: those of the rate that most of them have.
    rate
        Samples per second of these channels.
    n_samples
        Samples of each.
    others
        Channels that are left aside (another unit or rate), with the reason.
    """

    path: Path
    channels: tuple[str, ...]
    rate: float
    n_samples: int
    others: Mapping[str, str]
    _raw: Any = field(repr=False)

    def read(
        self, start: float, duration: float, *, channels: Sequence[str] | None = None
    ) -> NDArray[np.float64]:
        """Samples (channels, times) of a span in volts; costs the memory of the result.

        Parameters
        ----------
        start, duration
            Seconds since the first sample.
        channels
            Names of the channels wanted, in the order wanted; None means all.

        Raises
        ------
        InputError
            The span is not within the recording, or the file cannot be read any more.
        UnknownNameError
            There is no such channel.
        """
        rows = self._rows(channels)
        first, stop = self._samples(start, duration)
        try:
            data = self._raw.get_data(
                picks=[self.channels[row] for row in rows], start=first, stop=stop, verbose="error"
            )
        except (OSError, ValueError) as error:
            raise InputError(
                f"cannot be read any more ({str(error).splitlines()[0]})", file=self.path, remedy=_AGAIN
            ) from None
        return np.asarray(data, dtype=np.float64)


def open_edf(path: str | Path) -> Edf:
    """Opens a recording in EDF, EDF+ or BDF; reads its header.

    Raises
    ------
    InputError
        The file is missing, empty, cut, a web page, not EDF or BDF (EyeLink's files are also called .edf),
        interrupted (EDF+D), or holds no channel in volts; two channels have one name.
    """
    head = _header(Path(path))
    path, columns, samples = head.path, head.columns, head.samples
    chosen, others = _chosen(path, columns, samples / head.seconds)
    raw = _raw(path, head.width, [columns["label"][i] for i in others])
    return Edf(
        path=path,
        channels=tuple(columns["label"][i] for i in chosen),
        rate=float(samples[chosen[0]] / head.seconds),
        n_samples=int(raw.n_times),
        others={columns["label"][i]: why for i, why in others.items()},
        _raw=raw,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Status:
    """The trigger channel of a BDF recording, as runs of one value.

    Attributes
    ----------
    rate, n_samples
        Of the channel.
    starts
        int64 (runs,): first sample of each run; the first is 0.
    values
        int64 (runs,): the value, of those bits that were asked for.
    """

    rate: float
    n_samples: int
    starts: NDArray[np.int64]
    values: NDArray[np.int64]


def read_status(path: str | Path, *, channel: str = "Status", mask: int = 0xFFFF) -> Status:
    """Where the trigger channel of a BDF recording changes; holds one block of records at a time.

    Parameters
    ----------
    path
        The file.
    channel
        Name of the channel, in any case.
    mask
        Bits that count. BioSemi keeps triggers in the lower 16; above them the amplifier tells its own state.

    Raises
    ------
    InputError
        The file is no whole BDF recording, or has no such channel.
    """
    head = _header(Path(path))
    if head.width != 3:
        raise InputError("has no status channel: it is EDF", file=path, expected="a recording in BDF")
    labels = list(head.columns["label"])
    places = [i for i, label in enumerate(labels) if label.lower() == channel.lower()]
    if len(places) != 1:
        raise InputError(
            f"has {len(places) or 'no'} channel{'s' * (len(places) > 1)} {channel!r}",
            file=path,
            expected=f"one among {', '.join(labels)[:200]}",
        )
    before, n = int(head.samples[: places[0]].sum()) * 3, int(head.samples[places[0]])
    record = int(head.samples.sum()) * 3
    starts: list[NDArray[np.int64]] = []
    values: list[NDArray[np.int64]] = []
    last = -1
    per_block = max(1, _BLOCK_BYTES // (3 * n))
    with head.path.open("rb") as handle:
        for first in range(0, head.n_records, per_block):
            parts = []
            for k in range(first, min(first + per_block, head.n_records)):
                handle.seek(head.n_bytes + k * record + before)
                parts.append(handle.read(3 * n))
            raw = np.frombuffer(b"".join(parts), np.uint8).reshape(-1, 3).astype(np.int64)
            code = (raw[:, 0] | raw[:, 1] << 8 | raw[:, 2] << 16) & mask
            at = np.flatnonzero(np.diff(code, prepend=last))
            starts.append(at + first * n)
            values.append(code[at])
            last = int(code[-1])
    return Status(
        rate=float(n / head.seconds),
        n_samples=head.n_records * n,
        starts=np.concatenate(starts),
        values=np.concatenate(values),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Header:
    """What a file says of itself: bytes of a sample and of the header, records, seconds of a record, what it
    says of each channel, and samples of each channel in a record."""

    path: Path
    width: int
    n_bytes: int
    n_records: int
    seconds: float
    columns: Mapping[str, Sequence[Any]]
    samples: NDArray[np.int64]


def _header(path: Path) -> _Header:
    head = first_bytes(path, _HEADER, expected=_EXPECTED)
    width = _sample_bytes(path, head)
    n_bytes, n_records, seconds, n_channels = _numbers(path, head)
    size = path.stat().st_size
    if n_bytes != _HEADER + n_channels * _CHANNEL or not n_channels or not seconds > 0:
        raise InputError("is damaged: its header contradicts itself", file=path, expected=_EXPECTED)
    if size < n_bytes:
        raise InputError(
            f"is cut: it has {size:,} bytes, its header alone {n_bytes:,}", file=path, remedy=_AGAIN
        )
    if head[192:236].startswith((b"EDF+D", b"BDF+D")):
        raise InputError(
            "is interrupted (EDF+D): there is time between its records",
            file=path,
            expected="a recording without gaps",
            remedy="save each stretch as a file of its own",
        )
    with path.open("rb") as handle:
        columns = _columns(path, handle.read(n_bytes)[_HEADER:], n_channels)
    samples = np.array(columns["samples"], dtype=np.int64)
    if (samples < 1).any():
        raise InputError("is damaged: a channel without samples", file=path, expected=_EXPECTED)
    whole = (size - n_bytes) // (int(samples.sum()) * width)
    if whole < n_records:
        raise InputError(
            f"is cut: it holds {whole:,} of the {n_records:,} records that its header promises",
            file=path,
            remedy=_AGAIN,
        )
    if not whole:
        raise InputError("holds no samples", file=path, expected=_EXPECTED)
    return _Header(
        path=path,
        width=width,
        n_bytes=n_bytes,
        n_records=n_records if n_records > 0 else whole,
        seconds=seconds,
        columns=columns,
        samples=samples,
    )


def _sample_bytes(path: Path, head: bytes) -> int:
    if head.startswith(b"SR_RESEARCH"):
        raise InputError(
            "is a recording of an EyeLink, which is also called .edf", file=path, expected=_EXPECTED
        )
    if len(head) == _HEADER and head.startswith(b"\xffBIOSEMI"):
        return 3
    if len(head) == _HEADER and head[:8] == b"0       ":
        return 2
    raise InputError("does not begin like one", file=path, expected=_EXPECTED)


def _numbers(path: Path, head: bytes) -> tuple[int, int, float, int]:
    """Bytes of the header, records, seconds of a record, channels."""
    try:
        return int(head[184:192]), int(head[236:244]), float(head[244:252]), int(head[252:256])
    except ValueError:
        raise InputError(
            "is damaged: its header has letters where numbers belong", file=path, expected=_EXPECTED
        ) from None


def _columns(path: Path, text: bytes, n: int) -> dict[str, list[Any]]:
    """What the header says of each channel."""
    out: dict[str, list[Any]] = {}
    at = 0
    for name, width in _FIELDS:
        out[name] = [text[at + i * width : at + (i + 1) * width].strip().decode("latin-1") for i in range(n)]
        at += n * width
    try:
        out["samples"] = [int(word) for word in out["samples"]]
    except ValueError:
        raise InputError(
            "is damaged: its header has letters where numbers belong", file=path, expected=_EXPECTED
        ) from None
    return out


def _chosen(
    path: Path, columns: Mapping[str, Sequence[Any]], rates: NDArray[np.float64]
) -> tuple[list[int], dict[int, str]]:
    """Places of the channels in volts that share the commonest rate, and of the others with the reason."""
    labels, units = columns["label"], columns["unit"]
    signals = [i for i, label in enumerate(labels) if label not in _ANNOTATIONS]
    volts = [i for i in signals if units[i] in _VOLTS]
    if not volts:
        raise InputError(
            f"holds no channel in volts: the units are {', '.join(sorted(set(map(repr, units))))}",
            file=path,
            expected=f"channels in {', '.join(dict.fromkeys(('V', 'mV', 'uV')))}",
            remedy="write the unit into the file where it was exported",
        )
    counts = Counter(float(rates[i]) for i in volts)
    rate = max(counts, key=lambda r: (counts[r], r))
    chosen = [i for i in volts if float(rates[i]) == rate]
    repeated = sorted(name for name, k in Counter(labels[i] for i in signals).items() if k > 1)
    if repeated:
        raise InputError(f"channel names repeat: {', '.join(repeated[:5])}", file=path, remedy="rename them")
    others = {
        i: f"unit {units[i]!r}" if i not in volts else f"{rates[i]:g} Hz" for i in signals if i not in chosen
    }
    return chosen, others


def _raw(path: Path, width: int, exclude: Sequence[str]) -> Any:
    import mne

    ending = ".edf" if width == 2 else ".bdf"
    if path.suffix.lower() != ending:
        raise InputError(f"is not named *{ending}", file=path, remedy=f"rename it to {path.stem}{ending}")
    read = mne.io.read_raw_edf if width == 2 else mne.io.read_raw_bdf
    try:
        return read(path, exclude=list(exclude), stim_channel=None, preload=False, verbose="error")
    except (ValueError, AssertionError, NotImplementedError, RuntimeError, OSError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"cannot be read: {text}", file=path, expected=_EXPECTED) from None
