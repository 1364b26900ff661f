"""Temporal convolutional network on the power of EEG second by second: the EEG branch of MEs-EEG alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mien.core import Batch, registered
from mien.models._example import example_batch
from mien.models._network import NetworkOutput, check_positive, group_by_presence, stream_shapes
from mien.models._streams import Scores, SequenceBranch

SHAPES = {"eeg": (7, 62, 5)}


@registered
class MEsEEGTCN(nn.Module):
    """Power by second → weight-normed causal convolutions with dilations 1, 2, 4 … → class scores.

    Parameters
    ----------
    sizes, shapes
        Values of a sample of ``eeg``, and their shape (seconds, …); by default 7 s × 62 channels × 5 bands.
    n_classes
        Number of classes.
    embed_dim, levels, kernel
        Channels of the convolutions, residual blocks, and length of a convolution in seconds.
    dropout
        Between convolutions and before the classifier, in training.
    eeg_dropout
        Share of the values that training leaves out of a sample, in all its seconds.
    seed
        Of the first weights; the global random state is not used.

    Notes
    -----
    Bai, Kolter and Koltun, arXiv:1803.01271. What differs from the published network of MEs-EEG stands in
    ``docs/models/mes_eeg.md``.
    """

    kind = "network"
    streams = ("eeg",)

    def __init__(
        self,
        *,
        sizes: Mapping[str, int] | None = None,
        shapes: Mapping[str, Sequence[int]] | None = None,
        n_classes: int = 3,
        embed_dim: int = 16,
        levels: int = 3,
        kernel: int = 2,
        dropout: float = 0.5,
        eeg_dropout: float = 0.8,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shapes = stream_shapes("mes_eeg_tcn", sizes, shapes, SHAPES)
        self.sizes = {name: math.prod(shape) for name, shape in self.shapes.items()}
        self.config: dict[str, Any] = {
            "sizes": dict(self.sizes),
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "n_classes": n_classes,
            "embed_dim": embed_dim,
            "levels": levels,
            "kernel": kernel,
            "dropout": dropout,
            "eeg_dropout": eeg_dropout,
            "seed": seed,
        }
        check_positive("mes_eeg_tcn", n_classes=n_classes, embed_dim=embed_dim, levels=levels, kernel=kernel)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            seconds, *rest = self.shapes["eeg"]
            self.branch = SequenceBranch(
                seconds,
                math.prod(rest),
                width=embed_dim,
                levels=levels,
                kernel=kernel,
                dropout=dropout,
                input_dropout=eeg_dropout,
            )
            self.scores = Scores(self.branch, n_classes)

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None = None,
        alpha: float = 0.0,
    ) -> NetworkOutput:
        """Class scores of a batch; arguments as for :class:`mien.models.mes_eeg.MEsEEG`."""
        x = group_by_presence(inputs, present, sizes=self.sizes).streams["eeg"]
        encoded = self.branch(x)
        return NetworkOutput(logits=self.scores(encoded), representation=torch.cat(encoded[1:], 1))


def example() -> Batch:
    """Twelve made-up samples of seven seconds, 62 channels and five bands."""
    return example_batch(SHAPES, n_classes=3)
