"""From hidden sources to a made-up EEG in microvolts at the 62 SEED electrodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from mien.datasets._seed_layout import BANDS, CHANNELS, EEG_RATE, WINDOW_SECONDS
from mien.simulate._head import electrode_positions

BAND_EDGES = ((1.0, 4.0), (4.0, 8.0), (8.0, 14.0), (14.0, 31.0), (31.0, 50.0))
BASE_MICROVOLT2 = (60.0, 25.0, 30.0, 12.0, 5.0)
"""Power of the five bands, before sources, in µV²."""
SOURCE_GAIN = 0.2
"""Root-mean-square change of a feature's log power per unit of a source."""
BLINK_MICROVOLT = 90.0


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadModel:
    """Where sources show: ``mixing`` and ``baseline`` turn sources into log power (natural log of µV²).

    ``mixing`` is (bands, channels, sources), ``baseline`` (bands, channels), ``smear`` (channels, channels)
    makes neighbouring electrodes record similar signals.
    """

    mixing: NDArray[np.float64]
    baseline: NDArray[np.float64]
    smear: NDArray[np.float32]


def draw_head(seed: int, *, n_sources: int) -> HeadModel:
    """Give each source a place on the scalp, a second place of opposite sign, and one or two bands."""
    rng = np.random.default_rng([seed, 1])
    at = electrode_positions(CHANNELS)
    distance2 = ((at[:, None] - at[None]) ** 2).sum(axis=-1)
    mixing = np.zeros((len(BANDS), len(CHANNELS), n_sources))
    for k in range(n_sources):
        here, there = rng.choice(len(CHANNELS), 2, replace=False)
        place = np.exp(-distance2[here] / (2 * 0.35**2)) - 0.6 * np.exp(-distance2[there] / (2 * 0.35**2))
        profile = rng.dirichlet(np.full(len(BANDS), 0.6)) * rng.choice([-1.0, 1.0], len(BANDS))
        mixing[:, :, k] = profile[:, None] * place[None]
    mixing *= SOURCE_GAIN / np.sqrt((mixing**2).mean(axis=(0, 1)))
    baseline = np.log(np.array(BASE_MICROVOLT2))[:, None] + 0.15 * rng.standard_normal(
        (len(BANDS), len(CHANNELS))
    )
    baseline[2] += 0.8 * np.exp(-((at[:, 1] + 0.8) ** 2) / 0.3)  # alpha is strongest at the back
    smear = np.exp(-distance2 / (2 * 0.25**2))
    smear /= np.sqrt((smear**2).sum(axis=1, keepdims=True))
    return HeadModel(mixing=mixing, baseline=baseline, smear=smear.astype(np.float32))


def draw_bad_channels(seed: int, subject: int, session: int) -> dict[str, str]:
    """Now and then (15 % of the recordings) one channel is ``dead`` or ``noisy``: channel name to fault."""
    rng = np.random.default_rng([seed, 2, subject, session])
    if rng.random() >= 0.15:
        return {}
    return {CHANNELS[rng.integers(len(CHANNELS))]: str(rng.choice(["dead", "noisy"]))}


def brain_clip(
    z: NDArray[np.float64], *, seconds: int, head: HeadModel, rng: np.random.Generator
) -> NDArray[np.float32]:
    """What the brain alone gives in one clip: the first random numbers :func:`eeg_clip` draws.

    Parameters are those of :func:`eeg_clip`.

    Returns
    -------
    ndarray
        (62, seconds × 200) in µV: 1/f noise in five bands whose powers follow the sources.
    """
    n_times = int(seconds * EEG_RATE)
    log_power = head.baseline + np.einsum("bck,tk->tbc", head.mixing, z)
    frequency = scipy.fft.rfftfreq(n_times, 1 / EEG_RATE)
    noise = rng.standard_normal((len(CHANNELS), 2 * len(frequency)), dtype=np.float32).view(np.complex64)
    spectrum = head.smear @ noise
    window = int(WINDOW_SECONDS * EEG_RATE)
    of_window = np.minimum(np.arange(-(-n_times // window)), len(z) - 1)
    eeg = np.zeros((len(CHANNELS), n_times), dtype=np.float32)
    for b, (low, high) in enumerate(BAND_EDGES):
        inside = np.flatnonzero((frequency >= low) & (frequency < high))
        shape = 1 / np.sqrt(frequency[inside])
        part = np.zeros_like(spectrum)
        # unit variance: sum over bins of 2 |X|² / n² with E|X|² = 2 shape²
        part[:, inside] = spectrum[:, inside] * (shape * n_times / (2 * np.sqrt((shape**2).sum()))).astype(
            np.float32
        )
        carrier = scipy.fft.irfft(part, n=n_times)
        gain = np.exp(0.5 * log_power[of_window, b]).astype(np.float32).T
        eeg += carrier * np.repeat(gain, window, axis=1)[:, :n_times]
    return eeg


def eeg_clip(
    z: NDArray[np.float64],
    *,
    seconds: int,
    head: HeadModel,
    blinks: NDArray[np.float64],
    bad: dict[str, str],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """One clip of EEG.

    Parameters
    ----------
    z
        Sources (windows, sources); each holds for its four seconds, the last one to the end of the clip.
    seconds
        Length in whole seconds.
    blinks
        (blinks, 2): start and duration in seconds.
    bad
        Channel name to ``"dead"`` or ``"noisy"``.

    Returns
    -------
    ndarray
        (62, seconds × 200) in µV: 1/f noise in five bands whose powers follow the sources, with blinks,
        muscle bursts, what a notch filter leaves of 50 Hz hum, and bad channels.
    """
    n_times = int(seconds * EEG_RATE)
    eeg = brain_clip(z, seconds=seconds, head=head, rng=rng)
    eeg += _blink_artefact(blinks, n_times)
    eeg += _muscle_artefact(n_times, rng)
    time = np.arange(n_times) / EEG_RATE
    eeg += (0.4 * np.sin(2 * np.pi * 50 * time + rng.uniform(0, 2 * np.pi))).astype(np.float32)
    for name, fault in bad.items():
        row = CHANNELS.index(name)
        scale = {"dead": 0.02, "noisy": 150.0}[fault]
        eeg[row] = scale * rng.standard_normal(n_times, dtype=np.float32)
    return eeg.astype(np.float64)


def _blink_artefact(blinks: NDArray[np.float64], n_times: int) -> NDArray[np.float32]:
    """Half-sine bumps, largest at the forehead."""
    at = electrode_positions(CHANNELS)
    topography = np.exp(-((at[:, 1] - 1.0) ** 2) / 0.18).astype(np.float32)
    course = np.zeros(n_times, dtype=np.float32)
    for start, duration in blinks:
        first = round(start * EEG_RATE)
        n = min(max(round((duration + 0.15) * EEG_RATE), 2), n_times - first)
        if n > 0:
            course[first : first + n] += BLINK_MICROVOLT * np.sin(np.pi * np.arange(n) / n)
    return topography[:, None] * course


def _muscle_artefact(n_times: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Bursts of half a second above 20 Hz over the temples, two a minute on average."""
    at = electrode_positions(CHANNELS)
    topography = np.clip(np.abs(at[:, 0]) - 0.55, 0, None).astype(np.float32)
    out = np.zeros(n_times, dtype=np.float32)
    n = int(0.5 * EEG_RATE)
    for first in rng.integers(0, max(n_times - n, 1), rng.poisson(2 * n_times / EEG_RATE / 60)):
        burst = np.diff(rng.standard_normal(n + 1)) * np.hanning(n)
        out[first : first + n] += 20.0 * burst[: n_times - first]
    return topography[:, None] * out
