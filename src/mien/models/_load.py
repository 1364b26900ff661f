"""Putting a published state dict into a network of ours, with all that does not fit in one message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mien.core import InputError


def as_tensors(state_dict: Mapping[str, Any]) -> dict[str, Tensor]:
    """Copies of NumPy or torch values as tensors."""
    return {
        key: (value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))).detach().clone()
        for key, value in state_dict.items()
    }


def mismatch(owner: str, **keys: Iterable[str]) -> InputError:
    """The error for a state dict; ``keys`` maps what is wrong (``of_the_wrong_shape``) to the names."""
    listed = {what.replace("_", " "): list(names) for what, names in keys.items()}
    text = "; ".join(f"{len(names)} {what}: {', '.join(names)}" for what, names in listed.items() if names)
    return InputError(
        f"state dict does not fit released {owner}: {text}",
        remedy="give the state dict of the published network, names unchanged",
    )


def need(owner: str, state: Mapping[str, Tensor], ndim: Mapping[str, int]) -> None:
    """Refuse a state without the tensors that tell a network's sizes."""
    missing = [k for k in ndim if k not in state]
    wrong = [f"{k} {tuple(state[k].shape)}" for k, n in ndim.items() if k in state and state[k].ndim != n]
    if missing or wrong:
        raise mismatch(owner, missing=missing, of_the_wrong_shape=wrong)


def load_state(owner: str, network: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """The network with these weights, in evaluation mode.

    Raises
    ------
    InputError
        If keys are missing, unexpected or of another shape; all of them in one message.
    """
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    missing = sorted(expected.keys() - shapes.keys())
    unexpected = sorted(shapes.keys() - expected.keys())
    wrong = [
        f"{key} {shapes[key]} instead of {shape}"
        for key, shape in expected.items()
        if key in shapes and shapes[key] != shape
    ]
    if missing or unexpected or wrong:
        raise mismatch(owner, missing=missing, unexpected=unexpected, of_the_wrong_shape=wrong)
    network.load_state_dict(state)
    return network.eval()
