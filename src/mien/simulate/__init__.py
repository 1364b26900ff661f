"""Made-up data sets in the layout of the real ones, with known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mien.core import Registry

_registry = Registry("simulated data set", "mien.simulate")


def names() -> list[str]:
    """Data sets that can be simulated."""
    return _registry.names()


def simulate(name: str, out: str | Path, *, seed: int, **options: Any) -> Path:
    """Write a made-up copy of a data set into a new folder, with ``truth.json``.

    Options are those of the data set's own function, for example
    :func:`mien.simulate.seed_vii.simulate`.
    """
    return _registry.get(name)(out, seed=seed, **options)


def example(name: str) -> dict[str, Any]:
    """Options of the smallest sensible call."""
    return _registry.example(name)
