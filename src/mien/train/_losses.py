"""Losses of the class scores, one value a sample."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from mien.core import InputError

MARGIN = 1.0
"""Distance beyond which the published contrastive term leaves a pair alone."""


def focal(logits: Tensor, label: Tensor, *, gamma: float, smoothing: float = 0.0) -> Tensor:
    """Focal loss of each sample, ``-sum_c t_c (1 - p_c)^gamma log p_c`` with targets t.

    ``smoothing`` is the share of the target that is spread evenly over the classes. With ``gamma = 0`` it is
    the cross-entropy. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 4.
    """
    log_p = logits.log_softmax(1)
    target = torch.full_like(log_p, smoothing / log_p.shape[1])
    target.scatter_add_(1, label.unsqueeze(1), torch.full_like(log_p[:, :1], 1 - smoothing))
    # 1 - p from its logarithm: no slope of a power of zero where p rounds to 1
    rest = torch.log(-torch.expm1(log_p.clamp_max(-1e-7)))
    return -(target * (gamma * rest).exp() * log_p).sum(1)


def contrastive(first: Tensor, second: Tensor, label: Tensor) -> Tensor:
    """The published contrastive term of each sample: ``y d² + (1 - y) max(0, 1 - d)²``.

    ``d`` is the distance of the features of the two streams and ``y`` should say whether they belong
    together; the published code puts the number of the class there, and so does this.
    """
    distance = F.pairwise_distance(first, second)
    pull = label.to(distance.dtype)
    return pull * distance.square() + (1 - pull) * (MARGIN - distance).relu().square()


def released(
    logits: Tensor,
    label: Tensor,
    *,
    features: Mapping[str, Tensor] | None,
    present: Mapping[str, Tensor] | None,
    centres: Tensor | None,
    smoothing: float,
) -> Tensor:
    """The published sum of each sample: cross-entropy, contrastive term and centre term.

    The centre term is the squared distance of the first stream's features from the centre of the class. No
    optimiser was given the centres: they stay where chance put them. A sample without one of the streams has
    no term that needs it.
    """
    each = F.cross_entropy(logits, label, reduction="none", label_smoothing=smoothing)
    if not features or centres is None:
        raise InputError(
            "the released loss was asked for, but the network does not tell the features of its streams",
            expected="mes_eeg",
            remedy='use loss = "focal" or "cross_entropy"',
        )
    names = list(features)
    there = {s: _mask(present, s, each) for s in names}
    to_centre = (features[names[0]] - centres[label]).square().sum(1)
    each = each + torch.where(there[names[0]], to_centre, torch.zeros_like(each))
    if len(names) > 1:
        first, second = names[:2]
        pair = contrastive(features[first], features[second], label)
        each = each + torch.where(there[first] & there[second], pair, torch.zeros_like(each))
    return each


def auxiliary(
    logits: Mapping[str, Tensor],
    label: Tensor,
    *,
    present: Mapping[str, Tensor] | None,
    gamma: float,
    smoothing: float,
) -> Tensor:
    """Sum over streams of the loss of what each says alone, for the samples that have it."""
    total = torch.zeros(len(label), device=label.device)
    for stream, scores in logits.items():
        each = focal(scores, label, gamma=gamma, smoothing=smoothing)
        total = total + torch.where(_mask(present, stream, each), each, torch.zeros_like(each))
    return total


def alignment(
    features: Mapping[str, Tensor],
    label: Tensor,
    *,
    present: Mapping[str, Tensor] | None,
    temperature: float,
) -> Tensor:
    """Supervised contrastive loss of each sample between its streams.

    With unit vectors z of streams a and b, and P the samples of the batch that have b and the label of i:
    ``-mean_{p in P} log(exp(z_ia z_pb / t) / sum_{j has b} exp(z_ia z_jb / t))``, averaged over the ordered
    pairs of streams that the batch has. A sample without stream a adds nothing to its pairs. Khosla et al.,
    NeurIPS 2020, equation 2, with the anchor in one stream and all it is compared with in another. With one
    stream it is 0.
    """
    names = list(features)
    total = torch.zeros(len(label), device=label.device)
    unit = {s: F.normalize(features[s], dim=1) for s in names}
    same = label.unsqueeze(1) == label.unsqueeze(0)
    pairs = [(a, b) for a in names for b in names if a != b]
    for a, b in pairs:
        here, there = (_mask(present, s, total) for s in (a, b))
        if not there.any():
            continue
        log_p = (unit[a] @ unit[b].T / temperature).masked_fill(~there, float("-inf")).log_softmax(1)
        positive = same & there
        n = positive.sum(1)
        each = -log_p.masked_fill(~positive, 0.0).sum(1) / n.clamp_min(1)
        total = total + torch.where(here & (n > 0), each, torch.zeros_like(each)) / len(pairs)
    return total


def _mask(present: Mapping[str, Tensor] | None, stream: str, like: Tensor) -> Tensor:
    mask = None if present is None else present.get(stream)
    return torch.ones_like(like, dtype=torch.bool) if mask is None else mask.to(like.device)
