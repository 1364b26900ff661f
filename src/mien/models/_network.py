"""What the networks share: their answer, who is present in a batch, and the reversal of gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from mien.core import InputError

R = TypeVar("R", Tensor, Any)


@dataclass(frozen=True, kw_only=True)
class NetworkOutput:
    """What a network answers.

    Attributes
    ----------
    logits
        (samples, classes).
    domain_logits
        (samples, domains), or None where the network has no domain head.
    representation
        (samples, width): what the class scores are a linear function of.
    gate
        (samples, streams) in the network's order: the share of each stream in the representation; rows sum
        to 1, absent streams have 0.
    auxiliary_logits
        Stream name to (samples, classes): what the network says from one stream alone; rows of samples
        without it are 0.
    stream_features
        Stream name to (samples, width), one width for all: a stream before it meets the others; rows of
        samples without it are 0.
    """

    logits: Tensor
    domain_logits: Tensor | None = None
    representation: Tensor | None = None
    gate: Tensor | None = None
    auxiliary_logits: Mapping[str, Tensor] | None = None
    stream_features: Mapping[str, Tensor] | None = None
    attention: Tensor | None = None
    selected: Tensor | None = None


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: float) -> Tensor:
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] * -ctx.alpha, None


def reverse_gradient(x: Tensor, *, alpha: float) -> Tensor:
    """``x`` itself; on the way back its gradient is multiplied by ``-alpha`` (Ganin and Lempitsky, 2015)."""
    return _Reverse.apply(x, alpha)


@dataclass(frozen=True, kw_only=True)
class Groups:
    """A batch sorted so that samples with the same streams lie side by side.

    Attributes
    ----------
    streams
        Stream name to tensor (its samples, features): the rows of the samples that have it, in sorted order.
    parts
        One pair per group: names of the streams its samples have, and how many samples.
    undo
        Positions that put sorted rows back in the batch's order, or None where nothing was moved.
    """

    streams: Mapping[str, Tensor]
    parts: Sequence[tuple[tuple[str, ...], int]]
    undo: Tensor | None


def group_by_presence(
    inputs: Mapping[str, Tensor], present: Mapping[str, Tensor] | None, *, sizes: Mapping[str, int]
) -> Groups:
    """Flatten the streams of a batch and sort its samples by the streams they have.

    Parameters
    ----------
    inputs
        Stream name to tensor (samples, …); any non-empty subset of ``sizes``.
    present
        Stream name to boolean tensor (samples,); streams not named are present in every sample.
    sizes
        Stream name to number of features, in the network's order.

    Raises
    ------
    InputError
        If a stream is unknown or has the wrong size, or if a sample has none at all.
    """
    unknown = sorted({*inputs, *(present or {})} - set(sizes))
    if unknown or not inputs:
        raise InputError(
            f"streams {unknown} are not among those of this network" if unknown else "no stream was given",
            expected=f"any of {list(sizes)}",
        )
    names = [name for name in sizes if name in inputs]
    flat = {name: inputs[name].flatten(1) for name in names}
    n = len(flat[names[0]])
    for name in names:
        if flat[name].shape != (n, sizes[name]):
            raise InputError(
                f"stream {name!r} has shape {tuple(inputs[name].shape)}",
                expected=f"({n}, …) with {sizes[name]} values a sample",
            )
    masks = {name: (present or {}).get(name) for name in names}
    if all(mask is None or bool(mask.all()) for mask in masks.values()):
        return Groups(streams=flat, parts=[(tuple(names), n)], undo=None)

    device = flat[names[0]].device
    code = torch.zeros(n, dtype=torch.long, device=device)
    for bit, name in enumerate(names):
        mask = masks[name]
        code += (1 << bit) * (1 if mask is None else mask.to(device).long())
    sorted_code, order = code.sort(stable=True)
    patterns, counts = (t.tolist() for t in sorted_code.unique_consecutive(return_counts=True))
    if patterns[0] == 0:
        raise InputError(
            f"{counts[0]} samples of the batch have none of the streams {names}",
            remedy="leave samples out that have nothing to go by",
        )
    parts = [
        (tuple(name for bit, name in enumerate(names) if pattern >> bit & 1), count)
        for pattern, count in zip(patterns, counts, strict=True)
    ]
    streams = {name: flat[name][order[(sorted_code >> bit & 1).bool()]] for bit, name in enumerate(names)}
    return Groups(streams=streams, parts=parts, undo=order.argsort())


def by_group(
    groups: Groups, encoded: Mapping[str, R], run: Callable[[dict[str, R]], tuple[Tensor, ...]]
) -> tuple[Tensor, ...]:
    """Results of ``run`` on the samples of each group, in the batch's order.

    ``encoded`` maps a stream to one row per sample that has it, as in ``groups.streams``: a tensor, or a
    named tuple of tensors. ``run`` gets the rows of one group's streams.
    """
    used = dict.fromkeys(encoded, 0)
    results = []
    for streams, count in groups.parts:
        results.append(run({s: _rows(encoded[s], used[s], count) for s in streams}))
        used.update({s: used[s] + count for s in streams})
    joined = tuple(torch.cat(part) for part in zip(*results, strict=True))
    return joined if groups.undo is None else tuple(part[groups.undo] for part in joined)


def _rows(encoded: R, start: int, count: int) -> R:
    if isinstance(encoded, Tensor):
        return encoded.narrow(0, start, count)
    return type(encoded)(*(part.narrow(0, start, count) for part in encoded))


def spread(groups: Groups, stream: str, rows: Tensor) -> Tensor:
    """Rows of the samples that have a stream at their places in the batch, zeros for the others."""
    if groups.undo is None:
        return rows
    pieces, used = [], 0
    for streams, count in groups.parts:
        there = stream in streams
        pieces.append(rows.narrow(0, used, count) if there else rows.new_zeros(count, *rows.shape[1:]))
        used += count * there
    return torch.cat(pieces)[groups.undo]


def stream_shapes(
    owner: str,
    sizes: Mapping[str, int] | None,
    shapes: Mapping[str, Sequence[int]] | None,
    default: Mapping[str, tuple[int, ...]],
) -> dict[str, tuple[int, ...]]:
    """Shape of each stream of a network, in the order of ``default``.

    Parameters
    ----------
    owner
        Name of the network, for messages.
    sizes, shapes
        Stream name to values a sample, and to the shape they have; either may be None. A stream without a
        shape has the default one, stretched along its first axis (maps: along height and width) to its size.
    default
        Every stream that the network can have, and the shape it then has. Without sizes and shapes it has
        all of them.

    Raises
    ------
    InputError
        If a stream is not among the defaults, a shape does not fit its size or the number of axes, or no
        shape can be told from a size.
    """
    if not sizes and not shapes:
        return dict(default)
    named = {*(sizes or {}), *(shapes or {})}
    unknown = sorted(named - set(default))
    if unknown:
        raise InputError(f"{owner} was asked for streams {unknown}", expected=f"any of {list(default)}")
    found: dict[str, tuple[int, ...]] = {}
    for name in (n for n in default if n in (sizes or shapes or {})):
        size = None if sizes is None else int(sizes[name])
        shape = tuple(int(n) for n in (shapes or {}).get(name, ()))
        shape = shape or _guessed(owner, name, size or 0, default[name])
        if min(shape) < 1 or (size is not None and math.prod(shape) != size):
            raise InputError(f"{owner}: stream {name!r} has {size} values and the shape {shape}")
        if _is_maps(default[name]) and len(shape) != 3:
            raise InputError(
                f"{owner}: stream {name!r} has the shape {shape}", expected="maps, height, width"
            )
        found[name] = shape
    return found


def _is_maps(shape: tuple[int, ...]) -> bool:
    """Whether this default shape is one of square maps."""
    return len(shape) == 3 and shape[1] == shape[2]


def _guessed(owner: str, name: str, size: int, default: tuple[int, ...]) -> tuple[int, ...]:
    """The default shape stretched to ``size`` values."""
    shape: tuple[int, ...] = (size // math.prod(default[1:]), *default[1:])
    wanted = f"a multiple of {math.prod(default[1:])}"
    if _is_maps(default):
        side = math.isqrt(size // default[0])
        shape, wanted = (default[0], side, side), f"{default[0]} square maps"
    if size < 1 or math.prod(shape) != size:
        raise InputError(
            f"{owner}: stream {name!r} has {size} values a sample",
            expected=wanted,
            remedy=f'say which shape they have: shapes={{"{name}": (…)}}',
        )
    return shape


def check_positive(owner: str, **values: int) -> None:
    """Refuse sizes below one."""
    for name, value in values.items():
        if value < 1:
            raise InputError(f"{owner}: {name} = {value}", expected="at least 1")


def check_heads(owner: str, embed_dim: int, num_heads: int) -> None:
    """Refuse a number of attention heads that does not divide the width."""
    if embed_dim % num_heads:
        raise InputError(f"{owner}: num_heads = {num_heads}", expected=f"a divisor of the width {embed_dim}")
