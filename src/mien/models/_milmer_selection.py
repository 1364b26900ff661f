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


def rest_of(x: Tensor, mask: Tensor, *, rounds: int = 5) -> Tensor:
    """What the present instances of a bag x (B, N, …) rest at, (B, …): their geometric median.

    The point with the least sum of distances to the instances does not follow the few that show something,
    which their mean does. Weiszfeld's steps from the mean; each needs the products of the instances with each
    other only. The slopes are those of a mean with fixed weights.
    """
    with torch.no_grad():
        flat = x.flatten(2)
        products = flat @ flat.transpose(1, 2)
        own = products.diagonal(dim1=1, dim2=2)
        least = EPS * (over_present(own, mask).unsqueeze(1) + EPS)
        share = mask.to(x.dtype)
        share = share / share.sum(1, keepdim=True)
        for _ in range(rounds):
            to_all = (products @ share.unsqueeze(2)).squeeze(2)
            square = own - 2 * to_all + (to_all * share).sum(1, keepdim=True)
            share = mask / (square.clamp_min(0) + least).sqrt()
            share = share / share.sum(1, keepdim=True)
    return torch.einsum("bn,bn...->b...", share, x)


class Scorer(nn.Module):
    """Scores of instances (B, N, tokens, dim) by a gated layer, equation 9 of Ilse et al. (ICML 2018).

    Parameters
    ----------
    tokens, dim, hidden
        Shape of an instance, and size of the layer.
    relative
        Instances are deviations from what their bag rests at (:func:`rest_of`).

    Notes
    -----
    The layer sees the mean of the tokens and how large each token is. With ``relative`` it also sees how
    large that mean is, value by value, since an expression and its opposite are both worth looking at; and
    the score starts from the size of the whole deviation.
    """

    def __init__(self, tokens: int, dim: int, *, hidden: int, relative: bool) -> None:
        super().__init__()
        n = 2 * dim + tokens if relative else dim + tokens
        self.value, self.gate = nn.Linear(n, hidden), nn.Linear(n, hidden)
        self.weight = nn.Linear(hidden, 1, bias=False)
        self.deviation = nn.Parameter(torch.ones(())) if relative else None

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, N), the lowest number there is where an instance is absent."""
        square = x.square().mean(3)
        size = square.mean(2)
        spread = over_present(size, mask).unsqueeze(1) + EPS
        mean = x.mean(2) / spread.sqrt().unsqueeze(2)
        seen = [mean, (square / spread.unsqueeze(2) + EPS).sqrt()]
        if self.deviation is not None:
            seen.append(mean.abs())
        seen_by_all = torch.cat(seen, 2)
        scores = self.weight(self.value(seen_by_all).tanh() * self.gate(seen_by_all).sigmoid()).squeeze(2)
        if self.deviation is not None:
            scores = scores + self.deviation * size / spread
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
    """Choose among the instances of a bag.

    Parameters
    ----------
    tokens, dim
        Shape of an instance.
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
        tokens: int,
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
        self.scorer = None if selection == "none" else Scorer(tokens, dim, hidden=hidden, relative=relative)

    def forward(self, x: Tensor, mask: Tensor) -> Selected:
        """Choose among instances (B, N, tokens, dim), of which ``mask`` (B, N) says which are there."""
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
