"""The apex of an expression: the frame in which the face has moved furthest from its onset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError
from mien.vision import flow as _flow

Array = NDArray[Any]

BROWS = (0.18, 0.38)
LOWER_FACE = (0.51, 0.97)
ACROSS = (0.12, 0.88)
"""Rows and columns of a face crop, as shares of its height and width, in which expressions are looked for:
the brows and forehead, and everything below the eyes. The eyes are left out, so that a blink is no apex."""

_WORKING_SIZE = 256
"""Shorter side, in pixels, of the frames that motion is measured on. At half of it, motion of a pixel is
missed now and then."""
_TOP_SHARE = 0.1
"""Share of the places looked at whose mean magnitude is the motion of a frame."""
_SMOOTHING_SECONDS = 0.015
"""Standard deviation of the Gaussian that the curve is smoothed with before its largest value is taken."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Apex:
    """Where the motion is largest.

    Attributes
    ----------
    index, time
        The frame and when it was shown, in seconds.
    curve
        float64 (frames,): motion of each frame against the onset, in pixels of the frames given; NaN where a
        frame was not looked at or is not valid.
    """

    index: int
    time: float
    curve: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Phases:
    """Positions of an expression's onset, apex and offset in a curve; the offset is None where the curve ends
    before it has fallen again."""

    onset: int
    apex: int
    offset: int | None


def expressive_mask(shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Where a face crop of (height, width) moves when its expression changes; the eyes are left out."""
    y = (np.arange(shape[0]) + 0.5) / shape[0]
    x = (np.arange(shape[1]) + 0.5) / shape[1]
    rows = ((BROWS[0] <= y) & (y < BROWS[1])) | ((LOWER_FACE[0] <= y) & (y < LOWER_FACE[1]))
    return np.asarray(rows[:, None] & ((ACROSS[0] <= x) & (x < ACROSS[1]))[None])


def motion_curve(
    frames: Array,
    *,
    reference: int = 0,
    valid: Array | None = None,
    mask: Array | None = None,
    method: str = "dis",
) -> NDArray[np.float64]:
    """How far each frame has moved from one of them, the head's motion taken off: float64 (frames,).

    A frame's value is the mean magnitude of the tenth of the places in the mask that moved most, in pixels;
    the flow of small parts falls short, so that curves can be compared, and pixels only roughly.

    Parameters
    ----------
    frames
        uint8 (frames, height, width[, 3]): face crops.
    reference
        Position of the frame that the others are compared with.
    valid
        Boolean (frames,); a frame that is not valid gets NaN.
    mask
        Boolean (height, width) of the places that count, such as those of :mod:`mien.vision.regions`.
        Default: :func:`expressive_mask`.
    method
        Flow method, see :func:`mien.vision.flow.flow`.
    """
    n = len(frames)
    if not n:
        raise InputError("a clip without frames", expected="frames from onset to offset")
    usable = np.ones(n, dtype=bool) if valid is None else np.asarray(valid, dtype=bool)
    if not usable[reference]:
        raise InputError(f"frame {reference}, the onset, is not valid", remedy="choose another onset")
    places = expressive_mask(frames.shape[1:3]) if mask is None else np.asarray(mask, dtype=bool)
    if places.shape != frames.shape[1:3] or not places.any():
        raise InputError(
            f"a mask of shape {places.shape} with {int(places.sum())} places",
            expected=f"{frames.shape[1:3]} and at least one",
        )
    scale, small = _small(places)
    curve = np.full(n, np.nan)
    curve[reference] = 0.0
    first = _shrunk(frames[reference], scale)
    seen = _flow.texture(first)
    for i in np.flatnonzero(usable):
        if i != reference:
            motion = _flow.flow(first, _shrunk(frames[i], scale), method=method, moving_head=False)
            size = np.hypot(*_flow.remove_rigid(motion, texture=seen))[small]
            kept = max(1, round(_TOP_SHARE * size.size))
            curve[i] = np.partition(size, size.size - kept)[size.size - kept :].mean() / scale
    return curve


def spot_apex(
    frames: Array,
    times: Array,
    *,
    onset: float | None = None,
    offset: float | None = None,
    valid: Array | None = None,
    mask: Array | None = None,
    method: str = "dis",
) -> Apex:
    """The frame between onset and offset that has moved furthest from the onset.

    The motion of :func:`motion_curve` is smoothed over 15 ms; its largest value is the apex.

    Parameters
    ----------
    frames
        uint8 (frames, height, width[, 3]): face crops, all of one size.
    times
        Seconds (frames,), increasing.
    onset, offset
        Seconds; the frames nearest to them bound the search. Default: the first and the last frame.
    valid, mask, method
        As for :func:`motion_curve`.

    Raises
    ------
    InputError
        The onset is not before the offset, or no valid frame lies between them.
    """
    times = np.asarray(times, dtype=np.float64)
    if len(times) != len(frames) or not len(times):
        raise InputError(f"{len(frames)} frames and {len(times)} times", expected="one time for each frame")
    first = 0 if onset is None else int(np.abs(times - onset).argmin())
    last = len(times) - 1 if offset is None else int(np.abs(times - offset).argmin())
    if first >= last:
        raise InputError(
            f"onset at {times[first]:.4f} s and offset at {times[last]:.4f} s have no frame between them",
            expected="the onset before the offset",
        )
    part = slice(first, last + 1)
    curve = np.full(len(times), np.nan)
    curve[part] = motion_curve(
        frames[part], valid=None if valid is None else valid[part], mask=mask, method=method
    )
    seen = np.flatnonzero(np.isfinite(curve))
    seen = seen[seen > first]
    if not len(seen):
        raise InputError("no frame after the onset is valid", remedy="choose another clip")
    index = int(seen[np.argmax(_smoothed(curve, times)[seen])])
    return Apex(index=index, time=float(times[index]), curve=curve)


def onset_apex_offset(curve: Array, *, level: float) -> Phases:
    """Onset, apex and offset of the strongest expression in a curve, such as a blend-shape's coefficient.

    The apex is the largest value; the onset is the first position of the stretch around it that lies above
    the level, and the offset the first position after the apex that does not. NaN (no face) ends a stretch.

    Raises
    ------
    InputError
        Nothing in the curve lies above the level.
    """
    values = np.asarray(curve, dtype=np.float64)
    above = np.nan_to_num(values, nan=-np.inf) > level
    if not above.any():
        raise InputError(
            f"the curve never rises above {level:g}", expected="an expression", remedy="lower the level"
        )
    apex = int(np.flatnonzero(above)[np.argmax(values[above])])
    before, after = np.flatnonzero(~above[:apex]), np.flatnonzero(~above[apex:])
    return Phases(
        onset=int(before[-1]) + 1 if len(before) else 0,
        apex=apex,
        offset=apex + int(after[0]) if len(after) else None,
    )


def _small(places: NDArray[np.bool_]) -> tuple[float, NDArray[np.bool_]]:
    """By what frames are shrunk, and the mask at that size."""
    import cv2

    scale = min(1.0, _WORKING_SIZE / min(places.shape))
    return scale, _resized(places.astype(np.uint8), scale, cv2.INTER_NEAREST).astype(bool)


def _shrunk(frame: Array, scale: float) -> Array:
    import cv2

    return _resized(_flow.grey(frame), scale, cv2.INTER_AREA)


def _resized(image: Array, scale: float, how: int) -> Array:
    import cv2

    if scale == 1:
        return image
    height, width = (round(side * scale) for side in image.shape)
    return np.asarray(cv2.resize(image, (width, height), interpolation=how))


def _smoothed(curve: Array, times: Array) -> Array:
    """Gaussian mean over time of what is not NaN; frames need not be evenly spaced."""
    seen = np.isfinite(curve)
    distance = (times[:, None] - times[None, seen]) / _SMOOTHING_SECONDS
    weight = np.exp(-0.5 * distance**2)
    return np.asarray(weight @ curve[seen] / np.maximum(weight.sum(axis=1), 1e-12))
