"""What the eyes add to the EEG, taken off by what the eye channels saw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.signal.cleaning._chain import Chain
from mien.signal.cleaning._work import Array, Outcome, Work, blocks
from mien.signal.cleaning.filters import HighPass, LowPass

EYES = ("EOG", "HEO", "VEO")
"""What the names of eye channels among the extras contain."""
_BLINK_Z, _AROUND, _SOFT = 6.0, 0.15, 0.05
"""A blink: an eye channel this many robust deviations off; seconds around it; seconds of soft edge."""
_FEWEST_SECONDS = 2.0


@dataclass(frozen=True)
class EyeRegression:
    """Take off each EEG channel its share of the eye channels among the extras.

    Blinks and eye movements spread differently, so each gets shares of its own (Gratton, Coles and Donchin
    1983, doi:10.1016/0013-4694(83)90135-9): the eye channels are cut in two by a soft mask around blinks.
    Shares are least squares above ``fit_high_pass`` Hz, where drift does not count. Only what is below
    ``below`` Hz is taken off: faster parts of an eye channel are muscle and brain.

    An eye channel also sees some of the frontal brain, and that goes too. Without eye channels nothing is
    done, and the record says so.
    """

    below: float = 15.0
    fit_high_pass: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.fit_high_pass < self.below:
            raise ValueError("fit_high_pass and below must be positive, and the first the smaller")

    def run(self, work: Work) -> Outcome:
        """Find the shares, take them off."""
        rows = eye_rows(work)
        if not rows:
            note = "no eye channel among the extras: eye movements were left to ICA"
            return Outcome(work=work, found={"channels": []}, percent=0.0, notes=(note,))
        eyes = _filtered(work.extra[rows].astype(np.float64), work.rate, LowPass(self.below))
        fast = _filtered(eyes, work.rate, HighPass(self.fit_high_pass))
        mask, n_blinks = _blinks(fast, work.rate)
        regressors = [eyes * (1 - mask), eyes * mask] if n_blinks else [eyes]
        table = np.concatenate(regressors)
        shares = self._shares(work, table)
        before = after = 0.0
        for part in blocks(work.n_times, work.rate):
            x = work.data[:, part].astype(np.float64)
            y = x - shares @ table[:, part]
            before, after = before + float((x**2).sum()), after + float((y**2).sum())
            work.data[:, part] = y
        found: dict[str, Any] = {
            "channels": [work.extra_channels[i] for i in rows],
            "blinks": n_blinks,
            "blinks_per_minute": round(60 * n_blinks * work.rate / work.n_times, 2),
        }
        percent = 100 * (1 - after / before) if before else 0.0
        return Outcome(work=replace(work), found=found, percent=percent, arrays={"shares": shares})

    def _shares(self, work: Work, table: Array) -> NDArray[np.float64]:
        """(channels, regressors), by least squares of the high-passed on the high-passed."""
        once = _filtered(table, work.rate, HighPass(self.fit_high_pass))
        # filtering both sides of a product is filtering one of them twice: the EEG need not be copied
        twice = _filtered(once, work.rate, HighPass(self.fit_high_pass))
        if work.valid is not None:
            once, twice = once * work.valid, twice * work.valid
        products = np.zeros((len(work.channels), len(table)))
        for part in blocks(work.n_times, work.rate):
            products += work.data[:, part].astype(np.float64) @ twice[:, part].T
        return np.asarray(np.linalg.lstsq(once @ once.T, products.T, rcond=1e-10)[0].T)


def eye_rows(work: Work) -> list[int]:
    """Rows of the extras that are eye channels and not flat."""
    return [
        i
        for i, name in enumerate(work.extra_channels)
        if any(word in name.upper() for word in EYES) and np.ptp(work.extra[i]) > 0
    ]


def _filtered(data: Array, rate: float, step: HighPass | LowPass) -> NDArray[np.float64]:
    if isinstance(step, LowPass) and step.cutoff + step.width(rate) >= rate / 2:
        return np.asarray(data)
    chain = Chain.of([step], rate=rate, n_in=data.shape[1])
    parts = chain.run(lambda start, stop: data[:, start:stop], block=int(120 * rate))
    return np.concatenate([part for _, part in parts], axis=1)


def _blinks(eyes: Array, rate: float) -> tuple[NDArray[np.float64], int]:
    """Soft mask (times,), 1 in blinks, and how many there are; none if they last too short to learn from."""
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    low, high = np.percentile(eyes, (25, 75), axis=1, keepdims=True)
    off = (np.abs(eyes) > _BLINK_Z * (high - low) / 1.349).any(axis=0)
    wide = maximum_filter1d(off.astype(np.float64), 2 * int(_AROUND * rate) + 1)
    n = int((np.diff(wide, prepend=0) > 0).sum())
    if wide.sum() < _FEWEST_SECONDS * rate:
        return np.zeros(len(wide)), 0
    return uniform_filter1d(wide, 2 * int(_SOFT * rate) + 1), n
