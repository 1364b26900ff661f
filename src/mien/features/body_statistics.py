"""Simple statistics of slow signals of the body: skin conductance, breath, pulse, temperature, muscles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, InputError, Signal, n_windows, registered, to_samples
from mien.features._shared import Info, assemble

Array = NDArray[Any]

STATISTICS = ("mean", "sd", "first_difference", "second_difference", "slope", "log_variance_of_difference")

INFO = Info(
    version="1",
    modality="peripheral",
    scope="none",
    reaches="window",
    unit="the channel's; 1/s of it (slope); ln of its square (log variance)",
    released_unit="",
)


@registered
def body_statistics(signal: Signal, *, window_seconds: float = 3.0, stride_seconds: float = 3.0) -> Features:
    """Six statistics of each channel in each window.

    Parameters
    ----------
    signal
        Channels of any unit, also of different ones ("mixed").
    window_seconds, stride_seconds
        Length of a window, at least three samples, and distance between two.

    Returns
    -------
    Features
        Axes window, channel, statistic:

        - ``mean`` and ``sd`` (divided by n - 1) of the samples x;
        - ``first_difference``, the mean of ``|x[i+1] - x[i]|``;
        - ``second_difference``, the mean of ``|x[i+2] - x[i]|``;
        - ``slope`` of the straight line of least squares, per second;
        - ``log_variance_of_difference``, the natural logarithm of the variance of ``x[i+1] - x[i]``.

        Differences are taken from sample to sample, so that their size depends on the rate. A channel with a
        value in a window that is not finite is NaN there. Where the difference does not vary (a channel that
        keeps one value) its logarithm is NaN; the other statistics of such a channel are true: a temperature
        may well stay what it is for 3 s. A window is not valid if the signal is not valid in it or more than
        half of its values are NaN.

    Notes
    -----
    The first four are those of Picard, Vyzas and Healey (2001), doi:10.1109/34.954607, without their division
    of the differences by the sd.
    """
    length, stride = (to_samples(seconds, signal.rate) for seconds in (window_seconds, stride_seconds))
    if length < 3:
        raise InputError(
            f"a window of {window_seconds:g} s has {length} samples at {signal.rate:g} Hz",
            expected="at least 3 samples",
            remedy="use longer windows",
        )
    data = np.asarray(signal.data, dtype=np.float64)
    values = np.empty((n_windows(signal.n_times, length=length, stride=stride), len(data), len(STATISTICS)))
    for number, start in enumerate(range(0, stride * len(values), stride)):
        values[number] = _statistics(data[:, start : start + length], signal.rate)
    return assemble(
        values,
        signal,
        axes={"channel": signal.channels, "statistic": STATISTICS},
        window_seconds=window_seconds,
        stride_seconds=stride_seconds,
        extractor="body_statistics",
        version=INFO.version,
    )


def _statistics(x: Array, rate: float) -> Array:
    """(channels, statistics) of one window (channels, times)."""
    time = (np.arange(x.shape[1]) - (x.shape[1] - 1) / 2) / rate
    x = np.where(np.isfinite(x).all(axis=1, keepdims=True), x, np.nan)
    mean = x.mean(axis=1)
    step = np.diff(x, axis=1)
    variance = step.var(axis=1, ddof=1)
    # differences of rounded numbers that climb evenly vary by their rounding only
    varies = variance > (4 * np.finfo(float).eps * np.abs(x).max(axis=1)) ** 2
    return np.stack(
        [
            mean,
            x.std(axis=1, ddof=1),
            np.abs(step).mean(axis=1),
            np.abs(x[:, 2:] - x[:, :-2]).mean(axis=1),
            (x - mean[:, None]) @ time / (time @ time),
            np.log(np.where(varies, variance, np.nan)),
        ],
        axis=1,
    )


def example() -> Signal:
    """Nine seconds of eight made-up signals at 128 Hz that wander."""
    steps = np.random.default_rng(0).normal(size=(8, 9 * 128))
    names = ("hEOG", "vEOG", "zEMG", "tEMG", "GSR", "Resp", "Plet", "Temp")
    return Signal(data=steps.cumsum(axis=1), rate=128.0, channels=names, unit="mixed")
