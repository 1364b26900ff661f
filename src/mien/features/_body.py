"""What the features of the body share: rows of a signal with their units, windows, and what is warned of."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, InputError, Signal, n_windows, to_samples
from mien.features._shared import FeatureWarning, signal_valid

Array = NDArray[Any]
Floats = NDArray[np.float64]

KINDS = ("ecg", "ppg", "eda", "rsp", "skt", "emg")
NO_BEATS = "nothing that looks like beats or breaths (lead off, or noise)"
GOOD = 0.7
"""Least share of a window that must have been measured for its values to be given."""


def windows(
    signal: Signal,
    *,
    window_seconds: float,
    stride_seconds: float,
    skip: float = 0.0,
    leave: float = 0.0,
    last_only: bool = False,
) -> Floats:
    """Seconds from a signal's first sample to each window; the first begins after ``skip``, and the last ends
    before the last ``leave`` seconds. ``last_only``: one window that ends where these begin."""
    length, stride = (to_samples(seconds, signal.rate) for seconds in (window_seconds, stride_seconds))
    first, rest = to_samples(skip, signal.rate), to_samples(leave, signal.rate)
    n = n_windows(max(signal.n_times - first - rest, 0), length=length, stride=stride)
    if last_only and n:
        return np.full(1, (signal.n_times - rest - length) / signal.rate)
    return np.asarray((first + np.arange(n) * stride) / signal.rate, dtype=np.float64)


def row(signal: Signal, kind: str) -> Array:
    """The only channel of a signal, or the one that is called after its kind.

    Raises
    ------
    InputError
        There are several and none has that name.
    """
    if len(signal.channels) == 1:
        return signal.data[0]
    named = [name for name in signal.channels if name.lower() == kind]
    if len(named) != 1:
        raise InputError(
            f"the signal has the channels {', '.join(signal.channels)}",
            expected=f"one channel, or one called {kind!r}",
            remedy="choose the stream of that channel alone, or use body_windows, which takes all at once",
        )
    return signal.data[signal.channels.index(named[0])]


def checked_unit(unit: str, allowed: Iterable[str], *, what: str) -> str:
    """A unit that is one of some; nothing is guessed from values.

    Raises
    ------
    InputError
        It is another.
    """
    allowed = tuple(allowed)
    if unit not in allowed:
        raise InputError(
            f"{what} comes in the unit {unit!r}",
            expected=" or ".join(map(repr, allowed)),
            remedy="say which unit it is where the file is read; it is never guessed from the values",
        )
    return unit


def not_negative(**seconds: float) -> None:
    """Refuse an option that is less than nothing."""
    for name, value in seconds.items():
        if not value >= 0:
            raise InputError(f"option {name!r} is {value:g}", expected="0 or more")


def siemens(x: Array, unit: str) -> Floats:
    """Skin conductance in S from conductance or resistance; not finite where a resistance is not above 0."""
    x = np.asarray(x, dtype=np.float64)
    if unit == "S":
        return x
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(x > 0, 1.0 / x, np.nan)


def finished(
    values: Floats,
    signal: Signal,
    *,
    names: tuple[str, ...],
    starts: Floats,
    window_seconds: float,
    good: NDArray[np.bool_],
    extractor: str,
    version: str,
) -> Features:
    """Features (window, feature); a window is valid if ``good`` and the signal is valid all through it."""
    length = to_samples(window_seconds, signal.rate)
    values = np.where(np.isfinite(values), values, np.nan)
    return Features(
        values=values,
        axes={"window": (), "feature": names},
        starts=np.asarray(signal.start + starts, dtype=np.float64),
        durations=np.full(len(starts), length / signal.rate),
        extractor=extractor,
        version=version,
        valid=good & all_valid(signal, starts, length),
    )


def of_one(
    values: Floats,
    quality: Floats,
    signal: Signal,
    *,
    why: str,
    names: tuple[str, ...],
    starts: Floats,
    window_seconds: float,
    extractor: str,
    version: str,
    channel: str | None = None,
    good: NDArray[np.bool_] | None = None,
) -> Features:
    """Features of one channel, its quality the last; what is bad, for the reason ``why``, is warned of by the
    channel's name (by default the extractor's) and not valid. ``good``: by default enough quality."""
    good = quality >= GOOD if good is None else good
    if (fault := fault_of(np.where(good, quality, 0.0), why)) is not None:
        warn({channel or extractor: fault})
    return finished(
        np.column_stack([values, quality]),
        signal,
        names=names,
        starts=starts,
        window_seconds=window_seconds,
        good=good,
        extractor=extractor,
        version=version,
    )


def all_valid(signal: Signal, starts: Floats, length: int) -> NDArray[np.bool_]:
    """Whether a signal is valid all through windows of ``length`` samples that start at some seconds."""
    if signal.valid is None or not len(starts):
        return np.ones(len(starts), dtype=bool)
    every = signal_valid(signal, length=length, stride=1)
    return every[np.rint(starts * signal.rate).astype(np.intp)]


def warn(faults: Mapping[str, str]) -> None:
    """One warning that names each channel and what is wrong with it."""
    if faults:
        text = "; ".join(f"{channel!r}: {fault}" for channel, fault in faults.items())
        warnings.warn(f"{text}. What was made of it there is NaN", FeatureWarning, stacklevel=3)


def fault_of(quality: Floats, why: str) -> str | None:
    """What is wrong with a channel that is bad in some windows, in words; None where it is good in all."""
    bad = ~(quality >= GOOD)
    if not bad.any():
        return None
    return f"{why or NO_BEATS}, in {'all' if bad.all() else 'some'} windows"
