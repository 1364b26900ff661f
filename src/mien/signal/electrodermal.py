"""Skin conductance: its slow level, its quick responses, and the nerve bursts behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.signal._body import (
    Array,
    Mask,
    clipped,
    commonest,
    decimated,
    filtered,
    mask_of,
    one_channel,
    runs,
    stuck,
    thinned,
    without_gaps,
)

Floats = NDArray[np.float64]

RATE = 25.0
"""Samples a second that are kept: nothing in skin conductance is faster than 3 Hz."""
RANGE = (0.05e-6, 100e-6)
"""Conductance of skin under two electrodes, in S: less is a loose electrode, more a wet or bridged one. The
lower edge is that of Kleckner et al. (2018), doi:10.1109/TBME.2017.2758643."""
STEEPEST = 10e-6
"""Fastest change of conductance that skin makes, in S a second (the same authors)."""
EDGE = 0.05
"""Hz between the tonic and the phasic part."""
RISE, FALL = 0.75, 2.0
"""Time constants in s of one response (Benedek and Kaernbach 2010, doi:10.1016/j.jneumeth.2010.04.028)."""
LEAST_RISE = 0.02e-6
"""Smallest rise in S that counts as a response."""
LONGEST_RISE = 5.0
"""Longest time in s from onset to peak of a response (1 to 3 s as a rule); what takes longer is the slow
filter coming back from a large one."""
_STUCK_SECONDS = 5.0
_CLIPPED_SECONDS = 1.0
_AROUND_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Conductance:
    """Skin conductance taken apart, at about 25 samples a second.

    Attributes
    ----------
    rate
        Samples per second.
    level, tonic, phasic
        S: below 3 Hz; its part below 0.05 Hz; the rest.
    drive
        S: what a response that rises with 0.75 s and falls with 2 s was driven by, not below 0. A single
        burst of nerves is a short peak in it where the response begins.
    lost
        One boolean per sample: not finite, stuck for 5 s, clipped, outside :data:`RANGE` or changing faster
        than skin does, and 1 s on either side.
    fault
        The commonest of these reasons in words; empty where nothing is lost.
    """

    rate: float
    level: Floats
    tonic: Floats
    phasic: Floats
    drive: Floats
    lost: Mask
    fault: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Responses:
    """Skin conductance responses in order: onset and peak in seconds, and how far each rises, in S."""

    onsets: Floats
    peaks: Floats
    amplitudes: Floats


def take_apart(data: ArrayLike, rate: float) -> Conductance:
    """Tonic and phasic skin conductance and its drive.

    Parameters
    ----------
    data
        (times,) in S. All of a trial or recording, never one window.
    rate
        Samples per second, at least 4.

    Returns
    -------
    Conductance
        Lost stretches are bridged by straight lines before filtering and marked.

    Notes
    -----
    Tonic and phasic are the two sides of a Butterworth filter of second order at 0.05 Hz, forwards and
    backwards, as ``eda_phasic(method="highpass")`` of NeuroKit2. The drive undoes the response
    ``exp(-t / FALL) - exp(-t / RISE)``: ``x + (RISE + FALL) x' + RISE FALL x''`` of the phasic part behind a
    Gaussian of 0.2 s, the continuous decomposition of Benedek and Kaernbach without its search for constants.
    """
    from scipy.ndimage import gaussian_filter1d

    x = one_channel(data)
    if rate < 4:
        raise ValueError(f"skin conductance needs at least 4 Hz, got {rate:g} Hz")
    lost, fault = _lost(x, rate)
    thin, low_rate = decimated(without_gaps(x, lost), rate, target=RATE)
    bad = thinned(lost, rate, low_rate)[: len(thin)]
    level = filtered(thin, low_rate, high=3.0, order=4)
    phasic = filtered(level, low_rate, low=EDGE) if len(level) > 1 else np.zeros(len(level))
    width = 0.2 * low_rate
    smooth, first, second = (
        gaussian_filter1d(phasic, width, order=order, mode="nearest") * low_rate**order for order in (0, 1, 2)
    )
    drive = smooth + (RISE + FALL) * first + RISE * FALL * second
    return Conductance(
        rate=low_rate,
        level=level,
        tonic=level - phasic,
        phasic=phasic,
        drive=np.maximum(drive, 0.0),
        lost=bad,
        fault=fault,
    )


def find_responses(conductance: Conductance, *, least: float = LEAST_RISE) -> Responses:
    """Rises of the phasic part from a trough to the next peak.

    Parameters
    ----------
    conductance
        From :func:`take_apart`.
    least
        Smallest rise in S that counts. It is absolute: what counts in one window does not depend on another.

    Returns
    -------
    Responses
        None that touches a lost sample.

    Notes
    -----
    Below 1 Hz, so that noise makes no peaks, and within :data:`LONGEST_RISE`. NeuroKit2's default takes peaks
    of at least a tenth of the largest in the recording instead.
    """
    x = filtered(conductance.phasic, conductance.rate, high=1.0)
    if len(x) < 3:
        return Responses(onsets=np.empty(0), peaks=np.empty(0), amplitudes=np.empty(0))
    slope = np.sign(np.diff(x))
    peaks = np.flatnonzero((slope[:-1] > 0) & (slope[1:] <= 0)) + 1
    troughs = np.concatenate([[0], np.flatnonzero((slope[:-1] <= 0) & (slope[1:] > 0)) + 1])
    before = troughs[np.searchsorted(troughs, peaks) - 1]
    lost = np.concatenate([[0], np.cumsum(conductance.lost)])
    # the rise from the very first sample has no onset that was seen
    soon = peaks - before <= LONGEST_RISE * conductance.rate
    real = (x[peaks] - x[before] >= least) & soon & (lost[peaks + 1] == lost[before]) & (before > 0)
    peaks, before = peaks[real], before[real]
    return Responses(
        onsets=before / conductance.rate,
        peaks=peaks / conductance.rate,
        amplitudes=np.asarray(x[peaks] - x[before], dtype=np.float64),
    )


def _lost(x: Array, rate: float) -> tuple[Mask, str]:
    # over 0.1 s, so that the steps of a converter are no change
    step = max(round(0.1 * rate), 1)
    fast = np.zeros(len(x), dtype=bool)
    with np.errstate(invalid="ignore"):
        if len(x) > step:
            fast[step:] = np.abs(x[step:] - x[:-step]) > STEEPEST * max(step / rate, 0.1)
        reasons = {
            "no number": ~np.isfinite(x),
            f"below {RANGE[0] * 1e6:g} uS (electrode off, or not the unit it is said to be)": x < RANGE[0],
            f"above {RANGE[1] * 1e6:g} uS (saturated, or not the unit it is said to be)": x > RANGE[1],
            "saturated or stuck at one value": stuck(x, n_samples=max(round(_STUCK_SECONDS * rate), 3))
            | clipped(x, n_samples=max(round(_CLIPPED_SECONDS * rate), 3)),
            "changes faster than skin does": fast,
        }
    bad = np.logical_or.reduce(list(reasons.values()))
    if not bad.any():
        return bad, ""
    around = round(_AROUND_SECONDS * rate)
    starts, stops = runs(bad)
    return mask_of(starts - around, stops + around, len(x)), commonest(reasons)
