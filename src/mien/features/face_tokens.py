"""Tokens of the crops of a face by a fixed backbone, so that they are computed once and not at every step."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import Features, InputError, registered
from mien.features._shared import Info
from mien.vision import backbones

INFO = Info(
    version="1",
    modality="face",
    scope="none",
    reaches="window",
    unit="the backbone's own",
    released_unit="the backbone's own",
    reads="face_crops",
)
BATCH = 32
"""Pictures in memory as floats at a time."""


@registered
def face_tokens(
    crops: Features,
    *,
    backbone: str = "gradients",
    weights: str | None = None,
    grid: int = 7,
    half: bool = False,
    face_crops: Mapping[str, Any] = {},
) -> Features:
    """Tokens (windows, instances, grid * grid, dim) of crops of a face, row by row of the picture.

    Parameters
    ----------
    crops
        Features of ``face_crops``: uint8 (windows, instances, 3, rows, columns); all zeros where no face was.
    backbone
        Name of a backbone, see :func:`mien.vision.backbones.names`. It is not trained here.
    weights
        Where its weights are, as :func:`mien.vision.backbones.create` takes it.
    grid
        The backbone's tokens are averaged onto a grid of so many rows and columns.
    half
        float16 values instead of float32: half the space, three digits.
    face_crops
        Options of the crops, for the extractor that makes them; not looked at here.

    Returns
    -------
    Features
        float32 (or float16). NaN where there is no crop, and valid where the crops are and a window has one
        crop at least.

    Raises
    ------
    UnknownNameError
        There is no such backbone.
    InputError
        The crops are no pictures, the grid is finer than the backbone's, or its weights are not there.
    """
    images: NDArray[Any] = crops.values
    if images.ndim != 5 or images.dtype != np.uint8 or images.shape[2] != 3:
        raise InputError(
            f"features of shape {images.shape} and type {images.dtype}",
            expected="uint8 (windows, instances, 3, rows, columns), as of 'face_crops'",
        )
    network = _network(backbone, weights, _stamp(backbone, weights))
    finest = round(network.n_tokens**0.5)
    if isinstance(grid, bool) or not isinstance(grid, int) or not 1 <= grid <= finest:
        raise InputError(
            f"grid {grid!r}", expected=f"a whole number, 1 to {finest}, the grid of {backbone!r}"
        )
    present: NDArray[np.bool_] = np.any(images, axis=(2, 3, 4))
    shape = (*images.shape[:2], grid**2, network.dim)
    values = np.full(shape, np.nan, dtype=np.float16 if half else np.float32)
    windows, instances = np.nonzero(present)
    for first in range(0, len(windows), BATCH):
        at = windows[first : first + BATCH], instances[first : first + BATCH]
        values[at] = _tokens(network, images[at], grid=grid)
    return Features(
        values=values,
        axes={
            "window": (),
            "instance": crops.axes["instance"],
            "token": tuple(map(str, range(grid**2))),
            "value": tuple(map(str, range(network.dim))),
        },
        starts=crops.starts,
        durations=crops.durations,
        extractor="face_tokens",
        version=INFO.version,
        valid=crops.valid & present.any(axis=1),
    )


def fingerprint(options: Mapping[str, Any]) -> str:
    """What the numbers depend on beside the options: the backbone and the BLAKE2b of its weights' files.

    Parameters
    ----------
    options
        Options of ``face_tokens``; those left out are at their defaults.

    Returns
    -------
    str
        ``""`` for a backbone without weights, such as ``"gradients"``.

    Raises
    ------
    UnknownNameError, InputError
        There is no such backbone, or its weights are not there.
    """
    backbone, weights = options.get("backbone", "gradients"), options.get("weights")
    digests = [_digest(*entry) for entry in _stamp(backbone, weights)]
    return " ".join([backbone, *digests]) if digests else ""


def example() -> Features:
    """Made-up crops: a dark line on a bright ground, at another height in each; two windows of two."""
    heights = np.arange(4).reshape(2, 2, 1, 1, 1) * 6 + 20
    rows = np.arange(48).reshape(1, 1, 1, 48, 1)
    shade = np.where(np.abs(rows - heights) < 3, 60, 200)
    return Features(
        values=np.broadcast_to(shade, (2, 2, 3, 48, 48)).astype(np.uint8),
        axes={
            "window": (),
            "instance": ("0", "1"),
            "rgb": ("r", "g", "b"),
            "row": tuple(map(str, range(48))),
            "column": tuple(map(str, range(48))),
        },
        starts=np.array([0.0, 3.0]),
        durations=np.array([3.0, 3.0]),
        extractor="face_crops",
        version="1",
        valid=np.ones(2, dtype=bool),
    )


def _tokens(network: Any, images: NDArray[np.uint8], *, grid: int) -> NDArray[np.float32]:
    """Tokens (n, grid * grid, dim) of pictures (n, 3, rows, columns)."""
    import torch
    import torch.nn.functional as F

    with _one_thread(), torch.inference_mode():
        tokens = backbones.tokens_of(network, torch.from_numpy(images))
        side = round(network.n_tokens**0.5)
        if side != grid:
            maps = tokens.transpose(1, 2).unflatten(2, (side, side))
            tokens = F.adaptive_avg_pool2d(maps, grid).flatten(2).transpose(1, 2)
    return tokens.numpy()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One thread, so that the bytes are the same for any number of workers, which share the cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


Stamp = tuple[tuple[Path, int, int], ...]
"""Files with their time of change in ns and size."""


def _stamp(backbone: str, weights: str | None) -> Stamp:
    if weights is not None and not isinstance(weights, str | Path):
        raise InputError(f"weights {weights!r}", expected="a path or a name")
    files = backbones.weight_files(backbone, weights)
    return tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in files)


@functools.lru_cache(maxsize=1)
def _network(backbone: str, weights: str | None, stamp: Stamp) -> Any:
    """The backbone, read once for all trials; ``stamp`` so that a file that changed is read again."""
    network = backbones.create(backbone, weights=weights).eval().requires_grad_(False)
    if not stamp and any(True for _ in network.parameters()):
        raise InputError(
            f"{backbone!r} without weights would give tokens of a random network",
            expected="weights: a file that it was trained into",
            remedy="give weights, or let a model train it on the crops themselves",
        )
    return network


@functools.lru_cache(maxsize=16)
def _digest(file: Path, changed: int, size: int) -> str:
    """BLAKE2b of a file's content; ``changed`` and ``size`` so that a file that changed is read again."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
