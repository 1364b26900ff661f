"""Inverted residual blocks, of which MobileNetV2 and EfficientNet-Lite0 are stacked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from mien.core import InputError
from mien.core.assets import find_asset
from mien.vision.backbones._weights import load, read_tensors

STEM, HEAD = 32, 1280
"""Channels of the first and the last convolution."""


class Stage(NamedTuple):
    """Blocks of one width: ``expand`` times as many channels inside, the first block with the stride."""

    expand: int
    width: int
    blocks: int
    stride: int
    kernel: int = 3


class Unit(nn.Module):
    """Convolution, normalisation with fixed statistics, and ReLU6 unless it projects.

    The statistics stay those that were loaded, in training too: frames of one face are no sample of pictures,
    and tokens of a picture must not depend on what else is in the batch.
    """

    def __init__(
        self,
        before: int,
        after: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        rectify: bool = True,
        eps: float,
        same: bool,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride=stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(after, eps=eps).eval()
        self.rectify, self.same = rectify, same
        nn.init.normal_(self.conv.weight, std=math.sqrt(2 * groups / (kernel**2 * before)))

    def train(self, mode: bool = True) -> Unit:
        """Training mode for everything but the statistics."""
        super().train(mode)
        self.norm.eval()
        return self

    def forward(self, maps: Tensor) -> Tensor:
        """The unit applied; with a stride of 1 the picture keeps its size."""
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        if kernel > 1:
            around = max(kernel - stride, 0) if self.same else 2 * (kernel // 2)
            first = around // 2
            maps = F.pad(maps, (first, around - first, first, around - first))
        maps = self.norm(self.conv(maps))
        return F.relu6(maps) if self.rectify else maps


class Block(nn.Module):
    """Expand, filter each channel, project; with what came in added where the shapes allow it."""

    def __init__(
        self, before: int, after: int, *, expand: int, kernel: int, stride: int, eps: float, same: bool
    ) -> None:
        super().__init__()
        inner = before * expand
        self.expand = Unit(before, inner, eps=eps, same=same) if expand > 1 else None
        self.filter = Unit(inner, inner, kernel=kernel, stride=stride, groups=inner, eps=eps, same=same)
        self.project = Unit(inner, after, rectify=False, eps=eps, same=same)
        self.adds = stride == 1 and before == after

    def forward(self, maps: Tensor) -> Tensor:
        """The block applied."""
        found = self.filter(maps if self.expand is None else self.expand(maps))
        found = self.project(found)
        return maps + found if self.adds else found


class Stack(nn.Module):
    """Stem, blocks and head: (n, 3, side, side) to (n, 1280, side / 32, side / 32).

    Parameters
    ----------
    stages
        The blocks.
    eps
        Constant of the normalisation.
    same
        Padding as TensorFlow's "SAME": a stride of 2 pads one row more below and to the right, not equally.
    """

    def __init__(self, stages: tuple[Stage, ...], *, eps: float, same: bool) -> None:
        super().__init__()
        self.stem = Unit(3, STEM, kernel=3, stride=2, eps=eps, same=same)
        blocks, before = [], STEM
        for stage in stages:
            for k in range(stage.blocks):
                blocks.append(
                    Block(
                        before,
                        stage.width,
                        expand=stage.expand,
                        kernel=stage.kernel,
                        stride=1 if k else stage.stride,
                        eps=eps,
                        same=same,
                    )
                )
                before = stage.width
        self.blocks = nn.ModuleList(blocks)
        self.head = Unit(before, HEAD, eps=eps, same=same)

    def forward(self, images: Tensor) -> Tensor:
        """Maps of prepared pictures."""
        maps = self.stem(images)
        for block in self.blocks:
            maps = block(maps)
        found: Tensor = self.head(maps)
        return found

    def units(self) -> Iterator[str]:
        """Names of the units, from the first to the last."""
        return (name for name, part in self.named_modules() if isinstance(part, Unit))


def found_weights(weights: str | Path | None, *, asset: str) -> tuple[Path, ...]:
    """The file that was given, else the asset."""
    if weights is None:
        return (find_asset(asset),)
    if not Path(weights).is_file():
        raise InputError("is not there", file=weights, expected="a file of weights (.pth or .safetensors)")
    return (Path(weights),)


def fill(stack: Stack, file: Path, *, names: Mapping[str, tuple[str, str]], ignore: str) -> None:
    """Fill a stack with the tensors of a published file.

    Parameters
    ----------
    stack, file
        The network and the state dictionary.
    names
        Of each unit, what the file calls its convolution and its normalisation.
    ignore
        Start of the names of the classifier.
    """
    ours = {
        f"{theirs}.": f"{unit}.{part}."
        for unit, pair in names.items()
        for part, theirs in zip(("conv", "norm"), pair, strict=True)
    }
    stored = {}
    for name, value in read_tensors(file).items():
        layer, _, what = name.rpartition(".")
        if not name.startswith(ignore):
            stored[ours.get(f"{layer}.", f"{layer}.") + what] = value
    load(stack, stored, file=file)
