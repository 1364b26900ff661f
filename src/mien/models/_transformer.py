"""Pre-norm transformer blocks for a few tokens, and the fusion of streams by cross-attention."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention: queries of ``x``, keys and values of ``context``; (B, tokens, width)."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        heads = (self.query(x), *self.key_value(context).chunk(2, 2))
        q, k, v = (part.unflatten(2, (self.num_heads, -1)).transpose(1, 2) for part in heads)
        weights = (q @ k.transpose(2, 3) * q.shape[3] ** -0.5).softmax(3)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention and a feed-forward layer, each behind a norm, added to what came in.

    ``first`` is what the factors on both residual branches start from (LayerScale).
    """

    def __init__(self, width: int, num_heads: int, *, dropout: float, first: float = 0.1) -> None:
        super().__init__()
        self.norm, self.norm_context, self.norm_mlp = (nn.LayerNorm(width) for _ in range(3))
        self.attention = Attention(width, num_heads)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.gamma_1 = nn.Parameter(torch.full((width,), first))
        self.gamma_2 = nn.Parameter(torch.full((width,), first))
        self.dropout = dropout

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Tokens (B, n, width) after looking at ``context`` (B, m, width), or at themselves."""
        seen = x if context is None else context
        x = x + self._drop(self.gamma_1 * self.attention(self.norm(x), self.norm_context(seen)))
        return x + self._drop(self.gamma_2 * self.mlp(self.norm_mlp(x)))


class Blocks(nn.ModuleList):
    """Blocks one after another, all with the same context."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        for block in self:
            x = block(x, context)
        return x


class CrossFusion(nn.Module):
    """Tokens of several streams to one vector for each, by cross-attention both ways.

    Each stream's tokens are embedded, get positions, and pass a transformer of their own. Then the tokens of
    each stream ask those of the others (its queries, their keys and values), and their mean is taken. Where
    all others are absent, nothing is asked.

    Parameters
    ----------
    shapes
        Stream name to (tokens, values a token).
    width, depth, num_heads, dropout
        Of every transformer.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, int]],
        *,
        width: int,
        depth: int,
        num_heads: int,
        dropout: float,
    ) -> None:
        super().__init__()

        def blocks() -> Blocks:
            return Blocks(Block(width, num_heads, dropout=dropout) for _ in range(depth))

        self.embed = nn.ModuleDict({s: nn.Linear(size, width) for s, (_, size) in shapes.items()})
        self.position = nn.ParameterDict(
            {s: nn.Parameter(torch.randn(n, width) * 0.02) for s, (n, _) in shapes.items()}
        )
        self.own = nn.ModuleDict({s: blocks() for s in shapes})
        self.cross = nn.ModuleDict({s: blocks() for s in shapes if len(shapes) > 1})
        self.norm = nn.ModuleDict({s: nn.LayerNorm(width) for s in shapes})

    def forward(self, tokens: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(B, width) for each of the streams that are there, from their tokens (B, tokens, values)."""
        own = {s: self.own[s](self.embed[s](x) + self.position[s]) for s, x in tokens.items()}
        pooled = {}
        for stream, x in own.items():
            others = [other for name, other in own.items() if name != stream]
            asked = self.cross[stream](x, torch.cat(others, 1)) if others else x
            pooled[stream] = self.norm[stream](asked).mean(1)
        return pooled
