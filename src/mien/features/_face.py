"""What both recipes of the features of a clip share: which two frames, and a made-up clip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.core import Clip, Features, InputError


def positions(clip: Clip) -> tuple[int, int]:
    """The frames of onset and apex in a clip.

    The onset is the frame nearest to ``clip.onset`` (the first where nobody coded it), the apex the one
    nearest to ``clip.apex``; both must be within half a frame. Where nobody coded the apex it is the
    last frame of a clip of two, and else spotted, see :func:`mien.vision.apex.spot_apex`.

    Raises
    ------
    InputError
        There are not two frames, none lies at a coded time, or the onset is not before the apex.
    """
    if clip.n_frames < 2:
        raise InputError(f"a clip of {clip.n_frames} frames", expected="at least those of onset and apex")
    if clip.onset is not None and clip.apex is not None and clip.onset >= clip.apex:
        raise InputError(
            f"onset at {clip.onset:.4f} s and apex at {clip.apex:.4f} s", expected="the onset before the apex"
        )
    tolerance = 0.5 * float(np.median(np.diff(clip.times))) + 1e-6
    onset = 0 if clip.onset is None else clip.at(clip.onset, tolerance=tolerance)
    if clip.apex is not None:
        apex = clip.at(clip.apex, tolerance=tolerance)
    elif clip.n_frames == 2 or (clip.valid is not None and not clip.valid[onset]):
        apex = clip.n_frames - 1
    else:
        apex = _spotted(clip, onset)
    if onset >= apex:
        raise InputError(
            f"onset and apex are the frames {onset} and {apex} of the clip",
            expected="the onset before the apex",
        )
    return onset, apex


def valid(clip: Clip, onset: int, apex: int) -> bool:
    """Whether both frames mean something."""
    return clip.valid is None or bool(clip.valid[onset] and clip.valid[apex])


def as_features(
    maps: NDArray[np.float64],
    names: tuple[str, ...],
    clip: Clip,
    onset: int,
    apex: int,
    *,
    usable: bool,
    version: str,
) -> Features:
    """Maps (maps, rows, columns) as the one window of a clip, from onset to apex."""
    rows, columns = (tuple(map(str, range(n))) for n in maps.shape[1:])
    return Features(
        values=maps[None],
        axes={"window": (), "map": names, "row": rows, "column": columns},
        starts=clip.times[[onset]],
        durations=clip.times[[apex]] - clip.times[[onset]],
        extractor="flow",
        version=version,
        valid=np.array([usable]),
    )


def _spotted(clip: Clip, onset: int) -> int:
    from mien.vision.apex import spot_apex

    found = spot_apex(
        clip.frames, clip.times, onset=float(clip.times[onset]), offset=clip.offset, valid=clip.valid
    )
    return found.index


def example_clip() -> Clip:
    """Seven frames of a made-up face crop, 96 by 96 pixels at 100 fps; the mouth goes up and comes back."""
    size = 96
    y, x = np.mgrid[:size, :size] / size
    rng = np.random.default_rng(0)
    waves = [(rng.uniform(8, 45, 2) * rng.choice((-1, 1), 2), rng.uniform(0, 6.28)) for _ in range(40)]
    reach = np.exp(-(((x - 0.5) / 0.2) ** 2) - ((y - 0.75) / 0.1) ** 2)
    strength = 1.5 / size * np.sin(np.linspace(0, np.pi, 7))[:, None, None]
    moved = y + strength * reach
    face = sum(np.cos(kx * x + ky * moved + phase) for (kx, ky), phase in waves)
    frames = np.clip(np.rint(128 + 8 * face), 0, 255).astype(np.uint8)
    return Clip(frames=frames, times=2.0 + np.arange(7) / 100, onset=2.0, apex=2.03, offset=2.06)
