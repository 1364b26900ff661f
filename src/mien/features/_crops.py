"""Parts of ``face_crops``: which frames are looked at, cutting faces out, and how sharp they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mien.core import Film, Span

if TYPE_CHECKING:
    from mien.vision.detect import Box

_ROUNDING = 1e-6
"""Seconds, far below a frame."""
AWAY = 0.25
"""A face further from the median one of its window, or of another size, by this share of its side keeps its
own box: the head moved."""
FEWEST = 3
"""Fewer pictures have no median that shows which of them moved."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness (ITU-R BT.601)."""
SPARE = 2.0
"""A face larger than this many times its crop is kept smaller."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Looked:
    """Frames that are looked at: their increasing positions in the film, windows and slots, all (frames,)."""

    positions: NDArray[np.intp]
    windows: NDArray[np.intp]
    slots: NDArray[np.intp]


def look_at(
    times: NDArray[np.float64], starts: NDArray[np.float64], *, slot: float, faces: int, each: int
) -> Looked:
    """Frames that are looked at: ``each`` of every slot of every window.

    Parameters
    ----------
    times
        When the frames are shown, increasing.
    starts
        Of the windows, which follow each other.
    slot
        Length of a slot in seconds; a window has ``faces`` of them.

    Returns
    -------
    Looked
        The frames of a slot that are nearest to the middles of its ``each`` equal parts, the earlier one
        where two are as near. A slot in which no frame is shown has none.
    """
    within = ((np.arange(faces * each) + 0.5) / each) * slot
    wanted = (starts[:, None] + within).ravel()
    if not len(times) or not len(wanted):
        none = np.empty(0, dtype=np.intp)
        return Looked(positions=none, windows=none, slots=none)
    right = np.clip(np.searchsorted(times, wanted), 0, len(times) - 1)
    left = np.maximum(right - 1, 0)
    earlier = wanted - times[left] <= np.abs(times[right] - wanted) + _ROUNDING
    positions = np.where(earlier, left, right)
    asked = np.arange(len(wanted)) // each  # slots, counted through all windows
    first = starts[asked // faces] + (asked % faces) * slot
    since = times[positions] - first
    inside = (since >= -_ROUNDING) & (since < slot - _ROUNDING)
    positions, at = np.unique(positions[inside], return_index=True)
    asked = asked[inside][at]
    return Looked(positions=positions, windows=asked // faces, slots=asked % faces)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cut:
    """The surroundings of a face, all that is kept of a frame: ``pixels`` is (n, n, 3) uint8, its upper left
    corner lies at ``corner`` (x, y) of the frame, ``scale`` is its pixels per pixel of the frame. ``middle``
    (x, y) and ``side`` of the face are those in the frame."""

    pixels: NDArray[np.uint8]
    corner: tuple[float, float]
    scale: float
    middle: tuple[float, float]
    side: float
    confidence: float


def cut_out(frame: NDArray[np.uint8], box: Box, *, margin: float, size: int) -> Cut:
    """A face with as much around it as any crop of its window can need."""
    side = max(box.width, box.height)
    x, y = box.x + box.width / 2, box.y + box.height / 2
    half = ((0.5 + margin) * (1 + AWAY) + AWAY) * side
    left, top, n = round(x - half), round(y - half), max(1, round(2 * half))
    scale = min(1.0, SPARE * size / side)
    pixels = square(frame, left, top, n)
    if scale < 1:
        pixels = resized(pixels, max(1, round(scale * n)))
        scale = len(pixels) / n
    return Cut(
        pixels=pixels,
        corner=(left, top),
        scale=scale,
        middle=(x, y),
        side=side,
        confidence=box.confidence,
    )


def square(image: NDArray[np.uint8], left: int, top: int, n: int) -> NDArray[np.uint8]:
    """A square of n px of an image (height, width, 3), which is continued by its border."""
    height, width = image.shape[:2]
    rows = np.clip(np.arange(top, top + n), 0, height - 1)
    columns = np.clip(np.arange(left, left + n), 0, width - 1)
    return np.ascontiguousarray(image[rows[:, None], columns])


def resized(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A square image at another size."""
    import cv2

    shrinks = size <= len(image)
    way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (size, size), interpolation=way), dtype=np.uint8)


def crops(cuts: Sequence[Cut], *, margin: float, size: int, steady: bool) -> NDArray[np.uint8]:
    """Crops (faces, size, size, 3) of the faces of a window.

    ``steady``: by their median box, and with the motion of the head taken out.
    """
    boxes = np.array([(*cut.middle, cut.side) for cut in cuts])
    if steady:
        median = np.median(boxes, axis=0)
        moved = (np.abs(boxes - median) > AWAY * boxes[:, 2:]).any(axis=1)
        boxes = np.where(moved[:, None], boxes, median)
    places = [_place(cut, box, margin=margin) for cut, box in zip(cuts, boxes.tolist(), strict=True)]
    out = np.stack(
        [resized(square(cut.pixels, *place), size) for cut, place in zip(cuts, places, strict=True)]
    )
    return _held(out, cuts, places) if steady and len(cuts) >= FEWEST else out


def _place(cut: Cut, box: Sequence[float], *, margin: float) -> tuple[int, int, int]:
    """Left, top and side of a box (middle x and y, side; in the frame) in the pixels that were cut out."""
    *middle, side = box
    half = (0.5 + margin) * side
    left, top = (round((v - half - c) * cut.scale) for v, c in zip(middle, cut.corner, strict=True))
    return left, top, max(1, round(2 * half * cut.scale))


def _held(
    found: NDArray[np.uint8], cuts: Sequence[Cut], places: Sequence[tuple[int, int, int]]
) -> NDArray[np.uint8]:
    """The same crops with the head's own motion taken out, cut afresh so that pixels are resampled once."""
    from mien.vision.align import compose, warp
    from mien.vision.register import onto_median

    size = found.shape[1]
    back = onto_median(found @ np.array(LUMA, dtype=np.float32))
    out = np.empty_like(found)
    for k, (cut, (left, top, n)) in enumerate(zip(cuts, places, strict=True)):
        zoom = size / n
        at = [[zoom, 0.0, zoom * (0.5 - left) - 0.5], [0.0, zoom, zoom * (0.5 - top) - 0.5]]
        out[k] = warp(cut.pixels[None], compose(back[k], np.array(at)), size=size, interpolation="cubic")[0]
    return out


def sharpness(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Variance of the Laplacian of the grey values of images (n, height, width, 3): larger is sharper.

    Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000.
    """
    import cv2

    greys = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images)
    return np.array([cv2.Laplacian(grey, cv2.CV_32F).var() for grey in greys], dtype=np.float64)


def best(
    slots: NDArray[np.intp], sharp: NDArray[np.float64], confidence: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Of each slot that occurs, the position of its best face: that with the largest product of the ranks,
    among all faces of the window, of sharpness and confidence; the sharper one where two are as good."""
    from scipy.stats import rankdata

    score = rankdata(sharp) * rankdata(confidence)
    order = np.lexsort((sharp, score, slots))
    last = np.append(np.diff(slots[order]) > 0, True)
    return np.asarray(order[last], dtype=np.intp)


# -- a made-up film ----------------------------------------------------------------------------------------


class DrawnFace:
    """A drawn face that drifts through frames of 128 by 128 px, made when they are asked for."""

    def frames(self, positions: NDArray[np.intp]) -> Iterator[NDArray[np.uint8]]:
        """RGB frames (128, 128, 3)."""
        for k in positions:
            yield drawn_face(64 + 4 * np.sin(0.2 * k), 66 + 3 * np.sin(0.13 * k), smile=np.sin(0.3 * k))


def drawn_face(x: float, y: float, *, smile: float = 0.0, width: float = 60.0) -> NDArray[np.uint8]:
    """A face (128, 128, 3) around a point, plain but enough for a detector."""
    side = 128
    u = (np.arange(side)[None] - x) / (width / 2)
    v = (np.arange(side)[:, None] - y) / (width / 2)

    def spot(at: tuple[float, float], wide: float, high: float) -> NDArray[np.float64]:
        return np.exp(-((((np.abs(u) if at[0] else u) - at[0]) / wide) ** 4) - ((v - at[1]) / high) ** 4)

    grey = np.where((u / 1.0) ** 2 + ((v - 0.1) / 1.35) ** 2 < 1, 190.0 - 25 * u**2, 110.0)
    grey = np.where((u / 1.05) ** 2 + ((v + 0.75) / 0.7) ** 2 < 1, np.where(v < -0.75, 50.0, grey), grey)
    for at, wide, high, depth in (
        ((0.45, -0.48), 0.28, 0.06, 0.55),
        ((0.45, -0.22), 0.20, 0.10, 0.65),
        ((0.45, -0.30), 0.32, 0.22, 0.20),
        ((0.14, 0.32), 0.08, 0.06, 0.45),
    ):
        grey = grey * (1 - depth * spot(at, wide, high))
    grey = grey * (1 + 0.12 * spot((0.0, 0.02), 0.10, 0.35))
    mouth = np.exp(-((u / 0.42) ** 4) - ((v - 0.78 + smile * 0.15 * u**2) / 0.09) ** 4)
    grey = grey * (1 - 0.5 * mouth)
    tint = np.array([1.08, 0.95, 0.85])
    return np.clip(np.rint(grey[..., None] * tint), 0, 255).astype(np.uint8)


def example_film() -> Film:
    """A drawn face for 6.5 s at 10 frames per second."""
    rate, seconds = 10.0, 6.5
    return Film(
        times=np.arange(round(rate * seconds)) / rate,
        span=Span(start=0.0, duration=seconds),
        rate=rate,
        size=(128, 128),
        source=DrawnFace(),
    )
