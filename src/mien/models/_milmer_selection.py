"""Which instances of a bag count: selectors whose scorer learns.

A selector turns scores of N instances into ``rows`` (B, k, N), one mixture of instances for each of the k
that are handed on; rows sum to 1, and absent instances have no share.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mien.core import UnknownNameError

SELECTIONS = ("none", "gated", "straight_through", "perturbed")
EPS = 1e-6


class Selected(NamedTuple):
    """What a selector answers.

    ``rows`` (B, k, N); ``attention`` (B, N), the weights of the instances, sum 1; ``best`` (B, n_selected),
    the instances of largest score in falling order, -1 where there are fewer.
    """

    rows: Tensor
    attention: Tensor
    best: Tensor


def over_present(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over the present instances of x (B, N, …), (B, …); at least one must be there."""
    share = mask.to(x.dtype) / mask.sum(1, keepdim=True)
    return torch.einsum("bn,bn...->b...", share, x)


class Scorer(nn.Module):
    """Scores of instances (B, N, dim) by a gated layer, equation 9 of Ilse, Tomczak and Welling (ICML 2018).

    Parameters
    ----------
    dim, hidden
        Size of an instance and of the layer.
    relative
        Score the deviation of an instance from the mean of its bag, in units of the bag's own spread: who it
        is and how the light fell is the same in all of a bag. The size of each deviation is given beside its
        sign, since an expression and its opposite are both worth looking at, and the score starts from the
        size of the whole deviation.
    """

    def __init__(self, dim: int, *, hidden: int, relative: bool) -> None:
        super().__init__()
        self.relative = relative
        n = 2 * dim if relative else dim
        self.value, self.gate = nn.Linear(n, hidden), nn.Linear(n, hidden)
        self.weight = nn.Linear(hidden, 1, bias=False)
        if relative:
            self.deviation = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, N), the lowest number there is where an instance is absent."""
        size = None
        if self.relative:
            x = x - over_present(x, mask).unsqueeze(1)
            square = x.square().mean(2)
            spread = over_present(square, mask).unsqueeze(1)
            x = x / (spread + EPS).sqrt().unsqueeze(2)
            size = square / (spread + EPS)
            x = torch.cat([x, x.abs()], 2)
        scores = self.weight(self.value(x).tanh() * self.gate(x).sigmoid()).squeeze(2)
        if size is not None:
            scores = scores + self.deviation * size
        return scores.masked_fill(~mask, torch.finfo(scores.dtype).min)


class _PerturbedTopK(torch.autograd.Function):
    """Mean of the top-k indicators of noisy scores, and its derivative (Cordonnier et al. 2021)."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, k: int, sigma: float, n_draws: int) -> Tensor:
        noise = torch.randn(len(scores), n_draws, scores.shape[1], device=scores.device, dtype=scores.dtype)
        index = (scores.unsqueeze(1) + sigma * noise).topk(k, 2).indices.sort(2).values
        hits = torch.zeros(*index.shape, scores.shape[1], device=scores.device, dtype=scores.dtype)
        hits.scatter_(3, index.unsqueeze(3), 1.0)
        ctx.save_for_backward(hits, noise)
        ctx.sigma = sigma
        return hits.mean(1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        hits, noise = ctx.saved_tensors
        slope = torch.einsum("bskn,bkn->bs", hits, grads[0])
        return torch.einsum("bs,bsn->bn", slope, noise) / (ctx.sigma * noise.shape[1]), None, None, None


def hard_rows(scores: Tensor, k: int) -> Tensor:
    """One instance a row, the k of largest score in the order in which they stand, (B, k, N)."""
    index = scores.topk(k, 1).indices.sort(1).values
    rows = torch.zeros(*index.shape, scores.shape[1], device=scores.device, dtype=scores.dtype)
    return rows.scatter(2, index.unsqueeze(2), 1.0)


class Selector(nn.Module):
    """Choose among the instances of a bag by the means of their tokens.

    Parameters
    ----------
    dim
        Size of a token.
    selection
        ``"none"``: the mean of all. ``"gated"``: their mixture by the softmax of the scores.
        ``"straight_through"``: the k of largest score; the gradient is that of the softmax (Bengio et al.
        2013). ``"perturbed"``: the k of largest score in the mean over ``n_draws`` draws of normal noise of
        standard deviation ``sigma``, with that mean's derivative (Cordonnier et al., "Differentiable patch
        selection", CVPR 2021); without noise in evaluation.
    n_selected
        k, at most the number of instances.
    hidden, relative
        Of the scorer.
    """

    def __init__(
        self,
        dim: int,
        *,
        selection: str,
        n_selected: int,
        hidden: int,
        relative: bool,
        sigma: float = 0.5,
        n_draws: int = 64,
    ) -> None:
        super().__init__()
        if selection not in SELECTIONS:
            raise UnknownNameError("selection", selection, SELECTIONS)
        self.selection, self.n_selected = selection, n_selected
        self.sigma, self.n_draws = sigma, n_draws
        self.scorer = None if selection == "none" else Scorer(dim, hidden=hidden, relative=relative)

    def forward(self, x: Tensor, mask: Tensor) -> Selected:
        """Choose among instances (B, N, dim), of which ``mask`` (B, N) says which are there."""
        if self.scorer is None:
            scores = x.new_zeros(x.shape[:2]).masked_fill(~mask, torch.finfo(x.dtype).min)
        else:
            scores = self.scorer(x, mask)
        attention = scores.softmax(1)
        if self.scorer is None:
            best = torch.full((len(x), self.n_selected), -1, device=x.device)
            return Selected(attention.unsqueeze(1), attention, best)
        best = scores.topk(self.n_selected, 1).indices
        best = best.where(mask.gather(1, best), -1)
        if self.selection == "gated":
            return Selected(attention.unsqueeze(1), attention, best)
        if self.selection == "perturbed" and self.training:
            rows = _PerturbedTopK.apply(scores, self.n_selected, self.sigma, self.n_draws)
        else:
            rows = hard_rows(scores, self.n_selected)
        # where fewer instances are there than rows, the rest of the rows is their mixture
        rows = rows * mask.unsqueeze(1)
        rows = rows + (1 - rows.sum(2, keepdim=True)) * attention.unsqueeze(1)
        if self.selection == "straight_through":
            rows = rows.detach() + (attention - attention.detach()).unsqueeze(1)
        return Selected(rows, attention, best)
