"""The fusion of MEs-EEG: two sequences of tokens, cross-attention both ways, one answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mien.core import Batch, registered
from mien.models._example import example_batch
from mien.models._network import (
    NetworkOutput,
    by_group,
    check_heads,
    check_positive,
    group_by_presence,
    stream_shapes,
)
from mien.models._transformer import CrossFusion

SHAPES = {"eeg": (7, 16), "me": (16, 16)}


@registered
class MEsEEGFusion(nn.Module):
    """Token embeddings with positions, transformers, cross-transformers, concatenation, classifier.

    In the cross-transformers the queries are one stream's and the keys and values the other's. Any one stream
    will do: then nothing is asked of the other, and a learnt vector stands for it.

    Parameters
    ----------
    sizes, shapes
        Values of a sample in ``eeg`` and ``me``, and their shape (tokens, values a token).
    n_classes
        Number of classes.
    embed_dim, depth, num_heads, hidden, dropout
        Width of a token, blocks of each transformer, attention heads, width before the classifier, and
        dropout in training.
    seed
        Of the first weights; the global random state is not used.
    """

    kind = "network"
    streams = ("eeg", "me")

    def __init__(
        self,
        *,
        sizes: Mapping[str, int] | None = None,
        shapes: Mapping[str, Sequence[int]] | None = None,
        n_classes: int = 3,
        embed_dim: int = 16,
        depth: int = 1,
        num_heads: int = 2,
        hidden: int = 32,
        dropout: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shapes = stream_shapes("mes_eeg_fusion", sizes, shapes, SHAPES)
        self.sizes = {name: math.prod(shape) for name, shape in self.shapes.items()}
        self.config: dict[str, Any] = {
            "sizes": dict(self.sizes),
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "n_classes": n_classes,
            "embed_dim": embed_dim,
            "depth": depth,
            "num_heads": num_heads,
            "hidden": hidden,
            "dropout": dropout,
            "seed": seed,
        }
        check_positive(
            "mes_eeg_fusion", n_classes=n_classes, embed_dim=embed_dim, depth=depth, num_heads=num_heads,
            hidden=hidden,
        )  # fmt: skip
        check_heads("mes_eeg_fusion", embed_dim, num_heads)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.fusion = CrossFusion(
                {s: (shape[0], math.prod(shape[1:])) for s, shape in self.shapes.items()},
                width=embed_dim,
                depth=depth,
                num_heads=num_heads,
                dropout=dropout,
            )
            self.absent = nn.ParameterDict(
                {s: nn.Parameter(torch.zeros(embed_dim)) for s in self.shapes if len(self.shapes) > 1}
            )
            self.together = nn.Sequential(
                nn.Linear(embed_dim * len(self.shapes), hidden), nn.GELU(), nn.Dropout(dropout)
            )
            self.head = nn.Linear(hidden, n_classes)

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None = None,
        alpha: float = 0.0,
    ) -> NetworkOutput:
        """Class scores of a batch; arguments as for :class:`mien.models.mes_eeg.MEsEEG`."""
        groups = group_by_presence(inputs, present, sizes=self.sizes)
        tokens = {
            s: x.reshape(-1, self.shapes[s][0], self.sizes[s] // self.shapes[s][0])
            for s, x in groups.streams.items()
        }

        (pooled,) = by_group(groups, tokens, self._fuse)
        return NetworkOutput(logits=self.head(pooled), representation=pooled)

    def _fuse(self, tokens: dict[str, Tensor]) -> tuple[Tensor]:
        """What the class head reads, of samples that have the same streams."""
        means = self.fusion(tokens)
        n = len(next(iter(means.values())))
        parts = [means[s] if s in means else self.absent[s].expand(n, -1) for s in self.shapes]
        return (self.together(torch.cat(parts, 1)),)


def example() -> Batch:
    """Twelve made-up samples; some lack a stream."""
    return example_batch(SHAPES, n_classes=3)
