"""Where the face is in a frame: the largest one, as a box.

The default detector is the cascade of Haar-like features of Viola and Jones, "Rapid object detection using a
boosted cascade of simple features", 2001, as OpenCV ships it. It was trained on upright faces that look into
the camera in even light; it loses a head that is turned by more than about 30 degrees, tilted by more than
about 15, or half covered, and finds one now and then where there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, MissingPackageError, UnknownNameError

__all__ = ["DETECTORS", "Box", "FaceFinder"]

DETECTORS = ("auto", "haar", "mediapipe")
CASCADE = "haarcascade_frontalface_default.xml"
LEAST = 0.12
"""Least side of a face, of the frame's shorter side."""
LEAST_PX = 24
"""Side of the windows that the cascade was trained on."""
STEP, NEIGHBOURS = 1.1, 4
"""Ratio of the sizes that are tried one after the other; windows that have to agree on a face."""
LEAST_CONFIDENCE = 1.0
"""A face of the cascade below it is none."""
WIDEST = 480
"""A frame is made so small (its longer side, in px) where the whole of it is searched."""
NEAR_SIDE = 64
"""The face that was found last is made about this large where it is looked for again."""
AROUND = 0.4
"""Near the last face: so much of its side beyond it is searched first."""
SIZES = (0.75, 1.35)
"""Near the last face: sizes that are tried, of its own."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """A face in a frame.

    Attributes
    ----------
    x, y
        Upper left corner, in px; (0, 0) is the upper left corner of the upper left pixel. It may lie outside
        the frame.
    width, height
        In px.
    confidence
        Larger is surer; comparable only within one detector. ``"haar"``: by how much the cascade's last
        stage exceeds its threshold, 1 and more, open-ended: mostly 5 to 12 for a face that looks into the
        camera, below 3 for what is no face. ``"mediapipe"`` gives no figure of its own: 1 for every
        face.
    """

    x: float
    y: float
    width: float
    height: float
    confidence: float


class FaceFinder:
    """Finds the largest face of a frame; a context manager, or call :meth:`close`.

    Parameters
    ----------
    detector
        ``"haar"``: OpenCV's cascade for frontal faces; the box is a square, wider than the face, from
        about the hairline to above the chin (a margin of 10 % takes the chin in).
        ``"mediapipe"``: the box around the points of MediaPipe's face landmarker, from the hairline to the
        chin; needs the package and its model file (:func:`mien.vision.landmarks.find_model`), is two
        to four times slower, and follows turned and tilted heads. ``"auto"``: ``"haar"``, whatever is
        installed, so that a study gives the same numbers on every computer.

    Raises
    ------
    UnknownNameError
        There is no such detector.
    MissingPackageError
        OpenCV or MediaPipe is not installed.
    InputError
        The detector's file is missing.
    """

    def __init__(self, detector: str = "auto") -> None:
        if detector not in DETECTORS:
            raise UnknownNameError("face detector", detector, DETECTORS)
        self._search: Callable[[NDArray[np.uint8], Box | None], Box | None] | None
        self._last: Box | None = None
        self._landmarker: Any = None
        if detector == "mediapipe":
            from mien.vision.landmarks import Landmarker

            self._landmarker = Landmarker(mode="image", max_faces=4)
            self._search = self._points
        else:
            self._cascade = _cascade()
            self._search = self._haar

    def __enter__(self) -> FaceFinder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the native memory back; nothing can be found afterwards."""
        self._search = None
        if self._landmarker is not None:
            self._landmarker.close()
            self._landmarker = None

    def find(self, frame: NDArray[np.uint8]) -> Box | None:
        """The largest face of a frame, None where there is none.

        The neighbourhood of the face that was found last is searched first, and the whole frame only where it
        has none: frames of one film go in one after another, and another film gets a finder of its own (or
        :meth:`forget`).

        Parameters
        ----------
        frame
            uint8 (height, width, 3) RGB, or (height, width) grey.
        """
        if self._search is None:
            raise ValueError("the face finder is closed")
        if frame.dtype != np.uint8 or not (frame.ndim == 2 or (frame.ndim == 3 and frame.shape[2] == 3)):
            raise ValueError(f"frame must be uint8 (height, width[, 3]), got {frame.dtype} {frame.shape}")
        found = self._search(frame, self._last)
        if found is not None:
            self._last = found
        return found

    def forget(self) -> None:
        """Search the whole of the next frame."""
        self._last = None

    # -- detectors -----------------------------------------------------------------------------------------

    def _haar(self, frame: NDArray[np.uint8], last: Box | None) -> Box | None:
        import cv2

        grey = frame if frame.ndim == 2 else np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)
        least = LEAST * min(grey.shape)
        if last is not None:
            side = last.width
            left, top = (max(0, round(v - AROUND * side)) for v in (last.x, last.y))
            right, bottom = (round(v + (1 + AROUND) * side) for v in (last.x, last.y))
            part = grey[top:bottom, left:right]
            sizes = (max(least, SIZES[0] * side), SIZES[1] * side)
            near = self._largest(part, min(1.0, NEAR_SIDE / side), sizes, corner=(left, top))
            if near is not None:
                return near
        return self._largest(grey, min(1.0, WIDEST / max(grey.shape)), (least, max(grey.shape)))

    def _largest(
        self,
        grey: NDArray[np.uint8],
        scale: float,
        sizes: tuple[float, float],
        *,
        corner: tuple[int, int] = (0, 0),
    ) -> Box | None:
        """The largest face of a picture whose upper left corner is ``corner``, searched at a scale."""
        import cv2

        if scale < 1:
            small = (max(1, round(scale * grey.shape[1])), max(1, round(scale * grey.shape[0])))
            grey = np.asarray(cv2.resize(grey, small, interpolation=cv2.INTER_AREA), np.uint8)
        least, most = max(LEAST_PX, int(scale * sizes[0])), int(np.ceil(scale * sizes[1]))
        if min(grey.shape) < least:
            return None
        boxes, _, margins = self._cascade.detectMultiScale3(
            np.ascontiguousarray(grey),
            scaleFactor=STEP,
            minNeighbors=NEIGHBOURS,
            minSize=(least, least),
            maxSize=(most, most),
            outputRejectLevels=True,
        )
        faces = np.column_stack([np.reshape(boxes, (-1, 4)), np.ravel(margins)]).astype(np.float64)
        faces = faces[faces[:, 4] >= LEAST_CONFIDENCE]
        if not len(faces):
            return None
        x, y, width, height, confidence = faces[np.lexsort((faces[:, 4], faces[:, 2]))[-1]].tolist()
        return Box(
            x=x / scale + corner[0],
            y=y / scale + corner[1],
            width=width / scale,
            height=height / scale,
            confidence=confidence,
        )

    def _points(self, frame: NDArray[np.uint8], last: Box | None) -> Box | None:
        faces = self._landmarker.track(frame[None], [0.0])
        if not faces.valid[0]:
            return None
        low, high = (getattr(faces.points[0, :, :2], end)(axis=0) + 0.5 for end in ("min", "max"))
        width, height = high - low
        return Box(x=float(low[0]), y=float(low[1]), width=float(width), height=float(height), confidence=1.0)


def _cascade() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise MissingPackageError("opencv-contrib-python-headless", "finding faces") from error
    # its stubs leave this part out
    path = Path(cv2.data.haarcascades) / CASCADE  # type: ignore[attr-defined]
    cascade = cv2.CascadeClassifier()
    try:
        whole = path.is_file() and cascade.load(str(path))
    except (cv2.error, SystemError):  # an empty file
        whole = False
    if not whole:
        raise InputError(
            "OpenCV's cascade for faces is missing or broken",
            file=path,
            expected="the file that comes with OpenCV",
            remedy="install opencv-contrib-python-headless again",
        )
    return cascade
