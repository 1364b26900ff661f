"""The three maps that the notebooks of MEs-EEG and MMME make of onset and apex, faults included."""

from __future__ import annotations

from functools import lru_cache
from threading import get_ident
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Clip, Features, InputError
from mien.features import _face

Array = NDArray[Any]

SIZE = 256
BOUND = 15.0
"""Pixels of flow at grey values 0 and 255."""
VERSION = "1"
MAPS = ("strain", "h", "v")
"""What the maps of a clip are, in order."""


def flow(clip: Clip) -> Features:
    """Strain, horizontal and vertical flow as grey values 0 to 255, (1, 3, 256, 256).

    The frames are taken as cropped to the face and as aligned: the notebooks shift the onset so that the
    centroids of nose landmarks meet, with landmarks of a paid service.
    """
    onset, apex = _face.positions(clip)
    usable = _face.valid(clip, onset, apex)
    if usable:
        maps = released_maps(square(clip.frames[onset]), square(clip.frames[apex])).astype(np.float64)
    else:
        maps = np.full((len(MAPS), SIZE, SIZE), np.nan)
    return _face.as_features(maps, MAPS, clip, onset, apex, usable=usable, version=VERSION)


def square(frame: Array) -> NDArray[np.uint8]:
    """A crop as grey 256 by 256: black added to make it a square, then resized by area."""
    import cv2

    from mien.vision.flow import grey

    image = grey(frame)
    if image.shape == (SIZE, SIZE):
        return image
    height, width = image.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    image = np.pad(image, ((top, side - height - top), (left, side - width - left)))
    return np.asarray(cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA))


def released_maps(onset: Array, apex: Array) -> NDArray[np.uint8]:
    """Strain, horizontal and vertical flow of two grey frames: uint8 (3, height, width)."""
    if onset.shape != apex.shape:
        raise InputError(f"frames of {onset.shape} and {apex.shape} pixels", expected="two of one size")
    horizontal, vertical = quantised(_solver(get_ident()).calc(onset, apex, None).transpose(2, 0, 1))
    return np.stack([stretched(m) for m in (mixed_strain(horizontal, vertical), horizontal, vertical)])


def quantised(motion: Array) -> Array:
    """Flow of -15 to 15 px as whole grey values 0 to 255, 0.118 px apart; no motion is 128."""
    shifted = (np.clip(motion, -BOUND, BOUND) + BOUND) * (255 / (2 * BOUND))
    return np.asarray(np.round(shifted.astype(np.float64)))


def mixed_strain(horizontal: Array, vertical: Array) -> Array:
    """The notebooks' strain: they take NumPy's first gradient, the one along y, for that along x."""
    u_x, u_y = np.gradient(horizontal)
    v_x, v_y = np.gradient(vertical)
    return np.asarray(np.sqrt(u_x**2 + v_y**2 + 2 * (0.5 * (u_y + v_x)) ** 2))


def stretched(values: Array) -> NDArray[np.uint8]:
    """From the smallest to the largest value of this sample as 0 to 255, rounded; 0 where all are equal."""
    low, high = float(values.min()), float(values.max())
    share = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return np.asarray(np.round(share * 255), dtype=np.uint8)


@lru_cache(maxsize=8)
def _solver(thread: int) -> Any:
    """TV-L1 with OpenCV's defaults, made once for each thread."""
    import cv2

    module: Any = cv2.optflow
    return module.DualTVL1OpticalFlow_create()
