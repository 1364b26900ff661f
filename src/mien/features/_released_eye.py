"""Eye features as the public code of MAET makes them for SEED-VII, faults included, as far as it runs.

The published script stops with a KeyError before it makes a feature (``clip_get_stat`` asks for the drift of
fixations, which nothing makes). Features 27 and 28 are therefore ours: the drift of a fixation is the
distance from its first sample to its last.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, InputError, Signal, n_windows, to_samples
from mien.features import _eeg, _eye
from mien.features._shared import FeatureWarning, assemble
from mien.signal.gaze import (
    BLINK_SECONDS,
    FIXATION,
    SACCADE,
    SHORTEST_SACCADE,
    Spans,
    dispersion,
    distance,
    interpolate_lost,
    runs,
)

Array = NDArray[Any]

RATE = 250.0
SECONDS = 4.0
"""Length and stride of a window."""
VERSION = "1"


def eye33(signal: Signal) -> Features:
    """The 33 features in pixels, seconds and mm; 0 where there is no number."""
    _check(signal)
    length = to_samples(SECONDS, signal.rate)
    n = n_windows(signal.n_times, length=length, stride=length)
    values = np.zeros((n, len(_eye.NAMES)))
    if n:
        pupil = interpolate_lost(np.stack([_eye.channel(signal, p) for p in _eye.PUPILS]) * 1e3)
        whole = pupil[:, : n * length].reshape(2, n, length)
        values[:, :8] = _pupil_entropy(whole, signal.rate)
        values[:, [8, 10]] = whole.mean(axis=-1).T
        values[:, [9, 11]] = whole.std(axis=-1).T
        values[:, 12:24] = _of_windows(signal, n, length)
        values[:, 24:] = _of_clip(signal)
    return assemble(
        np.nan_to_num(values, nan=0.0),
        signal,
        axes={"feature": _eye.NAMES},
        window_seconds=SECONDS,
        stride_seconds=SECONDS,
        extractor="eye33",
        version=VERSION,
    )


def _check(signal: Signal) -> None:
    needed = (*_eye.PUPILS, "eye_movement")
    absent = [name for name in needed if name not in signal.channels]
    _eye.gaze_position(signal)
    if absent:
        raise InputError(
            f"the signal has no channel {', '.join(absent)}",
            expected="both pupils and the tracker's own eye movement types in the released recipe",
            remedy="use recipe 'corrected'",
        )
    if signal.rate != RATE:
        warnings.warn(
            f"the released recipe was written for {RATE:g} Hz and got {signal.rate:g} Hz; its windows stay "
            f"{SECONDS:g} s long. Use recipe 'corrected' to compare with other trackers",
            FeatureWarning,
            stacklevel=2,
        )


def _pupil_entropy(windows: Array, rate: float) -> Array:
    """``log2`` of the mean ``|FFT|²`` in each band, smoothed: (windows, 8), left eye first.

    A window of 4 s has a bin every 0.25 Hz, so the bands are the bins {0}, {0, 1}, {1, 2} and {2, 3, 4}: the
    first is the size of the pupil, and neighbours share bins.
    """
    length = windows.shape[-1]
    power = np.abs(np.fft.rfft(windows * np.hanning(length), axis=-1)) ** 2
    entropy = np.empty((windows.shape[1], 2, len(_eye.BANDS)))
    with np.errstate(divide="ignore"):
        for number, (low, high) in enumerate(_eye.BANDS.values()):
            bins = slice(int(low * length / rate), int(high * length / rate) + 1)
            entropy[:, :, number] = np.log2(power[..., bins].mean(axis=-1)).T
    every_window = np.ones(len(entropy), dtype=bool)
    return _eeg.smoothed(_eeg.numbers(entropy), every_window, causal=False).reshape(len(entropy), -1)


def _of_windows(signal: Signal, n: int, length: int) -> Array:
    """Features 12 to 23 (windows, 12), each window by itself: events begin and end with it."""
    cut = _eye.gaze_position(signal)[:, : n * length]
    position = interpolate_lost(cut.reshape(2, n, length), before_first=False).reshape(2, -1)
    code = _codes(signal)[: n * length]
    fixations, saccades = _complete(code == FIXATION, length), _saccades(code, length, signal.rate)
    blinks, blink_seconds = _blinks(np.isnan(cut[0]), length, signal.rate)
    spread_x, spread_y = _statistics(dispersion(position, fixations), fixations, n, length)
    return np.column_stack(
        [
            *_statistics(_seconds(fixations, signal.rate), fixations, n, length),
            *(spread_x[0], spread_y[0], spread_x[1], spread_y[1]),
            *_statistics(_seconds(saccades, signal.rate), saccades, n, length),
            *_statistics(_span_distance(position, saccades), saccades, n, length),
            *_statistics(blink_seconds, blinks, n, length),
        ]
    )


def _of_clip(signal: Signal) -> Array:
    """Features 24 to 32 (9,): the clip as if it were one long window."""
    gaze, code, n_times = _eye.gaze_position(signal), _codes(signal), signal.n_times
    position = interpolate_lost(gaze, before_first=False)
    fixations = _complete(code == FIXATION, n_times)
    saccades = _saccades(code, n_times, signal.rate)
    blinks, _ = _blinks(np.isnan(gaze[0]), n_times, signal.rate)
    drift = _span_distance(position, fixations)
    clip_seconds = n_times / signal.rate
    # start less end of the same saccade, in samples, the last saccade left out
    latency = -(np.diff(saccades, axis=1)[:-1, 0] - 1.0)
    return np.array(
        [
            len(blinks) / clip_seconds,
            len(fixations) / clip_seconds,
            _seconds(fixations, signal.rate).max(initial=0),
            drift.max(initial=0),
            drift.sum(),
            len(saccades) / clip_seconds,
            *(
                _mean(v)
                for v in (_seconds(saccades, signal.rate), _span_distance(position, saccades), latency)
            ),
        ]
    )


def _codes(signal: Signal) -> NDArray[np.int64]:
    code = _eye.eye_movement(signal)
    return np.zeros(signal.n_times, dtype=np.int64) if code is None else code


def _complete(mask: NDArray[np.bool_], length: int) -> Spans:
    """Runs inside windows of ``length``; what is open at the end of its window has no end and is dropped."""
    spans = runs(mask, every=length)
    return spans[spans[:, 1] % length != 0]


def _saccades(code: Array, length: int, rate: float) -> Spans:
    spans = _complete(code == SACCADE, length)
    return spans[_seconds(spans, rate) > SHORTEST_SACCADE]


def _blinks(lost: NDArray[np.bool_], length: int, rate: float) -> tuple[Spans, Array]:
    """Blinks and their durations, which are one sample short.

    The first sample of a window is not looked at, so that a loss which begins at its second one is missed.
    """
    spans = _complete(lost, length)
    spans = spans[spans[:, 0] % length >= 2]
    seconds = (np.diff(spans, axis=1)[:, 0] - 1) / rate
    blink = (seconds > BLINK_SECONDS[0]) & (seconds < BLINK_SECONDS[1])
    return spans[blink], seconds[blink]


def _seconds(spans: Spans, rate: float) -> Array:
    return np.diff(spans, axis=1)[:, 0] / rate


def _span_distance(position: Array, spans: Spans) -> Array:
    """Pixels from the first to the last sample of each event."""
    return distance(position[:, spans[:, 0]], position[:, spans[:, 1] - 1], degrees=False)


def _statistics(values: Array, spans: Spans, n: int, length: int) -> Any:
    """Mean and standard deviation per window; for (axes, events) one pair per axis."""
    if values.ndim == 2:
        return [_statistics(row, spans, n, length) for row in values]
    pairs = (np.arange(len(spans)), spans[:, 0] // length)
    return _eye.mean_and_std(values, pairs, n)


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else 0.0
