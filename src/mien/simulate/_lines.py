"""The code on a trigger line, sample by sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def held_codes(markers: Sequence[tuple[int, int]], n_samples: int, *, hold: int) -> NDArray[np.uint8]:
    """Codes (n_samples,): each is on for ``hold`` samples or until the next one begins, 0 in between.

    Parameters
    ----------
    markers
        (sample, code from 1 to 255), in the order of time. Between a code and its repetition the line is 0
        for at least one sample.
    """
    codes = np.zeros(n_samples, dtype=np.uint8)
    following = [*markers, (n_samples, 0)][1:]
    for (sample, code), (after, next_code) in zip(markers, following, strict=True):
        codes[sample : min(sample + hold, after - (code == next_code))] = code
    return codes
