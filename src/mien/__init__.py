"""mien recognises emotion, hidden emotion above all, from what a laboratory records together.

Sub-packages load when they are used; ``import mien`` alone brings in none of torch, mne or cv2.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0.dev0"

_PARTS = (
    "core",
    "io",
    "signal",
    "vision",
    "datasets",
    "timeline",
    "features",
    "protocols",
    "batches",
    "models",
    "train",
    "metrics",
    "report",
    "simulate",
    "run",
)

__all__ = ["__version__", *_PARTS]


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return importlib.import_module(f"mien.{name}")
    raise AttributeError(f"module 'mien' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
