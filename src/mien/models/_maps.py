"""What the networks on an expression's maps alone share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mien.core import InputError
from mien.models._network import NetworkOutput, check_positive, group_by_presence, stream_shapes

SHAPES = {"me": (4, 64, 64)}


class MapNetwork(nn.Module):
    """A network that reads the first three maps of the stream ``me``.

    A subclass makes its layers in ``_build(config)``, among them ``head``, and turns maps (B, 3, H, W) into
    what the head reads in ``_represent``.
    """

    kind = "network"
    streams: tuple[str, ...] = ("me",)
    head: nn.Linear

    def __init__(
        self,
        owner: str,
        sizes: Mapping[str, int] | None,
        shapes: Mapping[str, Sequence[int]] | None,
        **config: Any,
    ) -> None:
        super().__init__()
        self.shapes = stream_shapes(owner, sizes, shapes, SHAPES)
        shape = self.shapes["me"]
        if len(shape) != 3 or shape[0] < 3 or min(shape[1:]) < 8:
            raise InputError(
                f"{owner}: stream 'me' has the shape {shape}",
                expected="(maps, height, width) with at least three maps (u, v, strain) of 8 × 8 or more",
            )
        self.sizes = {name: math.prod(shape) for name, shape in self.shapes.items()}
        check_positive(owner, n_classes=config["n_classes"])
        self.config: dict[str, Any] = {
            "sizes": dict(self.sizes),
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            **config,
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config["seed"])
            self._build(self.config)

    def _build(self, config: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def _represent(self, maps: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None = None,
        alpha: float = 0.0,
    ) -> NetworkOutput:
        """Class scores of a batch; arguments as for :class:`mien.models.mes_eeg.MEsEEG`."""
        x = group_by_presence(inputs, present, sizes=self.sizes).streams["me"]
        pooled = self._represent(x.reshape(-1, *self.shapes["me"])[:, :3])
        return NetworkOutput(logits=self.head(pooled), representation=pooled)
