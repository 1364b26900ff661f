"""Milmer: a bag of faces, a strip of EEG and the body's signals, any of them alone or together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mien.core import Batch, InputError, registered
from mien.models._example import example_batch
from mien.models._milmer_tokens import BagBranch, ChannelBranch, channel_axis, is_signal
from mien.models._network import NetworkOutput, by_group, check_positive, group_by_presence, spread
from mien.models._streams import Scored, answer, zero
from mien.models._transformer import Block, Blocks

SHAPES = {"eeg": (32, 384), "face_tokens": (10, 49, 24)}
STREAMS = ("eeg", "face", "face_tokens", "body")
BAGS = ("face", "face_tokens")


class Scores(nn.Module):
    """Class scores of one stream: linear in its summary, and in the mean of its tokens."""

    def __init__(self, n_summary: int, width: int, n_classes: int, *, linear: bool, dropout: float) -> None:
        super().__init__()
        self.summary = zero(nn.Linear(n_summary, n_classes)) if linear else None
        self.deep = nn.Sequential(nn.Dropout(dropout), zero(nn.Linear(width, n_classes)))

    def forward(self, summary: Tensor, tokens: Tensor) -> Tensor:
        scores: Tensor = self.deep(tokens.mean(1))
        return scores if self.summary is None else scores + self.summary(summary)


def found_shapes(
    sizes: Mapping[str, int] | None, shapes: Mapping[str, Sequence[int]] | None
) -> dict[str, tuple[int, ...]]:
    """Shape of each stream, in the network's order; checked against the sizes where both are told."""
    given = dict(shapes or {}) if sizes or shapes else dict(SHAPES)
    unknown = sorted({*given, *(sizes or {})} - set(STREAMS))
    if unknown:
        raise InputError(f"milmer was asked for streams {unknown}", expected=f"any of {list(STREAMS)}")
    found: dict[str, tuple[int, ...]] = {}
    for name in (s for s in STREAMS if s in (sizes or given)):
        shape = tuple(int(n) for n in given.get(name, SHAPES.get(name, ())))
        size = math.prod(shape) if sizes is None else int(sizes[name])
        if not shape or min(shape) < 1 or math.prod(shape) != size:
            raise InputError(
                f"milmer: stream {name!r} has {size} values and the shape {shape}",
                remedy=f'say which shape they have: shapes={{"{name}": (…)}}',
            )
        if name in BAGS and not (len(shape) == 3 or (len(shape) == 4 and shape[1] == 3 and name == "face")):
            raise InputError(
                f"milmer: stream {name!r} has the shape {shape}",
                expected="instances, tokens, values; or, for 'face', instances, 3, height, width",
            )
        found[name] = shape
    if all(bag in found for bag in BAGS):
        raise InputError("milmer was asked for 'face' and 'face_tokens'", expected="one of them")
    return found


@registered
class Milmer(nn.Module):
    """The network of Milmer: EEG and body by channel, a bag of faces of which some are chosen, one encoder.

    Parameters
    ----------
    sizes, shapes
        Stream name to values a sample, and to the shape they have: ``eeg`` and ``body`` have two axes, one of
        them the channels; ``face`` and ``face_tokens`` (either, not both) are (instances, tokens, values);
        ``face`` may also be pixels (instances, 3, height, width), which go through a backbone. The network
        has the streams that are named; by default ``eeg`` 32 × 384 and ``face_tokens`` 10 × 49 × 24.
    axes
        Stream name to the names of its axes, among them ``"channel"`` for ``eeg`` and ``body``. Not told,
        the first axis is that of the channels, and the second where ``eeg`` has at most 64 values there.
    n_classes
        Number of classes.
    selection
        Which instances count: ``"none"`` (all alike), ``"gated"``, ``"straight_through"``, ``"perturbed"``;
        see :class:`mien.models._milmer_selection.Selector`.
    n_selected
        Instances that are handed on by the last two, and named in the answer.
    relative
        Whether instances are scored by their deviation from what their bag rests at, and handed on with it.
    scorer_hidden
        Width of the scorer.
    fusion
        What the tokens of the chosen instances become: ``"cross_attention"`` to ``n_queries`` learnt
        queries, ``"mlp"``, or ``"none"`` (a linear layer).
    n_queries
        Number of these queries.
    eeg_front
        ``"spectrum"``: log power of each channel in 12 bands; ``"values"``: as they come; ``"auto"``: the
        spectrum of channels with more than 64 values, unless their axis has another name than ``"time"``.
    embed_dim, depth, num_heads
        Width of a token, blocks of the encoder, and attention heads.
    channel_embedding, instance_embedding, type_embedding
        Whether tokens are told their channel, their position in the bag, their stream.
    linear
        Whether each stream has a linear path to the class scores beside the encoder; that of a bag sees the
        deviations alone if ``relative``.
    local
        Whether the linear path of a bag sees its tokens one by one instead of their mean.
    dropout, eeg_dropout, face_dropout, body_dropout
        What training leaves out: elements of the encoder; values of EEG, of the linear path of the bag, and
        of the body.
    backbone, backbone_weights, image_size, random_backbone
        For pixels: name of a backbone of :mod:`mien.vision.backbones`, and its ``weights``, ``image_size``
        and ``random``.
    frozen
        Whether the backbone stays as it is.
    micro_batch, checkpoint
        Images at once in the backbone, and whether its activations are computed again on the way back.
    pixel_max
        The value of white.
    seed
        Of the first weights; the global random state is not used.

    Notes
    -----
    What differs from the published code, and why, stands in ``docs/models/milmer.md``.
    """

    kind = "network"
    streams = STREAMS

    def __init__(
        self,
        *,
        sizes: Mapping[str, int] | None = None,
        shapes: Mapping[str, Sequence[int]] | None = None,
        axes: Mapping[str, Sequence[str]] | None = None,
        n_classes: int = 4,
        selection: Literal["none", "gated", "straight_through", "perturbed"] = "gated",
        n_selected: int = 3,
        relative: bool = True,
        scorer_hidden: int = 32,
        fusion: Literal["cross_attention", "mlp", "none"] = "cross_attention",
        n_queries: int = 4,
        eeg_front: Literal["auto", "spectrum", "values"] = "auto",
        embed_dim: int = 16,
        depth: int = 1,
        num_heads: int = 2,
        channel_embedding: bool = True,
        instance_embedding: bool = True,
        type_embedding: bool = True,
        linear: bool = True,
        local: bool = True,
        dropout: float = 0.8,
        eeg_dropout: float = 0.5,
        face_dropout: float = 0.9,
        body_dropout: float = 0.5,
        backbone: str = "small_cnn",
        backbone_weights: str | None = None,
        image_size: int | None = None,
        random_backbone: bool = False,
        frozen: bool = False,
        micro_batch: int | None = None,
        checkpoint: bool = False,
        pixel_max: float = 255.0,
        seed: int = 0,
    ) -> None:
        config = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        super().__init__()
        self.shapes = found_shapes(sizes, shapes)
        self.sizes = {name: math.prod(shape) for name, shape in self.shapes.items()}
        config["sizes"] = dict(self.sizes)
        config["shapes"] = {name: list(shape) for name, shape in self.shapes.items()}
        config["axes"] = None if axes is None else {s: list(a) for s, a in axes.items()}
        self.config: dict[str, Any] = config
        check_positive(
            "milmer", n_classes=n_classes, n_selected=n_selected, scorer_hidden=scorer_hidden,
            n_queries=n_queries, embed_dim=embed_dim, depth=depth, num_heads=num_heads,
        )  # fmt: skip
        if embed_dim % num_heads:
            raise InputError(f"milmer: num_heads = {num_heads}", expected=f"a divisor of {embed_dim}")
        for bag in (s for s in BAGS if s in self.shapes):
            if n_selected > self.shapes[bag][0]:
                raise InputError(
                    f"milmer: n_selected = {n_selected}", expected=f"at most {self.shapes[bag][0]} instances"
                )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.branches = nn.ModuleDict({s: self._branch(s) for s in self.shapes})
            self.scores = nn.ModuleDict(
                {
                    s: Scores(int(b.n_summary), embed_dim, n_classes, linear=linear, dropout=dropout)  # type: ignore[arg-type]
                    for s, b in self.branches.items()
                }
            )
            self.cls = nn.Parameter(0.02 * torch.randn(embed_dim))
            self.stream_type = nn.ParameterDict(
                {s: nn.Parameter(0.02 * torch.randn(embed_dim)) for s in self.shapes if type_embedding}
            )
            self.encoder = Blocks(Block(embed_dim, num_heads, dropout=dropout) for _ in range(depth))
            self.norm = nn.LayerNorm(embed_dim)
            self.head = nn.Sequential(nn.Dropout(dropout), zero(nn.Linear(embed_dim, n_classes)))

    def _branch(self, stream: str) -> nn.Module:
        c, shape = self.config, self.shapes[stream]
        if stream in BAGS:
            return BagBranch(
                shape,
                width=c["embed_dim"],
                num_heads=c["num_heads"],
                selection=c["selection"],
                n_selected=c["n_selected"],
                hidden=c["scorer_hidden"],
                relative=c["relative"],
                fusion=c["fusion"],
                n_queries=c["n_queries"],
                embedding=c["instance_embedding"],
                local=c["local"],
                input_dropout=c["face_dropout"],
                backbone={
                    "name": c["backbone"],
                    "weights": c["backbone_weights"],
                    "image_size": c["image_size"],
                    "random": c["random_backbone"],
                    "seed": c["seed"],
                },
                frozen=c["frozen"],
                micro_batch=c["micro_batch"],
                checkpoint=c["checkpoint"],
                pixel_max=c["pixel_max"],
            )
        named = (c["axes"] or {}).get(stream)
        axis = channel_axis(stream, shape, named)
        value_axis = None if named is None else named[1 - axis]
        return ChannelBranch(
            shape,
            axis=axis,
            signal=stream == "eeg" and is_signal(c["eeg_front"], shape[1 - axis], value_axis),
            width=c["embed_dim"],
            embedding=c["channel_embedding"],
            input_dropout=c[f"{stream}_dropout"],
        )

    def _instances(
        self, inputs: Mapping[str, Tensor], present: Mapping[str, Tensor] | None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor] | None]:
        """The same with absent instances as zeros, and an empty bag absent where there is anything else."""
        inputs, present = dict(inputs), dict(present or {})
        for bag in (s for s in BAGS if s in inputs and s in self.shapes):
            x = inputs[bag].flatten(1)
            if x.shape[1] != self.sizes[bag]:
                continue
            x = x.unflatten(1, (self.shapes[bag][0], -1))
            filled = (x.detach() != 0).any(2)
            mask = present.get(bag, filled.new_ones(len(x))).to(x.device)
            if mask.ndim == 2:
                inputs[bag] = torch.where(mask.unsqueeze(2), x, torch.zeros_like(x))
                filled, mask = filled & mask, mask.any(1)
            others = [
                present.get(s, mask.new_ones(len(x))).to(x.device) for s in inputs if s not in (bag, *BAGS)
            ]
            other = torch.stack(others).any(0) if others else torch.zeros_like(mask)
            present[bag] = mask & (filled.any(1) | ~other)
        return inputs, present

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
            Stream name to boolean tensor (B,), for a bag also (B, instances): which samples have it. Streams
            not named are there in all. An instance whose values are all 0 is absent, and so is a bag of such
            instances, unless the sample has nothing else: then it is taken as it is. Rows of absent samples
            are not looked at.
        alpha
            Not used: there is no domain head.

        Returns
        -------
        NetworkOutput
            ``attention`` (B, instances) and ``selected`` (B, n_selected), the instances of largest score, -1
            where there are fewer; both None without a bag, zeros and -1 for samples without one;
            ``selected`` is -1 throughout with ``selection="none"``.

        Raises
        ------
        InputError
            If a stream is unknown or has the wrong size, or if a sample has none.
        """
        groups = group_by_presence(*self._instances(inputs, present), sizes=self.sizes)
        encoded = {s: self.branches[s](x) for s, x in groups.streams.items() if len(x)}
        found = {s: Scored(e.tokens, self.scores[s](e.summary, e.tokens)) for s, e in encoded.items()}
        (logits, first) = by_group(groups, found, self._fuse)
        more = {"representation": first}
        for bag in (s for s in BAGS if s in encoded):
            more["attention"] = spread(groups, bag, encoded[bag].attention)
            more["selected"] = spread(groups, bag, encoded[bag].best + 1) - 1
        return answer(logits, groups, found, **more)

    def _fuse(self, encoded: dict[str, Scored]) -> tuple[Tensor, Tensor]:
        """Class scores of samples that have the same streams, and the encoder's answer."""
        n = len(next(iter(encoded.values())).logits)
        parts = [self.cls.expand(n, 1, -1)]
        for stream, e in encoded.items():
            parts.append(e.tokens + self.stream_type[stream] if stream in self.stream_type else e.tokens)
        first = self.norm(self.encoder(torch.cat(parts, 1))[:, 0])
        return torch.stack([e.logits for e in encoded.values()]).sum(0) + self.head(first), first


def example() -> Batch:
    """Twelve made-up samples."""
    return example_batch(SHAPES, n_classes=4)
