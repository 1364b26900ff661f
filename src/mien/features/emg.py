"""Muscle activity window by window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, Signal, registered
from mien.features import _body, _body_example
from mien.features._shared import Info, volts
from mien.signal import muscle
from mien.signal._body import sample_means

INFO = Info(
    version="1",
    modality="emg",
    scope="recording",
    reaches="trial",
    unit="ln(uV); share (quality)",
    released_unit="",
)
MEASURES = ("envelope", "envelope_sd", "envelope_peak")
NAMES = (*MEASURES, "quality")


def default_stream(**options: object) -> str:
    """The first of two pairs of electrodes."""
    return "emg_a"


@registered
def emg(signal: Signal, *, window_seconds: float = 10.0, stride_seconds: float = 10.0) -> Features:
    """Level, spread and peak of the envelope of muscle activity.

    Parameters
    ----------
    signal
        A whole trial of one channel (or one called ``emg``) in V.
    window_seconds, stride_seconds
        Length of a window and distance between two.

    Returns
    -------
    Features
        Axes window, feature: of the natural logarithm of the envelope in µV (root mean square of 20-450 Hz in
        blocks of 50 ms, :func:`mien.signal.muscle.envelope`) the mean ``envelope``, the standard deviation
        ``envelope_sd`` and the largest value ``envelope_peak``; ``quality`` (share of the window that was
        measured). Where the quality is below 0.7 everything is NaN and the window is not valid.

    Raises
    ------
    InputError
        The unit is not ``"V"``.
    """
    x = volts(signal)[0] if len(signal.channels) == 1 else _body.row(signal, "emg")
    starts = _body.windows(signal, window_seconds=window_seconds, stride_seconds=stride_seconds)
    found = muscle.envelope(x, signal.rate)
    values, quality = measures(found, starts, window_seconds)
    return _body.of_one(
        values,
        quality,
        signal,
        why=found.fault,
        names=NAMES,
        starts=starts,
        window_seconds=window_seconds,
        extractor="emg",
        version=INFO.version,
    )


def measures(
    found: muscle.Envelope, starts: NDArray[np.float64], window_seconds: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(windows, :data:`MEASURES`), NaN where the share that was measured is below 0.7, and that share."""
    stops = starts + window_seconds
    with np.errstate(divide="ignore"):
        x = np.log(found.level * 1e6)
    lost = found.lost | ~np.isfinite(x)
    mean, quality = sample_means(x, lost, found.rate, starts, stops)
    square, _ = sample_means(np.where(lost, 0.0, x) ** 2, lost, found.rate, starts, stops)
    peak = np.full(len(starts), np.nan)
    for number, (a, b) in enumerate(np.rint(np.stack([starts, stops], axis=1) * found.rate).astype(int)):
        part = x[a:b][~lost[a:b]]
        peak[number] = part.max() if len(part) else np.nan
    values = np.column_stack([mean, np.sqrt(np.maximum(square - mean**2, 0)), peak])
    values[quality < _body.GOOD] = np.nan
    return values, quality


def example() -> Signal:
    """A made-up minute of muscle activity at 250 Hz."""
    return _body_example.made("emg", seconds=61.0)
