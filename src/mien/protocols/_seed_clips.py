"""What the protocols of SEED and SEED-V share: clips by number, and validation by clips."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError
from mien.protocols._clips import held_back_clips
from mien.protocols._rule import Mask, Table


def clip_numbers(table: Table, *, dataset: str, n_clips: int) -> NDArray[np.int64]:
    """Number of each stimulus, which must be a clip of the data set."""
    wrong = [s for s in table.stimuli if not (s.isdecimal() and 1 <= int(s) <= n_clips)]
    if wrong:
        raise InputError(
            f"stimulus {wrong[0]!r} is not a clip of {dataset}",
            expected=f"clip numbers 1 to {n_clips}",
            remedy="for other data take 'loso_stimulus'",
        )
    return np.array([int(s) for s in table.stimuli], np.int64)


def validation(table: Table, free: Mask, share: float, rng: np.random.Generator) -> Mask:
    """The trials among ``free`` whose clips validate; none where the share is 0."""
    return held_back_clips(table, free, share, rng) if share else np.zeros_like(free)
