"""Steps on the way to heart beats: where a signal is steep or high, its tops, and how alike they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.signal._body import decimated, runs

Array = NDArray[Any]
Floats = NDArray[np.float64]


def complexes(x: Array, rate: float) -> tuple[Array, Array]:
    """Stretches of the ECG that are steep for their neighbourhood."""
    from scipy.ndimage import uniform_filter1d

    steep = uniform_filter1d(np.abs(np.gradient(x)), max(round(0.1 * rate), 1), mode="nearest")
    usual = uniform_filter1d(steep, max(round(0.75 * rate), 1), mode="nearest")
    starts, stops = runs(steep > 1.5 * usual)
    long = stops - starts >= 0.4 * np.mean(stops - starts) if len(starts) else np.zeros(0, bool)
    return starts[long], stops[long]


def pulses(x: Array, rate: float) -> tuple[Array, Array]:
    """Stretches of the pulse wave that are high for their neighbourhood."""
    from scipy.ndimage import uniform_filter1d

    power = np.maximum(x, 0) ** 2
    peak = uniform_filter1d(power, max(round(0.111 * rate), 1), mode="nearest")
    beat = uniform_filter1d(power, max(round(0.667 * rate), 1), mode="nearest") + 0.02 * power.mean()
    starts, stops = runs(peak > beat)
    long = stops - starts >= round(0.111 * rate)
    return starts[long], stops[long]


def extremes(x: Array, starts: Array, stops: Array) -> tuple[Array, Array]:
    """Largest and least value of each stretch."""
    cuts = np.stack([starts, np.minimum(stops, len(x) - 1)], axis=1).ravel()
    return np.maximum.reduceat(x, cuts)[::2], np.minimum.reduceat(x, cuts)[::2]


def tops(x: Array, starts: Array, stops: Array) -> NDArray[np.intp]:
    """Position of the largest value of each stretch."""
    return np.array([s + int(x[s:e].argmax()) for s, e in zip(starts, stops, strict=True)], dtype=np.intp)


def apart(at: Array, x: Array, *, n_samples: float) -> NDArray[np.intp]:
    """Positions at least so far apart; of two that are nearer the higher stays."""
    while len(at) > 1 and (near := np.flatnonzero(np.diff(at) < n_samples)).size:
        lower = np.where(x[at[near]] < x[at[near + 1]], near, near + 1)
        # not both of a pair in one round
        keep = np.ones(len(at), dtype=bool)
        keep[lower[np.concatenate([[True], np.diff(near) > 1])]] = False
        at = at[keep]
    return np.asarray(at, dtype=np.intp)


def before(x: Array, at: Array, n_samples: int) -> Array:
    """The samples before each position, itself the last: (positions, samples + 1)."""
    return x[np.clip(at[:, None] + np.arange(-n_samples, 1), 0, len(x) - 1)]


def steepest(x: Array, at: Array, n_samples: int) -> Floats:
    """Position of the steepest rise before each position."""
    if not len(at):
        return np.empty(0)
    slope = np.diff(before(x, at, n_samples + 1), axis=1)
    best = np.clip(slope.argmax(axis=1), 1, slope.shape[1] - 2)
    rows = np.arange(len(at))
    left, middle, right = slope[rows, best - 1], slope[rows, best], slope[rows, best + 1]
    bend = left - 2 * middle + right
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.where(bend < 0, 0.5 * (left - right) / bend, 0.0)
    return np.asarray(at - n_samples - 1 + best + 0.5 + np.clip(shift, -0.5, 0.5), dtype=np.float64)


def alike(x: Array, rate: float, at: Array, around: tuple[float, float]) -> Floats:
    """Correlation of each beat with the median beat; 0 where there are fewer than three.

    ``around`` are seconds before and after that are compared, at most half of the usual interval: the next
    beat may come sooner or later.
    """
    if len(at) < 3:
        return np.zeros(len(at))
    thin, low_rate = decimated(x, rate, target=125.0)
    half = 0.5 * float(np.median(np.diff(at))) / rate
    first, last = (round(min(seconds, half) * low_rate) for seconds in around)
    offsets = np.arange(-first, last + 1)
    where = np.rint(at * (low_rate / rate)).astype(int)[:, None] + offsets
    part = thin[np.clip(where, 0, len(thin) - 1)]
    part = part - part.mean(axis=1, keepdims=True)
    typical = np.median(part, axis=0)
    typical = typical - typical.mean()
    size = np.linalg.norm(part, axis=1) * np.linalg.norm(typical)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(size > 0, part @ typical / size, 0.0)
