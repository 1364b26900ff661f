"""Cross-subject protocol of SEED-VII."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mien.core import Sample, registered
from mien.protocols._example import crossed
from mien.protocols.loso import Loso


def example() -> tuple[Sample, ...]:
    """Four subjects, twelve clips."""
    return crossed()


@registered
@dataclass(frozen=True, kw_only=True)
class Seed7Loso(Loso):
    """Leave one of the 20 subjects out [public code of MAET, README: 20 folds, ``num_domains=19``].

    How the paper chose its epoch is not published. Here validation is nested, as in :class:`Loso`, so 17 or
    fewer subjects remain as domains; ``n_val_subjects=0`` gives the published 19, with a fixed number of
    epochs.
    """

    text: ClassVar = (
        "SEED-VII across subjects: each of the subjects is tested by models trained on the others, "
        "with the same clips."
    )
