"""MEs-EEG with the released fusion: tokens from our branches, fused as the published code does.

The published repository has no EEG and face branch that runs (they are built without their arguments, and
shapes do not meet), so that what its fusion would have been given is not known. Here it gets the tokens of
our branches; :mod:`mien.models._mes_eeg_fusion_released` says what is wrong with it. **Samples of a batch
influence one another**, and every report says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mien.core import InputError
from mien.models._mes_eeg_fusion_released import TransformerFusion
from mien.models._network import (
    NetworkOutput,
    by_group,
    check_heads,
    check_positive,
    group_by_presence,
    spread,
    stream_shapes,
)
from mien.models._streams import branches
from mien.models.mes_eeg import SHAPES

OWNER = "released mes_eeg"


class MEsEEGReleased(nn.Module):
    """Our branches before the released fusion; see :func:`create` for its options."""

    kind = "network"
    streams = ("eeg", "me")
    couples_samples = True

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config
        self.sizes: dict[str, int] = dict(config["sizes"])
        self.branches = branches(
            {s: tuple(shape) for s, shape in config["shapes"].items()}, branch_options(config)
        )
        keys = ("n_classes", "embed_dim", "depth", "num_heads", "hidden", "dropout")
        self.fusion = TransformerFusion(
            dict.fromkeys(SHAPES, config["width"]), attention="batch", **{k: config[k] for k in keys}
        )

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None = None,
        alpha: float = 0.0,
    ) -> NetworkOutput:
        """Class scores of a batch; arguments as for :class:`mien.models.mes_eeg.MEsEEG`."""
        groups = group_by_presence(inputs, present, sizes=self.sizes)
        tokens = {s: self.branches[s](x).tokens for s, x in groups.streams.items() if len(x)}
        logits, hidden = by_group(groups, tokens, self.fusion.fuse)
        features = {s: spread(groups, s, x.mean(1)) for s, x in tokens.items()}
        return NetworkOutput(logits=logits, representation=hidden, stream_features=features)


def branch_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the branches are told: nothing is left out or moved."""
    return {
        "embed_dim": config["width"],
        "levels": config["levels"],
        "kernel": config["kernel"],
        "side": config["side"],
        "grid": 1,
        "dropout": config["dropout"],
        "eeg_dropout": 0.0,
        "me_dropout": 0.0,
        "apex_dropout": 0.0,
        "jitter": 0.0,
        "mirror": False,
    }


def create(
    *,
    sizes: Mapping[str, int] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    n_classes: int = 3,
    width: int = 16,
    levels: int = 3,
    kernel: int = 2,
    side: int = 32,
    embed_dim: int = 128,
    depth: int = 2,
    num_heads: int = 8,
    hidden: int = 256,
    dropout: float = 0.1,
    seed: int = 0,
) -> MEsEEGReleased:
    """The network with fresh weights.

    ``width``, ``levels``, ``kernel`` and ``side`` are those of our branches, the others those of the
    published fusion.
    """
    found = stream_shapes(OWNER, sizes, shapes, SHAPES)
    check_positive(
        OWNER, n_classes=n_classes, width=width, levels=levels, kernel=kernel, side=side,
        embed_dim=embed_dim, depth=depth, num_heads=num_heads, hidden=hidden,
    )  # fmt: skip
    check_heads(OWNER, embed_dim, num_heads)
    config = {
        "sizes": {s: math.prod(shape) for s, shape in found.items()},
        "shapes": {s: list(shape) for s, shape in found.items()},
        "n_classes": n_classes,
        "width": width,
        "levels": levels,
        "kernel": kernel,
        "side": side,
        "embed_dim": embed_dim,
        "depth": depth,
        "num_heads": num_heads,
        "hidden": hidden,
        "dropout": dropout,
        "seed": seed,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MEsEEGReleased(config)


def load(state_dict: Mapping[str, Any], *, num_heads: int, recipe: str = "released") -> nn.Module:
    """There are no published weights of the whole network: always an error that says what to load."""
    raise InputError(
        "the published code has no whole network 'mes_eeg' that runs, and so no weights of one",
        remedy="load its parts: 'mes_eeg_tcn' and 'mes_eeg_fusion'",
    )
