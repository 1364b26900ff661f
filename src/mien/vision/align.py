"""Frames of a face brought onto one reference: a similarity transform each, one resampling.

A transform is a (2, 3) matrix that takes a point (x, y, 1) of the source to (x, y) of the target, in px, with
the middle of the upper left pixel at (0, 0). :func:`align_clip` makes them from points of the face; where
there are none, fit them to what there is (:func:`fit_similarity`), :func:`compose` them, :func:`warp` once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "RIGID",
    "Aligned",
    "align_clip",
    "compose",
    "crop",
    "fit_similarity",
    "interocular",
    "invert",
    "move",
    "warp",
]

RIGID: tuple[int, ...] = (33, 133, 362, 263, 168, 6, 197, 195, 5, 122, 351, 196, 419, 3, 248)
"""Points that expressions hardly move: the corners of the eyes, the bridge of the nose and its sides."""

_RIGHT_EYE, _LEFT_EYE = (33, 133), (362, 263)
"""Corners of the subject's right eye (left in the picture) and of the left one."""

Number = TypeVar("Number", np.uint8, np.float32)
Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Aligned:
    """What :func:`align_clip` makes.

    Attributes
    ----------
    frames
        (frames, size, size[, 3]), of the dtype that came in.
    points
        float32 (frames, points, 2): the points where they are in these frames.
    transforms
        float64 (frames, 2, 3): from each original frame to its aligned one.
    valid
        Boolean (frames,): False where the face had no points; such a frame is black.
    interocular
        Px between the middles of the eyes in these frames, the same for all.
    """

    frames: NDArray[Any]
    points: NDArray[np.float32]
    transforms: Matrix
    valid: NDArray[np.bool_]
    interocular: float


def interocular(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Distance (...) in px between the middles of the eyes, of points (..., 478, 2 or more)."""
    right, left = _eyes(points)
    return np.hypot(*np.moveaxis(left - right, -1, 0))


def fit_similarity(
    source: NDArray[np.floating],
    target: NDArray[np.floating],
    *,
    weights: NDArray[np.floating] | None = None,
) -> Matrix:
    """Turn, scale and shift that take points nearest to others, by least squares of the weighted distances.

    Parameters
    ----------
    source, target
        Points (..., n, 2) in px, two or more; leading axes are broadcast.
    weights
        (..., n), not negative; default: all alike.

    Returns
    -------
    ndarray
        (..., 2, 3). NaN where a point is NaN or all source points are one.

    References
    ----------
    Umeyama, IEEE Trans. PAMI 13, 1991, equations 40-42, in the plane and without mirroring: there the answer
    is one complex division.
    """
    source, target = np.asarray(source, float), np.asarray(target, float)
    z, w = source[..., 0] + 1j * source[..., 1], target[..., 0] + 1j * target[..., 1]
    share = np.ones(z.shape[-1]) if weights is None else np.asarray(weights, float)
    share = share / share.sum(axis=-1, keepdims=True)
    z_mean, w_mean = (share * z).sum(-1, keepdims=True), (share * w).sum(-1, keepdims=True)
    spread = (share * abs(z - z_mean) ** 2).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        turn = (share * np.conj(z - z_mean) * (w - w_mean)).sum(-1) / np.where(spread > 0, spread, np.nan)
    shift = w_mean[..., 0] - turn * z_mean[..., 0]
    rows = [turn.real, -turn.imag, shift.real, turn.imag, turn.real, shift.imag]
    return np.stack(rows, axis=-1).reshape(*turn.shape, 2, 3)


def compose(outer: Matrix, inner: Matrix) -> Matrix:
    """The transform that does ``inner`` first and ``outer`` on what comes out; leading axes are broadcast."""
    outer, inner = np.asarray(outer, float), np.asarray(inner, float)
    linear = outer[..., :2] @ inner
    linear[..., 2] += outer[..., 2]
    return linear


def invert(transform: Matrix) -> Matrix:
    """The transform that goes back; NaN for NaN."""
    transform = np.asarray(transform, float)
    (a, b), (c, d) = np.moveaxis(transform[..., :2], (-2, -1), (0, 1))
    rows = np.stack([d, -b, -c, a], axis=-1) / (a * d - b * c)[..., None]
    back = rows.reshape(*transform.shape[:-2], 2, 2)
    return np.concatenate([back, -back @ transform[..., 2:]], axis=-1)


def move(points: NDArray[np.floating], transform: Matrix) -> NDArray[np.float64]:
    """Points (..., n, 2 or more) where a transform (..., 2, 3) takes them: (..., n, 2)."""
    turned = np.asarray(points, float)[..., :2] @ np.swapaxes(transform[..., :2], -1, -2)
    return turned + transform[..., None, :, 2]


def crop(points: NDArray[np.floating], *, size: int, side: float = 3.0) -> Matrix:
    """The transform (2, 3) that cuts a square out around one face (478, 2 or more), eyes level.

    Parameters
    ----------
    size
        Side of the square in px of the output.
    side
        Side of the square in inter-ocular distances: 3 holds forehead, cheeks and chin. Its middle lies 0.6
        inter-ocular distances below the eyes, which are ``size / side`` px apart.
    """
    right, left = _eyes(points)
    along = left - right
    down = np.array([-along[1], along[0]])
    back = np.column_stack([along, down]) * side / size
    centre = (right + left) / 2 + 0.6 * down
    return invert(np.column_stack([back, centre - back @ np.full(2, (size - 1) / 2)]))


def warp(
    frames: NDArray[Number],
    transforms: Matrix,
    *,
    size: int | tuple[int, int],
    interpolation: str = "lanczos",
) -> NDArray[Number]:
    """Every frame moved by its transform, in one resampling.

    Parameters
    ----------
    frames
        uint8 or float32, (frames, height, width) or (frames, height, width, 3).
    transforms
        (frames, 2, 3) or one (2, 3) for all. A frame whose transform is NaN becomes black.
    size
        Side, or width and height, of the output in px.
    interpolation
        ``"lanczos"`` (8 x 8 px), ``"cubic"`` or ``"linear"``. OpenCV rounds places to 1/32 px; on a smooth
        pattern ``"lanczos"`` comes within that, ``"cubic"`` errs four times as much.

    Returns
    -------
    ndarray
        (frames, height, width[, 3]) of the dtype that came in. What lies outside of a frame is its edge,
        repeated. Where frames get smaller they are smoothed first, so that fine patterns do not turn coarse.
    """
    import cv2

    if frames.dtype not in (np.uint8, np.float32) or frames.ndim not in (3, 4):
        got = f"{frames.dtype} {frames.shape}"
        raise ValueError(f"frames must be uint8 or float32 (n, height, width[, 3]), got {got}")
    flags = {"lanczos": cv2.INTER_LANCZOS4, "cubic": cv2.INTER_CUBIC, "linear": cv2.INTER_LINEAR}
    if interpolation not in flags:
        raise ValueError(f"interpolation must be one of {', '.join(flags)}, got {interpolation!r}")
    width, height = (size, size) if isinstance(size, int) else size
    out = np.zeros((len(frames), height, width, *frames.shape[3:]), frames.dtype)
    for frame, transform, to in zip(
        frames, np.broadcast_to(transforms, (len(frames), 2, 3)), out, strict=True
    ):
        if np.isfinite(transform).all():
            part, local = _near(frame, transform, (width, height))
            cv2.warpAffine(part, local, (width, height), to, flags[interpolation], cv2.BORDER_REPLICATE)
    return out


def align_clip(
    frames: NDArray[Number],
    points: NDArray[np.floating],
    *,
    size: int = 256,
    side: float = 3.0,
    reference: int | NDArray[np.floating] | None = None,
    rigid: tuple[int, ...] = RIGID,
    interpolation: str = "lanczos",
) -> Aligned:
    """The frames of a clip with the head held still, cut to the face.

    The rigid points of every frame are brought onto those of one reference by a similarity transform (turn,
    scale, shift in the picture plane), that is composed with the reference's :func:`crop`, and each frame is
    resampled once. Nodding and shaking, which are not in the plane, are only followed as far as that goes.

    Parameters
    ----------
    frames
        uint8 or float32, (frames, height, width) or (frames, height, width, 3).
    points
        (frames, 478, 2 or 3), px, of these frames (:class:`~mien.vision.landmarks.Faces`); NaN where there
        was no face.
    size, side
        Side of the square in px, and in inter-ocular distances of the reference.
    reference
        Position of the frame that the others are brought onto, for example the onset's; or the points
        (478, 2 or 3) themselves, so that blocks of a long video share one. Default: the first valid frame.
    rigid
        Which points; at least two, five or more to be steady.
    interpolation
        See :func:`warp`.

    Raises
    ------
    ValueError
        No frame is valid, or the reference is not.
    """
    if len(points) != len(frames) or points.ndim != 3 or points.shape[2] < 2:
        raise ValueError(f"{len(frames)} frames need points (frames, 478, 2 or 3), got {points.shape}")
    valid = np.isfinite(points[..., :2]).all(axis=(1, 2))
    base = _reference(points, valid, reference)
    index = list(rigid)
    cut = crop(base, size=size, side=side)
    transforms = compose(cut, fit_similarity(points[:, index, :2], base[index]))
    return Aligned(
        frames=warp(frames, transforms, size=size, interpolation=interpolation),
        points=move(points, transforms).astype(np.float32),
        transforms=transforms,
        valid=valid,
        interocular=size / side,
    )


def _reference(
    points: NDArray[np.floating], valid: NDArray[np.bool_], reference: int | NDArray[np.floating] | None
) -> NDArray[np.float64]:
    if reference is None:
        if not valid.any():
            raise ValueError("no frame has the points of a face")
        reference = int(valid.argmax())
    chosen = points[reference] if isinstance(reference, int | np.integer) else np.asarray(reference)
    if not np.isfinite(chosen[:, :2]).all():
        raise ValueError("the reference has no points of a face")
    return chosen[:, :2].astype(float)


def _eyes(points: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middles (..., 2) of the subject's right and left eye, of their corners: they do not move with gaze."""
    corners = np.asarray(points, float)[..., :2]
    return corners[..., _RIGHT_EYE, :].mean(-2), corners[..., _LEFT_EYE, :].mean(-2)


def _near(frame: NDArray[Number], transform: Matrix, size: tuple[int, int]) -> tuple[NDArray[Number], Matrix]:
    """The part of a frame that is shown, smoothed if it gets smaller, and the transform from there."""
    import cv2

    shrink = 1 / np.sqrt(abs(np.linalg.det(transform[:, :2])))
    sigma = max(0.0, (shrink - 1) / 2)
    corners = np.array([[0, 0], [size[0], 0], [0, size[1]], [size[0], size[1]]], float) - 0.5
    seen = move(corners, invert(transform))
    margin = 5 + int(np.ceil(4 * sigma))
    limit = np.array([frame.shape[1], frame.shape[0]])
    low = np.clip(np.floor(seen.min(axis=0)) - margin, 0, limit - 1).astype(int)
    high = np.clip(np.ceil(seen.max(axis=0)) + margin + 1, low + 1, limit).astype(int)
    part: Any = np.ascontiguousarray(frame[low[1] : high[1], low[0] : high[0]])
    if sigma > 0.05:
        part = cv2.GaussianBlur(part, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return part, compose(transform, np.array([[1.0, 0, low[0]], [0, 1, low[1]]]))
