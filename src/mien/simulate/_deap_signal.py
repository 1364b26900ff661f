"""From hidden sources to the forty channels of a made-up preprocessed DEAP trial, at 128 Hz."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from mien.datasets._deap_layout import BAND, BASELINE_SECONDS, EEG, PERIPHERAL, RATE
from mien.simulate._deap_plan import MODALITIES, N_EEG, WINDOW_SECONDS, Plan
from mien.simulate._head import electrode_positions

Floats = NDArray[np.float64]

BAND_EDGES = ((4.0, 8.0), (8.0, 14.0), (14.0, 31.0), (31.0, 45.0))
BASE_MICROVOLT2 = (14.0, 18.0, 8.0, 3.0)
"""Power of the four bands, before sources, in µV²."""
SOURCE_GAIN = 0.3
"""Root-mean-square change of a band's log power at an electrode per unit of a source."""
_SMEAR = 0.2
"""Reach of a source of noise over the scalp, in head radii."""
_RAMP_SECONDS = 0.25
"""How long the change from one window to the next takes."""

BODY_SOURCES = ("skin level", "skin unrest", "pulse", "breath", "zygomaticus", "trapezius")
"""What the sources of the body set, in order."""
_OHM = 2.5e5
_PER_SOURCE = {
    **{"skin level": -0.12, "skin unrest": 0.4, "heart rate": 0.05, "pulse": 0.3},
    **{"breath rate": 0.08, "breath": 0.3, "zygomaticus": 0.35, "trapezius": 0.35},
}
"""Change of the natural logarithm per unit of a source."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """Where sources show: log power is ``baseline`` (bands, channels) plus ``mixing`` (bands, channels,
    sources) times sources; ``smear`` (channels, channels) makes neighbours alike."""

    mixing: Floats
    baseline: Floats
    smear: NDArray[np.float32]


def draw_head(seed: int) -> Head:
    """Give each source a place on the scalp, a second one of opposite sign, and one or two bands."""
    rng = np.random.default_rng([seed, 201])
    at = electrode_positions(EEG)
    distance2 = ((at[:, None] - at[None]) ** 2).sum(axis=-1)
    mixing = np.zeros((len(BAND_EDGES), len(EEG), N_EEG))
    for k in range(N_EEG):
        here, there = rng.choice(len(EEG), 2, replace=False)
        place = np.exp(-distance2[here] / (2 * 0.35**2)) - 0.6 * np.exp(-distance2[there] / (2 * 0.35**2))
        profile = rng.dirichlet(np.full(len(BAND_EDGES), 0.6)) * rng.choice([-1.0, 1.0], len(BAND_EDGES))
        mixing[:, :, k] = profile[:, None] * place
    mixing *= SOURCE_GAIN / np.sqrt((mixing**2).mean(axis=(0, 1)))
    baseline = np.log(BASE_MICROVOLT2)[:, None] + 0.15 * rng.standard_normal((len(BAND_EDGES), len(EEG)))
    baseline[1] += 0.8 * np.exp(-((at[:, 1] + 0.8) ** 2) / 0.3)  # alpha is strongest at the back
    smear = np.exp(-distance2 / (2 * _SMEAR**2))
    smear /= np.sqrt((smear**2).sum(axis=1, keepdims=True))
    return Head(mixing=mixing, baseline=baseline, smear=smear.astype(np.float32))


def n_times(n_windows: int) -> int:
    """Samples of a stored trial whose video has so many windows."""
    return int(RATE) * (BASELINE_SECONDS + WINDOW_SECONDS * n_windows)


def trial(z: Floats, *, head: Head, rng: np.random.Generator) -> Floats:
    """One stored trial.

    Parameters
    ----------
    z
        (1 + windows, sources): levels in the three seconds before the video and in each window of it.

    Returns
    -------
    ndarray
        (40, times): 32 EEG channels in µV, then the eight others in their own units.
    """
    return np.concatenate([_eeg(z[:, MODALITIES["eeg"]], head, rng), _body(z[:, MODALITIES["body"]], rng)])


def stored_trial(plan: Plan, head: Head, person: int, video: int) -> Floats:
    """The stored trial (40, times) of a person before a video, made again from the seed."""
    z = np.concatenate([plan.before[person, video][None], plan.z[person, video]])
    return trial(z, head=head, rng=np.random.default_rng([plan.seed, 204, person, video]))


def _course(levels: Floats) -> Floats:
    """(..., windows) to (..., times), with short ramps between windows."""
    held = np.repeat(levels, int(WINDOW_SECONDS * RATE), axis=-1)
    return np.asarray(
        scipy.ndimage.uniform_filter1d(held, int(_RAMP_SECONDS * RATE), axis=-1, mode="nearest")
    )


def _eeg(z: Floats, head: Head, rng: np.random.Generator) -> Floats:
    """Noise in four bands whose powers follow the sources; 4 to 45 Hz, average reference."""
    n = n_times(len(z) - 1)
    frequency = scipy.fft.rfftfreq(n, 1 / RATE)
    noise = rng.standard_normal((len(EEG), 2 * len(frequency)), dtype=np.float32).view(np.complex64)
    spectrum = head.smear @ noise
    amplitude = np.exp(0.5 * (head.baseline[..., None] + head.mixing @ z.T)).astype(np.float32)
    eeg = np.zeros((len(EEG), n), dtype=np.float32)
    for (low, high), level in zip(BAND_EDGES, amplitude, strict=True):
        inside = np.flatnonzero((frequency >= low) & (frequency < high))
        shape = 1 / np.sqrt(frequency[inside])
        # unit variance: sum over bins of 2 |X|² / n² with E|X|² = 2 shape²
        part = np.zeros_like(spectrum)
        part[:, inside] = spectrum[:, inside] * (shape * n / (2 * np.sqrt((shape**2).sum()))).astype(
            np.float32
        )
        eeg += scipy.fft.irfft(part, n=n) * _course(level)
    kept = scipy.fft.rfft(eeg.astype(np.float64))
    kept[:, (frequency < BAND[0]) | (frequency > BAND[1])] = 0
    kept -= kept.mean(axis=0)
    return np.asarray(scipy.fft.irfft(kept, n=n), dtype=np.float64)


def _coloured(rng: np.random.Generator, n: int, *, low: float, high: float) -> Floats:
    """Noise of variance 1 between two frequencies."""
    frequency = scipy.fft.rfftfreq(n, 1 / RATE)
    inside = (frequency >= low) & (frequency <= high)
    drawn = rng.standard_normal(2 * len(frequency)).view(np.complex128) * inside
    return np.asarray(scipy.fft.irfft(drawn * n / (2 * np.sqrt(max(inside.sum(), 1))), n=n))


def _body(z: Floats, rng: np.random.Generator) -> Floats:
    """Eyes, muscles, skin, breath, pulse and temperature, (8, times), in the order of the files."""
    n = n_times(len(z) - 1)
    level = dict(zip(BODY_SOURCES, _course(z.T), strict=True))

    def grows(name: str, source: str) -> Floats:
        return np.asarray(np.exp(_PER_SOURCE[name] * level[source]))

    heart = 1.15 * grows("heart rate", "pulse") * np.exp(0.04 * _coloured(rng, n, low=0.05, high=0.3))
    beat = 2 * np.pi * (np.cumsum(heart) / RATE + rng.random())
    pulse = np.sin(beat) + 0.35 * np.sin(2 * beat + 0.6) + 0.1 * np.sin(3 * beat + 1.1)
    breathing = 0.27 * grows("breath rate", "breath")
    breath = np.sin(2 * np.pi * (np.cumsum(breathing) / RATE + rng.random()))
    unrest = 0.01 * grows("skin unrest", "skin unrest") * _coloured(rng, n, low=0.5, high=2.0)
    of = {
        "hEOG": _gaze(rng, n),
        "vEOG": _gaze(rng, n) + _blinks(rng, n),
        "zEMG": 6.0 * grows("zygomaticus", "zygomaticus") * _coloured(rng, n, low=20.0, high=60.0),
        "tEMG": 8.0 * grows("trapezius", "trapezius") * _coloured(rng, n, low=20.0, high=60.0),
        "GSR": _OHM * grows("skin level", "skin level") * (1 + unrest),
        "Resp": 1500.0 * grows("breath", "breath") * breath + 40 * rng.standard_normal(n),
        "Plet": 2500.0 * grows("pulse", "pulse") * pulse + 60 * rng.standard_normal(n),
        "Temp": 33.0 + 0.05 * np.cumsum(rng.standard_normal(n)) / np.sqrt(n) + 0.002 * rng.standard_normal(n),
    }
    return np.stack([of[name] for name in PERIPHERAL])


def _gaze(rng: np.random.Generator, n: int) -> Floats:
    """Steps of a wandering eye, in µV, two a second, and a little noise."""
    steps = np.zeros(n)
    at = rng.integers(0, n, rng.poisson(2 * n / RATE))
    steps[at] = 1.0
    number = np.cumsum(steps).astype(np.int64)
    places = 30.0 * rng.standard_normal(int(number[-1]) + 1)
    return places[number] + 1.5 * rng.standard_normal(n)


def _blinks(rng: np.random.Generator, n: int) -> Floats:
    """Bumps of 0.25 s and 150 µV, twelve a minute."""
    impulses = np.zeros(n)
    impulses[rng.integers(0, n, rng.poisson(12 * n / RATE / 60))] = 150.0
    return np.asarray(scipy.ndimage.convolve1d(impulses, np.hanning(int(0.25 * RATE)), mode="constant"))
