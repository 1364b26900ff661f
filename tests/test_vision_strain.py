"""Optical strain of fields whose gradient is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core import InputError
from mien.vision.strain import strain, strain_tensor

Y, X = np.mgrid[:24, :31].astype(np.float64)
small = st.floats(-0.1, 0.1)


def linear(u_x, u_y, v_x, v_y):
    return np.stack([u_x * X + u_y * Y + 2, v_x * X + v_y * Y - 3])


@given(small, small, small, small)
@settings(max_examples=30, deadline=None)
def test_a_linear_field(u_x, u_y, v_x, v_y):
    """Central differences of a linear field are exact; float32 of values up to 6 leaves 1e-6."""
    field = linear(u_x, u_y, v_x, v_y)
    shear = (u_y + v_x) / 2
    for found, wanted in zip(strain_tensor(field), (u_x, v_y, shear), strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-6)
    np.testing.assert_allclose(strain(field), np.sqrt(u_x**2 + v_y**2 + 2 * shear**2), atol=4e-6)


def test_the_axes_are_right():
    """The published code takes the derivative along y for the one along x (fault B54)."""
    stretched = linear(0.02, 0, 0, 0)
    e_xx, e_yy, e_xy = strain_tensor(stretched)
    np.testing.assert_allclose(e_xx, 0.02, atol=1e-6)
    assert np.abs(e_yy).max() == np.abs(e_xy).max() == 0
    assert strain_tensor(stretched).dtype == strain(stretched).dtype == np.float32


def test_a_shift_and_a_turn_are_no_strain():
    assert strain(linear(0, 0, 0, 0)).max() == 0
    np.testing.assert_allclose(strain(linear(0, -0.03, 0.03, 0)), 0, atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.floats(-3, 3))
@settings(max_examples=20, deadline=None)
def test_magnitude_scales_and_turns_with_the_picture(seed, factor):
    field = np.random.default_rng(seed).normal(size=(2, 12, 12))
    np.testing.assert_allclose(strain(factor * field), abs(factor) * strain(field), rtol=1e-4, atol=1e-5)
    # a quarter turn of the picture: what was right is down
    u, v = (np.rot90(part, -1) for part in field)
    np.testing.assert_allclose(strain(np.stack([-v, u])), np.rot90(strain(field), -1), atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 5), (3, 5, 5), (2, 1, 5)])
def test_what_is_no_flow(shape):
    with pytest.raises(InputError, match=r"expected \(2, height, width\)"):
        strain(np.zeros(shape))
