"""Folds of the 80 SEED-VII clips."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError
from mien.protocols._rule import Mask, Table, among, hold_back

N_FOLDS = 4


def clip_folds(table: Table) -> NDArray[np.int64]:
    """Fold (0-3) of each stimulus: clips 1-5, 6-10, 11-15 and 16-20 of every session of 20.

    Every fold of the 80 clips holds three clips of each of six emotions and two neutral ones.
    """
    wrong = [s for s in table.stimuli if not (s.isdecimal() and 1 <= int(s) <= 80)]
    if wrong:
        raise InputError(
            f"stimulus {wrong[0]!r} is not a clip of SEED-VII",
            expected="clip numbers 1 to 80",
            remedy="for other data take 'loso_stimulus'",
        )
    return np.array([(int(s) - 1) % 20 // 5 for s in table.stimuli], np.int64)


def held_back_clips(table: Table, free: Mask, share: float, rng: np.random.Generator) -> Mask:
    """The trials among ``free`` whose stimuli were drawn, stratified by label, to validate."""
    stimuli = np.unique(table.stimulus[free])
    chosen = hold_back(stimuli, table.stimulus_label[stimuli], share, rng)
    return free & among(table.stimulus, chosen)
