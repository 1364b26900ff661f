"""A made-up raw recording with a known truth: brain, blinks, muscle, hum, drift, offsets, bad channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.signal
from numpy.typing import NDArray

from mien.core import Signal
from mien.datasets._seed_layout import CHANNELS
from mien.simulate._eeg import BAND_EDGES, draw_head
from mien.simulate._head import electrode_positions

EXTRAS = ("M1", "M2", "ECG", "HEO", "VEO")


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """``raw`` (62 EEG and 5 extras, volts), ``brain`` (62 × times, volts), and the channels spoilt."""

    raw: Signal
    brain: Signal
    bad: frozenset[str]
    artefacts: dict[str, NDArray[np.float64]]


def make(
    seed: int,
    *,
    seconds: int = 120,
    rate: float = 1000.0,
    n_bad: int = 0,
    muscle: float = 1.0,
    looks: float = 1.0,
) -> Made:
    """One recording; blinks 17 a minute, eye movements, muscle bursts at either temple."""
    rng = np.random.default_rng([seed, 77])
    n = int(seconds * rate)
    brain = _brain(rng, n, rate, seed)
    at = electrode_positions(CHANNELS)
    blink, look = _blinks(rng, n, rate), looks * _looks(rng, n, rate)
    forehead = np.exp(-((at[:, 1] - 1.0) ** 2) / 0.18)
    sideways = np.exp(-((at[:, 1] - 0.8) ** 2) / 0.12) * at[:, 0]
    eeg = brain + forehead[:, None] * blink + sideways[:, None] * look
    artefacts = {"blink": blink, "look": look}
    for name, side in (("left", -1), ("right", 1)):
        artefacts[name] = _bursts(rng, n, rate)
        weight = muscle * np.clip(side * at[:, 0] - 0.55, 0, None)
        eeg += weight[:, None] * artefacts[name]
    time = np.arange(n) / rate
    hum = np.sin(2 * np.pi * 50 * time) + 0.3 * np.sin(2 * np.pi * 150 * time + 1)
    eeg += rng.uniform(1, 6, len(CHANNELS))[:, None] * hum
    drift = scipy.signal.lfilter([1], [1, -0.99999], rng.standard_normal((len(CHANNELS), n)), axis=1)
    eeg += 0.02 * drift + rng.uniform(-5000, 5000, len(CHANNELS))[:, None]
    bad = [str(name) for name in rng.choice(CHANNELS, n_bad, replace=False)]
    for i, name in enumerate(bad):
        row = CHANNELS.index(name)
        kind = i % 3
        if kind == 0:
            eeg[row] = 0.02 * rng.standard_normal(n)
        elif kind == 1:
            eeg[row] += 150 * rng.standard_normal(n)
        else:
            eeg[row] = 12 * scipy.signal.lfilter([0.1], [1, -0.9], rng.standard_normal(n)) * 3
    beat = np.zeros(n)
    beat[:: int(0.85 * rate)] = 1000
    extras = np.stack(
        [
            0.5 * hum + rng.standard_normal(n),
            0.5 * hum + rng.standard_normal(n),
            scipy.signal.lfilter(np.hanning(int(0.06 * rate)), [1], beat) + rng.standard_normal(n),
            2 * look + 3 * rng.standard_normal(n),
            2.5 * blink + 3 * rng.standard_normal(n),
        ]
    )
    raw = Signal(data=np.concatenate([eeg, extras]) * 1e-6, rate=rate, channels=(*CHANNELS, *EXTRAS))
    truth = Signal(data=brain * 1e-6, rate=rate, channels=CHANNELS)
    return Made(raw=raw, brain=truth, bad=frozenset(bad), artefacts=artefacts)


def _brain(rng: np.random.Generator, n: int, rate: float, seed: int) -> NDArray[np.float64]:
    """Microvolts: smeared noise in five bands, whose powers change every four seconds, e-fold at most."""
    head = draw_head(seed, n_sources=4)
    frequency = scipy.fft.rfftfreq(n, 1 / rate)
    spectrum = head.smear @ (
        rng.standard_normal((len(CHANNELS), len(frequency)))
        + 1j * rng.standard_normal((len(CHANNELS), len(frequency)))
    )
    window = int(4 * rate)
    z = rng.standard_normal((-(-n // window), 4))
    out = np.zeros((len(CHANNELS), n))
    for b, (low, high) in enumerate(BAND_EDGES):
        inside = (frequency >= low) & (frequency < high)
        shape = np.where(inside, 1 / np.sqrt(np.maximum(frequency, low)), 0)
        carrier = scipy.fft.irfft(spectrum * shape, n=n, axis=1)
        carrier /= carrier.std()
        gain = np.exp(0.5 * (head.baseline[b][:, None] + np.clip(head.mixing[b] @ z.T, -1, 1)))
        out += carrier * np.repeat(gain, window, axis=1)[:, :n]
    return out


def _blinks(rng: np.random.Generator, n: int, rate: float) -> NDArray[np.float64]:
    out = np.zeros(n)
    for start in np.cumsum(rng.gamma(4, 60 / 17 / 4, int(n / rate))):
        size = int(rng.uniform(0.25, 0.45) * rate)
        first = int(start * rate)
        if first + size < n:
            out[first : first + size] += rng.uniform(60, 120) * np.sin(np.pi * np.arange(size) / size)
    return out


def _looks(rng: np.random.Generator, n: int, rate: float) -> NDArray[np.float64]:
    """Eyes to the left and right: a fixation of half a second or so after another, saccades of 40 ms."""
    length = np.maximum((rng.gamma(1.5, 0.6, int(4 * n / rate) + 4) * rate).astype(int), int(0.15 * rate))
    where = np.repeat(rng.laplace(0, 25, len(length)), length)[:n]
    slide = np.hanning(int(0.04 * rate) + 2)
    return scipy.signal.lfilter(slide / slide.sum(), [1], np.pad(where, (0, n - len(where))))


def _bursts(rng: np.random.Generator, n: int, rate: float) -> NDArray[np.float64]:
    out = np.zeros(n)
    size = int(0.5 * rate)
    shape = scipy.signal.firwin(int(0.1 * rate) | 1, [20, 90], pass_zero=False, fs=rate)
    for first in rng.integers(0, n - size, rng.poisson(2 * n / rate / 60)):
        noise = scipy.signal.fftconvolve(rng.standard_normal(size), shape, mode="same")
        out[first : first + size] += 40 * noise / noise.std() * np.hanning(size)
    return out
