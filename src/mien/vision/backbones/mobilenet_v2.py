"""MobileNetV2, trained on ImageNet: 49 tokens of 1280 from pictures of 224 x 224.

Sandler et al., "MobileNetV2: Inverted residuals and linear bottlenecks", CVPR 2018 (arXiv:1801.04381),
table 2. The weights are those of torchvision.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from mien.core import registered
from mien.vision.backbones._base import Backbone, as_tokens, side_of
from mien.vision.backbones._mobile import HEAD, Stack, Stage, fill, found_weights

STAGES = (
    Stage(expand=1, width=16, blocks=1, stride=1),
    Stage(expand=6, width=24, blocks=2, stride=2),
    Stage(expand=6, width=32, blocks=3, stride=2),
    Stage(expand=6, width=64, blocks=4, stride=2),
    Stage(expand=6, width=96, blocks=3, stride=1),
    Stage(expand=6, width=160, blocks=3, stride=2),
    Stage(expand=6, width=320, blocks=1, stride=1),
)


@registered
class MobileNetV2(Backbone):
    """MobileNetV2 without its classifier: 2,223,872 parameters. Normalisation keeps its statistics.

    Weights: the asset ``mobilenet_v2``, or a file with the same names.
    """

    def __init__(
        self, *, weights: str | Path | None = None, image_size: int | None = None, random: bool = False
    ) -> None:
        side = side_of(image_size, default=224, multiple=32)
        super().__init__(dim=HEAD, n_tokens=(side // 32) ** 2, image_size=side)
        self.body = Stack(STAGES, eps=1e-5, same=False)
        if not random:
            fill(self.body, *find_weights(weights), names=_names(self.body), ignore="classifier.")

    def tokens(self, images: Tensor) -> Tensor:
        """Tokens (n, (image_size / 32)², 1280) of prepared pictures."""
        return as_tokens(self.body(images))


def find_weights(weights: str | Path | None) -> tuple[Path, ...]:
    """The file that was given, else the asset's."""
    return found_weights(weights, asset="mobilenet_v2/mobilenet_v2-b0353104.pth")


def _names(body: Stack) -> dict[str, tuple[str, str]]:
    """torchvision's names: parts of a block are counted, an expansion and a filter being pairs."""
    last = len(body.blocks) + 1
    named = {"stem": ("features.0.0", "features.0.1"), "head": (f"features.{last}.0", f"features.{last}.1")}
    for unit in body.units():
        if unit in named:
            continue
        _, block, part = unit.split(".")
        start = f"features.{int(block) + 1}.conv."
        expands = body.blocks[int(block)].expand is not None
        at = {"expand": 0, "filter": expands, "project": expands + 1}[part]
        pair = (f"{at:d}", f"{at + 1:d}") if part == "project" else (f"{at:d}.0", f"{at:d}.1")
        named[unit] = (start + pair[0], start + pair[1])
    return named
