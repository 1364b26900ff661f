"""What the kernels of slow signals of the body share: filters without delay, lost samples, means of steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Mask = NDArray[np.bool_]


def one_channel(data: ArrayLike) -> NDArray[np.float64]:
    """Samples of one channel as float64 (times,).

    Raises
    ------
    ValueError
        They have another number of dimensions.
    """
    x = np.asarray(data, dtype=np.float64)
    if x.ndim != 1:
        raise ValueError(f"data must be (times,), got shape {x.shape}")
    return x


def runs(mask: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and last + 1 of each run of True."""
    edges = np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def mask_of(starts: Array, stops: Array, n_times: int) -> Mask:
    """The inverse of :func:`runs`; stretches may overlap and reach over the ends."""
    if not len(starts):
        return np.zeros(n_times, dtype=bool)
    step = np.zeros(n_times + 1, dtype=np.int32)
    np.add.at(step, np.clip(starts, 0, n_times), 1)
    np.add.at(step, np.clip(stops, 0, n_times), -1)
    return np.asarray(np.cumsum(step)[:-1] > 0, dtype=bool)


def stuck(x: Array, *, n_samples: int) -> Mask:
    """Samples in runs of at least ``n_samples`` that keep one value."""
    starts, stops = runs(np.diff(x) == 0)
    long = stops - starts + 1 >= max(n_samples, 2)
    return mask_of(starts[long], stops[long] + 1, len(x))


def clipped(x: Array, *, n_samples: int) -> Mask:
    """Samples in runs of at least ``n_samples`` at the largest or the smallest value of the signal.

    Half of a signal at most lies at both: one that keeps its value is not clipped but stuck.
    """
    if not np.isfinite(x).any():
        return np.zeros(len(x), dtype=bool)
    low, high = np.nanmin(x), np.nanmax(x)
    return (
        (stuck(x, n_samples=n_samples) & ((x == low) | (x == high))) if low < high else np.zeros(len(x), bool)
    )


def commonest(reasons: Mapping[str, Mask]) -> str:
    """The reason that holds for most samples; empty where none holds for any."""
    counts = {why: int(mask.sum()) for why, mask in reasons.items()}
    worst = max(counts, key=lambda why: counts[why])
    return worst if counts[worst] else ""


def without_gaps(x: Array, lost: Mask) -> NDArray[np.float64]:
    """A copy with straight lines over what was lost, for filters only; zeros where all was."""
    if not lost.any():
        return np.array(x, dtype=np.float64)
    there = np.flatnonzero(~lost)
    if not len(there):
        return np.zeros(len(x))
    return np.interp(np.arange(len(x)), there, x[there])


def filtered(
    x: Array, rate: float, *, low: float | None = None, high: float | None = None, order: int = 2
) -> NDArray[np.float64]:
    """Butterworth filter forwards and backwards (no delay, twice the order), the ends reflected.

    An edge at or above 0.45 of the rate is left out.
    """
    from scipy.signal import butter, sosfiltfilt

    if high is not None and high >= 0.45 * rate:
        high = None
    edges: Any
    kind: Literal["bandpass", "highpass", "lowpass"]
    if low is not None and high is not None:
        edges, kind = (low, high), "bandpass"
    elif low is not None:
        edges, kind = low, "highpass"
    elif high is not None:
        edges, kind = high, "lowpass"
    else:
        return np.array(x, dtype=np.float64)
    sections = butter(order, edges, btype=kind, fs=rate, output="sos")
    # two periods of the slowest edge settle the filter before the signal begins
    pad = min(len(x) - 1, round(2 * rate / (low or high or rate)))
    return np.asarray(sosfiltfilt(sections, x, padlen=max(pad, 0))) if len(x) > 1 else np.zeros(len(x))


def decimated(x: Array, rate: float, *, target: float) -> tuple[NDArray[np.float64], float]:
    """Every q-th sample behind a filter, q the largest with a rate of at least ``target``; and that rate.

    Sample i is that at ``i * q`` of the signal.
    """
    from scipy.signal import resample_poly

    q = int(rate / target + 1e-9)
    if q < 2 or len(x) < 2:
        return np.array(x, dtype=np.float64), rate
    return np.asarray(resample_poly(x, 1, q, padtype="line")), rate / q


def thinned(mask: Mask, rate: float, new_rate: float) -> Mask:
    """A mask at a lower rate: True where any sample nearest to the new one is."""
    q = round(rate / new_rate)
    if q < 2:
        return mask
    n = -(-len(mask) // q)
    padded = np.zeros(n * q, dtype=bool)
    padded[: len(mask)] = mask
    return np.asarray(padded.reshape(n, q).any(axis=1))


def between_samples(x: Array, at: Array) -> NDArray[np.float64]:
    """Positions of tops moved to those of the parabolas through them and their neighbours."""
    inner = np.clip(at, 1, len(x) - 2)
    left, middle, right = x[inner - 1], x[inner], x[inner + 1]
    bend = left - 2 * middle + right
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.where(bend < 0, 0.5 * (left - right) / bend, 0.0)
    return np.where(inner == at, at + np.clip(shift, -0.5, 0.5), at).astype(np.float64)


def step_means(
    edges: Array, values: Array, starts: Array, stops: Array
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means over stretches of time of a curve that is constant between edges.

    Parameters
    ----------
    edges
        (n + 1,), increasing.
    values
        (n,): the value between two edges; NaN where nothing is known.
    starts, stops
        (stretches,): from when to when.

    Returns
    -------
    means, shares
        The mean over what is known of each stretch (NaN where nothing is), and the share that is known.
    """
    if len(values) == 0:
        return np.full(len(starts), np.nan), np.zeros(len(starts))
    known = np.isfinite(values)
    width = np.diff(edges)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0) * width)])
    times = np.concatenate([[0.0], np.cumsum(known * width)])
    total = np.interp(stops, edges, sums) - np.interp(starts, edges, sums)
    covered = np.interp(stops, edges, times) - np.interp(starts, edges, times)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(covered > 1e-9, total / covered, np.nan)
        shares = np.clip(covered / (stops - starts), 0.0, 1.0)
    return means, shares


def covered(
    edges: Array, values: Array, starts: Array, stops: Array
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """:func:`step_means` where the first and the last value hold on for their own length beyond the ends."""
    if len(values) == 0:
        return step_means(edges, values, starts, stops)
    width = np.diff(edges)
    edges = np.concatenate([[edges[0] - width[0]], edges, [edges[-1] + width[-1]]])
    return step_means(edges, np.concatenate([values[:1], values, values[-1:]]), starts, stops)


def sample_means(
    x: Array, lost: Mask, rate: float, starts: Array, stops: Array
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means of samples over stretches of time in seconds (NaN where all are lost), and the share not lost."""
    first = np.clip(np.rint(starts * rate).astype(np.intp), 0, len(x))
    last = np.clip(np.rint(stops * rate).astype(np.intp), first, len(x))
    count = np.concatenate([[0], np.cumsum(~lost)])
    sums = np.concatenate([[0.0], np.cumsum(np.where(lost, 0.0, x))])
    n = count[last] - count[first]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(n > 0, (sums[last] - sums[first]) / n, np.nan)
        shares = np.where(last > first, n / np.maximum(last - first, 1), 0.0)
    return means, shares
