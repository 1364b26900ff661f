"""What the EEG band features share: bands, power per window, smoothing, a made-up signal."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, Signal
from mien.features._shared import FeatureWarning, assemble, outside, volts
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


class BandOptions:
    """The options of every feature of EEG bands; ``psd`` has their page."""

    def __init__(
        self,
        *,
        bands: Bands = BANDS,
        window_seconds: float = 4.0,
        stride_seconds: float = 4.0,
        method: Method = "multitaper",
    ) -> None:
        self.bands, self.method = bands, method
        self.cut = {"window_seconds": window_seconds, "stride_seconds": stride_seconds}

    def psd(self, signal: Signal) -> Array:
        """Mean density of each band (windows, bands, channels) in µV²/Hz, NaN for a flat or lost channel.

        A band that earlier filtering took out of the signal is a :class:`FeatureWarning`.
        """
        data = volts(signal)
        power = 1e12 * band_power(data, rate=signal.rate, bands=self.bands, method=self.method, **self.cut)
        if signal.band is not None and (faults := outside(self.bands, signal.band)):
            warnings.warn("; ".join(faults), FeatureWarning, stacklevel=2)
        dead = flat(data, rate=signal.rate, **self.cut)
        power[np.broadcast_to(dead[:, None, :], power.shape)] = np.nan
        return power

    def entropy(self, signal: Signal) -> Array:
        """Gaussian differential entropy in bits of the variance in each band (windows, bands, channels)."""
        widths = np.array([high - low for low, high in self.bands.values()])
        return numbers(differential_entropy(self.psd(signal) * widths[:, None]))

    def features(self, values: Array, signal: Signal, *, extractor: str, version: str) -> Features:
        """Features (window, band, channel) from values."""
        return features(values, signal, bands=self.bands, extractor=extractor, version=version, **self.cut)


def with_band_options(make: Callable[..., Features]) -> Callable[..., Features]:
    """Turn a function of a signal and :class:`BandOptions` into a feature that has all these options."""
    first, _, *own = inspect.signature(make).parameters.values()
    names = [p.name for p in own]

    @functools.wraps(make)
    def feature(signal: Signal, **options: Any) -> Features:
        mine = {name: options.pop(name) for name in names if name in options}
        return make(signal, BandOptions(**options), **mine)

    parameters = [first, *inspect.signature(BandOptions).parameters.values(), *own]
    feature.__signature__ = inspect.Signature(parameters, return_annotation=Features)  # type: ignore[attr-defined]
    return feature


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
