"""Similarity transforms with a known answer, and frames brought onto one reference in one resampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.vision import align

N_POINTS = 478
PATTERN = np.array([[17.0, 11.0], [23.0, 29.0]])
"""Wave lengths of the made-up picture, px: long enough that resampling is nearly exact."""


def matrix(turn: float, scale: float, x: float, y: float) -> np.ndarray:
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    return np.array([[c, -s, x], [s, c, y]])


def picture(points: np.ndarray) -> np.ndarray:
    """Grey values of a smooth picture at points (..., 2)."""
    (ax, ay), (bx, by) = PATTERN
    x, y = points[..., 0], points[..., 1]
    return 128 + 45 * np.sin(2 * np.pi * (x / ax + y / by)) + 45 * np.cos(2 * np.pi * (y / ay - x / bx))


def grid(width: int, height: int) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(float)


def a_face(*, seed: int = 0) -> np.ndarray:
    """Points around (150, 120) with eyes 80 px apart on a level line."""
    points = np.random.default_rng(seed).normal([150, 120], 40, (N_POINTS, 2))
    for index, x in {33: 95.0, 133: 125.0, 362: 175.0, 263: 205.0}.items():
        points[index] = x, 100
    return points


transforms = st.builds(
    matrix, st.floats(-3, 3), st.floats(0.2, 5), st.floats(-300, 300), st.floats(-300, 300)
)


@given(transform=transforms, n=st.integers(2, 20), seed=st.integers(0, 99))
def test_a_similarity_is_found_again(transform: np.ndarray, n: int, seed: int) -> None:
    source = np.random.default_rng(seed).normal(0, 50, (n, 2))
    found = align.fit_similarity(source, align.move(source, transform))
    np.testing.assert_allclose(found, transform, atol=1e-7)  # rounding of coordinates of some hundred px


@given(transform=transforms, other=transforms)
def test_compose_and_invert(transform: np.ndarray, other: np.ndarray) -> None:
    points = np.random.default_rng(0).normal(0, 50, (7, 2))
    both = align.move(align.move(points, transform), other)
    np.testing.assert_allclose(align.move(points, align.compose(other, transform)), both, atol=1e-7)
    back = align.compose(align.invert(transform), transform)
    np.testing.assert_allclose(back, matrix(0, 1, 0, 0), atol=1e-7)


def test_the_fit_is_the_least_squares_one_and_weights_count() -> None:
    random = np.random.default_rng(1)
    source, target = random.normal(0, 50, (9, 2)), random.normal(0, 50, (9, 2))
    weights = random.uniform(0, 1, 9)
    # the same as a linear problem in (a, b, x, y)
    (x, y), one, zero = source.T, np.ones(9), np.zeros(9)
    rows = np.stack([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)], 1)
    root = np.sqrt(weights)[:, None]
    a, b, *shift = np.linalg.lstsq((rows * root[..., None]).reshape(18, 4), (target * root).ravel())[0]
    expected = np.array([[a, -b, shift[0]], [b, a, shift[1]]])
    found = align.fit_similarity(source, target, weights=weights)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    outlier = target.copy()
    outlier[4] += 1000
    weights[4] = 0
    first, second = (align.fit_similarity(source, t, weights=weights) for t in (target, outlier))
    np.testing.assert_array_equal(first, second)


def test_many_frames_at_once_and_frames_without_points() -> None:
    source = np.random.default_rng(2).normal(0, 50, (3, 6, 2))
    target = align.move(source[0], matrix(0.1, 1.2, 3, 4))
    together = align.fit_similarity(source, target)
    for one, points in zip(together, source, strict=True):
        np.testing.assert_allclose(one, align.fit_similarity(points, target), atol=1e-12)
    source[1, 2] = np.nan
    assert np.isnan(align.fit_similarity(source, target)).all(axis=(1, 2)).tolist() == [False, True, False]
    assert np.isnan(align.fit_similarity(np.ones((4, 2)), target[:4])).all()


def test_eyes_are_as_far_apart_as_asked_and_level() -> None:
    points = align.move(a_face(), matrix(0.4, 1.7, 20, -30))
    assert align.interocular(points) == pytest.approx(1.7 * 80)
    moved = align.move(points, align.crop(points, size=256, side=3.2))
    assert align.interocular(moved) == pytest.approx(256 / 3.2)
    assert moved[33, 1] == pytest.approx(moved[263, 1])
    assert moved[33, 0] < moved[263, 0]
    eyes = moved[[33, 133, 362, 263]].mean(axis=0)
    np.testing.assert_allclose(eyes, [127.5, 127.5 - 0.6 * 256 / 3.2])


@pytest.mark.parametrize(("interpolation", "error"), [("lanczos", 0.5), ("cubic", 2.0), ("linear", 3.0)])
def test_a_warp_takes_the_picture_where_the_transform_says(interpolation: str, error: float) -> None:
    """Bars: a place is rounded to 1/32 px, at most 1/64 px off at up to 30 grey levels a px; and what each
    interpolation does to waves of 11 px (measured: 0.3, 1.2, 1.5)."""
    transform = matrix(0.05, 1.03, 1.37, -2.81)
    frame = picture(grid(200, 160)).astype(np.float32)
    expected = picture(align.move(grid(200, 160).reshape(-1, 2), align.invert(transform))).reshape(160, 200)
    (warped,) = align.warp(frame[None], transform, size=(200, 160), interpolation=interpolation)
    inner = np.s_[20:-20, 20:-20]
    assert np.sqrt(np.mean((warped - expected)[inner] ** 2)) < error


def test_colours_grey_and_both_kinds_of_numbers_warp_alike() -> None:
    transform = matrix(-0.1, 0.9, 5, 3)
    grey = np.rint(picture(grid(90, 70))).astype(np.uint8)
    (as_grey,) = align.warp(grey[None], transform, size=64)
    (as_colour,) = align.warp(np.dstack([grey] * 3)[None], transform, size=64)
    (as_float,) = align.warp(grey[None].astype(np.float32), transform, size=64)
    assert (as_grey.dtype, as_float.dtype) == (np.uint8, np.float32)
    assert as_colour.shape == (64, 64, 3)
    # rounding of the last digit, and where smoothing keeps whole numbers in between
    assert np.abs(as_colour.astype(int) - as_grey[..., None]).max() <= 1
    assert np.abs(as_float - as_grey).max() <= 1.5


def test_only_the_part_that_is_seen_is_worked_on_and_that_changes_nothing() -> None:
    frame = picture(grid(600, 500)).astype(np.float32)
    transform = matrix(0.2, 1.1, -250, -200)
    import cv2

    whole = cv2.warpAffine(frame, transform, (96, 96), None, cv2.INTER_LANCZOS4, cv2.BORDER_REPLICATE)
    (part,) = align.warp(frame[None], transform, size=96)
    # the cut shifts where places are rounded to 1/32 px: 1/32 px at up to 30 grey levels a px
    assert np.abs(part - whole).max() < 1


def test_what_lies_outside_is_the_edge_repeated() -> None:
    frame = np.full((1, 40, 40), 200, np.uint8)
    assert (align.warp(frame, matrix(0, 1, 30, 30), size=64) == 200).all()
    assert (align.warp(frame, matrix(0, 1, 500, 500), size=64) == 200).all()


def test_fine_patterns_do_not_turn_coarse() -> None:
    """Stripes of 2 px made four times smaller: without smoothing they would come out as anything."""
    stripes = np.tile(np.array([0, 255], np.uint8), (200, 100))[None]
    (small,) = align.warp(stripes, matrix(0.3, 0.25, 10, -5), size=40)
    assert np.ptp(small[8:-8, 8:-8].astype(int)) < 10


def test_the_head_is_held_still_in_one_resampling() -> None:
    """A picture that moves as a whole, with its points: every aligned frame is the same."""
    base = a_face()
    moves = [matrix(0, 1, 0, 0), matrix(0.06, 1.02, 4.3, -2.7), matrix(-0.09, 0.97, -6.1, 8.4)]
    frames = np.stack(
        [picture(align.move(grid(320, 260).reshape(-1, 2), align.invert(m))).reshape(260, 320) for m in moves]
    ).astype(np.float32)
    points = np.stack([align.move(base, m) for m in moves])
    aligned = align.align_clip(frames, points, size=128, side=2.0)
    assert aligned.frames.shape == (3, 128, 128)
    assert aligned.frames.dtype == np.float32
    assert aligned.interocular == 64
    np.testing.assert_allclose(align.interocular(aligned.points), 64, rtol=1e-5)  # float32
    np.testing.assert_allclose(aligned.points, aligned.points[:1].repeat(3, axis=0), atol=1e-3)
    for frame in aligned.frames[1:]:
        # twice the rounding to 1/32 px, in waves that are 0.8 of those of the picture
        assert np.sqrt(np.mean((frame - aligned.frames[0]) ** 2)) < 1.0


def test_what_an_expression_moves_does_not_move_the_head() -> None:
    points = np.stack([a_face()] * 2)
    mouth = np.setdiff1d(np.arange(N_POINTS), align.RIGID)
    points[1, mouth] += 15
    aligned = align.align_clip(np.zeros((2, 200, 300), np.uint8), points)
    np.testing.assert_allclose(aligned.transforms[0], aligned.transforms[1], atol=1e-9)


def test_one_reference_for_all_blocks() -> None:
    points = np.stack([align.move(a_face(), matrix(0, 1, 3.0 * k, 0)) for k in range(6)])
    frames = np.random.default_rng(0).integers(0, 256, (6, 200, 300, 3), dtype=np.uint8)
    whole = align.align_clip(frames, points, reference=2)
    parts = [align.align_clip(frames[k : k + 2], points[k : k + 2], reference=points[2]) for k in (0, 2, 4)]
    np.testing.assert_array_equal(np.concatenate([p.frames for p in parts]), whole.frames)


def test_a_frame_without_a_face_is_black_and_not_valid() -> None:
    points = np.stack([a_face()] * 3)
    points[0] = np.nan
    aligned = align.align_clip(np.full((3, 200, 300, 3), 90, np.uint8), points, size=32)
    assert aligned.valid.tolist() == [False, True, True]
    assert not aligned.frames[0].any()
    assert (aligned.frames[1:] == 90).all()
    assert np.isnan(aligned.points[0]).all()
    assert np.isnan(aligned.transforms[0]).all()
    with pytest.raises(ValueError, match="the reference has no points"):
        align.align_clip(np.zeros((3, 9, 9), np.uint8), points, reference=0)
    with pytest.raises(ValueError, match="no frame has the points of a face"):
        align.align_clip(np.zeros((1, 9, 9), np.uint8), points[:1])


def test_wrong_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match=r"2 frames need points \(frames, 478, 2 or 3\), got"):
        align.align_clip(np.zeros((2, 9, 9), np.uint8), a_face()[None])
    with pytest.raises(ValueError, match="frames must be uint8 or float32"):
        align.warp(np.zeros((2, 9, 9)), matrix(0, 1, 0, 0), size=9)
    with pytest.raises(ValueError, match="interpolation must be one of lanczos, cubic, linear"):
        align.warp(np.zeros((2, 9, 9), np.uint8), matrix(0, 1, 0, 0), size=9, interpolation="best")
