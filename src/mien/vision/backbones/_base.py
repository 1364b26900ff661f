"""What all backbones share: pictures are resized and scaled, and what that takes is written on them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mien.core import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Mean and standard deviation of red, green and blue that networks trained on ImageNet are given."""


class Backbone(nn.Module):
    """A network that turns pictures into a square grid of tokens.

    Attributes
    ----------
    dim, n_tokens
        Size of a token, and how many there are.
    image_size
        Side in pixels that pictures are resized to.
    mean, std
        What red, green and blue (0 to 1) are scaled by.
    """

    def __init__(
        self,
        *,
        dim: int,
        n_tokens: int,
        image_size: int,
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.dim, self.n_tokens, self.image_size = dim, n_tokens, image_size
        self.mean, self.std = mean, std

    def forward(self, images: Tensor) -> Tensor:
        """Tokens (n, n_tokens, dim) of pictures (n, 3, height, width), float from 0 to 1."""
        return self.tokens(self.prepare(images))

    def prepare(self, images: Tensor) -> Tensor:
        """Pictures (n, 3, image_size, image_size), bilinear with a low-pass where they shrink, and scaled."""
        side = (self.image_size, self.image_size)
        if tuple(images.shape[2:]) != side:
            images = F.interpolate(images, side, mode="bilinear", align_corners=False, antialias=True)
        mean = images.new_tensor(self.mean)[:, None, None]
        std = images.new_tensor(self.std)[:, None, None]
        return (images - mean) / std

    def tokens(self, images: Tensor) -> Tensor:
        """Tokens of prepared pictures."""
        raise NotImplementedError


def as_tokens(maps: Tensor) -> Tensor:
    """(n, channels, rows, columns) as (n, rows * columns, channels), row by row."""
    return maps.flatten(2).transpose(1, 2)


def side_of(image_size: int | None, *, default: int, multiple: int, least: int = 1) -> int:
    """A side that pictures can have, checked."""
    side = default if image_size is None else image_size
    if isinstance(side, bool) or not isinstance(side, int) or side < max(multiple, least) or side % multiple:
        from_least = f" from {least} on" if least > 1 else ""
        raise InputError(
            f"image_size {side!r}", expected=f"a multiple of {multiple}{from_least}, such as {default}"
        )
    return side


def no_weights(name: str, weights: object) -> None:
    """Refuse weights where there is nothing to load."""
    if weights is not None:
        raise InputError(f"{name!r} was given weights {str(weights)!r}", expected="none: it has no weights")
