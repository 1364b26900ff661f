"""Temporal convolutions: weight-normed, causal, dilated, in residual blocks."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class NormedConv(nn.Module):
    """Causal convolution over time with weight norm: (B, channels, times) → (B, out, times).

    The weight of an output channel is ``weight_v / |weight_v|`` times ``weight_g`` (Salimans and Kingma,
    NeurIPS 2016); a value depends on its own time and ``(kernel - 1) * dilation`` before it.
    """

    def __init__(self, channels: int, out: int, kernel: int, dilation: int) -> None:
        super().__init__()
        weight = torch.randn(out, channels, kernel) * (2 / (channels * kernel)) ** 0.5
        self.bias = nn.Parameter(torch.zeros(out))
        self.weight_g = nn.Parameter(weight.flatten(1).norm(dim=1).reshape(-1, 1, 1))
        self.weight_v = nn.Parameter(weight)
        self.reach, self.dilation = (kernel - 1) * dilation, dilation

    def forward(self, x: Tensor) -> Tensor:
        norm = self.weight_v.flatten(1).norm(dim=1).reshape(-1, 1, 1)
        weight = self.weight_v * (self.weight_g / norm)
        return F.conv1d(F.pad(x, (self.reach, 0)), weight, self.bias, dilation=self.dilation)


class ResidualBlock(nn.Module):
    """Twice convolution, ReLU, dropout; the input is added and a ReLU taken.

    An input of another width goes through a 1×1 convolution first.
    """

    def __init__(self, channels: int, out: int, *, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = NormedConv(channels, out, kernel, dilation)
        self.conv2 = NormedConv(out, out, kernel, dilation)
        self.downsample = nn.Conv1d(channels, out, 1) if channels != out else None
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        hidden = x
        for conv in (self.conv1, self.conv2):
            hidden = F.dropout(conv(hidden).relu(), self.dropout, self.training)
        kept = x if self.downsample is None else self.downsample(x)
        return (hidden + kept).relu()


def residual_blocks(
    channels: int,
    width: int,
    *,
    levels: int,
    kernel: int,
    dropout: float,
    block: Callable[..., nn.Module] = ResidualBlock,
) -> nn.Sequential:
    """``levels`` blocks with dilations 1, 2, 4, …: (B, channels, times) → (B, width, times)."""
    return nn.Sequential(
        *(
            block(width if i else channels, width, kernel=kernel, dilation=2**i, dropout=dropout)
            for i in range(levels)
        )
    )
