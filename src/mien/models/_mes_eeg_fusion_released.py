"""The fusion network of MEs-EEG as its authors released it: same layers, names and order of operations.

Two things in it are not what its paper says, and it exists so that the published code's numbers can be
checked; :mod:`mien.models.mes_eeg_fusion` is the one to use.

* Its layers take the first axis of a batch for the tokens, so that **samples attend to one another**: what is
  said of one depends on which others are in its batch. ``attention="tokens"`` attends over the tokens.
* Its "cross" transformers attend to themselves: both token sequences are joined, and the own part of what
  comes out is kept.

The published network always has both streams. Where one is absent, ours leaves its tokens out and its half
of what is classified zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mien.core import InputError, UnknownNameError
from mien.models import _load
from mien.models._network import (
    NetworkOutput,
    by_group,
    check_heads,
    check_positive,
    group_by_presence,
    stream_shapes,
)

SHAPES = {"eeg": (7, 16), "me": (16, 16)}
OWNER = "mes_eeg_fusion"
RECIPES = ("released", "released_tokens")
ATTENTION = ("batch", "tokens")


def sinusoids(length: int, width: int) -> Tensor:
    """(length, width): sines and cosines of falling frequency (Vaswani et al., NeurIPS 2017, section 3.5)."""
    place = torch.arange(length).float().unsqueeze(1)
    turn = place * torch.exp(torch.arange(0, width, 2).float() * (-math.log(10000.0) / width))
    out = torch.zeros(length, width)
    out[:, 0::2], out[:, 1::2] = turn.sin(), turn[:, : width // 2].cos()
    return out


def encoder(width: int, num_heads: int, depth: int, *, dropout: float, tokens: bool) -> nn.TransformerEncoder:
    """Post-norm encoder with ReLU; attends over the first axis, or over ``tokens``."""
    layer = nn.TransformerEncoderLayer(
        width, num_heads, dim_feedforward=4 * width, dropout=dropout, batch_first=tokens
    )
    return nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)


class CrossTransformer(nn.Module):
    """Self-attention over two joined sequences; the first one's part of the result."""

    def __init__(self, cross_transformer: nn.TransformerEncoder) -> None:
        super().__init__()
        self.cross_transformer = cross_transformer

    def forward(self, query: Tensor, key: Tensor | None) -> Tensor:
        joined = query if key is None else torch.cat([query, key], 1)
        return self.cross_transformer(joined)[:, : query.shape[1]]


class TransformerFusion(nn.Module):
    """Token sequences of both streams to class scores, published names throughout."""

    def __init__(
        self,
        widths: Mapping[str, int],
        *,
        n_classes: int,
        embed_dim: int,
        depth: int,
        num_heads: int,
        hidden: int,
        dropout: float,
        attention: str,
    ) -> None:
        super().__init__()
        self.width, self.dropout = embed_dim, nn.Dropout(dropout)

        def made() -> nn.TransformerEncoder:
            return encoder(embed_dim, num_heads, depth, dropout=dropout, tokens=attention == "tokens")

        self.eeg_embedding = nn.Linear(widths["eeg"], embed_dim)
        self.eeg_transformer = made()
        self.me_embedding = nn.Linear(widths["me"], embed_dim)
        self.me_transformer = made()
        self.cross_eeg_to_me = CrossTransformer(made())
        self.cross_me_to_eeg = CrossTransformer(made())
        self.fusion_layer = nn.Linear(2 * embed_dim, hidden)
        self.classifier = nn.Sequential(nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, n_classes))

    def fuse(self, tokens: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Class scores of samples that have the same streams, and what they are a linear function of."""
        encoded: dict[str, Tensor] = {}
        for stream, x in tokens.items():
            x = self.get_submodule(f"{stream}_embedding")(x)
            x = self.dropout(x + sinusoids(x.shape[1], self.width).to(x))
            encoded[stream] = self.get_submodule(f"{stream}_transformer")(x)
        eeg, me = encoded.get("eeg"), encoded.get("me")
        some = next(iter(encoded.values()))
        none = some.new_zeros(len(some), self.width)
        parts = [
            none if eeg is None else self.cross_eeg_to_me(eeg, me).mean(1),
            none if me is None else self.cross_me_to_eeg(me, eeg).mean(1),
        ]
        hidden = self.classifier[:-1](self.fusion_layer(torch.cat(parts, 1)))
        return self.classifier[-1](hidden), hidden


class FusionReleased(TransformerFusion):
    """The released network; see :func:`create` for its options."""

    kind = "network"
    streams = ("eeg", "me")

    def __init__(self, config: dict[str, Any]) -> None:
        keys = ("n_classes", "embed_dim", "depth", "num_heads", "hidden", "dropout", "attention")
        super().__init__(
            {s: shape[1] for s, shape in config["shapes"].items()}, **{k: config[k] for k in keys}
        )
        self.config = config
        self.sizes: dict[str, int] = dict(config["sizes"])
        self.shapes = {s: tuple(shape) for s, shape in config["shapes"].items()}
        self.couples_samples = config["attention"] == "batch"

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None = None,
        alpha: float = 0.0,
    ) -> NetworkOutput:
        """Class scores; each stream is (B, tokens, values) of any number of tokens, or flat."""
        sizes = dict(self.sizes)
        for stream, x in inputs.items():
            if stream in sizes and x.ndim == 3 and x.shape[2] == self.shapes[stream][1]:
                sizes[stream] = x.shape[1] * x.shape[2]
        groups = group_by_presence(inputs, present, sizes=sizes)
        tokens = {s: x.unflatten(1, (-1, self.shapes[s][1])) for s, x in groups.streams.items()}
        logits, hidden = by_group(groups, tokens, self.fuse)
        return NetworkOutput(logits=logits, representation=hidden)


def create(
    *,
    sizes: Mapping[str, int] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    n_classes: int = 3,
    embed_dim: int = 128,
    depth: int = 2,
    num_heads: int = 8,
    hidden: int = 256,
    dropout: float = 0.1,
    attention: Literal["batch", "tokens"] = "batch",
    seed: int = 0,
) -> FusionReleased:
    """The released network with fresh weights.

    ``shapes`` gives (tokens, values a token) of ``eeg`` and ``me``; ``attention="batch"`` is what was
    released, ``"tokens"`` what was meant, for comparison only.
    """
    if attention not in ATTENTION:
        raise UnknownNameError("attention", attention, ATTENTION)
    found = stream_shapes(OWNER, sizes, shapes, SHAPES)
    if set(found) != set(SHAPES):
        raise InputError(f"released {OWNER} was asked for streams {sorted(found)}", expected="'eeg' and 'me'")
    check_positive(
        f"released {OWNER}", n_classes=n_classes, embed_dim=embed_dim, depth=depth, num_heads=num_heads,
        hidden=hidden,
    )  # fmt: skip
    check_heads(f"released {OWNER}", embed_dim, num_heads)
    config = {
        "sizes": {s: math.prod(shape) for s, shape in found.items()},
        "shapes": {s: list(shape) for s, shape in found.items()},
        "n_classes": n_classes,
        "embed_dim": embed_dim,
        "depth": depth,
        "num_heads": num_heads,
        "hidden": hidden,
        "dropout": dropout,
        "attention": attention,
        "seed": seed,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FusionReleased(config)


def load(state_dict: Mapping[str, Any], *, num_heads: int, recipe: str = "released") -> nn.Module:
    """See :func:`mien.models.load_released`; ``recipe="released_tokens"`` attends over tokens."""
    if recipe not in RECIPES:
        raise InputError(
            f"corrected {OWNER!r} has true cross-attention, for which there are no published weights",
            expected=" or ".join(f'recipe="{r}"' for r in RECIPES),
        )
    # the published network keeps its table of positions among its weights
    state = {k: v for k, v in _load.as_tensors(state_dict).items() if not k.endswith("encoding.pe")}
    first = "eeg_transformer.layers.{}.linear1.weight"
    _load.need(
        OWNER,
        state,
        {
            "eeg_embedding.weight": 2, "me_embedding.weight": 2, first.format(0): 2,
            "fusion_layer.weight": 2, "classifier.2.weight": 2,
        },
    )  # fmt: skip
    depth = 1
    while first.format(depth) in state:
        depth += 1
    width = state["eeg_embedding.weight"].shape[0]
    network = create(
        shapes={
            "eeg": (SHAPES["eeg"][0], state["eeg_embedding.weight"].shape[1]),
            "me": (SHAPES["me"][0], state["me_embedding.weight"].shape[1]),
        },
        n_classes=len(state["classifier.2.weight"]),
        embed_dim=width,
        depth=depth,
        num_heads=num_heads,
        hidden=len(state["fusion_layer.weight"]),
        attention="tokens" if recipe == "released_tokens" else "batch",
    )
    return _load.load_state(OWNER, network, state)
