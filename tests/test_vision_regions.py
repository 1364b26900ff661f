"""Regions of a face whose points are known."""

from __future__ import annotations

import numpy as np
import pytest

from mien.vision import align
from mien.vision.regions import REGIONS, region_boxes, region_masks

SHAPE = (400, 400)
MIDDLES = {
    "brows": [(140, 120), (260, 120)],
    "eyes": [(140, 160), (260, 160)],
    "nose": [(200, 210)],
    "mouth": [(200, 270)],
    "cheeks": [(130, 225), (270, 225)],
    "chin": [(200, 330)],
    "face": [(200, 215)],
}
RADIUS = {"face": 170.0, "chin": 20.0}


@pytest.fixture
def points() -> np.ndarray:
    """Every polygon a circle: its points lie evenly on it, in the order of the round."""
    made = np.full((478, 3), 5.0)
    for name, middles in MIDDLES.items():
        for line, (x, y) in zip(REGIONS[name], middles, strict=True):
            angle = np.linspace(0, 2 * np.pi, len(line), endpoint=False)
            radius = RADIUS.get(name, 25.0)
            made[list(line), :2] = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], 1)
    # the rounds share no point but for the corners of the eyes, which say how far apart the eyes are
    return made


def test_masks_fill_the_rounds(points: np.ndarray) -> None:
    masks = region_masks(points, (*SHAPE, 3), margin=0)
    assert set(masks) == set(REGIONS)
    for name, mask in masks.items():
        assert mask.shape == SHAPE
        assert mask.dtype == bool
        for (x, y), line in zip(MIDDLES[name], REGIONS[name], strict=True):
            assert mask[y, x]
            x0, y0 = points[list(line), 0], points[list(line), 1]
            area = 0.5 * abs(np.sum(x0 * np.roll(y0, -1) - y0 * np.roll(x0, -1)))
            near = (
                np.hypot(*(np.indices(SHAPE)[::-1] - np.array([x, y])[:, None, None]))
                < RADIUS.get(name, 25) + 3
            )
            # the border counts as inside: half a px around the polygon
            assert mask[near].sum() == pytest.approx(area, rel=0.09 if name != "face" else 0.02)
        total = sum(np.pi * RADIUS.get(name, 25) ** 2 for _ in MIDDLES[name])
        assert mask.sum() < 1.05 * total


def test_a_margin_reaches_so_many_eye_distances_further(points: np.ndarray) -> None:
    apart = align.interocular(points)
    near, far = (region_masks(points, SHAPE, margin=m)["chin"] for m in (0.0, 0.1))
    low, high = (np.flatnonzero(mask.any(axis=1))[-1] for mask in (near, far))
    assert high - low == pytest.approx(0.1 * apart, abs=1.5)  # whole px
    assert (far | ~near).all()
    boxes = {m: region_boxes(points, margin=m)["chin"] for m in (0.0, 0.1)}
    np.testing.assert_allclose(boxes[0.1] - boxes[0.0], apart * np.array([-0.1, -0.1, 0.1, 0.1]))


def test_boxes_hold_their_masks(points: np.ndarray) -> None:
    masks, boxes = region_masks(points, SHAPE), region_boxes(points)
    for name, mask in masks.items():
        y, x = np.nonzero(mask)
        left, top, right, bottom = boxes[name]
        found = np.array([x.min(), y.min(), x.max(), y.max()])
        # at most a px of rounding and of the border beyond the polygon
        np.testing.assert_allclose(found, [left, top, right, bottom], atol=2.5)


def test_regions_move_with_the_face(points: np.ndarray) -> None:
    shifted = points + np.array([7, -4, 0])
    for name, mask in region_masks(points, SHAPE).items():
        np.testing.assert_array_equal(region_masks(shifted, SHAPE)[name], np.roll(mask, (-4, 7), axis=(0, 1)))
    many = region_boxes(np.stack([points, shifted]))
    for name, box in region_boxes(points).items():
        np.testing.assert_allclose(many[name], [box, box + np.array([7, -4, 7, -4])])


def test_a_face_that_was_not_found_has_no_regions() -> None:
    nothing = np.full((478, 3), np.nan)
    assert not any(mask.any() for mask in region_masks(nothing, SHAPE).values())
    assert all(np.isnan(box).all() for box in region_boxes(nothing).values())


def test_left_and_right_are_two_of_a_kind() -> None:
    for name in ("brows", "eyes", "cheeks"):
        right, left = REGIONS[name]
        assert len(right) == len(left)
        assert not set(right) & set(left)
    for rounds in REGIONS.values():
        assert all(len(set(line)) == len(line) and max(line) < 468 for line in rounds)
