"""Where EEG electrodes sit on a flat head, from their names alone."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

_ROWS = {
    # row: (degrees of the midline electrode from the vertex towards the nose,
    #       degrees of the outermost electrode from the nose around the head, its number / 2 rounded up)
    "FP": (72.0, 18.0, 1),
    "AF": (54.0, 36.0, 4),
    "F": (36.0, 54.0, 4),
    "FC": (18.0, 72.0, 4),
    "C": (0.0, 90.0, 4),
    "CP": (-18.0, 108.0, 4),
    "P": (-36.0, 126.0, 4),
    "PO": (-54.0, 144.0, 4),
    "O": (-72.0, 162.0, 1),
}
_SAME_ROW = {"FT": "FC", "T": "C", "TP": "CP"}
_OLD_NAMES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
_RING = 72.0
_CEREBELLAR = {"CB1": (86.0, 154.0), "CB2": (86.0, -154.0)}
"""Not part of the 10-10 system: placed below the occipital electrodes, (degrees from the vertex, azimuth)."""


def positions(channels: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """Flat positions of the channels whose names are known.

    Parameters
    ----------
    channels
        Names of the 10-10 system in any case (``"FPZ"``, ``"C3"``, old ``"T3"``), and ``CB1``, ``CB2``.

    Returns
    -------
    dict
        Name to (x, y): x to the right ear, y to the nose, the head's rim at radius 1. Azimuthal equidistant
        projection of a sphere on which the nose-to-neck and ear-to-ear arcs are cut at 10 and 20 percent
        (Oostenveld & Praamstra 2001, 10-10 system). Unknown names are left out.
    """
    found = {}
    for name in channels:
        point = _on_sphere(_OLD_NAMES.get(name.upper(), name.upper()))
        if point is not None:
            polar = np.arccos(np.clip(point[2], -1, 1)) / (np.pi / 2)
            flat = np.hypot(point[0], point[1])
            scale = polar / flat if flat > 1e-12 else 0.0
            found[name] = (float(point[0] * scale), float(point[1] * scale))
    return found


def interpolate(
    points: NDArray[np.float64], values: NDArray[np.float64], *, size: int = 120
) -> NDArray[np.float64]:
    """A smooth map over the head.

    Parameters
    ----------
    points, values
        (channels, 2) positions and (channels,) values.
    size
        Pixels along each side of the square [-1, 1] x [-1, 1].

    Returns
    -------
    ndarray
        (size, size), row 0 at the neck; a thin-plate spline through the values, kept inside their range.
    """
    from scipy.interpolate import RBFInterpolator

    axis = np.linspace(-1, 1, size)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    spline = RBFInterpolator(points, values, kernel="thin_plate_spline")
    return np.clip(spline(grid), values.min(), values.max()).reshape(size, size)


def _on_sphere(name: str) -> NDArray[np.float64] | None:
    if name in _CEREBELLAR:
        return _point(*_CEREBELLAR[name])
    match = re.fullmatch(r"([A-Z]+?)(Z|\d+)", name)
    if match is None:
        return None
    row, column = _SAME_ROW.get(match[1], match[1]), match[2]
    if row not in _ROWS:
        return None
    middle, azimuth, outermost = _ROWS[row]
    number = 0 if column == "Z" else int(column)
    steps = (number + 1) // 2
    if steps > outermost + 1:
        return None
    front = _point(abs(middle), 0.0 if middle >= 0 else 180.0)
    left, right = _point(_RING, azimuth), _point(_RING, -azimuth)
    normal = np.cross(left - front, right - front)
    normal /= np.linalg.norm(normal)
    centre = normal * (normal @ front)
    across = front - centre
    along = np.cross(normal, across)
    side = left if number % 2 else right
    reach = np.arctan2((side - centre) @ along, (side - centre) @ across)
    angle = reach * steps / outermost
    return np.asarray(centre + np.cos(angle) * across + np.sin(angle) * along)


def _point(polar: float, azimuth: float) -> NDArray[np.float64]:
    """Unit vector; x right, y to the nose, z up; azimuth counts from the nose to the left."""
    p, a = np.deg2rad(polar), np.deg2rad(azimuth)
    return np.array([-np.sin(p) * np.sin(a), np.sin(p) * np.cos(a), np.cos(p)])
