"""What both recipes of the eye features share: names, channels, statistics per window, a made-up signal."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError, Signal
from mien.signal.gaze import EYES_NOT_FOUND, Spans, lost_gaze, runs

Array = NDArray[Any]

BANDS: dict[str, tuple[float, float]] = {
    "0.05-0.2": (0.05, 0.2),
    "0.2-0.4": (0.2, 0.4),
    "0.4-0.6": (0.4, 0.6),
    "0.6-1": (0.6, 1.0),
}
"""Bands of the pupil in Hz."""
PUPILS = ("pupil_left", "pupil_right")
AREA_AU, DIAMETER_AU = "_area_au", "_diameter_au"
"""What follows the name of a pupil whose size is in arbitrary units of a camera."""

NAMES: tuple[str, ...] = (
    *(f"{pupil}_de_{band}" for pupil in PUPILS for band in BANDS),
    *(f"{pupil}_{what}" for pupil in PUPILS for what in ("mean", "std")),
    *("fixation_duration_mean", "fixation_duration_std"),
    *("fixation_dispersion_x_mean", "fixation_dispersion_y_mean"),
    *("fixation_dispersion_x_std", "fixation_dispersion_y_std"),
    *("saccade_duration_mean", "saccade_duration_std", "saccade_amplitude_mean", "saccade_amplitude_std"),
    *("blink_duration_mean", "blink_duration_std"),
    *("clip_blink_frequency", "clip_fixation_frequency", "clip_fixation_duration_max"),
    *("clip_fixation_dispersion_max", "clip_fixation_dispersion_total", "clip_saccade_frequency"),
    *("clip_saccade_duration_mean", "clip_saccade_amplitude_mean", "clip_saccade_latency_mean"),
)
"""The 33 features in the order of the files of SEED-VII and SEED-V."""

CLIP_CONSTANT: tuple[str, ...] = tuple(name for name in NAMES if name.startswith("clip_"))
"""Features that are one number per trial, repeated on each of its windows: they name the trial, so windows of
one trial must never stand on both sides of a split."""

_BRIDGED = 0.01
"""Seconds without a row in the file after which an eye movement type is no longer carried on."""


def channel(signal: Signal, name: str) -> Array:
    """One channel as float64; NaN throughout where the signal does not have it."""
    if name not in signal.channels:
        return np.full(signal.n_times, np.nan)
    return np.asarray(signal.data[signal.channels.index(name)], dtype=np.float64)


def gaze_position(signal: Signal) -> Array:
    """Gaze (2, times) in pixels; NaN in both where either is lost."""
    absent = [name for name in ("gaze_x", "gaze_y") if name not in signal.channels]
    if signal.unit != "mixed" or absent:
        raise InputError(
            f"the signal has the channels {', '.join(signal.channels)} and the unit {signal.unit!r}",
            expected="gaze_x and gaze_y (px), pupil_left and pupil_right (m; with _area_au or _diameter_au "
            "where in units of a camera), eye_movement (code), 'mixed'",
            remedy="read the gaze of an eye tracker, or use 'shipped' where a data set comes with features",
        )
    position = np.stack([channel(signal, "gaze_x"), channel(signal, "gaze_y")])
    position[:, lost_gaze(position)] = np.nan
    return position


def pupil_diameter(signal: Signal, name: str) -> tuple[Array, str | None]:
    """One pupil's diameter (times,), and the channel it was made from if that is not in metres.

    A channel called ``name`` is in metres and goes before the others. Of ``<name>_area_au`` and
    ``<name>_diameter_au``, in arbitrary units of a camera, the root of the area, or the diameter, is given;
    0 and less there is a lost pupil. NaN throughout where the signal has none.
    """
    in_metres = channel(signal, name)
    if name in signal.channels and np.isfinite(in_metres).any():
        return in_metres, None
    for ending in (AREA_AU, DIAMETER_AU):
        if name + ending in signal.channels:
            size = channel(signal, name + ending)
            size = np.where(size > 0, size, np.nan)
            return (np.sqrt(size) if ending == AREA_AU else size), name + ending
    return in_metres, None


def eye_movement(signal: Signal) -> NDArray[np.int64] | None:
    """Code of every sample, None where the signal has none.

    A few samples without a code (a row that is missing in the file) carry on the code before them; where
    there is none for 10 ms or more the eyes were not found.
    """
    code = channel(signal, "eye_movement")
    known = np.isfinite(code)
    if not known.any():
        return None
    code = np.where(known, code, EYES_NOT_FOUND).astype(np.int64)
    for start, stop in runs(~known):
        if start > 0 and stop - start < _BRIDGED * signal.rate:
            code[start:stop] = code[start - 1]
    return code


def windows_of(
    spans: Spans, *, n: int, length: int, stride: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which event belongs to which window, as pairs (event, window).

    A window has the events that start in it (an event has several windows where they overlap); where none
    starts, the one that is under way when the window begins.
    """
    start, stop = spans.T
    first = np.maximum((start - length) // stride + 1, 0)
    last = np.minimum(start // stride, n - 1)
    count = np.maximum(last - first + 1, 0)
    event = np.repeat(np.arange(len(start)), count)
    window = first[event] + np.arange(len(event)) - np.repeat(np.cumsum(count) - count, count)
    empty = np.flatnonzero(np.bincount(window, minlength=n) == 0)
    before = np.searchsorted(start, empty * stride) - 1
    empty, before = empty[before >= 0], before[before >= 0]
    under_way = stop[before] > empty * stride
    return np.concatenate([event, before[under_way]]), np.concatenate([window, empty[under_way]])


def mean_and_std(values: Array, pairs: tuple[Array, Array], n: int) -> tuple[Array, Array]:
    """Mean and standard deviation of the events of each window: (windows,) each; NaN where there is none."""
    event, window = pairs
    finite = np.isfinite(values[event])
    event, window = event[finite], window[finite]
    count = np.bincount(window, minlength=n)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(window, values[event], minlength=n) / count
        square = np.bincount(window, (values[event] - mean[window]) ** 2, minlength=n) / count
    return mean, np.sqrt(square)


def example_signal() -> Signal:
    """Gaze of 24 s at 250 Hz: every two seconds five fixations, five saccades and a blink."""
    rng = np.random.default_rng(0)
    rate, n = 250.0, 6000
    beat = np.arange(n) % 100
    code = np.where(beat < 90, 1.0, 2.0)
    target = rng.uniform(300, 900, size=(2, n // 100 + 1))
    at = np.arange(n) // 100
    share = np.clip((beat - 89) / 11, 0, 1)
    position = target[:, at] + (target[:, at + 1] - target[:, at]) * share + rng.normal(scale=2, size=(2, n))
    pupil = 3e-3 + 1e-4 * np.sin(2 * np.pi * 0.3 * np.arange(n) / rate) + rng.normal(scale=5e-6, size=(2, n))
    lost = (np.arange(n) % 500 >= 130) & (np.arange(n) % 500 < 160 + np.arange(n) // 500)
    data = np.vstack([position, pupil, code])
    data[:4, lost], data[4, lost] = np.nan, float(EYES_NOT_FOUND)
    channels = ("gaze_x", "gaze_y", *PUPILS, "eye_movement")
    return Signal(data=data, rate=rate, channels=channels, unit="mixed")
