"""Networks that make tokens of pictures of faces, found by name; torch is imported with the one asked for.

A backbone file offers one ``@registered`` class: ``Class(weights=, image_size=, random=)`` is a module that
turns pictures (n, 3, height, width), float from 0 to 1, into tokens (n, tokens, dim), the grid's rows one
after another. It has ``dim``, ``n_tokens``, ``image_size`` (side, in pixels, that the pictures are resized
to) and the ``mean`` and ``std`` that they are scaled by. ``find_weights(weights)`` of the file says which
files the weights come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core import InputError, Registry

if TYPE_CHECKING:
    import torch

    from mien.vision.backbones._base import Backbone

__all__ = ["create", "names", "tokens_of", "weight_files"]

_REGISTRY = Registry("backbone", "mien.vision.backbones")


def names() -> list[str]:
    """Names of all backbones; imports none of them."""
    return _REGISTRY.names()


def create(
    name: str,
    *,
    weights: str | Path | None = None,
    image_size: int | None = None,
    random: bool = False,
    seed: int = 0,
) -> Backbone:
    """A backbone by name.

    Parameters
    ----------
    name
        A registered backbone, see :func:`names`.
    weights
        A file or folder on this computer, or what else the backbone's page says; default: what the asset
        list knows, for those that are on it. Nothing is downloaded.
    image_size
        Side in pixels that pictures are resized to; default: what the weights were trained with.
    random
        Fresh random weights instead, to train from scratch or to measure time.
    seed
        Seed of these; the random state of torch stays as it is.

    Raises
    ------
    UnknownNameError
        There is no such backbone.
    InputError
        The weights are not there, or do not fit; both ``weights`` and ``random`` were given.
    """
    import torch

    build = _REGISTRY.get(name)
    if random and weights is not None:
        raise InputError(f"{name!r} with weights and random=True", remedy="leave one of them out")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made: Backbone = build(weights=weights, image_size=image_size, random=random)
    return made


def weight_files(name: str, weights: str | Path | None = None) -> tuple[Path, ...]:
    """The files that a backbone's weights would be read from; none where it needs none.

    Raises
    ------
    UnknownNameError
        There is no such backbone.
    InputError
        They are not there.
    """
    find: Any = getattr(_REGISTRY.module(name), "find_weights", None)
    found: Sequence[Path] = () if find is None else find(weights)
    return tuple(found)


def tokens_of(
    backbone: Backbone,
    images: torch.Tensor,
    *,
    micro_batch: int | None = None,
    checkpoint: bool = False,
    frozen: bool = False,
) -> torch.Tensor:
    """Tokens (n, tokens, dim) of pictures, within bounded memory; the same numbers either way.

    Parameters
    ----------
    backbone
        A module that :func:`create` made, or one like it.
    images
        (n, 3, height, width): float from 0 to 1, or uint8.
    micro_batch
        Pictures that go through the backbone at once; default: all.
    checkpoint
        Keep no activations of the backbone for the backward pass but compute them again there, one micro
        batch after another (Chen et al. 2016, "Training deep nets with sublinear memory cost"): a step holds
        the activations of one micro batch, and takes one more forward pass.
    frozen
        No gradient into the backbone, which is in evaluation mode meanwhile: nothing of it is kept.

    Raises
    ------
    InputError
        The pictures have another shape, or the micro batch is not positive.
    """
    import torch
    from torch.utils.checkpoint import checkpoint as recomputed

    if images.ndim != 4 or images.shape[1] != 3:
        raise InputError(f"pictures of shape {tuple(images.shape)}", expected="(n, 3, height, width)")
    if micro_batch is not None and micro_batch < 1:
        raise InputError(f"micro_batch {micro_batch!r}", expected="1 or more")
    if len(images) == 0:
        return images.new_zeros((0, backbone.n_tokens, backbone.dim), dtype=torch.float32)

    def forward(part: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = backbone(part.float() / 255 if part.dtype == torch.uint8 else part)
        return found

    parts = images.split(micro_batch or len(images))
    if not frozen:
        if checkpoint and torch.is_grad_enabled():
            return torch.cat([recomputed(forward, part, use_reentrant=False) for part in parts])
        return torch.cat([forward(part) for part in parts])
    was_training = backbone.training
    backbone.eval()
    try:
        with torch.no_grad():
            return torch.cat([forward(part) for part in parts])
    finally:
        backbone.train(was_training)
