"""EEG features as the public code of MAET makes them for SEED-VII, faults included.

What differs from the paper stands at :func:`mien.signal.seed_released.released_psd`; on top of it, the
entropy is ``log2(100 * power)`` and not that of a Gaussian.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, InputError, Signal
from mien.features import _eeg
from mien.features._shared import FeatureWarning, microvolts
from mien.signal.seed_released import BANDS, SECONDS, released_bins, released_psd

Array = NDArray[Any]

RATE = 200.0
VERSION = "1"


def psd(signal: Signal) -> Features:
    """Mean ``|FFT|²`` of each band in µV², unscaled."""
    return _features(_power(signal), signal, "psd")


def de(signal: Signal) -> Features:
    """``log2(100 * psd)``; NaN where there is no power."""
    return _features(_entropy(signal), signal, "de")


def de_lds(signal: Signal) -> Features:
    """:func:`de` smoothed over the clip, with the clip's mean as the first state."""
    values = _entropy(signal)
    every_window = np.ones(len(values), dtype=bool)
    return _features(_eeg.smoothed(values, every_window, causal=False), signal, "de_lds")


def _power(signal: Signal) -> Array:
    data = microvolts(signal)
    _check_rate(signal.rate)
    return released_psd(data, rate=signal.rate)


def _check_rate(rate: float) -> None:
    top = max(high for _, high in BANDS.values())
    if rate < 2 * top:
        raise InputError(
            f"the rate is {rate:g} Hz",
            expected=f"at least {2 * top:g} Hz for a band up to {top:g} Hz",
            remedy="use recipe 'corrected' with bands that the rate allows",
        )
    if rate != RATE:
        empty = [name for name, (first, _) in zip(BANDS, released_bins(rate), strict=True) if first < 0]
        warnings.warn(
            f"the released recipe was written for {RATE:g} Hz and got {rate:g} Hz; its bands move with it"
            + (f" and {', '.join(empty)} is empty (NaN)" if empty else "")
            + ". Resample first, or use recipe 'corrected'",
            FeatureWarning,
            stacklevel=2,
        )


def _entropy(signal: Signal) -> Array:
    with np.errstate(divide="ignore"):
        return _eeg.numbers(np.log2(100 * _power(signal)))


def _features(values: Array, signal: Signal, extractor: str) -> Features:
    return _eeg.features(
        values,
        signal,
        bands=BANDS,
        window_seconds=SECONDS,
        stride_seconds=SECONDS,
        extractor=extractor,
        version=VERSION,
    )
