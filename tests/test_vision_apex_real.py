"""The smile of a real face: onset, apex and offset by blend shapes, and the apex by flow alone."""

from __future__ import annotations

import pytest

from _real import asset
from mien import features
from mien.core import Clip
from mien.io.video import open_video
from mien.vision.align import align_clip
from mien.vision.apex import onset_apex_offset, spot_apex
from mien.vision.landmarks import Landmarker

ONSET, APEX, LAST = 18, 45, 71
"""Of single_face.mp4: a man at rest smiles; the smile lasts until the end."""


@pytest.fixture(scope="module")
def seen():
    """Frames, times and landmarks."""
    model, path = asset("face_landmarker/face_landmarker.task"), asset("faces/single_face.mp4")
    video = open_video(path)
    frames, times = video.read(video.times)
    with Landmarker(model, max_faces=1) as landmarker:
        return frames, times, landmarker.track(frames, times)


def test_the_smile_by_its_blend_shape(seen):
    _, _, faces = seen
    smile = (faces.blendshape("mouthSmileLeft") + faces.blendshape("mouthSmileRight")) / 2
    found = onset_apex_offset(smile, level=0.2)
    assert abs(found.onset - ONSET) <= 4  # 19
    assert abs(found.apex - APEX) <= 3  # 45
    assert found.offset is None or found.offset >= LAST - 1


def test_the_smile_by_flow(seen):
    """The smile is held from frame 40 to 50 within some percent, so that flow may choose any of these."""
    frames, times, faces = seen
    crops = align_clip(frames, faces.points, reference=ONSET).frames
    found = spot_apex(crops[::3], times[::3], onset=float(times[ONSET]), offset=float(times[LAST - 2]))
    assert abs(3 * found.index - APEX) <= 6


def test_the_feature_of_frames_that_are_no_crops(seen):
    frames, times, _ = seen
    clip = Clip(frames=frames, times=times, onset=float(times[ONSET]), apex=float(times[APEX]))
    found = features.compute("flow", clip, method="dis")
    assert found.valid.all()
    u = found.values[0, 0]
    # the corners of the mouth go apart: the one at the left of the picture to the left; more than 2 % of the
    # distance between the eyes
    assert u[36:54, 10:28].min() < -2
    assert u[36:54, 36:54].max() > 2
