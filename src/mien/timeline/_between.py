"""The line of a clock through markers of which it is known between which two moments each was given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_SOFT = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)
"""Seconds (standard deviations) by which the bounds themselves may be off: samples of the reference, and
frames that are timed less well next to a change of their rate. Which it is, the markers tell."""
_WRONG, _FAR = 0.02, 0.05
"""Share of the markers that may be wrong, by up to so many seconds to either side."""
_SIDE = 31
"""Offsets, and drifts, that are tried at a time."""
_ROUNDS = 3
"""Each looks more closely at where the one before found the line."""
_MOST = 400
"""Markers that are looked at, evenly chosen: gaps of 10 ms then tell a line to a tenth of a millisecond."""


def line_between(
    difference: Array, device: Array, half: Array, *, offset: float, drift: float
) -> tuple[float, float]:
    """Offset and drift of a clock: the mean of all lines, each as likely as it makes the markers.

    A marker that lies anywhere between two frames says nothing about where between them, so that distances
    from the middle are not errors to be averaged: what counts is which lines pass through all the gaps. The
    lines that do shrink with the number of markers, the error of a line through the middles only with its
    root.

    Parameters
    ----------
    difference
        (markers,) reference less device, in seconds.
    device
        (markers,) on the device's clock: midway between the two moments.
    half
        (markers,) half of the time between these.
    offset, drift
        Of a line near the one that is sought.
    """
    if len(device) > _MOST:
        chosen = np.linspace(0, len(device) - 1, _MOST).astype(int)
        difference, device, half = difference[chosen], device[chosen], half[chosen]
    middle = float(device.mean())
    reach = float(np.abs(device - middle).max())
    if not reach > 0:
        return offset, drift
    along = (device - middle) / reach
    centre = np.array([offset + drift * middle, drift * reach])
    away = np.full(2, 2 * float(np.median(half)) + _SOFT[2])
    steps = np.linspace(-1, 1, _SIDE)
    for _ in range(_ROUNDS):
        levels, tilts = (c + a * steps for c, a in zip(centre, away, strict=True))
        off = difference - levels[:, None, None] - tilts[:, None] * along
        says = np.stack([_likely(off, half, soft) for soft in _SOFT])
        weight = np.exp(says - says.max()).sum(axis=0)
        weight /= weight.sum()
        of_level, of_tilt = weight.sum(axis=1), weight.sum(axis=0)
        centre = np.array([of_level @ levels, of_tilt @ tilts])
        spread = np.array([of_level @ (levels - centre[0]) ** 2, of_tilt @ (tilts - centre[1]) ** 2])
        away = np.maximum(5 * np.sqrt(spread), 1e-6)
    slope = float(centre[1]) / reach
    return float(centre[0]) - slope * middle, slope


def _likely(off: Array, half: Array, soft: float) -> Array:
    """Log-likelihood of lines: markers anywhere within ``half``, the bounds blurred by ``soft``, some of them
    wrong."""
    from scipy.special import ndtr

    inside = (ndtr((off + half) / soft) - ndtr((off - half) / soft)) / (2 * half)
    found: Array = np.log((1 - _WRONG) * inside + _WRONG / (2 * _FAR)).sum(axis=-1)
    return found
