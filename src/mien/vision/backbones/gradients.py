"""Edges and shading of a face by cell of a grid: a fixed description that needs no training and no weights.

Oriented gradients averaged over cells follow Dalal and Triggs, "Histograms of oriented gradients for human
detection", CVPR 2005, with half-wave rectified directional derivatives in place of their bins.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from mien.core import registered
from mien.vision.backbones._base import Backbone, as_tokens, no_weights, side_of

GRID = 7
ORIENTATIONS = 8
SCALES = (1, 2)
"""Pixels over which brightness is averaged before edges are taken."""
_LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness (ITU-R BT.601)."""
_SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
_DARK = 1e-3
"""Contrast (0 to 1) under which a picture counts as flat rather than being divided by it."""


@registered
class Gradients(Backbone):
    """24 numbers for each cell of a 7 x 7 grid, after brightness is centred and scaled by its own deviation.

    In order: edges at two scales, 8 directions each (mean over the cell of the brightness' derivative, by
    width of a cell, along 0, 45, … 315 degrees where it is positive; 0 is to the right, 90 down); the
    brightness in the cell as means against 1, x, y, x², xy and y² (Legendre polynomials of the position in
    the cell, so that a dark line that moves within a cell shows); how much redder and bluer than grey the
    cell is. A brighter or higher-contrast picture gives the same numbers.
    """

    def __init__(
        self, *, weights: str | Path | None = None, image_size: int | None = None, random: bool = False
    ) -> None:
        no_weights("gradients", weights)
        super().__init__(
            dim=len(SCALES) * ORIENTATIONS + 8,
            n_tokens=GRID**2,
            image_size=side_of(image_size, default=112, multiple=GRID * max(SCALES)),
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
        )
        self.register_buffer("directions", _directions(), persistent=False)
        self.register_buffer("shapes", _shapes(self.image_size // GRID), persistent=False)
        self.directions: Tensor
        self.shapes: Tensor

    def tokens(self, images: Tensor) -> Tensor:
        """Tokens (n, 49, 24) of pictures (n, 3, image_size, image_size)."""
        grey = (images * images.new_tensor(_LUMA)[:, None, None]).sum(dim=1, keepdim=True)
        contrast = grey.std(dim=(2, 3), keepdim=True).clamp_min(_DARK)
        scaled = (grey - grey.mean(dim=(2, 3), keepdim=True)) / contrast
        colour = (images[:, [0, 2]] - grey) / contrast
        cell = self.image_size // GRID
        edges = [
            F.avg_pool2d(self._edges(F.avg_pool2d(scaled, scale)), cell // scale) * (cell // scale)
            for scale in SCALES
        ]
        shading = F.conv2d(scaled, self.shapes, stride=cell)
        return as_tokens(torch.cat([*edges, shading, F.avg_pool2d(colour, cell)], dim=1))

    def _edges(self, grey: Tensor) -> Tensor:
        return F.conv2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), self.directions).relu()


def _directions() -> Tensor:
    """Kernels (8, 1, 3, 3) of the derivative by pixel along each direction."""
    x = torch.tensor(_SOBEL) / 8
    angles = [2 * math.pi * k / ORIENTATIONS for k in range(ORIENTATIONS)]
    return torch.stack([math.cos(a) * x + math.sin(a) * x.T for a in angles])[:, None]


def _shapes(cell: int) -> Tensor:
    """Kernels (6, 1, cell, cell): Legendre polynomials to the second degree, of mean square 1, as means."""
    at = (torch.arange(cell, dtype=torch.float64) + 0.5) / cell * 2 - 1
    along = torch.stack([torch.ones_like(at), at, (3 * at**2 - 1) / 2])
    along = along / along.square().mean(dim=1, keepdim=True).sqrt()
    degrees = ((0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (2, 0))
    return torch.stack([torch.outer(along[y], along[x]) for y, x in degrees])[:, None].float() / cell**2
