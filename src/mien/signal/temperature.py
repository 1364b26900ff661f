"""Skin temperature: level and slope, and where the sensor is not on skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.signal._body import (
    Array,
    Mask,
    commonest,
    decimated,
    one_channel,
    sample_means,
    stuck,
    thinned,
    without_gaps,
)

Floats = NDArray[np.float64]

RATE = 5.0
"""Samples a second that are kept."""
RANGE = (288.15, 315.15)
"""Temperature of skin in K: 15 to 42 degrees Celsius. Outside, the sensor is in the air or has no signal."""
STEEPEST = 0.5
"""Fastest change in K a second: a sensor that is put on or falls off."""
_STUCK_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Temperature:
    """Skin temperature in K at about 5 samples a second, where it means nothing, and why most often."""

    level: Floats
    lost: Mask
    rate: float
    fault: str


def skin_temperature(data: ArrayLike, rate: float) -> Temperature:
    """Skin temperature behind a filter.

    Parameters
    ----------
    data
        (times,) in K. All of a trial or recording.
    rate
        Samples per second.

    Returns
    -------
    Temperature
        ``lost`` where it is not finite, outside :data:`RANGE`, changes by more than 0.5 K a second or keeps
        exactly one value for a minute.
    """
    x = one_channel(data)
    step = max(round(rate), 1)
    with np.errstate(invalid="ignore"):
        moved = np.zeros(len(x), dtype=bool)
        if len(x) > step:
            fast = np.abs(x[step:] - x[:-step]) > STEEPEST * step / rate
            moved[step:] |= fast
            moved[:-step] |= fast
        reasons = {
            "no number": ~np.isfinite(x),
            "below 15 degrees Celsius (no signal, or not in K)": x < RANGE[0],
            "above 42 degrees Celsius (or not in K)": x > RANGE[1],
            "changes faster than skin does (sensor put on or lost)": moved,
            "stuck at one value": stuck(x, n_samples=max(round(_STUCK_SECONDS * rate), 3)),
        }
    bad = np.logical_or.reduce(list(reasons.values()))
    thin, low_rate = decimated(without_gaps(x, bad), rate, target=RATE)
    lost = thinned(bad, rate, low_rate)[: len(thin)]
    return Temperature(level=thin, lost=lost, rate=low_rate, fault=commonest(reasons))


def level_and_slope(found: Temperature, starts: Array, stops: Array) -> tuple[Floats, Floats, Floats]:
    """Mean in K, slope of the line of least squares in K a second, and the share that is not lost, of
    stretches in seconds; NaN where fewer than two samples are."""
    time = np.arange(len(found.level)) / found.rate
    # about the middle of the level and of time, so that nothing is lost to rounding
    middle = float(np.median(found.level[~found.lost])) if not found.lost.all() else 0.0
    x = found.level - middle
    parts = [sample_means(p, found.lost, found.rate, starts, stops)[0] for p in (x, time, time**2, time * x)]
    _, share = sample_means(x, found.lost, found.rate, starts, stops)
    mean, when, square, product = parts
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = square - when**2
        slope = np.where(spread > 1e-9, (product - mean * when) / spread, np.nan)
    return mean + middle, slope, share
