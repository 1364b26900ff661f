"""Optical strain: how much a flow stretches and shears the skin, whatever its shift and turn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError

Array = NDArray[Any]


def strain_tensor(flow: Array) -> NDArray[np.float32]:
    """The symmetric part of a flow's gradient, float32 (3, height, width): ``e_xx, e_yy, e_xy``.

    ``e_xx = du/dx``, ``e_yy = dv/dy``, ``e_xy = (du/dy + dv/dx) / 2``, by central differences between
    neighbouring pixels (one-sided at the border); pixels per pixel, without unit.

    Parameters
    ----------
    flow
        (2, height, width): u right, v down, in pixels.

    Raises
    ------
    InputError
        The shape is another.
    """
    if flow.ndim != 3 or flow.shape[0] != 2 or min(flow.shape[1:]) < 2:
        raise InputError(f"a flow of shape {flow.shape}", expected="(2, height, width) of 2 pixels or more")
    u, v = np.asarray(flow, dtype=np.float32)
    u_y, u_x = np.gradient(u)  # NumPy gives the derivative along rows (y) first
    v_y, v_x = np.gradient(v)
    return np.stack([u_x, v_y, 0.5 * (u_y + v_x)])


def strain(flow: Array) -> NDArray[np.float32]:
    """Magnitude of the optical strain, float32 (height, width), none negative, without unit.

    ``sqrt(e_xx**2 + e_yy**2 + 2 * e_xy**2)`` (Shreve et al., FG 2011; Liong et al., ACCV workshops 2014), the
    Frobenius norm of the tensor of :func:`strain_tensor`: 0 for a shift, and for a small turn; for a stretch
    by 1 % along one axis 0.01.
    """
    e_xx, e_yy, e_xy = strain_tensor(flow)
    return np.asarray(np.sqrt(e_xx**2 + e_yy**2 + 2 * e_xy**2), dtype=np.float32)
