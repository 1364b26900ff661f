"""The 33 eye features of the SEED family: pupils, fixations, saccades, blinks."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, Signal, n_windows, registered, to_samples
from mien.features import _eeg, _eye, _released_eye
from mien.features._shared import FeatureWarning, Info, assemble
from mien.signal import band_power, differential_entropy
from mien.signal.gaze import (
    BLINK_SECONDS,
    GazeEvents,
    Screen,
    amplitude,
    classify_velocity,
    dispersion,
    find_events,
    interpolate_lost,
    lost_gaze,
    mark,
    runs,
    velocity_noise,
    visual_angles,
)

Array = NDArray[Any]

INFO = Info(
    version="1",
    modality="eye",
    scope="recording",
    reaches="trial",
    unit="bit (of mm), mm, s, 1/s; px or degree; 1 for mm where a pupil is in units of a camera",
    released_unit="log2(mm2), mm, s, 1/s, px, samples",
)
RELEASED = _released_eye.eye33
example = _eye.example_signal
CLIP_CONSTANT = _eye.CLIP_CONSTANT


def default_stream(**options: Any) -> str:
    """``raw_gaze``, whatever the options: gaze is used as it was recorded."""
    del options
    return "raw_gaze"


MIN_SEEN = 0.5
"""Share of a window's samples that must have been seen for a number about the window."""
LID_SECONDS = 0.05
"""The pupil beside a blink or longer loss is half covered by the lid for about this long and is not used."""
PUPIL_RATE = 25.0
"""Pupils are averaged down to about this rate before their slow waves are taken."""
PIXELS_PER_DEGREE = 41.0
"""A desktop screen of 24 inches, 1920 pixels wide, at 65 cm; used for the velocity threshold alone."""
NOISE_FACTOR = 4.0
"""A velocity threshold below this many times the tremor of gaze is warned of: at 4, one in some 3000 samples
of an eye at rest is faster, and each of them cuts a fixation."""
PLAUSIBLE_FACTOR = 5.0
"""The threshold that is proposed instead, by the same measure: four samples in a million are faster."""


@registered
def eye33(
    signal: Signal,
    *,
    window_seconds: float = 4.0,
    stride_seconds: float = 4.0,
    pupil_seconds: float = 40.0,
    velocity_threshold: float = 30.0,
    screen_px: Sequence[float] | None = None,
    screen_width_m: float | None = None,
    distance_m: float | None = None,
    one_pupil_for_both: bool = False,
) -> Features:
    """Pupil bands, pupil size, and statistics of fixations, saccades and blinks, in file order.

    Parameters
    ----------
    signal
        One trial, unit ``"mixed"``: ``gaze_x``, ``gaze_y`` (px, from the upper left corner), ``pupil_left``,
        ``pupil_right`` (m), ``eye_movement`` (0 unclassified, 1 fixation, 2 saccade, 3 eyes not found); NaN
        where lost. Without ``eye_movement`` the types are found by velocity; a pupil may be absent and gives
        NaN. A pupil in arbitrary units of a camera is called ``pupil_left_area_au`` or
        ``pupil_left_diameter_au`` (``right`` likewise); its diameter is divided by its median over the trial.
    window_seconds, stride_seconds
        Length of a window and distance between two.
    pupil_seconds
        Length of the stretch, centred on the window and moved inside the trial, from which the bands of the
        pupil are taken; at least 20 s are needed for 0.05 Hz.
    velocity_threshold
        Degrees per second above which gaze is a saccade, where the signal has no types.
    screen_px, screen_width_m, distance_m
        Width and height of the screen in pixels, its width, and the distance of the eyes, both in metres.
        With all three, dispersions and amplitudes are degrees of visual angle; with none, pixels.
    one_pupil_for_both
        Where the tracker followed one eye, take its pupil for the other's too: pupils widen and narrow
        together.

    Returns
    -------
    Features
        Axes window, feature (33). NaN where a window has no such event, a pupil was seen for less than half
        of it, or a band is too slow for the trial. A window is not valid if gaze was tracked for less than
        half of it, or if fewer than half of its values are numbers. The last nine features
        (:data:`CLIP_CONSTANT`) are one number per trial, repeated on every window.

    Raises
    ------
    ValueError
        The screen is described in part or with numbers that are not positive; a threshold or length is not.
    InputError
        The signal has no gaze.

    Warns
    -----
    FeatureWarning
        Saccades were found by velocity on a screen that is not known, or with a threshold that the tremor of
        gaze alone passes; a pupil is in arbitrary units.

    Notes
    -----
    Every definition stands on the page ``docs/features/eye33.md``. Light from the screen moves all pupils
    alike; :mod:`mien.batches.luminance` takes it off the signal before this, fitted on training subjects.
    """
    if not pupil_seconds > 0:
        raise ValueError(f"pupil_seconds must be positive, got {pupil_seconds}")
    screen = _screen(screen_px, screen_width_m, distance_m)
    length, stride = to_samples(window_seconds, signal.rate), to_samples(stride_seconds, signal.rate)
    n = n_windows(signal.n_times, length=length, stride=stride)
    gaze = _eye.gaze_position(signal)
    position = gaze if screen is None else visual_angles(gaze, screen)
    lost = lost_gaze(gaze)
    code = _eye.eye_movement(signal)
    if code is None:
        code = _by_velocity(position, signal.rate, velocity_threshold, degrees=screen is not None)
    events = find_events(code, lost, rate=signal.rate)
    tracked = ~mark(events.gaps, signal.n_times)
    grid = {"n": n, "length": length, "stride": stride}
    pupil = _seen_pupils(signal, one_for_both=one_pupil_for_both)
    values = np.full((n, len(_eye.NAMES)), np.nan)
    if n:
        values[:, :8] = _pupil_entropy(pupil, signal.rate, pupil_seconds, **grid)
        values[:, 8:12] = _pupil_size(pupil, **grid)
        values[:, 12:24], values[:, 24:] = _of_events(
            events, position, tracked, rate=signal.rate, degrees=screen is not None, **grid
        )
    made = assemble(
        values,
        signal,
        axes={"feature": _eye.NAMES},
        window_seconds=window_seconds,
        stride_seconds=stride_seconds,
        extractor="eye33",
        version=INFO.version,
    )
    return replace(made, valid=made.valid & (_share(tracked, **grid) >= MIN_SEEN))


def _screen(size: Sequence[float] | None, width: float | None, away: float | None) -> Screen | None:
    if size is None and width is None and away is None:
        return None
    if size is None or width is None or away is None:
        raise ValueError("screen_px, screen_width_m and distance_m go together: give all three or none")
    if isinstance(size, str) or not isinstance(size, Sequence) or len(size) != 2:
        raise ValueError(f"screen_px is {size!r}; it needs width and height in pixels")
    if not all(isinstance(number, int | float) for number in (*size, width, away)):
        raise ValueError(f"the screen needs numbers, got {size!r} px, {width!r} m and {away!r} m")
    return Screen(size_px=(float(size[0]), float(size[1])), width=width, distance=away)


def _by_velocity(position: Array, rate: float, threshold: float, *, degrees: bool) -> NDArray[np.int64]:
    scale = 1.0 if degrees else PIXELS_PER_DEGREE
    if not degrees:
        _warn(
            "the gaze has no eye movement types and the screen is not known: saccades are found by velocity "
            f"with {PIXELS_PER_DEGREE:g} px taken for a degree. Give screen_px, screen_width_m and "
            "distance_m"
        )
    noise = velocity_noise(position, rate=rate) / scale
    if threshold < NOISE_FACTOR * noise:
        plausible = 5 * math.ceil(PLAUSIBLE_FACTOR * noise / 5)
        _warn(
            f"gaze trembles by {noise:.0f} degrees/s while the eyes rest, so that tremor alone passes "
            f"velocity_threshold={threshold:g}: fixations are cut, and saccades found that are none. "
            f"Plausible here: velocity_threshold={plausible}"
        )
    return classify_velocity(position, rate=rate, threshold=threshold * scale, degrees=degrees)


def _warn(text: str) -> None:
    """Warn from where the feature is computed."""
    warnings.warn(text, FeatureWarning, stacklevel=4)


def _seen_pupils(signal: Signal, *, one_for_both: bool) -> Array:
    """Both pupils (2, times) in mm, or as a share of their median where in units of a camera.

    NaN where lost, or beside a loss as long as a blink or longer.
    """
    found = [_eye.pupil_diameter(signal, name) for name in _eye.PUPILS]
    pupil = np.stack([diameter for diameter, _ in found]) * 1e3
    margin = to_samples(LID_SECONDS, signal.rate)
    for row, (_, arbitrary) in zip(pupil, found, strict=True):
        losses = runs(~np.isfinite(row))
        long = losses[np.diff(losses, axis=1)[:, 0] > BLINK_SECONDS[0] * signal.rate]
        row[mark(long, len(row), margin=margin)] = np.nan
        if arbitrary is not None and np.isfinite(row).any():
            row /= np.nanmedian(row)
    absent = [not np.isfinite(row).any() for row in pupil]
    if one_for_both and sum(absent) == 1:
        pupil[absent.index(True)] = pupil[absent.index(False)]
    in_units = [name for _, name in found if name is not None]
    if in_units:
        _warn(
            f"{' and '.join(in_units)} in units of the camera: pupil features are of the diameter as a share "
            "of its median over the trial, not of millimetres, and go with no others"
        )
    return pupil


def _pupil_entropy(pupil: Array, rate: float, seconds: float, *, n: int, length: int, stride: int) -> Array:
    """Entropy in bits of each band's variance, smoothed over the trial: (windows, 8), left eye first."""
    factor = max(1, int(rate / PUPIL_RATE))
    slow_rate = rate / factor
    slow = interpolate_lost(pupil)[:, : pupil.shape[1] // factor * factor]
    slow = slow.reshape(2, -1, factor).mean(axis=-1)
    long = min(to_samples(max(seconds, length / rate), slow_rate), slow.shape[1])
    middle = (np.arange(n) * stride + length / 2) / factor
    start = np.clip(np.rint(middle - long / 2).astype(np.int64), 0, slow.shape[1] - long)
    where, which = np.unique(start, return_inverse=True)
    resolved = {name: band for name, band in _eye.BANDS.items() if band[0] * long / slow_rate >= 1}
    entropy = np.full((n, len(_eye.BANDS), 2), np.nan)
    if resolved:
        widths = np.array([high - low for low, high in resolved.values()])[:, None]
        stretches = np.lib.stride_tricks.sliding_window_view(slow, long, axis=-1)[:, where]
        power = band_power(
            stretches.reshape(-1, long),
            rate=slow_rate,
            bands=resolved,
            window_seconds=long / slow_rate,
            stride_seconds=long / slow_rate,
        )[0].reshape(len(resolved), 2, len(where))
        of_band = differential_entropy(power * widths[:, None])
        rows = [name in resolved for name in _eye.BANDS]
        entropy[:, rows] = np.moveaxis(of_band[..., which], -1, 0)
    seen = np.isfinite(pupil)
    for side in range(2):
        entropy[_share(seen[side], n=n, length=length, stride=stride) < MIN_SEEN, :, side] = np.nan
    entropy = _eeg.smoothed(_eeg.numbers(entropy), np.ones(n, dtype=bool), causal=False)
    return np.moveaxis(entropy, 2, 1).reshape(n, -1)


def _pupil_size(pupil: Array, *, n: int, length: int, stride: int) -> Array:
    """Mean and standard deviation of what was seen, left then right: (windows, 4)."""
    out = np.full((n, 4), np.nan)
    for side, row in enumerate(pupil):
        seen = np.isfinite(row)
        share = _share(seen, n=n, length=length, stride=stride)
        level = row[seen].mean() if seen.any() else 0.0
        centred = np.where(seen, row - level, 0.0)
        mean, square = (_share(v, n=n, length=length, stride=stride) for v in (centred, centred**2))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean, square = mean / share, square / share
        out[:, 2 * side] = level + mean
        out[:, 2 * side + 1] = np.sqrt(np.maximum(square - mean**2, 0.0))
        out[share < MIN_SEEN, 2 * side : 2 * side + 2] = np.nan
    return out


def _share(values: Array, *, n: int, length: int, stride: int) -> Array:
    """Mean of a series over each window: (windows,)."""
    total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    start = np.arange(n) * stride
    return (total[start + length] - total[start]) / length


def _of_events(
    events: GazeEvents,
    position: Array,
    tracked: NDArray[np.bool_],
    *,
    rate: float,
    degrees: bool,
    n: int,
    length: int,
    stride: int,
) -> tuple[Array, Array]:
    """Features 12 to 23 (windows, 12) of each window's events, and 24 to 32 (9,) of all."""
    fixations, saccades, blinks = events.fixations, events.saccades, events.blinks
    fixation_s, saccade_s, blink_s = (np.diff(s, axis=1)[:, 0] / rate for s in (fixations, saccades, blinks))
    spread = dispersion(position, fixations)
    reach = amplitude(position, saccades, degrees=degrees)
    of_fixation, of_saccade, of_blink = (
        _eye.windows_of(s, n=n, length=length, stride=stride) for s in (fixations, saccades, blinks)
    )
    x, y = (_eye.mean_and_std(row, of_fixation, n) for row in spread)
    by_window = np.column_stack(
        [
            *_eye.mean_and_std(fixation_s, of_fixation, n),
            *(x[0], y[0], x[1], y[1]),
            *_eye.mean_and_std(saccade_s, of_saccade, n),
            *_eye.mean_and_std(reach, of_saccade, n),
            *_eye.mean_and_std(blink_s, of_blink, n),
        ]
    )
    seconds = tracked.sum() / rate
    diagonal = np.hypot(*spread)
    diagonal = diagonal[np.isfinite(diagonal)]
    if not seconds:
        return by_window, np.full(9, np.nan)
    return by_window, np.array(
        [
            len(blinks) / seconds,
            len(fixations) / seconds,
            fixation_s.max() if len(fixation_s) else np.nan,
            diagonal.max() if len(diagonal) else np.nan,
            diagonal.sum() / seconds,
            len(saccades) / seconds,
            *(_mean(v) for v in (saccade_s, reach, _latency(saccades, tracked) / rate)),
        ]
    )


def _latency(saccades: Array, tracked: NDArray[np.bool_]) -> Array:
    """Samples from the end of each saccade to the start of the next, where gaze was tracked in between."""
    untracked = np.concatenate([[0], np.cumsum(~tracked)])
    end, following = saccades[:-1, 1], saccades[1:, 0]
    return np.asarray((following - end)[untracked[following] == untracked[end]])


def _mean(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
