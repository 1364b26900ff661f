"""Skin temperature window by window: level and slope."""

from __future__ import annotations

import numpy as np

from mien.core import Features, Signal, registered
from mien.features import _body, _body_example
from mien.features._shared import Info
from mien.signal import temperature

INFO = Info(
    version="1",
    modality="skt",
    scope="recording",
    reaches="trial",
    unit="K (level); K/min (slope); share (quality)",
    released_unit="",
)
NAMES = ("level", "slope", "quality")


def default_stream(**options: object) -> str:
    """The first of two sensors."""
    return "skt_a"


@registered
def skt(signal: Signal, *, window_seconds: float = 10.0, stride_seconds: float = 10.0) -> Features:
    """Level and slope of skin temperature.

    Parameters
    ----------
    signal
        A whole trial of one channel (or one called ``skt``) in K.
    window_seconds, stride_seconds
        Length of a window and distance between two.

    Returns
    -------
    Features
        Axes window, feature: ``level`` (mean, K), ``slope`` (of the line of least squares, K a minute),
        ``quality`` (share of the window in which the sensor was on skin, see
        :func:`mien.signal.temperature.skin_temperature`). Where the quality is below 0.7 everything is NaN
        and the window is not valid.

    Raises
    ------
    InputError
        The unit is not ``"K"``.
    """
    _body.checked_unit(signal.unit, ("K",), what="skin temperature")
    x = _body.row(signal, "skt")
    starts = _body.windows(signal, window_seconds=window_seconds, stride_seconds=stride_seconds)
    found = temperature.skin_temperature(x, signal.rate)
    level, slope, quality = temperature.level_and_slope(found, starts, starts + window_seconds)
    good = quality >= _body.GOOD
    values = np.where(good[:, None], np.column_stack([level, slope * 60]), np.nan)
    return _body.of_one(
        values,
        quality,
        signal,
        why=found.fault,
        names=NAMES,
        starts=starts,
        window_seconds=window_seconds,
        extractor="skt",
        version=INFO.version,
    )


def example() -> Signal:
    """A made-up minute of skin temperature at 50 Hz."""
    return _body_example.made("skt", seconds=61.0)
