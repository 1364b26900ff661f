"""Which windows may be learnt from: those felt strongly enough, by the subject's own rating."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.batches import Table
from mien.core import InputError
from mien.run.config import SelectionPart


def select(table: Table, rule: SelectionPart) -> NDArray[np.bool_]:
    """Mask of the windows of a table that a rule chooses; all of them where there is no rule."""
    chosen = _chosen(table.intensity, table.subjects, rule)
    if not chosen.any():
        raise InputError(
            f"no window has an intensity of {rule.intensity_at_least} or more",
            remedy="lower intensity_at_least",
        )
    return chosen


def select_rows(table: Table, rows: NDArray[np.int64], rule: SelectionPart) -> NDArray[np.int64]:
    """Those of some rows that a rule chooses by the ratings of these rows alone.

    Called with the training rows of a fold: what a subject felt in the tested trials moves nothing.
    """
    return rows[_chosen(table.intensity[rows], table.subjects[rows], rule)]


def _chosen(
    intensity: NDArray[np.floating], subjects: NDArray[np.str_], rule: SelectionPart
) -> NDArray[np.bool_]:
    """With ``scale="subject"`` ratings are put on 0-1 by each subject's least and greatest among those given.

    Windows without a rating are not chosen when there is a rule.
    """
    least = rule.intensity_at_least
    if least is None:
        return np.ones(len(intensity), dtype=bool)
    rating = intensity.copy()
    if rule.scale == "subject":
        for subject in np.unique(subjects):
            own = subjects == subject
            known = rating[own][np.isfinite(rating[own])]
            if len(known):
                rating[own] = (rating[own] - known.min()) / max(np.ptp(known), 1e-12)
    return rating >= least
