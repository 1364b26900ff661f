"""Steps applied in order to a recording in memory or on disk, and the record of what each found."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError, Signal, Span, Stream, to_samples
from mien.signal.cleaning._chain import Chain, Filter
from mien.signal.cleaning._work import Array, Outcome, Work, blocks, spread_segments
from mien.signal.cleaning.filters import HighPass, LowPass, Notch
from mien.signal.cleaning.ica import ICA
from mien.signal.cleaning.montage import positions
from mien.signal.cleaning.resample import Resample
from mien.signal.cleaning.steps import DEFAULT, Step, name_of, parameters_of

VERSION = "2"
"""Part of the key of every cleaned recording in a store: what another version made is not used again.

To be raised with any change after which the same recording and the same steps give other samples, other bad
channels or other components: in the steps (:mod:`mien.signal.cleaning`), in the defaults of their parameters,
in the order in which this file applies them, in what it hands them of other channels. Not for a change of the
record's words, of the page, or of speed alone.
"""
CHAIN_SECONDS = 120.0
"""Seconds of the recording that are filtered at a time; what the kernels reach comes on top."""
_SPECTRUM_SECONDS, _SPECTRUM_MOST = 10.0, 600.0
Read = Callable[[int, int], Array]


@dataclass(frozen=True, kw_only=True, eq=False)
class Cleaned:
    """A cleaned recording.

    Attributes
    ----------
    signal
        EEG channels in the order they came in, float32 volts (a read-only memory map if it lies in a file).
    record
        JSON-ready: the steps with parameters, what each found, versions of the packages. The same input gives
        the same record.
    arrays
        What the page shows: spectra, component maps, probabilities; named in docs/cleaning.md.
    """

    signal: Signal
    record: Mapping[str, Any]
    arrays: Mapping[str, Array]

    def save(self, folder: str | Path) -> Path:
        """Write ``cleaning.json`` and ``cleaning.npz`` into a folder, which is made if need be."""
        from mien.signal.cleaning._save import save

        return save(folder, self.record, self.arrays)


def clean(
    signal: Signal,
    steps: Sequence[Step] = DEFAULT,
    *,
    extras: Signal | Sequence[Signal] | Sequence[str] = (),
    on_step: Callable[[str], None] | None = None,
) -> Cleaned:
    """Clean a recording that is in memory. Cut it into clips afterwards, never before.

    Parameters
    ----------
    signal
        EEG in volts, continuous, with 10-10 channel names. It is not changed.
    steps
        What to do, in order.
    extras
        Channels that are not EEG (EOG, ECG, mastoids): names of channels of ``signal``, or signals of the
        same rate and length. They are filtered alongside, help to tell components apart and may serve as the
        reference; they are not part of the result.
    on_step
        Called with the name of each step before it starts.

    Returns
    -------
    Cleaned

    Raises
    ------
    InputError
        The unit is not V, a sample is not finite, a channel has no known place, a step does not fit the rate.
    """
    names, others = _sort_out(extras, Signal)
    for other in others:
        if (other.rate, other.n_times) != (signal.rate, signal.n_times):
            raise InputError(
                f"the extras {', '.join(other.channels)} have {other.n_times} samples at {other.rate:g} Hz",
                expected=f"{signal.n_times} at {signal.rate:g} Hz, like the signal",
            )
    source = _Source.of(
        signal.channels,
        names,
        [other.channels for other in others],
        reads=[_rows_of(part.data) for part in (signal, *others)],
        n_times=signal.n_times,
        rate=signal.rate,
        unit=signal.unit,
    )
    work, record, arrays = _run(source, steps, signal.valid, _in_memory, on_step)
    done = Signal(
        data=work.data, rate=work.rate, channels=work.channels, start=signal.start, valid=work.valid
    )
    return Cleaned(signal=done, record=record, arrays=arrays)


def clean_stream(
    stream: Stream,
    steps: Sequence[Step] = DEFAULT,
    *,
    out: str | Path,
    extras: Stream | Sequence[Stream] | Sequence[str] = (),
    span: Span | None = None,
    on_step: Callable[[str], None] | None = None,
) -> Cleaned:
    """Clean a recording that is on disk, without ever holding it whole at its own rate.

    Parameters
    ----------
    stream, extras
        As for :func:`clean`, read block by block: once for the first filters, and ten minutes of it once more
        for its spectrum.
    out
        ``.npy`` file for the result, float32 (channels, times); it appears whole or not at all.
    span
        Part of the recording to clean; all of it by default.

    Returns
    -------
    Cleaned
        The same numbers as from :func:`clean`, in a memory map of ``out``.

    Raises
    ------
    InputError
        As for :func:`clean`, or the streams differ in rate, or cannot be read.
    """
    span = stream.span if span is None else span
    names, others = _sort_out(extras, Stream)
    for other in others:
        if other.rate != stream.rate:
            raise InputError(
                f"stream {other.name!r} has {other.rate:g} Hz",
                expected=f"{stream.rate:g} Hz, like {stream.name!r}",
            )
    source = _Source.of(
        stream.channels,
        names,
        [other.channels for other in others],
        reads=[_reader(part, span) for part in (stream, *others)],
        n_times=to_samples(span.duration, stream.rate),
        rate=stream.rate,
        unit=stream.unit,
    )
    out = Path(out)
    with _on_disk(out) as new_array:
        work, record, arrays = _run(source, steps, None, new_array, on_step)
        _keep(work.data, out)
    data = np.load(out, mmap_mode="r")
    done = Signal(data=data, rate=work.rate, channels=work.channels, start=span.start)
    return Cleaned(signal=done, record=record, arrays=arrays)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Source:
    """A recording to read from: EEG rows first, then extras."""

    read: Read
    channels: tuple[str, ...]
    extra_channels: tuple[str, ...]
    n_times: int
    rate: float

    @classmethod
    def of(
        cls,
        channels: tuple[str, ...],
        extras: tuple[str, ...],
        others: Sequence[tuple[str, ...]],
        *,
        reads: Sequence[Read],
        n_times: int,
        rate: float,
        unit: str,
    ) -> _Source:
        if unit != "V":
            raise InputError(
                f"the recording's unit is {unit!r}",
                expected="'V'",
                remedy="set the unit where the file is read",
            )
        missing = [name for name in extras if name not in channels]
        if missing:
            raise InputError(
                f"extras {', '.join(missing)} are not there", expected=f"some of {', '.join(channels)}"
            )
        eeg = tuple(name for name in channels if name not in extras)
        names = (*eeg, *extras, *(name for part in others for name in part))
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"{', '.join(twice)} are given more than once", expected="EEG or extra, once")
        if not eeg or n_times < 2:
            raise InputError(
                f"{len(eeg)} EEG channels of {n_times} samples",
                expected="at least one channel of two samples",
            )
        order = [channels.index(name) for name in (*eeg, *extras)]
        first, *rest = reads

        def read(start: int, stop: int) -> Array:
            parts = [np.asarray(first(start, stop))[order], *(np.asarray(r(start, stop)) for r in rest)]
            data = np.concatenate(parts, dtype=np.float64)
            _require_finite(data, names, start / rate)
            return data

        return cls(read=read, channels=eeg, extra_channels=names[len(eeg) :], n_times=n_times, rate=rate)


def _sort_out(extras: Any, kind: type[Any]) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """Extras that are names of channels, and those that are recordings of their own."""
    if isinstance(extras, kind):
        return (), (extras,)
    extras = (extras,) if isinstance(extras, str) else tuple(extras)
    if all(isinstance(item, str) for item in extras):
        return extras, ()
    if all(isinstance(item, kind) for item in extras):
        return (), extras
    raise InputError("extras are of the wrong kind", expected=f"names of channels, or {kind.__name__}s")


def _require_finite(data: Array, names: Sequence[str], seconds: float) -> None:
    lost = np.flatnonzero(~np.isfinite(data).all(axis=1))
    if len(lost):
        which = [names[int(i)] for i in lost]
        raise InputError(
            f"channels {', '.join(which[:8])} hold samples that are not numbers, from {seconds:g} s on",
            expected="finite samples all through",
            remedy="clean the stretches between the gaps one by one, or leave these channels out",
        )


def _reader(stream: Stream, span: Span) -> Read:
    def read(start: int, stop: int) -> Array:
        part = stream.read(
            Span(start=span.start + start / stream.rate, duration=(stop - start) / stream.rate)
        ).data
        if part.shape[1] != stop - start:
            raise InputError(
                f"stream {stream.name!r} gave {part.shape[1]} samples at {start / stream.rate:g} s",
                expected=f"{stop - start}",
            )
        return part

    return read


def _run(
    source: _Source,
    steps: Sequence[Step],
    valid: NDArray[np.bool_] | None,
    new_array: Callable[[tuple[int, int]], Array],
    on_step: Callable[[str], None] | None,
) -> tuple[Work, dict[str, Any], dict[str, Array]]:
    positions(source.channels)  # names are checked before anything long starts
    names = [name_of(step) for step in steps]
    arrays: dict[str, Array] = {"positions": positions(source.channels)}
    _add_spectrum(arrays, "raw", source.read, source.n_times, source.rate, len(source.channels))
    work: Work | None = None
    entries: list[dict[str, Any]] = []
    at = 0
    while at < len(steps) or work is None:
        group = _filters(steps[at:])
        for name in names[at : at + max(len(group), 1)]:
            if on_step is not None:
                on_step(name)
        if work is None:
            work, outcomes = _first(source, group, valid, new_array)
        elif group:
            work, outcomes = _filtered(work, group)
        else:
            step = steps[at]
            if isinstance(step, ICA):
                _add_spectrum(arrays, "before_ica", _rows_of(work.data), work.n_times, work.rate)
            outcome = step.run(work)  # type: ignore[union-attr]
            work, outcomes, group = outcome.work, [outcome], [step]  # type: ignore[list-item]
        for outcome in outcomes:
            entries.append(_entry(steps[at], outcome))
            arrays.update({_array_name(names, at, key): value for key, value in outcome.arrays.items()})
            at += 1
    _add_spectrum(arrays, "cleaned", _rows_of(work.data), work.n_times, work.rate)
    return work, _record(source, work, entries), arrays


def _filters(steps: Sequence[Step]) -> list[Filter]:
    """The filters that come first, up to and with the first change of rate."""
    out: list[Filter] = []
    for step in steps:
        if not isinstance(step, HighPass | LowPass | Notch | Resample):
            break
        out.append(step)
        if isinstance(step, Resample):
            break
    return out


def _first(
    source: _Source,
    group: Sequence[Filter],
    valid: NDArray[np.bool_] | None,
    new_array: Callable[[tuple[int, int]], Array],
) -> tuple[Work, list[Outcome]]:
    """Read the recording through the filters that come first, if any, into arrays of our own."""
    n, rows = len(source.channels), len(source.channels) + len(source.extra_channels)
    work = Work(
        data=np.empty((n, 0), np.float32), extra=np.empty((rows - n, 0), np.float32), rate=source.rate,
        channels=source.channels, extra_channels=source.extra_channels, valid=valid, rank=n,
        new_array=new_array,
    )  # fmt: skip
    if not group:
        data, extra = new_array((n, source.n_times)), np.empty((rows - n, source.n_times), np.float32)
        for part in blocks(source.n_times, source.rate):
            block = source.read(part.start, part.stop)
            data[:, part], extra[:, part] = block[:n], block[n:]
        return replace(work, data=data, extra=extra), []
    chain = _chain(group, source.rate, source.n_times)
    powers = np.zeros((len(chain.kernels), 2, rows))
    data, extra = new_array((n, chain.n_out)), np.empty((rows - n, chain.n_out), np.float32)
    for part, block in chain.run(source.read, block=int(CHAIN_SECONDS * source.rate), powers=powers):
        data[:, part], extra[:, part] = block[:n], block[n:]
    work = replace(work, data=data, extra=extra)
    return _after(work, group, chain, powers[..., :n])


def _filtered(work: Work, group: Sequence[Filter]) -> tuple[Work, list[Outcome]]:
    """Filter what earlier steps left, a channel at a time."""
    chain = _chain(group, work.rate, work.n_times)
    n = len(work.channels)
    powers = np.zeros((len(chain.kernels), 2, n))
    same = chain.n_out == work.n_times and chain.poly is None
    data = work.data if same else work.new_array((n, chain.n_out))
    extra = work.extra if same else np.empty((len(work.extra), chain.n_out), np.float32)
    for old, new, sums in ((work.data, data, powers), (work.extra, extra, None)):
        for row in range(len(old)):
            read = _rows_of(old[row : row + 1].astype(np.float64))
            of_row = None if sums is None else sums[..., row : row + 1]
            for part, block in chain.run(read, block=int(CHAIN_SECONDS * work.rate), powers=of_row):
                new[row, part] = block[0]
    return _after(replace(work, data=data, extra=extra), group, chain, powers)


def _chain(group: Sequence[Filter], rate: float, n_times: int) -> Chain:
    try:
        return Chain.of(group, rate=rate, n_in=n_times)
    except ValueError as error:
        raise InputError(f"cleaning does not fit a recording of {rate:g} Hz: {error}") from error


def _after(work: Work, group: Sequence[Filter], chain: Chain, powers: Array) -> tuple[Work, list[Outcome]]:
    """What each filter of a chain did."""
    outcomes = []
    # (kernels, channels); a row of zeros has lost nothing
    kept = np.divide(powers[:, 1], powers[:, 0], out=np.ones_like(powers[:, 0]), where=powers[:, 0] > 0)
    kernels = iter(zip(chain.kernels, np.median(100 * np.clip(1 - kept, 0, 1), axis=1), strict=True))
    for step in group:
        if isinstance(step, Resample):
            work = _at_new_rate(work, step, chain)
            found = {"up": chain.up, "down": chain.down, "samples": work.n_times}
            taps = 0 if chain.poly is None else len(chain.poly)
            outcomes.append(Outcome(work=work, found={**found, "taps": taps}, percent=100.0 * (taps > 0)))
            continue
        kernel, percent = next(kernels)
        facts: dict[str, Any] = {"taps": len(kernel), "seconds": len(kernel) / work.rate}
        if isinstance(step, HighPass):
            work = replace(work, low=max(work.low or 0.0, step.cutoff))
            facts["half_gain_hz"] = step.cutoff - step.width / 2
        elif isinstance(step, LowPass):
            facts["half_gain_hz"] = step.cutoff + step.width(work.rate) / 2
            work = replace(work, high=min(work.high or np.inf, step.cutoff))
        else:
            facts["frequencies_hz"] = list(step.frequencies(work.rate))
        outcomes.append(Outcome(work=work, found=facts, percent=float(percent)))
    return work, outcomes


def _at_new_rate(work: Work, step: Resample, chain: Chain) -> Work:
    valid = work.valid
    if valid is not None:
        nearest = np.arange(chain.n_out) * chain.down / chain.up
        valid = valid[np.minimum(np.floor(nearest + 0.5).astype(int), chain.n_in - 1)]
    high = work.high
    if chain.poly is not None and step.rate < work.rate:
        high = min(high or np.inf, 0.45 * step.rate)
    return replace(work, rate=float(step.rate), valid=valid, high=high)


def _rows_of(data: Array) -> Read:
    return lambda start, stop: data[:, start:stop]


def _add_spectrum(
    arrays: dict[str, Array], name: str, read: Read, n_times: int, rate: float, rows: int | None = None
) -> None:
    """Mean power spectral density of every channel, in V² / Hz, from segments over the whole recording."""
    from scipy.signal import welch

    total: Any = 0.0
    parts = spread_segments(n_times, rate, seconds=_SPECTRUM_SECONDS, most=_SPECTRUM_MOST)
    for part in parts:
        x = np.asarray(read(part.start, part.stop), dtype=np.float64)[:rows]
        frequency, density = welch(x, fs=rate, nperseg=min(int(2 * rate), x.shape[1]), axis=1)
        total = total + density / len(parts)
    arrays[f"frequency_{name}"], arrays[f"density_{name}"] = frequency, total


_PERCENT_OF = {
    "bad_channels": "channels",
    "interpolate": "channels",
    "resample": "samples",
    "burst_repair": "samples",
}
"""What a step's percentage is a share of; power for all others (median over channels for filters)."""


def _entry(step: Step, outcome: Outcome) -> dict[str, Any]:
    name = name_of(step)
    return {
        "step": name,
        "parameters": parameters_of(step),
        "found": dict(outcome.found),
        "percent": round(outcome.percent, 4),
        "percent_of": _PERCENT_OF.get(name, "power"),
        "rank": outcome.work.rank,
        "notes": list(outcome.notes),
    }


def _array_name(names: Sequence[str], at: int, key: str) -> str:
    """``ica.maps``; ``ica_2.maps`` for the second step of that name."""
    before = names[:at].count(names[at])
    return f"{names[at]}.{key}" if not before else f"{names[at]}_{before + 1}.{key}"


def _record(source: _Source, work: Work, entries: list[dict[str, Any]]) -> dict[str, Any]:
    from importlib.metadata import version

    packages = ("mien", "numpy", "scipy", "mne", "python-picard", "mne-icalabel", "onnxruntime")
    return {
        "version": VERSION,
        "scope": "recording",
        "channels": list(work.channels),
        "extras": list(work.extra_channels),
        "seconds": source.n_times / source.rate,
        "rate_before": source.rate,
        "rate": work.rate,
        "samples": work.n_times,
        "band_hz": [work.low, work.high],
        "reference": work.reference,
        "rank": work.rank,
        "bad": list(work.bad),
        "interpolated": list(work.interpolated),
        "steps": entries,
        "versions": {name: version(name) for name in packages},
    }


def _in_memory(shape: tuple[int, int]) -> Array:
    return np.empty(shape, np.float32)


@contextmanager
def _on_disk(out: Path) -> Iterator[Callable[[tuple[int, int]], Array]]:
    """A maker of arrays in files beside ``out``, which are gone afterwards."""
    out.parent.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    numbers = count()

    def new(shape: tuple[int, int]) -> Array:
        path = out.with_name(f".{out.name}.{os.getpid()}.{next(numbers)}.part")
        made.append(path)
        return np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)

    try:
        yield new
    finally:
        for path in made:
            path.unlink(missing_ok=True)


def _keep(data: Any, out: Path) -> None:
    """Give the file under a memory map its name."""
    data.flush()
    os.replace(data.filename, out)
