"""From made-up fixations and saccades to a gaze point on the screen, sample by sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.simulate._gaze import EYE_RATE, Gaze
from mien.simulate._tsv import LOST, MOVEMENTS

SCREEN = (1920.0, 1080.0)
"""Width and height in px."""
CENTRE = (960.0, 540.0)
_DROPOUTS_PER_MINUTE = 0.4
_MARGIN = 40.0
_DIRECTIONS = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class TrueGaze:
    """What the eyes did in one clip; times in seconds from its start, samples at ``rate``.

    Attributes
    ----------
    rate
        Samples per second; sample ``j`` is at ``j / rate``.
    position
        (2, samples): x to the right and y down in px, also while gaze is lost.
    pupil
        (2, samples): left and right in mm, also while gaze is lost.
    movement
        (samples,): 0 unclassified, 1 fixation, 2 saccade, 3 eyes not found.
    fixations
        One row each: start, duration, dispersion x, dispersion y (px, largest minus smallest), x and y at the
        start. Those that do not end within their window of four seconds are not among them: that stretch is
        unclassified.
    saccades
        One row each: start, duration, amplitude (px), x and y from, x and y to.
    blinks
        One row each: start and duration; two may overlap.
    lost
        One row each: start and duration of a stretch in which the tracker does not find the eyes: blinks,
        joined where they overlap, and dropouts.
    events
        The same fixations, saccades and blinks as the made-up eye features are computed from.
    """

    rate: float
    position: NDArray[np.float64]
    pupil: NDArray[np.float64]
    movement: NDArray[np.int8]
    fixations: NDArray[np.float64]
    saccades: NDArray[np.float64]
    blinks: NDArray[np.float64]
    lost: NDArray[np.float64]
    events: Gaze


def look(gaze: Gaze, *, rng: np.random.Generator, start: tuple[float, float] = CENTRE) -> TrueGaze:
    """Place the events of a clip on the screen.

    Within a fixation the gaze wanders and trembles over exactly the fixation's dispersion. A saccade covers
    exactly its amplitude in a direction that stays on the screen where there is one among the eight it draws,
    with the speed of a movement of least jerk. Between events the gaze stays where it is.
    """
    n_times = gaze.pupil.shape[1]
    wander = 0.8 * np.cumsum(rng.standard_normal((2, n_times)), axis=1) + rng.standard_normal((2, n_times))
    angles = rng.uniform(0, 2 * np.pi, (len(gaze.saccades), _DIRECTIONS))
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    position = np.empty((2, n_times))
    movement = np.zeros(n_times, dtype=np.int8)
    fixation_at = np.empty((len(gaze.fixations), 2))
    saccade_at = np.empty((len(gaze.saccades), 4))
    here, reached = np.array(start), 0
    events = sorted(
        [(row[0], row[1], 1, i) for i, row in enumerate(gaze.fixations)]
        + [(row[0], row[1], 2, i) for i, row in enumerate(gaze.saccades)]
    )
    for begin, duration, kind, i in events:
        first, stop = _samples(begin, duration, n_times)
        position[:, reached:first] = here[:, None]
        movement[first:stop] = kind
        if kind == MOVEMENTS.index("Fixation"):
            fixation_at[i] = here
            if stop > first:
                position[:, first:stop] = here[:, None] + _scaled(
                    wander[:, first:stop], gaze.fixations[i, 2:4]
                )
                here = position[:, stop - 1].copy()
        else:
            there = _target(here, gaze.saccades[i, 2] * directions[i])
            saccade_at[i] = *here, *there
            progress = (np.arange(first, stop) / EYE_RATE - begin) / duration
            position[:, first:stop] = here[:, None] + (there - here)[:, None] * _least_jerk(progress)
            here = there
        reached = max(stop, reached)
    position[:, reached:] = here[:, None]
    lost = _joined(np.concatenate([gaze.blinks, _dropouts(n_times / EYE_RATE, rng)]))
    for begin, duration in lost:
        movement[slice(*_samples(begin, duration, n_times))] = LOST
    return TrueGaze(
        rate=EYE_RATE,
        position=position,
        pupil=gaze.pupil,
        movement=movement,
        fixations=np.hstack([gaze.fixations, fixation_at]),
        saccades=np.hstack([gaze.saccades, saccade_at]),
        blinks=gaze.blinks,
        lost=lost,
        events=gaze,
    )


def back_to_centre(
    position: NDArray[np.float64], movement: NDArray[np.int8]
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """The last second of a rest: a saccade of 60 ms to the middle of the screen, then a fixation there."""
    position, movement = position.copy(), movement.copy()
    first = max(position.shape[1] - int(EYE_RATE), 0)
    n = min(int(0.06 * EYE_RATE), position.shape[1] - first)
    here, centre = position[:, first, None], np.array(CENTRE)[:, None]
    position[:, first : first + n] = here + (centre - here) * _least_jerk((np.arange(n) + 0.5) / n)
    position[:, first + n :] = centre
    movement[first : first + n] = MOVEMENTS.index("Saccade")
    movement[first + n :] = MOVEMENTS.index("Fixation")
    return position, movement


def _samples(begin: float, duration: float, n_times: int) -> tuple[int, int]:
    """First sample of a half-open span and the one after its last."""
    # the small term keeps a start such as 0.3 * 250 = 75.00000000000001 on its sample
    first, stop = (int(np.ceil(t * EYE_RATE - 1e-9)) for t in (begin, begin + duration))
    return min(first, n_times), min(stop, n_times)


def _scaled(wander: NDArray[np.float64], dispersion: NDArray[np.float64]) -> NDArray[np.float64]:
    wander = wander - wander[:, :1]
    reach = np.ptp(wander, axis=1, keepdims=True)
    return wander * np.divide(dispersion[:, None], reach, out=np.zeros_like(reach), where=reach > 0)


def _least_jerk(progress: NDArray[np.float64]) -> NDArray[np.float64]:
    """Flash and Hogan (1985), J. Neurosci. 5: the course of a movement from 0 to 1."""
    u = np.clip(progress, 0, 1)
    return u**3 * (10 - 15 * u + 6 * u**2)


def _target(here: NDArray[np.float64], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first candidate on the screen, or else the one least far off it."""
    there = here + steps
    size = np.array(SCREEN)
    outside = np.maximum(np.maximum(_MARGIN - there, there - (size - _MARGIN)), 0)
    return there[np.hypot(*outside.T).argmin()]  # argmin takes the first of equals


def _dropouts(seconds: float, rng: np.random.Generator) -> NDArray[np.float64]:
    n = rng.poisson(_DROPOUTS_PER_MINUTE * seconds / 60)
    return np.column_stack([rng.uniform(0, seconds, n), rng.uniform(0.5, 2.0, n)])


def _joined(spans: NDArray[np.float64]) -> NDArray[np.float64]:
    """Union of spans (start, duration), in the order of time."""
    if not len(spans):
        return spans
    spans = spans[spans[:, 0].argsort(kind="stable")]
    start, reach = spans[:, 0], np.maximum.accumulate(spans.sum(axis=1))
    opens = np.r_[True, start[1:] > reach[:-1]]
    closes = np.r_[opens[1:], True]
    return np.column_stack([start[opens], reach[closes] - start[opens]])
