"""Which marker of one device is which marker of another, and what that says about their clocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core import Clock, InputError

Array = NDArray[np.float64]
_FEWEST_FOR_DRIFT = 4
"""Markers below which the speeds of the clocks are taken as equal: the slope would fit the jitter."""


def fit_clock(reference: ArrayLike, device: ArrayLike, *, drift: bool = True) -> Clock:
    """The clock that maps a device's times on the reference's, from markers that both have.

    Offset and drift are those of the Theil-Sen line (the median of the slopes of all pairs of markers, the
    median of what it leaves), so that up to 29 % of the markers may be wrong by any amount. With fewer than
    four markers the drift is 0.

    Parameters
    ----------
    reference, device
        Times (markers,) in seconds of the same markers.
    drift
        False: the clocks run at the same speed.

    Returns
    -------
    Clock
        ``reference = offset + (1 + drift) * device``; ``residual`` is the median distance of the markers from
        that in seconds, ``n_markers`` their number.

    Raises
    ------
    InputError
        There are no markers, or not as many of one as of the other.
    """
    ref, dev = np.asarray(reference, dtype=np.float64), np.asarray(device, dtype=np.float64)
    if ref.shape != dev.shape or ref.ndim != 1 or not len(ref):
        raise InputError(
            f"{ref.shape} and {dev.shape} times of markers",
            expected="two equal numbers of times, at least one",
        )
    # sought is the drift itself, far below 1, so that the slope's digits are not lost beside it
    difference = ref - dev
    slope = _slope(difference, dev) if drift and len(ref) >= _FEWEST_FOR_DRIFT else 0.0
    offset = float(np.median(difference - slope * dev))
    residual = float(np.median(np.abs(difference - slope * dev - offset)))
    return Clock(offset=offset, drift=slope, residual=residual, n_markers=len(ref))


def _slope(y: Array, x: Array) -> float:
    """Median slope of the lines through two points each."""
    first, second = np.triu_indices(len(x), k=1)
    apart = x[second] != x[first]
    first, second = first[apart], second[apart]
    return float(np.median((y[second] - y[first]) / (x[second] - x[first]))) if len(first) else 0.0


def match_markers(
    reference: ArrayLike,
    device: ArrayLike,
    *,
    reference_values: Sequence[Any] | None = None,
    device_values: Sequence[Any] | None = None,
    tolerance: float = 0.25,
    max_drift: float = 5e-4,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of markers that were given at the same moment, whatever the offset of the two clocks.

    The offset that most pairs agree on is found first. Under it, two markers are a pair if each is the
    nearest to the other; then the same again with the line through these pairs. Markers that one device lost,
    or has twice, stay without a partner.

    Parameters
    ----------
    reference, device
        Times of the markers in seconds, each on its own clock.
    reference_values, device_values
        What the markers say. Only markers that say the same are paired, unless the two have no value in
        common (each device numbers them in its own way); then times alone decide.
    tolerance
        Seconds by which the markers of a pair may disagree in the end.
    max_drift
        Largest difference of the clocks' speeds: how far pairs may move apart over the recording.

    Returns
    -------
    two integer arrays of equal length
        Positions in ``reference``, increasing, and in ``device``.

    Raises
    ------
    InputError
        Two offsets explain the markers equally well (evenly spaced markers, of which some were lost).
    """
    ref, dev = np.asarray(reference, dtype=np.float64), np.asarray(device, dtype=np.float64)
    alike = _alike(len(ref), len(dev), reference_values, device_values)
    if not alike.any():
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    middle = float(np.median(dev))
    reach = tolerance + max_drift * float(np.ptp(dev)) / 2
    difference = ref[:, None] - dev
    offset = _commonest(np.sort(difference[alike]), reach)
    pairs = _mutual(np.abs(difference - offset), alike, reach)
    if len(pairs[0]):
        found = fit_clock(ref[pairs[0]], dev[pairs[1]] - middle)
        pairs = _mutual(
            np.abs(difference + middle - found.offset - found.drift * (dev - middle)), alike, tolerance
        )
    return pairs


def _alike(
    n_reference: int, n_device: int, left: Sequence[Any] | None, right: Sequence[Any] | None
) -> NDArray[np.bool_]:
    """Which markers (reference, device) may be a pair by what they say."""
    if left is None or right is None or not set(left) & set(right):
        return np.ones((n_reference, n_device), dtype=bool)
    known = {value: number for number, value in enumerate(dict.fromkeys([*left, *right]))}
    a, b = (np.array([known[v] for v in values], dtype=np.intp) for values in (left, right))
    return np.asarray(a[:, None] == b)


def _commonest(differences: Array, reach: float) -> float:
    """The offset with most differences within ``reach`` of it; differences are sorted."""
    counts = np.searchsorted(differences, differences + 2 * reach, side="right") - np.arange(len(differences))
    best = int(np.argmax(counts))
    low = differences[best]
    inside = differences[best : best + counts[best]]
    elsewhere = (differences > low + 4 * reach) | (differences < low - 2 * reach)
    rival = int(np.argmax(np.where(elsewhere, counts, 0)))
    if elsewhere.any() and counts[rival] >= counts[best] > 1:
        raise InputError(
            f"the markers of two devices agree as well with an offset of {np.median(inside):.3f} s as with "
            f"{differences[rival]:.3f} s ({counts[best]} pairs each)",
            expected="markers whose spacing or values tell them apart",
            remedy="give markers with different values, or the start time of both devices",
        )
    return float(np.median(inside))


def _mutual(
    error: Array, alike: NDArray[np.bool_], limit: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of which each is the other's nearest, no farther than ``limit``."""
    cost = np.where(alike & (error <= limit), error, np.inf)
    partner = cost.argmin(axis=1)
    rows = np.arange(len(cost))
    good = np.isfinite(cost[rows, partner]) & (cost.argmin(axis=0)[partner] == rows)
    return rows[good], partner[good]
