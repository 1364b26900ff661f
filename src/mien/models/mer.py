"""The three-stream network of the MEs-EEG notebook for the maps of a micro-expression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.core import Batch, registered
from mien.models._example import example_batch
from mien.models._maps import MapNetwork


@registered
class MER(MapNetwork):
    """One convolution for each of three maps, pooled and read by one linear layer.

    Each stream: 3 × 3 convolution of 8 filters and stride 2, ReLU, batch norm, max pooling 2, dropout. Their
    24 maps are averaged over 2 × 2. Other maps than the first three are not looked at.

    Parameters
    ----------
    sizes, shapes
        Values of a sample of ``me``, and their shape (maps, height, width).
    n_classes
        Number of classes.
    dropout
        Behind each stream, in training.
    seed
        Of the first weights; the global random state is not used.

    Notes
    -----
    The network of the micro-expression notebook of MEs-EEG, which had maps of 256 × 256. There, one and the
    same convolution served all three streams (``recipe="released"``); here each has its own.
    """

    shared = False

    def __init__(
        self,
        *,
        sizes: Mapping[str, int] | None = None,
        shapes: Mapping[str, Sequence[int]] | None = None,
        n_classes: int = 3,
        dropout: float = 0.5,
        seed: int = 0,
    ) -> None:
        super().__init__("mer", sizes, shapes, n_classes=n_classes, dropout=dropout, seed=seed)

    def _build(self, config: Mapping[str, Any]) -> None:
        n = 1 if self.shared else 3
        self.convs = nn.ModuleList(nn.Conv2d(1, 8, 3, stride=2, padding=1) for _ in range(n))
        self.norms = nn.ModuleList(nn.BatchNorm2d(8) for _ in range(3))
        height, width = ((side + 1) // 2 // 4 for side in self.shapes["me"][1:])
        self.head = nn.Linear(24 * height * width, config["n_classes"])

    def _represent(self, maps: Tensor) -> Tensor:
        streams = [
            F.max_pool2d(norm(self.convs[0 if self.shared else i](maps[:, i : i + 1]).relu()), 2)
            for i, norm in enumerate(self.norms)
        ]
        x = F.dropout(torch.cat(streams, 1), self.config["dropout"], self.training)
        return F.avg_pool2d(x, 2).flatten(1)


def example() -> Batch:
    """Twelve made-up samples."""
    return example_batch({"me": (4, 64, 64)}, n_classes=3)
