"""The face videos of a made-up DEAP: a painted face that moves by four signed sources.

A picture is held for some frames, as a de-interlaced camera of that time gives little more. Sources move the
face only in the stretches in which an expression is shown; outside them it rests, everybody's in its own way.
What else changes - how the head is held, blinks, the lamp, the sensor's noise - says nothing about the
sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import InputError, MissingPackageError
from mien.simulate import _mes_faces as faces
from mien.simulate import _mes_motion as motion
from mien.simulate._mes_motion import Bumps, Similarity, State

Floats = NDArray[np.float64]

SOURCES = ("mouth_corners", "brows", "eyes", "lips")
"""What moves, in order; positive: up, up, wide, apart."""
NEUTRAL = (0.0, 0.0, 0.0, 0.0)
LARGEST = 3.0
"""Sources are clipped at plus and minus this."""
WINDOW_SECONDS = 3.0
VIEW = 288
"""Pixels of the cropped picture that the shorter side of a frame shows; the face takes 160 to 170 of them."""
QUALITY = 20
"""Of the quantiser, the same for all frames, 0 (best) to 51."""
KEY_SECONDS = 1.0
BLINKS_PER_MINUTE, BLINK_SECONDS, BLINK_PX = 12.0, 0.25, 6.0
DRIFT = np.array([4.0, 3.0, 0.025, 0.02])
"""Of the head: px of the cropped picture to the right and down, radians, growth."""
DRIFT_SECONDS = (7.0, 40.0)
"""Shortest and longest period of the head's motion."""
NOISE_ROOM = 480
"""By how many pixels the picture of noise is larger than a frame."""

# what a source moves: point of the mesh, direction (out from the middle of the face, down), reach in px
_MOVES: dict[str, tuple[tuple[str, tuple[float, float], float], ...]] = {
    "mouth_corners": (("lip_corner", (0.35, -1.0), 16), ("fold", (0.2, -0.4), 18)),
    "brows": (("brow_in", (0.0, -0.9), 17), ("brow_mid", (0.0, -0.5), 16), ("brow_out", (0.0, -0.6), 17),
        ("forehead_in", (0.0, -0.4), 20)),
    "eyes": (("lid_up", (0.0, -1.0), 10), ("lid_low", (0.0, 0.72), 10)),
    "lips": (("lip_low_mid", (0.0, 1.0), 14), ("lip_low_side", (0.0, 0.8), 13),
        ("lip_up_mid", (0.0, -0.6), 12), ("lip_up_side", (0.0, -0.3), 11)),
}  # fmt: skip
_PEAK = {"mouth_corners": 4.5, "brows": 4.5, "eyes": 2.6, "lips": 3.4}
"""Largest displacement in px of the cropped picture at a source of 1, 2 to 3 % of the width of a face; less
for the eyes, whose lids are too near each other to part further at a source of 3."""


def write_trial(
    path: str | Path,
    *,
    seed: int,
    subject: int,
    trial: int,
    sources: ArrayLike,
    shown: ArrayLike,
    seconds: float,
    rate: int = 50,
    rest: ArrayLike = NEUTRAL,
    hold: int = 5,
    size: tuple[int, int] = (160, 160),
) -> int:
    """Write the face video of a trial as H.264 in an AVI file; the same input gives the same bytes.

    Parameters
    ----------
    path
        The file to write.
    seed, subject, trial
        Choose the face (seed and subject), and the head's motion, blinks and noise (all three).
    sources
        (windows, 4): the four sources in each window of 3 s, see :data:`SOURCES`. The displacement is linear
        in them; at 1 the point that moves most moves by 2 to 3 % of the width of the face (eyes: 1.6 %).
    shown
        (stretches, 2): starts and ends, in seconds, of the stretches in which the face shows the sources of
        the window that a stretch starts in; a picture belongs to the stretch that its middle is in.
    seconds
        Length of the video.
    rate
        Frames per second.
    rest
        (4,): the sources outside the stretches, which are this person's face at rest.
    hold
        Frames for which the picture stays the same.
    size
        Width and height in px, even.

    Returns
    -------
    int
        Number of frames.
    """
    n, step = round(seconds * rate), hold / rate
    expressed = _plan(sources, shown, n=-(-n // hold), step=step, rest=rest)
    rng = np.random.default_rng([seed, 81, subject, trial])
    pictures = _pictures(_actor(seed, subject, size), expressed, rng, step=step)
    _encode(Path(path), pictures, n=n, rate=rate, hold=hold, size=size)
    return n


@dataclass(frozen=True, kw_only=True, eq=False)
class Actor:
    """One person before the camera: the texture (uint8) and how the sources move it."""

    texture: NDArray[np.uint8]
    scale: float
    """Texture pixels per pixel of the cropped picture."""
    x: Floats
    y: Floats
    bumps: tuple[Bumps, ...]
    """One of each source at 1, then a blink."""

    def source(self, levels: Floats, pose: Similarity) -> NDArray[np.float32]:
        """Points of the cropped picture, (height, width, 2), that are seen at the pixels of a frame;
        ``levels`` are those of ``bumps``."""
        at = np.concatenate([b.at for b in self.bumps])
        by = np.concatenate([level * b.by for level, b in zip(levels, self.bumps, strict=True)])
        reach = np.concatenate([b.reach for b in self.bumps])
        state = State(pose=pose, bumps=Bumps(at=at, by=by, reach=reach).posed(pose))
        return state.source(self.x, self.y)

    def picture(self, levels: Floats, pose: Similarity) -> NDArray[np.uint8]:
        """The face, (height, width, 3), without noise."""
        import cv2

        half = np.float32(0.5)
        maps = (self.source(levels, pose) + half + np.float32(faces.MARGIN)) * np.float32(self.scale) - half
        seen = cv2.remap(self.texture, maps, motion.NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(seen, dtype=np.uint8)


@lru_cache(maxsize=4)
def _actor(seed: int, subject: int, size: tuple[int, int]) -> Actor:
    import cv2

    person = faces.draw_person(seed, subject)
    zoom = min(size) / VIEW
    side = round(min(1.0, zoom) * faces.SIDE)  # two texture pixels per pixel of the frame
    texture = cv2.resize(faces.paint(person), (side, side), interpolation=cv2.INTER_AREA)
    x, y = (
        np.asarray((np.arange(n) - (n - 1) / 2) / zoom + (faces.SIZE - 1) / 2, dtype=np.float64) for n in size
    )
    blink, _ = motion.unit_bumps(person, motion.BLINK)
    blink = Bumps(at=blink.at, by=BLINK_PX * blink.by, reach=blink.reach)
    return Actor(
        texture=np.clip(np.rint(texture), 0, 255).astype(np.uint8),
        scale=side / (faces.SIZE + 2 * faces.MARGIN),
        x=x,
        y=y,
        bumps=(*(source_bumps(person, name) for name in SOURCES), blink),
    )


def source_bumps(person: faces.Person, source: str) -> Bumps:
    """What a source of 1 displaces."""
    points = motion.mesh(person)
    middle = faces.SIZE / 2
    at, by, reach = [], [], []
    for name, (out, down), size in _MOVES[source]:
        dx, y = points[name]
        for sign in (-1, 1) if dx else (0,):
            at.append((middle + sign * dx, y))
            by.append((sign * out, down))
            reach.append(float(size))
    bumps = Bumps(at=np.array(at), by=np.array(by), reach=np.array(reach))
    grid = np.arange(0, faces.SIZE, 2.0)
    most = np.sqrt((bumps.grid(grid, grid) ** 2).sum(axis=0)).max()
    return Bumps(at=bumps.at, by=bumps.by * (_PEAK[source] / most), reach=bumps.reach)


def _plan(sources: ArrayLike, shown: ArrayLike, *, n: int, step: float, rest: ArrayLike = NEUTRAL) -> Floats:
    """What each of n pictures shows of the sources, (n, 4)."""
    values = np.clip(np.asarray(sources, dtype=np.float64), -LARGEST, LARGEST)
    if values.ndim != 2 or values.shape[1] != len(SOURCES):
        raise ValueError(f"sources must be (windows, {len(SOURCES)}), got {values.shape}")
    out = np.tile(np.clip(np.asarray(rest, dtype=np.float64), -LARGEST, LARGEST), (n, 1))
    middle = (np.arange(n) + 0.5) * step
    for start, stop in np.asarray(shown, dtype=np.float64).reshape(-1, 2):
        window = int((start + 1e-6) // WINDOW_SECONDS)
        if not 0 <= window < len(values):
            raise ValueError(f"a stretch starts at {start:g} s, outside the {len(values)} windows")
        out[(middle >= start) & (middle < stop)] = values[window]
    return out


def _pictures(
    actor: Actor, expressed: Floats, rng: np.random.Generator, *, step: float
) -> Iterator[NDArray[np.uint8]]:
    """The pictures (height, width, 3) of a trial, ``step`` seconds apart, as the sensor gives them."""
    import cv2

    n, height, width = len(expressed), len(actor.y), len(actor.x)
    times = np.asarray((np.arange(n) + 0.5) * step, dtype=np.float64)
    levels = np.column_stack([expressed, _blinks(times, rng)])
    poses = _poses(times, rng)
    light = 1 + motion.FLICKER * rng.standard_normal(n)
    # a new cut of one large picture of noise for every picture
    shape = (height + NOISE_ROOM, width + NOISE_ROOM, 3)
    grain = 128 + np.float32(motion.NOISE_SD) * rng.standard_normal(shape, dtype=np.float32)
    grain = np.rint(grain).astype(np.uint8)
    corners = rng.integers(0, NOISE_ROOM, (n, 2))
    for level, pose, lamp, (i, j) in zip(levels, poses, light, corners, strict=True):
        clean = actor.picture(level, Similarity.of(pose))
        noise = grain[i : i + height, j : j + width]
        yield np.asarray(cv2.addWeighted(clean, float(lamp), noise, 1.0, -128.0), dtype=np.uint8)


def _blinks(times: Floats, rng: np.random.Generator) -> Floats:
    """How far the lids are closed at each time, 0 to 1."""
    length = float(times[-1]) if len(times) else 0.0
    starts = rng.uniform(0, length, rng.poisson(BLINKS_PER_MINUTE * length / 60))
    since = times[:, None] - np.append(starts, np.inf)
    closing = np.where(
        (since > 0) & (since < BLINK_SECONDS), np.sin(np.pi * np.maximum(since, 0) / BLINK_SECONDS) ** 2, 0
    )
    return np.asarray(closing.max(axis=1), dtype=np.float64)


def _poses(times: Floats, rng: np.random.Generator) -> Floats:
    """How the head is held, (times, 4): x, y, turn and growth of :class:`Similarity`, each a sum of slow
    waves about a place of its own."""
    periods = np.exp(rng.uniform(np.log(DRIFT_SECONDS[0]), np.log(DRIFT_SECONDS[1]), (3, 4)))
    phases = rng.uniform(0, 2 * np.pi, (3, 4))
    waves = np.sin(2 * np.pi * times[:, None, None] / periods + phases).mean(axis=1)
    place = np.clip(rng.standard_normal(4), -2, 2)
    return np.asarray(DRIFT * (waves + place), dtype=np.float64)


def _encode(
    path: Path,
    pictures: Iterator[NDArray[np.uint8]],
    *,
    n: int,
    rate: int,
    hold: int,
    size: tuple[int, int],
) -> None:
    """Write n frames, each picture ``hold`` times."""
    try:
        import av
    except ImportError as error:
        raise MissingPackageError("av", "writing videos") from error
    if "libx264" not in av.codecs_available:
        raise InputError(
            "the installed av cannot write H.264",
            expected="the encoder libx264",
            remedy="install av from PyPI, or leave the videos out",
        )
    tick = Fraction(1, rate)
    with av.open(str(path), "w", format="avi", options={"fflags": "+bitexact"}) as file:
        stream = file.add_stream("libx264", rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.thread_count = 1
        context.flags |= av.codec.context.Flags.bitexact
        context.options = {
            "preset": "ultrafast",
            "qp": str(QUALITY),
            "g": str(round(KEY_SECONDS * rate)),
            "bf": "0",
            "threads": "1",
        }
        context.time_base = tick
        for k, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.time_base = tick
            for at in range(k * hold, min((k + 1) * hold, n)):
                frame.pts = at
                file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
