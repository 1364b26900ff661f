"""Segments of EEG as the notebook of Milmer makes them of DEAP's preprocessed files, faults included."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, InputError, Signal
from mien.features._shared import FeatureWarning, microvolts

Array = NDArray[Any]

CHANNELS = 32
RATE = 128.0
LENGTH = 384
"""Samples of a segment: 3 s."""
PASS = (1.0, 50.0)
"""Hz."""


def segments(signal: Signal, *, ica: bool = True) -> Features:
    """Segments of the trial after a reshape that mixes channels and times.

    The trial, (1, 32, n), is reshaped to (n, 32) where it had to be transposed. With n samples in each
    channel, time r of "channel" j then holds what stood at ``k = 32 * r + j`` of the trial, channel by
    channel: sample ``k % n`` of channel ``k // n``. A segment of 384 "times" is therefore 1.6 channels of a
    minute, in which 32 neighbouring samples stand side by side as if they were electrodes. This is filtered
    to 1-50 Hz at 128 Hz along the wrong times, taken apart by an ICA and put together again with nothing left
    out.

    Parameters
    ----------
    signal
        32 channels of EEG in volts, any multiple of 384 samples.
    ica
        The ICA, which costs seconds a trial and changes nothing beyond rounding. False leaves it out.

    Returns
    -------
    Features
        Axes window, channel ("p0" to "p31": they are no electrodes), time, in µV; starts and durations are
        those that the published code believed in. All windows are valid, as there was no such thing.
    """
    mixed = _filtered(scrambled(_checked(signal)))
    if ica:
        mixed = _taken_apart_and_put_together(mixed)
    n = mixed.shape[1] // LENGTH
    return Features(
        values=mixed.T.reshape(n, LENGTH, CHANNELS).swapaxes(1, 2).copy(),
        axes={
            "window": (),
            "channel": tuple(f"p{j}" for j in range(CHANNELS)),
            "time": tuple(map(str, range(LENGTH))),
        },
        starts=np.asarray(signal.start + np.arange(n) * (LENGTH / signal.rate), dtype=np.float64),
        durations=np.full(n, LENGTH / signal.rate),
        extractor="segments",
        version="1",
        valid=np.ones(n, dtype=bool),
    )


def scrambled(data: Array) -> Array:
    """The published reshape: (32, times) in, (32 pseudo-channels, times) out."""
    return data.reshape(-1, CHANNELS).T


def _checked(signal: Signal) -> Array:
    data = microvolts(signal)
    if len(data) != CHANNELS or data.shape[1] % LENGTH:
        raise InputError(
            f"{len(data)} channels of {data.shape[1]} samples",
            expected=f"{CHANNELS} channels and a multiple of {LENGTH} samples, as in DEAP's files",
            remedy="use recipe 'corrected'",
        )
    if not np.isfinite(data).all():
        raise InputError("values that are not finite", remedy="use recipe 'corrected', which marks them")
    if signal.rate != RATE:
        warnings.warn(
            f"the released recipe was written for {RATE:g} Hz and got {signal.rate:g} Hz; its filter takes "
            f"the samples for such at {RATE:g} Hz",
            FeatureWarning,
            stacklevel=3,
        )
    return data


def _filtered(data: Array) -> Array:
    """MNE's default filter: linear phase, forwards and backwards in one."""
    if data.shape[1] == 0:
        return data
    from mne.filter import filter_data

    low, high = PASS
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="filter_length")
        out: Array = filter_data(np.ascontiguousarray(data), RATE, low, high, verbose="error")
    return out


def _taken_apart_and_put_together(data: Array) -> Array:
    if data.shape[1] == 0:
        return data
    import mne
    from mne.preprocessing import ICA

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its many warnings none can be heeded here
        raw = mne.io.RawArray(data, mne.create_info(CHANNELS, RATE, "eeg"), verbose="error")
        made = ICA(n_components=CHANNELS, random_state=0, max_iter=1000, verbose="error")
        made.fit(raw, verbose="error")
        made.exclude = []
        out: Array = made.apply(raw, verbose="error").get_data()
    return out


def example_signal() -> Signal:
    """Nine seconds of noise in volts at 128 Hz, with 32 channels."""
    noise = np.random.default_rng(0).laplace(scale=1e-5, size=(CHANNELS, 3 * LENGTH))
    return Signal(data=noise, rate=RATE, channels=tuple(f"E{i}" for i in range(CHANNELS)))
