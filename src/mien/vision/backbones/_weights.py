"""Reading weights from files, nothing unpickled but tensors."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from mien.core import InputError


def read_safetensors(file: Path) -> dict[str, Tensor]:
    """All tensors of a ``.safetensors`` file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (SafetensorError, OSError) as fault:
        raise InputError(f"cannot be read as safetensors: {fault}", file=file) from fault


def read_tensors(file: Path) -> dict[str, Tensor]:
    """All tensors of a ``.safetensors`` file, or of a state dictionary that torch saved.

    The latter is opened with ``weights_only=True``, which makes nothing but tensors and plain containers.
    """
    if file.suffix == ".safetensors":
        return read_safetensors(file)
    try:
        read = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as fault:
        reason = str(fault).strip().split("\n")[0]
        raise InputError(f"cannot be read as weights: {reason}", file=file) from fault
    if not isinstance(read, dict) or not all(isinstance(value, Tensor) for value in read.values()):
        raise InputError("holds something else than named tensors", file=file, expected="a state dictionary")
    return read


def load(network: nn.Module, stored: dict[str, Tensor], *, file: Path) -> None:
    """Fill a network with a file's tensors: all of its own, and none that it does not know."""
    wanted = network.state_dict()
    faults = [f"{name} is missing" for name in wanted if name not in stored]
    faults += [f"{name} is unknown" for name in stored if name not in wanted]
    faults += [
        f"{name} has the shape {tuple(stored[name].shape)} instead of {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in stored and stored[name].shape != value.shape
    ]
    if faults:
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise InputError(f"are not the weights of this network: {faults[0]}{more}", file=file)
    network.load_state_dict(stored)
