"""Dense optical flow between two frames of a face, and what the head did taken off it.

Flow is float32 ``(2, height, width)``: u to the right, v down, in pixels, so that what the first frame has at
``(x, y)`` the second has at ``(x + u, y + v)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from threading import get_ident
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError, UnknownNameError
from mien.vision import align

Array = NDArray[Any]
Flow = NDArray[np.float32]

CROP_INTEROCULAR = 0.3
"""Distance between the middles of the eyes as a share of the width of a face crop without landmarks.

Such a crop is the face's bounding box, hairline to chin, padded to a square. The middles of the eyes are
about 63 mm apart in adults, and that box is about 200 mm high.
"""

METHODS = ("tvl1", "tvl1_fast", "dis", "farneback")
"""Names of the flow methods, the most accurate first."""
_PRESMOOTHING = {"tvl1": 0.8, "tvl1_fast": 0.8, "dis": 1.5, "farneback": 1.5}
"""Standard deviation, in pixels, of the Gaussian that both frames are smoothed with."""
_SMOOTHING = 2.0
"""The same of the Gaussian that the flow is smoothed with: total variation leaves steps,
which strain shows."""
_LARGE = 192
"""Pixels each way from which on dense inverse search may work at half the size; in smaller frames it would
not see a mouth's corner."""
_SMALLEST = 16
"""Pixels that a frame has each way at least."""

_RIGID_PASSES = 2
"""The first pass falls short by some percent of the head's motion, the second finds what it left."""
_RIGID_GRID = 64
"""The head's motion is fitted to so many places along the shorter side."""
_RIGID_KERNELS = np.geomspace(4.0, 0.15, 20)
"""Residuals in pixels that count a quarter, from one iteration to the next: the last is about what a place's
flow errs by."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AlignedFlow:
    """Flow of what the head's motion does not explain.

    Attributes
    ----------
    flow
        float32 (2, height, width) in pixels, in the place of the first frame.
    similarity
        float64 (2, 3): where the head's motion takes a point ``(x, y, 1)`` of the first frame.
    second
        uint8 (height, width): the second frame in grey, moved back to where the first has the head.
    """

    flow: Flow
    similarity: NDArray[np.float64]
    second: NDArray[np.uint8]


def grey(frame: Array) -> NDArray[np.uint8]:
    """A frame as uint8 (height, width), from grey or from RGB (Rec. 601 luma).

    Raises
    ------
    InputError
        It is something else.
    """
    import cv2

    if frame.dtype == np.uint8 and frame.ndim == 2:
        return frame
    if frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3:
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY))
    raise InputError(
        f"a frame is {frame.dtype} {frame.shape}", expected="uint8 (height, width) or (height, width, 3) RGB"
    )


def flow(first: Array, second: Array, *, method: str = "tvl1", moving_head: bool = True) -> Flow:
    """Dense optical flow from one frame to another.

    The second frame is first given the light of the first (:func:`match_light`), and both are smoothed a
    little, against the sensor's noise; the flow is smoothed by 2 px, against steps.

    Parameters
    ----------
    first, second
        uint8, grey (height, width) or RGB (height, width, 3), of one size.
    method
        ``"tvl1"``: TV-L1 of Zach, Pock and Bischof (DAGM 2007) with OpenCV's constants. ``"tvl1_fast"``: the
        same on a coarser pyramid with a fraction of the iterations. ``"dis"``: dense inverse search (Kroeger
        et al., ECCV 2016) with large patches and much variational refinement. ``"farneback"``: polynomial
        expansion (Farnebäck, SCIA 2003) over a wide window.
    moving_head
        Find what moves as a whole first (:func:`aligned_flow`) and add it again. Every method falls short on
        bare skin, towards no motion; so it only falls short towards the motion of the head. False: the plain
        method.

    Returns
    -------
    ndarray
        float32 (2, height, width): u right, v down, in pixels.

    Raises
    ------
    InputError
        The frames are no images, differ in size, or have less than 16 pixels one way; or they show nothing.
    UnknownNameError
        There is no such method.
    """
    _known(method)
    if not moving_head:
        return _dense(*_grey_pair(first, second), method)
    found = aligned_flow(first, second, method=method)
    rest = np.moveaxis(found.flow, 0, -1) @ found.similarity[:, :2].T
    field = similarity_field(found.similarity, found.flow.shape[1:])
    return field + np.moveaxis(rest, -1, 0).astype(np.float32)


def match_light(frame: Array, like: Array) -> NDArray[np.uint8]:
    """A grey frame with the light of another: without it, flicker of 5 % is a flow of pixels.

    A gain and an offset are fitted to the smoothed grey values of both, most weight on places where they
    agree (Geman and McClure's weights, scale from the median residual), so that what moved does not count.

    Parameters
    ----------
    frame, like
        uint8 (height, width).
    """
    import cv2

    x, y = (
        cv2.GaussianBlur(image, (0, 0), 4.0)[4::8, 4::8].ravel().astype(np.float64) for image in (frame, like)
    )
    if np.ptp(x) < 1:
        return frame
    weight = np.ones_like(x)
    gain, offset = 1.0, 0.0
    for _ in range(10):
        share = weight / weight.sum()
        x_mean, y_mean = share @ x, share @ y
        gain = (share @ ((x - x_mean) * (y - y_mean))) / max(share @ (x - x_mean) ** 2, 1e-9)
        offset = y_mean - gain * x_mean
        residual = y - gain * x - offset
        weight = _kernel(residual, 2 * max(1.4826 * float(np.median(np.abs(residual))), 0.2))
    table = np.clip(np.rint(np.arange(256) * gain + offset), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(frame, table))


def aligned_flow(
    first: Array,
    second: Array,
    *,
    method: str = "tvl1",
    similarity: Array | None = None,
    mask: Array | None = None,
) -> AlignedFlow:
    """Flow between two frames without the motion of the head.

    The second frame is moved back by the head's motion in one resampling, and the flow is computed to that.

    Parameters
    ----------
    first, second, method
        As for :func:`flow`.
    similarity
        The head's motion (2, 3) from first to second where something tells it, such as
        :func:`mien.vision.align.fit_similarity` of rigid points. Default: :func:`head_motion`.
    mask
        Places for :func:`head_motion`.
    """
    a, b = _grey_pair(first, second)
    _known(method)
    motion = head_motion(a, b, mask=mask) if similarity is None else np.asarray(similarity, dtype=np.float64)
    back = moved_back(b, motion)
    return AlignedFlow(flow=_dense(a, back, method), similarity=motion, second=back)


def head_motion(first: Array, second: Array, *, mask: Array | None = None) -> NDArray[np.float64]:
    """The motion of a head between two crops of its face, without landmarks: a similarity (2, 3).

    :func:`fit_rigid` of dense inverse search, then once more after that motion is taken back.

    Parameters
    ----------
    first, second
        As for :func:`flow`.
    mask
        Boolean (height, width): where the face is rigid; default: anywhere, found robustly.
    """
    a, b = _grey_pair(first, second)
    seen = texture(a)
    motion = np.eye(2, 3)
    for i in range(_RIGID_PASSES):
        back = moved_back(b, motion) if i else b
        motion = align.compose(motion, fit_rigid(_dense(a, back, "dis"), mask=mask, texture=seen))
    return motion


def moved_back(frame: NDArray[np.uint8], motion: Array) -> NDArray[np.uint8]:
    """A grey frame with the head's motion (2, 3) taken back: what it has at ``motion(p)`` comes to ``p``.

    By cubic splines at the exact places. OpenCV's warps round places to 1/32 px: for the hundredths of a
    pixel at stake here they move some parts of a frame and leave others. Outside of the frame is its edge,
    repeated.
    """
    from scipy.ndimage import affine_transform

    (a, b, c), (d, e, f) = np.asarray(motion, dtype=np.float64)
    out = affine_transform(
        frame.astype(np.float32), np.array([[e, d], [b, a]]), offset=(f, c), order=3, mode="nearest"
    )
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


def fit_rigid(
    motion: Array, *, mask: Array | None = None, texture: Array | None = None
) -> NDArray[np.float64]:
    """The similarity (2, 3) that most of a flow agrees with: a turn in the picture's plane, scale and shift.

    Least squares, reweighted with Geman and McClure's kernel (Bulletin ISI, 1987), which narrows from 4 to
    0.15 px, so that the parts of a face that move by themselves do not pull it.

    Parameters
    ----------
    motion
        Flow (2, height, width) in pixels.
    mask
        Boolean (height, width): the places to fit; default: all.
    texture
        Weights (height, width), none negative, of how well motion can be seen, see :func:`texture`.

    Raises
    ------
    InputError
        Fewer than three places are left.
    """
    _, height, width = motion.shape
    step = max(1, min(height, width) // _RIGID_GRID)
    places = (slice(step // 2, None, step),) * 2
    y, x = np.mgrid[:height, :width][(slice(None), *places)].astype(np.float64)
    weight = np.ones_like(x) if texture is None else np.asarray(texture[places], dtype=np.float64)
    if mask is not None:
        weight = weight * mask[places]
    chosen = weight > 0
    if chosen.sum() < 3:
        raise InputError(
            f"the head's motion can be seen at {int(chosen.sum())} places of the frame",
            expected="3 or more",
            remedy="choose frames that show a face",
        )
    source = np.stack([x[chosen], y[chosen]], axis=1)
    target = source + motion[(slice(None), *places)][:, chosen].T
    weight = weight[chosen]
    fitted = align.fit_similarity(source, target, weights=weight)
    for kernel in _RIGID_KERNELS:
        residual = np.hypot(*(align.move(source, fitted) - target).T)
        fitted = align.fit_similarity(source, target, weights=weight * _kernel(residual, kernel))
    return fitted


def remove_rigid(motion: Array, *, mask: Array | None = None, texture: Array | None = None) -> Flow:
    """A flow less the similarity that most of it agrees with, see :func:`fit_rigid`.

    For many frames in little time; :func:`aligned_flow` errs less.
    """
    fitted = fit_rigid(motion, mask=mask, texture=texture)
    return np.asarray(motion - similarity_field(fitted, motion.shape[1:]), dtype=np.float32)


def similarity_field(similarity: Array, shape: tuple[int, ...]) -> Flow:
    """The flow (2, height, width) of a head that moves by a similarity (2, 3)."""
    x = np.arange(shape[1], dtype=np.float64)
    y = np.arange(shape[0], dtype=np.float64)[:, None]
    (a, b, c), (d, e, f) = np.asarray(similarity, dtype=np.float64)
    return np.stack([(a - 1) * x + b * y + c, d * x + (e - 1) * y + f]).astype(np.float32)


def texture(frame: Array) -> NDArray[np.float32]:
    """How well motion can be seen at each place, float32 (height, width): 0 on a bare wall, 4 at most.

    The smaller eigenvalue of the structure tensor over 15 px (Shi and Tomasi, CVPR 1994), divided by its
    median over the frame, so that a few strong corners do not stand for the face.
    """
    import cv2

    smooth = cv2.GaussianBlur(grey(frame).astype(np.float32), (0, 0), 1.5)
    seen = np.asarray(cv2.cornerMinEigenVal(smooth, 15), dtype=np.float32)
    seen = np.where(seen > 1e-9, seen, np.float32(0))
    level = float(np.median(seen[seen > 0])) if seen.any() else 1.0
    return np.minimum(seen / np.float32(level), np.float32(4))


def normalised(motion: Array, *, interocular: float) -> Flow:
    """A flow in percent of the distance between the eyes, which is given in pixels."""
    if not interocular > 0:
        raise InputError(f"the distance between the eyes is {interocular:g} px", expected="more than 0")
    return np.asarray(motion * (100.0 / interocular), dtype=np.float32)


def endpoint_error(found: Array, truth: Array, *, mask: Array | None = None) -> float:
    """Mean distance in pixels between two flows (2, height, width), all over or where a mask is True."""
    if found.shape != truth.shape:
        raise InputError(f"flow of shape {found.shape}", expected=f"the truth's {truth.shape}")
    distance = np.hypot(*(np.asarray(found, dtype=np.float64) - truth))
    return float(distance.mean() if mask is None else distance[mask].mean())


def _dense(a: NDArray[np.uint8], b: NDArray[np.uint8], method: str) -> Flow:
    import cv2

    sigma = _PRESMOOTHING[method]
    # as whole grey values: rounding takes what noise is left off bare skin, where it would make flow
    first, second = (cv2.GaussianBlur(x, (0, 0), sigma) for x in (a, match_light(b, a)))
    found = cv2.GaussianBlur(_solver(method, a.shape, get_ident())(first, second), (0, 0), _SMOOTHING)
    return np.ascontiguousarray(found.transpose(2, 0, 1), dtype=np.float32)


def _grey_pair(first: Array, second: Array) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    a, b = grey(first), grey(second)
    if a.shape != b.shape:
        raise InputError(f"frames of {a.shape} and {b.shape} pixels", expected="two of one size")
    if min(a.shape) < _SMALLEST:
        raise InputError(f"a frame of {a.shape} pixels", expected=f"{_SMALLEST} or more each way")
    return a, b


def _known(method: str) -> None:
    if method not in METHODS:
        raise UnknownNameError("flow method", method, METHODS)


def _kernel(residual: Array, scale: float) -> Array:
    """Geman and McClure's weights: 1 at no residual, a quarter at the scale."""
    return np.asarray(1 / (1 + (residual / scale) ** 2) ** 2)


@lru_cache(maxsize=32)
def _solver(method: str, shape: tuple[int, ...], thread: int) -> Callable[[Array, Array], Array]:
    """OpenCV's object for a method, made once for each thread and size of frame.

    It keeps its buffers from call to call. Dense inverse search also keeps the patches and scales that a
    small frame made it choose, and would then do something else to the next large one.
    """
    import cv2

    if method in ("tvl1", "tvl1_fast"):
        fast = {"nscales": 4, "scaleStep": 0.5, "warps": 2, "outerIterations": 1, "innnerIterations": 20}
        module: Any = cv2.optflow
        tvl1 = module.DualTVL1OpticalFlow_create(**(fast if method == "tvl1_fast" else {}))
        return lambda a, b: np.asarray(tvl1.calc(a, b, None))
    if method == "dis":
        dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        large = min(shape) >= _LARGE
        dis.setFinestScale(1 if large else 0)
        dis.setPatchSize(16 if large else 8)
        dis.setPatchStride(4)
        dis.setVariationalRefinementAlpha(30.0)
        dis.setVariationalRefinementIterations(20)
        return lambda a, b: np.asarray(dis.calc(a, b, None))
    gaussian = cv2.OPTFLOW_FARNEBACK_GAUSSIAN
    return lambda a, b: np.asarray(
        cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 41, 3, 7, 1.5, gaussian)  # type: ignore[call-overload]
    )
