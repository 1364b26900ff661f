"""Peak memory of going through a long 2048 x 1088 video, against a tenth of it: one minute and ten.

One second is encoded, and its packets are written again and again with later times. Each video is gone
through in a process of its own: every frame decoded block by block, cut to 256 x 256 by a similarity
transform, and the first of each block shown to the landmarker where its model is on the computer. Peak at ten
minutes must be at most 1.1 x the peak at one, and at most 1.5 GB.

Run: python benchmarks/video_memory.py [minutes [frames a second]]      (default: 10 30)
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from _machine import describe

WIDTH, HEIGHT = 2048, 1088
GROWTH, MOST = 1.1, 1.5e9


def write_second(path: Path, rate: int) -> None:
    """One second of a soft pattern that drifts."""
    import av
    import cv2

    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT // 32, WIDTH // 32, 3), dtype=np.uint8)
    picture = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "30", "g": str(rate)}
        for i in range(rate):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, 2 * i, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def repeat(second: Path, path: Path, times: int) -> None:
    """The packets of a video again and again, each time a second later."""
    import av

    with av.open(str(second)) as source, av.open(str(path), "w") as container:
        given = source.streams.video[0]
        stream = container.add_stream_from_template(given)
        shift = int(1 / Fraction(given.time_base))
        for i in range(times):
            source.seek(0, stream=given)
            for packet in source.demux(given):
                if packet.dts is not None:
                    packet.pts, packet.dts, packet.stream = (
                        packet.pts + i * shift,
                        packet.dts + i * shift,
                        stream,
                    )
                    container.mux(packet)


def go_through(path: Path) -> tuple[int, float]:
    """Frames decoded, and the seconds they are spread over."""
    import contextlib

    from mien.core import InputError
    from mien.io.video import open_video
    from mien.vision import align
    from mien.vision.landmarks import Landmarker

    video = open_video(path)
    cut = np.array([[0.25, 0, -100], [0, 0.25, -5]])
    n_frames, last = 0, 0.0
    with contextlib.ExitStack() as stack:
        landmarker = None
        with contextlib.suppress(InputError):
            landmarker = stack.enter_context(Landmarker())
        for frames, times in video.blocks():
            align.warp(frames, cut, size=256)
            if landmarker is not None:
                landmarker.track(frames[:1], times[:1], go_on=n_frames > 0)
            n_frames, last = n_frames + len(frames), float(times[-1])
    return n_frames, last - float(video.times[0])


def alone(function: Callable[..., Any], *given: Any) -> tuple[Any, float, float]:
    """A function in a process of its own, with that process's peak memory in bytes and its seconds."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (function, given))


def _measured(function: Callable[..., Any], given: tuple[Any, ...]) -> tuple[Any, float, float]:
    start = time.perf_counter()
    made = function(*given)
    return made, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, time.perf_counter() - start


def main() -> int:
    """Exit code 1 if a bar is missed."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    rate = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    print(describe("av", "opencv-contrib-python", "mediapipe"))
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        second, path = Path(folder) / "second.mp4", Path(folder) / "long.mp4"
        alone(write_second, second, rate)
        for length in (minutes / 10, minutes):
            repeat(second, path, round(60 * length))
            (n_frames, span), peak, seconds = alone(go_through, path)
            peaks.append(peak)
            print(
                f"{length:5.1f} min, {n_frames:7,} frames over {span:6.1f} s, file of "
                f"{path.stat().st_size / 1e6:6.1f} MB: peak {peak / 1e6:6.1f} MB, "
                f"{n_frames / seconds:5.1f} frames/s"
            )
    growth = peaks[1] / peaks[0]
    print(f"peak grows {growth:.3f} x (at most {GROWTH}); {peaks[1] / 1e9:.2f} GB (at most {MOST / 1e9:g})")
    return int(growth > GROWTH or peaks[1] > MOST)


if __name__ == "__main__":
    sys.exit(main())
