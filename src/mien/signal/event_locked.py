"""What a measure does around events: pieces of its course, cut at the same distance from each."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core import InputError

Array = NDArray[np.float64]


def event_locked(
    times: ArrayLike,
    values: ArrayLike,
    events: ArrayLike,
    *,
    window: tuple[float, float] = (-2.0, 8.0),
    rate: float = 4.0,
    baseline: tuple[float, float] | None = (-2.0, -0.5),
    gap: float = 2.5,
) -> tuple[Array, Array]:
    """The course of a measure around each of some events.

    Between two values of the course the straight line is taken, never across a hole: where the course has no
    value within ``gap`` seconds, or one that is NaN, the piece is NaN.

    Parameters
    ----------
    times
        (n,) seconds, strictly increasing, at any distances; on the clock of ``events``.
    values
        (n,) in any unit; NaN where the measure means nothing.
    events
        (events,) seconds: the moment, such as an apex, that becomes time 0.
    window
        First and last second around it.
    rate
        Values per second of the pieces.
    baseline
        Seconds of which the mean is taken off each piece; a piece without any value in it is NaN throughout.
        None: nothing is taken off.
    gap
        Largest distance in seconds of two values of the course between which there is a line.

    Returns
    -------
    pieces
        float64 (events, times), in the unit of the values.
    lags
        float64 (times,): seconds after the event.

    Raises
    ------
    InputError
        The arrays do not fit, the times do not increase, or the baseline lies outside the window.
    """
    at, course = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
    moments = np.asarray(events, dtype=np.float64)
    lags = lags_of(window, rate)
    if at.shape != course.shape or at.ndim != 1 or moments.ndim != 1:
        raise InputError(
            f"a course of {at.shape} times and {course.shape} values, {moments.shape} events",
            expected="as many times as values, in one row each",
        )
    if not (np.isfinite(at).all() and (np.diff(at) > 0).all()):
        raise InputError("times of a course do not increase", expected="seconds, strictly increasing")
    pieces = _between(at, course, moments[:, None] + lags, gap)
    if baseline is None:
        return pieces, lags
    rest = (lags >= baseline[0] - 1e-9) & (lags <= baseline[1] + 1e-9)
    if not rest.any():
        raise InputError(
            f"no value of the window from {window[0]:g} to {window[1]:g} s lies in the baseline from "
            f"{baseline[0]:g} to {baseline[1]:g} s",
            expected="a baseline inside the window",
        )
    return pieces - _mean(pieces[:, rest])[:, None], lags


def lags_of(window: tuple[float, float], rate: float) -> Array:
    """Seconds after the event at which pieces have values: multiples of ``1 / rate`` inside the window."""
    if not (rate > 0 and window[0] < window[1]):
        raise InputError(
            f"a window from {window[0]:g} to {window[1]:g} s, {rate:g} values per second",
            expected="a window of some length and a rate above 0",
        )
    first, last = int(np.ceil(window[0] * rate - 1e-9)), int(np.floor(window[1] * rate + 1e-9))
    return np.arange(first, last + 1) / rate


def _between(at: Array, course: Array, wanted: Array, gap: float) -> Array:
    """Straight lines between values; NaN outside, in holes and beside NaN."""
    if not len(at):
        return np.full(wanted.shape, np.nan)
    if len(at) == 1:
        return np.where(wanted == at[0], course[0], np.nan)
    left = np.clip(np.searchsorted(at, wanted, side="right") - 1, 0, len(at) - 2)
    step = at[left + 1] - at[left]
    share = (wanted - at[left]) / step
    # a value that is met exactly needs no second one
    low, high = (np.where(share == edge, 0.0, course[left + 1 - edge]) for edge in (1, 0))
    line = (1 - share) * low + share * high
    inside = (wanted >= at[0]) & (wanted <= at[-1])
    met = (share == 0) | (share == 1)
    out: Array = np.where(inside & (met | (step <= gap)), line, np.nan)
    return out


def _mean(values: Array) -> Array:
    """Mean of the last axis over what is there; NaN of nothing."""
    there = np.isfinite(values)
    count = there.sum(axis=-1)
    total = np.where(there, values, 0.0).sum(axis=-1)
    out: Array = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return out
