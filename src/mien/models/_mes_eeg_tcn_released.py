"""The temporal convolutional network of the EEG notebook of MEs-EEG: same layers, names and order.

Six levels of 128 channels as published; scores are read from the last second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mien.core import InputError
from mien.models import _load
from mien.models._network import NetworkOutput, check_positive, group_by_presence, stream_shapes
from mien.models._tcn import NormedConv

SHAPES = {"eeg": (40, 62, 5)}
OWNER = "mes_eeg_tcn"


class Chomp(nn.Module):
    """Stands where the published code cuts off what its two-sided padding adds; ours pads one side only."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class TemporalBlock(nn.Module):
    """Residual block; the published names hold each convolution twice, by itself and in ``net``."""

    def __init__(self, channels: int, out: int, *, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = NormedConv(channels, out, kernel, dilation)
        self.conv2 = NormedConv(out, out, kernel, dilation)
        self.net = nn.Sequential(
            self.conv1, Chomp(), nn.ReLU(), nn.Dropout(dropout),
            self.conv2, Chomp(), nn.ReLU(), nn.Dropout(dropout),
        )  # fmt: skip
        self.downsample = nn.Conv1d(channels, out, 1) if channels != out else None

    def forward(self, x: Tensor) -> Tensor:
        kept = x if self.downsample is None else self.downsample(x)
        return (self.net(x) + kept).relu()


class TemporalConvNet(nn.Module):
    """Blocks with dilations 1, 2, 4, …"""

    def __init__(self, channels: int, widths: Sequence[int], *, kernel: int, dropout: float) -> None:
        super().__init__()
        before = [channels, *widths[:-1]]
        self.network = nn.Sequential(
            *(
                TemporalBlock(a, b, kernel=kernel, dilation=2**i, dropout=dropout)
                for i, (a, b) in enumerate(zip(before, widths, strict=True))
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


class TCNReleased(nn.Module):
    """The released network; see :func:`create` for its options."""

    kind = "network"
    streams = ("eeg",)

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config
        self.sizes: dict[str, int] = dict(config["sizes"])
        seconds = config["shapes"]["eeg"][0]
        self.values = self.sizes["eeg"] // seconds
        self.gate_lstm_c_enc = TemporalConvNet(
            self.values, config["widths"], kernel=config["kernel"], dropout=config["dropout"]
        )
        self.classification = nn.Linear(config["widths"][-1], config["n_classes"])

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None = None,
        alpha: float = 0.0,
    ) -> NetworkOutput:
        """Class scores; ``inputs["eeg"]`` is (B, seconds, …) of any number of seconds, or flat."""
        x = inputs.get("eeg")
        sizes = dict(self.sizes)
        if x is not None and x.ndim > 2 and x[0, 0].numel() == self.values:
            sizes["eeg"] = x.shape[1] * self.values
        x = group_by_presence(inputs, present, sizes=sizes).streams["eeg"]
        last = self.gate_lstm_c_enc(x.unflatten(1, (-1, self.values)).transpose(1, 2))[:, :, -1]
        return NetworkOutput(logits=self.classification(last), representation=last)


def create(
    *,
    sizes: Mapping[str, int] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    n_classes: int = 8,
    widths: Sequence[int] = (128,) * 6,
    kernel: int = 2,
    dropout: float = 0.2,
    seed: int = 0,
) -> TCNReleased:
    """The released network with fresh weights; ``widths`` are the channels of its levels."""
    found = stream_shapes(OWNER, sizes, shapes, SHAPES)
    check_positive(OWNER, n_classes=n_classes, levels=len(widths), kernel=kernel)
    config = {
        "sizes": {"eeg": int(torch.Size(found["eeg"]).numel())},
        "shapes": {"eeg": list(found["eeg"])},
        "n_classes": n_classes,
        "widths": list(widths),
        "kernel": kernel,
        "dropout": dropout,
        "seed": seed,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TCNReleased(config)


def load(
    state_dict: Mapping[str, Any], *, num_heads: int = 1, recipe: str = "released", seconds: int = 40
) -> nn.Module:
    """See :func:`mien.models.load_released`; the network has no heads, and ``seconds`` is what it expects
    where the input is flat."""
    if recipe != "released":
        raise InputError(
            "corrected 'mes_eeg_tcn' has other layers than the published network",
            expected='recipe="released"',
        )
    state = _load.as_tensors(state_dict)
    first = "gate_lstm_c_enc.network.0.conv1.weight_v"
    _load.need(OWNER, state, {first: 3, "classification.weight": 2})
    widths: list[int] = []
    while (key := f"gate_lstm_c_enc.network.{len(widths)}.conv1.weight_v") in state:
        widths.append(state[key].shape[0])
    _, values, kernel = state[first].shape
    network = create(
        shapes={"eeg": (seconds, values, 1)},
        n_classes=len(state["classification.weight"]),
        widths=widths,
        kernel=kernel,
    )
    return _load.load_state(OWNER, network, state)
