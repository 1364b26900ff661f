"""EfficientNet-Lite0, trained on ImageNet: 49 tokens of 1280 from pictures of 224 x 224.

Tan and Le, "EfficientNet: Rethinking model scaling for convolutional neural networks", ICML 2019
(arXiv:1905.11946), in the variant that Google published in 2020: no squeeze and excitation, ReLU6.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from mien.core import registered
from mien.vision.backbones._base import Backbone, as_tokens, side_of
from mien.vision.backbones._mobile import HEAD, Stack, Stage, fill, found_weights

STAGES = (
    Stage(expand=1, width=16, blocks=1, stride=1, kernel=3),
    Stage(expand=6, width=24, blocks=2, stride=2, kernel=3),
    Stage(expand=6, width=40, blocks=2, stride=2, kernel=5),
    Stage(expand=6, width=80, blocks=3, stride=2, kernel=3),
    Stage(expand=6, width=112, blocks=3, stride=1, kernel=5),
    Stage(expand=6, width=192, blocks=4, stride=2, kernel=5),
    Stage(expand=6, width=320, blocks=1, stride=1, kernel=3),
)
_MEAN = (127 / 255, 127 / 255, 127 / 255)
_STD = (128 / 255, 128 / 255, 128 / 255)
"""What the published network was trained with."""
_NAMES = {
    "stem": ("_conv_stem", "_bn0"),
    "head": ("_conv_head", "_bn1"),
    "expand": ("_expand_conv", "_bn0"),
    "filter": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}


@registered
class EfficientNetLite0(Backbone):
    """EfficientNet-Lite0 without its classifier: 3,371,008 parameters. Normalisation keeps its statistics.

    Weights: the asset ``efficientnet_lite0``, or a file with the same names.
    """

    def __init__(
        self, *, weights: str | Path | None = None, image_size: int | None = None, random: bool = False
    ) -> None:
        side = side_of(image_size, default=224, multiple=32)
        super().__init__(dim=HEAD, n_tokens=(side // 32) ** 2, image_size=side, mean=_MEAN, std=_STD)
        self.body = Stack(STAGES, eps=1e-3, same=True)
        if not random:
            fill(self.body, *find_weights(weights), names=_names(self.body), ignore="_fc.")

    def tokens(self, images: Tensor) -> Tensor:
        """Tokens (n, (image_size / 32)², 1280) of prepared pictures."""
        return as_tokens(self.body(images))


def find_weights(weights: str | Path | None) -> tuple[Path, ...]:
    """The file that was given, else the asset's."""
    return found_weights(weights, asset="efficientnet_lite0/efficientnet-lite0-57934424.pth")


def _names(body: Stack) -> dict[str, tuple[str, str]]:
    """The names of the published file, unit by unit."""
    named = {}
    for unit in body.units():
        head, _, part = unit.rpartition(".")
        start = f"_{head}." if head else ""
        named[unit] = (start + _NAMES[part][0], start + _NAMES[part][1])
    return named
