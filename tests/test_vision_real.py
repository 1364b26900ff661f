"""Real videos of faces, through reading, landmarks, alignment and regions; skipped where they are absent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _real import asset
from mien.io.images import read_image
from mien.io.video import Video, open_video
from mien.vision import align, regions
from mien.vision.landmarks import BLENDSHAPES, Faces, Landmarker, join

Found = Callable[[str], tuple[Video, Faces]]


@pytest.fixture(scope="module")
def landmarker() -> Iterator[Landmarker]:
    with Landmarker(asset("face_landmarker/face_landmarker.task")) as made:
        yield made


@pytest.fixture(scope="module")
def found(landmarker: Landmarker) -> Found:
    """``found(name)``: a video and what was found in it, each video gone through once."""

    @cache
    def run(name: str) -> tuple[Video, Faces]:
        video = open_video(asset(f"faces/{name}"))
        return video, join(landmarker.track_blocks(video.blocks()))

    return run


@pytest.mark.parametrize(
    ("name", "n_frames", "rate", "claimed"),
    [
        ("WolfgangLanger_Pexels.mp4", 472, 24000 / 1001, 24000 / 1001),
        ("single_face.mp4", 72, 30, 30),
        ("face_noface.mov", 169, 24, 26.398),  # two videos of 24 and 30 frames a second, one after the other
        ("no_face.mp4", 95, 24, 23.672),  # 98 packets: an edit list hides three
    ],
)
def test_frames_and_times_of_real_files(name: str, n_frames: int, rate: float, claimed: float) -> None:
    video = open_video(asset(f"faces/{name}"))
    assert video.n_frames == n_frames
    assert video.rate == pytest.approx(rate, rel=1e-4)
    assert video.nominal_rate == pytest.approx(claimed, rel=1e-4)
    assert video.damaged_at is None
    times = np.concatenate([times for _, times in video.blocks(slice(1.0, 2.0))])
    np.testing.assert_array_equal(times, video.times[(video.times >= 1) & (video.times < 2)])


@pytest.mark.parametrize(
    "name", ["single_face.mp4", pytest.param("WolfgangLanger_Pexels.mp4", marks=pytest.mark.slow)]
)
def test_a_face_is_found_in_every_frame(found: Found, name: str) -> None:
    video, faces = found(name)
    assert len(faces) == video.n_frames
    assert faces.valid.all()
    assert (faces.n_faces == 1).all()


@pytest.mark.parametrize(
    ("name", "where", "n_frames"),
    [
        ("face_noface.mov", slice(72), 169),
        ("noface_face.mov", slice(96, 168), 169),
        ("no_face.mp4", slice(0), 95),
    ],
)
def test_a_face_is_found_where_it_is_and_not_elsewhere(
    found: Found, name: str, where: slice, n_frames: int
) -> None:
    """The two .mov hold the 72 frames of single_face.mp4, and 97 frames without a face.

    In one of those the detector sees a face all the same (its confidence there is just above 0.5): 73 in all.
    """
    _, faces = found(name)
    assert len(faces) == n_frames
    there = np.zeros(n_frames, bool)
    there[where] = True
    assert faces.valid[there].all()
    assert faces.valid[~there].sum() <= 1
    np.testing.assert_array_equal(faces.n_faces, faces.valid)
    np.testing.assert_array_equal(np.isfinite(faces.points).all(axis=(1, 2)), faces.valid)


def test_points_lie_in_the_face_and_the_head_in_front_of_the_camera(found: Found) -> None:
    video, faces = found("single_face.mp4")
    x, y = faces.points[..., 0], faces.points[..., 1]
    assert ((x > 0) & (x < video.size[0]) & (y > 0) & (y < video.size[1])).mean() > 0.99
    right, left = faces.points[:, [33, 133], 0].mean(axis=1), faces.points[:, [362, 263], 0].mean(axis=1)
    assert (left > right).all()  # the subject's left eye is on the right of the picture
    turn = faces.pose[:, :3, :3].astype(float)
    np.testing.assert_allclose(np.linalg.det(turn), 1, atol=1e-3)  # float32
    assert (faces.pose[:, 2, 3] < 0).all()
    assert ((faces.blendshapes >= 0) & (faces.blendshapes <= 1)).all()


def test_the_names_are_the_model_s(landmarker: Landmarker) -> None:
    frames, _ = open_video(asset("faces/single_face.mp4")).read(0.0)
    (shapes,) = landmarker._detect(frames[0], 0.0).face_blendshapes
    assert tuple(shape.category_name for shape in shapes) == BLENDSHAPES


def test_a_smile_shows_in_the_blend_shapes(found: Found) -> None:
    _, faces = found("single_face.mp4")
    smile = (faces.blendshape("mouthSmileLeft") + faces.blendshape("mouthSmileRight")) / 2
    assert smile[:10].max() < 0.1
    assert abs(int((smile > 0.2).argmax()) - 18) <= 4
    assert smile.max() > 0.8
    assert (smile[22:68] > 0.8).all()  # a plateau: where its height is depends on the last digits
    assert smile[71] < 0.1


def test_every_clip_on_its_own_gives_the_same(found: Found, landmarker: Landmarker) -> None:
    """Whatever was tracked before: the largest trap of a tracker that is used for many clips."""
    video, faces = found("single_face.mp4")
    landmarker.track(read_image(asset("faces/multi_face.jpg"))[None], [0.0])
    frames, times = video.read(slice(0, 0.3))
    again = landmarker.track(frames, times)
    np.testing.assert_array_equal(again.points, faces.points[: len(times)])
    with Landmarker(mode="image") as alone:
        np.testing.assert_array_equal(alone.track(frames, times).valid, True)


def test_smoothing_over_time_is_an_option_that_moves_the_apex(found: Found) -> None:
    """With one face MediaPipe smooths: points tremble less, and the smile comes later."""
    video, faces = found("single_face.mp4")
    frames, times = video.read()
    with Landmarker(max_faces=1) as smooth:
        smoothed = smooth.track(frames, times)
    tremble = [np.abs(np.diff(f.points[:15, align.RIGID], 2, axis=0)).mean() for f in (faces, smoothed)]
    assert tremble[1] < 0.7 * tremble[0]
    rise = [f.blendshape("mouthSmileLeft")[18:20] for f in (faces, smoothed)]
    assert (rise[1] < rise[0]).all()


def test_two_faces_of_whom_one_is_followed(landmarker: Landmarker) -> None:
    picture = read_image(asset("faces/multi_face.jpg"))
    height, width, _ = picture.shape
    (one,) = landmarker.track(picture[None], [0.0]).points
    assert landmarker.track(picture[None], [0.0]).n_faces == [2]
    left, top, right, bottom = regions.region_boxes(one)["face"].astype(int)
    hidden = picture.copy()
    hidden[max(top - 60, 0) : bottom + 30, max(left - 30, 0) : right + 30] = 128
    faces = landmarker.track(np.stack([picture, picture, hidden, picture]), np.arange(4) / 30)
    assert faces.n_faces.tolist() == [2, 2, 1, 2]
    assert faces.valid.tolist() == [True, True, False, True]
    assert np.abs(faces.points[[1, 3]] - faces.points[0])[..., :2].max() < 0.1 * (right - left)
    (other,) = landmarker.track(hidden[None], [0.0]).points
    assert np.abs(other[:, 0] - one[:, 0]).min() > 0.3 * (right - left)
    assert (other[:, 0].min() >= 0) & (other[:, 0].max() < width) & (other[:, 1].max() < height)


def test_grey_will_do(found: Found, landmarker: Landmarker) -> None:
    video, faces = found("single_face.mp4")
    frames, times = video.read(slice(0, 0.1))
    grey = frames.mean(axis=3).astype(np.uint8)
    again = landmarker.track(grey, times)
    assert again.valid.all()
    # a few px of an eye distance of some 70 px: colour helps a little
    assert np.abs(again.points - faces.points[: len(times)])[..., :2].mean() < 3


def test_the_aligned_head_is_still_while_the_mouth_moves(found: Found) -> None:
    video, faces = found("single_face.mp4")
    frames, _ = video.read()
    aligned = align.align_clip(frames, faces.points, size=256)
    apart = align.interocular(faces.points)[0]
    raw = (faces.points[..., :2] * (aligned.interocular / apart))[:, align.RIGID].std(axis=0).mean()
    rigid = aligned.points[:, align.RIGID].std(axis=0).mean()
    mouth = aligned.points[:, [61, 291]].std(axis=0).mean()
    # px at 85 px between the eyes: what is left is nodding, which no turn in the plane undoes
    assert rigid < 0.6 < 2 * rigid < raw < mouth
    # the eyes of all frames lie on each other: pictures at the eyes differ less than before
    masks = regions.region_masks(aligned.points[0], aligned.frames.shape[1:])
    assert {name: bool(mask.any()) for name, mask in masks.items()} == dict.fromkeys(regions.REGIONS, True)
    assert masks["brows"].sum() > masks["eyes"].sum() > 300
    assert not (masks["mouth"] & masks["eyes"]).any()
    rows = {name: np.nonzero(mask)[0].mean() for name, mask in masks.items()}
    assert rows["brows"] < rows["eyes"] < rows["nose"] < rows["mouth"] < rows["chin"]
    assert rows["eyes"] < rows["cheeks"] < rows["mouth"]
    for name, mask in masks.items():
        assert (mask & masks["face"]).sum() > 0.95 * mask.sum(), name


def test_setting_up_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with Landmarker(asset("face_landmarker/face_landmarker.task")) as made:
        made.track(np.zeros((2, 64, 64, 3), np.uint8), [0, 1])
    assert capfd.readouterr().err == ""


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    from mien.core import InputError

    model = asset("face_landmarker/face_landmarker.task")
    path = tmp_path / "face_landmarker.task"
    path.write_bytes(model.read_bytes()[:100_000])
    with pytest.raises(InputError, match=r"is not the asset face_landmarker/face_landmarker\.task: SHA-256"):
        Landmarker(path)


def test_the_page_s_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[1]
    if asset("faces/single_face.mp4") != root / "assets" / "faces" / "single_face.mp4":
        pytest.skip("the example reads from assets/")
    monkeypatch.chdir(root)
    text = (root / "docs" / "vision.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    block = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[0]
    exec(compile(block, "vision.md", "exec"), names)
    assert names["faces"].valid.all()
    assert names["aligned"].frames.shape == (29, 256, 256, 3)
    assert names["mouth"].any()
