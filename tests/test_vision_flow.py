"""Optical flow on pictures whose motion is known, and the head's motion taken off it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _moving import SIZE, bumps, head, pair
from mien.core import InputError, UnknownNameError
from mien.vision import align
from mien.vision.flow import (
    METHODS,
    aligned_flow,
    endpoint_error,
    fit_rigid,
    flow,
    grey,
    head_motion,
    match_light,
    moved_back,
    normalised,
    remove_rigid,
    similarity_field,
    texture,
)

CORNERS = np.array([[60.0, 60.0], [196.0, 60.0], [60.0, 196.0], [196.0, 196.0]])


def apart(found, wanted):
    """Mean distance in px of where two similarities take four points around the face."""
    return np.hypot(*(align.move(CORNERS, found) - align.move(CORNERS, wanted)).T).mean()


# mean end-point error in px at noise of 2 of 255 grey levels: measured, and a fifth more
@pytest.mark.parametrize(
    ("method", "amplitude", "bar"),
    [
        ("tvl1", 1.0, 0.05),
        ("tvl1_fast", 0.3, 0.05),
        ("tvl1_fast", 1.0, 0.05),
        ("tvl1_fast", 3.0, 0.065),
        ("dis", 0.3, 0.04),
        ("dis", 1.0, 0.055),
        ("dis", 3.0, 0.095),
        ("farneback", 0.3, 0.055),
        ("farneback", 1.0, 0.06),
        ("farneback", 3.0, 0.09),
    ],
)
def test_known_flow_with_noise(method, amplitude, bar):
    field = bumps(amplitude)
    found = flow(*pair(field), method=method, moving_head=False)
    assert found.dtype == np.float32
    assert found.shape == (2, SIZE, SIZE)
    assert endpoint_error(found, field) < bar


def test_smoothing_first_is_worth_its_while():
    """OpenCV's TV-L1 as it is errs more on the same noisy pictures, most where the skin is bare."""
    import cv2

    field = bumps(1.0, size=128)
    a, b = pair(field, contrast=10)
    plain = cv2.optflow.DualTVL1OpticalFlow_create().calc(a, b, None).transpose(2, 0, 1)
    ours = flow(a, b, method="tvl1_fast", moving_head=False)
    assert endpoint_error(ours, field) < 0.8 * endpoint_error(plain, field)


@pytest.mark.parametrize("method", METHODS)
def test_u_is_to_the_right_and_v_is_down(method):
    a, _ = pair(np.zeros((2, 96, 96)), noise=0)
    b = np.roll(a, (1, 2), axis=(0, 1))  # one row down, two columns to the right
    inner = flow(a, b, method=method)[:, 20:-20, 20:-20]
    # every method falls a little short of a whole step
    np.testing.assert_allclose(np.median(inner, axis=(1, 2)), [2, 1], atol=0.1)


# OpenCV's Farnebäck makes hundredths of a pixel of flow between a picture and itself
@pytest.mark.parametrize(("method", "bar"), [("tvl1_fast", 1e-3), ("dis", 1e-3), ("farneback", 0.06)])
def test_the_same_picture_twice_does_not_move(method, bar):
    a, _ = pair(np.zeros((2, 96, 96)))
    assert np.abs(flow(a, a, method=method)).max() < bar


def test_back_is_forth_reversed():
    a, b = pair(bumps(1.0))
    there, back = (flow(*p, method="dis", moving_head=False) for p in ((a, b), (b, a)))
    # not the same places: a bump of 1 px is some hundredths of a pixel flatter a pixel away
    assert endpoint_error(there, -back) < 0.1


def test_colour_is_taken_as_grey():
    a, b = pair(np.zeros((2, 64, 64)), motion=head(shift=(1, 0), size=64))
    colour = [np.repeat(x[..., None], 3, axis=2) for x in (a, b)]
    np.testing.assert_array_equal(grey(colour[0]), a)
    np.testing.assert_array_equal(flow(*colour, method="dis"), flow(a, b, method="dis"))


@pytest.mark.parametrize("light", [0.9, 1.1])
def test_flicker_is_no_motion(light):
    field = bumps(1.0)
    steady, flickering = (pair(field, light=gain) for gain in (1.0, light))
    errors = [endpoint_error(flow(*p, method="dis", moving_head=False), field) for p in (steady, flickering)]
    assert errors[1] < errors[0] + 0.01


def test_light_is_matched_by_what_did_not_move():
    a, _ = pair(np.zeros((2, SIZE, SIZE)), noise=0)
    b = a.copy()
    b[150:200, 80:180] = 20  # a mouth opens: a twelfth of the picture
    darker = np.rint(0.8 * b + 10).astype(np.uint8)
    still = np.ones(a.shape, dtype=bool)
    still[130:220, 60:200] = False
    # grey values are whole numbers twice over
    assert np.abs(match_light(darker, a).astype(int) - a)[still].mean() < 1
    blank = np.full((64, 64), 7, dtype=np.uint8)
    np.testing.assert_array_equal(match_light(blank, a[:64, :64]), blank)


def test_the_motion_of_the_head_is_found_and_taken_off():
    motion, field = head(turn=0.02, scale=1.01, shift=(2.3, -1.4)), bumps(1.0, seed=3)
    a, b = pair(field, motion=motion)
    found = aligned_flow(a, b, method="tvl1_fast")
    assert apart(found.similarity, motion) < 0.03  # measured 0.015
    assert endpoint_error(found.flow, field) < 0.06  # 0.050; the head's motion is 3 px
    # moving the frame back first is better than taking the motion off a flow that has both
    plain = flow(a, b, method="tvl1_fast", moving_head=False)
    assert endpoint_error(found.flow, field) < 0.6 * endpoint_error(
        remove_rigid(plain, texture=texture(a)), field
    )
    # what the landmarks say is used as it is
    given = aligned_flow(a, b, method="dis", similarity=motion)
    np.testing.assert_array_equal(given.similarity, motion)
    np.testing.assert_array_equal(given.second, moved_back(b, motion))


def test_the_whole_motion_is_the_head_and_the_rest():
    motion, field = head(turn=0.02, shift=(4.3, -3.4)), bumps(1.0, seed=3)
    y, x = np.mgrid[:SIZE, :SIZE]
    moved = np.moveaxis(np.stack([x + field[0], y + field[1]]), 0, -1).reshape(1, -1, 2)
    there = align.move(moved[0], motion).T.reshape(2, SIZE, SIZE)
    a, b = pair(field, motion=motion, contrast=10)
    errors = [
        endpoint_error(flow(a, b, method="dis", moving_head=moving), there - np.stack([x, y]))
        for moving in (True, False)
    ]
    assert errors[0] < 0.7 * errors[1]  # measured: half


def test_a_face_that_moves_much_does_not_pull_the_head():
    a, b = pair(bumps(6.0, seed=1))
    assert apart(head_motion(a, b), np.eye(2, 3)) < 0.1


@given(
    turn=st.floats(-0.2, 0.2),
    scale=st.floats(0.8, 1.25),
    x=st.floats(-20, 20),
    y=st.floats(-20, 20),
)
@settings(max_examples=25, deadline=None)
def test_a_similarity_is_found_in_its_own_field(turn, scale, x, y):
    motion = head(turn=turn, scale=scale, shift=(x, y), size=64)
    field = similarity_field(motion, (64, 64))
    np.testing.assert_allclose(fit_rigid(field), motion, atol=1e-3)  # float32 of tens of pixels
    assert np.abs(remove_rigid(field)).max() < 1e-3


def test_parts_that_move_by_themselves_do_not_count():
    motion = head(turn=0.01, shift=(1, 2))
    field = similarity_field(motion, (SIZE, SIZE))
    field[:, 150:230, 60:200] += np.array([0.0, 3.0])[:, None, None]  # a sixth of the frame
    assert apart(fit_rigid(field), motion) < 0.01
    # more than half, told apart by a mask or by where there is anything to see
    field[:, 90:] += 3
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[:90] = True
    assert apart(fit_rigid(field, mask=mask), motion) < 1e-3
    assert apart(fit_rigid(field, texture=mask.astype(np.float32)), motion) < 1e-3
    with pytest.raises(InputError, match="can be seen at 0 places"):
        fit_rigid(field, mask=np.zeros_like(mask))


def test_frames_that_show_nothing():
    blank = np.full((64, 64), 90, dtype=np.uint8)
    assert not texture(blank).any()
    with pytest.raises(InputError, match=r"head's motion can be seen at 0 places.*frames that show a face"):
        flow(blank, blank)


def test_fields_and_units():
    field = similarity_field(np.array([[1, 0, 3], [0, 1, -2]]), (20, 30))
    np.testing.assert_array_equal(field, np.broadcast_to(np.float32([3, -2])[:, None, None], (2, 20, 30)))
    np.testing.assert_allclose(normalised(field, interocular=60)[0], 5)  # 3 of 60 px: 5 %
    assert endpoint_error(field, np.zeros_like(field)) == pytest.approx(np.sqrt(13))
    with pytest.raises(InputError, match="distance between the eyes is 0 px"):
        normalised(field, interocular=0)
    with pytest.raises(InputError, match=r"flow of shape \(2, 20, 30\)"):
        endpoint_error(field, field[:, :5])


def test_moved_back_undoes_a_motion_exactly():
    motion = head(shift=(3, -2), size=64)
    a, _ = pair(np.zeros((2, 64, 64)), noise=0)
    back = moved_back(np.roll(a, (-2, 3), axis=(0, 1)), motion)
    np.testing.assert_array_equal(back[8:-8, 8:-8], a[8:-8, 8:-8])


def _plain(frames, *, method):
    return flow(*frames, method=method, moving_head=False)


def test_the_reused_objects_remember_nothing():
    small = [pair(bumps(1.0, size=64, seed=s), seed=s) for s in range(4)]
    for method in ("tvl1_fast", "dis", "farneback"):
        alone = [flow(*p, method=method, moving_head=False) for p in small]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(partial(_plain, method=method), small * 2))
        for one, other in zip(alone * 2, together, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_small_frame_does_not_change_what_is_done_to_a_large_one():
    large, small = pair(bumps(1.0, size=128)), pair(np.zeros((2, 40, 40)))
    before = flow(*large, method="dis")
    flow(*small, method="dis")
    np.testing.assert_array_equal(flow(*large, method="dis"), before)


@pytest.mark.parametrize(
    ("first", "second", "fault"),
    [
        (np.zeros((64, 64), np.uint8), np.zeros((64, 65), np.uint8), r"frames of \(64, 64\) and \(64, 65\)"),
        (np.zeros((64, 64)), np.zeros((64, 64)), r"a frame is float64 \(64, 64\)"),
        (np.zeros((64, 64, 4), np.uint8), np.zeros((64, 64, 4), np.uint8), r"expected uint8 .*RGB"),
        (np.zeros((8, 64), np.uint8), np.zeros((8, 64), np.uint8), "expected 16 or more each way"),
    ],
)
def test_pictures_that_cannot_be_used(first, second, fault):
    with pytest.raises(InputError, match=fault):
        flow(first, second)


@pytest.mark.parametrize("function", [flow, aligned_flow])
def test_an_unknown_method_is_named(function):
    blank = np.zeros((64, 64), np.uint8)
    with pytest.raises(UnknownNameError, match="unknown flow method 'tvl'; did you mean 'tvl1'"):
        function(blank, blank, method="tvl")
