"""Pictures of the face, cut out of a film: some for each window."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, Film, InputError, UnknownNameError, registered
from mien.features import _crops
from mien.features._shared import FeatureWarning, Info

INFO = Info(
    version="2",
    modality="face",
    scope="none",
    reaches="window",
    unit="grey values 0 to 255",
    released_unit="",
    reads="film",
)
CHOICES = ("even", "best")
SIZES = (16, 512)
"""Least and largest size of the crops."""
example = _crops.example_film


@registered
def face_crops(
    film: Film,
    *,
    window_seconds: float = 3.0,
    faces: int = 10,
    size: int = 96,
    choose: str = "even",
    candidates: int = 3,
    margin: float = 0.1,
    steady: bool = True,
    detector: str = "auto",
) -> Features:
    """Crops of the largest face, ``faces`` of every window.

    Parameters
    ----------
    film
        Frames of a trial. They are read once, in passing, and only those that are looked at are kept for as
        long as it takes to find the face.
    window_seconds
        Length of the windows, which follow each other from the start of the film's span; a rest shorter than
        a window gives none.
    faces
        Crops of a window, one from each of so many equal parts of it.
    size
        Height and width of the crops, 16 to 512.
    choose
        ``"even"``: the frame nearest to the middle of each part. ``"best"``: of ``candidates`` frames, spread
        evenly over the part, the one with the largest product of two ranks among the candidates of the
        window: of its sharpness (variance of the Laplacian of the crop) and of the detector's confidence.
    candidates
        Frames that ``"best"`` looks at in each part.
    margin
        What is added to the box of the face on each side, as a share of its side, 0 to 0.5. The box is made
        square; beyond the frame its border is repeated.
    steady
        Use the median box of the window's faces for all of them (those further from it than a quarter of
        their side keep their own), and bring the crops onto their median by shift, turn and growth
        (:func:`mien.vision.register.onto_median`), so that neither the trembling of the detector nor the
        motion of the head looks like one of the face.
    detector
        ``"auto"``, ``"haar"`` or ``"mediapipe"``, see :class:`mien.vision.detect.FaceFinder`.

    Returns
    -------
    Features
        uint8 values (windows, faces, 3, size, size), RGB. A crop is all zeros where no face was found or the
        film has no frame; a window is valid if it has a face.

    Raises
    ------
    InputError
        An option is out of range, or the detector's file is missing.
    UnknownNameError
        There is no such choice or detector.
    MissingPackageError
        The detector's package is not installed.

    Warns
    -----
    FeatureWarning
        More than half of the frames that were looked at show no face, the film has no frame, or a frame is
        damaged; the rest of its window is then left out, and the next window is read afresh.
    """
    if choose not in CHOICES:
        raise UnknownNameError("way to choose frames", choose, CHOICES)
    _check_options(window_seconds, faces=faces, size=size, candidates=candidates, margin=margin)
    n = int((film.span.duration + 1e-6) // window_seconds)
    starts = film.span.start + window_seconds * np.arange(n, dtype=np.float64)
    each = candidates if choose == "best" else 1
    looked = _crops.look_at(film.times, starts, slot=window_seconds / faces, faces=faces, each=each)
    values: Any = np.zeros((n, faces, 3, size, size), dtype=np.uint8)
    for window, slots, cuts in _windows(film, looked, detector=detector, margin=margin, size=size):
        found = _crops.crops(cuts, margin=margin, size=size, steady=steady)
        if choose == "best":
            sure = np.array([cut.confidence for cut in cuts])
            chosen = _crops.best(slots, _crops.sharpness(found), sure)
            slots, found = slots[chosen], found[chosen]
        values[window, slots] = found.transpose(0, 3, 1, 2)
    places = tuple(map(str, range(size)))
    return Features(
        values=values,
        axes={
            "window": (),
            "instance": tuple(map(str, range(faces))),
            "rgb": ("r", "g", "b"),
            "row": places,
            "column": places,
        },
        starts=starts,
        durations=np.full(n, float(window_seconds)),
        extractor="face_crops",
        version=INFO.version,
        valid=values.any(axis=(1, 2, 3, 4)),
    )


def _windows(
    film: Film, looked: _crops.Looked, *, detector: str, margin: float, size: int
) -> Iterator[tuple[int, NDArray[np.intp], list[_crops.Cut]]]:
    """Number, slots and faces of every window that has a face, in one pass through the film."""
    from mien.vision.detect import FaceFinder

    n_read = n_faces = 0
    damaged: list[InputError] = []
    with FaceFinder(detector) as finder:
        frames = film.frames(looked.positions)
        for window in np.unique(looked.windows):
            mine = np.flatnonzero(looked.windows == window)
            finder.forget()
            slots, cuts = [], []
            try:
                for slot in looked.slots[mine]:
                    frame = next(frames, None)
                    if frame is None:
                        raise InputError("the film gives fewer frames than it has times")
                    n_read += 1
                    box = finder.find(frame)
                    if box is not None:
                        slots.append(slot)
                        cuts.append(_crops.cut_out(frame, box, margin=margin, size=size))
            except InputError as damage:
                damaged.append(damage)
                frames = film.frames(looked.positions[mine[-1] + 1 :])
            n_faces += len(cuts)
            if cuts:
                yield int(window), np.array(slots, dtype=np.intp), cuts
    if damaged:
        _warn(f"{len(damaged)} windows hold a frame that cannot be read, the first: {damaged[0]}")
    if not n_read:
        _warn(f"the film has no frame from {film.span.start:.3f} to {film.span.stop:.3f} s")
    elif 2 * n_faces < n_read:
        _warn(
            f"a face was found in {n_faces} of the {n_read} frames looked at, from {film.span.start:.3f} to "
            f"{film.span.stop:.3f} s: is the head in the picture, upright and turned to the camera?"
        )


def _warn(text: str) -> None:
    warnings.warn(f"face_crops: {text}", FeatureWarning, stacklevel=4)


def _check_options(window_seconds: float, *, faces: int, size: int, candidates: int, margin: float) -> None:
    """Every option must be in its range."""
    if not (np.isfinite(window_seconds) and window_seconds > 0):
        raise InputError(f"windows of {window_seconds!r} s", expected="a length above 0")
    for name, value, (least, most) in (
        ("size", size, SIZES),
        ("faces", faces, (1, 1000)),
        ("candidates", candidates, (1, 1000)),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InputError(f"{name} = {value!r}", expected=f"a whole number, {least} to {most}")
    if not 0 <= margin <= 0.5:
        raise InputError(f"margin = {margin!r}", expected="a number from 0 to 0.5")
