"""Skin conductance window by window: level, responses, and the nerve bursts behind them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, Signal, registered
from mien.features import _body, _body_example
from mien.features._shared import Info
from mien.signal import electrodermal
from mien.signal._body import sample_means

INFO = Info(
    version="1",
    modality="eda",
    scope="recording",
    reaches="trial",
    unit="uS; uS/min (tonic_slope); 1 (scr_count, quality); s (scr_latency)",
    released_unit="",
)
MEASURES = ("tonic", "tonic_slope", "phasic", "drive", "scr_count", "scr_amplitude", "scr_latency")
NAMES = (*MEASURES, "quality")
LEAST_MICROSIEMENS = 0.02


@registered
def eda(
    signal: Signal,
    *,
    window_seconds: float = 10.0,
    stride_seconds: float = 10.0,
    least_microsiemens: float = LEAST_MICROSIEMENS,
) -> Features:
    """Tonic and phasic skin conductance and its responses.

    Parameters
    ----------
    signal
        A whole trial of one channel (or one called ``eda``), in S or ohm, told apart by its unit alone. It is
        taken apart once as a whole.
    window_seconds, stride_seconds
        Length of a window and distance between two.
    least_microsiemens
        Smallest rise that counts as a response, in µS.

    Returns
    -------
    Features
        Axes window, feature: ``tonic`` (mean, µS), ``tonic_slope`` (µS a minute), ``phasic`` (mean of its
        absolute value, µS), ``drive`` (mean, µS), ``scr_count`` and ``scr_amplitude`` (number of responses
        that begin in the window, and their rises added up, µS; 0 where there is none), ``scr_latency``
        (seconds from the window's start to the first of them, NaN where there is none), ``quality`` (share of
        the window that was measured). See :func:`mien.signal.electrodermal.take_apart`. Where the quality is
        below 0.7 everything is NaN and the window is not valid.

    Raises
    ------
    InputError
        The unit is neither ``"S"`` nor ``"ohm"``.
    """
    unit = _body.checked_unit(signal.unit, ("S", "ohm"), what="skin conductance")
    x = _body.siemens(_body.row(signal, "eda"), unit)
    starts = _body.windows(signal, window_seconds=window_seconds, stride_seconds=stride_seconds)
    parts = electrodermal.take_apart(x, signal.rate)
    values, quality = measures(parts, starts, window_seconds, least=least_microsiemens * 1e-6)
    return _body.of_one(
        values,
        quality,
        signal,
        why=parts.fault,
        names=NAMES,
        starts=starts,
        window_seconds=window_seconds,
        extractor="eda",
        version=INFO.version,
    )


def measures(
    parts: electrodermal.Conductance, starts: NDArray[np.float64], window_seconds: float, *, least: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(windows, :data:`MEASURES`), NaN where the share that was measured is below 0.7, and that share."""
    stops = starts + window_seconds
    time = np.arange(len(parts.tonic)) / parts.rate

    def mean(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return sample_means(x, parts.lost, parts.rate, starts, stops)[0]

    _, quality = sample_means(parts.tonic, parts.lost, parts.rate, starts, stops)
    middle = float(np.median(parts.tonic)) if len(parts.tonic) else 0.0
    tonic = parts.tonic - middle
    when = mean(time)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = (mean(tonic * time) - mean(tonic) * when) / (mean(time**2) - when**2)
    found = electrodermal.find_responses(parts, least=least)
    first, last = np.searchsorted(found.onsets, starts), np.searchsorted(found.onsets, stops)
    sums = np.concatenate([[0.0], np.cumsum(found.amplitudes)])
    onset = np.append(found.onsets, np.nan)[first]
    values = np.column_stack(
        [
            (mean(tonic) + middle) * 1e6,
            slope * 60e6,
            mean(np.abs(parts.phasic)) * 1e6,
            mean(parts.drive) * 1e6,
            last - first,
            (sums[last] - sums[first]) * 1e6,
            np.where(last > first, onset - starts, np.nan),
        ]
    )
    values[quality < _body.GOOD] = np.nan
    return values, quality


def example() -> Signal:
    """A made-up minute of skin conductance at 50 Hz."""
    return _body_example.made("eda", seconds=61.0)
