"""What the networks share: their answer, who is present in a batch, and the reversal of gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mien.core import InputError


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
    """

    logits: Tensor
    domain_logits: Tensor | None = None
    representation: Tensor | None = None
    gate: Tensor | None = None


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


def check_positive(owner: str, **values: int) -> None:
    """Refuse sizes below one."""
    for name, value in values.items():
        if value < 1:
            raise InputError(f"{owner}: {name} = {value}", expected="at least 1")
