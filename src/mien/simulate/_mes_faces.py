"""Faces that nobody has: drawn from a seed, as a texture at twice the resolution of the cropped pictures.

A face is a smooth surface (head, brow ridge, sockets, nose, cheeks, lips, chin) with skin of some colour, lit
by a lamp from above and to a side; on it are eyes, brows of single hairs, lips, freckles, moles, stubble,
pores and hair. Everything is placed by a few measures of the person, which also say where the points of the
mesh are that :mod:`mien.simulate._mes_motion` moves.

Coordinates are pixels of the cropped picture (256 px wide, the middle of the face at x = 128, y down); the
texture also holds a margin around it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE = 256
MARGIN = 64
UP = 2
"""Texture pixels per pixel of the cropped picture."""
SIDE = UP * (SIZE + 2 * MARGIN)

Array = NDArray[np.floating[Any]]

_SKIN = (
    (236, 198, 176),
    (226, 184, 156),
    (214, 168, 136),
    (198, 150, 116),
    (172, 122, 92),
    (134, 92, 68),
    (104, 70, 52),
)
_HAIR = (
    (28, 24, 24),
    (46, 32, 26),
    (72, 48, 32),
    (104, 70, 42),
    (150, 112, 66),
    (120, 116, 114),
    (92, 40, 24),
)
_IRIS = ((74, 46, 28), (96, 62, 34), (112, 100, 58), (86, 112, 92), (92, 120, 150), (70, 80, 92))
WALL, WALL_TINT = 128.0, (0.97, 1.0, 1.03)
WALL_GRAIN = ((1.3, 6.0), (2.8, 5.0), (20.0, 2.0))
"""Size in px and spread in grey levels of the pattern of the wall."""
_SHIRT = ((62, 74, 92), (110, 52, 50), (66, 84, 66), (140, 136, 128), (48, 46, 52), (92, 84, 110))


@dataclass(frozen=True, kw_only=True)
class Person:
    """Measures of one face, in px of the cropped picture."""

    seed: tuple[int, ...]
    half_width: float
    jaw: float
    chin: float
    hairline: float
    eye_y: float
    eye_dx: float
    eye_half: float
    lid_up: float
    lid_low: float
    tilt: float
    brow_gap: float
    brow_thick: float
    brow_arch: float
    nose_y: float
    nose_half: float
    mouth_y: float
    mouth_half: float
    lip_up: float
    lip_low: float
    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    iris: tuple[float, float, float]
    shirt: tuple[float, float, float]
    long_hair: bool
    stubble: float
    freckles: int
    moles: int
    light: float

    @property
    def brow_y(self) -> float:
        """Height of the middle of the brows."""
        return self.eye_y - self.brow_gap


def draw_person(seed: int, subject: int) -> Person:
    """Measures of a subject's face; neighbours in the list differ in skin, hair and build by construction."""
    rng = np.random.default_rng([seed, 50, subject])
    deal = np.random.default_rng([seed, 51])

    def near(mean: float, sd: float) -> float:
        return float(mean + sd * np.clip(rng.standard_normal(), -1.8, 1.8))

    def pick(colours: tuple[tuple[int, int, int], ...], spread: float) -> tuple[float, float, float]:
        base = np.array(colours[int(deal.permutation(len(colours))[subject % len(colours)])], dtype=float)
        shade = 1 + spread * rng.standard_normal()
        r, g, b = np.clip(base * shade, 5, 245).tolist()
        return r, g, b

    skin = pick(_SKIN, 0.03)
    dark = sum(skin) < 420
    hair = pick(_HAIR[:3] if dark else _HAIR, 0.08)
    man = bool((subject + int(deal.integers(2))) % 2)
    return Person(
        seed=(seed, 52, subject),
        half_width=near(84 if man else 80, 3.0),
        jaw=near(0.80 if man else 0.72, 0.03),
        chin=near(236 if man else 231, 3.0),
        hairline=near(47, 4.0),
        eye_y=near(112, 2.0),
        eye_dx=near(38, 1.6),
        eye_half=near(15.5, 1.0),
        lid_up=near(6.4 if man else 7.4, 0.7),
        lid_low=near(4.2, 0.4),
        tilt=near(-0.03, 0.05),
        brow_gap=near(18.5 if man else 20.5, 1.6),
        brow_thick=near(5.0 if man else 3.4, 0.6),
        brow_arch=near(2.5 if man else 4.5, 1.0),
        nose_y=near(160, 3.0),
        nose_half=near(18 if dark else 15.5, 1.4),
        mouth_y=near(190, 2.5),
        mouth_half=near(27, 1.8),
        lip_up=near(7.0 if dark else 5.4, 0.9),
        lip_low=near(9.0 if dark else 7.6, 0.9),
        skin=skin,
        hair=hair,
        iris=pick(_IRIS[:2] if dark else _IRIS, 0.08),
        shirt=pick(_SHIRT, 0.05),
        long_hair=not man,
        stubble=float(man) * max(near(0.45, 0.3), 0.0),
        freckles=int(rng.integers(20, 160)) if not dark else int(rng.integers(0, 25)),
        moles=int(rng.integers(1, 6)),
        light=near(0.0, 0.35) + (0.45 if subject % 2 else -0.45),
    )


def canvas() -> tuple[Array, Array]:
    """Coordinates of the texture's pixels, (1, SIDE) and (SIDE, 1)."""
    at = ((np.arange(SIDE) + 0.5) / UP - 0.5 - MARGIN).astype(np.float32)
    return at[None, :], at[:, None]


def _bump(x: Array, y: Array, at: tuple[float, float], sx: float, sy: float) -> Array:
    return np.exp(-((x - at[0]) ** 2) / (2 * sx * sx)) * np.exp(-((y - at[1]) ** 2) / (2 * sy * sy))


def _soft(distance: Any, width: float = 0.5) -> Array:
    """1 where a distance is well above 0, 0 where it is well below, smooth in between."""
    t = np.clip(distance / (2 * width) + 0.5, 0, 1).astype(np.float32)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


class _Painter:
    """Layers of one face; every layer has random numbers of its own."""

    def __init__(self, person: Person) -> None:
        import cv2

        self.cv2, self.p = cv2, person
        self.x, self.y = canvas()
        self.rows, self.columns = slice(0, SIDE), slice(0, SIDE)
        self._layer = 0

    def within(self, left: float, right: float, top: float, bottom: float) -> _Painter:
        """A painter of a part of the picture, given in px; random layers are its own."""
        part = copy.copy(self)
        limits = [round((v + 0.5 + MARGIN) * UP) for v in (left, right, top, bottom)]
        x0, x1, y0, y1 = (min(max(v, 0), SIDE) for v in limits)
        part.rows, part.columns = slice(y0, y1), slice(x0, x1)
        part.x, part.y = self.x[:, x0:x1], self.y[y0:y1]
        self._layer += 50
        part._layer = self._layer - 50
        return part

    def part(self, image: Array) -> Array:
        """What of a whole picture this painter paints."""
        return image[self.rows, self.columns]

    def rng(self) -> np.random.Generator:
        self._layer += 1
        return np.random.default_rng([*self.p.seed, self._layer])

    def blur(self, image: Array, sigma: float) -> Array:
        return np.asarray(self.cv2.GaussianBlur(image, (0, 0), sigma * UP))

    def noise(self, sigma: float, *, along: float | None = None) -> Array:
        """Smooth noise, sd 1, of a grain in px; ``along`` is its grain down the picture."""
        wide, high = self.columns.stop - self.columns.start, self.rows.stop - self.rows.start
        n = max(int(wide / max(sigma * UP / 1.5, 1)), 4)
        m = max(int(high / max((along or sigma) * UP / 1.5, 1)), 4)
        small = self.rng().standard_normal((m, n), dtype=np.float32)
        big = (
            small
            if (m, n) == (high, wide)
            else self.cv2.resize(small, (wide, high), interpolation=self.cv2.INTER_CUBIC)
        )
        if sigma * UP < 1.5:
            big = self.cv2.GaussianBlur(big, (0, 0), max(sigma * UP, 0.4))
        return np.asarray(big / big.std(), dtype=np.float32)

    def segment(self, a: tuple[float, float], b: tuple[float, float]) -> Array:
        """Distance of every pixel from a line segment."""
        dx, dy = b[0] - a[0], b[1] - a[1]
        t = np.clip(((self.x - a[0]) * dx + (self.y - a[1]) * dy) / (dx * dx + dy * dy), 0, 1)
        return np.hypot(self.x - a[0] - t * dx, self.y - a[1] - t * dy).astype(np.float32)

    def strokes(self, lines: NDArray[np.float64]) -> Array:
        """Coverage (0-1) of fine hairs; ``lines`` is (hairs, points, 2) in px of the picture."""
        up = 2
        wide, high = self.columns.stop - self.columns.start, self.rows.stop - self.rows.start
        layer = np.zeros((high * up, wide * up), np.uint8)
        corner = np.array([self.columns.start, self.rows.start]) * up
        at = np.rint(((lines + 0.5 + MARGIN) * UP * up - 0.5 - corner) * 16).astype(np.int32)
        self.cv2.polylines(layer, list(at), False, 255, 1, self.cv2.LINE_AA, 4)
        small = self.cv2.resize(layer, (wide, high), interpolation=self.cv2.INTER_AREA)
        return np.asarray(small, dtype=np.float32) / 255

    # -- the head ---------------------------------------------------------------------------------------

    def outline(self, y: Any) -> Any:
        """Half the width of the face at a height."""
        from scipy.interpolate import PchipInterpolator

        p = self.p
        top = 22.0
        t = (np.asarray(y) - top) / (p.chin - top)
        knots = [0, 0.03, 0.10, 0.22, 0.40, 0.55, 0.70, 0.82, 0.91, 0.97, 1.0]
        j = p.jaw
        widths = [0, 0.40, 0.74, 0.94, 1.0, 0.98, 0.45 + 0.55 * j, j - 0.02, j - 0.24, j - 0.46, 0.0]
        curve = PchipInterpolator(knots, widths)
        inside = (t > 0) & (t < 1)
        return np.where(inside, p.half_width * curve(np.clip(t, 0, 1)), 0.0)

    def surface(self) -> tuple[Array, Array, Array]:
        """Height of the face towards the camera, its mask, and the distance inside its outline."""
        p, x, y = self.p, self.x - 128, self.y
        half = self.outline(y).astype(np.float32)
        u = np.abs(x) / np.maximum(half, 1.0)
        mask = self.blur((u < 1).astype(np.float32) * (half > 0), 0.6)
        u = np.minimum(u, 1.0)
        z = 66 * (1 - u**2.6) - 26 * ((y - 128) / 112) ** 2
        z = self.blur(np.where(half > 0, z, -40).astype(np.float32), 3.0)
        nose = np.interp(y, [p.eye_y - 14, p.eye_y, p.nose_y - 8, p.nose_y], [0, 4, 19, 22])
        width = np.interp(y, [p.eye_y - 14, p.eye_y, p.nose_y], [9, 6.5, 10.5])
        below = np.exp(-(np.maximum(y - p.nose_y, 0) ** 2) / (2 * 4.5**2))
        z = z + (nose * below * np.exp(-(x**2) / (2 * width**2))).astype(np.float32)
        for side in (-1, 1):
            at = lambda dx, yy, s=side: (s * dx, yy)  # noqa: E731
            z += 8 * _bump(x, y, at(0.80 * p.nose_half, p.nose_y + 1), 5.0, 5.0)
            z -= 9 * _bump(x, y, at(p.eye_dx, p.eye_y - 3), 17, 9)
            z += 5 * _bump(x, y, at(p.eye_dx, p.eye_y), 11, 7.5)
            z += 4.5 * _bump(x, y, at(p.eye_dx - 2, p.brow_y - 1), 22, 6)
            z += 6 * _bump(x, y, at(0.60 * p.half_width, p.eye_y + 38), 19, 15)
            z -= 4 * _bump(x, y, at(0.60 * p.half_width, p.mouth_y + 2), 13, 22)
            z -= 1.8 * _bump(x, y, at(p.mouth_half + 2, p.mouth_y), 4, 4)
            z -= 1.2 * _bump(x, y, at(p.eye_dx - 6, p.eye_y + 15), 12, 3.5)
            fold = self.segment(
                (128 + side * (p.nose_half + 3.5), p.nose_y), (128 + side * (p.mouth_half + 7), p.mouth_y - 1)
            )
            z -= 1.5 * np.exp(-(fold**2) / (2 * 3.2**2))
        lips = np.exp(-((x / (0.78 * p.mouth_half)) ** 4))
        z += 4.2 * lips * np.exp(-((y - p.mouth_y + 0.6 * p.lip_up) ** 2) / (2 * (0.6 * p.lip_up) ** 2))
        z += 5.2 * lips * np.exp(-((y - p.mouth_y - 0.55 * p.lip_low) ** 2) / (2 * (0.5 * p.lip_low) ** 2))
        z -= 3.0 * lips * np.exp(-((y - p.mouth_y) ** 2) / (2 * 1.5**2))
        z -= 1.6 * _bump(x, y, (0, p.mouth_y - 2.1 * p.lip_up), 2.8, 6)
        z -= 4.0 * _bump(x, y, (0, p.mouth_y + 2.1 * p.lip_low), 17, 5)
        z += 6.5 * _bump(x, y, (0, p.chin - 17), 17, 11)
        return z.astype(np.float32), mask, (half - np.abs(x)).astype(np.float32)

    def shade(self, z: Array) -> tuple[Array, Array]:
        """Light that falls on a surface, and its gloss."""
        zx = self.cv2.Sobel(z, -1, 1, 0, ksize=3) / (8 / UP)
        zy = self.cv2.Sobel(z, -1, 0, 1, ksize=3) / (8 / UP)
        norm = np.sqrt(1 + (0.62 * zx) ** 2 + (0.62 * zy) ** 2)
        nx, ny, nz = -0.62 * zx / norm, -0.62 * zy / norm, 1 / norm

        def lamp(lx: float, ly: float, lz: float) -> tuple[Array, Array]:
            size = np.sqrt(lx * lx + ly * ly + lz * lz)
            facing = (nx * lx + ny * ly + nz * lz) / size
            hx, hy, hz = lx / size, ly / size, lz / size + 1
            h = np.sqrt(hx * hx + hy * hy + hz * hz)
            gloss = np.clip((nx * hx + ny * hy + nz * hz) / h, 0, 1)
            return np.clip((facing + 0.18) / 1.18, 0, 1), gloss

        key, gloss = lamp(self.p.light, -0.55, 0.85)
        fill, _ = lamp(-1.3 * self.p.light, -0.1, 0.9)
        hollow = np.clip(self.blur(z, 7.0) - z, -4, 6)
        light = (0.30 + 0.62 * key + 0.20 * fill) * (1 - 0.030 * hollow)
        return light.astype(np.float32), (gloss**28).astype(np.float32)

    # -- what is on it ----------------------------------------------------------------------------------

    def skin(self, z: Array) -> Array:
        """The lit skin, (SIDE, SIDE, 3), 0-255, everywhere."""
        p, x, y = self.p, self.x - 128, self.y
        pores = self.noise(0.55) + 0.8 * self.noise(1.1)
        light, gloss = self.shade(z + 0.10 * pores)
        red = 0.5 * self.noise(6.0) + 0.5 * self.noise(2.6)
        brown = 0.9 * self.noise(3.0) + 1.0 * self.noise(1.6) + 0.4 * self.noise(0.8)
        flush = 1.0 * _bump(x, y, (0, p.nose_y), 15, 11) + 0.3
        for side in (-1, 1):
            flush = flush + 0.9 * _bump(x, y, (side * 0.55 * p.half_width, p.eye_y + 42), 18, 15)
            flush = flush - 0.5 * _bump(x, y, (side * p.eye_dx, p.eye_y + 13), 14, 5)
        albedo = np.empty((SIDE, SIDE, 3), np.float32)
        for c, (hue, melanin) in enumerate(((-0.006, 0.045), (-0.040, 0.054), (-0.036, 0.058))):
            albedo[..., c] = p.skin[c] * (1 + hue * (0.8 * red + flush) - melanin * brown)
        albedo *= 1 - 0.22 * self._spots()[..., None] * np.array([0.7, 1.0, 1.1], np.float32)
        if p.stubble > 0.05:
            beard = _soft(y - (p.nose_y + 14 + 0.006 * x**2 * 0.2), 12) * (
                1 - 0.75 * _bump(x, y, (0, p.mouth_y + 2), 22, 8)
            )
            beard = beard * (0.75 + 0.25 * self.noise(4.0)) * _soft(np.abs(x) + 1.1 * (y - p.nose_y) - 22, 18)
            short = self._stubble()
            shadow = p.stubble * np.clip(beard, 0, 1) * (0.20 + 0.75 * short)
            albedo *= 1 - np.clip(shadow, 0, 0.8)[..., None] * np.array([0.62, 0.56, 0.48], np.float32)
        lit = albedo * light[..., None] ** np.array([0.86, 1.0, 1.07], np.float32)
        return lit + (26 * gloss * (1 + 0.25 * pores))[..., None]

    def _spots(self) -> Array:
        rng, p = self.rng(), self.p
        out = np.zeros((SIDE, SIDE), np.float32)
        spread = [0.35 * p.half_width, 18.0]
        freckles = np.array([128, p.nose_y - 12]) + rng.standard_normal((p.freckles, 2)) * [
            2 * spread[0],
            spread[1],
        ]
        moles = np.array([128, 140]) + rng.uniform(-1, 1, (p.moles, 2)) * [0.75 * p.half_width, 70]
        for (px, py), r, depth in [
            *((f, rng.uniform(0.5, 1.1), rng.uniform(0.3, 0.9)) for f in freckles),
            *((m, rng.uniform(0.9, 1.6), rng.uniform(1.6, 2.6)) for m in moles),
        ]:
            i, j = (round((v + 0.5 + MARGIN) * UP) for v in (py, px))
            r0 = 8
            if min(i, j) < r0 or max(i, j) >= SIDE - r0:
                continue
            cut = (slice(i - r0, i + r0), slice(j - r0, j + r0))
            out[cut] += depth * _bump(self.x[:, cut[1]], self.y[cut[0]], (px, py), r, r)
        return np.minimum(out, 2.6)

    def _stubble(self) -> Array:
        rng = self.rng()
        n = 9000
        at = np.stack([rng.uniform(30, 226, n), rng.uniform(150, 250, n)], axis=1)
        tip = at + rng.normal([0, 1.3], [0.5, 0.4], (n, 2))
        return self.strokes(np.stack([at, tip], axis=1))

    def brows(self, image: Array) -> None:
        """Two brows of a few hundred hairs."""
        rng, p = self.rng(), self.p
        for side in (-1, 1):
            n = int(120 + 55 * p.brow_thick)
            t = rng.beta(1.15, 1.35, n)
            thick = p.brow_thick * np.interp(t, [0, 0.12, 0.6, 1], [0.75, 1.0, 0.8, 0.2])
            dx = p.eye_dx - 22 + 43 * t
            mid = (
                p.brow_y
                + 2.6
                + 2.0 * (1 - t) ** 2
                - p.brow_arch * np.sin(np.pi * np.clip(t * 0.92, 0, 1) ** 1.3) * 1.2
                + 2.2 * t**3
            )
            across = rng.uniform(-0.5, 0.5, n)
            root = np.stack([dx, mid + across * thick], axis=1)
            angle = np.interp(t, [0, 0.2, 0.6, 1], [-1.25, -0.75, -0.15, 0.30]) + 0.9 * across * (1 - t)
            angle = angle + 0.16 * rng.standard_normal(n)
            length = rng.uniform(4.0, 6.5, n) * np.interp(t, [0, 0.5, 1], [0.8, 1, 0.75])
            tip = root + length[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
            lines = np.stack([root, 0.5 * (root + tip) + [0.0, -0.3], tip], axis=1)
            lines[..., 0] = 128 + side * lines[..., 0]
            cover = np.clip(self.strokes(lines), 0, 1)
            under = self.blur(cover, 1.6)
            dark = np.array(p.hair, np.float32) * 0.75
            self.over(image, dark, 0.35 * np.clip(under, 0, 1))
            self.over(image, dark, 0.88 * cover)

    def over(self, image: Array, colour: Any, cover: Array) -> None:
        """Paints a colour (or a picture) over the image where ``cover`` is."""
        image += cover[..., None] * (np.asarray(colour, np.float32) - image)

    def eyes(self, image: Array) -> None:
        """Eyeballs, lids and lashes."""
        p = self.p
        for side in (-1, 1):
            x = 128 + side * p.eye_dx
            window = self.within(x - p.eye_half - 10, x + p.eye_half + 10, p.eye_y - 20, p.eye_y + 18)
            window._eye(window.part(image), side)

    def _eye(self, image: Array, side: int) -> None:
        p, rng = self.p, self.rng()
        ex = 128 + side * p.eye_dx
        # along the eye: -1 at the inner, 1 at the outer corner
        s = side * (self.x - ex) / p.eye_half
        y = self.y - p.eye_y - p.tilt * p.eye_half * s
        bow = np.clip(1 - s**2, 0, None)
        upper = -p.lid_up * bow**0.62 * (1 - 0.12 * s) - 0.4
        lower = p.lid_low * bow**0.75 * (1 + 0.15 * s)
        open_ = _soft(np.minimum(y - upper, lower - y), 0.45) * (np.abs(s) < 1)
        # eyeball
        r = np.hypot(self.x - ex, self.y - (p.eye_y - 0.9)).astype(np.float32)
        ball = np.empty_like(image)
        ball[:] = np.array([226, 220, 214], np.float32)
        ball *= (1 - 0.20 * s**2 + 0.012 * self.noise(1.0))[..., None]
        veins = np.clip(self.noise(0.8, along=4.0) - 1.4, 0, 1) * np.clip(np.abs(s) - 0.35, 0, 1)
        self.over(ball, (190, 110, 100), 0.30 * veins)
        self.over(ball, (205, 140, 128), 0.75 * _soft(-s - 0.84, 0.08) * np.ones_like(y))
        radius = 7.3
        angle = np.arctan2(self.y - p.eye_y, self.x - ex)
        fibres = sum(
            rng.uniform(0.2, 0.5)
            * np.sin(k * angle + rng.uniform(0, 6.28) + 0.25 * r * rng.standard_normal())
            for k in (9, 17, 26, 37, 51)
        )
        glow = np.interp(r / radius, [0, 0.45, 0.8, 1.0, 1.1], [1.15, 1.25, 1.0, 0.45, 0.4])
        iris = np.array(p.iris, np.float32) * (glow * (1 + 0.22 * fibres))[..., None]
        self.over(ball, np.clip(iris, 0, 255), _soft(radius - r, 0.6))
        self.over(ball, (12, 10, 10), _soft(2.9 - r, 0.5))
        shadow = np.exp(-np.clip(y - upper, 0, None) / 2.4)
        ball *= (1 - 0.52 * shadow)[..., None]
        lamp = 1.0 if p.light > 0 else -1.0
        self.over(
            ball, (250, 250, 248), 0.92 * _bump(self.x, self.y, (ex + 2.0 * lamp, p.eye_y - 3.2), 0.95, 1.15)
        )
        self.over(
            ball, (235, 238, 245), 0.30 * _bump(self.x, self.y, (ex - 2.6 * lamp, p.eye_y + 2.4), 1.4, 1.0)
        )
        # lids: crease above, pink rim, shadow of the socket
        ahead = _soft(1.12 - np.abs(s), 0.10)
        crease = -p.lid_up - 3.9 + 2.6 * s**2 * np.where(s > 0, 1.0, 1.5)
        self.over(image, np.array(p.skin) * 0.42, 0.55 * np.exp(-((y - crease) ** 2) / (2 * 0.75**2)) * ahead)
        image *= (1 - 0.20 * _bump(self.x, self.y, (ex - side * 9, p.eye_y - 8), 5, 3.5))[..., None]
        bag = p.lid_low + 4.6 - 2.2 * s**2
        image *= (1 - 0.13 * np.exp(-((y - bag) ** 2) / (2 * 1.2**2)) * ahead)[..., None]
        near = np.abs(s) < 1.02
        rim = np.exp(-((y - lower - 0.7) ** 2) / (2 * 0.8**2)) * near
        self.over(image, np.array(p.skin) * np.array([0.95, 0.76, 0.74]), 0.55 * rim)
        image[:] = image + open_[..., None] * (ball - image)
        line = np.exp(-((y - upper + 0.35) ** 2) / (2 * 0.85**2)) * near * _soft(1.02 - np.abs(s), 0.05)
        self.over(image, (24, 18, 16), np.clip((0.95 if p.long_hair else 0.80) * line, 0, 1))
        self.over(
            image,
            (60, 42, 36),
            0.40 * np.exp(-((y - lower) ** 2) / (2 * 0.5**2)) * near * _soft(s + 0.5, 0.5),
        )
        self._lashes(image, side, rng)

    def _lashes(self, image: Array, side: int, rng: np.random.Generator) -> None:
        p = self.p
        n = 34
        for upper, most, k in ((True, 3.4 if p.long_hair else 2.3, 0.75), (False, 1.4, 0.35)):
            s = np.linspace(-0.85, 0.97, n) + 0.02 * rng.standard_normal(n)
            bow = np.clip(1 - s**2, 0, None)
            edge = (
                (-p.lid_up * bow**0.62 * (1 - 0.12 * s) - 0.4)
                if upper
                else p.lid_low * bow**0.75 * (1 + 0.15 * s)
            )
            root = np.stack([s * p.eye_half, edge + p.tilt * p.eye_half * s], axis=1)
            length = most * np.interp(s, [-1, 0.6, 1], [0.5, 1.0, 1.1]) * rng.uniform(0.8, 1.15, n)
            lean = 0.75 * s + 0.1 * rng.standard_normal(n)
            way = np.stack([np.sin(lean), (-1 if upper else 1) * np.cos(lean) * 0.8], axis=1)
            lines = np.stack([root, root + length[:, None] * way], axis=1)
            lines = np.stack([128 + side * (p.eye_dx + lines[..., 0]), p.eye_y + lines[..., 1]], axis=-1)
            self.over(image, (22, 17, 15), k * self.strokes(lines))

    def nostrils(self, image: Array) -> None:
        """Two nostrils, and the edges of the wings."""
        p = self.p
        for side in (-1, 1):
            at = (128 + side * 0.46 * p.nose_half, p.nose_y + 6.2)
            dark = np.array(p.skin) * np.array([0.30, 0.20, 0.18])
            u, v = (self.x - at[0]) / 4.0, (self.y - at[1] - side * 0.10 * (self.x - at[0])) / 1.9
            self.over(image, dark, 0.80 * np.clip(1.35 - np.sqrt(u**2 + v**2), 0, 1).astype(np.float32))
            wing = (128 + side * 0.78 * p.nose_half, p.nose_y + 1.5)
            r = np.hypot((self.x - wing[0]) / 6.2, (self.y - wing[1]) / 6.2)
            outside = _soft(side * (self.x - wing[0]) - 0.5, 3.0)
            image *= (1 - 0.26 * np.exp(-((r - 1) ** 2) / (2 * 0.17**2)) * outside)[..., None]
        image *= (1 - 0.16 * _bump(self.x, self.y, (128, p.nose_y + 9.5), 9, 2.6))[..., None]

    def lips(self, image: Array) -> None:
        """Two lips with fine wrinkles, and the line between them."""
        p, x = self.p, self.x - 128
        s = np.clip(np.abs(x) / p.mouth_half, 0, 1.2)
        bow = np.clip(1 - s**2, 0, None)
        line = p.mouth_y + 1.0 * np.cos(2.2 * np.pi * np.clip(s, 0, 1)) * bow - 0.9 * s**2
        top = (
            line
            - p.lip_up * bow**0.75 * (1 + 0.16 * np.cos(np.clip(s / 0.42, 0, 1) * np.pi * 2 + np.pi))
            - 0.3
        )
        low = line + p.lip_low * bow**0.62 + 0.2
        inside = _soft(np.minimum(self.y - top, low - self.y), 1.1) * _soft(1.0 - s, 0.04)
        wrinkles = self.noise(0.6, along=5.0) + 0.7 * self.noise(1.2, along=4.0)
        tint = np.array([0.86, 0.60, 0.60] if not p.long_hair else [0.86, 0.50, 0.52], np.float32)
        lips = image * (tint * (1 - 0.035 * wrinkles)[..., None])
        lips *= np.where(self.y < line, 0.88, 1.04)[..., None]
        lips += (
            20
            * (_bump(self.x, self.y, (128, p.mouth_y + 0.55 * p.lip_low), 11, 1.8) * (1 + 0.6 * wrinkles))[
                ..., None
            ]
        )
        self.over(image, lips, 0.85 * inside)
        dark = np.exp(-((self.y - line) ** 2) / (2 * (0.55 + 0.35 * bow) ** 2)) * _soft(1.04 - s, 0.05)
        self.over(image, np.array(p.skin) * np.array([0.30, 0.16, 0.15]), 0.85 * dark)
        image *= (
            1 - 0.18 * np.exp(-((self.y - low - 2.2) ** 2) / (2 * 1.8**2)) * np.clip(1 - (s / 0.8) ** 2, 0, 1)
        )[..., None]

    def strands(self) -> Array:
        """Noise along hair that falls from a crown, sd about 1."""
        down = (
            0.7 * self.noise(0.45, along=18.0)
            + 0.9 * self.noise(1.0, along=26.0)
            + 0.7 * self.noise(3.0, along=50.0)
        )
        spread = 0.30 + 0.70 * np.clip((self.y + 14) / 95, 0, 1) ** 0.8
        at = ((self.x - 128) / spread + 128 + 0.5 + MARGIN) * UP - 0.5
        rows = np.broadcast_to(np.arange(SIDE, dtype=np.float32)[:, None], (SIDE, SIDE))
        return np.asarray(
            self.cv2.remap(
                down,
                at.astype(np.float32),
                rows.copy(),
                self.cv2.INTER_LINEAR,
                borderMode=self.cv2.BORDER_REFLECT,
            )
        )

    def locks(self, image: Array, cover: Array, *, sheen: Any, edge: Any) -> None:
        """Hair where ``cover`` is; ``sheen`` is where the lamp shows in it, ``edge`` where it is in
        shadow."""
        strands = self.strands()
        tone = (0.80 + 0.17 * strands + 0.07 * self.noise(1.4) + 0.45 * sheen * (0.8 + 0.30 * strands)) * (
            1 - edge
        )
        self.over(image, np.array(self.p.hair, np.float32) * np.clip(tone, 0.25, 2.2)[..., None] + 8, cover)

    def hair_behind(self, image: Array) -> None:
        """Long hair behind neck and face."""
        p, x, y = self.p, np.abs(self.x - 128), self.y
        wave = 2.2 * self.noise(16.0, along=40)
        half = p.half_width + 15 + 0.04 * (y - 120) - 0.0016 * np.clip(y - 190, 0, None) ** 2 + wave
        cover = _soft(half - x, 1.5) * _soft(y - 60, 6) * _soft(318 + 4 * wave - y, 10)
        self.locks(
            image,
            cover,
            sheen=0.5 * np.exp(-((y - 170) ** 2) / (2 * 40**2)),
            edge=0.35 * np.exp(-np.abs(half - x) / 5) + 0.35 * _soft(0.8 * p.half_width - x, 12),
        )

    def hair(self, image: Array, face: Array) -> None:
        """Hair of the head, over everything; ``face`` is where the face is."""
        p, rng = self.p, self.rng()
        x, y = self.x - 128, self.y
        wobble = 2.0 * self.noise(12.0) + 0.9 * self.noise(3.0) + 0.5 * self.noise(1.2)
        top = p.hairline + (0.0048 if p.long_hair else 0.0030) * x**2 + wobble
        if p.long_hair:
            beside = (0.955 - 0.0006 * np.clip(y - 150, 0, None)) * p.half_width + 0.7 * wobble
        else:
            beside = np.interp(y, [60, 100, 136, 146], [0.92, 0.95, 0.985, 1.4]) * p.half_width + 0.5 * wobble
        shown = _soft(np.minimum(y - top, beside - np.abs(x)), 1.8) * face
        width = p.half_width + (16 if p.long_hair else 8)
        outer = 1 - np.hypot(x / width, (y - 104) / 101.0) + 0.010 * self.noise(6.0)
        region = _soft(outer, 0.020)
        if p.long_hair:
            half = p.half_width + 15 + 0.04 * (y - 120) - 0.0016 * np.clip(y - 190, 0, None) ** 2
            strip = _soft(half - np.abs(x), 1.5) * _soft(
                np.abs(x) - 0.90 * p.half_width + 0.010 * (y - 120), 2
            )
            region = np.maximum(region * _soft(150 - y, 20), strip * _soft(y - 100, 4) * _soft(300 - y, 12))
        else:
            region = region * _soft(142 - y, 3)
        cover = region * (1 - shown)
        soft = self.blur(cover, 4.0)
        image *= (1 - 0.30 * soft * (1 - cover))[..., None]
        sheen = np.exp(-((y - 32 - 0.002 * x**2) ** 2) / (2 * 11**2))
        self.locks(image, cover, sheen=sheen, edge=0.40 * np.exp(-np.clip(outer, 0, None) / 0.07) * (y < 120))
        # single hairs across the edge
        n = 420
        t = rng.uniform(-0.85, 0.85, n)
        above = p.hairline + (0.0048 if p.long_hair else 0.0030) * (t * p.half_width) ** 2
        root = np.stack([128 + t * p.half_width, above - 5 + rng.uniform(-6, 3, n)], 1)
        fall = np.stack([t * 6 + rng.normal(0, 2.5, n), rng.uniform(4, 11, n)], 1)
        lines = np.stack([root, root + 0.5 * fall + rng.normal(0, 0.5, (n, 2)), root + fall], 1)
        self.over(image, np.array(p.hair) * 0.9 + 4, 0.50 * self.strokes(lines))

    def backdrop(self) -> Array:
        """Wall, shirt, neck and ears: what is behind the face."""
        p, x, y = self.p, self.x - 128, self.y
        image = np.empty((SIDE, SIDE, 3), np.float32)
        image[:] = 0
        wall = np.full((SIDE, SIDE), WALL, np.float32)
        for size, sd in WALL_GRAIN:
            wall += np.float32(sd) * self.noise(size)
        image += wall[..., None] * np.array(WALL_TINT, np.float32)
        skin = np.array(p.skin, np.float32)
        grain = 1 - 0.06 * (self.noise(1.1) + self.noise(2.5))
        if p.long_hair:
            self.hair_behind(image)
        for side in () if p.long_hair else (-1, 1):
            ear = np.hypot((x - side * (p.half_width + 1)) / 9.5, (y - p.eye_y - 15 - 0.1 * side * 0) / 21)
            rim = np.exp(-((ear - 0.72) ** 2) / 0.02)
            tone = (0.62 + 0.10 * rim - 0.16 * np.exp(-(ear**2) / 0.12)) * grain
            self.over(image, skin * np.array([1.02, 0.92, 0.9]) * tone[..., None], _soft(1 - ear, 0.05))
        neck = (
            0.60 * p.half_width * (1.08 if not p.long_hair else 0.92)
            + 0.004 * (y - 250) ** 2 * (y > 250)
            - np.abs(x)
        )
        under = 0.44 + 0.26 * _soft(y - p.chin - 12 - 0.002 * x**2, 18)
        round_ = 1 - 0.30 * (x / (0.62 * p.half_width)) ** 2
        self.over(
            image,
            skin * np.array([1.0, 0.93, 0.9]) * (under * round_ * grain)[..., None],
            _soft(neck, 1.2) * _soft(y - 150, 3),
        )
        shoulder = y - (268 + 0.0016 * x**2 - 10 * np.exp(-((np.abs(x) - 55) ** 2) / 300))
        cloth = (0.8 + 0.12 * self.noise(1.1) + 0.10 * self.noise(6.0) - 0.002 * np.abs(x)) * (
            1 - 0.25 * np.exp(-np.clip(shoulder, 0, None) / 5)
        )
        self.over(image, np.array(p.shirt) * cloth[..., None], _soft(shoulder, 1.2))
        return image


def paint(person: Person) -> Array:
    """The texture of a face, (SIDE, SIDE, 3) float32 RGB, 0-255: at rest, eyes open, looking ahead."""
    painter = _Painter(person)
    z, mask, _ = painter.surface()
    image = painter.backdrop()
    face = painter.skin(z)
    nose = painter.within(128 - 34, 128 + 34, person.nose_y - 14, person.nose_y + 22)
    nose.nostrils(nose.part(face))
    mouth = painter.within(128 - 42, 128 + 42, person.mouth_y - 18, person.mouth_y + 26)
    mouth.lips(mouth.part(face))
    painter.eyes(face)
    brow = painter.within(128 - 74, 128 + 74, person.brow_y - 18, person.brow_y + 20)
    brow.brows(brow.part(face))
    painter.over(image, face, mask)
    painter.hair(image, mask)
    return np.clip(painter.blur(image, 0.30), 0, 255)
