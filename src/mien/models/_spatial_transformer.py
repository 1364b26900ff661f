"""Maps that are moved before they are looked at: localisation, affine grid, sampler."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SpatialTransformer(nn.Module):
    """Moves the maps of a sample by an affine transform that is read off some of them.

    The localisation looks at the first ``looked_at`` maps, of any height and width. The transform starts as
    the identity, and none of its six numbers ever leaves ``limit`` of it: aligned faces need little, and a
    few hundred samples do not teach more. Jaderberg et al., "Spatial Transformer Networks", NeurIPS 2015.

    Parameters
    ----------
    looked_at
        How many maps the localisation reads.
    limit
        Largest departure of each number from the identity (in units of half the map).
    """

    def __init__(self, looked_at: int, *, width: int = 8, limit: float = 0.2) -> None:
        super().__init__()
        self.looked_at, self.limit = looked_at, limit
        self.localisation = nn.Sequential(
            nn.Conv2d(looked_at, width, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(16 * width, 16),
            nn.ReLU(),
        )
        self.last = nn.Linear(16, 6)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.register_buffer("identity", torch.eye(2, 3), persistent=False)

    def transform(self, maps: Tensor) -> Tensor:
        """(B, 2, 3): where the sampler looks for each place, in units of half the map."""
        moved = self.last(self.localisation(maps[:, : self.looked_at])).tanh()
        return self.identity + self.limit * moved.unflatten(1, (2, 3))

    def forward(self, maps: Tensor, jitter: Tensor | None = None) -> Tensor:
        """Maps (B, n, H, W) sampled at their transformed places; ``jitter`` (B, 2, 3) is applied before."""
        theta = self.transform(maps)
        if jitter is not None:
            theta = torch.cat(
                [theta[:, :, :2] @ jitter[:, :, :2], theta[:, :, :2] @ jitter[:, :, 2:] + theta[:, :, 2:]], 2
            )
        grid = F.affine_grid(theta, list(maps.shape), align_corners=False)
        return F.grid_sample(maps, grid, padding_mode="border", align_corners=False)
