"""A small convolutional network to train from scratch on crops of faces: 49 tokens of 64."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from mien.core import InputError, registered
from mien.vision.backbones._base import Backbone, as_tokens, side_of
from mien.vision.backbones._weights import load, read_tensors

WIDTHS = (16, 32, 48, 64)
GROUPS = 8


@registered
class SmallCnn(Backbone):
    """Four blocks of convolution, group normalisation (Wu and He 2018) and GELU, each halving the picture.

    112 pixels become a grid of 7 x 7; 46,832 parameters. A picture's tokens do not depend on the others of
    its batch. It starts at random and learns with what stands behind it; ``weights`` is a file of what was
    learnt: ``.safetensors`` or the state dictionary that torch saves.
    """

    def __init__(
        self, *, weights: str | Path | None = None, image_size: int | None = None, random: bool = False
    ) -> None:
        side = side_of(image_size, default=112, multiple=16)
        super().__init__(dim=WIDTHS[-1], n_tokens=(side // 16) ** 2, image_size=side)
        self.body = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False),
                    nn.GroupNorm(GROUPS, width),
                    nn.GELU(),
                )
                for before, width in zip((3, *WIDTHS[:-1]), WIDTHS, strict=True)
            )
        )
        for file in find_weights(weights):
            load(self, read_tensors(file), file=file)

    def tokens(self, images: Tensor) -> Tensor:
        """Tokens (n, (image_size / 16)², 64) of prepared pictures."""
        return as_tokens(self.body(images))


def find_weights(weights: str | Path | None) -> tuple[Path, ...]:
    """The file that was given, if any."""
    if weights is None:
        return ()
    if not Path(weights).is_file():
        raise InputError("is not there", file=weights, expected="a file of weights of 'small_cnn'")
    return (Path(weights),)
