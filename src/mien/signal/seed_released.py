"""Band power as the public code of MAET takes it for SEED-VII, faults included."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.core import n_windows, to_samples

BANDS: dict[str, tuple[float, float]] = {
    "delta": (1.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 14.0),
    "beta": (14.0, 31.0),
    "gamma": (31.0, 49.0),
}
N_FFT = 256
SECONDS = 4.0
"""Length and stride of a window."""


def released_bins(rate: float) -> list[tuple[int, int]]:
    """First bin and bin after the last of each band; the first is -1 where the code takes an empty mean."""
    return [
        (int(np.floor(low / rate * N_FFT)) - 1, int(np.floor(high / rate * N_FFT)))
        for low, high in BANDS.values()
    ]


def released_psd(data: NDArray[np.floating], *, rate: float) -> NDArray[np.float64]:
    """Mean ``|FFT|²`` of each band, unscaled.

    The transform of a window of 800 samples has 256 points, so it sees only the first 1.28 s of 4 s, under
    the rising flank of the symmetric Hann window (10.7 % of its energy); each band starts one bin low, so
    neighbours share a bin and delta holds the mean; gamma ends at 49 Hz, not 50.

    Parameters
    ----------
    data
        (channels, times) in µV.
    rate
        Samples per second; the code was written for 200.

    Returns
    -------
    ndarray
        float64 (windows, bands, channels); NaN in a band that is empty at this rate.
    """
    array = np.asarray(data, dtype=np.float64)
    length = to_samples(SECONDS, rate)
    out = np.full((n_windows(array.shape[1], length=length, stride=length), len(BANDS), len(array)), np.nan)
    if out.size == 0:
        return out
    window = np.hanning(length)[:N_FFT]
    head = np.lib.stride_tricks.sliding_window_view(array, length, axis=-1)[:, ::length, : len(window)]
    with np.errstate(invalid="ignore", over="ignore"):
        power = np.abs(np.fft.rfft(head * window, n=N_FFT, axis=-1)) ** 2
    for number, (first, stop) in enumerate(released_bins(rate)):
        if first >= 0:
            out[:, number] = power[..., first:stop].mean(axis=-1).T
    return out
