"""Pictures of a head brought onto each other: known motion is found, what the face does is left."""

from __future__ import annotations

import numpy as np

from mien.features._crops import drawn_face
from mien.vision.align import compose, warp
from mien.vision.register import onto_median

SIDE = 128


def matrix_of(motion: np.ndarray) -> np.ndarray:
    """(2, 3) of shift (px), growth and turn (radians) about the middle."""
    right, down, growth, turn = motion
    linear = (1 + growth) * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = np.full(2, (SIDE - 1) / 2)
    return np.column_stack([linear, middle + np.array([right, down]) - linear @ middle])


def moved(picture: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """A picture under a motion."""
    return warp(picture[None], matrix_of(motion), size=SIDE)[0]


def grey(picture: np.ndarray) -> np.ndarray:
    return picture.mean(axis=2).astype(np.float32)


def test_the_motion_of_the_head_is_found() -> None:
    rng = np.random.default_rng(0)
    still = drawn_face(64, 60, width=80)
    motions = rng.uniform(-1, 1, (10, 4)) * [2.0, 2.0, 0.02, 0.02]
    motions -= np.median(motions, axis=0)
    pictures = np.stack([grey(moved(still, m)) for m in motions])
    back = onto_median(pictures)
    assert back.shape == (10, 2, 3)
    places = np.array([[40, 40, 1], [90, 40, 1], [64, 90, 1]], dtype=float).T
    apart = [compose(b, matrix_of(m)) @ places for b, m in zip(back, motions, strict=True)]
    # all pictures come to one place, wherever it is: to a fifth of a pixel, where they were up to 4 px apart
    assert np.ptp(np.stack(apart), axis=0).max() < 0.2


def test_what_the_face_does_in_a_few_pictures_is_not_taken_for_motion() -> None:
    pictures = np.stack([grey(drawn_face(64, 60, width=80, smile=2.0 * (k in (3, 4, 5)))) for k in range(10)])
    back = onto_median(pictures)
    # the corners of the mouth go up by 4 px
    assert np.abs(pictures[3] - pictures[0]).max() > 20
    assert np.abs(back - [[1, 0, 0], [0, 1, 0]])[..., 2].max() < 0.5


def test_brightness_and_contrast_do_not_matter() -> None:
    still = grey(drawn_face(64, 60, width=80))
    pictures = np.stack([still, 0.5 * still + 20, 1.2 * still - 10, still])
    # float32 rounding of pictures that are the same once they are levelled
    np.testing.assert_allclose(onto_median(pictures), np.tile(np.eye(2, 3), (4, 1, 1)), atol=1e-3)


def test_a_picture_of_something_else_or_of_nothing_stays_where_it_is() -> None:
    still = grey(drawn_face(64, 60, width=80))
    far = grey(drawn_face(20, 100, width=80))
    back = onto_median(np.stack([still, still, still, np.zeros_like(still), far]))
    np.testing.assert_array_equal(back[3], np.eye(2, 3))
    assert np.isfinite(back).all()
    assert np.abs(back[..., 2]).max() < 0.25 * SIDE
