"""From the hidden sources of :mod:`mien.simulate._mes_plan` to 68 channels in µV."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import scipy.fft
import scipy.signal
from numpy.typing import NDArray

from mien.datasets._mes_eeg_layout import CHANNELS as FILE_CHANNELS
from mien.datasets._mes_eeg_layout import EEG_CHANNELS as CHANNELS
from mien.datasets._mes_eeg_layout import HOUSEKEEPING_MARKERS, REST_MARKER
from mien.simulate import _mes_plan as plan_
from mien.simulate._eeg import HeadModel
from mien.simulate._head import electrode_positions
from mien.simulate._mes_plan import Plan

RATE = 250
"""At which the brain is made; other rates are interpolated without anything above 100 Hz but the noise."""
RATES = (250, 500, 1000)
EDGES = (1.0, 4.0, 8.0, 13.0, 30.0, 47.0)
WHITE_MICROVOLT = 0.5
BLINK_MICROVOLT = 90.0

_BRAIN = np.array([FILE_CHANNELS.index(name) for name in CHANNELS])
_ROW = {name: i for i, name in enumerate(FILE_CHANNELS)}
_FADE = RATE // 5


def recording(
    plan: Plan, head: HeadModel, subject: int, *, rate: int, beats: NDArray[np.float64] | None = None
) -> Iterator[NDArray[np.float32]]:
    """The blocks of one subject's EEG, (68, times) in µV: the lead-in, then each clip between rests.

    ``beats`` are the times of the heart's beats, in seconds of the recording; None: a heart of its own."""
    yield _block(plan, head, subject, clip=-1, rate=rate, beats=beats)
    stop = int(plan.eeg_stop[subject])
    for clip in range(stop):
        yield _block(plan, head, subject, clip=clip, rate=rate, beats=beats)
    if stop < len(plan.clips):  # the recording breaks off in the middle of a clip
        block = _block(plan, head, subject, clip=stop, rate=rate, beats=beats)
        yield block[:, : block.shape[1] // 2]


def markers(plan: Plan, *, rate: int) -> list[tuple[str, int]]:
    """Word and sample of every marker: 77 and 88 in the lead-in, each clip's own, 100 at its end."""
    out = [(str(word), (i + 1) * rate // 2) for i, word in enumerate(HOUSEKEEPING_MARKERS)]
    for marker, start, length in zip(plan.clips, plan.starts(), plan.seconds, strict=True):
        out += [(str(marker), int(start) * rate), (str(REST_MARKER), int(start + length) * rate)]
    return out


def _block(
    plan: Plan, head: HeadModel, subject: int, *, clip: int, rate: int, beats: NDArray[np.float64] | None
) -> NDArray[np.float32]:
    half = plan.rest // 2
    if clip < 0:
        z = np.broadcast_to(plan.offset[subject], (plan_.LEAD_SECONDS + half, plan_.N_SOURCES))
        blinks = np.zeros(0)
    else:
        z, blinks = plan.levels(subject, clip), plan.blinks(subject, clip) + half
        if clip == len(plan.clips) - 1:
            z = np.concatenate([z, z[-1:]])
    rng = np.random.default_rng([plan.seed, 35, subject, clip + 1])
    made = np.zeros((len(FILE_CHANNELS), len(z) * RATE), dtype=np.float32)
    made[_BRAIN] = _brain(z, head, rng)
    made[_ROW["M1"]], made[_ROW["M2"]] = 0.6 * made[_ROW["TP7"]], 0.6 * made[_ROW["TP8"]]
    first = 0 if clip < 0 else int(plan.starts()[clip]) - half
    _add_body(made, blinks, None if beats is None else beats - first, rng)
    # blocks are made one by one: they meet in the rests, where both fade
    window = np.ones(made.shape[1], dtype=np.float32)
    window[:_FADE] = np.sin(np.linspace(0, np.pi / 2, _FADE)) ** 2
    window[-_FADE:] = window[:_FADE][::-1]
    made *= window
    if rate != RATE:
        made = scipy.signal.resample(made, made.shape[1] * rate // RATE, axis=1).astype(np.float32)
    made += WHITE_MICROVOLT * rng.standard_normal(made.shape, dtype=np.float32)
    return made


def _brain(z: NDArray[np.float64], head: HeadModel, rng: np.random.Generator) -> NDArray[np.float32]:
    """1/f noise in five bands whose powers follow the sources second by second, (62, times)."""
    seconds = len(z)
    n = seconds * RATE
    frequency = scipy.fft.rfftfreq(n, 1 / RATE)
    inside = (frequency >= EDGES[0]) & (frequency < EDGES[-1])
    noise = rng.standard_normal((len(CHANNELS), 2 * int(inside.sum())), dtype=np.float32).view(np.complex64)
    noise = head.smear @ noise
    log_power = (head.baseline + np.einsum("bck,tk->tbc", head.mixing, z)).astype(np.float32)
    out = np.zeros((len(CHANNELS), seconds, RATE), dtype=np.float32)
    for b, (low, high) in enumerate(pairwise(EDGES)):
        bins = np.flatnonzero((frequency >= low) & (frequency < high))
        shape = 1 / np.sqrt(frequency[bins])
        # unit variance: sum over bins of 2 |X|² / n² with E|X|² = 2 shape²
        shape = (shape * n / (2 * np.sqrt((shape**2).sum()))).astype(np.float32)
        spectrum = np.zeros((len(CHANNELS), bins[-1] + 1), dtype=np.complex64)
        spectrum[:, bins] = noise[:, bins - np.flatnonzero(inside)[0]] * shape
        carrier = scipy.fft.irfft(spectrum, n=n).reshape(out.shape)
        carrier *= np.exp(0.5 * log_power[:, b]).T[..., None]
        out += carrier
    return out.reshape(len(CHANNELS), n)


def _add_body(
    made: NDArray[np.float32],
    blinks: NDArray[np.float64],
    beats: NDArray[np.float64] | None,
    rng: np.random.Generator,
) -> None:
    """Blinks, eye movements, heart, muscle and hum, into the (68, times) of a block."""
    n = made.shape[1]
    time = np.arange(n) / RATE
    at = electrode_positions(CHANNELS)
    course = np.zeros(n, dtype=np.float32)
    length = round((plan_.BLINK_SECONDS + 0.1) * RATE)
    for start in blinks:
        first = round(start * RATE)
        stop = min(first + length, n)
        course[first:stop] += BLINK_MICROVOLT * np.sin(np.pi * np.arange(stop - first) / length)
    made[_BRAIN] += np.exp(-((at[:, 1] - 1.0) ** 2) / 0.18).astype(np.float32)[:, None] * course
    made[_ROW["VEO"]] += 1.5 * course
    steps = np.zeros(n)
    steps[rng.integers(0, n, max(n // RATE, 1))] = 40 * rng.standard_normal(max(n // RATE, 1))
    gaze = scipy.signal.lfilter([1.0], [1.0, -(1 - 1 / RATE)], steps).astype(np.float32)
    made[_ROW["HEO"]] += gaze
    made[_BRAIN] += (0.25 * at[:, 0] * np.exp(-np.abs(at[:, 1] - 0.65) / 0.5)).astype(np.float32)[
        :, None
    ] * gaze
    if beats is None:
        beats = np.cumsum(0.85 + 0.05 * rng.standard_normal(int(time[-1] / 0.6) + 2))
    beat = np.zeros(n)
    beat[np.rint(beats[(beats >= 0) & (beats < time[-1])] * RATE).astype(int)] = 1
    lag = np.arange(-RATE // 10, RATE // 2) / RATE
    wave = np.exp(-((lag / 0.012) ** 2)) - 0.2 * np.exp(-(((lag - 0.03) / 0.012) ** 2))
    wave += 0.25 * np.exp(-(((lag - 0.25) / 0.05) ** 2))
    made[_ROW["EKG"]] += (900 * np.convolve(beat, wave)[RATE // 10 : RATE // 10 + n]).astype(np.float32)
    made[_ROW["EMG"]] += 8 * rng.standard_normal(n, dtype=np.float32)
    made += (1.0 * np.sin(2 * np.pi * 50 * time + rng.uniform(0, 2 * np.pi))).astype(np.float32)
