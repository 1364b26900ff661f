"""Training networks: the loop, losses, seeds, checkpoints, temperature; and prediction.

Everything here works on :class:`mien.core.Batch` and on any network of :mod:`mien.models`. Importing this
package does not import torch; using it does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mien.train._config import FitResult, TrainConfig

if TYPE_CHECKING:
    from mien.train._loop import fit
    from mien.train._predict import coupling, fit_temperature, predict
    from mien.train._weights import load_weights, save_weights

__all__ = [
    "FitResult",
    "TrainConfig",
    "coupling",
    "fit",
    "fit_temperature",
    "load_weights",
    "predict",
    "save_weights",
]

_WHERE = {
    "fit": "_loop",
    "coupling": "_predict",
    "fit_temperature": "_predict",
    "predict": "_predict",
    "load_weights": "_weights",
    "save_weights": "_weights",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
