"""The linear dynamical system that smooths EEG features over the windows of a clip."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


def lds_smooth(
    values: ArrayLike,
    *,
    axis: int = 0,
    causal: bool = False,
    q: float = 0.001,
    r: float = 1.0,
    p0: float = 0.1,
    m0: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Posterior means of a random walk seen through white noise, for every series along an axis.

    The state follows ``x[t] = x[t-1] + N(0, q)``, ``x[0] = N(m0, p0)``, and is seen as
    ``y[t] = x[t] + N(0, r)``: a scalar Kalman filter with a Rauch-Tung-Striebel pass back over it. The gains
    depend on time only, so they are computed once and all series take each step together.

    Parameters
    ----------
    values
        Any number of series; non-finite values are missing and are passed over (predicted, not corrected).
    axis
        Axis of time.
    causal
        Filter only: the result at a time depends on no later value.
    q, r, p0
        Variance of a step, of the observation noise, and of the state at the first time.
    m0
        Mean of the state at the first time; broadcast against ``values`` without ``axis``. Default: the mean
        of each series. With ``causal`` that mean would look ahead, so the filter then starts at the first
        value that is not missing, and gives NaN before it.

    Returns
    -------
    ndarray
        float64, the shape of ``values``. A series with no finite value is NaN throughout.

    Notes
    -----
    With the default constants (those of the public code of MAET for SEED-VII) the predicted variance settles
    at 0.032127 and the gain at 0.031127, a time constant of 32 windows: over 4-second windows that is two
    minutes, about a whole clip.

    Rauch, Tung and Striebel (1965), doi:10.2514/3.3166.
    """
    for name, value in (("q", q), ("p0", p0)):
        if not (np.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be a variance (finite, not negative), got {value}")
    if not (np.isfinite(r) and r > 0):
        raise ValueError(f"r must be a positive variance, got {r}")
    array = np.asarray(values, dtype=np.float64)
    moved = np.moveaxis(array, axis, 0)
    if array.size == 0:
        return array.copy()
    series = np.ascontiguousarray(moved.reshape(moved.shape[0], -1))
    start = None if m0 is None else np.broadcast_to(np.asarray(m0, np.float64), moved.shape[1:]).reshape(-1)
    seen = np.isfinite(series)
    if seen.all():
        result = _complete(series, _start(series, start, causal), causal, (q, r, p0))
    else:
        result = _with_gaps(series, seen, start, causal, (q, r, p0))
    return np.ascontiguousarray(np.moveaxis(result.reshape(moved.shape), 0, axis))


def _start(series: Array, m0: Array | None, causal: bool) -> Array:
    if m0 is not None:
        return m0
    return series[0].copy() if causal else series.mean(axis=0)


@lru_cache(maxsize=256)
def _gains(n: int, q: float, r: float, p0: float) -> tuple[Array, Array]:
    """Filter gains (n,) and smoother gains (n - 1,) of a series without gaps."""
    gain, filtered, predicted = np.empty(n), np.empty(n), np.empty(n)
    variance = p0
    for t in range(n):
        predicted[t] = variance
        gain[t] = variance / (variance + r)
        filtered[t] = (1.0 - gain[t]) * variance
        variance = filtered[t] + q
    return gain, _ratio(filtered[:-1], predicted[1:])


def _ratio(filtered: Array, predicted: Array) -> Array:
    # both are zero when q = p0 = 0: the state never moves, and what is known later is known now
    return np.divide(filtered, predicted, out=np.ones_like(filtered), where=predicted > 0)


def _complete(series: Array, m0: Array, causal: bool, constants: tuple[float, float, float]) -> Array:
    gain, back = _gains(len(series), *constants)
    mean = series * gain[:, None]
    step = np.empty_like(m0)
    previous = m0
    for row, keep in zip(mean, (1.0 - gain).tolist(), strict=True):
        np.multiply(previous, keep, out=step)
        row += step
        previous = row
    if causal or len(series) == 1:
        return mean
    mean[:-1] *= (1.0 - back)[:, None]
    for t in range(len(series) - 2, -1, -1):
        np.multiply(mean[t + 1], back[t], out=step)
        mean[t] += step
    return mean


def _with_gaps(
    series: Array, seen: Array, m0: Array | None, causal: bool, constants: tuple[float, float, float]
) -> Array:
    """The same recursion with gains per series, since each may miss other times."""
    q, r, p0 = constants
    n, width = series.shape
    begun = np.logical_or.accumulate(seen, axis=0)
    value = np.where(seen, series, 0.0)
    from_first = causal and m0 is None
    if m0 is None:
        first = series[seen.argmax(axis=0), np.arange(width)]
        m0 = first if causal else value.sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    mean, filtered, predicted = np.empty_like(series), np.empty_like(series), np.empty_like(series)
    state, variance = m0, np.full(width, p0)
    for t in range(n):
        predicted[t] = variance
        gain = np.where(seen[t], variance / (variance + r), 0.0)
        mean[t] = state = np.where(seen[t], state + gain * (value[t] - state), state)
        filtered[t] = (1.0 - gain) * variance
        variance = np.where(begun[t], filtered[t] + q, p0) if from_first else filtered[t] + q
    if not causal:
        back = _ratio(filtered[:-1], predicted[1:])
        for t in range(n - 2, -1, -1):
            mean[t] += back[t] * (mean[t + 1] - mean[t])
    mean[:, ~begun[-1]] = np.nan
    if from_first:
        mean[~begun] = np.nan
    return mean
