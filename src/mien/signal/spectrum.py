"""Power in frequency bands, window by window, and the entropy that goes with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core import n_windows, to_samples

Array = NDArray[Any]
Method = Literal["multitaper", "welch", "hann"]

METHODS = ("multitaper", "welch", "hann")
TIME_BANDWIDTH = 2.0
"""Half-bandwidth of the tapers in units of 1 / window length: 0.5 Hz for a window of 4 s."""
N_TAPERS = 3
"""Slepian tapers in use, ``2 * TIME_BANDWIDTH - 1``."""
_CHUNK_SAMPLES = 1 << 16
"""Samples worked on at a time: half a megabyte stays in the cache and is not asked of the system anew."""


def band_power(
    data: ArrayLike,
    *,
    rate: float,
    bands: Mapping[str, tuple[float, float]],
    window_seconds: float = 4.0,
    stride_seconds: float = 4.0,
    method: Method = "multitaper",
) -> NDArray[np.float64]:
    """Mean one-sided power spectral density of each band in each window.

    Parameters
    ----------
    data
        (channels, times).
    rate
        Samples per second.
    bands
        Name to ``(low, high)`` in Hz, half-open, inside ``[0, rate / 2]``.
    window_seconds, stride_seconds
        Length of a window and distance between two, both rounded to samples.
    method
        ``"multitaper"``: mean of the periodograms of three Slepian tapers (half-bandwidth 2 / window) over
        the whole window. ``"welch"``: mean of Hann-tapered periodograms of half-window segments that overlap
        by half. ``"hann"``: one Hann-tapered periodogram of the whole window. The mean of each window (of
        each segment) is taken off first.

    Returns
    -------
    ndarray
        float64 (windows, bands, channels), in unit² / Hz where ``data`` is in unit; times the width of the
        band it is the variance in the band. What is left over after the last whole window is not used. A
        window that holds a value that is not finite is NaN in that channel.

    Notes
    -----
    A Fourier bin stands for the frequencies nearer to it than to any other, ``[f - d/2, f + d/2)`` with
    ``d`` the distance between bins, cut at 0 and at half the rate. It counts in a band by the share of that
    stretch inside the band: a band edge on a bin gives half of it to either side. Bands that tile
    ``[0, rate / 2]`` therefore sum to the variance of the tapered window exactly.

    Thomson (1982), doi:10.1109/PROC.1982.12433; Welch (1967), doi:10.1109/TAU.1967.1161901.
    """
    array = np.asarray(data, dtype=np.float64)
    if array.ndim != 2:
        raise ValueError(f"data must be (channels, times), got shape {array.shape}")
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    edges = _band_edges(bands, rate)
    length, stride = to_samples(window_seconds, rate), to_samples(stride_seconds, rate)
    segment = max(length // 2, 1) if method == "welch" else length
    tapers = _slepian_tapers(length) if method == "multitaper" else _hann_taper(segment)
    hop = max(segment // 2, 1)
    first, weights = _bin_weights(edges, rate, segment)
    out = np.empty((n_windows(array.shape[1], length=length, stride=stride), len(edges), len(array)))
    mean = _BandMean(tapers, rate=rate, first=first, weights=weights)
    for channels, begin, windows in _chunks(array, length, stride):
        if segment == length:
            power = mean(windows)
        else:
            parts = np.lib.stride_tricks.sliding_window_view(windows, segment, axis=-1)[..., ::hop, :]
            power = mean(parts).mean(axis=-2)
        out[begin : begin + power.shape[1], :, channels] = np.moveaxis(power, 0, -1)
    return out


def differential_entropy(variance: ArrayLike) -> NDArray[np.float64]:
    """Entropy of a Gaussian signal of this variance, ``log2(2 pi e variance) / 2``, in bits.

    It is the variance that goes in, not the standard deviation. Its zero point is that of the unit: the same
    signal in volts has 19.93 bits less than in microvolts. A variance of zero gives minus infinity.

    Shi, Jiao and Lu (2013), doi:10.1109/EMBC.2013.6611075, equation 2 (there in nats).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return 0.5 * np.log2(2 * np.pi * np.e * np.asarray(variance, dtype=np.float64))


def flat(data: ArrayLike, *, rate: float, window_seconds: float, stride_seconds: float) -> NDArray[np.bool_]:
    """Whether a channel keeps one value through a whole window: (windows, channels) for (channels, times)."""
    array = np.asarray(data)
    length, stride = to_samples(window_seconds, rate), to_samples(stride_seconds, rate)
    out = np.zeros((n_windows(array.shape[1], length=length, stride=stride), len(array)), dtype=bool)
    for channels, begin, windows in _chunks(array, length, stride):
        ends_alike = (windows[..., 0] == windows[..., -1]) & (windows[..., 0] == windows[..., length // 2])
        for channel, window in np.argwhere(ends_alike):
            part = windows[channel, window]
            out[begin + window, channels.start + channel] = part.max() == part.min()
    return out


def _band_edges(bands: Mapping[str, tuple[float, float]], rate: float) -> Array:
    if not bands:
        raise ValueError("bands must name at least one band")
    for name, (low, high) in bands.items():
        if not 0 <= low < high <= rate / 2:
            raise ValueError(
                f"band {name!r} is {low}-{high} Hz; a band needs 0 <= low < high <= {rate / 2:g} Hz "
                f"(half the rate)"
            )
    return np.array(list(bands.values()), dtype=np.float64)


def _chunks(array: Array, length: int, stride: int) -> Iterator[tuple[slice, int, Array]]:
    """Some channels, number of the first window, and a view (those channels, some windows, length)."""
    n = n_windows(array.shape[1], length=length, stride=stride)
    if n == 0 or len(array) == 0:
        return
    windows = np.lib.stride_tricks.sliding_window_view(array, length, axis=-1)[:, ::stride]
    some_windows = min(n, max(1, _CHUNK_SAMPLES // length))
    some_channels = max(1, _CHUNK_SAMPLES // (some_windows * length))
    for channel in range(0, len(array), some_channels):
        channels = slice(channel, channel + some_channels)
        for begin in range(0, n, some_windows):
            yield channels, begin, windows[channels, begin : begin + some_windows]


class _BandMean:
    """Band means (…, bands) of the one-sided density of windows (…, times), averaged over unit-energy tapers.

    ``weights`` (bins, bands) begin at the bin ``first``. The memory is used again from call to call.
    """

    def __init__(self, tapers: Array, *, rate: float, first: int, weights: Array) -> None:
        self._tapers = tapers
        self._bins = slice(2 * first, 2 * (first + len(weights)))
        # real and imaginary parts lie side by side, both with the weight of their bin
        self._weights = np.repeat(weights, 2, axis=0) * (2.0 / (rate * len(tapers)))
        self._shape: tuple[int, ...] = ()

    def __call__(self, windows: Array) -> Array:
        if windows.shape != self._shape:
            self._make_room(windows.shape)
        with np.errstate(invalid="ignore", over="ignore"):
            np.subtract(windows, windows.mean(axis=-1, keepdims=True), out=self._centred)
            for number, taper in enumerate(self._tapers):
                np.multiply(self._centred, taper, out=self._tapered)
                np.fft.rfft(self._tapered, axis=-1, out=self._spectrum)
                parts = self._spectrum.view(np.float64)[..., self._bins]
                np.square(parts, out=self._power if number else self._total)
                if number:
                    self._total += self._power
            return np.asarray(self._total @ self._weights)

    def _make_room(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._centred, self._tapered = np.empty(shape), np.empty(shape)
        self._spectrum = np.empty((*shape[:-1], shape[-1] // 2 + 1), dtype=np.complex128)
        self._total, self._power = (np.empty((*shape[:-1], len(self._weights))) for _ in range(2))


@lru_cache(maxsize=16)
def _slepian_tapers(length: int) -> Array:
    from scipy.signal.windows import dpss

    if length <= 2 * TIME_BANDWIDTH:
        raise ValueError(f"a window of {length} samples is too short for {N_TAPERS} tapers")
    return np.asarray(dpss(length, TIME_BANDWIDTH, N_TAPERS))


@lru_cache(maxsize=16)
def _hann_taper(length: int) -> Array:
    from scipy.signal.windows import hann

    taper = hann(length, sym=False)
    return np.asarray(taper / np.sqrt(np.sum(taper**2)))[None]


def _bin_weights(edges: Array, rate: float, length: int) -> tuple[int, Array]:
    """First bin in use and weights (bins, bands) that turn densities into band means."""
    bins = np.arange(length // 2 + 1)
    lower = np.maximum((bins - 0.5) * rate / length, 0.0)
    upper = np.minimum((bins + 0.5) * rate / length, rate / 2)
    share = np.minimum(upper[:, None], edges[:, 1]) - np.maximum(lower[:, None], edges[:, 0])
    weights = np.maximum(share, 0.0) / (edges[:, 1] - edges[:, 0])
    used = np.flatnonzero(weights.any(axis=1))
    return int(used[0]), np.ascontiguousarray(weights[used[0] : used[-1] + 1])
