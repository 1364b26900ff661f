"""Breaths in the signal of a chest belt: when, how deep, how even."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.signal._body import (
    Array,
    Mask,
    between_samples,
    clipped,
    commonest,
    decimated,
    filtered,
    one_channel,
    stuck,
    thinned,
    without_gaps,
)

Floats = NDArray[np.float64]

RATE = 25.0
"""Samples a second that are kept."""
BAND = (0.05, 1.0)
"""Hz of breathing, 3 to 60 breaths a minute."""
SHORTEST, LONGEST = 1.0, 15.0
"""Seconds from breath to breath that are believed."""
BREATHING = 0.5
"""Least share of the power below 5 Hz that lies in :data:`BAND`."""
NOISE = "no breath to be seen in it"
_STUCK_SECONDS = 2.0
_CLIPPED_SECONDS = 1.0
_RIPPLE, _SHALLOWEST = 0.05, 0.4


@dataclass(frozen=True, kw_only=True, eq=False)
class Breaths:
    """Breaths of a stretch of signal.

    Attributes
    ----------
    peaks, troughs
        Seconds to the end of each inspiration, and to its beginning.
    depths
        How far the belt stretches from trough to peak, in the unit of the signal.
    lost
        One boolean per sample: not finite, stuck for 2 s, clipped, or noise rather than breath.
    rate
        Samples per second of ``lost``.
    fault
        The commonest reason why samples are lost, in words; empty where none is.
    """

    peaks: Floats
    troughs: Floats
    depths: Floats
    lost: Mask
    rate: float
    fault: str


def find_breaths(data: ArrayLike, rate: float) -> Breaths:
    """Breaths of a belt's signal, inspiration upwards.

    Parameters
    ----------
    data
        (times,), any unit. All of a trial or recording, never one window.
    rate
        Samples per second, at least 3.

    Returns
    -------
    Breaths
        A breath stands out by at least 0.3 of what the median breath does, and is 1 s from the next.

    Notes
    -----
    Peaks of the band 0.05-1 Hz; NeuroKit2's ``rsp_findpeaks`` ("khodadad2018") takes extremes between the
    crossings of zero of 0.05-3 Hz, which lose breaths where the belt slips and the level moves.
    """
    from scipy.signal import find_peaks

    x = one_channel(data)
    if rate < 3:
        raise ValueError(f"breath needs at least 3 Hz, got {rate:g} Hz")
    reasons = {
        "no number": ~np.isfinite(x),
        "clipped": clipped(x, n_samples=max(round(_CLIPPED_SECONDS * rate), 3)),
        "stuck at one value": stuck(x, n_samples=max(round(_STUCK_SECONDS * rate), 3)),
    }
    bad = np.logical_or.reduce(list(reasons.values()))
    thin, low_rate = decimated(without_gaps(x, bad), rate, target=RATE)
    lost = thinned(bad, rate, low_rate)[: len(thin)]
    clean = filtered(thin, low_rate, low=BAND[0], high=BAND[1])
    nothing = Breaths(
        peaks=np.empty(0),
        troughs=np.empty(0),
        depths=np.empty(0),
        lost=np.ones_like(lost),
        rate=low_rate,
        fault=commonest(reasons) or NOISE,
    )
    if lost.all() or len(thin) < 2 * low_rate:
        return nothing
    noisy = _noisy(thin, clean, low_rate) & ~lost
    lost = lost | noisy
    usual = np.subtract(*np.percentile(clean[~lost], [95, 5])) if not lost.all() else 0.0
    if not usual > 0:
        return nothing
    tops, about = find_peaks(clean, prominence=_RIPPLE * usual, distance=max(round(SHORTEST * low_rate), 1))
    rise = about["prominences"]
    tops = tops[rise >= _SHALLOWEST * np.median(rise)] if len(tops) else tops
    cuts = np.concatenate([[0], tops])
    lows = np.array([a + int(clean[a : b + 1].argmin()) for a, b in itertools.pairwise(cuts)], dtype=np.intp)
    seen = np.ones(len(tops), dtype=bool)
    if len(tops) and lows[0] == 0:
        seen[0] = False  # the first breath had begun before the signal did
    count = np.concatenate([[0], np.cumsum(lost)])
    seen &= count[tops + 1] == count[lows] if len(tops) else seen
    tops, lows = tops[seen], lows[seen]
    return Breaths(
        peaks=between_samples(clean, tops) / low_rate,
        troughs=between_samples(-clean, lows) / low_rate,
        depths=np.asarray(clean[tops] - clean[lows], dtype=np.float64),
        lost=lost,
        rate=low_rate,
        fault=commonest({commonest(reasons): thinned(bad, rate, low_rate), NOISE: noisy}),
    )


def cycles(breaths: Breaths) -> tuple[Floats, Floats, Floats]:
    """Time from breath to breath.

    Returns
    -------
    edges, seconds, depths
        The n ends of inspiration, and for the n - 1 stretches between them their length and the depth of the
        breath at their end; NaN for a stretch that is not 1-15 s long or holds lost samples.
    """
    edges = breaths.peaks
    if len(edges) < 2:
        return edges, np.empty(0), np.empty(0)
    seconds = np.diff(edges)
    count = np.concatenate([[0], np.cumsum(breaths.lost)])
    at = np.clip(np.rint(edges * breaths.rate).astype(np.intp), 0, len(breaths.lost))
    fine = (seconds >= SHORTEST) & (seconds <= LONGEST) & (count[at[1:]] == count[at[:-1]])
    return edges, np.where(fine, seconds, np.nan), np.where(fine, breaths.depths[1:], np.nan)


def phase(breaths: Breaths, times: Array) -> Floats:
    """Phase of the breath in radians: 0 where inspiration begins, pi where it ends, towards 2 pi.

    The first and the last breath are taken to have had one just like them before and after; NaN beyond these
    and in stretches that :func:`cycles` does not believe.
    """
    if len(breaths.peaks) < 2:
        return np.full(len(times), np.nan)
    turns = np.stack([breaths.troughs, breaths.peaks], axis=1).ravel()
    steps = np.diff(turns)
    turns = np.concatenate(
        [turns[0] - np.cumsum(steps[1::-1])[::-1], turns, turns[-1] + np.cumsum(steps[-2:])]
    )
    angle = np.arange(len(turns)) * np.pi
    out = np.mod(np.interp(times, turns, angle, left=np.nan, right=np.nan), 2 * np.pi)
    _, seconds, _ = cycles(breaths)
    at = np.searchsorted(breaths.peaks, times, "right") - 1
    inside = (at >= 0) & (at < len(seconds))
    broken = inside & np.isnan(np.append(seconds, 0.0)[np.clip(at, 0, len(seconds))])
    return np.asarray(np.where(broken, np.nan, out))


def _noisy(x: Array, clean: Array, rate: float) -> Mask:
    """Where over 10 s most of the power below 5 Hz is outside the band of breathing."""
    from scipy.ndimage import uniform_filter1d

    fast = filtered(x, rate, low=BAND[1], high=5.0)
    width = max(round(10 * rate), 1)
    inside, outside = (uniform_filter1d(part**2, width, mode="nearest") for part in (clean, fast))
    return np.asarray(inside < BREATHING * (inside + outside), dtype=bool) | (inside <= 0)
