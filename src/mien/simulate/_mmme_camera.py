"""The frames of a made-up MMME that are written: those around expressions and around changes of the
marker."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.datasets._mmme_layout import frame_name
from mien.simulate import _mes_faces as faces
from mien.simulate import _mes_motion as motion
from mien.simulate._mes_camera import Camera
from mien.simulate._mes_plan import Expression, Plan
from mien.simulate._mes_table import Row
from mien.simulate._mmme_clocks import Shutter

Ints = NDArray[np.int64]
FILL_SECONDS = 0.3
"""Frames farther apart than this were left out; what lies between nearer ones is written, so that a missing
frame between neighbours is one that was dropped."""
PICTURE = (faces.SIZE, faces.SIZE)
_EVERY = 6
"""Every sixth frame of a movement is worked out, those between are mixed: at its fastest a macro-expression
moves by 0.8 px from one to the next of these."""
_COMPRESSION, _JPEG, _ROWS_PER_STRIP = 259, 7, 278
"""Tags and a value of TIFF."""
_PLACES = 2**20
"""Where in the row of noise a frame may start."""


def wanted(plan: Plan, subject: int, shutter: Shutter, own: Sequence[Row], *, whole: bool) -> Ints:
    """The exposures to write.

    Around a row of the table: from two frames before the onset to two after the apex, and the three about the
    offset where it comes :data:`FILL_SECONDS` or more after the apex (``whole``: everything from three before
    the onset to three after the offset); around each change of the marker two on each side; and what lies
    between frames less than :data:`FILL_SECONDS` apart."""
    kept = shutter.kept
    begin = plan.starts()
    spans = []
    for row in own:
        at = begin[plan.events[row.event].clip] + np.array([row.onset, row.apex, row.offset])
        onset, apex, offset = np.searchsorted(kept, shutter.nearest(at)).tolist()
        spans.append((onset - 3, offset + 4) if whole else (onset - 2, apex + 3))
        if row.offset - row.apex > FILL_SECONDS:
            spans.append((offset - 1, offset + 2))
    changes = np.flatnonzero(np.diff(shutter.markers[kept])) + 1
    spans += [(int(k) - 2, int(k) + 2) for k in changes]
    chosen = np.zeros(len(kept), dtype=bool)
    for first, stop in spans:
        chosen[max(first, 0) : stop] = True
    at = np.flatnonzero(chosen)
    near = np.diff(shutter.true[kept[at]]) < FILL_SECONDS
    for k in np.flatnonzero(near & (np.diff(at) > 1)):
        chosen[at[k] : at[k + 1]] = True
    return np.asarray(kept[chosen])


class FrameWriter:
    """One subject before the camera: pictures of exposures. ``size`` other than 256 × 256 is width and
    height of frames in which the face is in a room."""

    def __init__(self, plan: Plan, subject: int, shutter: Shutter, *, size: tuple[int, int]) -> None:
        self.plan, self.subject, self.shutter, self.size = plan, subject, shutter, size
        self.camera = Camera(plan, subject, size=size)
        rng = np.random.default_rng([plan.seed, 76, subject])
        self._resting: dict[int, Expression] = {}
        self._phase = float(rng.uniform(0, 2 * np.pi))
        self._shape = (size[1], size[0], 3)
        self._noise = rng.standard_normal(_PLACES + int(np.prod(self._shape)), dtype=np.float32)

    def write(self, folder: Path, exposures: Ints, rows: Sequence[Row]) -> None:
        """The files of some exposures; the frames of the rows' onsets and apexes are worked out exactly."""
        folder.mkdir(parents=True, exist_ok=True)
        year, month, day = (
            int(self.plan.dates[self.subject][k]) for k in (slice(4), slice(4, 6), slice(6, 8))
        )
        begin = self.plan.starts()
        exact = np.array([begin[self.plan.events[r.event].clip] + t for r in rows for t in (r.onset, r.apex)])
        keys = set(self.shutter.nearest(exact).tolist()) if len(exact) else set()
        for k, image in self._pictures(exposures, keys):
            name = frame_name(
                (year, month, day),
                float(self.shutter.saved[k]) / 1000,
                int(self.shutter.codes[k]),
                int(self.shutter.markers[k]),
            )
            _write_tif(folder / name, self._expose(image, k))

    def _pictures(self, exposures: Ints, keys: set[int]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Exposure and clean picture; a run of one movement after the other."""
        if not len(exposures):
            return
        shown = [self._shown(float(t)) for t in self.shutter.true[exposures]]
        moves = np.array([id(event) for event, _ in shown])
        cut = np.flatnonzero((np.diff(exposures) > 40) | (np.diff(moves) != 0)) + 1
        for run in np.split(np.arange(len(exposures)), cut):
            still = shown[run[0]][0].aus == ()
            chosen = [
                j
                for i, j in enumerate(run)
                if j in (run[0], run[-1]) or int(exposures[j]) in keys or (i % _EVERY == 0 and not still)
            ]
            drawn = self._clean(*shown[chosen[0]])
            yield int(exposures[chosen[0]]), drawn
            for a, b in pairwise(chosen):
                before, drawn = drawn, self._clean(*shown[b])
                for j in range(a + 1, b):
                    share = np.float32((exposures[j] - exposures[a]) / (exposures[b] - exposures[a]))
                    yield int(exposures[j]), before + share * (drawn - before)
                yield int(exposures[b]), drawn

    def _shown(self, time: float) -> tuple[Expression, float]:
        """The expression on at a true time, or a face at rest, and the time of the clip."""
        plan = self.plan
        clip = max(int(np.searchsorted(plan.starts() - plan.rest / 2, time, side="right")) - 1, 0)
        within = time - float(plan.starts()[clip])
        for e in plan.of(self.subject, clip):
            if e.onset - 0.3 <= within <= e.offset + 0.3:
                return e, within
        return self._still(clip), within

    def _still(self, clip: int) -> Expression:
        found = self._resting.get(clip)
        if found is None:
            rng = np.random.default_rng([self.plan.seed, 77, self.subject, self.plan.clips[clip]])
            pose = np.clip(rng.standard_normal(4), -2, 2) * [1.5, 1.5, np.deg2rad(1.2), 0.008]
            found = dataclasses.replace(
                _NOTHING, subject=self.subject, clip=clip, pose=(pose[0], pose[1], pose[2], pose[3])
            )
            self._resting[clip] = found
        return found

    def _clean(self, event: Expression, time: float) -> NDArray[np.float32]:
        return self.camera.clean(event, time) if self.size == PICTURE else self.camera.room(event, time)

    def _expose(self, image: NDArray[np.float32], k: int) -> NDArray[np.uint8]:
        # a stretch of one long row of noise: frames start at other places in it
        first = int(np.random.default_rng([self.plan.seed, 78, self.subject, k]).integers(_PLACES))
        noise = self._noise[first : first + image.size].reshape(image.shape)
        return motion.expose(
            image, light=motion.light(float(self.shutter.true[k]), phase=self._phase), noise=noise
        )


def _write_tif(path: Path, image: NDArray[np.uint8]) -> None:
    """As JPEG within TIFF: a fifth of what is lossless, and flow is as exact (0.10 px)."""
    import cv2

    options = [_COMPRESSION, _JPEG, _ROWS_PER_STRIP, image.shape[0]]
    done, data = cv2.imencode(".tif", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise OSError(f"{path}: could not be encoded")
    path.write_bytes(data.tobytes())


_NOTHING = Expression(
    subject=0, clip=0, number=0, emotion=0, shown=0, micro=True, onset=0.0, apex=1.0, offset=2.0, aus=(),
    amplitudes=(), sides=(1.0, 1.0), drift=(0.0,) * 4, gaze=(0.0, 0.0), pose=(0.0,) * 4,
)  # fmt: skip
"""A face at rest."""
