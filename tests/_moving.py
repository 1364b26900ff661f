"""Pictures whose motion is known exactly: sums of waves, evaluated where each pixel came from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
SIZE = 256


def bumps(amplitude: float, *, size: int = SIZE, seed: int = 0, n: int = 4) -> Array:
    """A smooth field of displacement (2, size, size) in px, as skin moves: largest length ``amplitude``."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    field = np.zeros((2, size, size))
    for _ in range(n):
        (cx, cy), turn = rng.uniform(0.25, 0.75, 2) * size, rng.uniform(0, 2 * np.pi)
        reach = rng.uniform(0.05, 0.1) * size
        weight = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * reach**2))
        field += weight * np.array([np.cos(turn), np.sin(turn)])[:, None, None]
    return field * amplitude / np.hypot(*field).max()


def head(
    *, turn: float = 0.0, scale: float = 1.0, shift: tuple[float, float] = (0, 0), size: int = SIZE
) -> Array:
    """A similarity (2, 3) about the middle of the picture; turn in radians, shift in px."""
    middle = (size - 1) / 2
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.column_stack([linear, np.array(shift) + middle - linear @ [middle, middle]])


def pair(
    field: Array,
    *,
    motion: Array | None = None,
    contrast: float = 30.0,
    noise: float = 2.0,
    light: float = 1.0,
    seed: int = 0,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Two grey pictures: what the first has at ``p`` the second has at ``motion(p + field(p))``.

    ``contrast`` is the spread of grey values, ``noise`` the sensor's, ``light`` the gain of the second.
    """
    size = field.shape[1]
    y, x = np.mgrid[:size, :size].astype(np.float64)
    first = waves(x + field[0], y + field[1], contrast=contrast, seed=seed)
    if motion is not None:
        linear = np.linalg.inv(motion[:, :2])
        x, y = (linear @ np.stack([x.ravel() - motion[0, 2], y.ravel() - motion[1, 2]])).reshape(
            2, size, size
        )
    second = waves(x, y, contrast=contrast, seed=seed)
    rng = np.random.default_rng([seed, 1])
    return tuple(
        np.clip(np.rint(gain * picture + noise * rng.standard_normal(picture.shape)), 0, 255).astype(np.uint8)
        for gain, picture in ((1.0, first), (light, second))
    )


def waves(x: Array, y: Array, *, contrast: float, seed: int = 0, n: int = 120) -> Array:
    """Skin that is lit and has spots: waves 5 to 100 px long, the long ones stronger; mean grey 120."""
    rng = np.random.default_rng([seed, 0])
    length = np.geomspace(5, 100, n)
    turn, phase = rng.uniform(0, 2 * np.pi, (2, n))
    weight = length**0.7
    x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
    total = np.zeros(x.shape, np.float32)
    for w, k, t, p in zip(weight, 2 * np.pi / length, turn, phase, strict=True):
        total += np.float32(w) * np.cos(
            np.float32(k * np.cos(t)) * x + np.float32(k * np.sin(t)) * y + np.float32(p)
        )
    return 120 + total * (contrast / np.sqrt((weight**2).sum() / 2))
