"""Landmarks: frames a second in a video and as single images, and of alignment and regions.

The frames are the 72 of single_face.mp4 (640 x 360; python scripts/assets.py). MediaPipe's networks see them
at 128 and 256 px whatever their size, so that larger frames add only their own shrinking.

Run: python benchmarks/landmarks.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from _machine import best, describe

from mien.core.assets import find_asset
from mien.io.video import open_video
from mien.vision import align, regions
from mien.vision.landmarks import Landmarker


def main() -> None:
    """Print frames a second of each way, and of what follows."""
    print(describe("mediapipe", "opencv-contrib-python", "av"))
    video = open_video(find_asset("faces/single_face.mp4"))
    frames, times = video.read()
    large = np.stack([np.kron(f, np.ones((3, 3, 1), np.uint8)) for f in frames[:24]])
    report("frames read", video.read, len(frames))
    for size, shown in ((f"{video.size[0]} x {video.size[1]}", frames), ("1920 x 1080", large)):
        for what, options in (
            ("video, up to 4 faces", {}),
            ("video, 1 face, smoothed", {"max_faces": 1}),
            ("images, up to 4 faces", {"mode": "image"}),
        ):
            with Landmarker(**options) as landmarker:
                report(f"{what}, {size}", partial(landmarker.track, shown, times[: len(shown)]), len(shown))
    start = time.perf_counter()
    with Landmarker() as landmarker:
        print(f"{'setting a landmarker up':<44} {1e3 * (time.perf_counter() - start):8.0f} ms")
        faces = landmarker.track(frames, times)
    for way in ("lanczos", "cubic", "linear"):
        report(
            f"aligned to 256 x 256, {way}",
            partial(align.align_clip, frames, faces.points, interpolation=way),
            len(frames),
        )
    report("regions", lambda: [regions.region_masks(p, frames.shape[1:]) for p in faces.points], len(frames))


def report(what: str, function: Callable[[], Any], n_frames: int) -> None:
    """Print one line."""
    seconds = best(function, repeats=3)
    print(f"{what:<44} {n_frames / seconds:8.0f} frames/s {1e3 * seconds / n_frames:8.2f} ms a frame")


if __name__ == "__main__":
    main()
