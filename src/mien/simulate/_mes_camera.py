"""What the camera of a made-up MEs-EEG saw: cropped pairs, full frames and cut videos of one subject."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.datasets._mes_eeg_layout import FACE_FOLDERS, FACE_PICTURES, FULL_SIZE
from mien.simulate import _mes_faces as faces
from mien.simulate import _mes_motion as motion
from mien.simulate._avi import write_avi
from mien.simulate._mes_plan import Expression, Plan
from mien.simulate._mes_table import Row

FACE_SHARE = 0.70
"""Of the height of a full frame, what the square of the cropped picture takes."""
KINDS = {"pairs": "cropped", "frames": "full", "avi": "avi"}
"""Kinds of files to stages of the data set."""


class Camera:
    """One subject before the camera."""

    def __init__(self, plan: Plan, subject: int, *, size: tuple[int, int] = FULL_SIZE) -> None:
        self.plan, self.subject, self.size = plan, subject, size
        self.person = faces.draw_person(plan.seed, subject)
        self.texture = faces.paint(self.person)
        self._scene: NDArray[np.float32] | None = None

    def write(self, folder: Path, row: Row, kinds: tuple[str, ...]) -> None:
        """The pictures and the video of one row."""
        for kind in kinds:
            if kind not in KINDS:
                continue
            stage = KINDS[kind]
            place = folder / FACE_FOLDERS[stage][0] / row.type
            if kind == "avi":
                place.mkdir(parents=True, exist_ok=True)
                path = place / f"video_{row.key}_{row.fps}.avi"
                write_avi(path, self._video(row), rate=row.fps, size=self.size)
                continue
            (place / row.key).mkdir(parents=True)
            for name, time in zip(FACE_PICTURES[stage], (row.onset, row.apex), strict=True):
                image = self.cropped(row, time) if kind == "pairs" else self.full(row, time)
                _write_png(place / row.key / name, image)

    def state(self, event: Expression, time: float) -> motion.State:
        """The subject's face at a time of the event's clip."""
        return motion.state(self.person, event, time, blinks=self.plan.blinks(self.subject, event.clip))

    def clean(self, event: Expression, time: float) -> NDArray[np.float32]:
        """The cropped picture without noise or flicker."""
        return motion.render(self.texture, self.state(event, time))

    def cropped(self, row: Row, time: float) -> NDArray[np.uint8]:
        """The cropped picture, (256, 256, 3), as the sensor gives it."""
        return self._expose(self.clean(self.plan.events[row.event], time), row, time, purpose=61)

    def full(self, row: Row, time: float) -> NDArray[np.uint8]:
        """The full frame, as the sensor gives it."""
        return self._expose(self.room(self.plan.events[row.event], time), row, time, purpose=62)

    def room(self, event: Expression, time: float) -> NDArray[np.float32]:
        """The full frame without noise or flicker: the face in the room; what moves fades out beyond the
        face."""
        import cv2

        state = self.state(event, time)
        width, height = self.size
        zoom = FACE_SHARE * height / faces.SIZE
        side = round(zoom * (faces.SIZE + 2 * faces.MARGIN) * 0.985)
        at = (np.arange(side) - (side - 1) / 2) / zoom + (faces.SIZE - 1) / 2
        # coordinates of the picture are smooth: a coarse grid, then linear interpolation
        coarse = np.linspace(at[0], at[-1], min(side, faces.SIDE) // 2)
        moving = _fade(coarse)[..., None]
        still = np.stack(np.meshgrid(coarse, coarse), axis=-1)
        source = still + moving * (state.source(coarse, coarse) - still)
        spread = np.linspace(0, len(coarse) - 1, side).astype(np.float32)
        down, across = np.meshgrid(spread, spread, indexing="ij")
        maps = cv2.remap(source.astype(np.float32), across, down, cv2.INTER_LINEAR)
        maps = (maps + np.float32(0.5 + faces.MARGIN)) * faces.UP - np.float32(0.5)
        face = cv2.remap(self.texture, maps, motion.NO_MAP, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        image = self.scene.copy()
        edge = np.interp(np.arange(side), [0, 0.07 * side, 0.93 * side, side - 1], [0, 1, 1, 0]).astype(
            np.float32
        )
        weight = (edge[None] * np.where(np.arange(side) < side / 2, edge, 1)[:, None])[..., None]
        top, left = (height - side) // 2, (width - side) // 2
        rows = slice(max(top, 0), min(top + side, height))
        columns = slice(max(left, 0), min(left + side, width))
        cut = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
        image[rows, columns] += weight[cut] * (face[cut] - image[rows, columns])
        return image

    @property
    def scene(self) -> NDArray[np.float32]:
        """The room, (height, width, 3)."""
        if self._scene is None:
            import cv2

            width, height = self.size
            rng = np.random.default_rng([self.plan.seed, 60, self.subject])
            zoom = FACE_SHARE * height / faces.SIZE
            wall = np.full((height, width), np.float32(faces.WALL))
            for size, sd in faces.WALL_GRAIN:
                shape = [max(round(side / (size * zoom) * 1.5), 4) for side in (height, width)]
                grain = cv2.resize(
                    rng.standard_normal(shape, dtype=np.float32),
                    (width, height),
                    interpolation=cv2.INTER_CUBIC,
                )
                wall += np.float32(sd) * grain / grain.std()
            across = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
            self._scene = (
                wall[..., None] * (1 - 0.25 * across**2) * np.array(faces.WALL_TINT, dtype=np.float32)
            )
        return self._scene

    def _video(self, row: Row) -> Iterator[NDArray[np.uint8]]:
        n = round((row.offset - row.onset) * row.fps) + 1
        for k in range(n):
            yield self.full(row, row.onset + k / row.fps)

    def _expose(
        self, image: NDArray[np.float32], row: Row, time: float, *, purpose: int
    ) -> NDArray[np.uint8]:
        event = self.plan.events[row.event]
        marker = self.plan.clips[event.clip]
        rng = np.random.default_rng(
            [self.plan.seed, purpose, self.subject, marker, round(1e5 * time), row.coder]
        )
        phase = float(np.random.default_rng([self.plan.seed, 63, self.subject, marker]).uniform(0, 2 * np.pi))
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        return motion.expose(image, light=motion.light(time, phase=phase), noise=noise)


def _fade(at: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 in the square of the cropped picture, falling to 0 at the edge of the texture."""
    beyond = np.clip(np.maximum(-at, at - (faces.SIZE - 1)) / (0.9 * faces.MARGIN), 0, 1)
    one = 0.5 + 0.5 * np.cos(np.pi * beyond)
    return np.minimum.outer(one, one)


def _write_png(path: Path, image: NDArray[np.uint8]) -> None:
    import cv2

    done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise OSError(f"{path}: could not be encoded")
    path.write_bytes(data.tobytes())
