"""Writing made-up camera clips as Motion JPEG."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import MissingPackageError

QUALITY = 3
"""Scale of the quantiser, 2 (best) to 31."""


def write_avi(path: Path, frames: Iterable[NDArray[np.uint8]], *, rate: int, size: tuple[int, int]) -> int:
    """Write RGB frames (height, width, 3), one in memory at a time; ``size`` is (width, height).

    The same frames give the same bytes: one thread, no date, no name of the encoder.

    Returns
    -------
    int
        Number of frames.
    """
    try:
        import av
    except ImportError as error:
        raise MissingPackageError("av", "writing videos") from error
    n = 0
    with av.open(str(path), "w", format="avi", options={"fflags": "+bitexact"}) as file:
        stream = file.add_stream("mjpeg", rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p"
        context = stream.codec_context
        context.thread_count = 1
        context.flags |= av.codec.context.Flags.bitexact | av.codec.context.Flags.qscale
        context.options = {"qmin": str(QUALITY), "qmax": str(QUALITY)}
        context.time_base = Fraction(1, rate)
        for n, frame in enumerate(frames, start=1):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24").reformat(
                format="yuvj420p"
            )
            picture.pts = n - 1
            picture.time_base = Fraction(1, rate)
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    return n
