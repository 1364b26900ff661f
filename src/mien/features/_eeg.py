"""What the EEG band features share: bands, power per window, smoothing, a made-up signal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, Signal
from mien.features._shared import assemble, microvolts
from mien.signal import band_power, differential_entropy, flat, lds_smooth
from mien.signal.spectrum import Method

Array = NDArray[Any]
Bands = Mapping[str, tuple[float, float]]

BANDS: Bands = {
    "delta": (1.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 14.0),
    "beta": (14.0, 31.0),
    "gamma": (31.0, 50.0),
}
"""The five bands of the SEED family as its paper and page give them, in Hz."""


def band_psd(
    signal: Signal, *, bands: Bands, window_seconds: float, stride_seconds: float, method: Method
) -> Array:
    """Mean density of each band (windows, bands, channels) in µV²/Hz; NaN where a channel is flat or lost."""
    data = microvolts(signal)
    cut = {"rate": signal.rate, "window_seconds": window_seconds, "stride_seconds": stride_seconds}
    power = band_power(data, bands=bands, method=method, **cut)
    power[np.broadcast_to(flat(data, **cut)[:, None, :], power.shape)] = np.nan
    return power


def entropy(power: Array, bands: Bands) -> Array:
    """Gaussian differential entropy in bits of the variance in each band (windows, bands, channels)."""
    widths = np.array([high - low for low, high in bands.values()])
    return numbers(differential_entropy(power * widths[:, None]))


def numbers(values: Array) -> Array:
    """The values with NaN for whatever is not finite (the logarithm of no power is no measurement)."""
    return np.where(np.isfinite(values), values, np.nan)


def smoothed(values: Array, use: NDArray[np.bool_], *, causal: bool) -> Array:
    """LDS along the windows; windows not in ``use`` take no part, and what was NaN stays NaN."""
    taken = np.where(use[:, None, None], values, np.nan)
    return np.where(np.isfinite(taken), lds_smooth(taken, causal=causal), np.nan)


def features(
    values: Array,
    signal: Signal,
    *,
    bands: Bands,
    window_seconds: float,
    stride_seconds: float,
    extractor: str,
    version: str,
) -> Features:
    """Features (window, band, channel) from values."""
    return assemble(
        values,
        signal,
        axes={"band": tuple(bands), "channel": signal.channels},
        window_seconds=window_seconds,
        stride_seconds=stride_seconds,
        extractor=extractor,
        version=version,
    )


def example_signal() -> Signal:
    """Three channels of noise, 13 s at 200 Hz, in volts."""
    noise = np.random.default_rng(0).normal(scale=1e-5, size=(3, 2600))
    return Signal(data=noise, rate=200.0, channels=("FP1", "CZ", "O2"))
