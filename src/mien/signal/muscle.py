"""How hard muscles work: the envelope of their electrical activity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.signal._body import Mask, clipped, commonest, filtered, one_channel, stuck, thinned, without_gaps

Floats = NDArray[np.float64]

BAND = (20.0, 450.0)
"""Hz of muscle activity at the skin (De Luca et al. 2010, doi:10.1016/j.jbiomech.2010.01.027)."""
LOWEST_RATE = 100.0
SECONDS = 0.05
"""Length of the blocks whose root mean square is the envelope."""
_STUCK_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Envelope:
    """Root mean square of muscle activity block by block (in the unit of the signal), and where it means
    nothing, and why most often."""

    level: Floats
    lost: Mask
    rate: float
    fault: str


def envelope(data: ArrayLike, rate: float) -> Envelope:
    """Root mean square of the band 20-450 Hz in blocks of 50 ms.

    Parameters
    ----------
    data
        (times,) in V. All of a trial or recording.
    rate
        Samples per second, at least 100; the band ends at 0.45 of it at the latest.

    Returns
    -------
    Envelope
        ``lost`` where a sample is not finite, stuck for 1 s, or clipped for 20 ms.
    """
    x = one_channel(data)
    if rate < LOWEST_RATE:
        raise ValueError(f"muscles need at least {LOWEST_RATE:g} Hz, got {rate:g} Hz")
    reasons = {
        "no number": ~np.isfinite(x),
        "clipped": clipped(x, n_samples=max(round(0.02 * rate), 3)),
        "stuck at one value": stuck(x, n_samples=round(_STUCK_SECONDS * rate)),
    }
    bad = np.logical_or.reduce(list(reasons.values()))
    fast = filtered(without_gaps(x, bad), rate, low=BAND[0], high=BAND[1])
    block = max(round(SECONDS * rate), 1)
    n = len(x) // block
    level = np.sqrt((fast[: n * block].reshape(n, block) ** 2).mean(axis=1)) if n else np.empty(0)
    lost = thinned(bad[: n * block], rate, rate / block)
    return Envelope(level=level, lost=lost, rate=rate / block, fault=commonest(reasons))
