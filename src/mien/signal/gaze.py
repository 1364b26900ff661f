"""Eye events from gaze: runs, fixations, saccades, blinks; lost samples, visual angle, velocity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Spans = NDArray[np.int64]
"""Events as (events, 2): first sample, and the one after the last."""

UNCLASSIFIED, FIXATION, SACCADE, EYES_NOT_FOUND = 0, 1, 2, 3
"""Codes of a channel ``eye_movement``."""

BLINK_SECONDS = (0.05, 0.4)
"""A loss of gaze is a blink if it lasts longer than the first and shorter than the second."""
SHORTEST_SACCADE = 0.01
"""Saccades in seconds are longer than this."""
SHORTEST_FIXATION = 0.06
"""Seconds of the shortest fixation that :func:`classify_velocity` accepts."""
LONGEST_FILLED = 0.075
"""Losses of gaze up to this many seconds are bridged by :func:`classify_velocity`."""
VELOCITY_SECONDS = 0.02
"""Velocity is the displacement over about this many seconds."""


@dataclass(frozen=True, kw_only=True)
class Screen:
    """A flat screen straight before the eyes, whose middle is level with them; square pixels.

    ``size_px`` is (width, height) in pixels; ``width`` and ``distance`` are metres.
    """

    size_px: tuple[float, float]
    width: float
    distance: float

    def __post_init__(self) -> None:
        numbers = (*self.size_px, self.width, self.distance)
        if len(self.size_px) != 2 or not all(np.isfinite(n) and n > 0 for n in numbers):
            raise ValueError(
                f"a screen has two sides in px, a width and a distance, all positive, got {self}"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class GazeEvents:
    """What the eyes did, as :data:`Spans` in order of time.

    ``gaps`` are losses of gaze too long for a blink, or open at an end of the record: the eyes were not
    tracked. Losses shorter than a blink belong to what surrounds them.
    """

    fixations: Spans
    saccades: Spans
    blinks: Spans
    gaps: Spans


def runs(mask: ArrayLike, *, every: int | None = None) -> Spans:
    """Stretches of True in a boolean series.

    Parameters
    ----------
    mask
        (times,).
    every
        Cut the runs at all multiples of this many samples.
    """
    array = np.asarray(mask, dtype=bool)
    if not array.any():
        return np.empty((0, 2), dtype=np.int64)
    change = np.empty(len(array) + 1, dtype=bool)
    change[0], change[-1] = array[0], array[-1]
    np.not_equal(array[1:], array[:-1], out=change[1:-1])
    edges = np.flatnonzero(change)
    if every is None:
        return np.ascontiguousarray(edges.reshape(-1, 2))
    cuts = np.arange(every, len(array), every)
    cuts = cuts[array[cuts] & array[cuts - 1]]
    return np.sort(np.concatenate([edges, cuts, cuts])).reshape(-1, 2)


def interpolate_lost(values: ArrayLike, *, before_first: bool = True) -> NDArray[np.float64]:
    """Bridge what is not finite by straight lines along the last axis.

    The last value is held to the end, and the first one back to the start unless ``before_first`` is False:
    then NaN stays there. A series without a value stays NaN.
    """
    array = np.asarray(values, dtype=np.float64)
    n = array.shape[-1]
    seen = np.isfinite(array)
    if n == 0 or seen.all():
        return array.copy()
    at = np.arange(n)
    left = np.maximum.accumulate(np.where(seen, at, -1), axis=-1)
    right = np.minimum.accumulate(np.where(seen, at, n)[..., ::-1], axis=-1)[..., ::-1]
    after_last, to_first = right == n, left < 0
    right = np.where(after_last, left, right)
    left = np.where(to_first, right, left)
    nothing = left < 0
    left, right = np.maximum(left, 0), np.maximum(right, 0)
    low = np.take_along_axis(array, left, axis=-1)
    high = np.take_along_axis(array, right, axis=-1)
    share = (at - left) / np.maximum(right - left, 1)
    out = np.where(right > left, low + (high - low) * share, low)
    out[nothing if before_first else to_first] = np.nan
    return out


def visual_angles(position: ArrayLike, screen: Screen) -> NDArray[np.float64]:
    """Horizontal and vertical angle of gaze from the middle of the screen: (2, times) in degrees.

    ``position`` is (2, times) in pixels from the upper left corner.
    """
    pixel = screen.width / screen.size_px[0]
    middle = np.array(screen.size_px)[:, None] / 2
    offset = np.asarray(position, dtype=np.float64) - middle
    return np.degrees(np.arctan2(offset * pixel, screen.distance))


def distance(first: Array, second: Array, *, degrees: bool) -> NDArray[np.float64]:
    """How far two sets of positions (2, points) lie apart: the angle between two gazes, or plain distance.

    Parameters
    ----------
    first, second
        Positions in pixels, or what :func:`visual_angles` gives.
    degrees
        Whether they are angles; the result is then in degrees.
    """
    if not degrees:
        return np.asarray(np.hypot(*(second - first)))
    a, b = (np.concatenate([np.tan(np.radians(p)), np.ones((1, p.shape[1]))]) for p in (first, second))
    across = np.linalg.norm(np.cross(a, b, axis=0), axis=0)
    return np.degrees(np.arctan2(across, (a * b).sum(axis=0)))


def dispersion(position: Array, spans: Spans) -> NDArray[np.float64]:
    """Largest less smallest position in each event: (axes, events); NaN where an event has no gaze.

    ``position`` is (axes, times); lost samples take no part.
    """
    return _by_span(np.fmax, position, spans) - _by_span(np.fmin, position, spans)


def _by_span(function: np.ufunc, values: Array, spans: Spans) -> Array:
    if not len(spans):
        return np.empty((*values.shape[:-1], 0))
    # the extra column lets an event end with the record
    padded = np.concatenate([values, values[..., -1:]], axis=-1)
    return np.asarray(function.reduceat(padded, spans.ravel(), axis=-1))[..., ::2]


def amplitude(position: Array, spans: Spans, *, degrees: bool) -> NDArray[np.float64]:
    """How far each saccade carries the gaze: (events,) in pixels or degrees.

    From the last sample before it to the first one after it; from its own first or last sample where the
    neighbour was lost or the record ends.
    """
    n = position.shape[1]
    start, stop = spans.T
    lost = np.append(lost_gaze(position), True)  # place n and -1: beyond either end
    before = np.where(lost[start - 1], start, start - 1)
    after = np.where(lost[np.minimum(stop, n)], stop - 1, stop)
    return distance(position[:, before], position[:, after], degrees=degrees)


def lost_gaze(position: ArrayLike) -> NDArray[np.bool_]:
    """Where (2, times) holds no gaze: (times,)."""
    return np.asarray(~np.isfinite(position).all(axis=0))


def classify_velocity(position: Array, *, rate: float, threshold: float, degrees: bool) -> NDArray[np.int64]:
    """Eye movement type of every sample by velocity threshold (I-VT).

    Losses of up to 75 ms are bridged; the velocity of a sample is the displacement from 10 ms before it to
    10 ms after it (at least one sample each way), so that a saccade comes out up to 10 ms longer at either
    end; what is faster than the threshold is a saccade, the rest fixation; fixations under 60 ms become
    unclassified.

    Parameters
    ----------
    position
        (2, times) in pixels or degrees, NaN where lost.
    rate
        Samples per second.
    threshold
        Pixels or degrees per second.
    degrees
        Whether positions are angles.

    Returns
    -------
    ndarray
        The codes :data:`UNCLASSIFIED`, :data:`FIXATION`, :data:`SACCADE`, :data:`EYES_NOT_FOUND`.

    Notes
    -----
    Salvucci and Goldberg (2000), doi:10.1145/355017.355028; the constants are those of Olsen (2012), The
    Tobii I-VT fixation filter.
    """
    if not threshold > 0:
        raise ValueError(f"the velocity threshold must be positive, got {threshold}")
    lost = lost_gaze(position)
    losses = runs(lost)
    gap = mark(losses[np.diff(losses, axis=1)[:, 0] > LONGEST_FILLED * rate], len(lost))
    filled = np.where(gap, np.nan, interpolate_lost(np.where(lost, np.nan, position)))
    speed = _speed(filled, rate=rate, degrees=degrees)
    code = np.where(speed > threshold, SACCADE, FIXATION)
    code[np.isnan(speed)] = UNCLASSIFIED
    code[gap] = EYES_NOT_FOUND
    fixations = runs(code == FIXATION)
    short = fixations[np.diff(fixations, axis=1)[:, 0] < SHORTEST_FIXATION * rate]
    code[mark(short, len(code))] = UNCLASSIFIED
    return code


def velocity_noise(position: ArrayLike, *, rate: float) -> float:
    """How fast gaze seems to move while the eyes rest, by the tremor of the tracker.

    The velocity that :func:`classify_velocity` looks at has two components; each one's standard deviation is
    taken from its median absolute deviation, which saccades do not change as long as they are rare. Tremor
    alone then makes ``exp(-k² / 2)`` of all samples faster than ``k`` times the result: 1 % at 3, one in 3000
    at 4.

    Parameters
    ----------
    position
        (2, times) in pixels or degrees, NaN where lost.
    rate
        Samples per second.

    Returns
    -------
    float
        Pixels or degrees per second: the quadratic mean of the two components; NaN where fewer than 20
        velocities are known.

    Notes
    -----
    Thresholds as multiples of a robust spread of velocity: Engbert and Kliegl (2003),
    doi:10.1016/S0042-6989(03)00084-1.
    """
    array = np.asarray(position, dtype=np.float64)
    back = 2 * _half_reach(rate)
    velocity = (array[:, back:] - array[:, :-back]) * (rate / back)
    velocity = velocity[:, ~lost_gaze(velocity)]
    if velocity.shape[1] < _LEAST_VELOCITIES:
        return float("nan")
    away = np.abs(velocity - np.median(velocity, axis=1, keepdims=True))
    return float(np.sqrt(np.mean((_SD_OF_MAD * np.median(away, axis=1)) ** 2)))


_SD_OF_MAD = 1.4826
"""Standard deviation of a normal distribution by its median absolute deviation."""
_LEAST_VELOCITIES = 20


def _half_reach(rate: float) -> int:
    """Samples before and after over which a velocity is taken."""
    return max(1, round(VELOCITY_SECONDS / 2 * rate))


def _speed(position: Array, *, rate: float, degrees: bool) -> Array:
    """Displacement over time around each sample; to one side only beside a gap; NaN where it is lost."""
    n = position.shape[1]
    half = _half_reach(rate)
    at = np.arange(n)
    speed = np.full(n, np.nan)
    for back, ahead in ((half, half), (0, half), (half, 0)):
        first, last = np.maximum(at - back, 0), np.minimum(at + ahead, n - 1)
        moved = distance(position[:, first], position[:, last], degrees=degrees)
        with np.errstate(invalid="ignore"):
            here = moved * rate / (last - first)
        speed = np.where(np.isnan(speed), here, speed)
    speed[lost_gaze(position)] = np.nan
    return speed


def mark(spans: ArrayLike, n_times: int, *, margin: int = 0) -> NDArray[np.bool_]:
    """True inside the spans, widened by ``margin`` samples to either side: (times,)."""
    pairs = np.asarray(spans, dtype=np.int64).reshape(-1, 2)
    change = np.zeros(n_times + 1, dtype=np.int64)
    np.add.at(change, np.maximum(pairs[:, 0] - margin, 0), 1)
    np.add.at(change, np.minimum(pairs[:, 1] + margin, n_times), -1)
    return np.asarray(np.cumsum(change[:-1]) > 0)


def find_events(code: ArrayLike, lost: NDArray[np.bool_], *, rate: float) -> GazeEvents:
    """Fixations, saccades, blinks and gaps of a record.

    Fixations and saccades are runs of equal code; one that is open at an end of the record is kept as far as
    it was seen. A saccade lasts longer than 10 ms. A blink is a loss of gaze of 50 to 400 ms with gaze before
    and after it.

    Parameters
    ----------
    code
        (times,) eye movement types.
    lost
        (times,) from :func:`lost_gaze`.
    rate
        Samples per second.
    """
    codes = np.asarray(code)
    fixations, saccades, losses = runs(codes == FIXATION), runs(codes == SACCADE), runs(lost)
    seconds = np.diff(losses, axis=1)[:, 0] / rate
    open_ended = (losses[:, 0] == 0) | (losses[:, 1] == len(codes))
    blink = (seconds > BLINK_SECONDS[0]) & (seconds < BLINK_SECONDS[1]) & ~open_ended
    return GazeEvents(
        fixations=fixations,
        saccades=saccades[np.diff(saccades, axis=1)[:, 0] / rate > SHORTEST_SACCADE],
        blinks=losses[blink],
        gaps=losses[(seconds > BLINK_SECONDS[0]) & ~blink],
    )
