"""A shallow network of three streams for the maps of a micro-expression, after STSTNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.core import Batch, registered
from mien.models._example import example_batch
from mien.models._maps import MapNetwork

SIDE = 28
FILTERS = (3, 5, 8)


@registered
class STSTNet(MapNetwork):
    """Three single convolutions with 3, 5 and 8 filters look at u, v and strain at 28 × 28.

    Each stream: 3 × 3 convolution, ReLU, batch norm, max pooling 3, dropout. Their 16 maps are averaged over
    2 × 2 and read by one linear layer. Other maps than the first three are not looked at.

    Parameters
    ----------
    sizes, shapes
        Values of a sample of ``me``, and their shape (maps, height, width); maps in the order u, v, strain.
    n_classes
        Number of classes.
    dropout
        Behind each stream, in training.
    seed
        Of the first weights; the global random state is not used.

    Notes
    -----
    Liong et al., "Shallow Triple Stream Three-dimensional CNN (STSTNet) for Micro-expression Recognition",
    FG 2019, figure 2, written from its description; maps of another size are averaged (or stretched) to 28 ×
    28 first.
    """

    kind = "network"

    def __init__(
        self,
        *,
        sizes: Mapping[str, int] | None = None,
        shapes: Mapping[str, Sequence[int]] | None = None,
        n_classes: int = 3,
        dropout: float = 0.5,
        seed: int = 0,
    ) -> None:
        super().__init__("ststnet", sizes, shapes, n_classes=n_classes, dropout=dropout, seed=seed)

    def _build(self, config: Mapping[str, Any]) -> None:
        self.columns = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(3, filters, 3, padding=1),
                nn.ReLU(),
                nn.BatchNorm2d(filters),
                nn.MaxPool2d(3, stride=3, padding=1),
                nn.Dropout(config["dropout"]),
            )
            for filters in FILTERS
        )
        self.head = nn.Linear(sum(FILTERS) * 25, config["n_classes"])

    def _represent(self, maps: Tensor) -> Tensor:
        x = F.interpolate(maps, (SIDE, SIDE), mode="area")
        return F.avg_pool2d(torch.cat([column(x) for column in self.columns], 1), 2).flatten(1)


def example() -> Batch:
    """Twelve made-up samples."""
    return example_batch({"me": (4, 64, 64)}, n_classes=3)
