"""Optical flow from onset to apex of an expression, its strain, and the apex itself, as small maps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Clip, Features, InputError, UnknownNameError, registered
from mien.features import _face, _released_flow
from mien.features._shared import Info

Array = NDArray[Any]

INFO = Info(
    version="1",
    modality="face",
    scope="recording",
    reaches="window",
    unit="u, v: % of the distance between the eyes; strain: %; apex: grey 0 to 1",
    released_unit="grey values 0 to 255, stretched by sample",
    reads="clip",
)
RELEASED = _released_flow.flow
example = _face.example_clip
MAPS = ("u", "v", "strain", "apex")
"""What the maps of a clip are, in order."""
ALIGN = ("auto", "flow", "landmarks")
SIZES = (8, 512)
"""Least and largest size of the maps."""
CROP_SIZE = 256
"""Side, in pixels, of the crops that are cut around landmarks."""


@registered
def flow(clip: Clip, *, size: int = 64, method: str = "tvl1_fast", align: str = "auto") -> Features:
    """Maps (1, 4, size, size) of a clip: u to the right, v down, strain, and the apex frame.

    Parameters
    ----------
    clip
        Frames that hold at least onset and apex. The onset is the frame nearest to the coded time, else the
        first; the apex too, else it is the last of two frames or spotted in the clip.
    size
        Height and width of the maps, 8 to 512; flow, strain and grey values are averaged over each of their
        pixels.
    method
        ``"tvl1"``, ``"tvl1_fast"``, ``"dis"`` or ``"farneback"``, see :func:`mien.vision.flow.flow`.
    align
        ``"flow"``: the frames are crops of a face; the head's motion is fitted to the flow, and the eyes are
        taken to be 0.3 of the crop's width apart. ``"landmarks"``: the face is found and cut out by its
        points, the head held still by the rigid ones, and what that leaves is fitted to the flow; needs the
        model file. ``"auto"``: ``"flow"`` for square frames, as the crops of data sets are, else
        ``"landmarks"``; it never depends on what is installed.

    Returns
    -------
    Features
        One window from onset to apex; NaN and not valid where one of the two frames is not.

    Raises
    ------
    InputError
        There are not two frames, none at a coded time, the onset is not before the apex, or there is no
        model file.
    UnknownNameError
        There is no such method or way to align.
    """
    from mien.vision.flow import CROP_INTEROCULAR, METHODS

    if method not in METHODS:
        raise UnknownNameError("flow method", method, METHODS)
    if align not in ALIGN:
        raise UnknownNameError("way to align", align, ALIGN)
    if isinstance(size, bool) or not isinstance(size, int) or not SIZES[0] <= size <= SIZES[1]:
        raise InputError(f"maps of size {size!r}", expected=f"a whole number, {SIZES[0]} to {SIZES[1]}")
    height, width = clip.frames.shape[1:3]
    interocular = CROP_INTEROCULAR * width
    if align == "landmarks" or (align == "auto" and height != width):
        clip, interocular = _cut_out(clip)
    onset, apex = _face.positions(clip)
    usable = _face.valid(clip, onset, apex)
    if usable:
        maps = _maps(clip.frames[onset], clip.frames[apex], interocular, size=size, method=method)
    else:
        maps = np.full((len(MAPS), size, size), np.nan)
    return _face.as_features(maps, MAPS, clip, onset, apex, usable=usable, version=INFO.version)


def _maps(onset: Array, apex: Array, interocular: float, *, size: int, method: str) -> NDArray[np.float64]:
    """The four maps (4, size, size) of two crops of a face."""
    import cv2

    from mien.vision.flow import aligned_flow, normalised
    from mien.vision.strain import strain

    found = aligned_flow(onset, apex, method=method)
    large = (
        *normalised(found.flow, interocular=interocular),
        100 * strain(found.flow),
        found.second.astype(np.float32) / 255,
    )
    small = [cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA) for image in large]
    return np.stack(small).astype(np.float64)


def _cut_out(clip: Clip) -> tuple[Clip, float]:
    """The clip as crops of the face with the head held still, and the pixels between its eyes.

    Where onset and apex are known, only these two frames are left. A frame without the face is not valid.
    """
    from mien.vision.align import align_clip
    from mien.vision.landmarks import Landmarker

    given = np.ones(clip.n_frames, dtype=bool) if clip.valid is None else clip.valid
    if clip.apex is not None or clip.n_frames == 2:
        chosen = list(_face.positions(clip))
    else:
        chosen = list(range(clip.n_frames))
    frames, times = clip.frames[chosen], clip.times[chosen]
    with Landmarker(mode="image") as landmarker:
        faces = landmarker.track(frames, times)
    seen = faces.valid & given[chosen]
    crops = np.zeros((len(chosen), CROP_SIZE, CROP_SIZE, *frames.shape[3:]), dtype=np.uint8)
    interocular = 1.0
    if seen.any():
        points = np.where(seen[:, None, None], faces.points, np.nan)
        cut = align_clip(frames, points, size=CROP_SIZE)
        crops, interocular = cut.frames, cut.interocular
    return replace(clip, frames=crops, times=times, valid=seen), interocular
