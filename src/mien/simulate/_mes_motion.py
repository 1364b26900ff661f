"""How a made-up face moves: action units, blinks, gaze and head, and the flow that they make.

A frame shows at ``y`` what the texture has at ``p = S⁻¹(y − w(y))``: ``S`` is how the head is held (a
similarity), ``w`` the sum of smooth bumps of displacement around points of a mesh. Both are known exactly, so
the true flow from one frame to another is: from ``y`` to its texture point ``p``, and from there to the
``y'`` of the other frame with ``y' = S'(p) + w'(y')``, which a fixed-point iteration finds because the bumps
are gentle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mien.simulate import _mes_plan as plan_
from mien.simulate._mes_faces import MARGIN, SIZE, UP, Array, Person
from mien.simulate._mes_plan import Expression

Floats = NDArray[np.float64]
NO_MAP: NDArray[np.float32] = np.empty((0, 0), np.float32)
"""Second map of ``cv2.remap`` where the first has both coordinates."""
NOISE_SD = 2.0
"""Of the sensor, in grey levels of 255."""
FLICKER = 0.006
"""Of the light, a hundred times a second."""
BLINK = 45
"""Stands for a blink among the action units, as in the Facial Action Coding System."""
_BLINK_PX = 6.0

# what an action unit moves: point, direction (out from the middle of the face, down), reach in px
_Move = tuple[str, tuple[float, float], float]
MOVES: dict[int, tuple[_Move, ...]] = {
    1: (("brow_in", (0.0, -1.0), 15), ("brow_mid", (0.0, -0.35), 14), ("forehead_in", (0.0, -0.6), 20)),
    2: (("brow_out", (0.0, -1.0), 16), ("brow_mid", (0.0, -0.6), 15), ("forehead_out", (0.0, -0.5), 20)),
    4: (("brow_in", (-0.75, 0.75), 15), ("brow_mid", (-0.35, 0.6), 16), ("glabella", (0.0, 0.45), 12)),
    5: (("lid_up_in", (0.0, -0.7), 7), ("lid_up", (0.0, -1.0), 8), ("lid_up_out", (0.0, -0.7), 7)),
    6: (("cheek", (0.15, -1.0), 22), ("cheek_out", (-0.3, -0.7), 19), ("lid_low", (0.0, -0.6), 11)),
    7: (("lid_low_in", (0.0, -0.6), 7), ("lid_low", (0.0, -1.0), 10),
        ("lid_low_out", (-0.2, -0.7), 7), ("lid_up", (0.0, 0.4), 7)),
    9: (("nose_side", (-0.1, -1.0), 12), ("nostril", (0.1, -0.6), 11),
        ("glabella", (0.0, 0.4), 12), ("lip_up_side", (0.0, -0.3), 12)),
    10: (("lip_up_side", (0.1, -1.0), 12), ("lip_up_mid", (0.0, -0.7), 11),
        ("nostril", (0.1, -0.45), 12), ("fold", (0.2, -0.7), 15)),
    12: (("lip_corner", (0.8, -0.75), 16), ("fold", (0.4, -0.5), 18), ("cheek", (0.1, -0.45), 22)),
    14: (("lip_corner", (0.95, 0.0), 12), ("dimple", (-0.5, 0.0), 12)),
    15: (("lip_corner", (0.1, 1.0), 15), ("jowl", (0.0, 0.5), 16)),
    17: (("chin", (0.0, -1.0), 19), ("lip_low_mid", (0.0, -0.7), 12), ("chin_side", (0.1, -0.7), 16)),
    20: (("lip_corner", (1.0, 0.2), 16), ("dimple", (0.7, 0.1), 18), ("lip_low_side", (0.4, 0.15), 14)),
    23: (("lip_corner", (-0.8, 0.0), 14), ("lip_up_mid", (0.0, 0.3), 9), ("lip_low_mid", (0.0, -0.3), 9)),
    24: (("lip_up_mid", (0.0, 0.8), 11), ("lip_up_side", (0.0, 0.6), 11),
        ("lip_low_mid", (0.0, -0.9), 11), ("lip_low_side", (0.0, -0.7), 11)),
    25: (("lip_low_mid", (0.0, 1.0), 12), ("lip_low_side", (0.0, 0.8), 12),
        ("lip_up_mid", (0.0, -0.4), 11)),
    26: (("chin", (0.0, 1.0), 27), ("chin_side", (0.0, 0.8), 23),
        ("lip_low_mid", (0.0, 0.9), 18), ("lip_corner", (-0.1, 0.35), 14)),
    BLINK: (("lid_up_in", (0.0, 0.5), 6), ("lid_up", (0.0, 1.0), 7),
        ("lid_up_out", (0.0, 0.5), 6), ("lid_low", (0.0, -0.2), 7)),
}  # fmt: skip


def mesh(person: Person) -> dict[str, tuple[float, float]]:
    """Points of the right half of the picture: out from the middle, and down, in px; 46 points with both
    halves and the middle, each the centre of a bump of displacement."""
    p = person
    return {
        "forehead_in": (12, 0.45 * p.hairline + 0.55 * p.brow_y),
        "forehead_out": (p.eye_dx + 12, 0.40 * p.hairline + 0.60 * p.brow_y),
        "brow_in": (p.eye_dx - 20, p.brow_y + 3),
        "brow_mid": (p.eye_dx, p.brow_y - 0.5),
        "brow_out": (p.eye_dx + 17, p.brow_y + 1.5),
        "glabella": (0, p.brow_y + 7),
        "lid_up_in": (p.eye_dx - 9, p.eye_y - 0.8 * p.lid_up),
        "lid_up": (p.eye_dx, p.eye_y - p.lid_up),
        "lid_up_out": (p.eye_dx + 9, p.eye_y - 0.8 * p.lid_up),
        "lid_low_in": (p.eye_dx - 9, p.eye_y + 0.9 * p.lid_low),
        "lid_low": (p.eye_dx, p.eye_y + p.lid_low + 1),
        "lid_low_out": (p.eye_dx + 9, p.eye_y + 0.9 * p.lid_low),
        "iris": (p.eye_dx, p.eye_y),
        "cheek": (0.52 * p.half_width, p.eye_y + 36),
        "cheek_out": (0.72 * p.half_width, p.eye_y + 20),
        "nose_side": (9, 0.55 * p.eye_y + 0.45 * p.nose_y),
        "nostril": (0.85 * p.nose_half, p.nose_y + 2),
        "fold": (p.mouth_half - 3, 0.55 * p.nose_y + 0.45 * p.mouth_y),
        "lip_up_mid": (0, p.mouth_y - 0.7 * p.lip_up),
        "lip_up_side": (0.5 * p.mouth_half, p.mouth_y - 0.6 * p.lip_up),
        "lip_corner": (p.mouth_half, p.mouth_y),
        "dimple": (p.mouth_half + 13, p.mouth_y + 1),
        "lip_low_mid": (0, p.mouth_y + 0.6 * p.lip_low),
        "lip_low_side": (0.5 * p.mouth_half, p.mouth_y + 0.5 * p.lip_low),
        "jowl": (p.mouth_half - 1, p.mouth_y + 17),
        "chin": (0, p.chin - 18),
        "chin_side": (18, p.chin - 20),
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class Bumps:
    """Displacements around points: ``at`` and ``by`` are (bumps, 2), x then y, ``reach`` (bumps,), in px."""

    at: Floats
    by: Floats
    reach: Floats

    def posed(self, pose: Similarity) -> Bumps:
        """The same bumps in a picture in which the head is held so."""
        return Bumps(at=pose.apply(self.at), by=self.by @ pose.matrix.T, reach=pose.scale * self.reach)

    def grid(self, x: Floats, y: Floats) -> NDArray[np.float32]:
        """Displacement float32 (2, len(y), len(x)) on a grid."""
        across = np.exp(-((x[None] - self.at[:, :1]) ** 2) / (2 * self.reach[:, None] ** 2)).astype(
            np.float32
        )
        down = np.exp(-((y[None] - self.at[:, 1:]) ** 2) / (2 * self.reach[:, None] ** 2))
        return np.stack([(down * self.by[:, i : i + 1]).astype(np.float32).T @ across for i in range(2)])

    def points(self, x: Floats, y: Floats) -> Floats:
        """Displacement (2, …) at single points."""
        out = np.zeros((2, *x.shape))
        for (ax, ay), by, reach in zip(self.at, self.by, self.reach, strict=True):
            out += by[:, None, None] * np.exp(-((x - ax) ** 2 + (y - ay) ** 2) / (2 * reach**2))
        return out


@dataclass(frozen=True, kw_only=True, eq=False)
class Similarity:
    """``matrix @ (point − middle) + middle + shift``."""

    matrix: Floats
    shift: Floats
    scale: float

    @classmethod
    def of(cls, values: Floats) -> Similarity:
        """From x, y, turn in radians, growth."""
        scale, turn = 1 + float(values[3]), float(values[2])
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        return cls(matrix=scale * rotation, shift=np.asarray(values[:2], dtype=float), scale=scale)

    def apply(self, points: Floats) -> Floats:
        """Moves (…, 2)."""
        middle = (SIZE - 1) / 2
        return (points - middle) @ self.matrix.T + middle + self.shift

    def undo(self, points: Floats) -> Floats:
        """Moves (…, 2) back."""
        middle = (SIZE - 1) / 2
        return (points - middle - self.shift) @ np.linalg.inv(self.matrix).T + middle


_MIDDLE = 128.0


@lru_cache(maxsize=256)
def unit_bumps(person: Person, unit: int) -> tuple[Bumps, NDArray[np.int64]]:
    """An action unit of 1 px at its largest, and the side of each bump: 0 left, 1 right, 2 the middle."""
    points = mesh(person)
    at, by, reach, side = [], [], [], []
    for name, (out, down), size in MOVES[unit]:
        dx, y = points[name]
        for k, sign in enumerate((-1, 1)) if dx else ((2, 0),):
            at.append((_MIDDLE + sign * dx, y))
            by.append((sign * out, down))
            reach.append(float(size))
            side.append(k)
    bumps = Bumps(at=np.array(at), by=np.array(by), reach=np.array(reach))
    grid = np.arange(0, SIZE, 2.0)
    most = np.sqrt((bumps.grid(grid, grid) ** 2).sum(axis=0)).max()
    return Bumps(at=bumps.at, by=bumps.by / most, reach=bumps.reach), np.array(side)


def gaze_bumps(person: Person) -> tuple[Floats, Floats]:
    """Middles and reach of what moves with the irises."""
    dx, y = mesh(person)["iris"]
    return np.array([[_MIDDLE - dx, y], [_MIDDLE + dx, y]]), np.full(2, 5.5)


def activation(event: Expression, time: float) -> float:
    """How far an expression has gone, 0 to 1: a smooth rise from onset to apex and a smooth fall to the
    offset."""
    if time <= event.onset or time >= event.offset:
        return 0.0
    rising = time <= event.apex
    u = (
        (time - event.onset) / (event.apex - event.onset)
        if rising
        else (event.offset - time) / (event.offset - event.apex)
    )
    return float(0.5 - 0.5 * np.cos(np.pi * u))


def _drifted(event: Expression, time: float) -> float:
    """Share of the head's way from onset to apex; beyond the apex it slows down."""
    u = (time - event.onset) / (event.apex - event.onset)
    return float(u if u <= 1 else 1 + 0.4 * (1 - np.exp(-(u - 1))))


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """A face at one moment: how the head is held and what is displaced, in the picture."""

    pose: Similarity
    bumps: Bumps

    def source(self, x: Floats, y: Floats) -> NDArray[np.float32]:
        """Texture points, float32 (rows, columns, 2), that are seen at a grid of picture points."""
        right, down = self.bumps.grid(x, y)
        middle = (SIZE - 1) / 2
        # undo(), written out: this is most of the time that a frame takes
        dx = (x - middle - self.pose.shift[0]).astype(np.float32) - right
        dy = (y - middle - self.pose.shift[1]).astype(np.float32)[:, None] - down
        (a, b), (c, d) = np.linalg.inv(self.pose.matrix).astype(np.float32)
        out = np.empty((*dx.shape, 2), dtype=np.float32)
        out[..., 0] = a * dx + b * dy + np.float32(middle)
        out[..., 1] = c * dx + d * dy + np.float32(middle)
        return out

    def seen_at(self, texture: Floats, *, steps: int = 60) -> Floats:
        """Picture points (rows, columns, 2) at which texture points are seen."""
        still = self.pose.apply(texture)
        at = still.copy()
        for _ in range(steps):
            moved = np.moveaxis(self.bumps.points(at[..., 0], at[..., 1]), 0, -1)
            before, at = at, still + moved
            if np.abs(at - before).max() < 1e-5:
                break
        return at


def state(person: Person, event: Expression, time: float, *, blinks: Floats) -> State:
    """The face at a time of the clip; ``blinks`` are the starts of all blinks of the clip."""
    parts: list[Bumps] = []
    level = activation(event, time)
    sides = np.array([*event.sides, np.mean(event.sides)])
    for unit, size in zip(event.aus, event.amplitudes, strict=True):
        one, side = unit_bumps(person, unit)
        parts.append(Bumps(at=one.at, by=one.by * (level * size * sides[side])[:, None], reach=one.reach))
    since = time - blinks
    closing = np.where(
        (since > 0) & (since < plan_.BLINK_SECONDS), np.sin(np.pi * since / plan_.BLINK_SECONDS) ** 2, 0
    )
    if closing.any():
        one, _ = unit_bumps(person, BLINK)
        parts.append(Bumps(at=one.at, by=one.by * _BLINK_PX * closing.max(), reach=one.reach))
    gone = _drifted(event, time)
    at, reach = gaze_bumps(person)
    parts.append(Bumps(at=at, by=np.tile(np.array(event.gaze) * gone, (2, 1)), reach=reach))
    pose = Similarity.of(np.array(event.pose) + gone * np.array(event.drift))
    bumps = Bumps(
        at=np.concatenate([b.at for b in parts]),
        by=np.concatenate([b.by for b in parts]),
        reach=np.concatenate([b.reach for b in parts]),
    )
    return State(pose=pose, bumps=bumps.posed(pose))


def flow(first: State, second: State) -> NDArray[np.float32]:
    """Displacement (2, 256, 256) in px, right and down, of what is seen at each pixel of the first
    picture."""
    at = np.arange(float(SIZE))
    there = second.seen_at(first.source(at, at).astype(np.float64))
    still = np.stack(np.meshgrid(at, at), axis=-1)
    return np.moveaxis(there - still, -1, 0).astype(np.float32)


def render(texture: Array, face: State) -> Array:
    """The cropped picture (256, 256, 3), float32, without noise: warped at twice its size, then averaged."""
    import cv2

    at = (np.arange(UP * SIZE) + 0.5) / UP - 0.5
    maps = (face.source(at, at) + np.float32(0.5 + MARGIN)) * UP - np.float32(0.5)
    warped = cv2.remap(texture, maps, NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(warped, (SIZE, SIZE), interpolation=cv2.INTER_AREA), dtype=np.float32)


def expose(image: Array, *, light: float, noise: NDArray[np.float32]) -> NDArray[np.uint8]:
    """What the sensor makes of a picture: 8-bit grey levels under a light, with noise of sd 1 scaled to its
    own."""
    seen = image * np.float32(light) + np.float32(NOISE_SD) * noise
    return np.clip(np.rint(seen), 0, 255).astype(np.uint8)


def light(time: float, *, phase: float) -> float:
    """The lamp at a time."""
    return float(1 + FLICKER * np.sin(2 * np.pi * 100 * time + phase))
