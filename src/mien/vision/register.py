"""Pictures of one face brought onto each other by what is seen, where no points of the face are known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["onto_median"]

ROUNDS = 3
BLUR_PX = 1.0
MIDDLE = (0.38, 0.42)
"""Half width and half height of what counts, as shares of the picture: the face without its surroundings."""
MOST = (0.1, 0.15)
"""Largest shift, as a share of the width, and largest turn (radians) or growth. Beyond, the pictures do not
show the same, or are further apart than a picture's slopes tell."""
_FLAT = 1e-3

Floats = NDArray[np.float32]


def onto_median(pictures: NDArray[Any]) -> NDArray[np.float64]:
    """Shift, turn and growth that bring each picture of a head onto the median of all.

    What a face does in a few of the pictures is not in their median, and an expression moves a small part of
    the face, so that the head's own motion is what is found.

    Parameters
    ----------
    pictures
        (n, height, width), grey, any scale; a few pixels apart at most.

    Returns
    -------
    ndarray
        (n, 2, 3), float64: matrices from each picture to the common place, as :func:`mien.vision.align.warp`
        takes them, about the middle of the picture. The identity for a picture that does not fit the others.

    Notes
    -----
    Gauss-Newton steps on the squared difference to the median of the pictures as far as they were brought
    together (Lucas and Kanade 1981; Baker and Matthews, "Lucas-Kanade 20 years on", IJCV 56, 2004), after
    brightness and contrast of every picture are taken out. The slopes are those of the median, so that a step
    costs one product by picture.
    """
    import cv2

    height, width = pictures.shape[1:]
    grey = [cv2.GaussianBlur(picture, (0, 0), BLUR_PX) for picture in _levelled(pictures)]
    x = (np.arange(width) - (width - 1) / 2)[None] / width
    y = (np.arange(height) - (height - 1) / 2)[:, None] / width
    counts = np.exp(-((x / MIDDLE[0]) ** 4) - (y * width / height / MIDDLE[1]) ** 4)
    at = np.zeros((len(grey), 4))  # shift right and down in px; growth and turn times the width
    now = first = np.stack(grey)
    for _ in range(ROUNDS):
        middle = np.median(now, axis=0)
        down, right = np.gradient(middle)
        slopes = np.stack([right, down, right * x + down * y, down * x - right * y], axis=-1)
        slopes = (slopes * counts[..., None]).reshape(-1, 4)
        normal = slopes.T @ slopes
        normal += (_FLAT * np.trace(normal) / 4 + 1e-12) * np.eye(4)
        at += ((now - middle) * counts).reshape(len(now), -1) @ np.linalg.solve(normal, slopes.T).T
        moves = _matrices(at, height, width)
        now = np.stack([_moved(picture, m) for picture, m in zip(first, moves, strict=True)])
    middle = np.median(now, axis=0)
    before, after = ((((p - middle) * counts) ** 2).sum(axis=(1, 2)) for p in (first, now))
    far = (np.abs(at) / width > np.repeat(MOST, 2)).any(axis=1)
    at[far | (after >= before)] = 0
    return _matrices(at, height, width)


def _levelled(pictures: NDArray[Any]) -> Floats:
    """The pictures with mean 0 and, where they are not flat, deviation 1."""
    grey = pictures.astype(np.float32)
    grey -= grey.mean(axis=(1, 2), keepdims=True)
    return np.asarray(grey / np.maximum(grey.std(axis=(1, 2), keepdims=True), _FLAT), dtype=np.float32)


def _matrices(at: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """(n, 2, 3): turn and growth about the middle, then the shift."""
    turn = (1 + at[:, 2] / width) + 1j * at[:, 3] / width
    centre = complex((width - 1) / 2, (height - 1) / 2)
    shift = centre * (1 - turn) + at[:, 0] + 1j * at[:, 1]
    rows = [turn.real, -turn.imag, shift.real, turn.imag, turn.real, shift.imag]
    return np.stack(rows, axis=-1).reshape(-1, 2, 3)


def _moved(picture: Floats, matrix: NDArray[np.float64]) -> Floats:
    import cv2

    size = (picture.shape[1], picture.shape[0])
    moved = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, dtype=np.float32)
