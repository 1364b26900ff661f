"""Parts of a face, cut out by its points."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mien.vision.align import interocular

__all__ = ["REGIONS", "region_boxes", "region_masks"]

_BROWS = ((70, 63, 105, 66, 107, 55, 65, 52, 53, 46), (300, 293, 334, 296, 336, 285, 295, 282, 283, 276))
_EYES = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
_MOUTH = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
_NOSE = (168, 122, 196, 236, 198, 129, 64, 98, 97, 2, 326, 327, 294, 358, 420, 456, 419, 351)
_CHEEKS = (
    (111, 117, 118, 119, 100, 142, 203, 206, 207, 187, 147, 123, 116),
    (340, 346, 347, 348, 329, 371, 423, 426, 427, 411, 376, 352, 345),
)
_CHIN = (106, 182, 83, 18, 313, 406, 335, 424, 431, 395, 369, 396, 175, 171, 140, 170, 211, 204)
_FACE = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip

REGIONS: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "brows": _BROWS,
    "eyes": _EYES,
    "nose": (_NOSE,),
    "mouth": (_MOUTH,),
    "cheeks": _CHEEKS,
    "chin": (_CHIN,),
    "face": (_FACE,),
}
"""Name of a region to its polygons, each a round of points; the subject's right side first."""

_MARGIN: Mapping[str, float] = {"brows": 0.1, "eyes": 0.08, "mouth": 0.1}
"""How far a region reaches beyond its points, in inter-ocular distances: what moves, the skin around too."""


def region_masks(
    points: NDArray[np.floating], shape: tuple[int, ...], *, margin: float | None = None
) -> dict[str, NDArray[np.bool_]]:
    """Where each region is in a frame.

    Parameters
    ----------
    points
        (478, 2 or 3), px, of one face.
    shape
        Height and width of the frame; more is ignored, so that ``frame.shape`` will do.
    margin
        How far each region reaches beyond its points, in inter-ocular distances. Default: 0.1 for brows and
        mouth, 0.08 for eyes, 0 for the others.

    Returns
    -------
    dict
        For each name of :data:`REGIONS` a boolean (height, width); all False if the points are NaN. Regions
        may overlap.
    """
    import cv2

    masks = {}
    valid = bool(np.isfinite(points[:, :2]).all())
    eyes = float(interocular(points)) if valid else 0.0
    for name, rounds in REGIONS.items():
        mask = np.zeros(shape[:2], np.uint8)
        if valid:
            wide = eyes * (_MARGIN.get(name, 0.0) if margin is None else margin)
            for line in rounds:
                # fractions of a px: four bits behind the point
                corners = np.rint(points[list(line), :2] * 16).astype(np.int32)
                cv2.fillPoly(mask, [corners], 1, shift=4)
                if wide >= 1:
                    cv2.polylines(mask, [corners], True, 1, thickness=2 * round(wide), shift=4)
        masks[name] = mask.astype(bool)
    return masks


def region_boxes(
    points: NDArray[np.floating], *, margin: float | None = None
) -> dict[str, NDArray[np.float64]]:
    """The upright box around each region, of one face or many.

    Parameters
    ----------
    points
        (..., 478, 2 or 3), px.
    margin
        As in :func:`region_masks`.

    Returns
    -------
    dict
        For each name of :data:`REGIONS` the sides (..., 4): left, top, right, bottom, in px; NaN for NaN.
    """
    eyes = interocular(points)[..., None]
    boxes = {}
    for name, rounds in REGIONS.items():
        corners = np.asarray(points, float)[..., [i for line in rounds for i in line], :2]
        wide = eyes * (_MARGIN.get(name, 0.0) if margin is None else margin)
        boxes[name] = np.concatenate([corners.min(-2) - wide, corners.max(-2) + wide], axis=-1)
    return boxes
