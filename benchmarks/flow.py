"""Optical flow at 256 by 256: pairs per second of each method, and how far it is from a flow that is known.

Run: python benchmarks/flow.py [--pairs N]

Made-up skin (waves of 5 to 100 px) is moved by smooth bumps of 0.3 to 3 px, exactly, and gets the noise of a
sensor, 2 of 255 grey levels. "bare" skin has a third of the contrast. "head" moves the whole by a similarity
of some pixels on top; there the error is that of what is left after the head's motion is taken off.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from _machine import describe
from numpy.typing import NDArray

from mien.vision.flow import METHODS, aligned_flow, endpoint_error, flow, remove_rigid, texture

Array = NDArray[Any]
SIZE = 256
NOISE = 2.0
AMPLITUDES = (0.3, 1.0, 3.0)


def bumps(rng: np.random.Generator, amplitude: float) -> Array:
    """Displacement (2, SIZE, SIZE) of four places of a face."""
    y, x = np.mgrid[:SIZE, :SIZE]
    field = np.zeros((2, SIZE, SIZE))
    for _ in range(4):
        (cx, cy), turn, reach = rng.uniform(64, 192, 2), rng.uniform(0, 2 * np.pi), rng.uniform(12, 26)
        weight = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * reach**2))
        field += weight * np.array([np.cos(turn), np.sin(turn)])[:, None, None]
    return field * amplitude / np.hypot(*field).max()


def head(rng: np.random.Generator) -> Array:
    """A similarity (2, 3): up to 4 px, 0.02 rad and 1 %."""
    turn, scale, shift = rng.uniform(-0.02, 0.02), rng.uniform(0.99, 1.01), rng.uniform(-4, 4, 2)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = np.full(2, (SIZE - 1) / 2)
    return np.column_stack([linear, shift + middle - linear @ middle])


def skin(rng: np.random.Generator, contrast: float) -> Callable[[Array, Array], Array]:
    """Grey values as a function of place."""
    length = np.geomspace(5, 100, 120)
    turn, phase = rng.uniform(0, 2 * np.pi, (2, 120))
    weight = length**0.7
    weight *= contrast / np.sqrt((weight**2).sum() / 2)

    def at(x: Array, y: Array) -> Array:
        total = np.full(x.shape, 120.0)
        for w, k, t, p in zip(weight, 2 * np.pi / length, turn, phase, strict=True):
            total += w * np.cos(k * np.cos(t) * x + k * np.sin(t) * y + p)
        return total

    return at


def pairs(n: int, *, contrast: float, moving: bool) -> Iterator[tuple[Array, Array, Array]]:
    """``n`` times first frame, second frame and true flow without the head's."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float64)
    for i in range(n):
        rng = np.random.default_rng([i, moving])
        field, grey = bumps(rng, AMPLITUDES[i % len(AMPLITUDES)]), skin(rng, contrast)
        motion = head(rng) if moving else np.eye(2, 3)
        back = np.linalg.inv(motion[:, :2])
        source = (back @ np.stack([x.ravel() - motion[0, 2], y.ravel() - motion[1, 2]])).reshape(
            2, SIZE, SIZE
        )
        clean = grey(x + field[0], y + field[1]), grey(*source)
        first, second = (
            np.clip(np.rint(c + NOISE * rng.standard_normal(c.shape)), 0, 255).astype(np.uint8) for c in clean
        )
        yield first, second, field


def measured(
    run: Callable[[Array, Array], Array], scenes: list[tuple[Array, Array, Array]]
) -> tuple[float, float]:
    """CPU seconds of a pair (the first does not count), and mean end-point error in px."""
    run(*scenes[0][:2])
    start = time.process_time()
    found = [run(first, second) for first, second, _ in scenes]
    seconds = (time.process_time() - start) / len(scenes)
    return seconds, float(
        np.mean([endpoint_error(f, truth) for f, (_, _, truth) in zip(found, scenes, strict=True)])
    )


def as_shipped() -> dict[str, Callable[[Array, Array], Array]]:
    """OpenCV's own settings on the frames as they are."""
    tvl1 = cv2.optflow.DualTVL1OpticalFlow_create()
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return {
        "OpenCV TV-L1": lambda a, b: np.moveaxis(tvl1.calc(a, b, None), -1, 0),
        "OpenCV DIS": lambda a, b: np.moveaxis(dis.calc(a, b, None), -1, 0),
        "OpenCV Farneback": lambda a, b: np.moveaxis(
            cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 15, 3, 5, 1.2, 0), -1, 0
        ),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=6, help="pairs of each kind (default 6)")
    n = parser.parse_args().pairs
    cv2.setNumThreads(1)
    print(describe("opencv-contrib-python"))
    print(f"one core, pairs of {SIZE} x {SIZE}, CPU time; mean end-point errors in px, {n} pairs each")
    kinds = {
        "skin": (30.0, False),
        "bare": (10.0, False),
        "skin, head": (30.0, True),
        "bare, head": (10.0, True),
    }
    scenes = {name: list(pairs(n, contrast=c, moving=m)) for name, (c, m) in kinds.items()}
    none = [np.mean([np.hypot(*truth).mean() for *_, truth in s]) for s in scenes.values()]
    print(f"{'':34} pairs/s   " + "   ".join(f"{name:>10}" for name in kinds))
    print(f"{'no motion at all':34} {'':7}   " + "   ".join(f"{e:10.3f}" for e in none))
    still: dict[str, Callable[[Array, Array], Array]] = as_shipped()
    for method in METHODS:
        still[method] = lambda a, b, m=method: flow(a, b, method=m, moving_head=False)
    for name, run in still.items():
        row = [measured(run, scenes[kind]) for kind in ("skin", "bare")]
        print_row(name, row)
    for method in METHODS:
        row = [measured(lambda a, b, m=method: aligned_flow(a, b, method=m).flow, s) for s in scenes.values()]
        print_row(f"{method}, head moved back first", row)
    row = [
        measured(
            lambda a, b: remove_rigid(flow(a, b, method="tvl1_fast", moving_head=False), texture=texture(a)),
            s,
        )
        for s in scenes.values()
    ]
    print_row("tvl1_fast, head's flow subtracted", row)


def print_row(name: str, row: list[tuple[float, float]]) -> None:
    """One method."""
    seconds = np.mean([s for s, _ in row])
    print(f"{name:34} {1 / seconds:7.1f}   " + "   ".join(f"{e:10.3f}" for _, e in row), flush=True)


if __name__ == "__main__":
    main()
