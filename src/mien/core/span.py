"""A stretch of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.core._check import require


@dataclass(frozen=True, kw_only=True)
class Span:
    """Half-open stretch of time ``[start, start + duration)`` in seconds."""

    start: float
    duration: float

    def __post_init__(self) -> None:
        require(np.isfinite(self.start) and np.isfinite(self.duration), f"span must be finite: {self}")
        require(self.duration >= 0, f"duration must not be negative: {self}")

    @property
    def stop(self) -> float:
        """First moment that no longer belongs to the span."""
        return self.start + self.duration

    def overlaps(self, other: Span) -> bool:
        """Whether the two share a moment."""
        return self.start < other.stop and other.start < self.stop
