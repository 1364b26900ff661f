"""What is known about a data set before one has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Card:
    """Facts a user and a report need about a data set.

    Attributes
    ----------
    title, version
        Name, and which release the reader was written for.
    licence
        What may be done with the data.
    citation, doi
        What to cite.
    obtain
        How to get the data.
    counts
        What a complete copy holds: name to number.
    known_faults
        One sentence each: what is wrong or unknown in the published files.
    """

    title: str
    version: str
    licence: str
    citation: str
    doi: str
    obtain: str
    counts: Mapping[str, float] = field(default_factory=dict)
    known_faults: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {**asdict(self), "counts": dict(self.counts), "known_faults": list(self.known_faults)}
