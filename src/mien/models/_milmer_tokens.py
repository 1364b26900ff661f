"""What becomes of each stream of Milmer: tokens for the encoder, and a summary for its linear path."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.core import InputError, UnknownNameError
from mien.models._milmer_selection import Selector, rest_of
from mien.models._transformer import Block

FUSIONS = ("cross_attention", "mlp", "none")
FRONTS = ("auto", "spectrum", "values")
LONGEST_VALUES = 64
"""An EEG channel with more values than this is taken for a stretch of signal."""
SPECTRUM_BANDS = 12


class Encoded(NamedTuple):
    """``tokens`` (B, n, width), ``summary`` (B, …), and of a bag what was chosen from it."""

    tokens: Tensor
    summary: Tensor
    attention: Tensor
    best: Tensor


def channel_axis(stream: str, shape: Sequence[int], axes: Sequence[str] | None) -> int:
    """Which of two axes is that of the channels.

    By name where ``axes`` are told; otherwise the first, except that few values by channel are taken for
    (band, channel) in ``eeg``.
    """
    if len(shape) != 2:
        raise InputError(f"milmer: stream {stream!r} has the shape {tuple(shape)}", expected="two axes")
    if axes is not None:
        if list(axes).count("channel") != 1 or len(axes) != 2:
            raise InputError(
                f"milmer: stream {stream!r} has the axes {tuple(axes)}",
                expected="two, one of them 'channel'",
            )
        return list(axes).index("channel")
    return 1 if stream == "eeg" and shape[1] <= LONGEST_VALUES else 0


def is_signal(front: str, n_values: int, value_axis: str | None) -> bool:
    """Whether the values of a channel are a stretch of signal, of which the spectrum is taken."""
    if front not in FRONTS:
        raise UnknownNameError("eeg_front", front, FRONTS)
    long = n_values > LONGEST_VALUES
    return front == "spectrum" or (front == "auto" and long and value_axis in (None, "time"))


class LogSpectrum(nn.Module):
    """Log power of a stretch of signal in bands of equal width on a logarithmic scale; nothing to learn.

    (B, channels, samples) → (B, channels, bands). The stretch is centred and tapered (Hann). Power is taken
    times frequency, which levels a spectrum that falls as 1/f, and as a ratio to the sample's geometric mean.
    """

    def __init__(self, n_samples: int, n_bands: int = SPECTRUM_BANDS) -> None:
        super().__init__()
        n_lines = n_samples // 2
        edges = torch.logspace(0, math.log10(n_lines + 1), n_bands + 1).round().long()
        edges = torch.unique(edges)
        line = torch.arange(1, n_lines + 1)
        band = torch.bucketize(line, edges[1:], right=True).clamp_max(len(edges) - 2)
        members = F.one_hot(band, len(edges) - 1).float()
        self.n_bands = members.shape[1]
        self.register_buffer("window", torch.hann_window(n_samples), persistent=False)
        self.register_buffer("mean", members * line[:, None] / members.sum(0), persistent=False)
        self.window: Tensor
        self.mean: Tensor

    def forward(self, x: Tensor) -> Tensor:
        x = (x - x.mean(2, keepdim=True)) * self.window
        power = torch.fft.rfft(x)[:, :, 1:].abs().square() @ self.mean
        # a flat channel has no power; its logarithm should be low, not minus infinity
        log = (power + 1e-6 * power.mean((1, 2), keepdim=True) + 1e-30).log()
        return log - log.mean((1, 2), keepdim=True)


class ChannelBranch(nn.Module):
    """A token for each channel of EEG or of body signals.

    Parameters
    ----------
    shape, axis
        Shape of the stream, and which of its two axes is that of the channels.
    signal
        Take the log spectrum of each channel first.
    width
        Of a token.
    embedding
        Add a learnt vector by channel, by which the encoder can tell them apart.
    input_dropout
        Share of the values that training leaves out.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        axis: int,
        signal: bool,
        width: int,
        embedding: bool,
        input_dropout: float,
    ) -> None:
        super().__init__()
        self.shape, self.axis, self.input_dropout = shape, axis, input_dropout
        channels, values = shape[axis], shape[1 - axis]
        self.front = LogSpectrum(values) if signal else None
        values = self.front.n_bands if self.front else values
        self.embed = nn.Linear(values, width)
        self.channel = nn.Parameter(0.02 * torch.randn(channels, width)) if embedding else None
        self.n_summary = channels * values

    def forward(self, flat: Tensor) -> Encoded:
        x = flat.unflatten(1, self.shape)
        x = x if self.axis == 0 else x.transpose(1, 2)
        x = x if self.front is None else self.front(x)
        x = F.dropout(x, self.input_dropout, self.training)
        tokens = self.embed(x)
        if self.channel is not None:
            tokens = tokens + self.channel
        none = x.new_zeros(len(x), 0)
        return Encoded(tokens, x.flatten(1), none, none)


class Reduction(nn.Module):
    """Tokens (B, n, dim) to fewer or narrower: by cross-attention to learnt queries, an MLP, or neither."""

    def __init__(self, dim: int, width: int, *, fusion: str, n_queries: int, num_heads: int) -> None:
        super().__init__()
        if fusion not in FUSIONS:
            raise UnknownNameError("fusion", fusion, FUSIONS)
        self.query = self.block = None
        self.embed: nn.Module = nn.Linear(dim, width)
        if fusion == "mlp":
            self.embed = nn.Sequential(nn.Linear(dim, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        elif fusion == "cross_attention":
            self.query = nn.Parameter(torch.randn(n_queries, width))
            self.block = Block(width, num_heads, dropout=0.0, first=1.0)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        tokens: Tensor = self.embed(x) + position
        if self.query is None or self.block is None:
            return tokens
        asked: Tensor = self.block(self.query.expand(len(x), -1, -1), tokens)
        return asked


class UnitSize(nn.Module):
    """Values divided by their root mean square, as training samples have had it: one number for all.

    Unlike a normalisation by the batch or by the sample, the answer to a sample depends on no other one, and
    large values stay larger than small ones.
    """

    def __init__(self, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("square", torch.ones(()))
        self.register_buffer("seen", torch.zeros(()))
        self.square: Tensor
        self.seen: Tensor

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                share = self.momentum**self.seen  # 1 in the first batch
                self.square.lerp_(x.square().mean(), share)
                self.seen.fill_(1.0)
        return x / (self.square + 1e-12).sqrt()


class BagBranch(nn.Module):
    """A bag of instances, of tokens or of pixels, to tokens of what counts in it.

    Parameters
    ----------
    shape
        (N, tokens, dim), or (N, 3, height, width) of pixels from 0 to ``pixel_max``.
    width, num_heads
        Of the tokens that come out.
    selection, n_selected, hidden, relative
        Of the selector. With ``relative`` it chooses by deviations from what the bag rests at; the tokens
        have theirs beside them, and the summary is the deviations of what was chosen.
    fusion, n_queries
        Of the reduction.
    embedding
        Add a learnt vector by position of the instance in the bag.
    local
        The summary has the tokens one by one instead of their mean.
    input_dropout
        Share of the summary that training leaves out.
    backbone
        What turns pixels into tokens: keyword arguments of :func:`mien.vision.backbones.create`, ``name``
        among them.
    frozen, micro_batch, checkpoint
        See :func:`mien.vision.backbones.tokens_of`.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        width: int,
        num_heads: int,
        selection: str,
        n_selected: int,
        hidden: int,
        relative: bool,
        fusion: str,
        n_queries: int,
        embedding: bool,
        local: bool,
        input_dropout: float,
        backbone: dict[str, Any],
        frozen: bool,
        micro_batch: int | None,
        checkpoint: bool,
        pixel_max: float,
    ) -> None:
        super().__init__()
        self.shape, self.relative, self.local, self.input_dropout = shape, relative, local, input_dropout
        self.frozen, self.micro_batch, self.checkpoint = frozen, micro_batch, checkpoint
        self.pixel_max = pixel_max
        self.backbone = self.norm = None
        if len(shape) == 4:
            from mien.vision import backbones

            self.backbone = backbones.create(**backbone)
            if frozen:
                self.backbone.requires_grad_(False)
            tokens, dim = int(self.backbone.n_tokens), int(self.backbone.dim)
            self.norm = nn.LayerNorm(dim)
        else:
            tokens, dim = shape[1:]
        parts = 2 if relative else 1
        self.selector = Selector(
            tokens, dim, selection=selection, n_selected=n_selected, hidden=hidden, relative=relative
        )
        self.reduction = Reduction(
            parts * dim, width, fusion=fusion, n_queries=n_queries, num_heads=num_heads
        )
        self.place = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.instance = nn.Parameter(0.02 * torch.randn(shape[0], width)) if embedding else None
        self.unit = UnitSize()
        self.n_summary = dim * (tokens if local else 1)

    def _tokens(self, x: Tensor, mask: Tensor) -> Tensor:
        """Tokens (B, N, tokens, dim); pixels of all instances that are there go through in one batch."""
        if self.backbone is None or self.norm is None:
            return x
        from mien.vision import backbones

        found = backbones.tokens_of(
            self.backbone,
            x[mask] / self.pixel_max,
            micro_batch=self.micro_batch,
            checkpoint=self.checkpoint,
            frozen=self.frozen,
        )
        found = self.norm(found)
        return found.new_zeros(*mask.shape, *found.shape[1:]).index_put((mask,), found)

    def forward(self, flat: Tensor) -> Encoded:
        x = flat.unflatten(1, self.shape)
        mask = (x != 0).flatten(2).any(2)
        mask = mask | ~mask.any(1, keepdim=True)  # an empty bag is taken as it is
        x = self._tokens(x, mask)
        shown = x
        if self.relative:
            shown = (x - rest_of(x, mask).unsqueeze(1)) * mask[:, :, None, None]
        chosen = self.selector(shown, mask)
        mixed = torch.einsum("bkn,bntd->btd", chosen.rows, shown) / chosen.rows.shape[1]
        seen = torch.cat([x, shown], 3) if self.relative else x
        picked = torch.einsum("bkn,bntd->bktd", chosen.rows, seen)
        position: Tensor = self.place
        if self.instance is not None:
            position = position + (chosen.rows @ self.instance).unsqueeze(2)
        else:
            position = position.expand(*picked.shape[:3], -1)
        tokens = self.reduction(picked.flatten(1, 2), position.flatten(1, 2))
        summary = mixed.flatten(1) if self.local else mixed.mean(1)
        summary = F.dropout(self.unit(summary), self.input_dropout, self.training)
        return Encoded(tokens, summary, chosen.attention, chosen.best)
