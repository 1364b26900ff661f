"""From hidden sources to made-up pupils, fixations, saccades and blinks, and the 33 eye features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from mien.datasets._seed_layout import EYE_FEATURES, WINDOW_SECONDS
from mien.signal import lds_smooth

EYE_RATE = 250.0
"""Samples per second of the eye tracker."""
_PUPIL_BANDS = ((0.05, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 1.0))
_MAX_EVENTS = 40
"""More fixations than fit in a window: the shortest lasts 0.1 s."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Gaze:
    """What the eyes did in one clip; times in seconds from its start.

    ``pupil`` is (2, samples) in mm at 250 Hz, left and right. Each event array has one row an event and names
    its columns: ``fixations`` start, duration, dispersion x, dispersion y (px); ``saccades`` start, duration,
    amplitude (px); ``blinks`` start, duration.
    """

    pupil: NDArray[np.float64]
    fixations: NDArray[np.float64]
    saccades: NDArray[np.float64]
    blinks: NDArray[np.float64]
    n_windows: int


def gaze_clip(z: NDArray[np.float64], *, seconds: int, rng: np.random.Generator) -> Gaze:
    """One clip of gaze from its sources (windows, 7), the order of :mod:`mien.simulate._latent`."""
    n_windows = len(z)
    size, unrest, fixation, dispersion, amplitude, speed, blink = z.T
    pupil = _pupil(3.6 * np.exp(0.08 * size), 0.08 * np.exp(0.5 * unrest), seconds, rng)
    shape = (n_windows, _MAX_EVENTS)
    fixation_s = 0.30 * np.exp(0.33 * fixation)[:, None] * rng.lognormal(0, 0.35, shape)
    saccade_s = 0.045 * np.exp(0.28 * speed)[:, None] * rng.lognormal(0, 0.25, shape)
    fixation_s, saccade_s = np.maximum(fixation_s, 0.1), np.clip(saccade_s, 0.012, 0.2)
    stop = np.cumsum(fixation_s + saccade_s, axis=1)
    start = np.maximum(stop - fixation_s - saccade_s, 0.0)
    offset = WINDOW_SECONDS * np.arange(n_windows)[:, None]
    spread = 22 * np.exp(0.38 * dispersion)[:, None, None] * rng.lognormal(0, 0.4, (*shape, 2))
    reach = 180 * np.exp(0.33 * amplitude)[:, None] * rng.lognormal(0, 0.45, shape)
    whole_fixation = start + fixation_s <= WINDOW_SECONDS
    whole = stop <= WINDOW_SECONDS
    fixations = np.column_stack(
        [(offset + start)[whole_fixation], fixation_s[whole_fixation], *spread[whole_fixation].T]
    )
    saccades = np.column_stack([(offset + start + fixation_s)[whole], saccade_s[whole], reach[whole]])
    count = rng.poisson(np.clip(1.1 * np.exp(0.3 * blink), 0, 8))
    at = np.repeat(WINDOW_SECONDS * np.arange(n_windows), count) + rng.uniform(
        0, WINDOW_SECONDS - 0.4, count.sum()
    )
    blinks = np.column_stack([np.sort(at), rng.uniform(0.08, 0.3, len(at))])
    return Gaze(pupil=pupil, fixations=fixations, saccades=saccades, blinks=blinks, n_windows=n_windows)


def _pupil(
    level: NDArray[np.float64], unrest: NDArray[np.float64], seconds: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Both pupils in mm: a level, slow waves below 1 Hz that both share, and a little of their own."""
    n_times = int(seconds * EYE_RATE)
    frequency = scipy.fft.rfftfreq(n_times, 1 / EYE_RATE)
    shape = np.where((frequency > 0) & (frequency < 2.0), 1 / np.sqrt(frequency + 0.1), 0)
    spectrum = rng.standard_normal((3, 2 * len(frequency))).view(np.complex128) * shape
    waves = scipy.fft.irfft(spectrum, n=n_times)
    waves /= waves.std(axis=1, keepdims=True)
    window = int(WINDOW_SECONDS * EYE_RATE)
    of_sample = np.minimum(np.arange(n_times) // window, len(level) - 1)
    common = level[of_sample] + unrest[of_sample] * waves[0]
    return common + 0.01 * waves[1:] + np.array([[0.03], [-0.03]])


def eye_features(gaze: Gaze) -> NDArray[np.float64]:
    """The 33 features (windows, 33) of one clip in file order, from known events.

    The definitions are those of the public code of MAET where it runs, with the two features it never creates
    (largest and total fixation dispersion of the clip) taken as path lengths. Means and standard deviations
    over no event are 0, as in the released files.
    """
    n = gaze.n_windows
    out = np.zeros((n, len(EYE_FEATURES)))
    window = int(WINDOW_SECONDS * EYE_RATE)
    pupil = gaze.pupil[:, : n * window].reshape(2, n, window)
    power = np.abs(scipy.fft.rfft(pupil * np.hanning(window), axis=-1)) ** 2
    for side in range(2):
        for b, (low, high) in enumerate(_PUPIL_BANDS):
            first, last = int(low * window / EYE_RATE), int(high * window / EYE_RATE)
            out[:, 4 * side + b] = np.log2(power[side, :, first : last + 1].mean(axis=-1))
        out[:, 8 + 2 * side] = pupil[side].mean(axis=-1)
        out[:, 9 + 2 * side] = pupil[side].std(axis=-1)
    out[:, :8] = lds_smooth(out[:, :8])
    fix, sac, blink = gaze.fixations, gaze.saccades, gaze.blinks
    out[:, 12], out[:, 13] = _by_window(fix[:, 0], fix[:, 1], n)
    out[:, 14], out[:, 16] = _by_window(fix[:, 0], fix[:, 2], n)
    out[:, 15], out[:, 17] = _by_window(fix[:, 0], fix[:, 3], n)
    out[:, 18], out[:, 19] = _by_window(sac[:, 0], sac[:, 1], n)
    out[:, 20], out[:, 21] = _by_window(sac[:, 0], sac[:, 2], n)
    out[:, 22], out[:, 23] = _by_window(blink[:, 0], blink[:, 1], n)
    seconds = gaze.pupil.shape[1] / EYE_RATE
    path = np.hypot(fix[:, 2], fix[:, 3])
    latency = sac[1:, 0] - (sac[:-1, 0] + sac[:-1, 1])
    out[:, 24:] = [
        len(blink) / seconds,
        len(fix) / seconds,
        fix[:, 1].max(initial=0),
        path.max(initial=0),
        path.sum(),
        len(sac) / seconds,
        sac[:, 1].mean() if len(sac) else 0,
        sac[:, 2].mean() if len(sac) else 0,
        latency.mean() if len(latency) else 0,
    ]
    return out


def _by_window(
    start: NDArray[np.float64], value: NDArray[np.float64], n_windows: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of the events that start in each window; 0 where there is none."""
    which = np.minimum((start // WINDOW_SECONDS).astype(int), n_windows - 1)
    count = np.maximum(np.bincount(which, minlength=n_windows), 1)
    mean = np.bincount(which, value, minlength=n_windows) / count
    square = np.bincount(which, value**2, minlength=n_windows) / count
    return mean, np.sqrt(np.maximum(square - mean**2, 0))
