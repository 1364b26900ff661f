"""A made-up SEED-VII as it is recorded, one session of each of a few people: quick to write and to clean."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

from mien import simulate
from mien.simulate import seed_vii

SESSION = 4
"""The shortest: five clips."""
STEPS: list[Any] = [
    {"step": "high_pass", "cutoff": 1.0},
    {"step": "resample", "rate": 200.0},
    "bad_channels",
    "interpolate",
    {"step": "rereference", "to": "average"},
]
"""Cleaning in a second or two; ICA alone takes ten times that."""


def make(out: Path, *, subjects: int = 3, seconds: float = 8.0, seed: int = 5) -> Path:
    """Raw recordings of one session of each subject."""

    def parts(latent: Any, kinds: Any) -> list[tuple[int, int]]:
        return [(s, SESSION) for s in range(len(latent.subjects))]

    with mock.patch.object(seed_vii, "_parts", parts):
        return simulate.simulate(
            "seed_vii", out, seed=seed, subjects=subjects, clips=28, seconds=seconds, kinds=("raw",)
        )
