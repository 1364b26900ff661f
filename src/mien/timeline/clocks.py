"""Which marker of one device is which marker of another, and what that says about their clocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core import Clock, InputError
from mien.timeline._between import line_between

Array = NDArray[np.float64]
FEWEST_FOR_DRIFT = 4
"""Markers below which the speeds of the clocks are taken as equal: the slope would fit the jitter."""
_MOST_SLOPES = 2_000_000
"""Pairs of markers whose slopes are looked at, which all are up to 2000 markers."""
_MOST_DIFFERENCES = 4_000_000
"""Pairs of markers, one of each device, among which the offset is sought: all, up to 2000 of each."""
_STRETCHES = (1 / 2, 1 / 4, 3 / 4, 1 / 8, 5 / 8, 3 / 8, 7 / 8)
"""Where the offset is sought in turn when there are more."""


def fit_clock(
    reference: ArrayLike, device: ArrayLike, *, drift: bool = True, within: ArrayLike | None = None
) -> Clock:
    """The clock that maps a device's times on the reference's, from markers that both have.

    Offset and drift are those of the Theil-Sen line (the median of the slopes of all pairs of markers, the
    median of what it leaves), so that up to 29 % of the markers may be wrong by any amount. With fewer than
    four markers the drift is 0. Of more than 2000 markers, two million pairs that lie far apart are taken,
    evenly chosen, the same ones whenever it is called.

    Where markers are only known to lie between two moments (``within``), as those of a camera between two
    frames, that line is the first guess, and the result the mean of all lines, weighted by how likely they
    make the markers: each anywhere in its gap, up to a few of them wrong. Of 50 markers that is twice as
    exact.

    Parameters
    ----------
    reference, device
        Times (markers,) in seconds of the same markers.
    drift
        False: the clocks run at the same speed.
    within
        (markers,) seconds to either side within which each marker was given; None, or 0 anywhere: not known.

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
    slope = _slope(difference, dev) if drift and len(ref) >= FEWEST_FOR_DRIFT else 0.0
    offset = float(np.median(difference - slope * dev))
    half = None if within is None else np.asarray(within, dtype=np.float64)
    if half is not None and drift and len(ref) >= FEWEST_FOR_DRIFT and (half > 0).all():
        offset, slope = line_between(difference, dev, half, offset=offset, drift=slope)
    residual = float(np.median(np.abs(difference - slope * dev - offset)))
    return Clock(offset=offset, drift=slope, residual=residual, n_markers=len(ref))


def _slope(y: Array, x: Array) -> float:
    """Median slope of the lines through two points each."""
    y, x, lags = _in_pairs(y, x)
    slopes = []
    for lag in lags:
        run = x[lag:] - x[:-lag]
        apart = run != 0
        slopes.append((y[lag:] - y[:-lag])[apart] / run[apart])
    found = np.concatenate(slopes)
    return float(np.median(found)) if len(found) else 0.0


def _in_pairs(y: Array, x: Array) -> tuple[Array, Array, list[int]]:
    """The points in order of ``x``, and how far apart in it the two points of a pair are."""
    n = len(x)
    if n * (n - 1) // 2 <= _MOST_SLOPES:
        return y, x, list(range(1, n))
    order = np.argsort(x, kind="stable")
    # pairs that lie a quarter of the points apart or more: the others add little but the noise of the markers
    lags = np.linspace(n // 4, n - 1, max(1, 2 * _MOST_SLOPES // n)).astype(int)
    return y[order], x[order], sorted(set(lags.tolist()))


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

    Of more than some 2000 markers (with values: of more than four million pairs that say the same) the offset
    is sought in a short stretch of the device's, and the line is followed from there outwards; where that
    leads to markers that do not agree, in up to six other stretches. Time and memory then grow with the
    number of markers, not with its square.

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
        Two offsets explain the markers equally well (evenly spaced markers, of which some were lost, or so
        many that only a stretch of them is looked at).
    """
    ref, dev = np.asarray(reference, dtype=np.float64), np.asarray(device, dtype=np.float64)
    codes = _codes(len(ref), len(dev), reference_values, device_values)
    kinds = max((int(c.max(initial=-1)) for c in codes), default=-1) + 1
    alike = np.bincount(codes[0], minlength=kinds)[codes[1]]  # of each device marker
    nothing = np.empty(0, dtype=np.intp)
    if not alike.any():
        return nothing, nothing
    if alike.sum() <= _MOST_DIFFERENCES:
        everything = np.arange(len(dev))
        return _followed(ref, dev, codes, [everything, everything], tolerance=tolerance, max_drift=max_drift)
    best, score, refused = (nothing, nothing), 0.0, None
    for where in _STRETCHES:
        regions = _regions(dev, alike, where, tolerance=tolerance, max_drift=max_drift)
        try:
            pairs = _followed(ref, dev, codes, regions, tolerance=tolerance, max_drift=max_drift)
        except InputError as fault:
            refused = fault
            continue
        agreement, good = _agreement(ref, dev, pairs, tolerance)
        if agreement > score:
            best, score = pairs, agreement
        if good:
            break
    if refused is not None and not len(best[0]):
        raise refused
    return best


def _codes(
    n_reference: int, n_device: int, left: Sequence[Any] | None, right: Sequence[Any] | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """What the markers say as numbers; all the same where the two devices share nothing they say."""
    if left is None or right is None or not set(left) & set(right):
        return np.zeros(n_reference, dtype=np.intp), np.zeros(n_device, dtype=np.intp)
    known = {value: number for number, value in enumerate(dict.fromkeys([*left, *right]))}
    a, b = (np.array([known[v] for v in values], dtype=np.intp) for values in (left, right))
    return a, b


def _regions(
    dev: Array, alike: NDArray[np.intp], where: float, *, tolerance: float, max_drift: float
) -> list[NDArray[np.intp]]:
    """Device markers around a share ``where`` of them: a few, then twice the time, and so on to all.

    The first are so few that their pairs can be looked at one by one, and so near one another that the clocks
    do not part by more than the tolerance.
    """
    order = np.argsort(dev, kind="stable")
    times = dev[order]
    middle = times[min(int(where * len(dev)), len(dev) - 1)]
    away = np.abs(times - middle)
    nearest = np.argsort(away, kind="stable")
    enough = int(np.searchsorted(np.cumsum(alike[order][nearest]), _MOST_DIFFERENCES, side="right"))
    radius = float(away[nearest[max(enough, 1) - 1]])
    if max_drift > 0:
        radius = min(radius, tolerance / max_drift)
    found = [order[nearest[: max(1, min(enough, int((away <= radius).sum())))]]]
    reach = float(away[nearest[-1]])
    while radius < reach:
        radius = max(2 * radius, reach * 1e-6)
        found.append(order[away <= radius])
    return [*found, np.arange(len(dev)), np.arange(len(dev))]


def _followed(
    ref: Array,
    dev: Array,
    codes: tuple[NDArray[np.intp], NDArray[np.intp]],
    regions: Sequence[NDArray[np.intp]],
    *,
    tolerance: float,
    max_drift: float,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs in the last region: those of the first by the commonest offset, those of any other by the line
    through the pairs of the one before."""
    first = regions[0]
    middle = float(np.median(dev[first]))
    reach = tolerance + max_drift * float(np.ptp(dev[first])) / 2
    offset = _commonest(np.sort(_differences(ref, dev[first], codes[0], codes[1][first])), reach)
    if offset is None:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    line, limit = Clock(offset=offset + middle), reach
    for region in regions:
        expected = line.offset + (1 + line.drift) * (dev[region] - middle)
        rows, partner = _mutual(ref, expected, codes[0], codes[1][region], limit)
        pairs = rows, region[partner]
        if not len(rows):
            break
        line, limit = fit_clock(ref[pairs[0]], dev[pairs[1]] - middle), tolerance
    return pairs


def _agreement(
    ref: Array, dev: Array, pairs: tuple[NDArray[np.intp], NDArray[np.intp]], tolerance: float
) -> tuple[float, bool]:
    """How many markers agree and how well, and whether chance would hardly do as much.

    Of markers closer together than the tolerance, most find some partner, half a tolerance away on average.
    """
    if not len(pairs[0]):
        return 0.0, False
    clock = fit_clock(ref[pairs[0]], dev[pairs[1]])
    error = np.abs(ref[pairs[0]] - clock.offset - (1 + clock.drift) * dev[pairs[1]])
    good = 2 * len(error) >= min(len(ref), len(dev)) and clock.residual <= tolerance / 4
    return float(np.maximum(1 - error / tolerance, 0).sum()), bool(good)


def _differences(ref: Array, dev: Array, of_ref: NDArray[np.intp], of_dev: NDArray[np.intp]) -> Array:
    """Reference less device of every two markers that say the same."""
    order = np.argsort(of_ref, kind="stable")
    start, stop = (np.searchsorted(of_ref[order], of_dev, side=side) for side in ("left", "right"))
    count = stop - start
    # the places start, start + 1, … stop of every device marker, one behind the other
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return ref[order[np.repeat(start, count) + step]] - np.repeat(dev, count)


def _commonest(differences: Array, reach: float) -> float | None:
    """The offset with most differences within ``reach`` of it; differences are sorted. None of none.

    Where two offsets have as many, that of them which has clearly more of them closer to it.
    """
    if not len(differences):
        return None
    inside, n_inside, rival, n_rival = _two_best(differences, reach)
    if n_inside == 1 or n_rival < n_inside:
        return inside
    for closer in (reach / 4, reach / 16):
        finer, n_finer, _, n_other = _two_best(differences, closer)
        if n_other + _CLEARLY * np.sqrt(n_finer) <= n_finer:
            return finer
    raise InputError(
        f"the markers of two devices agree as well with an offset of {inside:.3f} s as with "
        f"{rival:.3f} s ({n_inside} pairs each)",
        expected="markers whose spacing or values tell them apart",
        remedy="give markers with different values, or the start time of both devices",
    )


_CLEARLY = 3.0
"""Standard deviations of a count: of markers at even times with some jitter, chance puts a few more of one
offset's pairs close together than of another's."""


def _two_best(differences: Array, reach: float) -> tuple[float, int, float, int]:
    """The offset with most of the sorted differences within ``reach``, how many; the next one elsewhere."""
    counts = np.searchsorted(differences, differences + 2 * reach, side="right") - np.arange(len(differences))
    best = int(np.argmax(counts))
    low = differences[best]
    elsewhere = np.where((differences > low + 4 * reach) | (differences < low - 2 * reach), counts, 0)
    rival = int(np.argmax(elsewhere))
    inside = differences[best : best + counts[best]]
    return float(np.median(inside)), int(counts[best]), float(differences[rival]), int(elsewhere[rival])


def _mutual(
    ref: Array, expected: Array, of_ref: NDArray[np.intp], of_dev: NDArray[np.intp], limit: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of which each is the other's nearest among those that say the same, no farther than ``limit``."""
    partner, error = _nearest(ref, expected, of_ref, of_dev)
    back, _ = _nearest(expected, ref, of_dev, of_ref)
    rows = np.flatnonzero(error <= limit)
    rows = rows[back[partner[rows]] == rows]
    return rows, partner[rows]


def _nearest(
    times: Array, others: Array, of_times: NDArray[np.intp], of_others: NDArray[np.intp]
) -> tuple[NDArray[np.intp], Array]:
    """Of each time, which of the others of the same code is nearest, the first of equals, and how far.

    Where there is none, it is infinitely far.
    """
    n, m = len(times), len(others)
    error = np.full(n, np.inf)
    nearest = np.zeros(n, dtype=np.intp)
    if not m:
        return nearest, error
    order = np.lexsort((others, of_others))
    sorted_time, sorted_code = others[order], of_others[order]
    # the place at which each time would stand among the others, before those that are equal
    together = np.lexsort(
        (
            np.concatenate([np.zeros(n), np.ones(m)]),
            np.concatenate([times, others]),
            np.concatenate([of_times, of_others]),
        )
    )
    place = np.empty(n + m, dtype=np.intp)
    place[together] = np.cumsum(together >= n)
    after = place[:n]
    repeats = np.zeros(m, dtype=bool)
    repeats[1:] = (sorted_time[1:] == sorted_time[:-1]) & (sorted_code[1:] == sorted_code[:-1])
    first_of_equals = np.maximum.accumulate(np.where(repeats, 0, np.arange(m)))
    for at in (first_of_equals[np.maximum(after - 1, 0)], np.minimum(after, m - 1)):
        here = np.where(sorted_code[at] == of_times, np.abs(times - sorted_time[at]), np.inf)
        closer = (here < error) | ((here == error) & (order[at] < nearest))
        nearest, error = np.where(closer, order[at], nearest), np.where(closer, here, error)
    return nearest, error
