"""The power sequence as the EEG notebook of MEs-EEG makes it, faults included."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, InputError, Signal
from mien.features._shared import FeatureWarning, microvolts

Array = NDArray[Any]

BANDS: dict[str, tuple[float, float]] = {
    "delta": (1.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 13.0),
    "beta": (13.0, 30.0),
    "gamma": (30.0, 47.0),
}
_ORDER = """
FP1 FPZ FP2 AF3 AF4 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8 T7 C5 C3 C1 CZ C2 C4 C6 T8
M1 TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 M2 P7 P5 P3 P1 PZ P2 P4 P6 P8 PO7 PO5 PO3 POZ PO4 PO6 PO8 CB1 O1 OZ
"""
COLUMNS = tuple(_ORDER.split())
"""The 62 columns that were taken: with the mastoids M1 and M2, without O2 and CB2."""
REST = ("O2", "CB2", "HEO", "VEO", "EKG", "EMG")
"""What follows them in a recording."""
SECONDS = 40
N_FFT = 512
RATE = 1000.0


def power_sequence(signal: Signal) -> Features:
    """Mean two-sided density of each band in the first 512 samples of each of the last 40 seconds.

    The last 40 s, less one sample, are cut into 40 windows of one second and one sample. The transform has
    512 points, so that it sees the first 0.512 s of each. Bands take in both edges; there is no logarithm.
    Where there is no number (a trial that was cut short has windows without samples), the mean of all there
    are stands in, over seconds, channels and bands alike. A shorter signal begins with the first window.

    Returns
    -------
    Features
        Axes window (always 40, none for a signal of less than two samples), channel (:data:`COLUMNS`), band.
        All windows are valid, as there was no such thing.
    """
    data, step = _columns(signal), round(signal.rate)
    _check_rate(signal.rate)
    first = max(data.shape[1] - SECONDS * step, 0)
    part = data[:, first:-1]
    n = SECONDS if part.shape[1] else 0
    values = np.full((n, len(COLUMNS), len(BANDS)), np.nan)
    for second in range(n):
        window = part[:, second * step : (second + 1) * step + 1]
        if window.shape[1]:
            values[second] = _densities(window, signal.rate)
    numbers = np.isfinite(values)
    if n and numbers.any():
        values[~numbers] = values[numbers].mean()
    return Features(
        values=values,
        axes={"window": (), "channel": COLUMNS, "band": tuple(BANDS)},
        starts=np.asarray(signal.start + first / signal.rate + np.arange(n), dtype=np.float64),
        durations=np.ones(n),
        extractor="power_sequence",
        version="1",
        valid=np.ones(n, dtype=bool),
    )


def _densities(window: Array, rate: float) -> Array:
    """(channels, bands) of (channels, times)."""
    from scipy.signal import periodogram

    frequency, density = periodogram(window, rate, window="boxcar", nfft=N_FFT, return_onesided=False)
    inside = [(frequency >= low) & (frequency <= high) for low, high in BANDS.values()]
    return np.stack([density[:, band].mean(axis=1) for band in inside], axis=1)


def _columns(signal: Signal) -> Array:
    missing = [name for name in COLUMNS if name not in signal.channels]
    if missing:
        raise InputError(
            f"the signal has no channel {', '.join(missing)}",
            expected="the first 62 channels of a MEs-EEG recording, M1 and M2 among them",
            remedy='use the stream "raw_eeg_all", or recipe "corrected"',
        )
    return microvolts(signal)[[signal.channels.index(name) for name in COLUMNS]]


def _check_rate(rate: float) -> None:
    top = max(high for _, high in BANDS.values())
    if rate < 2 * top:
        raise InputError(f"the rate is {rate:g} Hz", expected=f"at least {2 * top:g} Hz")
    if rate != RATE:
        warnings.warn(
            f"the released recipe was written for {RATE:g} Hz and got {rate:g} Hz; its bins and the share "
            "of a second it sees move with it",
            FeatureWarning,
            stacklevel=3,
        )


def example_signal() -> Signal:
    """Nine seconds of noise in volts at 1000 Hz, with the channels of a MEs-EEG recording."""
    channels = (*COLUMNS, *REST)
    noise = np.random.default_rng(0).normal(scale=1e-5, size=(len(channels), 9000))
    return Signal(data=noise, rate=RATE, channels=channels)
