"""Finding the largest face of a frame."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from _real import asset
from mien.core import InputError, MissingPackageError, UnknownNameError
from mien.features._crops import drawn_face
from mien.io.video import open_video
from mien.simulate import _deap_video as painted
from mien.simulate import _mes_faces as faces
from mien.simulate._mes_motion import Similarity
from mien.vision import detect
from mien.vision.detect import FaceFinder

SEED = 4
ZOOM = 160 / painted.VIEW


def frame(subject: int, *, right: float = 0.0, down: float = 0.0) -> np.ndarray:
    """A painted face (160, 160, 3) at rest, moved by px of the frame."""
    pose = Similarity.of(np.array([right / ZOOM, down / ZOOM, 0.0, 0.0]))
    return painted._actor(SEED, subject, (160, 160)).picture(np.zeros(5), pose)


def on_wall(face: np.ndarray, *, side: int, x: int, y: int, size: tuple[int, int] = (480, 480)) -> np.ndarray:
    """A picture with a face at a place."""
    image = np.full((*size, 3), 120, np.uint8)
    image[y : y + side, x : x + side] = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    return image


def middle(box: detect.Box) -> np.ndarray:
    return np.array([box.x + box.width / 2, box.y + box.height / 2])


@pytest.mark.parametrize("subject", [0, 1, 2])
@pytest.mark.parametrize(("right", "down"), [(0, 0), (-14, 9)])
def test_box_of_a_painted_face_is_where_it_was_painted(subject, right, down) -> None:
    person = faces.draw_person(SEED, subject)
    with FaceFinder() as finder:
        box = finder.find(frame(subject, right=right, down=down))
    # the cascade's box goes from the hairline to above the chin: its middle is below the eyes
    bridge = np.array([127.5, (person.hairline + person.chin - 15) / 2])
    there = (bridge - 127.5) * ZOOM + 80 + np.array([right, down])
    # windows are tried in sizes 10 % apart and at steps of some pixels: a tenth of a side
    assert np.abs(middle(box) - there).max() < 0.1 * box.width
    assert 0.95 < box.width / (2 * person.half_width * ZOOM) < 1.35
    assert box.height == box.width
    assert box.confidence >= detect.LEAST_CONFIDENCE


def test_box_grows_with_the_frame() -> None:
    small = frame(0)
    large = cv2.resize(small, (720, 720), interpolation=cv2.INTER_CUBIC)
    one, other = (FaceFinder().find(image) for image in (small, large))
    # sizes are tried 10 % apart
    np.testing.assert_allclose(middle(other), 4.5 * middle(one), atol=0.1 * other.width)
    assert other.width == pytest.approx(4.5 * one.width, rel=0.12)


def test_grey_frames_are_taken_and_give_the_same_box() -> None:
    image = frame(1)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    assert FaceFinder().find(grey) == FaceFinder().find(image)


def test_channels_are_red_green_blue() -> None:
    """A face that only shows in red light: its red channel counts 0.30, as blue it would count 0.11."""
    image = np.full((128, 128, 3), 60, np.uint8)
    image[..., 0] = drawn_face(64, 66)[..., 0]
    as_red, as_blue = FaceFinder().find(image), FaceFinder().find(image[..., ::-1])
    assert as_red is not None
    assert as_red == FaceFinder().find(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    assert as_blue is None or as_blue.confidence != as_red.confidence


def test_of_two_faces_the_largest() -> None:
    image = on_wall(frame(0), side=130, x=10, y=20)
    image[200:480, 200:480] = cv2.resize(frame(1), (280, 280), interpolation=cv2.INTER_CUBIC)
    box = FaceFinder().find(image)
    assert (middle(box) > 240).all()
    assert box.width > 130


def test_a_face_that_jumps_across_the_frame_is_found_again() -> None:
    here, there = (on_wall(frame(0), side=160, x=x, y=x) for x in (0, 320))
    with FaceFinder() as finder:
        first, second = finder.find(here), finder.find(there)
    assert (middle(second) - middle(first)).min() == pytest.approx(320, abs=0.1 * first.width)


def test_the_neighbourhood_of_the_last_face_is_searched_first() -> None:
    """With another, larger face in the frame, the followed one is kept until it is gone or forgotten."""
    alone = on_wall(frame(0), side=160, x=0, y=0)
    both = alone.copy()
    both[200:480, 200:480] = cv2.resize(frame(1), (280, 280), interpolation=cv2.INTER_CUBIC)
    with FaceFinder() as finder:
        finder.find(alone)
        assert (middle(finder.find(both)) < 160).all()
        finder.forget()
        assert (middle(finder.find(both)) > 240).all()


def test_nothing_is_found_where_there_is_no_face() -> None:
    rng = np.random.default_rng(1)
    ramp = np.broadcast_to(np.arange(160, dtype=np.uint8)[None, :, None], (160, 160, 3))
    with FaceFinder() as finder:
        for image in (
            np.zeros((160, 160, 3), np.uint8),
            np.full((90, 200, 3), 255, np.uint8),
            np.ascontiguousarray(ramp),
            *rng.integers(0, 256, (20, 160, 160, 3), dtype=np.uint8),
        ):
            assert finder.find(image) is None


@pytest.mark.parametrize("shape", [(1, 1, 3), (10, 400, 3), (23, 23)])
def test_a_frame_smaller_than_any_face(shape) -> None:
    assert FaceFinder().find(np.full(shape, 90, np.uint8)) is None


def test_upside_down_is_outside_its_domain() -> None:
    assert FaceFinder().find(np.ascontiguousarray(frame(0)[::-1])) is None


def test_auto_is_haar() -> None:
    image = frame(2)
    assert FaceFinder("auto").find(image) == FaceFinder("haar").find(image)


def test_wrong_calls() -> None:
    with pytest.raises(UnknownNameError, match="face detector 'harr'; did you mean 'haar'"):
        FaceFinder("harr")
    with pytest.raises(ValueError, match=r"uint8 \(height, width\[, 3\]\), got float64 \(4, 4, 3\)"):
        FaceFinder().find(np.zeros((4, 4, 3)))
    with FaceFinder() as finder:
        pass
    with pytest.raises(ValueError, match="closed"):
        finder.find(frame(0))


@pytest.mark.parametrize("content", [None, b"", b"<?xml version='1.0'?><opencv_storage></opencv_storage>"])
def test_a_missing_or_broken_cascade(tmp_path, monkeypatch, content) -> None:
    if content is not None:
        (tmp_path / detect.CASCADE).write_bytes(content)
    monkeypatch.setattr(cv2.data, "haarcascades", str(tmp_path))
    with pytest.raises(InputError, match=rf"{detect.CASCADE}: OpenCV's cascade .* missing or broken"):
        FaceFinder()


def test_without_opencv(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingPackageError, match="pip install opencv-contrib-python-headless"):
        FaceFinder()


# -- real videos, where they are on this computer ----------------------------------------------------------


@pytest.mark.parametrize("detector", ["haar", "mediapipe"])
def test_a_real_face_is_found_in_every_frame(detector) -> None:
    video = open_video(asset("faces/single_face.mp4"))
    if detector == "mediapipe":
        asset("face_landmarker/face_landmarker.task")
        pytest.importorskip("mediapipe")
    with FaceFinder(detector) as finder:
        boxes = [finder.find(image) for image in video.frames(np.arange(0, 72, 6))]
    assert all(box is not None for box in boxes)
    # the head stays between x = 200 and 390, y = 80 and 300 px of 640 x 360
    for box in boxes:
        assert np.abs(middle(box) - [293, 186]).max() < 30
        assert box.x > 170
        assert box.x + box.width < 420


def test_no_face_in_a_real_video_without_one() -> None:
    video = open_video(asset("faces/no_face.mp4"))
    with FaceFinder() as finder:
        assert [finder.find(image) for image in video.frames(np.arange(0, 95, 8))] == [None] * 12
