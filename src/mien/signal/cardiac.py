"""Heart beats in ECG and pulse, the intervals between them, and how they vary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.signal._beats import alike, apart, before, complexes, extremes, pulses, steepest, tops
from mien.signal._body import (
    Array,
    Mask,
    between_samples,
    clipped,
    commonest,
    filtered,
    mask_of,
    one_channel,
    step_means,
    stuck,
    without_gaps,
)

Floats = NDArray[np.float64]
Kind = Literal["ecg", "ppg"]

LOWEST_RATE = {"ecg": 100.0, "ppg": 15.0}
"""Samples per second below which beats of a kind are not looked for."""
SHORTEST, LONGEST = 0.3, 2.0
"""Seconds between two beats: 200 to 30 a minute."""
ALIKE = {"ecg": 0.66, "ppg": 0.86}
"""Least correlation of a beat with the typical one: Orphanidou et al. (2015),
doi:10.1109/JBHI.2014.2338351."""
_AROUND = {"ecg": (0.2, 0.4), "ppg": (0.3, 0.5)}
_STUCK_SECONDS = 1.0
_CLIPPED_SECONDS = 0.1
_JUMP = 0.3
_CUT_SECONDS = 0.1
_LEAST_HEIGHT = 0.2
_TACHOGRAM_RATE = 4.0
_LONGEST_GAP = 3.0
BANDS: Mapping[str, tuple[float, float]] = {"lf": (0.04, 0.15), "hf": (0.15, 0.4)}
"""Bands of heart-rate variability in Hz."""
LEAST_SECONDS = {"lf": 120.0, "hf": 60.0}
"""Shortest window for a band: about two minutes and one (Task Force of ESC and NASPE 1996,
doi:10.1161/01.CIR.93.5.1043)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Beats:
    """Beats of a stretch of signal.

    Attributes
    ----------
    times
        Seconds from its first sample to the R peak of each beat (ECG) or to the top of each pulse (PPG).
    alike
        How much each beat looks like the typical one: correlation, -1 to 1.
    feet
        Seconds to the steepest rise of each pulse (PPG); the peaks again for ECG.
    heights
        How high each rises over the least value of the 0.3 s before it, in the unit of the signal.
    lost
        One boolean per sample: nothing was measured there (not finite, stuck at one value for 1 s, clipped).
    rate
        Samples per second.
    kind
        ``"ecg"`` or ``"ppg"``.
    fault
        The commonest reason why samples are lost, in words; empty where none is.
    """

    times: Floats
    alike: Floats
    feet: Floats
    heights: Floats
    lost: Mask
    rate: float
    kind: Kind
    fault: str


def find_beats(data: ArrayLike, rate: float, *, kind: Kind) -> Beats:
    """Beats of an ECG or a pulse wave.

    Parameters
    ----------
    data
        (times,), any unit. All of a trial or recording, never one window.
    rate
        Samples per second; at least 100 for ECG, 15 for PPG.
    kind
        ``"ecg"`` or ``"ppg"``.

    Returns
    -------
    Beats
        None where the signal is lost or flat, nor in the first and last 0.1 s, where a beat is cut through;
        noise may have some, which are not alike.

    Raises
    ------
    ValueError
        The rate is too low or the data are not of one channel.

    Notes
    -----
    ECG: where the smoothed steepness exceeds 1.5 times its mean over 0.75 s, as the method ``"neurokit"`` of
    NeuroKit2's ``ecg_findpeaks``; the peak is the largest value there, or the least where QRS points down.
    PPG: two moving averages of the squared upper half of the band 0.5-8 Hz, Elgendi et al. (2013),
    doi:10.1371/journal.pone.0076585, as NeuroKit2's ``ppg_findpeaks``. Both are written without a loop over
    beats, with times between samples by a parabola, and look for nothing where the signal is lost.
    """
    x = one_channel(data)
    if kind not in LOWEST_RATE:
        raise ValueError(f"kind must be ecg or ppg, got {kind!r}")
    if rate < LOWEST_RATE[kind]:
        raise ValueError(f"beats of {kind} need at least {LOWEST_RATE[kind]:g} Hz, got {rate:g} Hz")
    reasons = {
        "no number": ~np.isfinite(x),
        "clipped": clipped(x, n_samples=max(round(_CLIPPED_SECONDS * rate), 3)),
        "stuck at one value (lead off?)": stuck(x, n_samples=round(_STUCK_SECONDS * rate)),
    }
    lost = np.logical_or.reduce(list(reasons.values()))
    empty = np.empty(0)
    if lost.all() or len(x) < 2 * rate:
        return Beats(
            times=empty,
            alike=empty,
            feet=empty,
            heights=empty,
            lost=lost,
            rate=rate,
            kind=kind,
            fault=commonest(reasons),
        )
    whole = without_gaps(x, lost)
    if kind == "ecg":
        shape = filtered(whole, rate, low=0.5, high=40.0)
        # without mains, and without T waves, which may be larger than the QRS
        clean = filtered(whole, rate, low=5.0, high=30.0, order=4)
        starts, stops = complexes(clean, rate)
        if len(starts):
            highs, lows = extremes(clean, starts, stops)
            clean = -clean if np.median(-lows) > np.median(highs) else clean
    else:
        shape = clean = filtered(whole, rate, low=0.5, high=8.0, order=3)
        starts, stops = pulses(clean, rate)
    at = tops(clean, starts, stops)
    # between two beats far apart noise is steep for its neighbourhood too
    at = at[clean[at] >= _LEAST_HEIGHT * np.median(clean[at])] if len(at) else at
    at = at[~lost[at] & (at >= _CUT_SECONDS * rate) & (at < len(x) - _CUT_SECONDS * rate)]
    at = apart(at, clean, n_samples=SHORTEST * rate)
    back = round(0.3 * rate)
    return Beats(
        times=between_samples(clean, at) / rate,
        alike=alike(shape, rate, at, _AROUND[kind]),
        feet=steepest(clean, at, back) / rate if kind == "ppg" else between_samples(clean, at) / rate,
        heights=clean[at] - before(clean, at, back).min(axis=1) if len(at) else empty,
        lost=lost,
        rate=rate,
        kind=kind,
        fault=commonest(reasons),
    )


def intervals(beats: Beats) -> tuple[Floats, Floats]:
    """Beats and the seconds to the next, NaN where not to be believed.

    Returns
    -------
    edges, seconds
        The n beats and n - 1 intervals. An interval is NaN if it is not 0.3-2 s long, is 30 % off the median
        of the nine around it, touches a beat that does not look like the others (:data:`ALIKE`), or reaches
        over lost samples.
    """
    from scipy.ndimage import median_filter

    edges = beats.times
    if len(edges) < 2:
        return edges, np.empty(0)
    seconds = np.diff(edges)
    good = beats.alike >= ALIKE[beats.kind]
    lost = np.concatenate([[0], np.cumsum(beats.lost)])
    at = np.clip(np.rint(edges * beats.rate).astype(np.intp), 0, len(beats.lost))
    fine = (
        (seconds >= SHORTEST)
        & (seconds <= LONGEST)
        & good[:-1]
        & good[1:]
        & (lost[at[1:]] - lost[at[:-1]] == 0)
    )
    usual = median_filter(seconds, size=9, mode="nearest")
    fine &= np.abs(seconds - usual) <= _JUMP * usual
    return edges, np.where(fine, seconds, np.nan)


def tachogram(edges: Array, seconds: Array, *, duration: float) -> Floats:
    """Interval length four times a second, by straight lines between the ends of accepted intervals.

    NaN before the first, after the last, and inside gaps of more than 3 s.
    """
    grid = np.arange(int(duration * _TACHOGRAM_RATE)) / _TACHOGRAM_RATE
    fine = np.isfinite(seconds)
    if fine.sum() < 2:
        return np.full(len(grid), np.nan)
    when, value = edges[1:][fine], seconds[fine]
    curve = np.interp(grid, when, value, left=np.nan, right=np.nan)
    wide = np.flatnonzero(np.diff(when) > _LONGEST_GAP)
    curve[
        mask_of(np.searchsorted(grid, when[wide], "right"), np.searchsorted(grid, when[wide + 1]), len(grid))
    ] = np.nan
    return curve


def least_seconds(measure: str) -> float:
    """Shortest window for one of :data:`MEASURES`."""
    return max(LEAST_SECONDS.values()) if measure == "lf_hf" else LEAST_SECONDS.get(measure, 0.0)


MEASURES = ("rate", "sdnn", "rmssd", "pnn50", "lf", "hf", "lf_hf")
"""What :func:`variability` gives of each window."""


def variability(beats: Beats, starts: Array, *, window_seconds: float) -> tuple[Floats, Floats]:
    """Heart rate and its variability in windows.

    Parameters
    ----------
    beats
        Of a whole trial or recording.
    starts
        Seconds from its first sample to each window.
    window_seconds
        Length of the windows.

    Returns
    -------
    values
        (windows, :data:`MEASURES`). ``rate``: beats a minute. ``sdnn``: standard deviation of the intervals
        in ms. ``rmssd``: root mean square of the differences of neighbouring intervals in ms. ``pnn50``:
        share of these over 50 ms. ``lf``, ``hf``: natural logarithm of the power in :data:`BANDS` in ms²;
        ``lf_hf``: the difference of the two. Only intervals that lie in the window and are believed
        (:func:`intervals`) count. NaN: ``rate`` of fewer than two of them, the others of fewer than five; a
        band of a window shorter than :data:`LEAST_SECONDS`, or whose intervals have a gap of more than 3 s.
    coverage
        (windows,): the share of the window that believed intervals cover, the quality index.
    """
    from mien.signal.spectrum import band_power

    edges, seconds = intervals(beats)
    stops = starts + window_seconds
    values = np.full((len(starts), len(MEASURES)), np.nan)
    if len(seconds) == 0:
        return values, np.zeros(len(starts))
    _, coverage = step_means(edges, seconds, starts, stops)
    first = np.searchsorted(edges[:-1], starts - 1e-9)
    last = np.maximum(np.searchsorted(edges[1:], stops + 1e-9), first)
    count, total, squares = _sums(seconds * 1e3, first, last)
    steps = np.diff(seconds) * 1e3
    n_steps, _, step_squares = _sums(steps, first, np.maximum(last - 1, first))
    _, wide, _ = _sums(
        np.where(np.isfinite(steps), np.abs(steps) > 50, np.nan), first, np.maximum(last - 1, first)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        values[:, 0] = np.where(count >= 2, 6e4 * count / total, np.nan)
        spread = np.maximum(squares - total**2 / count, 0) / (count - 1)
        values[:, 1] = np.where(count >= 5, np.sqrt(spread), np.nan)
        values[:, 2] = np.where(n_steps >= 5, np.sqrt(step_squares / n_steps), np.nan)
        values[:, 3] = np.where(n_steps >= 5, wide / n_steps, np.nan)
    if window_seconds >= min(LEAST_SECONDS.values()) and len(starts):
        curve = tachogram(edges, seconds, duration=len(beats.lost) / beats.rate) * 1e3
        length = int(window_seconds * _TACHOGRAM_RATE)
        begin = np.rint(starts * _TACHOGRAM_RATE).astype(int)
        for number, at in enumerate(begin):
            part = curve[None, at : at + length]
            # the ends of a trial have no beat beyond them
            part = _ends(part, most=round(_LONGEST_GAP * _TACHOGRAM_RATE))
            if part.shape[1] < length - 1 or not np.isfinite(part).all():
                continue
            span = part.shape[1] / _TACHOGRAM_RATE
            power = band_power(
                part, rate=_TACHOGRAM_RATE, bands=BANDS, window_seconds=span, stride_seconds=span
            )[0, :, 0] * [high - low for low, high in BANDS.values()]
            with np.errstate(divide="ignore"):
                logs = np.log(power)
            for name, column in (("lf", 4), ("hf", 5)):
                if window_seconds >= LEAST_SECONDS[name]:
                    values[number, column] = logs[list(BANDS).index(name)]
        values[:, 6] = values[:, 4] - values[:, 5]
    values[~np.isfinite(values)] = np.nan
    return values, coverage


def arrival_times(ecg: Beats, ppg: Beats, *, longest: float = 0.6) -> tuple[Floats, Floats]:
    """Pulse arrival time of each heart beat: from the R peak to the steepest rise of the next pulse.

    Parameters
    ----------
    ecg, ppg
        Beats of the two signals from the same moment on.
    longest
        Seconds within which the pulse must arrive.

    Returns
    -------
    edges, seconds
        The n R peaks and n - 1 times, each for the stretch to the next R peak; NaN where no pulse arrives in
        time or either beat is not alike. The time holds the pre-ejection period too.
    """
    edges = ecg.times
    if len(edges) < 2:
        return edges, np.empty(0)
    good = ppg.alike >= ALIKE["ppg"]
    feet = ppg.feet[good]
    if not len(feet):
        return edges, np.full(len(edges) - 1, np.nan)
    at = np.searchsorted(feet, edges[:-1], "right")
    wait = np.where(at < len(feet), feet[np.minimum(at, len(feet) - 1)] - edges[:-1], np.nan)
    fine = (wait > 0.05) & (wait <= longest) & (ecg.alike[:-1] >= ALIKE["ecg"])
    return edges, np.where(fine, wait, np.nan)


def _sums(x: Array, first: Array, last: Array) -> tuple[Array, Array, Array]:
    """Number, sum and sum of squares of what is finite in ``x[first:last]``."""
    fine = np.isfinite(x)
    zero = np.where(fine, x, 0.0)
    parts = (fine.astype(float), zero, zero**2)
    sums = [np.concatenate([[0.0], np.cumsum(part)]) for part in parts]
    ends = np.minimum(last, len(x)), np.minimum(first, len(x))
    return tuple(s[ends[0]] - s[ends[1]] for s in sums)


def _ends(part: Array, *, most: int) -> Array:
    """A row whose NaN at the ends, at most so many on each side, are the nearest number."""
    fine = np.flatnonzero(np.isfinite(part[0]))
    if not len(fine) or fine[0] > most or part.shape[1] - 1 - fine[-1] > most:
        return part
    part = part.copy()
    part[0, : fine[0]] = part[0, fine[0]]
    part[0, fine[-1] :] = part[0, fine[-1]]
    return part
