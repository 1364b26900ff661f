"""Breath window by window: rate, depth, and how even."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, Signal, registered
from mien.features import _body, _body_example
from mien.features._shared import Info
from mien.signal import respiration
from mien.signal._body import covered

INFO = Info(
    version="1",
    modality="rsp",
    scope="recording",
    reaches="trial",
    unit="1/min (rate); the signal's (depth); s (period_sd); 1 (depth_cv, inspiration, quality)",
    released_unit="",
)
MEASURES = ("rate", "depth", "period_sd", "depth_cv", "inspiration")
NAMES = (*MEASURES, "quality")


@registered
def rsp(signal: Signal, *, window_seconds: float = 30.0, stride_seconds: float = 30.0) -> Features:
    """Rate and depth of breath and their variability.

    Parameters
    ----------
    signal
        A whole trial of one channel (or one called ``rsp``) of a belt, inspiration upwards, in any unit.
    window_seconds, stride_seconds
        Length of a window and distance between two. Breaths are found once in the whole signal.

    Returns
    -------
    Features
        Axes window, feature: ``rate`` (breaths a minute) and ``depth`` (from trough to peak, in the unit of
        the signal), means over the window's time; ``period_sd`` (standard deviation of the times from breath
        to breath, s), ``depth_cv`` (that of the depths, by their mean) and ``inspiration`` (share of a breath
        that goes in) over the breaths that end in the window: NaN of fewer than three; ``quality`` (share of
        the window that believed breaths cover). Where the quality is below 0.7 everything is NaN and the
        window is not valid.
    """
    x = _body.row(signal, "rsp")
    starts = _body.windows(signal, window_seconds=window_seconds, stride_seconds=stride_seconds)
    breaths = respiration.find_breaths(x, signal.rate)
    values, quality = measures(breaths, starts, window_seconds)
    return _body.of_one(
        values,
        quality,
        signal,
        why=breaths.fault,
        names=NAMES,
        starts=starts,
        window_seconds=window_seconds,
        extractor="rsp",
        version=INFO.version,
    )


def measures(
    breaths: respiration.Breaths, starts: NDArray[np.float64], window_seconds: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(windows, :data:`MEASURES`), NaN where believed breaths cover less than 0.7, and the share covered."""
    stops = starts + window_seconds
    edges, seconds, depths = respiration.cycles(breaths)
    values = np.full((len(starts), len(MEASURES)), np.nan)
    if not len(seconds):
        return values, np.zeros(len(starts))
    values[:, 0], quality = covered(edges, 60 / seconds, starts, stops)
    values[:, 1], _ = covered(edges, depths, starts, stops)
    into = np.where(np.isfinite(seconds), (edges[1:] - breaths.troughs[1:]) / seconds, np.nan)
    first = np.searchsorted(edges[1:], starts)
    last = np.searchsorted(edges[1:], stops)
    for number, (a, b) in enumerate(zip(first, last, strict=True)):
        fine = np.isfinite(seconds[a:b])
        if fine.sum() >= 3:
            values[number, 2] = seconds[a:b][fine].std(ddof=1)
            values[number, 3] = depths[a:b][fine].std(ddof=1) / depths[a:b][fine].mean()
            values[number, 4] = into[a:b][fine].mean()
    values[quality < _body.GOOD] = np.nan
    return values, quality


def example() -> Signal:
    """A made-up minute of breath at 50 Hz."""
    return _body_example.made("rsp", seconds=61.0)
