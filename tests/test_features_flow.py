"""The feature ``flow`` of clips, as corrected and as published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from _moving import bumps, head, pair
from mien import features
from mien.core import Clip, InputError, UnknownNameError
from mien.features import _released_flow
from mien.features import flow as module
from mien.vision import landmarks
from mien.vision.flow import CROP_INTEROCULAR

SIZE = 128
AMPLITUDE = 2.0


def down(size=SIZE):
    """Skin in the middle of the frame that moves down."""
    y, x = np.mgrid[:size, :size] / size
    field = np.zeros((2, size, size))
    field[1] = AMPLITUDE * np.exp(-((x - 0.5) ** 2 + (y - 0.5) ** 2) / (2 * (14 / size) ** 2))
    return field


def two(field=None, **how):
    frames = np.stack(pair(down() if field is None else field, noise=1, **how))
    return Clip(frames=frames, times=np.array([1.0, 1.25]), onset=1.0, apex=1.25)


def test_axes_times_and_units():
    found = features.compute("flow", two(), size=32)
    assert found.values.shape == (1, 4, 32, 32)
    assert found.axes["map"] == ("u", "v", "strain", "apex")
    assert found.axes["row"] == found.axes["column"] == tuple(map(str, range(32)))
    np.testing.assert_array_equal(found.starts, [1.0])
    np.testing.assert_array_equal(found.durations, [0.25])
    assert found.valid.all()
    u, v, strain, apex = found.values[0]
    # percent of the distance between the eyes, 0.3 of the crop's width; flow falls some percent short of a
    # part of 14 px, and a map's pixel is the mean of sixteen
    assert v[15:17, 15:17].mean() == pytest.approx(100 * AMPLITUDE / (CROP_INTEROCULAR * SIZE), rel=0.2)
    assert np.abs(u).mean() < 0.2 * np.abs(v).mean()
    assert strain.min() >= 0
    assert 0 <= apex.min() < 0.4 < apex.max() <= 1


def test_strain_is_in_percent():
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    inside = np.exp(-((x / 25) ** 4) - (y / 25) ** 4)
    found = features.compute("flow", two(np.stack([0.05 * x * inside, 0 * y])), size=32)
    # a stretch by 5 % along x in the middle
    assert found.values[0, 2, 14:18, 14:18].mean() == pytest.approx(5, rel=0.25)


def test_the_head_is_taken_off():
    still = features.compute("flow", two())
    moved = features.compute("flow", two(motion=head(turn=0.02, shift=(2, -1), size=SIZE)))
    inner = (slice(None), slice(0, 3), slice(8, -8), slice(8, -8))  # the edge of a moved frame is made up
    difference = np.abs(still.values - moved.values)[inner].mean()
    # percent; the head itself moves by 2.2 px, 8 % of the distance between the eyes
    assert difference < 0.6


def test_size_does_not_change_the_mean():
    large, small = (features.compute("flow", two(), size=size) for size in (128, 64))
    np.testing.assert_allclose(small.values.mean(axis=(2, 3)), large.values.mean(axis=(2, 3)), atol=1e-5)


def test_frames_are_chosen_by_time():
    clip = module.example()
    by_name = features.compute("flow", clip)
    alone = replace(clip, frames=clip.frames[[0, 3]], times=clip.times[[0, 3]])
    np.testing.assert_array_equal(features.compute("flow", alone).values, by_name.values)
    near = replace(clip, onset=2.004, apex=2.027)
    np.testing.assert_array_equal(features.compute("flow", near).starts, [2.0])
    np.testing.assert_array_equal(features.compute("flow", near).values, by_name.values)
    nobody_coded = replace(alone, onset=None, apex=None)
    np.testing.assert_array_equal(features.compute("flow", nobody_coded).values, by_name.values)


def test_an_apex_that_nobody_coded_is_spotted():
    spotted = features.compute("flow", replace(module.example(), apex=None))
    np.testing.assert_allclose(spotted.durations, [0.03], atol=0.0101)  # frame 3, or one beside it


@pytest.mark.parametrize("recipe", ["corrected", "released"])
def test_a_frame_that_is_not_valid(recipe):
    found = features.compute("flow", replace(two(), valid=np.array([True, False])), recipe=recipe)
    assert not found.valid.any()
    assert np.isnan(found.values).all()
    lost = replace(module.example(), apex=None, valid=np.arange(7) > 0)
    assert not features.compute("flow", lost, recipe=recipe).valid.any()


@pytest.mark.parametrize("recipe", ["corrected", "released"])
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"onset": 1.25, "apex": 1.0}, "onset at 1.2500 s and apex at 1.0000 s; expected the onset before"),
        ({"onset": 1.25, "apex": None}, "onset and apex are the frames 1 and 1"),
        ({"onset": 0.5}, "no frame within 0.125 s of 0.5000 s"),
        ({"frames": np.zeros((0, 64, 64), np.uint8), "times": np.zeros(0)}, "a clip of 0 frames"),
        ({"frames": np.zeros((1, 64, 64), np.uint8), "times": np.zeros(1)}, "a clip of 1 frames"),
    ],
)
def test_clips_that_cannot_be_used(recipe, change, fault):
    with pytest.raises(InputError, match=fault):
        features.compute("flow", replace(two(), **change), recipe=recipe)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"method": "tvl2"}, "unknown flow method 'tvl2'"),
        ({"align": "nose"}, "unknown way to align 'nose'"),
        ({"size": 4}, "maps of size 4; expected a whole number, 8 to 512"),
        ({"size": 64.5}, "maps of size 64.5"),
        ({"colour": True}, "unknown option of 'flow' 'colour'"),
    ],
)
def test_options_that_cannot_be(options, fault):
    with pytest.raises((InputError, UnknownNameError), match=fault):
        features.compute("flow", two(), **options)


class Eyes:
    """A landmarker that knows where the eyes of a made-up frame are, and sees no face in a black frame."""

    def __init__(self, **options):
        assert options == {"mode": "image"}  # every frame on its own: the same however it is reached

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def track(self, frames, times):
        assert len(frames) == len(times)
        rng = np.random.default_rng(0)
        face = np.array([110.0, 100.0, 0.0]) + rng.uniform(-30, 30, (landmarks.N_POINTS, 3))
        for corner, (x, y) in {33: (80, 85), 133: (100, 85), 362: (120, 85), 263: (140, 85)}.items():
            face[corner] = x, y, 0
        valid = frames.reshape(len(frames), -1).any(axis=1)
        points = np.where(valid[:, None, None], face.astype(np.float32), np.nan)
        nothing = np.zeros((len(frames), 1), np.float32)
        return landmarks.Faces(
            points=points, blendshapes=nothing, pose=nothing, valid=valid, n_faces=valid.astype(np.int64)
        )


def film(monkeypatch):
    """Three frames of 200 by 240 pixels; the face is in the first two, its eyes 40 px apart."""
    monkeypatch.setattr(landmarks, "Landmarker", Eyes)
    frames = np.zeros((3, 200, 240), np.uint8)
    frames[:2] = np.stack(pair(down(size=240), noise=0))[:, :200]
    return Clip(frames=frames, times=np.array([0.0, 0.1, 0.2]), onset=0.0, apex=0.1)


def test_frames_that_are_no_crops_go_by_landmarks(monkeypatch):
    clip = film(monkeypatch)
    found = features.compute("flow", clip)
    np.testing.assert_array_equal(found.values, features.compute("flow", clip, align="landmarks").values)
    # 2 px of 40 between the eyes: 5 %
    assert found.values[0, 1].max() == pytest.approx(5, rel=0.15)
    lost = features.compute("flow", replace(clip, apex=0.2))
    assert not lost.valid.any()
    square = replace(clip, frames=clip.frames[:, :, :200])
    by_flow = features.compute("flow", square)
    np.testing.assert_array_equal(by_flow.values, features.compute("flow", square, align="flow").values)


def test_without_a_model_the_error_says_what_to_do(monkeypatch):
    def nowhere(path=None):
        raise InputError("no model", remedy="run: python scripts/assets.py")

    monkeypatch.setattr(landmarks, "find_model", nowhere)
    clip = two()
    with pytest.raises(InputError, match="no model"):
        features.compute("flow", replace(clip, frames=clip.frames[:, :80]))


def test_released_maps_step_by_step():
    """Every number again, written out as ``docs/features/flow.md`` tells it."""
    import cv2

    a, b = pair(bumps(2.0, size=256), noise=0, contrast=50)
    clip = Clip(frames=np.stack([a, b]), times=np.array([0.0, 0.2]), onset=0.0, apex=0.2)
    found = features.compute("flow", clip, recipe="released")
    assert found.values.shape == (1, 3, 256, 256)
    assert found.axes["map"] == ("strain", "h", "v")
    tvl1 = cv2.optflow.DualTVL1OpticalFlow_create(
        tau=0.25, lambda_=0.15, theta=0.3, nscales=5, warps=5, epsilon=0.01, innnerIterations=30,
        outerIterations=10, scaleStep=0.8,
    )  # fmt: skip
    u, v = np.round((np.clip(tvl1.calc(a, b, None), -15, 15).astype(np.float32) + 15) * (255 / 30)).transpose(
        2, 0, 1
    )

    def along(values, axis):
        """Central differences, one-sided at the ends."""
        padded = np.moveaxis(np.asarray(values, float), axis, 0)
        inner = (padded[2:] - padded[:-2]) / 2
        whole = np.concatenate([padded[1:2] - padded[:1], inner, padded[-1:] - padded[-2:-1]])
        return np.moveaxis(whole, 0, axis)

    mixed = np.sqrt(along(u, 0) ** 2 + (along(u, 1) + along(v, 0)) ** 2 / 2 + along(v, 1) ** 2)
    for one, grey in zip(found.values[0], (mixed, u, v), strict=True):
        wanted = np.round((grey - grey.min()) / (grey.max() - grey.min()) * 255)
        np.testing.assert_array_equal(one, wanted)


def test_released_faults():
    no_motion = _released_flow.quantised(np.zeros((2, 3, 3)))
    assert (no_motion == 128).all()
    assert _released_flow.quantised(np.array([-20.0, -15, 15, 20])).tolist() == [0, 0, 255, 255]
    assert np.diff(np.unique(_released_flow.quantised(np.linspace(-1, 1, 2001)))).max() == 1  # 0.118 px apart
    y, x = np.mgrid[:8, :8].astype(float)
    # stretched along x: the true strain; mixed up, it is taken for no change of u along y
    np.testing.assert_array_equal(_released_flow.mixed_strain(x, 0 * x), np.full((8, 8), np.sqrt(0.5)))
    np.testing.assert_array_equal(_released_flow.mixed_strain(y, 0 * x), np.ones((8, 8)))
    # ten times the motion, the same map
    np.testing.assert_array_equal(_released_flow.stretched(x), _released_flow.stretched(10 * x))
    assert not _released_flow.stretched(np.full((4, 4), 128.0)).any()


def test_released_makes_a_square_of_256():
    frame = np.full((100, 60), 200, np.uint8)
    made = _released_flow.square(frame)
    assert made.shape == (256, 256)
    assert (made[:, 60:196] == 200).all()
    assert not made[:, :50].any()
    assert not made[:, -50:].any()
    whole = np.arange(256 * 256, dtype=np.uint32).reshape(256, 256).astype(np.uint8)
    np.testing.assert_array_equal(_released_flow.square(whole), whole)


def test_released_takes_no_options():
    with pytest.raises(InputError, match="released 'flow' got the option 'size'"):
        features.compute("flow", two(), recipe="released", size=32)
