"""The network of MMME: an expression's maps, EEG and body around it, any of them, in one transformer."""

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
from mien.models._transformer import Block, Blocks

SHAPES = {"eeg": (7, 62, 5), "me": (4, 64, 64), "body": (12, 10)}


@registered
class MMME(nn.Module):
    """The network of MMME: a small encoder for each stream, one transformer over the tokens of those there.

    Trained with ``auxiliary_weight`` or ``modality_dropout`` (see :class:`mien.train.TrainConfig`), one
    network answers for every subset of its streams: the tokens of an absent stream are not there, and nothing
    stands in for them.

    Parameters
    ----------
    sizes, shapes
        Stream name to values a sample, and to the shape they have: ``eeg`` (seconds, …), by default 7 × 62
        channels × 5 bands; ``me`` (maps, height, width), by default 4 × 64 × 64, the maps in the order u, v,
        strain, apex; ``body`` (seconds, …), by default 12 × 10 measures. The network has the streams that
        are named, by default all three.
    n_classes
        Number of classes.
    embed_dim, depth, num_heads
        Width of a token, blocks of the transformer, and attention heads.
    levels, kernel
        Residual blocks of the temporal networks, and length of their convolutions in seconds.
    side, grid
        Largest side of the maps that are looked at (larger ones are averaged down), and cells along a side of
        the raster in which the face's linear path reads flow and strain.
    dropout, eeg_dropout, me_dropout, apex_dropout, body_dropout
        What training leaves out: elements of the deep paths; power values, in all seconds of a sample; cells
        of the raster; apex frames; measures of the body, in all seconds of a sample.
    jitter, mirror
        Largest random change of each number of the affine transform in training, and whether half of the
        samples are mirrored.
    seed
        Of the first weights; the global random state is not used.

    Notes
    -----
    No code of the MMME authors' fusion is public; what is known of it, and what stands here instead, is in
    ``docs/models/mmme.md``.
    """

    kind = "network"
    streams = ("eeg", "me", "body")

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
        body_dropout: float = 0.5,
        jitter: float = 0.05,
        mirror: bool = True,
        seed: int = 0,
    ) -> None:
        config: dict[str, Any] = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        super().__init__()
        self.shapes = stream_shapes("mmme", sizes, shapes, SHAPES)
        self.sizes = {name: math.prod(shape) for name, shape in self.shapes.items()}
        config["sizes"] = dict(self.sizes)
        config["shapes"] = {name: list(shape) for name, shape in self.shapes.items()}
        self.config = config
        check_positive(
            "mmme", n_classes=n_classes, embed_dim=embed_dim, depth=depth, num_heads=num_heads,
            levels=levels, kernel=kernel, side=side, grid=grid,
        )  # fmt: skip
        check_heads("mmme", embed_dim, num_heads)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.branches = branches(self.shapes, config)
            self.scores = nn.ModuleDict({s: Scores(b, n_classes) for s, b in self.branches.items()})
            self.kind_of_token = nn.ParameterDict(
                {s: nn.Parameter(0.02 * torch.randn(embed_dim)) for s in self.shapes}
            )
            self.position = nn.ParameterDict(
                {s: nn.Parameter(0.02 * torch.randn(self._n_tokens(s), embed_dim)) for s in self.shapes}
            )
            self.cls = nn.Parameter(0.02 * torch.randn(embed_dim))
            self.encoder = Blocks(Block(embed_dim, num_heads, dropout=dropout) for _ in range(depth))
            self.norm = nn.LayerNorm(embed_dim)
            self.head = nn.Sequential(nn.Dropout(dropout), zero(nn.Linear(embed_dim, n_classes)))

    def _n_tokens(self, stream: str) -> int:
        return GRID_TOKENS**2 if stream == "me" else self.shapes[stream][0]

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
        logits, first = by_group(groups, found, self._fuse)
        return answer(logits, groups, found, representation=first)

    def _fuse(self, found: dict[str, Scored]) -> tuple[Tensor, Tensor]:
        """Class scores of samples that have the same streams, and the transformer's answer."""
        n = len(next(iter(found.values())).logits)
        parts = [self.cls.expand(n, 1, -1)]
        parts += [e.tokens + self.position[s] + self.kind_of_token[s] for s, e in found.items()]
        first = self.norm(self.encoder(torch.cat(parts, 1))[:, 0])
        return torch.stack([e.logits for e in found.values()]).sum(0) + self.head(first), first


def example() -> Batch:
    """Twelve made-up samples."""
    return example_batch(SHAPES, n_classes=3)
