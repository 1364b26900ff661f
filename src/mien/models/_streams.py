"""What becomes of one stream: tokens, and what it says on its own.

Each branch has two paths to its class scores. A linear one reads a summary without finer detail in space or
time than a few hundred samples can teach; the deep one adds what the first cannot say. The scores of both
start at zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.models._network import Groups, NetworkOutput, spread
from mien.models._spatial_transformer import SpatialTransformer
from mien.models._tcn import residual_blocks

GRID_TOKENS = 4
"""A face becomes this many rows of tokens, and as many columns."""
PART_SECONDS = 4
"""The body's course is summed up in stretches of about this length."""


class Encoded(NamedTuple):
    """``tokens`` (B, n, width) for the fusion; ``summary`` and ``deep`` (B, …) for its own scores."""

    tokens: Tensor
    summary: Tensor
    deep: Tensor


def zero(layer: nn.Linear) -> nn.Linear:
    """The layer with weights and bias zero."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class Scores(nn.Module):
    """Class scores of one stream, linear in what its branch (one of those below) found."""

    def __init__(self, branch: Any, n_classes: int) -> None:
        super().__init__()
        self.summary = zero(nn.Linear(branch.n_summary, n_classes))
        self.deep = zero(nn.Linear(branch.n_deep, n_classes))

    def forward(self, encoded: Encoded) -> Tensor:
        scores: Tensor = self.summary(encoded.summary) + self.deep(encoded.deep)
        return scores


class Scored(NamedTuple):
    """Tokens of a stream, and the class scores that it has alone."""

    tokens: Tensor
    logits: Tensor


def scored(groups: Groups, branches: nn.ModuleDict, scores: nn.ModuleDict) -> dict[str, Scored]:
    """Each stream that is there through its branch and to its own class scores."""
    found = {}
    for stream, x in groups.streams.items():
        if len(x):
            encoded = branches[stream](x)
            found[stream] = Scored(encoded.tokens, scores[stream](encoded))
    return found


def answer(logits: Tensor, groups: Groups, found: Mapping[str, Scored], **more: Tensor) -> NetworkOutput:
    """A network's answer, with what each stream says alone and how it looks before it meets the others."""
    return NetworkOutput(
        logits=logits,
        auxiliary_logits={s: spread(groups, s, e.logits) for s, e in found.items()},
        stream_features={s: spread(groups, s, e.tokens.mean(1)) for s, e in found.items()},
        **more,
    )


def pooled(x: Tensor, side: int) -> Tensor:
    """Means of maps (B, n, H, W) in the cells of a ``side`` × ``side`` raster."""
    height, width = x.shape[2:]
    if height % side or width % side:
        return F.adaptive_avg_pool2d(x, side)
    return F.avg_pool2d(x, (height // side, width // side))


def whole_values_dropped(x: Tensor, probability: float) -> Tensor:
    """A sequence (B, seconds, values) some values of which are left out in all seconds of a sample: what is
    left out is left out of means over time as well."""
    return x * F.dropout(x.new_ones(len(x), 1, x.shape[2]), probability) if probability else x


class SequenceBranch(nn.Module):
    """Values by second, (B, seconds, values) → tokens by second, through a temporal convolutional network.

    The summary is the means of ``parts`` equal stretches: of EEG the mean over time; of a body more of them,
    since whether skin conducts more right after an expression or later is part of what it has to say.
    """

    def __init__(
        self,
        seconds: int,
        values: int,
        *,
        width: int,
        levels: int,
        kernel: int,
        dropout: float,
        input_dropout: float,
        parts: int = 1,
    ) -> None:
        super().__init__()
        self.shape, self.parts = (seconds, values), parts
        self.dropout, self.input_dropout = dropout, input_dropout
        self.n_summary, self.n_deep = parts * values, width
        self.tcn = residual_blocks(values, width, levels=levels, kernel=kernel, dropout=dropout)

    def forward(self, x: Tensor) -> Encoded:
        x = whole_values_dropped(x.reshape(-1, *self.shape), self.input_dropout if self.training else 0.0)
        x = x.transpose(1, 2)
        tokens = self.tcn(x).transpose(1, 2)
        return Encoded(
            tokens,
            F.adaptive_avg_pool1d(x, self.parts).flatten(1),
            F.dropout(tokens.mean(1), self.dropout, self.training),
        )


class FaceBranch(nn.Module):
    """Maps of an expression, (B, maps, H, W) in the order u, v, strain, apex → a grid of tokens.

    The localisation looks at flow and strain, and the sampler moves all maps. In training, samples are
    mirrored (u changes its sign), shifted, turned and scaled a little on the way. The summary is the means
    of u, v and strain in the cells of a ``grid`` × ``grid`` raster; the tokens come from two convolutions.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        width: int,
        side: int,
        grid: int,
        dropout: float,
        input_dropout: float,
        apex_dropout: float,
        jitter: float,
        mirror: bool,
    ) -> None:
        super().__init__()
        maps = shape[0]
        self.shape, self.side, self.grid = shape, side, grid
        self.dropout, self.input_dropout, self.apex_dropout = dropout, input_dropout, apex_dropout
        self.jitter, self.mirror = jitter, mirror
        self.flow_maps = min(maps, 3)
        self.transformer = SpatialTransformer(self.flow_maps)
        self.conv = nn.Sequential(
            nn.Conv2d(maps, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.n_summary, self.n_deep = self.flow_maps * grid * grid, GRID_TOKENS**2 * width

    def _jitter(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Maps with the sign of u changed where mirrored, and the transforms to sample them by."""
        n = len(x)
        theta = torch.eye(2, 3, device=x.device, dtype=x.dtype).repeat(n, 1, 1)
        theta = theta + self.jitter * (2 * torch.rand_like(theta) - 1)
        if self.mirror:
            sign = 1 - 2 * (torch.rand(n, 1, device=x.device) < 0.5).to(x.dtype)
            theta = torch.cat([theta[:, :, :1] * sign.unsqueeze(1), theta[:, :, 1:]], 2)
            u = x[:, :1] * sign[:, :, None, None]
            x = torch.cat([u, x[:, 1:]], 1)
        return x, theta

    def forward(self, x: Tensor) -> Encoded:
        x = x.reshape(-1, *self.shape)
        if max(self.shape[1:]) > self.side:
            x = pooled(x, self.side)
        jitter = None
        if self.training:
            x, jitter = self._jitter(x)
            if self.shape[0] > 3 and self.apex_dropout:
                kept = F.dropout(x.new_ones(len(x), 1, 1, 1), self.apex_dropout)
                x = torch.cat([x[:, :3], x[:, 3:] * kept], 1)
        x = self.transformer(x, jitter)
        cells = pooled(x[:, : self.flow_maps], self.grid).flatten(1)
        tokens = pooled(self.conv(x), GRID_TOKENS).flatten(2).transpose(1, 2)
        return Encoded(
            tokens,
            F.dropout(cells, self.input_dropout, self.training),
            F.dropout(tokens.flatten(1), self.dropout, self.training),
        )


def branches(shapes: Mapping[str, tuple[int, ...]], config: Mapping[str, Any]) -> nn.ModuleDict:
    """One branch for each of the streams ``me`` (maps, height, width), ``eeg`` and ``body`` (seconds, …)."""
    return nn.ModuleDict({stream: _branch(stream, shape, config) for stream, shape in shapes.items()})


def _branch(stream: str, shape: tuple[int, ...], c: Mapping[str, Any]) -> nn.Module:
    if stream == "me":
        maps, height, width = shape
        return FaceBranch(
            (maps, height, width),
            width=c["embed_dim"],
            side=c["side"],
            grid=c["grid"],
            dropout=c["dropout"],
            input_dropout=c["me_dropout"],
            apex_dropout=c["apex_dropout"],
            jitter=c["jitter"],
            mirror=c["mirror"],
        )
    return SequenceBranch(
        shape[0],
        math.prod(shape[1:]),
        width=c["embed_dim"],
        levels=c["levels"],
        kernel=c["kernel"],
        dropout=c["dropout"],
        input_dropout=c[f"{stream}_dropout"],
        parts=max(1, round(shape[0] / PART_SECONDS)) if stream == "body" else 1,
    )
