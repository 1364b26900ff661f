"""The network of MEs-EEG: EEG power by second and an expression's maps, each alone or both together."""

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
from mien.models._streams import GRID_TOKENS, Scored, Scores, answer, branches, scored, zero
from mien.models._transformer import CrossFusion

SHAPES = {"eeg": (7, 62, 5), "me": (4, 64, 64)}


@registered
class MEsEEG(nn.Module):
    """The network of MEs-EEG: EEG branch, face branch, and their fusion by cross-attention.

    Parameters
    ----------
    sizes, shapes
        Stream name to values a sample, and to the shape they have: ``eeg`` (seconds, …), by default 7 × 62
        channels × 5 bands; ``me`` (maps, height, width), by default 4 × 64 × 64, the maps in the order u, v,
        strain, apex. The network has the streams that are named, by default both.
    n_classes
        Number of classes.
    embed_dim, depth, num_heads
        Width of a token, blocks of each transformer, and attention heads.
    levels, kernel
        Residual blocks of the temporal network, and length of its convolutions in seconds.
    side, grid
        Largest side of the maps that are looked at (larger ones are averaged down), and cells along a side of
        the raster in which the face's linear path reads flow and strain.
    dropout, eeg_dropout, me_dropout, apex_dropout
        What training leaves out: elements of the deep paths; power values, in all seconds of a sample; cells
        of the raster; apex frames.
    jitter, mirror
        Largest random change of each number of the affine transform in training, and whether half of the
        samples are mirrored.
    seed
        Of the first weights; the global random state is not used.

    Notes
    -----
    After the figure of the MEs-EEG paper; what differs from the published code, and why, stands in
    ``docs/models/mes_eeg.md``.
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
        levels: int = 3,
        kernel: int = 2,
        side: int = 32,
        grid: int = 8,
        dropout: float = 0.5,
        eeg_dropout: float = 0.8,
        me_dropout: float = 0.3,
        apex_dropout: float = 0.5,
        jitter: float = 0.05,
        mirror: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shapes = stream_shapes("mes_eeg", sizes, shapes, SHAPES)
        self.sizes = {name: math.prod(shape) for name, shape in self.shapes.items()}
        self.config: dict[str, Any] = {
            "sizes": dict(self.sizes),
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "n_classes": n_classes,
            "embed_dim": embed_dim,
            "depth": depth,
            "num_heads": num_heads,
            "levels": levels,
            "kernel": kernel,
            "side": side,
            "grid": grid,
            "dropout": dropout,
            "eeg_dropout": eeg_dropout,
            "me_dropout": me_dropout,
            "apex_dropout": apex_dropout,
            "jitter": jitter,
            "mirror": mirror,
            "seed": seed,
        }
        check_positive(
            "mes_eeg", n_classes=n_classes, embed_dim=embed_dim, depth=depth, num_heads=num_heads,
            levels=levels, kernel=kernel, side=side, grid=grid,
        )  # fmt: skip
        check_heads("mes_eeg", embed_dim, num_heads)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.branches = branches(self.shapes, self.config)
            self.scores = nn.ModuleDict({s: Scores(b, n_classes) for s, b in self.branches.items()})
            self.fusion = self.together = None
            if len(self.shapes) > 1:
                tokens = {"eeg": self.shapes["eeg"][0], "me": GRID_TOKENS**2}
                self.fusion = CrossFusion(
                    {s: (tokens[s], embed_dim) for s in self.shapes},
                    width=embed_dim,
                    depth=depth,
                    num_heads=num_heads,
                    dropout=dropout,
                )
                self.together = nn.Sequential(
                    nn.Dropout(dropout), zero(nn.Linear(embed_dim * len(self.shapes), n_classes))
                )

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None = None,
        alpha: float = 0.0,
    ) -> NetworkOutput:
        """Class scores of a batch.

        Parameters
        ----------
        inputs
            Stream name to tensor (B, …) with ``sizes[name]`` values a sample, flat or shaped; any non-empty
            subset of the network's streams.
        present
            Stream name to boolean tensor (B,): which samples have it. Streams not named are there in all.
            Rows of absent samples are not looked at.
        alpha
            Not used: there is no domain head.

        Raises
        ------
        InputError
            If a stream is unknown or has the wrong size, or if a sample has none.
        """
        groups = group_by_presence(inputs, present, sizes=self.sizes)
        found = scored(groups, self.branches, self.scores)
        (logits,) = by_group(groups, found, self._fuse)
        return answer(logits, groups, found)

    def _fuse(self, encoded: dict[str, Scored]) -> tuple[Tensor]:
        """Class scores of samples that have the same streams."""
        logits = torch.stack([e.logits for e in encoded.values()]).sum(0)
        if self.fusion is not None and self.together is not None and len(encoded) > 1:
            pooled = self.fusion({s: e.tokens for s, e in encoded.items()})
            logits = logits + self.together(torch.cat(list(pooled.values()), 1))
        return (logits,)


def example() -> Batch:
    """Twelve made-up samples."""
    return example_batch(SHAPES, n_classes=3)
