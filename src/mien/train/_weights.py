"""Trained weights as a folder: ``weights.safetensors`` and ``model.json``. Nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from mien.core import InputError, write_whole

WEIGHTS, META = "weights.safetensors", "model.json"
PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib")


def _refuse_pickle(path: Path) -> None:
    with open(path, "rb") as file:
        start = file.read(9)
    # safetensors: eight bytes of length, which may look like anything, then JSON
    if start[8:] == b"{":
        return
    # a zip archive (what torch.save writes) or a pickle of protocol 2 and up
    if path.suffix.lower() in PICKLES or start[:2] == b"PK" or start[:1] == b"\x80":
        raise InputError(
            "this is a pickle; pickle files can run code when they are opened, so none is read",
            file=path,
            expected=f"{WEIGHTS} as mien writes it",
            remedy="convert it where it was made, with safetensors.torch.save_file(state_dict, path)",
        )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file by name.

    Raises
    ------
    InputError
        If the file is not there, is a pickle, or is damaged.
    """
    if not path.is_file():
        raise InputError("no such file", file=path, expected=f"{WEIGHTS} as mien writes it")
    _refuse_pickle(path)
    try:
        return load_tensors(path.read_bytes())
    except SafetensorError as error:
        raise InputError(
            f"damaged or not a safetensors file ({error})",
            file=path,
            remedy="copy it again, or train again",
        ) from None


def save_weights(
    folder: str | Path, state: Mapping[str, Tensor | np.ndarray], meta: Mapping[str, Any]
) -> Path:
    """Write a model's weights and what they belong to; the same input gives the same bytes.

    Parameters
    ----------
    folder
        Made if it is not there.
    state
        Name to tensor or array: a network's state dict or an estimator's ``state_dict()``.
    meta
        Plain values for ``model.json``, for example ``{"model": "maet", "config": network.config}``.

    Returns
    -------
    Path
        The folder.
    """
    folder = Path(folder)
    tensors = {
        name: torch.as_tensor(value).detach().cpu().clone().contiguous() for name, value in state.items()
    }
    text = json.dumps(dict(meta), indent=2, sort_keys=True, allow_nan=False) + "\n"
    write_whole(folder / WEIGHTS, save_tensors(tensors))
    write_whole(folder / META, text.encode())
    return folder


def load_weights(folder: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What :func:`save_weights` wrote: weights and ``model.json``.

    Raises
    ------
    InputError
        If the folder or one of its files is missing or damaged, or if a pickle is offered instead.
    """
    folder = Path(folder)
    if folder.is_file():
        _refuse_pickle(folder)
        raise InputError("this is a file", file=folder, expected=f"a folder with {WEIGHTS} and {META}")
    if not folder.is_dir():
        raise InputError("no such folder", file=folder, expected=f"a folder with {WEIGHTS} and {META}")
    if not (folder / WEIGHTS).is_file():
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in PICKLES and path.is_file():
                _refuse_pickle(path)
    state = read_tensors(folder / WEIGHTS)
    path = folder / META
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=path) from None
    except ValueError:
        raise InputError("not valid JSON", file=path, remedy="copy it again, or train again") from None
    return state, meta
