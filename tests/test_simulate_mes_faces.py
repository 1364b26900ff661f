"""Made-up faces: how they move, and that others can measure it.

The seeds here (8741 to 8746) are used nowhere else; no constant of the model was chosen on them.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.simulate import _mes_faces as faces
from mien.simulate import _mes_motion as motion
from mien.simulate import _mes_plan, _mes_table
from mien.simulate._mes_camera import Camera

MODEL = Path(os.environ.get("MIEN_ASSETS") or Path(__file__).parents[1] / "assets")
MODEL = MODEL / "face_landmarker" / "face_landmarker.task"


@pytest.fixture(scope="module")
def plan():
    return _mes_plan.draw(8741, subjects=2, clips=42, events_per_clip=0.8, seconds=20.0, effect=1.0)


@pytest.fixture(scope="module")
def camera(plan) -> Camera:
    return Camera(plan, 0)


def grey(picture) -> np.ndarray:
    return cv2.cvtColor(np.clip(np.rint(picture), 0, 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)


def tvl1(first, second) -> np.ndarray:
    flow = cv2.optflow.DualTVL1OpticalFlow_create().calc(grey(first), grey(second), None)
    return np.moveaxis(flow, -1, 0)


def test_faces_differ_between_people_and_seeds(camera: Camera):
    people = [faces.draw_person(8742, s) for s in range(10)]
    for name in ("skin", "half_width", "eye_dx", "mouth_half", "iris"):
        assert len({getattr(p, name) for p in people}) == 10, name
    assert {p.long_hair for p in people} == {True, False}
    assert faces.draw_person(8742, 3) == people[3] != faces.draw_person(8743, 3)
    other = faces.paint(people[1])
    assert other.shape == camera.texture.shape == (faces.SIDE, faces.SIDE, 3)
    inside = slice(faces.MARGIN * faces.UP, -faces.MARGIN * faces.UP)
    assert np.abs(other - camera.texture)[inside, inside].mean() > 10


def test_the_same_person_is_painted_alike(camera: Camera):
    assert np.array_equal(faces.paint(camera.person), camera.texture)


def test_skin_has_texture_to_follow(camera: Camera, plan):
    picture = camera.clean(plan.of(0)[0], 0.0).mean(axis=-1)
    gradient = np.hypot(*np.gradient(picture))[60:220, 70:186]
    # noise of 2 grey levels: a patch of 10 x 10 px of this slope is placed to about 0.05 px
    assert np.sqrt((gradient**2).mean()) > 5


@pytest.mark.parametrize("unit", sorted(motion.MOVES))
def test_every_unit_moves_what_it_is_known_for(unit: int, camera: Camera):
    bumps, side = motion.unit_bumps(camera.person, unit)
    at = np.arange(256.0)
    moved = bumps.grid(at, at)
    size = np.hypot(*moved)
    assert size.max() == pytest.approx(1.0, abs=0.02)  # measured on every second pixel when it was scaled
    # symmetric: the left half is the mirror of the right one; the middle lies at x = 128
    np.testing.assert_allclose(moved[0][:, 1:128], -moved[0][:, :128:-1], atol=1e-5)
    np.testing.assert_allclose(moved[1][:, 1:128], moved[1][:, :128:-1], atol=1e-5)
    y, x = np.unravel_index(size.argmax(), size.shape)
    upper = {1, 2, 4, 5, 6, 7, 9, motion.BLINK}
    assert (y < camera.person.nose_y) == (unit in upper)
    down = {4, 15, 20, 25, 26, motion.BLINK}
    if abs(moved[1][y, x]) > 0.3 and unit != 24:  # 24 presses both lips together
        assert (moved[1][y, x] > 0) == (unit in down)
    assert set(side.tolist()) <= {0, 1, 2}


def test_expressions_rise_and_fall(plan):
    e = plan.of(0)[0]
    times = np.linspace(e.onset - 0.1, e.offset + 0.1, 101)
    course = np.array([motion.activation(e, t) for t in times])
    assert motion.activation(e, e.onset) == motion.activation(e, e.offset) == 0
    assert motion.activation(e, e.apex) == pytest.approx(1)
    rising = (times > e.onset) & (times < e.apex)
    assert (np.diff(course[rising]) > 0).all()
    falling = (times > e.apex) & (times < e.offset)
    assert (np.diff(course[falling]) < 0).all()


def test_a_similarity_is_undone():
    rng = np.random.default_rng(8744)
    pose = motion.Similarity.of(np.array([1.5, -2.0, 0.01, 0.005]))
    points = rng.uniform(0, 256, (50, 2))
    np.testing.assert_allclose(pose.undo(pose.apply(points)), points, atol=1e-10)


@pytest.mark.parametrize("which", [0, 3, 7])
def test_true_flow_leads_to_the_same_point_of_the_texture(which: int, camera: Camera, plan):
    e = plan.of(0)[which]
    first, second = camera.state(e, e.onset), camera.state(e, e.apex)
    flow = motion.flow(first, second).astype(np.float64)
    at = np.arange(256.0)
    x, y = at[None] + flow[0], at[:, None] + flow[1]
    moved = second.bumps.points(x, y)
    found = second.pose.undo(np.stack([x - moved[0], y - moved[1]], axis=-1))
    # the iteration stops at 1e-5 px; the grid is float32, exact to some 1e-5 at 300
    np.testing.assert_allclose(found, first.source(at, at), atol=5e-4)


def test_the_picture_moves_as_the_true_flow_says(camera: Camera, plan):
    """The picture of the apex, warped back by the true flow, is that of the onset."""
    e = max((e for e in plan.of(0) if e.micro), key=lambda e: max(e.amplitudes))
    first, second = camera.clean(e, e.onset), camera.clean(e, e.apex)
    flow = motion.flow(camera.state(e, e.onset), camera.state(e, e.apex))
    x, y = np.meshgrid(np.arange(256, dtype=np.float32), np.arange(256, dtype=np.float32))
    back = cv2.remap(second, x + flow[0], y + flow[1], cv2.INTER_CUBIC)
    inner = slice(16, 240)
    left = np.abs(back - first)[inner, inner].mean()
    assert left < 0.35 * np.abs(second - first)[inner, inner].mean()
    assert left < 2.0  # what interpolating fine grain twice leaves, in grey levels


def test_true_flow_is_what_tv_l1_measures_without_noise(camera: Camera, plan):
    errors = []
    for e in [e for e in plan.of(0) if e.micro][:2]:
        true = motion.flow(camera.state(e, e.onset), camera.state(e, e.apex))
        found = tvl1(camera.clean(e, e.onset), camera.clean(e, e.apex))
        errors.append(np.hypot(*(found - true)).mean())
        assert errors[-1] < 0.2 * np.hypot(*true).mean()
    # OpenCV's defaults smooth small bumps: their error does not vanish without noise
    assert np.mean(errors) < 0.08


def test_noise_is_two_grey_levels_and_light_flickers(camera: Camera, plan):
    row = next(r for r in _mes_table.rows(plan) if plan.events[r.event].subject == 0)
    e = plan.events[row.event]
    difference = camera.cropped(row, row.onset).astype(float) - camera.clean(e, row.onset)
    middle = (camera.clean(e, row.onset) > 20) & (camera.clean(e, row.onset) < 235)
    # light scales the picture by up to 0.6 %, rounding adds 0.3
    assert difference[middle].std() == pytest.approx(np.hypot(motion.NOISE_SD, 0.29), rel=0.1)
    lights = [motion.light(t, phase=0.0) for t in np.arange(0, 0.02, 0.001)]
    assert max(lights) - min(lights) == pytest.approx(2 * motion.FLICKER, rel=0.1)


def test_a_blink_closes_the_eyes(camera: Camera, plan):
    e = plan.of(0)[0]
    p = camera.person
    opened = motion.state(p, e, e.onset, blinks=np.zeros(0))
    shut = motion.state(p, e, e.onset, blinks=np.array([e.onset - _mes_plan.BLINK_SECONDS / 2]))
    flow = motion.flow(opened, shut)
    lid = round(p.eye_y - p.lid_up), round(128 - p.eye_dx)
    assert flow[1][lid] > 3  # px down
    assert np.hypot(*flow)[200:, 100:156].max() < 0.1


def test_a_full_frame_shows_the_same_face_larger_and_the_room_stands_still(plan):
    camera = Camera(plan, 0, size=(512, 288))
    row = next(r for r in _mes_table.rows(plan) if plan.events[r.event].subject == 0 and r.coder == 1)
    first, second = camera.full(row, row.onset), camera.full(row, row.apex)
    assert first.shape == (288, 512, 3)
    room = slice(0, 288), slice(0, 60)
    # nothing but two draws of noise, and the light
    assert (second[room].astype(float) - first[room]).std() < 1.2 * np.sqrt(2) * 2.1
    side = round(0.70 * 288)
    top, left = (288 - side) // 2, (512 - side) // 2
    face = cv2.resize(first[top : top + side, left : left + side], (256, 256), interpolation=cv2.INTER_LINEAR)
    crop = camera.cropped(row, row.onset)
    small = [cv2.GaussianBlur(grey(p).astype(np.float32), (0, 0), 3) for p in (face, crop)]
    assert np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1] > 0.97


@pytest.mark.skipif(not MODEL.is_file(), reason="scripts/assets.py --only face_landmarker fetches the model")
def test_a_face_landmarker_finds_them():
    mediapipe = pytest.importorskip("mediapipe")
    from mediapipe.tasks.python import BaseOptions, vision

    plan = _mes_plan.draw(8745, subjects=4, clips=7, events_per_clip=1.0, seconds=12.0, effect=1.0)
    options = vision.FaceLandmarkerOptions(base_options=BaseOptions(model_asset_path=str(MODEL)))
    with vision.FaceLandmarker.create_from_options(options) as model:
        for s in range(4):
            camera, event = Camera(plan, s), plan.of(s)[0]
            picture = np.clip(camera.clean(event, event.onset), 0, 255).astype(np.uint8)
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture)
            found = model.detect(image).face_landmarks
            assert len(found) == 1
            points = 256 * np.array([[p.x, p.y] for p in found[0]])
            pose = motion.Similarity.of(np.array(event.pose))
            mesh = motion.mesh(camera.person)
            for mine, theirs in (("iris", [33, 133]), ("lip_corner", [61])):
                at = pose.apply(np.array([128 - mesh[mine][0], mesh[mine][1]]))
                # a learnt model on drawn faces: some px
                assert np.hypot(*(points[theirs].mean(axis=0) - at)) < 9
